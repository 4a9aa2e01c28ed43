"""What one peer may cost the others. Each test is named after something that was once without a bound."""
import json
import os
import socket
import threading
import time
import urllib.parse
import zlib

import pytest

from beck import ConnectRefused, connect_query, format_time, limit, now_us, uid, wait_until

GREATEST = {"text": "😀" * 20000, "attachments": [{"type": "x", "t": "y" * 5000}], "custom": "z" * 5000}


def fill(channel, user, count, message, at_once=4):
    """So many messages of one user, some at a time."""
    def work():
        client = user.app.as_user(user.id)
        for _ in range(count // at_once):
            client.post(f"{channel.path}/message", {"message": message}).ok(201)

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def great(own_app):
    """Ann and Bob in two channels where texts may be as long as the server ever allows."""
    own_app.api.put("/channeltypes/messaging", {"max_message_length": 20000}).ok()
    ann, bob = own_app.users(2)
    return ann, bob, own_app.channel(ann, bob), own_app.channel(ann, bob)


# ---- a member fills a channel with the greatest messages there are ----


def test_resume_and_sync_through_messages_of_any_size(great):
    """A page of the log was 1,000 events whatever their size: no memory for it, so a resume failed for ever and /sync with 503."""
    count = 240
    ann, bob, channel, _ = great
    session = bob.connect(resume=True)
    bob.watch(session, channel)
    place, since = session.resume_from([channel]), format_time(now_us())
    session.drop()
    fill(channel, ann, count, GREATEST)
    for transport in ("ws", "longpoll"):
        again = bob.connect(transport, resume=True, resume_from=place)
        seen = [again.expect("message.new", timeout=30) for _ in range(count)]
        seqs = [event["seq"] for event in seen]
        assert len({event["message"]["id"] for event in seen}) == count and seqs == sorted(seqs)
        assert again.expect_none("message.new") is not None
        again.drop()
    error = bob.post("/sync", {"channel_cids": [channel.cid], "last_sync_at": since}).fails(400, 4)
    assert "last_sync_at" in error["message"]
    recent = seen[-40]["created_at"]
    events = bob.post("/sync", {"channel_cids": [channel.cid], "last_sync_at": recent}).ok()["events"]
    assert [e["message"]["id"] for e in events if e["type"] == "message.new"] == [e["message"]["id"] for e in seen[-40:]]


def test_an_answer_that_would_be_too_large_is_refused_for_good(great):
    """503 "try again", which no retry heals, around a body that said StatusCode 500."""
    ann, bob, *channels = great
    for channel in channels:
        fill(channel, ann, 300, GREATEST)
    query = {"filter_conditions": {"cid": {"$in": [c.cid for c in channels]}}, "state": True, "message_limit": 300}
    error = bob.post("/channels", query).fails(400, 4)
    assert "too large" in error["message"] and error["StatusCode"] == 400
    bob.post("/channels", {**query, "message_limit": 10}).ok()


# ---- strangers: no token ----


def anonymous_connect(app):
    payload = {"user_id": "!anon", "user_details": {"id": "!anon"}}
    return app.client(None, "anonymous").get("/longpoll", query={"json": json.dumps(payload)})


def test_long_poll_sessions_count_against_their_address(spawn):
    """One socket could make a million sessions."""
    server = spawn("--max-connections-per-address", "20")
    app = server.main
    replies = [anonymous_connect(app) for _ in range(25)]
    assert {r.status for r in replies} == {200, 429}
    refused = [r for r in replies if r.status == 429]
    assert 5 <= len(refused) <= 10
    refused[0].fails(429, 9)
    assert int(refused[0].headers["Retry-After"]) > 0
    ok = [r.json["event"]["connection_id"] for r in replies if r.status == 200]
    app.client(None, "anonymous").get("/longpoll", query={"connection_id": ok[0], "close": "true"}).ok(200)
    wait_until(lambda: anonymous_connect(app).status == 200, "a place to be free again")


def test_anonymous_sessions_have_a_bound_of_their_own(spawn):
    app = spawn().main
    count = limit("ANON_PER_ADDR")
    replies = [anonymous_connect(app) for _ in range(count)]
    assert {r.status for r in replies} == {200}
    anonymous_connect(app).fails(429, 9)
    ann = app.user("ann")
    ann.connect("longpoll").drop()
    with pytest.raises(ConnectRefused):
        app.anonymous().connect()


def test_guests_of_one_address_are_limited(spawn):
    """Thousands of users per second, made by whoever can reach the port."""
    server = spawn("--guests-per-address", "0")
    app = server.main
    app.api.patch("/app", {"guest_user_creation_disabled": False}).ok()
    client = app.client(None, "anonymous")
    replies = [client.post("/guest", {"user": {"id": uid("g")}}) for _ in range(30)]
    made = [r for r in replies if r.status == 201]
    assert limit("GUESTS_PER_ADDR") <= len(made) <= limit("GUESTS_PER_ADDR") + 3
    refused = next(r for r in replies if r.status != 201)
    refused.fails(429, 9)
    assert int(refused.headers["Retry-After"]) == 1
    # A guest's own token makes no more of them; the backend's calls are not limited.
    guest = app.client(made[0].json["access_token"])
    assert guest.post("/guest", {"user": {"id": uid("g")}}).status == 429
    for _ in range(3):
        app.api.post("/guest", {"user": {"id": uid("g")}}).ok(201)
    wait_until(lambda: client.post("/guest", {"user": {"id": uid("g")}}).status == 201, "another guest a second later")


def test_calls_without_a_token_are_limited_and_others_not(spawn):
    server = spawn()
    app, count = server.main, limit("STRANGER_CALLS") * 2
    ann = app.user("ann")
    request = f"GET /app?api_key={app.key} HTTP/1.1\r\nHost: x\r\nStream-Auth-Type: anonymous\r\n\r\n".encode()
    with socket.create_connection((server.host, server.port), timeout=30) as one:
        threading.Thread(target=one.sendall, args=(request * count,), daemon=True).start()
        got = b""
        while got.count(b"HTTP/1.1 ") < count:
            got += one.recv(1 << 20)
    assert got.count(b"HTTP/1.1 200") >= limit("STRANGER_CALLS") and b"HTTP/1.1 429" in got and b"Retry-After: 1\r\n" in got
    for _ in range(10):
        ann.get("/app").ok(200)


def test_a_compressed_body_that_is_never_finished_costs_what_was_sent(spawn):
    """1 KB made 1 MiB of blanks, held for 30 s before anybody knew who asked."""
    server = spawn()
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(b" " * 1048000) + packer.flush(zlib.Z_SYNC_FLUSH)
    head = f"POST /users HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed) + 100}\r\n\r\n".encode()
    sockets = [socket.create_connection((server.host, server.port)) for _ in range(50)]
    server.main.api.get("/app").ok(200)
    before = server.rss_bytes()
    for one in sockets:
        one.sendall(head + packed)
    for _ in range(20):
        server.main.api.get("/app").ok(200)
    grown = server.rss_bytes() - before
    for one in sockets:
        one.close()
    assert grown < 15 << 20, grown


# ---- one ordinary user ----


def test_slow_queries_of_one_user_do_not_starve_others(spawn):
    """Reads were one queue: eight sockets of one user kept everybody else waiting for 16 s."""
    server = spawn()
    app, other = server.main, server.new_app()
    for at in range(0, 4000, 100):
        app.api.post("/users", {"users": {f"u{n}": {"id": f"u{n}", "k": "x" * 2000} for n in range(at, at + 100)}}).ok()
    slow, ann = app.as_user("u1"), other.user("ann")
    bob = app.user("bob")
    query = {"filter_conditions": {"$or": [{f"z{n}": {"$q": "nope"}} for n in range(18)]}, "limit": 1}
    target = slow.target("/users", None, query)
    request = f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {slow.token}\r\n\r\n".encode()
    sockets = [socket.create_connection((server.host, server.port)) for _ in range(24)]
    for one in sockets:
        one.sendall(request * 16)
    for user in (ann, bob):
        begun = time.monotonic()
        user.get("/unread", timeout=60).ok(200)
        assert time.monotonic() - begun < 2
    for one in sockets:
        one.close()


def test_large_answers_that_nobody_takes_are_not_prepared_in_advance(spawn):
    """Sixteen pipelined queries with 9 MB answers each: 300 MB for one connection that reads nothing."""
    server = spawn()
    app = server.main
    ann = app.user("ann")
    channel = app.channel(ann)
    fill(channel, ann, 200, {"text": "é" * 5000, "custom": "z" * 5000})
    query = {"filter_conditions": {"members": {"$in": [ann.id]}}, "state": True, "message_limit": 200}
    size = len(ann.get("/channels", payload=query).body)
    assert size > 3 << 20
    request = f"GET {ann.target('/channels', None, query)} HTTP/1.1\r\nHost: x\r\nAuthorization: {ann.token}\r\n\r\n".encode()
    before = server.rss_bytes()
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect((server.host, server.port))
    one.sendall(request * 16)
    peak = 0
    for _ in range(30):
        peak = max(peak, server.rss_bytes() - before)
        time.sleep(.1)
    watched = 6 if "TSAN_OPTIONS" in os.environ else 1  # the thread sanitizer keeps its own notes of each byte
    assert peak < 16 * size / 2 * watched, (peak, size)
    # And all of them come, in order, to one who reads.
    one.settimeout(30)
    got = 0
    while got < 16 * size:
        got += len(one.recv(1 << 20))
    one.close()


def test_a_steady_reader_is_not_cut_off_in_a_resume(spawn):
    """The kernel took megabytes at once and then nothing for long, which counted as a peer that does not read."""
    count, rate = 400, 1 << 20
    server = spawn("--dev", "--time-scale", "10")  # it may take nothing for one second
    app = server.main
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session = bob.connect(resume=True)
    place = session.resume_from([channel])
    session.drop()
    fill(channel, ann, count, {"text": "é" * 2500, "custom": "z" * 4000})
    query = connect_query(bob, {"user_id": bob.id, "user_details": {"id": bob.id}, "resume": True, "resume_from": place})
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    one.connect((server.host, server.port))
    one.settimeout(10)
    one.sendall(f"GET /connect?{urllib.parse.urlencode(query)} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    got, begun = bytearray(), time.monotonic()
    while got.count(b'"type":"message.new"') < count:
        piece = one.recv(rate // 50)
        assert piece, f"cut off after {time.monotonic() - begun:.1f} s and {len(got)} bytes"
        got += piece
        time.sleep(max(0, begun + len(got) / rate - time.monotonic()))
        one.sendall(b"\x8a\x80\x00\x00\x00\x00")  # a pong: it is alive
    one.close()
    assert time.monotonic() - begun > 3
