"""schema/limits.def: each bound that the outside can reach, at the bound and one past it. Bounds of HTTP, paging, batches and
sync are tested beside their routes; here are sizes, counts, connections, queues and slow readers."""
import json
import re

import pytest

from beck import ROOT, ConnectRefused, limit, uid, wait_until
from raw import RawHttp, RawWebSocket, request_bytes


# ---- sizes ----

def compact(value):
    return len(json.dumps(value, separators=(",", ":")).encode())


def filled(size, **fields):
    """An object whose compact JSON is exactly `size` bytes."""
    fields = {**fields, "filler": ""}
    fields["filler"] = "x" * (size - compact(fields))
    assert compact(fields) == size
    return fields


def test_user_object(app):
    size = limit("USER_OBJECT_BYTES")
    name = uid("size")
    app.api.post("/users", {"users": {name: filled(size, id=name)}}).ok(201)
    other = uid("size")
    app.api.post("/users", {"users": {other: filled(size + 1, id=other)}}).fails(400, 4)
    assert app.stored(other) is None


def test_user_object_at_connect(app, transport):
    size = limit("USER_OBJECT_BYTES")
    user = app.as_user(uid("size"))
    user.connect(transport, filled(size, id=user.id))
    other = app.as_user(uid("size"))
    other.refused(transport, filled(size + 1, id=other.id)).fails(400, 4)


@pytest.mark.parametrize("put", [
    lambda app, ann, c, o: app.api.post(c.path, {"data": o}),
    lambda app, ann, c, o: app.api.patch(c.path, {"set": o}),
    lambda app, ann, c, o: ann.post(f"{c.path}/message", {"message": {"text": "x", **o}}),
    lambda app, ann, c, o: app.api.post(c.path, {"add_members": [{"user_id": app.user().id, **o}]}),
], ids=["channel", "channel in part", "message", "member"])
def test_custom_data(app, put):
    ann = app.user()
    channel = app.channel(ann)
    size = limit("CUSTOM_BYTES")
    put(app, ann, channel, filled(size)).ok()
    put(app, ann, channel, filled(size + 1)).fails(400, 4)


def test_attachments_together(app):
    ann = app.user()
    channel, size = app.channel(ann), limit("ATTACHMENT_BYTES")

    def attachments(total):
        one = filled(total - 2 - 1 - compact({"type": "a"}), type="b")
        assert compact([{"type": "a"}, one]) == total
        return [{"type": "a"}, one]
    ann.send(channel, "x", attachments=attachments(size))
    ann.post(f"{channel.path}/message", {"message": {"text": "x", "attachments": attachments(size + 1)}}).fails(400, 4)


def test_json_depth(app):
    ann = app.user()
    depth = limit("JSON_DEPTH")

    def nested(levels):
        return b'{"users":[{"id":"' + ann.id.encode() + b'","set":{"deep":' + b"[" * levels + b"]" * levels + b"}}]}"
    ann.patch("/users", nested(depth - 4)).ok(200)  # the body, the list, the user and set come first
    ann.patch("/users", nested(depth + 1)).fails(400, 4)
    ann.patch("/users", b"[" * 100_000).fails(400, 4)
    ann.patch("/users", b'{"a":' * 100_000).fails(400, 4)


def test_numbers_beyond_their_range(app):
    ann = app.user()
    for number in ("1e999", "-1e999", "1" * 400):
        reply = ann.patch("/users", f'{{"users":[{{"id":"{ann.id}","set":{{"n":{number}}}}}]}}'.encode())
        assert reply.status in (200, 400)
    for value in (2**53, -(2**53), 2**63 - 1, 0.1, 1e300, -0.0):
        ann.update(n=value)
        assert app.stored(ann.id)["n"] == value


# ---- connections ----

def test_50_connections_of_one_user(app):
    user = app.user()
    most = limit("CONNS_PER_USER")
    sessions = [user.connect(("ws", "longpoll")[n % 5 == 4]) for n in range(most)]
    for transport in ("ws", "longpoll"):
        user.refused(transport).fails(429, 9)
    for session in sessions[:3]:
        session.settle()  # those who are in stay in
    sessions[0].close()
    wait_until(lambda: connects(user), "a place is free")
    app.user().connect()  # others have their own


def connects(user):
    try:
        return user.connect()
    except ConnectRefused as refusal:
        assert refusal.error["code"] == 9
        return None


@pytest.mark.parametrize("kinds", [("ws",) * 3, ("ws", "longpoll", "ws")], ids="-".join)
def test_3_connections_of_one_user_of_a_development_application(own_app, kinds):
    """An application's own flag, whatever the server's mode."""
    assert limit("CONNS_PER_USER_DEV") == len(kinds)
    user = own_app.user()
    own_app.api.patch("/app", {"development": True}).ok(200)
    sessions = [user.connect(kind) for kind in kinds]
    for transport in ("ws", "longpoll"):
        user.refused(transport).fails(429, 9)
    sessions[0].close()
    wait_until(lambda: connects(user), "a place is free")
    own_app.api.patch("/app", {"development": False}).ok(200)
    wait_until(lambda: connects(user), "the limit of production is back")


def test_a_server_started_with_dev_keeps_the_limit_of_production(fast_app):
    user = fast_app.user()
    for _ in range(limit("CONNS_PER_USER_DEV") + 2):
        user.connect()


def test_refused_connect_changes_nothing(app):
    user = app.user()
    for _ in range(limit("CONNS_PER_USER")):
        user.connect()
    user.refused("ws", {"name": "changed"}).fails(429, 9)
    wait_until(lambda: app.stored(user.id)["online"], "still online")


def test_anonymous_connections_are_not_one_user(app):
    sessions = [app.anonymous().connect() for _ in range(limit("CONNS_PER_USER") + 5)]
    assert len({s.id for s in sessions}) == len(sessions)


def test_connections_per_address(spawn):
    server = spawn("--max-connections-per-address", "10")
    held = [RawHttp(server) for _ in range(11)]
    # loops accept on their own, so any of them may be the one too many
    wait_until(lambda: sum(raw.is_closed(0.1) for raw in held) == 1, "one is refused")
    for raw in held:
        raw.close()

    def works():
        try:
            return server.main.api.get("/app").status == 200
        except OSError:
            return False
    wait_until(works, "places are free again")


# ---- watches and subscriptions ----

def test_query_channels_watches_30_at_a_time(app):
    ann = app.user()
    channels = [app.channel(ann) for _ in range(31)]
    session = ann.connect()
    body = {"filter_conditions": {"members": {"$in": [ann.id]}}, "watch": True, "state": False, "limit": 30, "sort": [{"field": "created_at", "direction": 1}]}
    ann.post("/channels", body, query={"connection_id": session.id}).ok()
    for channel in (channels[0], channels[29], channels[30]):
        channel.send(app.user())
    got = [(e["type"], e["cid"]) for e in session.settle() if "message" in e]
    assert got == [("message.new", channels[0].cid), ("message.new", channels[29].cid), ("notification.message_new", channels[30].cid)]


# ---- slow readers ----

def test_reader_that_takes_nothing_is_closed_and_never_skipped(fast_app):
    """A session that cannot be given an event is closed; what it did get is a gapless beginning."""
    ann, bob = fast_app.users(2)
    channel = fast_app.channel(ann, bob)
    slow = RawWebSocket(ann, receive_buffer=4096).open()
    ann.post(f"{channel.path}/query", {"watch": True}, query={"connection_id": slow.id}).ok()
    observer = bob.connect()
    bob.watch(observer, channel)
    sent = []

    def given_up():
        sent.append(bob.send(channel, "🎉" * 5000)["id"])
        return fast_app.stored(ann.id)["online"] is False
    wait_until(given_up, "the slow reader is closed", timeout=60)
    observer.expect("user.watching.stop", where=lambda e: e["user"]["id"] == ann.id)
    got = []
    try:
        while True:
            opcode, payload = slow.read_frame()
            if opcode == 1 and (event := json.loads(payload))["type"] == "message.new":
                got.append(event["message"]["id"])
            elif opcode == 8:
                assert int.from_bytes(payload[:2], "big") == 1008
                break
    except (EOFError, OSError):
        pass
    assert got == sent[:len(got)] and len(got) < len(sent)
    received = [e["message"]["id"] for e in observer.settle() if e["type"] == "message.new"]
    assert received == sent  # nobody else was held up


def test_memory_stays_flat_beside_slow_readers(fast_app):
    ann, bob = fast_app.users(2)
    channel = fast_app.channel(ann, bob)
    bob.send(channel, "🎉" * 5000)
    before = fast_app.server.rss_bytes()
    for _ in range(2):
        slow = RawWebSocket(ann, receive_buffer=4096).open()
        ann.post(f"{channel.path}/query", {"watch": True}, query={"connection_id": slow.id}).ok()
        wait_until(lambda: bob.send(channel, "🎉" * 5000) and fast_app.stored(ann.id)["online"] is False, "closed", timeout=60)
        slow.close()
    assert fast_app.server.rss_bytes() - before < 150 << 20


def test_stalled_http_reader_is_cut_off(fast, fast_app):
    """Somebody asks again and again and never reads: the server stops reading from him and ends it in time."""
    user = fast_app.user("reader", filler="x" * 4000)
    fast_app.users(60, "reader", filler="x" * 4000)
    raw = RawHttp(fast, timeout=1, receive_buffer=4096)
    request = request_bytes(user, "GET", "/users", payload={"filter_conditions": {"id": {"$autocomplete": "reader"}}, "limit": 100})
    try:
        for _ in range(3000):
            raw.send(request)
    except OSError:
        pass  # no longer taken, or closed: both are right
    assert fast_app.api.get("/app").ok(200)
    raw.close()


# ---- the table itself ----

def test_every_limit_has_a_unit_and_a_reason():
    lines = [line for line in (ROOT / "schema/limits.def").read_text().splitlines() if line.startswith("LIMIT(")]
    assert len(lines) > 50
    for line in lines:
        assert re.match(r'^LIMIT\([A-Z_]+, \d+, "[^"]+", "[^"]+"\)$', line), line
