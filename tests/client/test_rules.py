"""What beck.h promises a program that does odd things (rules.c), in every way of threading; and that every allocation may fail."""
import os
import subprocess

import pytest

from puppet import PUPPET

RULES = os.path.join(os.path.dirname(PUPPET), "rules")


def run(rule, threading, app, url=None, **env):
    user = app.user()
    channel = app.channel(user)
    argv = [RULES, rule, str(threading), url or f"http://{app.server.host}:{app.server.port}", app.key, user.id, user.token, channel.id]
    done = subprocess.run(argv, capture_output=True, timeout=150, check=False,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "TSAN_OPTIONS": "halt_on_error=1", "SECRET": app.secret, **env})
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0 and done.stdout.endswith(b"ok\n"), f"status {done.returncode}\n{said[-6000:]}"
    return said


@pytest.mark.quick
@pytest.mark.parametrize("threading", [0, 1, 2], ids=["own-thread", "poll-events", "no-thread"])
@pytest.mark.parametrize("rule", ["callback", "release", "disconnect", "handlers", "threads", "server", "signals", "gone"])
def test_rule(app, rule, threading):
    run(rule, threading, app)


@pytest.mark.quick
@pytest.mark.parametrize("rule", ["instance", "null", "fork", "loop", "stuck"])
def test_rule_of_the_process(app, rule):
    run(rule, 0, app)


@pytest.mark.quick
def test_a_loop_wakes_for_other_threads(app):
    run("loop_wakes", 2, app)


@pytest.mark.quick
@pytest.mark.parametrize("threading", [1, 2], ids=["poll-events", "no-thread"])
def test_poll_beside_a_blocking_call(app, threading):
    run("poll_beside", threading, app)


@pytest.mark.parametrize("threading", [0, 2], ids=["own-thread", "no-thread"])
@pytest.mark.parametrize("mode", ["refuse", "pass"])
def test_a_new_connection_outlives_the_goodbye_of_the_old(app, box, threading, mode):
    box.mode = mode
    run("anew", threading, app, url=box.url)


def test_every_allocation_may_fail(app):
    """A life of a client again and again, each time with the next allocation failing, until one passes untouched."""
    at, step = 1, 150
    while "through" not in run("memory", 2, app, FROM=str(at), TO=str(at + step)):
        at += step
        assert at < 3000, "a life takes how many allocations?"
    assert at > 1, "a life with so few allocations is no life"
