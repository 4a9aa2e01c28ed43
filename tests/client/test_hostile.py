"""libbeck against peers that lie, stop, cut and stammer: a clear error or a new attempt, never a crash, never a hang."""
import itertools
import json
import threading
import time

import pytest

from beck import dev_token
from hostile import HELLO, Cut, Hostile, api_error, frame, http
from puppet import CONNECTED

pytestmark = pytest.mark.quick
TOKEN = dev_token("john")


@pytest.fixture
def hostile():
    servers = []

    def make(answer):
        servers.append(Hostile(answer))
        return servers[-1]
    yield make
    for server in servers:
        server.close()


def good(request, *more):
    """A websocket that says hello, then these bytes."""
    return request.accept() + frame(HELLO) + b"".join(more)


def connect(p, timeout=10):
    return p.do("connect", timeout, user={"id": "john"}, token=TOKEN)


# ---- the handshake ----

@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhtml",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
    b"HTTP/1.1 500 No\r\n\r\n",
    b"SSH-2.0-OpenSSH_9\r\n\r\n",
    b"\x16\x03\x01\x00\x00\r\n\r\n",
    b"HTTP/1.1 101 X\r\n" + b"A: " + b"x" * 20000 + b"\r\n\r\n",
    b"\r\n\r\n",
    b"HTTP/1.1 999999999999 Y\r\n\r\n",
], ids=["wrong-accept", "no-accept", "200", "302", "500", "ssh", "tls", "long", "empty", "number"])
def test_a_wrong_handshake(hostile, puppet, answer):
    server = hostile(lambda request, number: answer)
    failed = puppet(server.url, timeout_ms=700).fails("connect", user={"id": "john"}, token=TOKEN)
    assert failed.result in ("BECK_EPROTOCOL", "BECK_ENETWORK"), failed.answer


def test_http_where_tls_is_spoken_is_told_in_plain_words(hostile, puppet):
    """Many servers of TLS answer what is none with an alert."""
    server = hostile(lambda request, number: b"\x15\x03\x01\x00\x02\x02\x46")
    failed = puppet(server.url, timeout_ms=700).fails("connect", user={"id": "john"}, token=TOKEN)
    assert failed.result == "BECK_EPROTOCOL" and "https://" in failed.message, failed.answer


FIRSTS = {
    "bare-text": frame("token invalid"),
    "no-json": frame("{"),
    "array": frame("[]"),
    "null": frame("null"),
    "no-type": frame({"connection_id": "x"}),
    "other-event": frame({"type": "message.new", "cid": "a:b"}),
    "type-is-a-number": frame({"type": 7}),
    "binary": frame(b"\x00\x01", opcode=2),
    "masked": frame(HELLO, masked=True),
    "rsv": frame(HELLO, rsv=4),
    "opcode": frame(b"", opcode=5),
    "long-ping": frame(b"x" * 126, opcode=9),
    "lone-continuation": frame(HELLO, opcode=0),
    "bad-utf8": frame(b"\xff\xfe"),
    "monster": frame(b"x", length=1 << 62),
    "deep": frame("[" * 5000 + "]" * 5000),
    "close": frame(b"\x03\xe8", opcode=8),
    "close-1-byte": frame(b"\x03", opcode=8),
    "nothing-and-gone": b"",
}


@pytest.mark.parametrize("first", FIRSTS, ids=list(FIRSTS))
def test_a_wrong_first_event_then_a_good_connection(hostile, puppet, first):
    """The first attempt meets nonsense, the second is served well."""
    server = hostile(lambda request, number: request.accept() + FIRSTS[first] if number == 0 else good(request))
    p = puppet(server.url, timeout_ms=8000)
    if first == "nothing-and-gone":
        server.answer = lambda request, number: None if number == 0 else good(request)
    assert connect(p)["connection_id"] == "c-1"


@pytest.mark.parametrize("bad", [k for k in FIRSTS if k not in ("other-event", "nothing-and-gone")])
def test_nonsense_in_mid_session(hostile, puppet, bad):
    server = hostile(lambda request, number: good(request))
    p = puppet(server.url, reconnect_max_wait_ms=100)
    connect(p)
    server.send(FIRSTS[bad])
    if bad in ("array", "null", "no-type"):
        pass  # an object or not: an event it is none
    p.expect("connection.changed", online=False)
    mark = p.mark()
    p.until(lambda: [e for e in p.events if e["type"] == "connection.changed" and e["online"]][1:], "connected again")
    server.send(frame({"type": "custom", "cid": "a:b", "n": 1}))
    p.expect("custom", n=1)
    assert mark


@pytest.mark.parametrize("error,result", [
    ({"error": {"code": 43, "message": "no", "StatusCode": 401}}, "BECK_EAPI"),
    ({"error": {}}, "BECK_EPROTOCOL"),
    ({"error": {"code": 4, "message": "x" * 5000, "StatusCode": 400}}, "BECK_EAPI"),
])
def test_error_frames(hostile, puppet, error, result):
    server = hostile(lambda request, number: request.accept() + frame(error))
    failed = puppet(server.url, timeout_ms=700).fails("connect", user={"id": "john"}, token=TOKEN)
    assert failed.result == result and len(failed.message) < 376


def test_an_overloaded_server_is_tried_again(hostile, puppet):
    over = {"error": {"code": 9, "message": "too many", "StatusCode": 429}}
    server = hostile(lambda request, number: request.accept() + frame(over) if number < 2 else good(request))
    assert connect(puppet(server.url, timeout_ms=9000))["connection_id"] == "c-1"


def test_every_byte_alone(app, box, puppet):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    box.bytewise = True
    p = puppet(box.url)
    p.connect(ann)
    p.do("watch", type="messaging", id=channel.id)
    sent = [bob.send(channel, f"ä{i}" * 20)["id"] for i in range(5)]
    assert p.ids_until(sent[-1]) == sent


def test_cut_after_every_few_bytes_of_handshake_and_hello(hostile, puppet):
    """Attempt n is cut after 7 n bytes; every cut is survived, and in the end the client is up."""
    server = hostile(lambda request, number: Cut(good(request), 7 * number))
    p = puppet(server.url, timeout_ms=60000, reconnect_max_wait_ms=5)
    assert connect(p, 60)["connection_id"] == "c-1"
    assert len(server.requests) > 30


# ---- answers to calls ----

def call(hostile, puppet, answers, method="GET", timeout_ms=4000, **more):
    """A connected client makes one call; `answers` are given to its requests in order, the last again and again."""
    given = iter(answers)
    last = [None]

    def answer(request, number):
        if request.is_ws:
            return good(request)
        last[0] = next(given, last[0])
        return last[0]
    server = hostile(answer)
    p = puppet(server.url, timeout_ms=timeout_ms)
    connect(p)
    n = p.begin("request", method=method, path="/unread", **more)
    return server, p, p.until(lambda: p.answers.get(n), "the end of the call", timeout_ms / 1000 + 3)


@pytest.mark.parametrize("answer,result", [
    (http(200, b"{"), "BECK_EPROTOCOL"),
    (http(200, b"<html>"), "BECK_EPROTOCOL"),
    (http(200, b"[" * 100000), "BECK_EPROTOCOL"),
    (http(200, b""), "BECK_OK"),
    (http(201, {"a": 1}), "BECK_OK"),
    (http(302, b"", headers=["Location: http://127.0.0.1:1/"]), "BECK_EPROTOCOL"),
    (http(404, b"<html>not here</html>"), "BECK_EAPI"),
    (http(400, b"\xff\xfe\x00"), "BECK_EAPI"),
    (api_error(403, 17), "BECK_EAPI"),
    (b"garbage\r\n\r\n", "BECK_EPROTOCOL"),
    (None, "BECK_ENETWORK"),
], ids=["half-json", "html", "deep", "empty", "201", "redirect", "404-html", "400-bytes", "403", "garbage", "gone"])
def test_answers(hostile, puppet, answer, result):
    _, _, said = call(hostile, puppet, [answer], method="POST", body={})
    assert said["result"] == result, said


def test_an_answer_without_end(hostile, puppet):
    began = time.monotonic()
    _, _, said = call(hostile, puppet, [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"], timeout_ms=1000)
    assert said["result"] == "BECK_ETIMEOUT" and time.monotonic() - began < 4


def test_a_get_is_tried_again_when_the_server_is_over_its_limits(hostile, puppet):
    server, _, said = call(hostile, puppet, [api_error(503, -1), None, api_error(429, 9), http(200, {"ok": 1})])
    assert said["result"] == "BECK_OK" and said["reply"] == {"ok": 1}


def test_a_write_is_not_tried_again_by_itself(hostile, puppet):
    server, _, said = call(hostile, puppet, [api_error(503, -1), http(200, {"ok": 1})], method="POST", body={})
    assert said["result"] == "BECK_EAPI" and said["status"] == 503


def test_retry_after_is_kept(hostile, puppet):
    server, _, said = call(hostile, puppet, [api_error(429, 9, headers=["Retry-After: 1"]), http(200, {"ok": 1})])
    assert said["result"] == "BECK_OK"
    calls = [r for r in server.requests if not r.is_ws]
    assert len(calls) == 2


def test_a_watch_with_an_unknown_connection_comes_right(hostile, puppet):
    """Code 46: the server forgot the connection; the client makes a new one and asks again on it."""
    ids = itertools.count(1)

    def answer(request, number):
        if request.is_ws:
            return request.accept() + frame({**HELLO, "connection_id": f"c-{next(ids)}"})
        if "connection_id=c-1" in request.target:
            return api_error(400, 46)
        return http(201, {"channel": {"cid": "messaging:x", "id": "x", "type": "messaging"}})
    server = hostile(answer)
    p = puppet(server.url, timeout_ms=8000, reconnect_max_wait_ms=50)
    connect(p)
    assert p.do("watch", type="messaging", id="x")["reply"]["channel"]["id"] == "x"
    assert p.state()["connection_id"] == "c-2"


def test_a_server_without_resume_is_asked_what_was_missed(hostile, puppet):
    """No seq in the hello: watch again, then synchronise; the missed event is given out, then connection.recovered."""
    missed = {"type": "message.new", "cid": "messaging:x", "created_at": "2026-01-01T00:00:09Z", "message": {"id": "m2"}}

    def answer(request, number):
        if request.is_ws:
            return good(request)
        if request.path == "/sync":
            asked = json.loads(request.body)
            assert asked["channel_cids"] == ["messaging:x"] and asked["last_sync_at"] == "2026-01-01T00:00:05Z", asked
            return http(201, {"events": [missed]})
        if request.path == "/channels":
            return http(201, {"channels": []})
        return http(201, {"channel": {"cid": "messaging:x", "id": "x", "type": "messaging"}})
    server = hostile(answer)
    p = puppet(server.url, reconnect_max_wait_ms=50)
    connect(p)
    p.do("watch", type="messaging", id="x")
    server.send(frame({"type": "message.new", "cid": "messaging:x", "created_at": "2026-01-01T00:00:05Z", "message": {"id": "m1"}}))
    p.expect("message.new")
    for s in list(server.sockets):
        s.shutdown(2)
    assert p.expect("connection.recovered")["gap"] is False
    assert p.message_ids() == ["m1", "m2"]
    again = next(r for r in server.requests if r.path == "/channels")
    assert json.loads(again.body)["filter_conditions"] == {"cid": {"$in": ["messaging:x"]}} and json.loads(again.body)["watch"] is True


def test_an_answer_that_an_earlier_recovery_waited_for_does_not_end_the_next(hostile, puppet):
    """The first is cut while it asks; the second resumes, and is over when the server has caught up and not before."""
    may_answer = threading.Event()

    def answer(request, number):
        if request.is_ws:
            hello = {**HELLO, "connection_id": f"c-{len(server.sockets)}"}
            return request.accept() + frame({**hello, "seq": 5, "resumed": True} if len(server.sockets) == 2 else hello)
        if request.path == "/channels":
            may_answer.wait(10)
            return http(201, {"channels": []})
        if request.path == "/sync":
            return http(201, {"events": []})
        return http(201, {"channel": {"cid": "messaging:x", "id": "x", "type": "messaging"}})
    server = hostile(answer)
    p = puppet(server.url, reconnect_max_wait_ms=50, timeout_ms=9000)
    connect(p)
    p.do("watch", type="messaging", id="x")
    server.sockets[0].sendall(frame({"type": "message.new", "cid": "messaging:x", "created_at": "2026-01-01T00:00:05Z", "message": {"id": "m1"}}))
    p.expect("message.new")
    server.sockets[0].shutdown(2)
    p.until(lambda: [r for r in server.requests if r.path == "/channels"], "the first recovery asks")
    server.sockets[1].shutdown(2)
    p.until(lambda: len(server.sockets) == 3, "the third connection")
    p.expect("health.check", connection_id="c-2")
    may_answer.set()
    time.sleep(0.7)
    assert not [e for e in p.events if e["type"] == "connection.recovered"]
    server.sockets[2].sendall(frame({**HELLO, "seq": 6, "caught_up": True}))
    assert p.expect("connection.recovered", timeout=3)["gap"] is True, "what the first asked for was never answered"


def test_answers_of_a_poll_that_are_nonsense(hostile, puppet):
    answers = itertools.cycle([http(200, b"{"), http(200, {"events": 7}), http(200, {"events": ["x", {}]}), http(502, b"<html>"), None])

    def answer(request, number):
        if request.is_ws:
            return http(403)
        if request.method == "POST":
            return http(200, {"event": HELLO})
        if "close=true" in request.target:
            return http(200, {})
        if number > 40:
            return http(200, {"events": [{"type": "custom", "n": number}]}) if number == 41 else time.sleep(0.2) or http(200, {"events": []})
        return next(answers)
    server = hostile(answer)
    p = puppet(server.url, enable_ws_fallback=True, reconnect_max_wait_ms=20)
    connect(p)
    p.expect("custom", timeout=30)
    assert p.state()["state"] == CONNECTED


def test_an_upload_is_streamed_whole_with_its_type(hostile, puppet, tmp_path):
    picture = tmp_path / "cat.png"
    picture.write_bytes(bytes(range(256)) * 8192)
    server = hostile(lambda request, number: good(request) if request.is_ws else http(201, {"file": "https://files/cat.png"}))
    p = puppet(server.url)
    connect(p)
    assert p.do("upload", type="messaging", id="x", path=str(picture))["reply"]["file"] == "https://files/cat.png"
    sent = next(r for r in server.requests if r.path == "/channels/messaging/x/file")
    assert sent.headers["content-type"].startswith("multipart/form-data") and picture.read_bytes() in sent.body
    assert b'name="file"; filename="cat.png"' in sent.body and b"Content-Type: image/png" in sent.body
    assert p.fails("upload", type="messaging", id="x", path="/no/such/file").result == "BECK_EFILE"
