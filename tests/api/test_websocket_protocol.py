"""RFC 6455 by raw sockets: an own table of cases in the manner of the known conformance suites. A connection proves that it
is well by answering a health check; a broken peer gets the right close code and the end."""
import base64
import hashlib
import json
import os
import socket
import struct

import pytest

from beck import limit, uid, wait_until
from raw import BINARY, CLOSE, CONTINUATION, HEALTH, PING, PONG, TEXT, RawWebSocket, close_payload, frame

pytestmark = pytest.mark.quick
MAX = limit("WS_FRAME_BYTES")


@pytest.fixture
def user(app):
    return app.user("ws")


@pytest.fixture
def ws(user):
    with RawWebSocket(user).open() as socket_:
        yield socket_


def padded_health(size):
    """A health check of exactly `size` bytes."""
    text = json.dumps([{"type": "health.check", "client_id": ""}])
    return text.replace('""', '"' + "x" * (size - len(text)) + '"').encode()


# ---- handshake ----

def test_accept_key(user):
    with RawWebSocket(user) as ws:
        key = base64.b64encode(os.urandom(16)).decode()
        ws.send(ws.handshake_bytes(Sec_WebSocket_Key=key))
        answer = ws.reply()
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert answer.status == 101 and answer.headers["sec-websocket-accept"] == base64.b64encode(digest).decode()
        assert answer.headers["upgrade"].lower() == "websocket" and "upgrade" in answer.headers["connection"].lower()


def test_no_subprotocol_and_no_extension_by_default(user):
    with RawWebSocket(user, headers={"Sec-WebSocket-Protocol": "chat, superchat", "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}) as ws:
        ws.open()
        assert "sec-websocket-protocol" not in ws.answer.headers and "sec-websocket-extensions" not in ws.answer.headers
        assert ws.is_healthy()


def test_headers_are_compared_without_case(user):
    with RawWebSocket(user) as ws:
        ws.send(ws.handshake_bytes(Upgrade="WebSocket", Connection="keep-alive, UPGRADE"))
        assert ws.reply().status == 101


@pytest.mark.parametrize("replace,drop,statuses", [
    ({}, ["Sec-WebSocket-Key"], (400,)), ({"Sec_WebSocket_Key": "short"}, [], (400,)), ({"Sec_WebSocket_Key": "!" * 24}, [], (400,)),
    ({}, ["Sec-WebSocket-Version"], (400, 426)), ({"Sec_WebSocket_Version": "12"}, [], (400, 426)), ({"Connection": "close"}, [], (400, 426))],
    ids=["no key", "short key", "bad key", "no version", "old version", "no upgrade in Connection"])
def test_bad_handshake_is_an_http_error(user, replace, drop, statuses):
    with RawWebSocket(user) as ws:
        ws.send(ws.handshake_bytes(drop, **replace))
        answer = ws.reply()
        assert answer.status in statuses
        if answer.status == 426:
            assert answer.headers["sec-websocket-version"] == "13"


def test_post_cannot_upgrade(user):
    with RawWebSocket(user) as ws:
        ws.send(ws.handshake_bytes().replace(b"GET ", b"POST ", 1))
        assert ws.reply().status in (400, 404, 405)


def test_upgrade_of_another_path_is_no_websocket(user):
    with RawWebSocket(user) as ws:
        ws.send(ws.handshake_bytes().replace(b"/connect", b"/users", 1))
        assert ws.reply().status != 101


def test_handshake_byte_by_byte(user):
    with RawWebSocket(user) as ws:
        for byte in ws.handshake_bytes():
            ws.send(bytes([byte]))
        assert ws.reply().status == 101 and "me" in ws.event()


def test_frames_sent_before_the_first_health_check(user):
    with RawWebSocket(user) as ws:
        ws.send(ws.handshake_bytes())
        assert ws.reply().status == 101
        ws.send(frame(TEXT, HEALTH) + frame(PING, b"early"))
        frames = [ws.read_frame()]
        while {opcode for opcode, _ in frames} != {TEXT, PONG}:  # a pong waits for nobody, so it may come first
            frames.append(ws.read_frame())
        texts = [text for opcode, text in frames if opcode == TEXT]
        first = json.loads(texts[0])
        assert "me" in first and (PONG, b"early") in frames
        ws.id = first["connection_id"]
        assert ws.is_healthy()


def test_handshake_after_other_requests_on_the_connection(user):
    from raw import request_bytes
    with RawWebSocket(user) as ws:
        ws.send(request_bytes(user, "GET", "/users", payload={}))
        ws.reply().ok(200)
        ws.open()
        assert ws.is_healthy()


def test_refusal_is_one_frame_and_a_close(app, user):
    user.token = "rubbish"
    with RawWebSocket(user) as ws:
        ws.send(ws.handshake_bytes())
        assert ws.reply().status == 101
        opcode, payload = ws.read_frame()
        assert opcode == TEXT and json.loads(payload)["error"]["code"] == 5
        assert ws.closed_with() == 1000


# ---- framing that must work ----

GOOD = {
    "text": [frame(TEXT, HEALTH)],
    "zero mask": [frame(TEXT, HEALTH, mask=b"\0\0\0\0")],
    "ones mask": [frame(TEXT, HEALTH, mask=b"\xff\xff\xff\xff")],
    "two fragments": [frame(TEXT, HEALTH[:9], fin=False), frame(CONTINUATION, HEALTH[9:])],
    "empty first fragment": [frame(TEXT, b"", fin=False), frame(CONTINUATION, HEALTH)],
    "empty middle fragments": [frame(TEXT, HEALTH[:9], fin=False), *[frame(CONTINUATION, b"", fin=False)] * 5, frame(CONTINUATION, HEALTH[9:])],
    "empty last fragment": [frame(TEXT, HEALTH, fin=False), frame(CONTINUATION, b"")],
    "single bytes": [frame(TEXT, HEALTH[:1], fin=False), *[frame(CONTINUATION, c, fin=False) for c in HEALTH[1:]], frame(CONTINUATION, b"")],
    "ping between fragments": [frame(TEXT, HEALTH[:9], fin=False), frame(PING, b"mid"), frame(CONTINUATION, HEALTH[9:])],
    "pong between fragments": [frame(TEXT, HEALTH[:9], fin=False), frame(PONG, b"mid"), frame(CONTINUATION, HEALTH[9:])],
    "unasked pong": [frame(PONG, b""), frame(PONG, b"x" * 125), frame(TEXT, HEALTH)],
    "125 bytes": [frame(TEXT, padded_health(125))], "126 bytes": [frame(TEXT, padded_health(126))], "127 bytes": [frame(TEXT, padded_health(127))],
    "65535 bytes": [frame(TEXT, padded_health(65535))], "65536 bytes": [frame(TEXT, padded_health(65536))],
    "blank text": [frame(TEXT, b"{}"), frame(TEXT, HEALTH)],
}


@pytest.mark.parametrize("frames", GOOD.values(), ids=GOOD.keys())
@pytest.mark.parametrize("how", ["at once", "frame by frame"])
def test_good_framing(ws, frames, how):
    for data in [b"".join(frames)] if how == "at once" else frames:
        ws.send(data)
    event = ws.event()
    assert event["type"] == "health.check" and event["connection_id"] == ws.id
    assert ws.is_healthy()


def test_frames_byte_by_byte(ws):
    for byte in frame(TEXT, HEALTH[:20], fin=False) + frame(PING, b"p") + frame(CONTINUATION, HEALTH[20:]) + frame(TEXT, padded_health(200)):
        ws.send(bytes([byte]))
    assert ws.frame_of(PONG) == b"p"
    assert [ws.event()["type"] for _ in range(2)] == ["health.check"] * 2


def test_fragmentation_at_every_byte(ws):
    text = HEALTH.encode()
    for at in range(len(text) + 1):
        ws.send(frame(TEXT, text[:at], fin=False) + frame(CONTINUATION, text[at:]))
        assert ws.event()["type"] == "health.check"


def test_many_frames_in_one_segment(ws):
    ws.send(frame(TEXT, HEALTH) * 200)
    for _ in range(200):
        assert ws.event()["type"] == "health.check"


@pytest.mark.parametrize("payload", [b"", b"x", b"\x00\xff\xfe", b"y" * 125], ids=["empty", "one", "binary", "125"])
def test_ping_is_answered_with_its_payload(ws, payload):
    ws.send(frame(PING, payload))
    assert ws.frame_of(PONG) == payload


def test_pings_are_answered_in_order(ws):
    ws.send(b"".join(frame(PING, str(n).encode()) for n in range(10)))
    assert [ws.frame_of(PONG) for _ in range(10)] == [str(n).encode() for n in range(10)]


# ---- framing that must end the connection ----

BROKEN = {
    "unmasked": (frame(TEXT, HEALTH, masked=False), (1002,)),
    "rsv 1": (frame(TEXT, HEALTH, rsv=4), (1002,)), "rsv 2": (frame(TEXT, HEALTH, rsv=2), (1002,)), "rsv 3": (frame(TEXT, HEALTH, rsv=1), (1002,)),
    "rsv on ping": (frame(PING, b"", rsv=4), (1002,)),
    **{f"opcode {n}": (frame(n, b""), (1002,)) for n in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "continuation of nothing": (frame(CONTINUATION, b"x"), (1002,)),
    "continuation after the end": (frame(TEXT, HEALTH) + frame(CONTINUATION, b"x"), (1002,)),
    "text inside a fragmented text": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), (1002,)),
    "binary inside a fragmented text": (frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"), (1002,)),
    "fragmented ping": (frame(PING, b"a", fin=False), (1002,)), "fragmented close": (frame(CLOSE, close_payload(1000), fin=False), (1002,)),
    "ping of 126": (frame(PING, b"x" * 126), (1002,)), "pong of 126": (frame(PONG, b"x" * 126), (1002,)), "close of 126": (frame(CLOSE, close_payload(1000, b"x" * 124)), (1002,)),
    "64 bit length with sign": (frame(TEXT, b"", length=1 << 63, length_bytes=8), (1002, 1009)),
    "length not minimal, 16 bit": (frame(TEXT, b"{}", length_bytes=2), (1002,)), "length not minimal, 64 bit": (frame(TEXT, b"{}", length_bytes=8), (1002,)),
    "binary": (frame(BINARY, b"\x00\x01"), (1003,)), "empty binary": (frame(BINARY, b""), (1003,)), "fragmented binary": (frame(BINARY, b"a", fin=False) + frame(CONTINUATION, b"b"), (1003,)),
    "not JSON": (frame(TEXT, b"hello"), (1003, 1007)), "empty text": (frame(TEXT, b""), (1003, 1007)), "half JSON": (frame(TEXT, b'{"type":'), (1003, 1007)),
    "one byte too many": (frame(TEXT, padded_health(MAX + 1)), (1009,)),
    "announced too long": (frame(TEXT, b"", length=1 << 30), (1009,)),
    "too long in fragments": (frame(TEXT, padded_health(MAX + 1)[:MAX], fin=False) + frame(CONTINUATION, b'"}]'), (1009,)),
    "endless fragments": (frame(TEXT, b"[", fin=False) + frame(CONTINUATION, b" " * 30000, fin=False) * 3, (1009,)),
}


@pytest.mark.parametrize("data,codes", BROKEN.values(), ids=BROKEN.keys())
def test_broken_framing_ends_with_its_code(ws, data, codes):
    ws.send(data)
    assert ws.closed_with() in codes


def test_nothing_after_the_error_is_read(app, user):
    ws = RawWebSocket(user).open()
    ws.send(frame(TEXT, HEALTH, rsv=4) + frame(TEXT, HEALTH))
    opcode, _ = ws.read_frame()
    assert opcode == CLOSE
    ws.close()


# ---- UTF-8 ----

BAD_UTF8 = {
    "lone continuation": b"\x80", "lone start": b"\xc3", "overlong": b"\xc0\xaf", "overlong 3": b"\xe0\x80\xaf", "overlong 4": b"\xf0\x80\x80\xaf",
    "surrogate": b"\xed\xa0\x80", "surrogate pair": b"\xed\xa0\xbd\xed\xb8\x80", "beyond": b"\xf4\x90\x80\x80", "five bytes": b"\xf8\x88\x80\x80\x80",
    "fe": b"\xfe", "ff": b"\xff", "cut": "日".encode()[:2], "interrupted": b"\xe6\x97a",
}


@pytest.mark.parametrize("bad", BAD_UTF8.values(), ids=BAD_UTF8.keys())
def test_bad_utf8_is_1007(user, bad):
    text = b'[{"type":"x","client_id":"' + bad + b'"}]'
    for data in (frame(TEXT, text), frame(TEXT, text[:27], fin=False) + frame(CONTINUATION, text[27:])):
        ws = RawWebSocket(user).open()
        ws.send(data)
        assert ws.closed_with() == 1007


@pytest.mark.parametrize("good", ["é", "日本", "🎉", "\U0010ffff", "\ufffe", "\ufdd0", "\ud7ff", "\ue000", "a\u0301"], ids=ascii)
def test_good_utf8_split_at_every_byte(ws, good):
    text = json.dumps([{"type": "health.check", "client_id": good}], ensure_ascii=False).encode()
    start = text.index(good.encode())
    for at in range(start, start + len(good.encode()) + 1):
        ws.send(frame(TEXT, text[:at], fin=False) + frame(CONTINUATION, text[at:]))
        assert ws.event()["type"] == "health.check"


# ---- closing ----

@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])
def test_valid_close_is_echoed(ws, code):
    ws.send(frame(CLOSE, close_payload(code, b"bye")))
    opcode, payload = ws.read_frame()
    assert opcode == CLOSE and struct.unpack(">H", payload[:2])[0] == code
    assert ws.is_closed()


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1100, 2000, 2999, 5000, 65535])
def test_invalid_close_code_is_1002(ws, code):
    ws.send(frame(CLOSE, close_payload(code)))
    assert ws.closed_with() == 1002


def test_close_without_a_code(ws):
    ws.send(frame(CLOSE, b""))
    opcode, payload = ws.read_frame()
    assert opcode == CLOSE and payload in (b"", close_payload(1000)) and ws.is_closed()


def test_close_of_one_byte_is_1002(ws):
    ws.send(frame(CLOSE, b"\x03"))
    assert ws.closed_with() == 1002


def test_close_with_the_longest_reason(ws):
    ws.send(frame(CLOSE, close_payload(1000, "é".encode() * 61 + b"x")))
    assert ws.read_frame()[0] == CLOSE


def test_close_with_a_bad_reason_is_1007(ws):
    ws.send(frame(CLOSE, close_payload(1000, b"\xff\xfe")))
    assert ws.closed_with() in (1007, 1002)


def test_frames_after_close_are_ignored(ws):
    ws.send(frame(CLOSE, close_payload(1000)) + frame(TEXT, HEALTH) + frame(PING, b"x"))
    assert ws.read_frame()[0] == CLOSE
    assert ws.closed_with() is None


def test_close_inside_a_fragmented_message(ws):
    ws.send(frame(TEXT, HEALTH[:5], fin=False) + frame(CLOSE, close_payload(1000)))
    assert ws.closed_with() == 1000


def test_server_hangs_up_after_the_close_handshake(ws):
    ws.send(frame(CLOSE, close_payload(1000)))
    assert ws.is_closed(5)


@pytest.mark.parametrize("way", ["reset", "half close", "mid frame"])
def test_lost_peer_is_gone_at_once(app, user, way):
    ws = RawWebSocket(user).open()
    assert app.stored(user.id)["online"] is True
    if way == "reset":
        ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ws.close()
    elif way == "half close":
        ws.socket.shutdown(socket.SHUT_WR)
    else:
        ws.send(frame(TEXT, HEALTH)[:7])
        ws.close()
    wait_until(lambda: app.stored(user.id)["online"] is False, "the disconnect has run")


# ---- what the server sends ----

def test_each_frame_is_one_json_object(app, user):
    channel = app.channel(user)
    with RawWebSocket(user).open() as ws:
        user.post(f"{channel.path}/query", {"watch": True}, query={"connection_id": ws.id}).ok()
        sent = [channel.send(user, uid("t") + " " * n)["id"] for n in range(30)]
        got = []
        while len(got) < len(sent):
            event = ws.event()
            if event["type"] == "message.new":
                got.append(event["message"]["id"])
        assert got == sent


def test_long_events_are_framed_rightly(app, user):
    channel = app.channel(user)
    with RawWebSocket(user).open() as ws:
        user.post(f"{channel.path}/query", {"watch": True}, query={"connection_id": ws.id}).ok()
        for length in (10, 3000, 5000):
            channel.send(user, "🎉" * length)  # up to some 40 KB: the text and its html
            event = ws.event()
            while event["type"] != "message.new":
                event = ws.event()
            assert len(event["message"]["text"]) == length


# ---- the independent peer ----

def test_permessage_deflate_when_switched_on(spawn):
    import websockets
    from beck import connect_query, loop
    import urllib.parse
    server = spawn("--deflate")
    user = server.main.user("zip")
    query = connect_query(user, {"user_id": user.id, "user_details": {"id": user.id, "filler": "x" * 3000}})

    async def talk():
        async with websockets.connect(f"ws://{server.host}:{server.port}/connect?{urllib.parse.urlencode(query)}", compression="deflate") as ws:
            first = json.loads(await ws.recv())
            await ws.send(HEALTH)
            second = json.loads(await ws.recv())
            return first, second, [e.name for e in ws.extensions]
    first, second, extensions = loop().run(talk())
    assert first["me"]["filler"] == "x" * 3000 and second["type"] == "health.check" and extensions == ["permessage-deflate"]
