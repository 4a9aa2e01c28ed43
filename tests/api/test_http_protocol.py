"""HTTP/1.1 on the wire: keep-alive, pipelining, bodies of every form, gzip, CORS, and answers to broken or slow peers."""
import gzip
import json
import re
import socket
import time

import pytest

from beck import check_error, limit, uid
from fixtures import TIME_SCALE
from raw import RawHttp, request_bytes


@pytest.fixture
def raw(app):
    with RawHttp(app.server) as connection:
        yield connection


@pytest.fixture
def ann(app):
    return app.user("ann")


def users_query(client, **kw):
    return request_bytes(client, "GET", "/users", payload={"filter_conditions": {"id": "x"}}, **kw)


def patch_of(client, value):
    return {"users": [{"id": client.id, "set": {"value": value}}]}


def value_of(app, user):
    return app.stored(user.id).get("value")


# ---- connections ----

def test_keep_alive(raw, ann):
    for _ in range(20):
        raw.send(users_query(ann))
        raw.reply().ok(200)


def test_request_ids_do_not_tell_how_many_requests_others_made(raw, ann):
    ids = []
    for _ in range(6):
        raw.send(users_query(ann))
        ids.append(int(raw.reply().headers["x-request-id"], 16))
    steps = {(b - a) % 2**64 for a, b in zip(ids, ids[1:])}
    assert len(steps) == 5  # one connection, one loop: a counter steps alike each time


def test_connection_close_is_honoured(raw, ann):
    raw.send(users_query(ann, headers={"Connection": "close"}))
    reply = raw.reply()
    reply.ok(200)
    assert reply.headers.get("connection", "").lower() == "close" and raw.is_closed()


def test_http_1_0_closes(raw, ann):
    raw.send(users_query(ann).replace(b"HTTP/1.1", b"HTTP/1.0"))
    raw.reply().ok(200)
    assert raw.is_closed()


@pytest.mark.parametrize("count", [2, 16, 60])
def test_pipelined_requests_are_answered_in_order(app, raw, ann, count):
    names = app.users(count)
    raw.send(b"".join(request_bytes(ann, "GET", "/users", payload={"filter_conditions": {"id": u.id}}) for u in names))
    assert [raw.reply().ok(200)["users"][0]["id"] for _ in names] == [u.id for u in names]


def test_pipelined_writes_are_applied_in_order(app, raw, ann):
    channel = app.channel(ann)
    raw.send(b"".join(request_bytes(ann, "POST", f"{channel.path}/message", {"message": {"text": str(n)}}) for n in range(30)))
    assert [raw.reply().ok(201)["message"]["text"] for _ in range(30)] == [str(n) for n in range(30)]
    assert channel.texts(messages={"limit": 100}) == [str(n) for n in range(30)]


def test_read_after_write_in_one_pipeline(app, raw, ann):
    raw.send(request_bytes(ann, "PATCH", "/users", patch_of(ann, 7)) + request_bytes(ann, "GET", "/users", payload={"filter_conditions": {"id": ann.id}}))
    raw.reply().ok(200)
    assert raw.reply().ok(200)["users"][0]["value"] == 7


def test_request_byte_by_byte(raw, app, ann):
    for byte in request_bytes(ann, "PATCH", "/users", patch_of(ann, "slow")):
        raw.send(bytes([byte]))
    raw.reply().ok(200)
    assert value_of(app, ann) == "slow"


def test_request_in_two_pieces_at_every_place(app, ann):
    whole = request_bytes(ann, "PATCH", "/users", patch_of(ann, "cut"))
    with RawHttp(app.server) as raw:
        for at in range(1, len(whole), 7):
            raw.send(whole[:at]).send(whole[at:])
            raw.reply().ok(200)


def test_blank_lines_before_a_request_are_skipped(raw, ann):
    raw.send(b"\r\n\r\n" + users_query(ann))
    raw.reply().ok(200)


# ---- bodies ----

def chunked(body, *sizes, extension=b"", trailer=b""):
    out, at = b"", 0
    for size in [*sizes, len(body)]:
        piece = body[at:at + size]
        at += size
        if piece:
            out += f"{len(piece):x}".encode() + extension + b"\r\n" + piece + b"\r\n"
    return out + b"0" + extension + b"\r\n" + trailer + b"\r\n"


@pytest.mark.parametrize("pieces", [dict(sizes=()), dict(sizes=(1,) * 40), dict(sizes=(5, 3), extension=b";a=b"), dict(sizes=(9,), trailer=b"X-T: 1\r\n")],
                         ids=["one chunk", "single bytes", "extension", "trailer"])
def test_chunked_request(app, raw, ann, pieces):
    body = json.dumps(patch_of(ann, "chunked")).encode()
    head = request_bytes(ann, "PATCH", "/users", headers={"Transfer-Encoding": "chunked"})
    raw.send(head[:head.index(b"\r\n\r\n") + 4] + chunked(body, *pieces.pop("sizes"), **pieces))
    raw.reply().ok(200)
    assert value_of(app, ann) == "chunked"
    raw.send(users_query(ann))
    raw.reply().ok(200)


def test_gzip_request(app, ann):
    ann.patch("/users", gzip.compress(json.dumps(patch_of(ann, "zip")).encode()), headers={"Content-Encoding": "gzip"}).ok(200)
    assert value_of(app, ann) == "zip"


def test_broken_gzip_request_is_400_4(app, ann):
    packed = gzip.compress(json.dumps(patch_of(ann, "zip")).encode())
    for body in (packed[:-9], b"not gzip", packed[:10] + b"\xff" * 20, b""):
        ann.patch("/users", body, headers={"Content-Encoding": "gzip"}).fails(400, 4)
    assert value_of(app, ann) is None


def test_gzip_bomb_is_413_22(app, ann):
    before = app.server.rss_bytes()
    bomb = gzip.compress(b'{"users":"' + b"x" * (100 << 20) + b'"}', 9)
    assert len(bomb) < limit("BODY_BYTES")
    ann.patch("/users", bomb, headers={"Content-Encoding": "gzip"}).fails(413, 22)
    assert app.server.rss_bytes() - before < 40 << 20


def test_unknown_content_encoding_is_refused(app, ann):
    assert ann.patch("/users", json.dumps(patch_of(ann, "x")).encode(), headers={"Content-Encoding": "br"}).status in (400, 415)
    assert value_of(app, ann) is None


def test_gzip_response(app):
    ann = app.user("ann", filler="x" * 4000)
    payload = {"filter_conditions": {"id": ann.id}}
    reply = ann.get("/users", payload=payload, headers={"Accept-Encoding": "gzip"})
    assert reply.headers["Content-Encoding"] == "gzip" and len(reply.body) < 2000
    assert json.loads(gzip.decompress(reply.body))["users"][0]["filler"] == "x" * 4000
    assert "accept-encoding" in reply.headers.get("Vary", "").lower()


@pytest.mark.parametrize("accept", [None, "", "identity", "br, deflate", "gzip;q=0"])
def test_no_gzip_unless_accepted(app, accept):
    ann = app.user("ann", filler="x" * 4000)
    reply = ann.get("/users", payload={"filter_conditions": {"id": ann.id}}, headers={} if accept is None else {"Accept-Encoding": accept})
    assert "Content-Encoding" not in reply.headers and reply.ok(200)["users"]


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/plain", None], ids=str)
def test_content_type_of_a_request_does_not_matter(app, raw, ann, kind):
    raw.send(request_bytes(ann, "PATCH", "/users", patch_of(ann, str(kind)), headers={"Content-Type": kind} if kind else {}))
    raw.reply().ok(200)
    assert value_of(app, ann) == str(kind)


def test_post_without_a_body_is_an_empty_object(raw, app, ann):
    channel = app.channel(ann)
    head = request_bytes(ann, "POST", f"{channel.path}/read", b"")
    raw.send(head)
    raw.reply().ok(201)
    raw.send(head.replace(b"\r\nContent-Length: 0", b""))
    raw.reply().ok(201)


def test_expect_100_continue(raw, app, ann):
    body = json.dumps(patch_of(ann, "waited")).encode()
    whole = request_bytes(ann, "PATCH", "/users", body, headers={"Expect": "100-continue", "Content-Length": str(len(body))})
    head, _, rest = whole.partition(b"\r\n\r\n")
    raw.send(head + b"\r\n\r\n")
    assert raw._until(b"\r\n\r\n").startswith(b"HTTP/1.1 100")
    raw.send(rest)
    raw.reply().ok(200)
    assert value_of(app, ann) == "waited"


# ---- methods ----

def test_head_is_get_without_a_body(raw, ann):
    get = users_query(ann)
    raw.send(get.replace(b"GET ", b"HEAD ", 1))
    head = raw.reply("HEAD")
    assert head.status == 200 and head.headers["content-type"].startswith("application/json")
    raw.send(get)  # the stream is still in step
    raw.reply().ok(200)


@pytest.mark.parametrize("method,path", [("DELETE", "/users"), ("GET", "/users/delete"), ("PUT", "/channels"), ("POST", "/app"), ("PATCH", "/sync"), ("TRACE", "/users")])
def test_method_that_a_path_does_not_have_is_404_16(raw, ann, method, path):
    raw.send(request_bytes(ann, method, path))
    reply = raw.reply()
    assert reply.status in (404, 405, 400, 501)
    check_error(reply.json, reply.status, reply.json["code"])


@pytest.mark.parametrize("path", ["//", "/nothing", "/channels/messaging", "/users/../app", "/channels/messaging/x/nothing", "/%2e%2e/app"])
def test_unknown_path_is_404_16(ann, path):
    ann.get(path).fails(404, 16)


# ---- CORS ----

PREFLIGHT = {"Origin": "https://app.example", "Access-Control-Request-Method": "PATCH",
             "Access-Control-Request-Headers": "authorization, stream-auth-type, x-stream-client, content-type, x-client-request-id"}


@pytest.mark.parametrize("path", ["/users", "/channels/messaging/x/query", "/longpoll", "/guest", "/no-such-path"])
def test_preflight_needs_no_credentials(app, path):
    caller = app.client(None, None)
    caller.key = None
    reply = caller.request("OPTIONS", path, headers=PREFLIGHT)
    assert reply.status in (200, 204)
    assert reply.headers["Access-Control-Allow-Origin"] in ("*", "https://app.example")
    allowed = reply.headers["Access-Control-Allow-Methods"].upper()
    assert all(m in allowed for m in ("GET", "POST", "PUT", "PATCH", "DELETE"))
    headers = reply.headers["Access-Control-Allow-Headers"].lower()
    assert headers == "*" or all(h.strip() in headers for h in PREFLIGHT["Access-Control-Request-Headers"].split(","))
    assert int(reply.headers["Access-Control-Max-Age"]) > 0


@pytest.mark.parametrize("make", [lambda a: a.get("/users", payload={}, headers={"Origin": "https://app.example"}),
                                  lambda a: a.get("/users", payload="{", headers={"Origin": "https://app.example"}),
                                  lambda a: a.get("/nothing", headers={"Origin": "https://app.example"})], ids=["success", "error", "unknown path"])
def test_answers_may_be_read_by_browsers(ann, make):
    reply = make(ann)
    assert reply.headers["Access-Control-Allow-Origin"] in ("*", "https://app.example")
    exposed = reply.headers.get("Access-Control-Expose-Headers", "").lower()
    assert exposed == "*" or all(h in exposed for h in ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after"))


# ---- broken requests ----

def refused(raw, statuses=(400,)):
    """An error of the contract and then the end, or the end alone."""
    try:
        reply = raw.reply()
    except (EOFError, ConnectionResetError):
        return
    assert reply.status in statuses, reply
    check_error(reply.json, reply.status, reply.json["code"])
    assert raw.is_closed()


@pytest.mark.parametrize("data", [b"rubbish\r\n\r\n", b"GET\r\n\r\n", b"GET /users\r\n\r\n", b"GET /users HTTP/3.0\r\n\r\n",
                                  b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 50, b"\x00" * 40, b"G\x00T / HTTP/1.1\r\n\r\n",
                                  b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n",
                                  b"GET / HTTP/1.1\r\nA: \x01\x02\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
                         ids=["words", "no target", "no version", "version 3", "TLS", "zeros", "zero in method", "blank in name",
                              "no name", "controls", "HTTP/2"])
def test_rubbish_is_refused_and_closed(raw, data):
    refused(raw.send(data), (400, 404, 505))


SMUGGLING = {
    "two lengths": "Content-Length: 2\r\nContent-Length: 3\r\n", "length and chunked": "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    "negative length": "Content-Length: -1\r\n", "length with sign": "Content-Length: +2\r\n", "length in words": "Content-Length: two\r\n",
    "huge length": "Content-Length: 99999999999999999999\r\n", "list of lengths": "Content-Length: 2, 2\r\n", "hex length": "Content-Length: 0x2\r\n",
    "chunked twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "chunked not last": "Transfer-Encoding: chunked, gzip\r\n",
    "xchunked": "Transfer-Encoding: xchunked\r\n", "blank before colon": "Content-Length : 2\r\n",
}


@pytest.mark.parametrize("lines", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_ambiguous_framing_is_refused_and_closed(raw, ann, lines):
    target = ann.target("/channels/read")
    hidden = users_query(ann)
    raw.send(f"POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {ann.token}\r\n{lines}\r\n".encode() + b"{}" + hidden)
    refused(raw, (400, 413, 501))


@pytest.mark.parametrize("chunks", [b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n{}\r\n0\r\n\r\n", b"2{}\r\n0\r\n\r\n", b"2\r\n{}xx0\r\n\r\n", b"ffffffffffffffffff\r\n{}\r\n",
                                    b"2\n{}\n0\n\n"], ids=["not hex", "negative", "no line end", "overrun", "huge", "bare newlines"])
def test_broken_chunks_are_refused_and_closed(raw, ann, chunks):
    head = request_bytes(ann, "POST", "/channels/read", headers={"Transfer-Encoding": "chunked"})
    raw.send(head[:head.index(b"\r\n\r\n") + 4] + chunks)
    refused(raw, (400, 413))


def test_broken_request_after_a_good_one(raw, ann):
    raw.send(users_query(ann) + b"rubbish\r\n\r\n")
    raw.reply().ok(200)
    refused(raw)


def test_bad_percent_encoding_is_400_4(raw, ann):
    for target in (f"/users?api_key={ann.key}&payload=%7B%7G", f"/users?api_key={ann.key}&payload=%"):
        raw.send(f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {ann.token}\r\n\r\n")
        raw.reply().fails(400, 4)


def test_bad_utf8_in_the_query_is_400_4(raw, ann):
    raw.send(f"GET /users?api_key={ann.key}&payload=%7B%22a%22%3A%22%ff%22%7D HTTP/1.1\r\nHost: x\r\nAuthorization: {ann.token}\r\n\r\n")
    raw.reply().fails(400, 4)


# ---- too big: 413, 431 ----

def test_body_at_the_limit_and_one_past_it(app, ann):
    size = limit("BODY_BYTES")
    body = b'{"users":[],"filler":"' + b"x" * (size - 24) + b'"}'
    assert len(body) == size
    ann.patch("/users", body).fails(400, 4)  # read and parsed: no users in it
    ann.patch("/users", body + b" ").fails(413, 22)


def test_announced_big_body_is_refused_before_it_comes(raw, ann):
    raw.send(request_bytes(ann, "PATCH", "/users", headers={"Content-Length": str(limit("BODY_BYTES") + 1)}))
    raw.reply().fails(413, 22)
    assert raw.is_closed()


def test_chunked_body_above_the_limit_is_413_22(raw, ann):
    head = request_bytes(ann, "PATCH", "/users", headers={"Transfer-Encoding": "chunked"})
    raw.send(head[:head.index(b"\r\n\r\n") + 4])
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    try:
        for _ in range(limit("BODY_BYTES") // 65536 + 2):
            raw.send(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused early; what it said may be lost with the reset
    try:
        raw.reply().fails(413, 22)
    except ConnectionResetError:
        pass


def test_request_line_of_32_kib_is_accepted(ann):
    ann.get("/users", payload={}, query={"filler": "x" * 32768}).ok(200)


@pytest.mark.parametrize("spoil", [lambda a: users_query(a, query={"filler": "x" * limit("URL_BYTES")}),
                                   lambda a: users_query(a, headers={"X-Filler": "x" * limit("HEAD_BYTES")}),
                                   lambda a: users_query(a, headers={f"X-{n}": "y" for n in range(limit("HEADERS") + 1)})], ids=["target", "header", "many headers"])
def test_too_big_head_is_431_24(raw, ann, spoil):
    raw.send(spoil(ann))
    raw.reply().fails(431, 24)
    assert raw.is_closed()


def test_endless_header_is_cut_off(raw):
    raw.send(b"GET /users HTTP/1.1\r\nX-Filler: ")
    try:
        for _ in range(64):
            raw.send(b"x" * 65536)
    except (BrokenPipeError, ConnectionResetError):
        return
    refused(raw, (431,))


# ---- too slow: 408 ----

def slow(fast, data, bound_ms):
    """Sends one byte now and then; the server must end it within its time whatever still trickles."""
    with RawHttp(fast) as raw:
        started = time.monotonic()
        raw.send(data)
        raw.socket.settimeout(0.1)
        deadline = started + 4 * bound_ms / 1000 / TIME_SCALE + 2
        answer = b""
        while time.monotonic() < deadline:
            try:
                raw.send(b"x")
                answer += (got := raw.socket.recv(4096))
                if not got:
                    break
            except socket.timeout:
                continue
            except OSError:
                break
        else:
            raise AssertionError("a slow peer was never cut off")
        assert time.monotonic() - started > 0.5 * bound_ms / 1000 / TIME_SCALE
        return answer


def check_408(answer):
    if answer:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b" 408 " in head.split(b"\r\n")[0]
        check_error(json.loads(body), 408, 23)


def test_slow_head_is_408_23(fast):
    answer = slow(fast, b"GET /users HTTP/1.1\r\nX-Slow: ", limit("HEAD_MS"))
    assert answer
    check_408(answer)


def test_slow_body_is_408_23(fast, fast_app):
    user = fast_app.user()
    answer = slow(fast, request_bytes(user, "PATCH", "/users", b"", headers={"Content-Length": "5000"}), limit("BODY_MS"))
    assert answer
    check_408(answer)


def test_connection_that_says_nothing_is_closed(fast):
    with RawHttp(fast) as raw:
        assert raw.is_closed(timeout=4 * limit("KEEPALIVE_MS") / 1000 / TIME_SCALE + 2)


def test_idle_kept_alive_connection_is_closed(fast, fast_app):
    user = fast_app.user()
    with RawHttp(fast) as raw:
        raw.send(users_query(user))
        raw.reply().ok(200)
        started = time.monotonic()
        assert raw.is_closed(timeout=4 * limit("KEEPALIVE_MS") / 1000 / TIME_SCALE + 2)
        assert time.monotonic() - started > 0.5 * limit("KEEPALIVE_MS") / 1000 / TIME_SCALE


def test_500_slow_connections_do_not_hinder_others(fast, fast_app):
    user = fast_app.user()
    slow_ones = [RawHttp(fast).send(b"GET /users HTTP/1.1\r\nX-Slow: ") for _ in range(500)]
    started = time.monotonic()
    user.get("/users", payload={}).ok(200)
    assert time.monotonic() - started < 2
    for raw in slow_ones:
        raw.close()


# ---- peers that leave ----

def test_peer_that_leaves_in_mid_request(app, ann):
    whole = request_bytes(ann, "PATCH", "/users", patch_of(ann, "half"))
    for at in (5, len(whole) // 2, len(whole) - 1):
        with RawHttp(app.server) as raw:
            raw.send(whole[:at])
    ann.get("/users", payload={}).ok(200)
    assert value_of(app, ann) is None


def test_peer_that_leaves_before_its_answer(app, ann):
    for n in range(20):
        with RawHttp(app.server) as raw:
            raw.send(request_bytes(ann, "PATCH", "/users", patch_of(ann, n)))
    ann.patch("/users", patch_of(ann, "last")).ok(200)


def test_half_closed_peer_still_gets_his_answer(app, ann):
    with RawHttp(app.server) as raw:
        raw.send(users_query(ann))
        raw.socket.shutdown(socket.SHUT_WR)
        raw.reply().ok(200)


def test_a_reader_of_single_bytes_gets_everything(app):
    ann = app.user("ann", filler="x" * 4000)
    with RawHttp(app.server) as raw:
        raw.send(request_bytes(ann, "GET", "/users", payload={"filter_conditions": {"id": ann.id}}))
        recv, data = raw.socket.recv, b""
        while b"\r\n\r\n" not in data:
            data += recv(1)
        length = int(re.search(rb"content-length: *(\d+)", data, re.I).group(1))
        body = b"".join(recv(1) for _ in range(length))
        assert json.loads(body)["users"][0]["id"] == ann.id


def test_duration_is_plausible(ann):
    started = time.monotonic()
    body = ann.get("/users", payload={}).ok(200)
    assert 0 <= float(body["duration"][:-2]) <= (time.monotonic() - started) * 1000 + 1


def test_unknown_query_parameters_are_ignored(ann):
    ann.get("/users", payload={}, query={"whatever": uid("x"), "a[]": "1", "": ""}).ok(200)


def test_repeated_api_key_does_not_confuse(app, ann):
    caller = app.client(ann.token)
    caller.key = "no-such-key"
    assert caller.request("GET", f"/users?api_key={app.key}", payload={}).status in (200, 400, 401)
