"""nginx and Caddy with the very files of examples/login; only names, ports and paths are those of the test."""
import http.client
import os
import pathlib
import ssl
import subprocess

from beck import wait_until
from examples import LOGIN, Browser, free_port


def certificate(folder):
    """One for localhost that trusts itself."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "chain.pem"],
                   check=True, capture_output=True)


def replaced(text, pairs):
    for old, new in pairs.items():
        assert old in text, f"no {old!r} in the example"
        text = text.replace(old, str(new))
    return text


class Proxy:
    """`kind` before an app and Beck. `box` is the network between the proxy and Beck."""

    def __init__(self, kind, folder, port, app_port, box):
        self.kind, self.folder, self.port, self.box = kind, pathlib.Path(folder), port, box
        certificate(self.folder)
        self.origin = f"https://localhost:{port}"
        self.url = f"{self.origin}/chat-api"
        self.tls = ssl.create_default_context(cafile=self.folder / "chain.pem")
        argv = {"nginx": self._nginx, "caddy": self._caddy}[kind]({"127.0.0.1:8080": f"127.0.0.1:{app_port}", "127.0.0.1:8800": f"127.0.0.1:{box.port}"})
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)})
        wait_until(self._answers, f"{kind} answers")

    def _nginx(self, places):
        site = replaced((LOGIN / "nginx.conf").read_text(), {**places, "listen 443": f"listen 127.0.0.1:{self.port}", "listen 80;": f"listen 127.0.0.1:{free_port()};", "chat.example.org": "localhost",
                                                             "/etc/ssl/chat/": f"{self.folder}/", "/var/log/nginx/": f"{self.folder}/"})
        (self.folder / "site.conf").write_text(site)
        paths = "".join(f"{name}_temp_path {self.folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.getuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(f"daemon off; {user} pid {self.folder}/pid; error_log {self.folder}/error.log; events {{}}\n"
                                                f"http {{ {paths} include site.conf; }}\n")
        return ["nginx", "-p", self.folder, "-c", self.folder / "nginx.conf"]

    def _caddy(self, places):
        site = replaced((LOGIN / "Caddyfile").read_text(), {**places, "\nchat.example.org {\n": f"\n{self.origin} {{\n\tbind 127.0.0.1\n\ttls chain.pem key.pem\n",
                                                            "{\n\t# Query": "{\n\tadmin off\n\tauto_https disable_redirects\n\t# Query"})
        for name in ("chain.pem", "key.pem"):
            site = site.replace(f" {name}", f" {self.folder}/{name}")
        (self.folder / "Caddyfile").write_text(site)
        return ["caddy", "run", "--config", self.folder / "Caddyfile", "--adapter", "caddyfile"]

    def connection(self, source="127.0.0.1", timeout=40):
        return http.client.HTTPSConnection("localhost", self.port, context=self.tls, timeout=timeout, source_address=(source, 0))

    def browser(self, example):
        return Browser(example, origin=self.origin, connect=self.connection)

    def get(self, path, headers=None, **kw):
        connection = self.connection(**kw)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _answers(self):
        assert self.process.poll() is None, self.logs()
        try:
            return self.get("/chat-api/beck/health")[0] == 200
        except OSError:
            return False

    def logs(self):
        return "".join(p.read_text(errors="replace") for p in self.folder.glob("*log"))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)
