"""The twelve checks of connection-and-users-events.md §9, by number."""
import pytest

from beck import format_time, now_us, uid

pytestmark = pytest.mark.quick


def pair(app, transport="ws"):
    """A watches, B is a member; A's session."""
    a, b = app.users(2)
    channel = app.channel(a, b)
    session = a.connect(transport)
    a.watch(session, channel)
    return a, b, channel, session


def test_check_01_typing_and_its_privacy(app, transport):
    a, b, channel, session = pair(app, transport)
    b.event(channel, "typing.start").ok(201)
    assert session.expect("typing.start")["user"]["id"] == b.id
    b.update(privacy_settings={"typing_indicators": {"enabled": False}})
    b.event(channel, "typing.start").ok(201)
    session.expect_none("typing.start")


def test_check_02_hidden_read_receipts(app, transport):
    a, b, channel, session = pair(app, transport)
    b.update(privacy_settings={"read_receipts": {"enabled": False}})
    second_device = b.connect(transport)
    a.send(channel)
    b.read(channel)
    session.expect_none("message.read")
    assert channel.read_of(b, a) is None
    told = second_device.expect("notification.mark_read")
    assert (told["total_unread_count"], told["unread_channels"]) == (0, 0)


def test_check_03_switching_read_receipts_on_shows_the_current_state(app):
    a, b, channel, _ = pair(app)
    b.update(privacy_settings={"read_receipts": {"enabled": False}})
    sent = a.send(channel)
    b.read(channel)
    hidden = channel.read_of(b)["last_read"]
    b.update(privacy_settings={"read_receipts": {"enabled": True}})
    entry = channel.read_of(b, a)
    assert entry["last_read"] == hidden and entry["last_read_message_id"] == sent["id"]


def test_check_04_two_sockets_one_presence(app, transport):
    a, b, channel, session = pair(app, transport)
    a.get("/users", payload={"filter_conditions": {"id": b.id}, "presence": True}, query={"connection_id": session.id}).ok(200)
    first, second = b.connect(), b.connect()
    session.expect("user.presence.changed")
    first.close()
    session.expect_none("user.presence.changed")
    second.close()
    assert session.expect("user.presence.changed")["user"]["online"] is False
    session.expect_none("user.presence.changed")


def test_check_05_invisible(app, transport):
    a, b, channel, session = pair(app, transport)
    a.get("/users", payload={"filter_conditions": {"id": b.id}, "presence": True}, query={"connection_id": session.id}).ok(200)
    hidden = b.connect(transport, {"invisible": True})
    session.expect_none("user.presence.changed", "user.watching.start", where=lambda e: e["user"]["id"] == b.id)
    assert hidden.me["online"] is True
    assert a.get("/users", payload={"filter_conditions": {"id": b.id}}).ok(200)["users"][0]["online"] is False


def test_check_06_notification_or_message_by_watching(app, transport):
    a, b = app.users(2)
    channel = app.channel(a, b)
    session = a.connect(transport)
    b.send(channel)
    assert [e["type"] for e in session.settle() if "message" in e] == ["notification.message_new"]
    a.watch(session, channel)
    b.send(channel)
    assert [e["type"] for e in session.settle() if "message" in e] == ["message.new"]


def test_check_07_unread_summary(app):
    a, b = app.users(2)
    channel = app.channel(a, b)
    mine = b.send(channel)
    for _ in range(5):
        a.send(channel)
    summary = b.unread()
    assert summary["total_unread_count"] == 5
    assert [(c["channel_id"], c["unread_count"]) for c in summary["channels"]] == [(channel.cid, 5)]
    assert [(t["channel_type"], t["channel_count"], t["unread_count"]) for t in summary["channel_type"]] == [("messaging", 1, 5)]
    before = summary["total_unread_threads_count"]
    a.send(channel, parent_id=mine["id"])
    assert b.unread()["total_unread_threads_count"] == before + 1


def test_check_08_unread_batch_leaves_unknown_ids_out(app):
    known, unknown = app.user().id, uid("unknown")
    assert set(app.api.post("/unread_batch", {"user_ids": [known, unknown]}).ok(201)["counts_by_user"]) == {known}


def test_check_09_mark_unread_reaches_100_messages_back(app):
    a, b = app.users(2)
    channel = app.channel(a, b)
    sent = [channel.send(a) for _ in range(101)]
    b.post(f"{channel.path}/unread", {"message_id": sent[0]["id"]}).fails(400, 4)  # the 101st newest
    b.post(f"{channel.path}/unread", {"message_id": sent[1]["id"]}).ok(201)
    assert b.unread()["total_unread_count"] == 100


def test_check_10_watch_without_or_with_a_stale_connection(app):
    a = app.user()
    channel = app.channel(a)
    a.post(f"{channel.path}/query", {"watch": True}).fails(400, 4)
    session = a.connect()
    session.close()
    a.post(f"{channel.path}/query", {"watch": True}, query={"connection_id": session.id}).fails(400, 46)


def test_check_11_sync_above_1000_events(app):
    a, crowd = app.user(), [u.id for u in app.users(100)]
    channel = app.channel(a)
    since = format_time(now_us() - 1_000_000)
    for number in range(11):
        app.api.post(channel.path, {"remove_members" if number % 2 else "add_members": crowd}).ok(201)
    a.post("/sync", {"channel_cids": [channel.cid], "last_sync_at": since}).fails(400, 4)


def test_check_12_custom_events(app, transport):
    a, b, channel, session = pair(app, transport)
    app.api.post(f"/users/{a.id}/event", {"event": {"type": "a.b"}}).fails(400, 4)
    b.event(channel, "friendship_request", text="hi").ok(201)
    event = session.expect("friendship_request", cid=channel.cid)
    assert event["text"] == "hi" and event["user"]["id"] == b.id
