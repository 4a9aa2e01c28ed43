"""The app and Beck behind one https origin, by the nginx.conf and the Caddyfile of examples/login."""
import concurrent.futures
import json
import re
import subprocess
import time
import types
import urllib.parse

import pytest
import websockets
from beck import BECK, loop, uid, wait_until
from examples import Example, free_port, password
from middlebox import Middlebox
from proxies import Proxy
from test_page import browse


class Site:
    """A whole installation: proxy, app, Beck."""

    def __init__(self, kind, server, folder):
        self.app, self.server = server.new_app(), server
        self.box = Middlebox(server.host, server.port)
        port = free_port()
        self.example = Example({"nginx": "php", "caddy": "python"}[kind], folder / "app", self.app, f"http://{server.host}:{server.port}", f"https://localhost:{port}/chat-api")
        self.user, self.password = uid("p"), password()
        self.example.add_users([(self.user, "Person", self.password)])
        self.example.start()
        self.proxy = Proxy(kind, folder, port, self.example.port, self.box)
        self.browser = self.proxy.browser(self.example).sign_in(self.user, self.password)
        self.token = self.browser.token()

    def query(self, token=None, **more):
        return urllib.parse.urlencode({"api_key": self.app.key, "authorization": token or self.token, "stream-auth-type": "jwt", **more})

    def connect_query(self, user=None, token=None):
        user = user or self.user
        return self.query(token, json=json.dumps({"user_id": user, "user_details": {"id": user}}))

    def stop(self):
        self.proxy.stop()
        self.example.destroy()
        self.box.close()


@pytest.fixture(scope="module")
def sites(server, tmp_path_factory):
    sites = {kind: Site(kind, server, tmp_path_factory.mktemp(kind)) for kind in ("nginx", "caddy")}
    yield sites
    for site in sites.values():
        site.stop()


@pytest.fixture(params=["nginx", "caddy"])
def site(request, sites):
    return sites[request.param]


def test_cookie_is_for_https(site):
    reply = site.proxy.browser(site.example).post("/login", user=site.user, password=site.password)
    flags = {part.strip().lower() for part in reply.headers["Set-Cookie"].split(";")}
    assert {"secure", "httponly", "samesite=lax"} <= flags, flags
    policy = site.browser.get("/").headers["Content-Security-Policy"]
    assert f"connect-src 'self' {site.proxy.origin} wss://localhost:{site.proxy.port};" in policy, policy


def test_websocket(site):
    async def talk():
        url = f"wss://localhost:{site.proxy.port}/chat-api/connect?{site.connect_query()}"
        async with websockets.connect(url, ssl=site.proxy.tls) as socket:
            first = json.loads(await socket.recv())
            assert first["type"] == "health.check", first
            kind = site.app.marker(site.user)
            while json.loads(await socket.recv())["type"] != kind:
                pass
    loop().run(talk())


def test_page(site):
    people = [types.SimpleNamespace(id=uid("p"), name=name, password=password()) for name in ("Person A", "Person B")]
    site.example.add_users([(p.id, p.name, p.password) for p in people])
    browse(site.proxy.origin + "/", people)


def test_doctor(site, tmp_path):
    (tmp_path / "token").write_text(site.token)
    done = subprocess.run([BECK, "doctor", "--url", site.proxy.url, "--key", site.app.key, "--token-file", str(tmp_path / "token"), "--ca-file",
                           str(site.proxy.folder / "chain.pem")], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = {row["step"]: row["ok"] for row in map(json.loads, done.stdout.splitlines())}
    assert steps["websocket"] and all(steps.values()), done.stdout


def test_client_address_is_passed_on(site):
    """Also where the client says that it is somebody else."""
    asked = f"no-such-user-{uid()}"
    status, _ = site.proxy.get(f"/chat-api/users/{asked}/x?{site.query()}", source="127.0.0.3", headers={"X-Forwarded-For": "203.0.113.9"})
    assert status == 404
    line = wait_until(lambda: re.search(rf".*path=\S*{asked}.*", site.server.log().decode()), "the request in Beck's log").group()
    assert "peer=127.0.0.3" in line, line


def test_tokens_are_in_no_log(site):
    secret_part = site.token.rsplit(".", 1)[1]
    assert site.proxy.get(f"/chat-api/longpoll?{site.query(connection_id='no-such-one')}")[0] == 400
    site.box.mode = "drop"
    site.box.cut()
    try:
        assert site.proxy.get(f"/chat-api/longpoll?{site.query()}")[0] == 502
        assert site.proxy.get(f"/chat-api/connect?{site.query()}", {"Connection": "upgrade", "Upgrade": "websocket"})[0] == 502
        assert site.browser.get("/").status == 200  # the app goes on
    finally:
        site.box.mode = "pass"
    assert secret_part not in site.proxy.logs() and secret_part not in site.server.log().decode()
    if site.proxy.kind == "nginx":
        assert "GET /chat-api/connect 502" in site.proxy.logs(), "the requests are logged"
    else:
        assert '"uri":"/chat-api/connect"' in site.proxy.logs(), "what failed is logged"


def long_poll(site):
    user = uid("waits")
    token = site.app.token(user)
    status, body = site.proxy.get(f"/chat-api/longpoll?{site.connect_query(user, token)}")
    assert status == 200, body
    connection = json.loads(body)["event"]["connection_id"]
    started = time.monotonic()
    status, body = site.proxy.get(f"/chat-api/longpoll?{site.query(token, connection_id=connection)}")
    return status, json.loads(body), time.monotonic() - started


def test_long_poll_is_held(sites):
    """Both at once: it takes its 25 seconds."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for status, body, seconds in pool.map(long_poll, sites.values()):
            assert status == 200 and body["events"] == [], body
            assert 24 < seconds < 35, seconds
