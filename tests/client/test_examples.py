"""The programs in examples/ that need a server only, as `make dev` built them."""
import os
import pathlib
import subprocess

import pytest

from beck import WAIT

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BECK_BUILD", ROOT / "build/dev"))


def start(name, app, token, *args, **env):
    env = {**os.environ, "URL": f"http://{app.server.host}:{app.server.port}", "API_KEY": app.key, "TOKEN": token, "NO_PROXY": "127.0.0.1", **env}
    return subprocess.run([BUILD / f"bin/example_{name}", *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=WAIT + 30,
                          check=False)


def test_connect(app):
    done = start("connect", app, app.token("john"))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.strip()) > 10  # the connection's id


def test_connect_refused(app):
    done = start("connect", app, app.token("jane"))
    assert done.returncode == 1
    assert done.stderr.startswith("0 "), done.stderr  # told here, nothing was sent
    assert "token" in done.stderr


def test_connect_to_nobody(app):
    done = start("connect", app, app.token("john"), URL="http://127.0.0.1:9")
    assert done.returncode == 1 and done.stderr


@pytest.mark.parametrize("name", ["loop_libuv", "loop_glib"])
def test_in_a_foreign_loop(app, name):
    """Up, and then events that come by themselves: the loop must wake for them, not only at deadlines."""
    user, other = app.users(2)
    channel = app.channel(other, user)
    env = {**os.environ, "URL": f"http://{app.server.host}:{app.server.port}", "API_KEY": app.key, "TOKEN": user.token, "USER_ID": user.id}
    process = subprocess.Popen([BUILD / f"bin/example_{name}", "5"], env=env, stdout=subprocess.PIPE, text=True)
    assert {process.stdout.readline().strip(), process.stdout.readline().strip()} == {"connection.changed", "health.check"}
    for _ in range(3):
        other.send(channel, "hello")
        assert process.stdout.readline().strip() == "notification.message_new"
    assert process.wait(WAIT) == 0
    process.stdout.close()


def test_in_a_loop_of_poll(app):
    user, other = app.users(2)
    channel = app.channel(other, user)
    env = {**os.environ, "URL": f"http://{app.server.host}:{app.server.port}", "API_KEY": app.key, "TOKEN": user.token, "USER_ID": user.id}
    process = subprocess.Popen([BUILD / "bin/example_loop_poll", channel.cid], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "watching\n"
    other.send(channel, "hello")
    assert process.stdout.readline() == f"{other.id}: hello\n"
    process.stdin.write("well met\n")
    process.stdin.flush()
    assert process.stdout.readline() == f"{user.id}: well met\n"
    process.stdin.close()
    assert process.wait(WAIT) == 0
    process.stdout.close()
