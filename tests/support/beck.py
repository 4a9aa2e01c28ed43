"""Black-box access to a real beckd: processes, applications, users, HTTP, WebSocket and long-poll sessions.

Nothing here knows the inside of the server; it speaks the contract and nothing else. Waiting is always for a condition:
`Session.expect` waits for an event, `Session.expect_none` proves an absence by a marker event that must come after it.
"""
import asyncio
import base64
import datetime
import hashlib
import hmac
import http.client
import itertools
import json
import os
import pathlib
import queue
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import weakref

import websockets

ROOT = pathlib.Path(__file__).resolve().parents[2]
BECKD = os.environ.get("BECKD", str(ROOT / "build/bin/beckd"))
BECK = os.environ.get("BECK", str(ROOT / "build/bin/beck"))
BECKD_ARGS = os.environ.get("BECKD_ARGS", "").split()  # further options of every server, such as "--loops 1"
WAIT = float(os.environ.get("BECK_TEST_WAIT", "10"))  # seconds until an awaited condition counts as failed
SANITIZER = re.compile(rb"ERROR: (Address|Leak|Thread|Memory)Sanitizer|WARNING: ThreadSanitizer|runtime error: |Sanitizer:DEADLYSIGNAL")
ZERO_TIME = "0001-01-01T00:00:00Z"
TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$")
DURATION = re.compile(r"^\d+\.\d\dms$")

_counter = itertools.count(1)
_run = secrets.token_hex(3)


def uid(prefix="u"):
    """An id that no other test of this run uses, fit for users, channels and messages."""
    return f"{prefix}-{_run}-{next(_counter)}"


def limit(name):
    """A bound from schema/limits.def, for those that are ours and not written in the contract."""
    text = (ROOT / "schema/limits.def").read_text()
    return int(re.search(rf"^LIMIT\({name}, (\d+),", text, re.M).group(1))


def parse_time(text):
    """RFC 3339 to integer microseconds."""
    assert TIMESTAMP.match(text), f"not an RFC 3339 UTC time: {text!r}"
    whole, _, fraction = text[:-1].partition(".")
    moment = datetime.datetime.fromisoformat(whole + "+00:00")
    seconds = (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(seconds=1)
    return seconds * 1_000_000 + int((fraction + "000000")[:6])


def format_time(us):
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us)
    return moment.isoformat(timespec="microseconds") + "Z"


def now_us():
    return int(time.time() * 1_000_000)


def wait_until(condition, what="condition", timeout=WAIT):
    """Polls until `condition()` is true and returns its value; for state that no event announces."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {timeout} s"
        time.sleep(0.02)


# ---- tokens, made by hand ----

def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(claims, secret, alg="HS256", header=None, digest=hashlib.sha256):
    head = b64url(json.dumps(header or {"alg": alg, "typ": "JWT"}).encode())
    body = b64url(claims if isinstance(claims, bytes) else json.dumps(claims).encode())
    signature = hmac.new(secret.encode(), f"{head}.{body}".encode(), digest).digest()
    return f"{head}.{body}.{b64url(signature)}"


def dev_token(user_id, **claims):
    """What a client makes itself in development: no signature, a fixed word instead."""
    head = b64url(b'{"alg":"HS256","typ":"JWT"}')
    return f"{head}.{b64url(json.dumps({'user_id': user_id, **claims}).encode())}.devtoken"


# ---- HTTP ----

def check_error(error, status, code):
    """The contract's error object, every key of it."""
    assert isinstance(error, dict), error
    assert (error.get("StatusCode"), error.get("code")) == (status, code), error
    assert isinstance(error.get("message"), str) and error["message"], error
    assert DURATION.match(error.get("duration", "")), error
    assert error.get("more_info", "").endswith(f"#{code}"), error  # the page of its code
    assert isinstance(error.get("details"), list), error
    assert isinstance(error.get("exception_fields"), dict), error
    return error


class Reply:
    def __init__(self, status, headers, body, what=""):
        self.status, self.headers, self.body, self.what = status, headers, body, what

    @property
    def json(self):
        return json.loads(self.body)

    def ok(self, status=None):
        """The decoded body of a success; `status` when the contract names one."""
        wanted = (200, 201) if status is None else (status,)
        assert self.status in wanted, f"{self.what}: {self.status} {self.body[:600]!r}, wanted {wanted}"
        body = self.json
        assert isinstance(body, dict), self.body[:200]
        assert DURATION.match(body.get("duration", "")), f"{self.what}: duration is {body.get('duration')!r}"
        return body

    def fails(self, status, code):
        assert self.status == status, f"{self.what}: {self.status} {self.body[:600]!r}, wanted {status}/{code}"
        return check_error(self.json, status, code)

    def __repr__(self):
        return f"<{self.what}: {self.status} {self.body[:200]!r}>"


class Client:
    """One caller: key, token and a kept-alive connection per thread. `token` None sends no Authorization."""

    def __init__(self, server, key, token=None, auth_type="jwt"):
        self.server, self.key, self.token, self.auth_type = server, key, token, auth_type
        self._local = threading.local()
        server.clients.add(self)

    def headers(self):
        out = {}
        if self.token is not None:
            out["Authorization"] = self.token
        if self.auth_type is not None:
            out["Stream-Auth-Type"] = self.auth_type
        return out

    def target(self, path, query=None, payload=None):
        pairs = {} if self.key is None else {"api_key": self.key}
        pairs.update(query or {})
        if payload is not None:
            pairs["payload"] = payload if isinstance(payload, str) else json.dumps(payload)
        text = urllib.parse.urlencode({k: ("true" if v is True else "false" if v is False else v) for k, v in pairs.items()})
        return path + (("&" if "?" in path else "?") + text if text else "")

    def request(self, method, path, body=None, query=None, payload=None, headers=None, timeout=30):
        target = self.target(path, query, payload)
        head = self.headers()
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            head["Content-Type"] = "application/json"
        elif method in ("POST", "PUT", "PATCH"):
            head["Content-Length"] = "0"
        head.update(headers or {})
        for attempt in (0, 1):
            connection = getattr(self._local, "connection", None)
            fresh = connection is None or self._local.address != (self.server.host, self.server.port)
            if fresh:
                if connection is not None:
                    connection.close()
                connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=timeout)
                self._local.connection, self._local.address = connection, (self.server.host, self.server.port)
            try:
                connection.request(method, target, body=data, headers=head)
                reply = connection.getresponse()
                raw = reply.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self.hang_up()
                if fresh or attempt:  # a kept-alive connection may have been closed by the server meanwhile; a new one may not
                    raise
                continue
            except BaseException:
                self.hang_up()
                raise
            if reply.will_close:
                self.hang_up()
            return Reply(reply.status, reply.headers, raw, f"{method} {path}")

    def hang_up(self):
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.request("POST", path, {} if body is None else body, **kw)

    def patch(self, path, body=None, **kw):
        return self.request("PATCH", path, {} if body is None else body, **kw)

    def put(self, path, body=None, **kw):
        return self.request("PUT", path, {} if body is None else body, **kw)

    def delete(self, path, **kw):
        return self.request("DELETE", path, **kw)


# ---- the server process ----

class Beckd:
    """A real beckd on port 0. The data folder outlives stop, kill9 and start; destroy() removes it."""

    def __init__(self, *args, key=None, secret=None, data=None, env=None):
        self.args, self.env = list(args), dict(env or {})
        self.key, self.secret = key or uid("key"), secret or secrets.token_hex(24)
        self.own_data = data is None
        self.data = pathlib.Path(data or tempfile.mkdtemp(prefix="beck-test-"))
        self.log_path = self.data.with_name(self.data.name + ".log")
        self.process = None
        self.clients = weakref.WeakSet()
        self.host, self.port = "127.0.0.1", 0
        self.main = App(self, self.key, self.secret)

    # starting
    def start(self):
        assert os.access(BECKD, os.X_OK), f"no server at {BECKD} (set BECKD)"
        env = {**os.environ, "BECK_API_SECRET": self.secret, **self.env}
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
        env.setdefault("ASAN_OPTIONS", "quarantine_size_mb=16")  # so that the size of the process says something
        argv = [BECKD, "--listen", "127.0.0.1:0", "--data", str(self.data), "--api-key", self.key, "--guests-per-address", "1000000", *BECKD_ARGS, *self.args]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, env=env)
        lines = queue.Queue()
        threading.Thread(target=self._read_stdout, args=(self.process.stdout, lines), daemon=True).start()
        try:
            line = lines.get(timeout=30)
        except queue.Empty:
            line = b""
        match = re.match(rb"^beckd ready url=https?://([^:/]+):(\d+)/?\s*$", line)
        if not match:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"beckd did not get ready, said {line!r}\n{self.log_tail()}")
        self.host, self.port = match.group(1).decode(), int(match.group(2))
        return self

    @staticmethod
    def _read_stdout(stream, lines):
        for line in stream:
            lines.put(line)
        lines.put(b"")
        stream.close()

    # ending
    def stop(self, timeout=20):
        """SIGTERM; the exit status must be 0 and no sanitizer may have spoken."""
        if self.process is None:
            return
        for client in list(self.clients):
            client.hang_up()  # of this thread; a drain that meets idle peers is tested for itself
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"beckd did not end within {timeout} s of SIGTERM\n{self.log_tail()}") from None
        finally:
            self.process = None
        self.check_log()
        assert status == 0, f"beckd ended with status {status}\n{self.log_tail()}"

    def kill9(self):
        self.process.kill()
        self.process.wait()
        self.process = None
        self.check_log()

    def restart(self):
        self.stop()
        return self.start()

    def destroy(self):
        try:
            self.stop()
        finally:
            if self.own_data:
                shutil.rmtree(self.data, ignore_errors=True)
                self.log_path.unlink(missing_ok=True)

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return self.log_path.read_bytes() if self.log_path.exists() else b""

    def log_tail(self, n=6000):
        return self.log()[-n:].decode(errors="replace")

    def check_log(self):
        found = SANITIZER.search(self.log())
        if found:
            raise AssertionError("sanitizer report\n" + self.log()[found.start():found.start() + 6000].decode(errors="replace"))

    def rss_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    # applications
    def new_app(self, name=None):
        """Made by the beck tool while the server runs; usable when this returns."""
        out = subprocess.run([BECK, "app", "create", "--data", str(self.data), "--name", name or uid("app"), "--json"],
                             capture_output=True, timeout=30, check=False)
        assert out.returncode == 0, f"beck app create: {out.returncode} {out.stdout!r} {out.stderr!r}"
        made = json.loads(out.stdout)
        app = App(self, made["key"], made["secret"])
        if self.is_alive():
            wait_until(lambda: app.api.get("/app").status == 200, "the new application is known to the running server")
        return app

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.destroy()


class App:
    """One application: key and secret, its server-side caller `api`, and everything a test makes in it."""

    def __init__(self, server, key, secret):
        self.server, self.key, self.secret = server, key, secret
        self.api = Client(server, key, self.server_token())
        self.sessions = []

    def scope(self):
        """The same application with an own list of sessions, for one test."""
        other = App.__new__(App)
        other.server, other.key, other.secret, other.api, other.sessions = self.server, self.key, self.secret, self.api, []
        return other

    def close(self):
        for session in self.sessions:
            session.drop()
        self.sessions.clear()

    def token(self, user_id, **claims):
        return jwt({"user_id": user_id, **claims}, self.secret)

    def server_token(self, **claims):
        return jwt({"server": True, **claims}, self.secret)

    def client(self, token=None, auth_type="jwt"):
        return Client(self.server, self.key, token, auth_type)

    def as_user(self, user_id, **claims):
        """A caller with a valid token; the user is not created."""
        return User(self, user_id, self.token(user_id, **claims))

    def user(self, prefix="user", **fields):
        """A stored user (upserted by a server call)."""
        return self.users(1, prefix, **fields)[0]

    def users(self, n, prefix="user", **fields):
        ids = [uid(prefix) for _ in range(n)]
        for at in range(0, n, 100):
            self.api.post("/users", {"users": {i: {"id": i, **fields} for i in ids[at:at + 100]}}).ok(201)
        return [self.as_user(i) for i in ids]

    def anonymous(self):
        return User(self, "!anon", None, "anonymous")

    def stored(self, user_id, **payload):
        """The user as a server-side query shows him; None when it does not."""
        found = self.api.get("/users", payload={"filter_conditions": {"id": user_id}, **payload}).ok(200)["users"]
        assert len(found) <= 1
        return found[0] if found else None

    def channel(self, *members, type="messaging", by=None, id=None, **data):
        """A channel made by a server call; its creator is `by`, else the first member, else a new user."""
        creator = name_of(by or (members[0] if members else self.user("creator")))
        channel = Channel(self, type, id or uid("ch"))
        data = {"created_by_id": creator, **data}
        ids = [name_of(m) if not isinstance(m, dict) else m for m in members]
        if ids:
            data["members"] = ids[:100]
        self.api.post(f"{channel.path}/query", {"data": data}).ok()
        for at in range(100, len(ids), 100):
            self.api.post(channel.path, {"add_members": ids[at:at + 100]}).ok()
        return channel

    def query_user(self, user_id):
        return self.stored(user_id)

    def marker(self, user_id):
        """A custom event to all connections of a user; returns its type."""
        kind = f"marker_{next(_counter)}"
        self.api.post(f"/users/{user_id}/event", {"event": {"type": kind}}).ok(201)
        return kind

    def task(self, task_id, timeout=WAIT):
        """Waits for a task to end and returns it."""
        def ended():
            task = self.api.get(f"/tasks/{task_id}").ok(200)
            return task if task["status"] in ("completed", "failed") else None
        return wait_until(ended, f"task {task_id}", timeout)


def name_of(user):
    return user.id if isinstance(user, User) else user


class Channel:
    def __init__(self, app, type, id):
        self.app, self.type, self.id = app, type, id
        self.cid, self.path = f"{type}:{id}", f"/channels/{type}/{id}"

    def state(self, caller=None, **body):
        """The channel as a query by `caller` (default: the server side) shows it."""
        return (caller or self.app.api).post(f"{self.path}/query", {"state": True, **body}).ok()

    def send(self, sender, text="hello", **fields):
        """A message by `sender` through a server call."""
        return self.app.api.post(f"{self.path}/message", {"message": {"text": text, "user_id": name_of(sender), **fields}}).ok(201)["message"]

    def marker(self):
        """A custom event to all watchers; returns its type."""
        kind = f"marker_{next(_counter)}"
        creator = self.app.user("marker").id
        self.app.api.post(f"{self.path}/event", {"event": {"type": kind, "user_id": creator}}).ok(201)
        return kind

    def read_of(self, user, caller=None):
        """The read entry of `user` as `caller` sees it, or None."""
        found = [r for r in self.state(caller).get("read", []) if r["user"]["id"] == name_of(user)]
        assert len(found) <= 1
        return found[0] if found else None

    def texts(self, caller=None, **body):
        return [m["text"] for m in self.state(caller, **body)["messages"]]


class User(Client):
    """A person: an id, a token, and what he does. Posts to `/channels/...` run with his own rights."""

    def __init__(self, app, id, token, auth_type="jwt"):
        super().__init__(app.server, app.key, token, auth_type)
        self.app, self.id = app, id

    def connect(self, transport="ws", details=None, prefix="", **payload):
        """An open session, after its first health.check. Raises ConnectRefused. `prefix` "/api/v2": in dialect 2."""
        kind = {"ws": WebSocketSession, "longpoll": LongPollSession}[transport]
        session = kind(self, {"user_id": self.id, "user_details": {"id": self.id, **(details or {})}, **payload}, prefix=prefix)
        self.app.sessions.append(session)
        return session

    def refused(self, transport="ws", details=None, **payload):
        """The error object of a connect that must fail."""
        try:
            session = self.connect(transport, details, **payload)
        except ConnectRefused as refusal:
            return refusal
        raise AssertionError(f"connect was accepted: {session.first}")

    def send(self, channel, text="hello", **fields):
        return self.post(f"{channel.path}/message", {"message": {"text": text, **fields}}).ok(201)["message"]

    def watch(self, session, *channels, **body):
        state = None
        for channel in channels:
            state = self.post(f"{channel.path}/query", {"watch": True, "state": True, **body}, query={"connection_id": session.id}).ok()
        return state

    def stop_watching(self, session, channel):
        return self.post(f"{channel.path}/stop-watching", {}, query={"connection_id": session.id})

    def read(self, channel, **body):
        return self.post(f"{channel.path}/read", body).ok(201)

    def event(self, channel, type, **fields):
        return self.post(f"{channel.path}/event", {"event": {"type": type, **fields}})

    def unread(self):
        return self.get("/unread").ok(200)

    def update(self, **set):
        """Changes his own stored user by a server call."""
        return self.app.api.patch("/users", {"users": [{"id": self.id, "set": set}]}).ok(200)["users"][self.id]


# ---- sessions ----

class ConnectRefused(Exception):
    """The server said no: `error` is the contract's error object; `close_code` for WebSocket, `status` for long poll."""

    def __init__(self, error, close_code=None, status=None, frames=()):
        super().__init__(f"connect refused: {error} close={close_code} status={status}")
        self.error, self.close_code, self.status, self.frames = error, close_code, status, frames

    def fails(self, status, code):
        check_error(self.error, status, code)
        if self.status is not None:
            assert self.status == status, self
        else:
            assert self.close_code == 1000 and len(self.frames) == 1, self
        return self.error


class Session:
    """One open connection, whatever carries it. Events are kept until an expect takes them, in order of arrival."""

    def __init__(self, user, payload, prefix=""):
        self.prefix = prefix
        self.user, self.app, self.payload = user, user.app, payload
        self._events, self._changed = [], threading.Condition()
        self.received = []     # everything that ever came, in order
        self.final_error = None
        self.close_code = None
        self.is_closed = False
        self.last_seq = 0

    def _begin(self, first):
        check_first_event(first, self.prefix)
        self.first, self.id, self.me = first, first["connection_id"], first["me"]
        self.last_seq = first.get("seq", 0)

    def _take_in(self, event):
        with self._changed:
            if "error" in event and "type" not in event:
                self.final_error = event["error"]
            else:
                assert isinstance(event.get("type"), str), event
                self.last_seq = event.get("seq", self.last_seq)
                self._events.append(event)
                self.received.append(event)
            self._changed.notify_all()

    def _ended(self, close_code=None):
        with self._changed:
            self.is_closed, self.close_code = True, close_code
            self._changed.notify_all()

    def _wait(self, find, what, timeout):
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = find()
                if found is not None:
                    return found
                left = deadline - time.monotonic()
                if self.is_closed:
                    raise AssertionError(f"{what}: session closed ({self.close_code}, {self.final_error}); pending {self._types()}")
                if left <= 0:
                    raise AssertionError(f"{what}: not within {timeout} s; pending {self._types()}")
                self._changed.wait(left)

    def _types(self):
        return [e["type"] for e in self._events]

    def expect(self, type, timeout=None, where=None, **fields):
        """The first event of this type (and with these top-level fields, and `where` true), taken out; others stay."""
        def find():
            for at, event in enumerate(self._events):
                if event["type"] == type and all(event.get(k) == v for k, v in fields.items()) and (where is None or where(event)):
                    return self._events.pop(at)
            return None
        event = self._wait(find, f"{self.user.id}: {type} {fields or ''}", timeout or WAIT)
        if type != "health.check":
            check_time(event["created_at"], self.prefix)
        return event

    def until(self, type, timeout=None):
        """Takes out and returns everything up to and without the first event of this type."""
        def find():
            for at, event in enumerate(self._events):
                if event["type"] == type:
                    head, self._events[:at + 1] = self._events[:at], []
                    return head
            return None
        return self._wait(find, f"{self.user.id}: {type}", timeout or WAIT)

    def settle(self, marker=None):
        """Everything that came before a marker sent now (custom event to the user, or what `marker()` sends)."""
        kind = marker() if marker else self.app.marker(self.user.id)
        return [e for e in self.until(kind) if e["type"] != "health.check"]

    def expect_none(self, *types, where=None, marker=None):
        """Proves that no event of these types (none at all when empty) comes before a marker sent now."""
        came = self.settle(marker)
        bad = [e for e in came if (not types or e["type"] in types) and (where is None or where(e))]
        assert not bad, f"{self.user.id} got {[e['type'] for e in bad]}: {json.dumps(bad)[:1500]}"
        return came

    def expect_closed(self, timeout=None):
        """Waits for the end; returns the close code (None over long poll)."""
        deadline = time.monotonic() + (timeout or WAIT)
        with self._changed:
            while not self.is_closed:
                left = deadline - time.monotonic()
                assert left > 0, f"{self.user.id}: session still open; pending {self._types()}"
                self._changed.wait(left)
        return self.close_code

    def resume_from(self, watch=(), presence=()):
        """What a later connect names to go on from here."""
        return {"connection_id": self.id, "seq": self.last_seq, "watch": [c.cid for c in watch], "presence": [name_of(p) for p in presence]}


def check_time(value, prefix=""):
    assert type(value) is int if prefix else TIMESTAMP.match(value), value


def check_first_event(event, prefix=""):
    """The shape of the first health.check, on every connect of every test."""
    assert event.get("type") == "health.check", event
    assert event.get("cid") == "*", event
    assert isinstance(event.get("connection_id"), str) and 16 <= len(event["connection_id"]) <= 64, event
    check_time(event["created_at"], prefix)
    assert isinstance(event.get("me"), dict) and event["me"]["online"] is True, event


class _Loop:
    """One asyncio loop in a thread carries all WebSockets of a run."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True, name="websockets").start()

    def run(self, coroutine, timeout=30):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)


_loop = None


def loop():
    global _loop
    if _loop is None:
        _loop = _Loop()
    return _loop


def connect_query(user, payload):
    query = {"json": payload if isinstance(payload, str) else json.dumps(payload)}
    if user.key is not None:
        query["api_key"] = user.key
    if user.token is not None:
        query["authorization"] = user.token
    if user.auth_type is not None:
        query["stream-auth-type"] = user.auth_type
    return query


class WebSocketSession(Session):
    transport = "ws"

    def __init__(self, user, payload, frame=None, headers=None, query=None, pause=False, prefix=""):
        super().__init__(user, payload, prefix)
        query = connect_query(user, payload) if query is None else query
        url = f"ws://{user.server.host}:{user.server.port}{prefix}/connect?{urllib.parse.urlencode(query)}"
        self.socket = loop().run(self._open(url, frame, headers))
        self._resumed = asyncio.Event()
        if not pause:
            self.resume_reading()
        asyncio.run_coroutine_threadsafe(self._read(), loop().loop)

    async def _open(self, url, frame, headers):
        socket = await websockets.connect(url, compression=None, ping_interval=None, max_size=None, max_queue=None, open_timeout=15,
                                          extra_headers=headers or {})
        if frame is not None:
            await socket.send(json.dumps(frame))
        frames = []
        try:
            frames.append(json.loads(await asyncio.wait_for(socket.recv(), 15)))
            if "error" in frames[0]:
                while True:
                    frames.append(json.loads(await asyncio.wait_for(socket.recv(), 15)))
        except websockets.ConnectionClosed:
            raise ConnectRefused(frames[0]["error"] if frames else None, close_code=socket.close_code, frames=frames) from None
        self._begin(frames[0])
        return socket

    async def _read(self):
        try:
            await self._resumed.wait()
            async for text in self.socket:
                assert isinstance(text, str), "binary frame from the server"
                self._take_in(json.loads(text))
        except websockets.ConnectionClosed:
            pass
        finally:
            self._ended(self.socket.close_code)

    def resume_reading(self):
        loop().loop.call_soon_threadsafe(self._resumed.set)

    def send_text(self, text):
        loop().run(self.socket.send(text))

    def close(self, code=1000):
        """A clean close, complete when this returns."""
        loop().run(self.socket.close(code))
        self.expect_closed()

    def drop(self):
        """The cable is pulled: no close frame. Nothing more is taken in when this returns."""
        loop().loop.call_soon_threadsafe(self.socket.transport.abort)
        self.resume_reading()
        self.expect_closed()


class LongPollSession(Session):
    """Polls in a thread until closed. With auto=False the test polls itself by poll()."""
    transport = "longpoll"

    def __init__(self, user, payload, body=None, auto=True, query=None, method=None, prefix=""):
        super().__init__(user, payload, prefix)
        self._stop = threading.Event()
        self._connection = None
        self._query = {k: v for k, v in connect_query(user, payload).items() if k != "json"}
        query = connect_query(user, payload) if query is None else query
        reply = self._call(query, body=body, method=method or ("GET" if body is None else "POST"))
        if reply.status != 200:
            raise ConnectRefused(reply.json, status=reply.status)
        self._begin(reply.ok(200)["event"])
        self._thread = None
        if auto:
            self._thread = threading.Thread(target=self._poll_on, daemon=True)
            self._thread.start()

    def _call(self, query, body=None, method="GET", timeout=60, fresh=True):
        connection = http.client.HTTPConnection(self.user.server.host, self.user.server.port, timeout=timeout)
        if not fresh:
            self._connection = connection
        head = {"Content-Type": "application/json"} if body is not None else {}
        try:
            connection.request(method, self.prefix + "/longpoll?" + urllib.parse.urlencode(query), json.dumps(body) if body is not None else None, head)
            reply = connection.getresponse()
            return Reply(reply.status, reply.headers, reply.read(), f"{method} /longpoll")
        finally:
            connection.close()

    def poll(self, **query):
        """One poll, answered to the caller (Reply); the events are taken in as well."""
        reply = self._call({**self._query, "connection_id": self.id, **query})
        if reply.status == 200:
            for event in reply.json.get("events", []):
                self._take_in(event)
        return reply

    def _poll_on(self):
        try:
            while not self._stop.is_set():
                query = {**self._query, "connection_id": self.id}
                if self.payload.get("resume"):
                    query["seq"] = self.last_seq
                reply = self._call(query, fresh=False)
                if reply.status != 200:
                    self.final_error = reply.json
                    break
                for event in reply.ok(200)["events"]:
                    self._take_in(event)
        except (OSError, http.client.HTTPException, AttributeError):
            pass  # dropped by the test, or the server went away
        finally:
            self._ended()

    def close(self):
        self._stop.set()
        self._call({**self._query, "connection_id": self.id, "close": "true"}).ok(200)
        if self._thread:
            self.expect_closed()

    def drop(self):
        """Polls no more; a parked poll is cut. Nothing more is taken in when this returns."""
        self._stop.set()
        while self._thread and self._thread.is_alive():
            sock = getattr(self._connection, "sock", None)
            if sock is not None:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self._thread.join(0.02)


# ---- checks of common objects ----

USER_ALWAYS = {"id": str, "role": str, "created_at": str, "updated_at": str, "banned": bool, "online": bool, "language": str, "teams": list}


def check_user(user, id=None):
    """The common view of a user."""
    for key, kind in USER_ALWAYS.items():
        assert isinstance(user.get(key), kind), (key, user)
    assert isinstance(user.get("blocked_user_ids"), list), user
    assert id is None or user["id"] == id, user
    return user


def check_channel_event(event, channel):
    assert (event["cid"], event["channel_type"], event["channel_id"]) == (channel.cid, channel.type, channel.id), event
    return event


def ids(objects):
    return [o["id"] for o in objects]
