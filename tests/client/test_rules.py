"""What beck.h promises a program that does odd things (rules.c), in every way of threading; and that every allocation may fail."""
import os
import subprocess

import pytest

from puppet import PUPPET

RULES = os.path.join(os.path.dirname(PUPPET), "rules")


def run(rule, threading, app, **env):
    user = app.user()
    channel = app.channel(user)
    argv = [RULES, rule, str(threading), f"http://{app.server.host}:{app.server.port}", app.key, user.id, user.token, channel.id]
    done = subprocess.run(argv, capture_output=True, timeout=150, check=False,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "TSAN_OPTIONS": "halt_on_error=1", "SECRET": app.secret, **env})
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0 and done.stdout.endswith(b"ok\n"), f"status {done.returncode}\n{said[-6000:]}"
    return said


@pytest.mark.quick
@pytest.mark.parametrize("threading", [0, 1, 2], ids=["own-thread", "poll-events", "no-thread"])
@pytest.mark.parametrize("rule", ["callback", "release", "disconnect", "handlers", "threads", "server", "signals"])
def test_rule(app, rule, threading):
    run(rule, threading, app)


@pytest.mark.quick
@pytest.mark.parametrize("rule", ["instance", "null", "fork", "loop"])
def test_rule_of_the_process(app, rule):
    run(rule, 0, app)


def test_every_allocation_may_fail(app):
    """A life of a client again and again, each time with the next allocation failing, until one passes untouched."""
    at, step = 1, 150
    while "through" not in run("memory", 2, app, FROM=str(at), TO=str(at + step)):
        at += step
        assert at < 3000, "a life takes how many allocations?"
    assert at > 1, "a life with so few allocations is no life"
