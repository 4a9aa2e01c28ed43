"""docs/quickstart.md: its excerpts are what runs, and its commands do what it says."""
import os
import re
import shutil
import signal
import subprocess

from beck import BECK, Beckd, wait_until
from examples import ROOT, Browser, free_port

PAGE = (ROOT / "docs/quickstart.md").read_text()


def test_excerpts_are_the_examples():
    done = subprocess.run([ROOT / "tools/make_quickstart", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    app_js = (ROOT / "examples/login/page/app.js").read_text()
    page, = re.findall(r"## The page\n.*?```js\n(.*?)```", PAGE, re.S)
    for line in page.splitlines():
        assert line in app_js, line
    for link in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (ROOT / "docs" / link).exists(), link


def test_commands(tmp_path):
    """What stands under "Run it", in a folder like a clone after `make run`."""
    commands, = re.findall(r"## Run it\n.*?```sh\n(.*?)```", PAGE, re.S)
    server = Beckd(env={"BECK_API_SECRET": ""}).start()  # which makes its secret itself, as with `make run`
    process = None
    try:
        (tmp_path / "build/bin").mkdir(parents=True)
        (tmp_path / "build/bin/beck").symlink_to(BECK)
        (tmp_path / "data").symlink_to(server.data)
        shutil.copytree(ROOT / "examples/login", tmp_path / "examples/login")
        port = free_port()
        env = {**os.environ, "BECK_URL": f"http://{server.host}:{server.port}", "PORT": str(port)}
        with open(tmp_path / "log", "wb") as log:
            process = subprocess.Popen(["sh", "-ec", commands], cwd=tmp_path, env=env, stdout=log, stderr=log, start_new_session=True)

        def answers():
            assert process.poll() is None, (tmp_path / "log").read_text()
            try:
                return browser.get("/").status == 200
            except OSError:
                return False
        browser = Browser(type("App", (), {"port": port, "secret": (server.data / "api_secret").read_text().strip()}))
        wait_until(answers, "the app answers", 30)
        assert "2 users" in (tmp_path / "log").read_text()
        for user, word in re.findall(r"(\w+)\\t\w+\\t([\w ]+)\\n", commands):
            browser.sign_in(user, word).token()
    finally:
        if process:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(10)
        server.destroy()
