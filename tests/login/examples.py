"""Starts the apps of examples/login and uses them over HTTP, as a browser does."""
import base64
import http.client
import json
import os
import pathlib
import queue
import re
import secrets
import shutil
import socket
import subprocess
import threading
import urllib.parse

from beck import Reply, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGIN = ROOT / "examples/login"
LANGUAGES = ("node", "python", "php", "go")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def build_go(folder):
    """The program of the Go example, outside of the source tree."""
    program = pathlib.Path(folder) / "login"
    done = subprocess.run(["go", "build", "-o", str(program), "."], cwd=LOGIN / "go", env={**os.environ, "GOFLAGS": "-buildvcs=false"},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


class Example:
    """One app in one language: its commands, its process, its browsers."""

    def __init__(self, language, folder, app, beck_url, public_url=None, go=None):
        self.language, self.folder, self.secret = language, pathlib.Path(folder), app.secret
        self.folder.mkdir(parents=True, exist_ok=True)
        secret_file = self.folder / "secret"
        secret_file.write_text(app.secret + "\n")
        secret_file.chmod(0o600)
        self.argv = {"node": ["node", LOGIN / "node/app.mjs"], "python": ["/usr/bin/python3", LOGIN / "python/app.py"],
                     "php": ["php", LOGIN / "php/index.php"], "go": [go]}[language]
        self.env = {**os.environ, "BECK_URL": beck_url, "BECK_PUBLIC_URL": public_url or beck_url, "BECK_API_KEY": app.key,
                    "BECK_API_SECRET_FILE": str(secret_file), "APP_DATA": str(self.folder / "data"), "APP_PAGES": str(LOGIN / "page"), "PORT": "0",
                    "PHP_CLI_SERVER_WORKERS": "4"}
        self.log_path = self.folder / "log"
        self.process, self.port = None, 0

    def command(self, *argv, stdin="", **env):
        done = subprocess.run([*map(str, self.argv), *argv], input=stdin, env={**self.env, **env}, cwd=self.folder, capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def add_users(self, rows):
        self.command("add-users", stdin="".join("\t".join(row) + "\n" for row in rows))

    def start(self):
        argv, env = list(map(str, self.argv)), dict(self.env)
        if self.language == "php":  # it cannot choose a port by itself
            self.port = free_port()
            argv = ["php", "-S", f"127.0.0.1:{self.port}", str(LOGIN / "php/index.php")]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(argv, env=env, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        lines = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout, lines), daemon=True).start()
        if self.language != "php":
            found = re.match(rb"ready http://127\.0\.0\.1:(\d+)", lines.get(timeout=30))
            assert found, self.log()
            self.port = int(found.group(1))
        wait_until(self._answers, f"the {self.language} app answers")
        return self

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.put(line)
        lines.put(b"")
        stream.close()

    def _answers(self):
        assert self.process.poll() is None, self.log()
        try:
            return self.browser().get("/").status == 200
        except OSError:
            return False

    def stop(self):
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, 15)  # PHP's server has workers
        except ProcessLookupError:
            pass
        try:
            self.process.wait(10)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, 9)
                self.process.wait()
            self.process = None

    def destroy(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def browser(self):
        return Browser(self)


class Browser:
    """Keeps cookies, follows nothing, says where its POSTs come from. No answer may hold the secret or a token of the server side."""

    def __init__(self, example, origin=None, connect=None, prefix=""):
        self.example, self.cookies, self.prefix = example, {}, prefix
        self.origin = origin or f"http://127.0.0.1:{example.port}"
        self.connect = connect or (lambda: http.client.HTTPConnection("127.0.0.1", example.port, timeout=30))

    def request(self, method, path, form=None, headers=None):
        head = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())} if self.cookies else {}
        body = None
        if method == "POST":
            head["Origin"] = self.origin
            head["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(form or {})
        for name, value in (headers or {}).items():
            head.pop(name, None)
            if value is not None:
                head[name] = value
        connection = self.connect()
        try:
            connection.request(method, path, body, head)
            answer = connection.getresponse()
            reply = Reply(answer.status, answer.headers, answer.read(), f"{method} {path}")
        finally:
            connection.close()
        everything = str(reply.headers).encode() + reply.body
        assert self.example.secret.encode() not in everything, "the secret is in an answer"
        assert b'"server"' not in everything and b"InNlcnZlciI6" not in everything, "a token of the server side is in an answer"
        for line in reply.headers.get_all("Set-Cookie") or []:
            name, value = re.match(r"(\w+)=([^;]*)", line).groups()
            if value in ("", "deleted"):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return reply

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, **form):
        return self.request("POST", path, form)

    def sign_in(self, user, password):
        reply = self.post("/login", user=user, password=password)
        assert (reply.status, reply.headers["Location"]) == (303, "/"), reply
        return self

    def token(self):
        reply = self.post("/chat/token")
        assert reply.status == 200, reply
        return reply.json["token"]


def password():
    return secrets.token_hex(8) + " ü"


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
