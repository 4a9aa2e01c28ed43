"""DESIGN.md §10 and the operator's side: health, metrics, usage, drain, restart, logs, options."""
import gzip
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from beck import BECK, BECKD, ROOT, Beckd, ConnectRefused, jwt, uid, wait_until


# ---- health ----

def test_health_needs_no_credentials(app):
    caller = app.client(None, None)
    caller.key = None
    reply = caller.get("/beck/health")
    assert reply.status == 200 and isinstance(reply.json, dict)


def test_health_by_head(app):
    caller = app.client(None, None)
    caller.key = None
    assert caller.request("HEAD", "/beck/health").status == 200


# ---- metrics ----

SAMPLE = re.compile(r"^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-zA-Z_][a-zA-Z0-9_]*=\"(\\.|[^\"\\])*\"(,[a-zA-Z_][a-zA-Z0-9_]*=\"(\\.|[^\"\\])*\")*,?\})? "
                    r"(-?[0-9.]+(e[+-]?[0-9]+)?|NaN|[+-]Inf)( [0-9]+)?$", re.I)


def metrics(app):
    reply = app.api.get("/beck/metrics")
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/plain")
    return reply.body.decode()


def test_metrics_are_prometheus_text(app):
    lines = metrics(app).splitlines()
    samples = [line for line in lines if line and not line.startswith("#")]
    assert len(samples) > 5
    for line in samples:
        assert SAMPLE.match(line), line
    typed = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    for line in samples:
        name = re.match(r"[^{ ]+", line).group()
        assert name in typed or re.sub(r"_(bucket|sum|count)$", "", name) in typed, line


def metric(app, name):
    return next(float(line.split()[1]) for line in metrics(app).splitlines() if line.startswith(name + " "))


def test_each_metric_is_documented(app):
    text = (ROOT / "docs/operations.md").read_text()
    names = {line.split()[2] for line in metrics(app).splitlines() if line.startswith("# TYPE")}
    assert len(names) > 20
    assert {name for name in names if f"`{name}`" not in text} == set()
    assert set(re.findall(r"`(beck_\w+)`", text)) == names


def test_metrics_sum_over_all_loops(spawn):
    server = spawn("--loops", "4")
    app = server.main
    sessions = [app.user().connect(transport) for transport in ("longpoll", "ws") for _ in range(8)]
    wait_until(lambda: metric(app, "beck_sessions") == 16 and metric(app, "beck_poll_sessions") == 8, "all sessions count")
    wait_until(lambda: metric(app, "beck_polls_parked") == 8, "all polls wait")
    for session in sessions:
        session.close()
    wait_until(lambda: metric(app, "beck_sessions") == 0 and metric(app, "beck_polls_parked") == 0, "all sessions end")


def test_metrics_tell_of_the_log(spawn):
    app = spawn().main
    wait_until(lambda: metric(app, "beck_checkpoints_total") > 0, "a checkpoint is counted")
    app.channel(app.user())
    assert metric(app, "beck_store_log_bytes") > 0


def test_metrics_need_a_server_token(app):
    app.user().get("/beck/metrics").fails(403, 17)
    app.client(None).get("/beck/metrics").fails(401, 5)
    nobody = app.client(None, None)
    nobody.key = None
    assert nobody.get("/beck/metrics").status == 401


def test_metrics_move(app):
    def total():
        return sum(float(line.rpartition(" ")[2]) for line in metrics(app).splitlines() if "requests" in line and not line.startswith("#"))
    before = total()
    for _ in range(5):
        app.api.get("/app").ok(200)
    assert total() >= before + 5


# ---- usage ----

def usage(app):
    return app.api.get("/beck/usage").ok(200)


def test_usage_shape_and_rights(own_app):
    body = usage(own_app)
    assert body["month"] == time.strftime("%Y-%m", time.gmtime())
    assert (body["monthly_active_users"], body["concurrent_connections"], body["concurrent_connections_peak"]) == (0, 0, 0)
    own_app.user().get("/beck/usage").fails(403, 17)
    own_app.client(None).get("/beck/usage").fails(401, 5)


def test_concurrent_connections_and_their_peak(own_app):
    ann, bob = own_app.users(2)
    sessions = [ann.connect("ws"), ann.connect("longpoll"), bob.connect("ws"), own_app.anonymous().connect("ws")]
    body = usage(own_app)
    assert (body["concurrent_connections"], body["concurrent_connections_peak"]) == (4, 4)
    for session in sessions[:3]:
        session.close()
    wait_until(lambda: usage(own_app)["concurrent_connections"] == 1, "connections are counted down")
    assert usage(own_app)["concurrent_connections_peak"] == 4
    ann.connect()
    assert usage(own_app)["concurrent_connections_peak"] == 4


def test_monthly_active_users(own_app):
    ann, bob, eve = own_app.users(3)

    def active():
        return usage(own_app)["monthly_active_users"]
    assert active() == 0  # made by the server side: nobody was active
    for transport in ("ws", "longpoll", "ws"):
        ann.connect(transport).close()
    assert active() == 1
    own_app.as_user(uid("created")).connect()
    assert active() == 2
    bob.unread()
    assert active() == 3
    own_app.anonymous().connect()
    assert active() == 3
    own_app.api.patch("/app", {"guest_user_creation_disabled": False}).ok(200)
    own_app.client(None, "anonymous").post("/guest", {"user": {"id": uid("g")}}).ok(201)
    assert active() == 4
    eve.get("/users", payload={}).ok(200)
    assert active() == 4


def test_usage_survives_restart_and_crash(spawn):
    server = spawn()
    app = server.main
    for user in app.users(3):
        user.connect()
    wanted = usage(app)
    server.restart()
    body = usage(app)
    assert body["monthly_active_users"] == wanted["monthly_active_users"] == 3
    assert body["concurrent_connections"] == 0 and body["concurrent_connections_peak"] == 3
    app.user().connect()
    usage(app)  # looking flushes the marks
    server.kill9()
    server.start()
    assert usage(app)["monthly_active_users"] == 4


def test_refused_connects_count_nothing(own_app):
    user = own_app.as_user(uid("no"))
    user.token = "rubbish"
    user.refused()
    body = usage(own_app)
    assert (body["monthly_active_users"], body["concurrent_connections_peak"]) == (0, 0)


# ---- drain ----

def test_sigterm_tells_sessions_to_move(spawn):
    server = spawn()
    ann, bob = server.main.users(2)
    sessions = [ann.connect(), bob.connect()]
    poll = ann.connect("longpoll")
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 12
    for session in sessions:
        assert session.expect_closed() == 1012 and session.final_error is None
    poll.expect_closed()


def test_sigint_drains_too(spawn):
    server = spawn()
    session = server.main.user().connect()
    server.process.send_signal(signal.SIGINT)
    assert session.expect_closed() == 1012
    server.stop()


def test_drain_finishes_what_was_begun(spawn):
    server = spawn()
    app = server.main
    ann = app.user()
    channel, sent = app.channel(ann), []

    def talk():
        try:
            while True:
                reply = ann.post(f"{channel.path}/message", {"message": {"text": "x"}})
                if reply.status != 201:
                    break
                sent.append(reply.json["message"]["id"])
        except OSError:
            pass
    talking = threading.Thread(target=talk)
    talking.start()
    wait_until(lambda: len(sent) > 20, "traffic")
    server.stop()
    talking.join(20)
    server.start()
    stored, page = [], channel.state(messages={"limit": 300})["messages"]
    while page:
        stored = [m["id"] for m in page] + stored
        page = channel.state(messages={"limit": 300, "id_lt": page[0]["id"]})["messages"]
    assert set(sent) <= set(stored) and len(stored) - len(sent) <= 1 and stored[:len(sent)] == sent


def test_drain_does_not_wait_for_idle_or_slow_peers(spawn):
    from raw import RawHttp
    server = spawn()
    idle = [RawHttp(server) for _ in range(3)]
    idle[1].send(b"GET /users HTTP/1.1\r\nX-Slow: ")
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 14
    for raw in idle:
        raw.close()


def test_peers_that_connect_during_the_drain_are_turned_away(spawn):
    server = spawn()
    address = (server.host, server.port)
    server.stop()
    with pytest.raises(OSError):
        socket.create_connection(address, 2)


# ---- restart ----

def test_everything_is_there_after_a_restart(spawn):
    server = spawn()
    app = server.main
    ann, bob = app.users(2, name="N", color={"a": 1})
    channel = app.channel(ann, bob, topic="t")
    parent = ann.send(channel, "parent", size=3)
    bob.send(channel, "reply", parent_id=parent["id"])
    ann.send(channel, "two")
    bob.read(channel, message_id=parent["id"])

    def all_of_it():
        return [app.stored(ann.id), channel.state(bob), bob.unread(), ann.get(f"/messages/{parent['id']}/replies").ok(200)]
    before = all_of_it()
    server.restart()
    after = all_of_it()
    for body in before + after:
        body.pop("duration", None)
    assert before == after


def test_second_server_on_the_same_data_is_refused(spawn):
    server = spawn()
    env = {**os.environ, "BECK_API_SECRET": server.secret}
    out = subprocess.run([BECKD, "--listen", "127.0.0.1:0", "--data", str(server.data), "--api-key", server.key], env=env, capture_output=True, timeout=20, check=False)
    assert out.returncode != 0 and b"ready" not in out.stdout
    server.main.api.get("/app").ok(200)


def test_sighup_disturbs_nobody(spawn):
    server = spawn()
    session = server.main.user().connect()
    server.process.send_signal(signal.SIGHUP)
    session.expect_none()
    assert server.is_alive() and not session.is_closed


def test_start_is_quick(tmp_path):
    server = Beckd(data=tmp_path / "data")
    started = time.monotonic()
    server.start()
    elapsed = time.monotonic() - started
    server.stop()
    assert elapsed < 3  # the release binary promises 0.1 s; the benchmark measures that


# ---- options and secrets ----

def run(*args, **env):
    return subprocess.run([BECKD, *args], env={**os.environ, **env}, capture_output=True, timeout=20, check=False)


def test_help_names_every_option():
    out = run("--help")
    assert out.returncode == 0
    for option in (b"--listen", b"--data", b"--api-key", b"--api-secret-file", b"--dev", b"--config", b"--tls-cert", b"--tls-key"):
        assert option in out.stdout


@pytest.mark.parametrize("args", [["--no-such-option"], ["--listen", "nonsense"], ["--listen", "127.0.0.1:99999"], ["--dev", "--listen", "0.0.0.0:0"],
                                  ["--time-scale", "10"], ["--dev", "--time-scale", "0"]], ids=" ".join)
def test_bad_options_are_refused(tmp_path, args):
    out = run(*args, "--data", str(tmp_path / "data"), BECK_API_SECRET="s" * 32)
    assert out.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT) and out.stderr and b"ready" not in out.stdout


def test_secrets_are_closed_to_others(tmp_path):
    server = Beckd(data=tmp_path / "data")
    server.start()
    server.stop()
    if server.data.stat().st_mode & 0o077:  # others may look into the folder
        for path in server.data.rglob("*"):
            assert not path.is_file() or path.stat().st_mode & 0o077 == 0 or server.secret.encode() not in path.read_bytes(), path


def test_logs_hold_no_secrets_and_no_tokens(spawn):
    server = spawn()
    app = server.main
    ann = app.user("ann")
    channel = app.channel(ann)
    ann.connect("ws")
    ann.connect("longpoll")
    ann.send(channel, "private words of a message")
    bad = app.as_user(ann.id)
    bad.token = "x." + "y" * 40 + ".z"
    bad.refused()
    app.api.get("/app").ok(200)
    server.stop()
    log = server.log()
    for secret in (server.secret, ann.token, app.api.token, "private words", "y" * 40, "authorization="):
        assert secret.encode() not in log, secret


def test_secrets_are_not_on_the_command_line(spawn):
    server = spawn()
    assert server.secret.encode() not in pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_bytes()


# ---- beck app ----

def test_app_made_offline(tmp_path):
    server = Beckd(data=tmp_path / "data")
    server.start()
    server.stop()
    made = server.new_app()
    server.start()
    try:
        made.api.get("/app").ok(200)
        assert made.user().connect()
    finally:
        made.close()
        server.stop()


def test_app_made_while_running(server):
    name = uid("named")
    app = server.new_app(name)
    assert app.api.get("/app").ok(200)["app"]["name"] == name
    assert app.user()


def test_app_of_a_taken_or_bad_name_or_folder(tmp_path):
    out = subprocess.run([BECK, "app", "create", "--data", str(tmp_path / "no" / "such"), "--name", "x", "--json"], capture_output=True, timeout=20, check=False)
    assert out.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT) and out.stderr


# ---- the page ----

def test_console_page_is_served_with_a_policy(app):
    caller = app.client(None, None)
    caller.key = None
    reply = caller.get("/console/")
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/html")
    assert "Content-Security-Policy" in reply.headers and "nosniff" in reply.headers.get("X-Content-Type-Options", "")
    assert b"http://" not in reply.body.replace(b"http://www.w3.org", b"") and b"cdn" not in reply.body.lower()


def test_the_bare_address_leads_to_the_console(app):
    """A person with a browser; API clients ask for other paths."""
    caller = app.client(None, None)
    caller.key = None
    for method in ("GET", "HEAD"):
        reply = caller.request(method, "/")
        assert (reply.status, reply.headers["Location"], reply.body) == (302, "console/", b"")
    assert caller.get("/console").headers["Location"] == "console/"
    caller.post("/").fails(404, 16)
    caller.get("/api/v2/").fails(404, 16)


def test_what_the_console_hides_is_hidden(app):
    """`form { display: grid }` would beat the browser's own rule for [hidden]: after signing in the form would stay."""
    style = app.client(None, None).get("/console/console.css")
    assert style.status == 200 and style.headers["Content-Type"].startswith("text/css")
    rules = re.sub(rb"\s+", b" ", style.body)
    assert rules.count(b"[hidden]") == 1 and b"[hidden] { display: none !important; }" in rules
    script = app.client(None, None).get("/console/console.js").body
    page = app.client(None, None).get("/console/").body
    for name in (b"sign-in", b"usage", b"forget"):
        assert b'by("' + name + b'").hidden = ' in script and b'id="' + name + b'"' in page


@pytest.mark.parametrize("path", ["/console/../../etc/passwd", "/console/%2e%2e/%2e%2e/etc/passwd", "/console//etc/passwd", "/console/no-such-file"])
def test_console_serves_nothing_else(app, path):
    assert app.client(None, None).get(path).status == 404


def test_browser_client_is_served_to_every_origin(app):
    caller = app.client(None, None)
    caller.key = None
    reply = caller.request("GET", "/beck/client/beck-chat.js", headers={"Origin": "https://shop.example"})
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/javascript")
    assert reply.headers["Access-Control-Allow-Origin"] in ("*", "https://shop.example")
    assert b"BeckChat" in reply.body
    packed = caller.request("GET", "/beck/client/beck-chat.js", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip" and gzip.decompress(packed.body) == reply.body
    assert len(packed.body) <= 20 * 1024
    for tag in ("{}", "W/{}", "\"x\", W/{}"):  # a proxy that compresses makes the tag a weak one
        again = caller.request("GET", "/beck/client/beck-chat.js", headers={"If-None-Match": tag.format(reply.headers["ETag"])})
        assert (again.status, again.body) == (304, b""), tag
    types = caller.get("/beck/client/beck-chat.d.ts")
    assert types.status == 200 and b"./types/index.js" in types.body
    assert b"class BeckChat" in caller.get("/beck/client/types/client.d.ts").body
    for path in ("/beck/client", "/beck/client/", "/beck/client/types", "/beck/client/package.json"):
        assert caller.get(path).status == 404


def test_health_names_the_key_in_development_mode_only(app, fast_app):
    assert "api_key" not in app.client(None, None).get("/beck/health").json
    reply = fast_app.client(None, None).get("/beck/health").json
    assert reply["development"] is True and reply["api_key"] == fast_app.key


# ---- a full disk, a broken store ----

def test_corrupt_store_is_refused_and_left_alone(tmp_path):
    server = Beckd(data=tmp_path / "data")
    server.start()
    app = server.main
    app.users(20)
    server.stop()
    stores = [p for p in server.data.rglob("*") if p.is_file() and p.read_bytes()[:15] == b"SQLite format 3"]
    assert stores
    store = max(stores, key=lambda p: p.stat().st_size)
    damaged = b"no database at all" * 1000
    store.write_bytes(damaged)
    out = run("--listen", "127.0.0.1:0", "--data", str(server.data), "--api-key", server.key, BECK_API_SECRET=server.secret)
    assert out.returncode != 0 and b"ready" not in out.stdout and out.stderr
    assert store.read_bytes() == damaged  # never reset, never overwritten


def test_full_disk_refuses_writes_and_loses_nothing(tmp_path):
    """The store cannot grow (RLIMIT_FSIZE): writes are refused, reads go on, what was acknowledged is there afterwards."""
    import resource
    server = Beckd(data=tmp_path / "data")
    server.start()
    try:
        app = server.main
        ann = app.user()
        channel = app.channel(ann)
        sent = [channel.send(ann, "before")["id"]]
        most = max(p.stat().st_size for p in server.data.rglob("*") if p.is_file()) + 200_000
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (most, most))
        refused = None
        for _ in range(400):
            try:
                reply = app.api.post(f"{channel.path}/message", {"message": {"text": "x" * 4000, "user_id": ann.id}})
            except OSError:
                break  # the server ended itself: an unknown outcome is never acknowledged
            if reply.status == 201:
                sent.append(reply.json["message"]["id"])
            else:
                refused = reply
                break
        assert refused is None or refused.status in (500, 503), refused
        try:
            assert ann.get(f"/messages/{sent[0]}").ok(200)
        except OSError:
            server.process.wait(10)  # reads go on unless the server has ended itself
    finally:
        server.process.kill()
        server.process.wait()
        server.process = None
    server.start()
    for message in sent:
        assert ann.get(f"/messages/{message}").ok(200)
    server.stop()


def test_unknown_beck_path_is_404_16(app):
    app.api.get("/beck/nothing").fails(404, 16)


# ---- the page of error codes ----

def test_more_info_names_a_page_that_explains_the_code(app):
    """Every code of errors.def has its place on it."""
    refusal = app.user().get("/channels/messaging/nowhere").fails(404, 16)
    page, _, code = refusal["more_info"].partition("#")
    caller = app.client(None, None)
    caller.key = None
    reply = caller.get(page)
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/html")
    codes = re.findall(r"^ERR\(\w+, (-?\d+),", (ROOT / "schema/errors.def").read_text(), re.M)
    assert code in codes
    for known in codes:
        assert f'id="{known}"' in reply.body.decode(), known


@pytest.mark.parametrize("given,expected", [("https://example.org/help", "https://example.org/help#43"), ("", "")])
def test_the_error_page_is_configurable(spawn, given, expected):
    app = spawn("--error-page", given).main
    ann = app.as_user(uid("ann"))
    ann.token = ann.token[:-4] + "AAAA"
    assert ann.get("/users", payload={}).json["more_info"] == expected
    try:
        ann.connect()
        raise AssertionError("connected with a bad token")
    except ConnectRefused as refusal:
        assert refusal.error["more_info"] == expected


# ---- a listener for the operator alone ----

def metrics_listener(server):
    match = wait_until(lambda: re.search(rb"msg=\"?metrics\"? url=http://([^/ ]+):(\d+)/beck/metrics", server.log()), "the address is logged")
    return match.group(1).decode(), int(match.group(2))


def ask(address, path, method="GET", headers=None):
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        reply = connection.getresponse()
        return reply, reply.read()
    finally:
        connection.close()


def test_metrics_on_an_address_of_their_own(spawn):
    server = spawn("--metrics-listen", "127.0.0.1:0")
    app, address = server.main, metrics_listener(server)
    assert address[1] != server.port
    reply, body = ask(address, "/beck/metrics")
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/plain") and b"beck_requests_total" in body
    assert "Access-Control-Allow-Origin" not in ask(address, "/beck/metrics", headers={"Origin": "https://example.org"})[0].headers
    assert ask(address, "/beck/health")[0].status == 200
    assert ask(address, "/beck/metrics", "HEAD")[0].status == 200
    # the public address asks for a token as before
    app.client(None).get("/beck/metrics").fails(401, 5)
    assert metrics(app)


@pytest.mark.parametrize("method,path", [("GET", "/app"), ("GET", "/beck/usage"), ("GET", "/console/"), ("GET", "/"), ("GET", "/connect"), ("GET", "/longpoll"),
                                         ("POST", "/beck/metrics"), ("OPTIONS", "/users"), ("GET", "/api/v2/beck/metrics")])
def test_the_metrics_listener_serves_nothing_else(spawn, method, path):
    server = spawn("--metrics-listen", "127.0.0.1:0")
    app = server.main
    token = app.server_token()
    headers = {"Authorization": token}
    if path == "/connect":
        headers.update({"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    reply, body = ask(metrics_listener(server), f"{path}?api_key={app.key}", method, headers)
    assert reply.status == 404 and b'"code":16' in body, (reply.status, body)


def test_the_metrics_listener_is_drained_too(spawn):
    server = spawn("--metrics-listen", "127.0.0.1:0")
    address = metrics_listener(server)
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request("GET", "/beck/metrics")
    connection.getresponse().read()  # and stays open, idle
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 5
    with pytest.raises(OSError):
        socket.create_connection(address, timeout=2)
    connection.close()


@pytest.mark.parametrize("args,says", [(["--metrics-listen", "nonsense"], b"metrics-listen"), (["--dev", "--metrics-listen", "0.0.0.0:0"], b"loopback")])
def test_bad_metrics_addresses_are_refused(tmp_path, args, says):
    out = subprocess.run([BECKD, "--data", str(tmp_path), "--listen", "127.0.0.1:0", *args], capture_output=True, timeout=20, check=False)
    assert out.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT) and says in out.stderr


def test_a_taken_metrics_address_is_said(spawn, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        out = subprocess.run([BECKD, "--data", str(tmp_path), "--listen", "127.0.0.1:0", "--metrics-listen", f"127.0.0.1:{taken.getsockname()[1]}"],
                             capture_output=True, timeout=20, check=False)
    assert out.returncode == 1 and b"metrics-listen: cannot listen" in out.stderr


# ---- one address, one server ----

def test_an_address_in_use_by_another_server_is_refused(spawn, tmp_path):
    first = spawn()
    other = run("--listen", f"127.0.0.1:{first.port}", "--data", str(tmp_path / "data"), BECK_API_SECRET="s" * 32)
    assert other.returncode == 1 and b"in use" in other.stderr and b"ready" not in other.stdout
    metrics = run("--listen", "127.0.0.1:0", "--metrics-listen", f"127.0.0.1:{first.port}", "--data", str(tmp_path / "data2"), BECK_API_SECRET="s" * 32)
    assert metrics.returncode == 1 and b"in use" in metrics.stderr
    first.main.user().get("/app").ok(200)


# ---- secrets that were rotated out ----

def rotate(server, *args):
    out = subprocess.run([BECK, "app", "rotate", "--data", str(server.data), "--key", server.key, "--json", *args], capture_output=True, timeout=20, check=True)
    return json.loads(out.stdout)["secret"]


def test_a_rotated_out_secret_does_not_come_back_with_a_restart(spawn):
    server = spawn()
    fresh = rotate(server)
    server.stop()
    again = run("--listen", "127.0.0.1:0", "--data", str(server.data), "--api-key", server.key, BECK_API_SECRET=server.secret)
    assert again.returncode == 1 and b"rotated out" in again.stderr and b"ready" not in again.stdout
    old, server.secret = server.secret, fresh
    server.start()
    assert server.main.client(jwt({"server": True}, old)).get("/app").status == 401
    assert server.main.client(jwt({"server": True}, fresh)).get("/app").status == 200


def test_the_kept_secret_goes_with_a_rotation(tmp_path):
    data = tmp_path / "data"
    server = subprocess.Popen([BECKD, "--listen", "127.0.0.1:0", "--data", str(data)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        host, port = server.stdout.readline().decode().rsplit("/", 1)[1].strip().split(":")
        address = (host, int(port))
        kept = data / "api_secret"
        first = kept.read_text().strip()
        key = subprocess.run([BECK, "app", "list", "--data", str(data), "--first-key"], capture_output=True, timeout=20, check=True).stdout.decode().strip()
        out = subprocess.run([BECK, "app", "rotate", "--data", str(data), "--key", key, "--json"], capture_output=True, timeout=20, check=True)
        assert kept.read_text().strip() == json.loads(out.stdout)["secret"] != first
        assert kept.stat().st_mode & 0o777 == 0o600
        assert sorted(p.name for p in data.iterdir() if p.name.startswith("api_secret")) == ["api_secret"]

        def answers(secret):
            return ask(address, f"/app?api_key={key}", headers={"Authorization": jwt({"server": True}, secret), "Stream-Auth-Type": "jwt"})[0].status
        wait_until(lambda: answers(first) == 401, "the old secret is out")
        assert answers(kept.read_text().strip()) == 200
    finally:
        server.terminate()
        server.wait(20)


def test_duties_of_an_idle_server_count_as_no_writes(spawn):
    app = spawn().main
    checkpoints = metric(app, "beck_checkpoints_total")
    writes, commits = metric(app, "beck_writes_total"), metric(app, "beck_commits_total")
    wait_until(lambda: metric(app, "beck_checkpoints_total") > checkpoints + 1, "duties ran")
    assert (metric(app, "beck_writes_total"), metric(app, "beck_commits_total")) == (writes, commits)
