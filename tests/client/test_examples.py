"""The programs in examples/ that need a server only, as `make dev` built them."""
import os
import pathlib
import subprocess

from beck import WAIT

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BECK_BUILD", ROOT / "build/dev"))


def start(name, app, token, **env):
    env = {**os.environ, "URL": f"http://{app.server.host}:{app.server.port}", "API_KEY": app.key, "TOKEN": token, "NO_PROXY": "127.0.0.1", **env}
    return subprocess.run([BUILD / f"bin/example_{name}"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=WAIT + 30,
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
