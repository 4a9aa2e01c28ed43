"""The beck tool as people and scripts use it: the chat in a terminal, lines and JSON in pipes, exit codes, the doctor."""
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from beck import BECK, SANITIZER, jwt, uid, wait_until
from middlebox import Middlebox
from terminal import Terminal

FINE, REFUSED, USAGE, NO_CONNECTION = range(4)


def environment(**env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("BECK_")}
    return {**clean, "NO_PROXY": "*", "TERM": "xterm-256color", "TZ": "UTC", "ASAN_OPTIONS": "detect_leaks=1",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1", **env}


def access(app, user=None, url=None):
    env = {"BECK_URL": url or f"http://{app.server.host}:{app.server.port}", "BECK_API_KEY": app.key}
    return {**env, "BECK_TOKEN": user.token} if user else env


def run(*args, stdin=None, timeout=30, **env):
    out = subprocess.run([BECK, *map(str, args)], env=environment(**env), input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    assert not SANITIZER.search(out.stderr.encode()) and out.returncode >= 0, out.stderr
    return out


@pytest.fixture
def terminal():
    opened = []

    def start(*args, rows=24, columns=80, **env):
        t = Terminal([BECK, *args], environment(**env), rows, columns)
        opened.append(t)
        return t
    yield start
    for t in opened:
        t.close()


class Scene:
    """Ann in a terminal, perhaps behind a box; Bob by hand."""

    def __init__(self, app, terminal, url=None, before=0, size=(24, 80)):
        self.ann, self.bob = app.user("ann", name="Ann"), app.user("bob", name="Bob")
        self.channel = app.channel(self.bob, self.ann)
        for i in range(before):
            self.bob.send(self.channel, f"old-{i:03d}.")
        self.t = terminal("chat", self.channel.cid, rows=size[0], columns=size[1], **access(app, self.ann, url))
        self.said = []

    def online(self, how="● websocket"):
        self.t.until(lambda s: how in s.text() and "online" in s.text(), how)
        return self

    def says(self, n=1):
        for _ in range(n):
            self.said.append(f"live-{len(self.said):03d}.")
            self.bob.send(self.channel, self.said[-1])

    def check(self):
        """The last has come; each stands there once, in order."""
        self.t.sees(self.said[-1], 20)
        assert re.findall(r"live-\d+\.", self.t.screen.text()) == self.said


@pytest.fixture
def scene(app, terminal):
    return lambda url=None, **options: Scene(app, terminal, url, **options)


# ---- chat ----

@pytest.mark.quick
def test_chat_shows_history_live_messages_and_sends(scene):
    s = scene(before=3).online()
    s.t.sees("old-002.")
    s.says()
    s.t.sees("Bob: live-000.")
    s.t.enter("hello from Änn 日本")
    wait_until(lambda: "hello from Änn 日本" in s.channel.texts(), "the server has it")
    s.t.until(lambda t: re.search(r"Ann: hello from Änn .* ✓", t.text()), "the mark that it was sent")
    assert s.t.screen.text().count("hello from") == 1
    s.t.enter("/quit")
    assert s.t.ends() == FINE


def test_chat_shows_typing_reading_presence(scene):
    s = scene().online()
    assert "1/2 online" in s.t.screen.text()
    bob = s.bob.connect()
    s.t.sees("2/2 online")
    s.bob.watch(bob, s.channel)
    s.bob.event(s.channel, "typing.start").ok(201)
    s.t.sees("Bob is typing")
    s.bob.event(s.channel, "typing.stop").ok(201)
    s.t.until(lambda t: "typing" not in t.text(), "nobody types")
    s.t.type("ni")
    bob.expect("typing.start")
    s.t.enter("ce")
    bob.expect("message.new")
    s.bob.read(s.channel)
    s.t.sees("nice ✓✓ Bob")
    s.t.enter("/who")
    s.t.sees("● Bob")
    s.t.enter("/help")
    s.t.sees("/retry")
    s.t.enter("/nonsense")
    s.t.sees("there is no /nonsense")


def test_chat_answers_in_threads(scene):
    s = scene(before=2).online()
    s.t.sees("old-001.")
    s.t.type("/reply")
    s.t.until(lambda t: re.search(r"#1 \d\d:\d\d Bob: old-000\.", t.text()) and re.search(r"#2 \d\d:\d\d Bob: old-001\.", t.text()), "numbers while it is typed")
    s.t.enter(" 1 an answer")
    s.t.until(lambda t: re.search(r"Ann: ↳ “old-000\.” an answer ✓", t.text()), "the answer, with what it answers")
    s.t.until(lambda t: re.search(r"Bob: old-000\. ↳1", t.text()) and "#1" not in t.text(), "how many there are, and no numbers any more")
    first = next(m for m in s.channel.state(s.ann)["messages"] if m["text"] == "old-000.")
    assert first["reply_count"] == 1
    s.bob.send(s.channel, "another answer", parent_id=first["id"])
    s.t.sees("Bob: ↳ “old-000.” another answer")
    s.t.sees("old-000. ↳2")
    s.t.enter("/reply 4 to an answer")  # in the same thread
    s.t.until(lambda t: re.search(r"↳ “old-000\.” to an answer ✓", t.text()), "sent")
    for line, says in (("/reply", "no message with that number"), ("/reply 99 x", "no message with that number"), ("/reply 1", "the text is missing"),
                       ("/thread 2", "nobody has answered"), ("/replying", "there is no /replying")):
        s.t.enter(line)
        s.t.sees(says)


def test_chat_shows_a_thread_of_before(app, terminal):
    ann, bob = app.user("ann", name="Ann"), app.user("bob", name="Bob")
    channel = app.channel(bob, ann)
    parent = bob.send(channel, "the question.")
    for i in range(3):
        bob.send(channel, f"reply-{i}.", parent_id=parent["id"])
    t = terminal("chat", channel.cid, **access(app, ann))
    t.sees("the question. ↳3")
    assert "reply-" not in t.screen.text()
    t.enter("/thread 1")
    t.sees("↳ “the question.” reply-2.")
    assert re.findall(r"reply-\d", t.screen.text()) == ["reply-0", "reply-1", "reply-2"]


def test_chat_waits_after_ctrl_z(app, box):
    """In a shell with jobs, as people have it."""
    ann, bob = app.user("ann", name="Ann"), app.user("bob", name="Bob")
    channel = app.channel(bob, ann)
    t = Terminal(["/bin/sh", "-i"], environment(PS1="ready> ", ENV="", **access(app, ann, box.url)), is_shell=True)
    try:
        t.sees("ready>")
        for again in range(2):
            t.enter("fg" if again else f"{BECK} chat {channel.cid}")
            t.until(lambda s: s.is_alternate and "● websocket" in s.text(), "the chat")
            t.type("ha")
            t.until(lambda s: re.search(r"^> (ha)+$", s.text(), re.M), "the line")
            t.screen.wipe()
            t.type("\x1a")
            t.until(lambda s: not s.is_alternate and "ready>" in s.text(), "the shell")
            assert b"Stopped" in t.raw
            bob.send(channel, f"meanwhile-{again}.")
            if again:
                box.cut()
        t.enter("fg")
        t.until(lambda s: s.is_alternate and "meanwhile-1." in s.text() and re.search(r"^> haha$", s.text(), re.M), "all of it", 20)
        assert re.findall(r"meanwhile-\d", t.screen.text()) == ["meanwhile-0", "meanwhile-1"]
        t.enter("")
        wait_until(lambda: "haha" in channel.texts(), "sent")
        t.enter("/quit")
        t.until(lambda s: not s.is_alternate, "the shell")
        t.enter("exit")
        assert t.ends() == FINE
    finally:
        t.close()


def test_chat_marks_as_read(scene):
    s = scene(before=1).online()
    wait_until(lambda: s.channel.read_of(s.ann)["unread_messages"] == 0, "Ann has read the old one")
    s.says()
    s.check()
    wait_until(lambda: s.channel.read_of(s.ann)["unread_messages"] == 0, "Ann has read the new one")


def test_chat_pages_through_history(scene):
    s = scene(before=70).online()
    s.t.sees("old-069.")
    for _ in range(20):
        if "old-000." in s.t.screen.text():
            break
        top = s.t.screen.lines()[1]
        s.t.type("\x1b[5~")
        s.t.until(lambda t, top=top: t.lines()[1] != top, "another page")
    assert re.findall(r"old-\d+\.", s.t.screen.text())[0] == "old-000."
    found = re.findall(r"old-(\d+)\.", s.t.screen.text())
    assert [int(n) for n in found] == list(range(len(found)))


def test_chat_edits_the_line(scene):
    s = scene().online()
    s.t.enter("ä日x\x7f\x7fb\x1b[D\x1b[Dc\x05!\x01>")  # two off the end, "b", two left, "c", the end, the beginning
    wait_until(lambda: ">cäb!" in s.channel.texts(), "the edited line")
    s.t.enter("one two three\x17\x17four\x15five")
    wait_until(lambda: s.channel.texts()[-1] == "five", "the edited line")
    s.t.enter("\x1b[200~two\nlines\x1b[201~")
    wait_until(lambda: s.channel.texts()[-1] == "two lines", "what was pasted is one message")


@pytest.mark.parametrize("size", [(24, 40), (6, 20), (3, 10), (60, 200)])
def test_chat_fits_any_terminal(scene, size):
    """The screen of the tests fails where a row is too wide."""
    s = scene(before=4, size=size)
    s.bob.send(s.channel, "a message that is much longer than forty columns, with 日本語 and eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeend")
    s.t.until(lambda t: "● websoc" in t.text(), "connected")
    s.t.until(lambda t: "end" in t.text() or size[0] < 4, "the end of the long one")
    s.t.enter("/quit")
    assert s.t.ends() == FINE


@pytest.mark.quick
def test_chat_survives_a_cut(scene, box):
    s = scene(box.url).online()
    s.says(3)
    s.check()
    box.mode = "drop"
    box.cut()
    s.t.sees("reconnecting")
    s.says(3)
    s.t.enter("mine, meanwhile")
    s.t.sees("mine, meanwhile …")
    box.mode = "pass"
    s.check()
    s.t.until(lambda t: re.search("mine, meanwhile ✓", t.text()), "sent")
    assert s.channel.texts().count("mine, meanwhile") == 1 and s.t.screen.text().count("mine, meanwhile") == 1


@pytest.mark.quick
@pytest.mark.parametrize("mode", ["refuse", "swallow", "mute"])
def test_chat_goes_on_where_websocket_is_blocked_in_mid_session(scene, box, mode):
    s = scene(box.url).online()
    s.says(2)
    s.check()
    box.mode = mode
    box.cut()
    s.says(2)
    s.online("● long polling")
    s.says(2)
    s.check()


def test_chat_survives_a_restart_of_the_server(spawn, terminal):
    server = spawn()
    box = Middlebox(server.host, server.port)
    s = Scene(server.main, terminal, box.url).online()
    s.says(2)
    server.stop()
    server.start()
    box.target = (server.host, server.port)
    s.says(2)
    s.check()
    box.close()


def test_chat_goes_on_after_its_token_expired(app, box, terminal, tmp_path):
    """The token file holds a new one by then."""
    ann, bob = app.user("ann", name="Ann"), app.user("bob", name="Bob")
    channel, file, expires = app.channel(bob, ann), tmp_path / "token", int(time.time()) + 3
    file.write_text(app.token(ann.id, exp=expires))
    t = terminal("chat", "--token-file", str(file), channel.cid, **access(app, None, box.url))
    t.sees("1/2 online")
    bob.send(channel, "before.")
    t.sees("before.")
    wait_until(lambda: app.client(file.read_text()).get("/unread").status == 401, "it has expired")
    file.write_text(ann.token)
    box.cut()
    bob.send(channel, "after.")
    t.sees("after.", 20)
    t.enter("mine.")
    t.until(lambda s: re.search(r"mine\. ✓", s.text()), "sent with the new one")


@pytest.mark.parametrize("command", ["chat", "listen"])
def test_it_ends_when_the_server_will_not_have_the_user_any_more(app, box, terminal, command):
    ann = app.user("ann")
    channel = app.channel(ann)
    t = terminal(command, channel.cid, **access(app, ann, box.url))
    wait_until(lambda: channel.state(app.as_user(ann.id), watchers={"limit": 10})["watchers"], "Ann watches")
    t.until(lambda s: "1/1 online" in s.text() or command == "listen" and b"user.watching.start" in t.raw, "the answer has come")
    app.api.post(f"/users/{ann.id}/deactivate", {}).ok()
    box.cut()
    assert t.ends(20) == REFUSED and b"the connection has ended" in t.raw


def test_chat_marks_what_the_server_refuses(scene, app):
    s = scene().online()
    app.api.post("/channels/messaging/" + s.channel.id, {"remove_members": [s.ann.id]}).ok()
    s.t.sees("has left")
    s.t.enter("may I?")
    s.t.sees("not sent")
    s.t.sees("1 failed")
    app.api.post("/channels/messaging/" + s.channel.id, {"add_members": [s.ann.id]}).ok()
    s.t.enter("/retry")
    s.t.until(lambda t: re.search(r"may I\? ✓", t.text()), "sent after all")
    s.says()
    s.check()
    s.t.enter("/quit")
    assert s.t.ends() == FINE


@pytest.mark.parametrize("how", ["ctrl-c", "ctrl-d", "SIGTERM", "SIGHUP", "SIGABRT"])
def test_chat_puts_the_terminal_back(scene, how):
    s = scene().online()
    if how.startswith("SIG"):
        s.t.process.send_signal(getattr(signal, how))
    else:
        s.t.type("\x03" if how == "ctrl-c" else "\x04")
    assert s.t.ends() == (FINE if how != "SIGABRT" else -signal.SIGABRT)


def test_chat_puts_the_terminal_back_when_it_cannot_connect(app, terminal):
    t = terminal("chat", "messaging:x", **access(app, app.user(), "http://127.0.0.1:1"))
    assert t.ends(15) == NO_CONNECTION


def test_nothing_of_others_controls_the_terminal(scene):
    """The screen of the tests fails at control characters, and at sequences that the tool does not use."""
    s = scene().online()
    s.bob.update(name="B\x1b[2Job\x07")
    s.bob.send(s.channel, "red \x1b[31m bell \x07 c1 \x9b31m turn \u202e end.")
    s.t.sees("end.")
    assert "red [31m bell  c1 31m turn  end." in s.t.screen.text()


def test_chat_follows_the_size_of_the_terminal(scene):
    s = scene(before=2).online()
    s.t.screen.__init__(30, 100)
    s.t.screen.is_alternate = True
    s.t.resize(30, 100)
    s.t.process.send_signal(signal.SIGWINCH)
    s.t.until(lambda t: "● websocket" in t.lines()[28], "the status line stands in the last row but one")


def test_chat_without_a_terminal_is_lines(app):
    ann, bob = app.user(name="Ann"), app.user(name="Bob")
    channel = app.channel(bob, ann)
    bob.send(channel, "first")
    out = run("chat", channel.cid, stdin="second\nthird", **access(app, ann))
    assert out.returncode == FINE, out
    assert [re.sub(r"^\d\d:\d\d ", "", line) for line in out.stdout.splitlines()] == ["Bob: first", "Ann: second", "Ann: third"]
    assert channel.texts() == ["first", "second", "third"]


def test_chat_makes_the_channel_and_join_adds(app, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(app.secret)
    secret.chmod(0o600)
    cid, john, jane = f"messaging:{uid('new')}", uid("john"), uid("jane")
    args = ["--secret-file", secret]
    assert run("chat", "--user", john, cid, *args, stdin="one\n", **access(app)).returncode == FINE
    out = run("chat", "--user", jane, cid, *args, stdin="two\n", **access(app))
    assert out.returncode == REFUSED and "--join" in out.stderr, out
    assert run("chat", "--user", jane, "--join", cid, *args, stdin="two\n", **access(app)).stdout.count("\n") == 2


def test_two_terminals_as_in_the_readme(spawn, terminal):
    """Nothing but a user and a channel is given: key and secret are found in the data folder."""
    server = spawn("--dev")
    secret = server.data / "api_secret"
    if not secret.exists():
        secret.write_text(server.secret)
        secret.chmod(0o600)
    env = {"BECK_DATA": str(server.data), "BECK_URL": f"http://{server.host}:{server.port}"}
    john = terminal("chat", "--user", "john", "--join", "messaging:lobby", **env)
    john.sees("1/1 online")
    jane = terminal("chat", "--user", "jane", "--join", "messaging:lobby", **env)
    john.sees("2/2 online")
    john.enter("Hello Jane")
    jane.sees("john: Hello Jane")
    john.sees("Hello Jane ✓✓ jane")
    jane.type("He")
    john.sees("jane is typing")
    jane.enter("llo John")
    john.sees("jane: Hello John")
    for t in (john, jane):
        t.enter("/quit")
        assert t.ends() == FINE


# ---- listen, send, users, channels ----

def test_send_and_listen_are_json_in_pipes(app):
    ann, bob = app.user(name="Ann"), app.user(name="Bob")
    channel = app.channel(bob, ann)
    p = subprocess.Popen([BECK, "listen", channel.cid], env=environment(**access(app, ann)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    events = []
    reader = threading.Thread(target=lambda: events.extend(map(json.loads, p.stdout)), daemon=True)
    reader.start()
    wait_until(lambda: ann.id in [w["id"] for w in channel.state(bob, watchers={"limit": 10})["watchers"]], "Ann watches")
    out = run("send", channel.cid, "-", stdin="two\nlines \"quoted\"\n", **access(app, bob))
    assert out.returncode == FINE and json.loads(out.stdout)["text"] == 'two\nlines "quoted"'
    wait_until(lambda: [e for e in events if e["type"] == "message.new"], "the message came")
    p.send_signal(signal.SIGINT)
    assert p.wait(10) == FINE and p.stderr.read() == ""
    reader.join(5)
    assert [e["message"]["text"] for e in events if "message" in e] == ['two\nlines "quoted"']


def test_listen_for_people(app, terminal):
    ann, bob = app.user(name="Ann"), app.user(name="Bob")
    channel = app.channel(bob, ann)
    t = terminal("listen", NO_COLOR="1", **access(app, ann))
    t.until(lambda s: "connection.changed  online" in s.text() or b"connection.changed  online" in t.raw, "connected")
    wait_until(lambda: ann.id in [w["id"] for w in channel.state(bob, watchers={"limit": 10})["watchers"]], "Ann watches")
    bob.send(channel, "hi \x1b[31m")
    t.until(lambda s: b": hi [31m" in t.raw, "the message")
    assert b"\x1b" not in t.raw
    t.process.send_signal(signal.SIGINT)
    assert t.ends() == FINE


def test_lists(app):
    ann = app.user(name="Ann")
    channels = [app.channel(ann) for _ in range(32)]
    out = run("channels", "--filter", json.dumps({"members": {"$in": [ann.id]}}), **access(app, ann))
    assert {json.loads(line)["channel"]["cid"] for line in out.stdout.splitlines()} == {c.cid for c in channels}
    out = run("users", "--filter", json.dumps({"id": ann.id}), BECK_API_SECRET=app.secret, **access(app))
    assert [json.loads(line)["name"] for line in out.stdout.splitlines()] == ["Ann"]


# ---- doctor ----

def doctor(app, *args, user=None, **env):
    """(exit status, {step: ok}, {step: text and advice})"""
    out = run("doctor", *args, **{**access(app, user or app.user()), **env})
    steps = [json.loads(line) for line in out.stdout.splitlines()]
    return out.returncode, {s["step"]: s["ok"] for s in steps}, {s["step"]: s["text"] + " " + s.get("advice", "") for s in steps}


def broken(steps):
    return [name for name, ok in steps.items() if not ok]


@pytest.mark.quick
def test_doctor_finds_nothing_wrong(app):
    status, steps, _ = doctor(app)
    assert status == FINE and not broken(steps)
    assert list(steps) == ["address", "name", "port", "server", "key", "token", "accepted", "clock", "websocket"]


@pytest.mark.parametrize("url,step,says", [
    ("chat.example.org", "address", "http://"),
    ("http://nope.invalid", "name", "spelled"),
    ("http://127.0.0.1:1", "port", "Nothing listens"),
])
def test_doctor_knows_what_cannot_be_reached(app, url, step, says):
    status, steps, texts = doctor(app, BECK_URL=url)
    assert status == NO_CONNECTION and broken(steps) == [step] and says in texts[step]


def test_doctor_knows_what_is_no_chat_server(app, box):
    box.mode = "drop"
    status, steps, _ = doctor(app, BECK_URL=box.url)
    assert status == NO_CONNECTION and broken(steps) == ["server"]


def test_doctor_knows_a_server_that_hangs(app, box):
    box.mode = "stall"
    status, steps, texts = doctor(app, BECK_URL=box.url)
    box.mode = "pass"
    assert status == NO_CONNECTION and broken(steps) == ["server"] and "nothing answers" in texts["server"]


def test_doctor_knows_a_wrong_key(app):
    status, steps, _ = doctor(app, BECK_API_KEY="wrong")
    assert status == REFUSED and broken(steps) == ["key"]


@pytest.mark.parametrize("token,step,says", [
    (lambda app: "nonsense", "token", "cannot be read"),
    (lambda app: app.server_token(), "token", "server-side"),
    (lambda app: app.token("x", exp=1000), "token", "expired"),
    (lambda app: app.token("x", nbf=9999999999), "token", "clock"),
    (lambda app: app.token("x", iat=9999999999), "token", "clock"),
    (lambda app: app.token("y"), "token", "another user"),
    (lambda app: jwt({"user_id": "x"}, "another secret"), "accepted", "another application's secret"),
], ids=["nonsense", "server", "expired", "nbf", "iat", "other", "signature"])
def test_doctor_knows_a_wrong_token(app, token, step, says):
    status, steps, texts = doctor(app, "--user", "x", BECK_TOKEN=token(app))
    assert status == REFUSED and broken(steps) == [step] and says in texts[step]


@pytest.mark.parametrize("mode,says", [("refuse", "refused"), ("swallow", "never answered"), ("mute", "never answered")])
def test_doctor_knows_a_blocked_websocket(app, box, mode, says):
    box.mode = mode
    status, steps, texts = doctor(app, BECK_URL=box.url)
    assert status == FINE and broken(steps) == ["websocket"] and steps["fallback"] and says in texts["websocket"], texts
    assert doctor(app, "--no-fallback", BECK_URL=box.url)[0] == NO_CONNECTION


@pytest.fixture
def tls_front(app, tmp_path):
    """The server behind TLS with a certificate that signs itself."""
    cert, key = tmp_path / "crt", tmp_path / "key"
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve(raw):
        try:
            client, server = context.wrap_socket(raw, server_side=True), socket.create_connection((app.server.host, app.server.port))
        except OSError:
            return
        threading.Thread(target=pump, args=(client, server), daemon=True).start()
        pump(server, client)
        client.close()

    def accept():
        try:
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
        except OSError:
            pass
    threading.Thread(target=accept, daemon=True).start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}", cert
    listener.close()


def test_doctor_knows_a_certificate_that_is_not_trusted(app, tls_front):
    url, cert = tls_front
    status, steps, texts = doctor(app, BECK_URL=url)
    assert status == NO_CONNECTION and broken(steps) == ["TLS"] and "certificate" in texts["TLS"]
    status, steps, _ = doctor(app, "--ca-file", cert, BECK_URL=url)
    assert status == FINE and steps["TLS"] and not broken(steps)


def test_doctor_knows_a_server_without_tls(app):
    status, steps, texts = doctor(app, BECK_URL=f"https://{app.server.host}:{app.server.port}")
    assert status == NO_CONNECTION and broken(steps) == ["TLS"] and "http://" in texts["TLS"]


# ---- load, completion ----

def test_load_measures(app):
    cid = f"messaging:{uid('load')}"
    out = run("load", "--clients", 5, "--seconds", 1, "--rate", 20, cid, BECK_API_SECRET=app.secret, **access(app))
    said = json.loads(out.stdout)
    assert out.returncode == FINE and (said["clients"], said["sent"], said["delivered"], said["undelivered"]) == (5, 20, 100, 0), out
    assert 0 < said["acknowledge_ms"]["p50"] <= said["acknowledge_ms"]["max"] and said["deliver_ms"]["count"] == 100
    assert run("load", "--clients", 1, cid, **access(app, app.user())).returncode == REFUSED  # no member


def test_completion_knows_commands_and_options():
    out = run("completion", "bash")
    words = subprocess.run(["bash", "-c", out.stdout + """
        COMP_WORDS=(beck se); COMP_CWORD=1; _beck; echo "${COMPREPLY[@]}"
        COMP_WORDS=(beck send --tok); COMP_CWORD=2; COMPREPLY=(); _beck; echo "${COMPREPLY[@]}" """], capture_output=True, text=True, check=True, timeout=10)
    assert words.stdout == "send\n--token-file --token\n", words
    for shell in ("zsh", "fish"):
        assert "token-file" in run("completion", shell).stdout
    assert run("completion", "tcsh").returncode == USAGE


# ---- exit codes ----

@pytest.mark.parametrize("args,status,says", [
    (["send", "messaging:nope", "x"], REFUSED, "does not exist"),
    (["send", "nope", "x"], USAGE, "names no channel"),
    (["send", "messaging:a b", "x"], USAGE, "names no channel"),
    (["send", "messaging:nope"], USAGE, "send needs a channel and a text"),
    (["listen", "--colour"], USAGE, "unknown option --colour"),
    (["users", "--filter", "nope"], USAGE, "is no JSON object"),
    (["send", "messaging:nope", "x", "--url", "http://127.0.0.1:1"], NO_CONNECTION, "beck doctor"),
    (["send", "messaging:nope", "x", "--url", "gopher://h"], USAGE, ""),
    (["send", "messaging:nope", "x", "--user", "x", "--token", "nonsense"], REFUSED, ""),
    (["send", "messaging:nope", "x", "--key", "nonsense"], REFUSED, "api_key"),
    (["chat", "--user", "a b", "messaging:x"], USAGE, "is no user id"),
])
def test_exit_codes(app, args, status, says):
    out = run(*args, **{**access(app, app.user())})
    assert out.returncode == status and out.stdout == "" and says in out.stderr and out.stderr.startswith("beck: "), out


def test_without_key_or_token_it_says_what_to_give(tmp_path, app):
    out = run("send", "messaging:x", "y", "--data", tmp_path / "none")
    assert out.returncode == USAGE and "--key" in out.stderr
    out = run("send", "messaging:x", "y", "--data", tmp_path / "none", **access(app))
    assert out.returncode == USAGE and "--token-file" in out.stderr


def test_the_data_folder_is_enough(spawn):
    """As in the folder of `make run`: key and secret are found."""
    server = spawn("--dev")
    secret = server.data / "api_secret"
    if not secret.exists():
        secret.write_text(server.secret)
        secret.chmod(0o600)
    user = server.main.user()
    out = run("users", "--filter", json.dumps({"id": user.id}), BECK_DATA=str(server.data), BECK_URL=f"http://{server.host}:{server.port}")
    assert out.returncode == FINE and json.loads(out.stdout)["id"] == user.id, out


@pytest.mark.parametrize("command", ["chat", "listen", "send", "token", "app", "users", "channels", "doctor", "load", "completion"])
def test_each_command_has_help(command):
    out = run(command, "--help")
    assert out.returncode == FINE and out.stdout.startswith(f"beck {command}: ") and "Exit status: 0" in out.stdout and out.stderr == ""
