"""connection-and-users-events.md §8: POST /sync."""
import json

import pytest

from beck import format_time, now_us, parse_time, uid

pytestmark = pytest.mark.quick


@pytest.fixture
def room(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    mark = ann.send(channel, "known")
    return channel, ann, bob, mark["created_at"]


def sync(caller, since, *channels, **more):
    return caller.post("/sync", {"channel_cids": [c.cid for c in channels], "last_sync_at": since, **more})


def types(reply):
    return [e["type"] for e in reply.ok()["events"]]


def test_events_since_come_oldest_first(app, room):
    channel, ann, bob, since = room
    sent = bob.send(channel, "one")
    bob.post(f"/messages/{sent['id']}", {"message": {"text": "two"}}).ok(201)
    gone = bob.send(channel, "gone")
    bob.delete(f"/messages/{gone['id']}").ok(200)
    app.api.patch(channel.path, {"set": {"color": "red"}}).ok(200)
    eve = app.user("eve")
    app.api.post(channel.path, {"add_members": [eve.id]}).ok(201)
    app.api.post(channel.path, {"remove_members": [eve.id]}).ok(201)
    events = [e for e in sync(ann, since, channel).ok()["events"] if parse_time(e["created_at"]) > parse_time(since)]
    wanted = ["message.new", "message.updated", "message.new", "message.deleted", "channel.updated", "member.added", "member.removed"]
    assert [e["type"] for e in events if e["type"] in wanted] == wanted
    times = [parse_time(e["created_at"]) for e in events]
    assert times == sorted(times) and all(e["cid"] == channel.cid for e in events)


def test_synced_message_is_the_current_one(room):
    channel, ann, bob, since = room
    sent = bob.send(channel, "one", color="red")
    event, = [e for e in sync(ann, since, channel).ok()["events"] if e["type"] == "message.new" and e["message"]["id"] == sent["id"]]
    assert event["message"]["text"] == "one" and event["message"]["color"] == "red" and event["user"]["id"] == bob.id


def test_own_reads_are_there(room):
    channel, ann, bob, since = room
    bob.send(channel)
    ann.read(channel)
    assert "notification.mark_read" in types(sync(ann, since, channel))
    assert "message.read" in types(sync(bob, since, channel))


def test_ephemeral_events_are_not_there(room):
    channel, ann, bob, since = room
    session = bob.connect()
    bob.watch(session, channel)
    bob.event(channel, "typing.start").ok(201)
    bob.event(channel, "wave").ok(201)
    bob.stop_watching(session, channel).ok()
    assert not {"typing.start", "wave", "user.watching.start", "user.watching.stop", "health.check", "message.delivered"} & set(types(sync(ann, since, channel)))


def test_only_the_channels_named(app, room):
    channel, ann, bob, since = room
    other = app.channel(ann, bob)
    bob.send(other)
    bob.send(channel)
    assert {e["cid"] for e in sync(ann, since, channel).ok()["events"]} == {channel.cid}
    assert {e["cid"] for e in sync(ann, since, channel, other).ok()["events"]} == {channel.cid, other.cid}


def test_unreadable_channels_yield_one_removal_each(app, room):
    _, ann, bob, since = room
    private, channel = app.channel(bob), app.channel(bob, ann)  # who made a channel may go on reading it
    bob.send(private, "secret-of-sync")
    app.api.post(channel.path, {"remove_members": [ann.id]}).ok(201)
    bob.send(channel, "secret-of-sync")
    reply = sync(ann, since, channel, private)
    removed = [e["cid"] for e in reply.ok()["events"] if e["type"] == "notification.removed_from_channel"]
    assert sorted(removed) == sorted([channel.cid, private.cid]) and b"secret-of-sync" not in reply.body


def test_inaccessible_cids_when_asked(app, room):
    channel, ann, bob, since = room
    private = app.channel(bob)
    assert "inaccessible_cids" not in sync(ann, since, channel, private).ok()
    for reply in (sync(ann, since, channel, private, with_inaccessible_cids=True),
                  ann.post("/sync", {"channel_cids": [channel.cid, private.cid], "last_sync_at": since}, query={"with_inaccessible_cids": True})):
        assert reply.ok()["inaccessible_cids"] == [private.cid]


def test_restricted_messages_are_left_out(app, room):
    channel, ann, bob, since = room
    channel.send(bob, "secret-of-sync", restricted_visibility=[bob.id])
    assert b"secret-of-sync" not in sync(ann, since, channel).body


def test_erased_text_is_not_there(app, room):
    channel, ann, bob, since = room
    soft, hard = bob.send(channel, "secret-soft"), bob.send(channel, "secret-hard")
    bob.delete(f"/messages/{soft['id']}").ok(200)
    app.api.delete(f"/messages/{hard['id']}", query={"hard": True}).ok(200)
    body = sync(ann, since, channel).body
    assert b"secret-soft" not in body and b"secret-hard" not in body


def test_1000_events_are_answered_and_1001_are_400_4(app):
    """Members come and go 100 at a time: 100 events of the channel for each call."""
    ann, crowd = app.user("ann"), [u.id for u in app.users(100)]
    channel = app.channel(ann)
    since = format_time(now_us())
    for number in range(10):
        app.api.post(channel.path, {"remove_members" if number % 2 else "add_members": crowd}).ok(201)
    assert len([t for t in types(sync(ann, since, channel)) if t.startswith("member.")]) == 1000
    channel.send(ann)
    error = sync(ann, since, channel).fails(400, 4)
    assert "last_sync_at" in error["message"]


def test_limit_counts_over_all_channels(app):
    ann, crowd = app.user("ann"), [u.id for u in app.users(100)]
    channels = [app.channel(ann) for _ in range(11)]
    since = format_time(now_us())
    for channel in channels:
        app.api.post(channel.path, {"add_members": crowd}).ok(201)
    sync(ann, since, *channels[:9]).ok()
    sync(ann, since, *channels).fails(400, 4)


def test_bounds_of_channels_and_time(app, room):
    channel, ann, _, since = room
    cids = [f"messaging:{uid('none')}" for _ in range(254)] + [channel.cid]
    ann.post("/sync", {"channel_cids": cids, "last_sync_at": since}).ok()
    ann.post("/sync", {"channel_cids": cids + ["messaging:one-more"], "last_sync_at": since}).fails(400, 4)
    day = 86_400_000_000
    sync(ann, format_time(now_us() - 30 * day + 60_000_000), channel).ok()
    sync(ann, format_time(now_us() - 30 * day - 60_000_000), channel).fails(400, 4)


@pytest.mark.parametrize("body", [{}, {"channel_cids": []}, {"last_sync_at": "2026-01-01T00:00:00Z"}, {"channel_cids": "x", "last_sync_at": "now"},
                                  {"channel_cids": [7], "last_sync_at": "2026-01-01T00:00:00Z"}, {"channel_cids": ["a:b"], "last_sync_at": "yesterday"},
                                  {"channel_cids": ["a:b"], "last_sync_at": 7}], ids=json.dumps)
def test_bad_sync_is_400_4(app, body):
    app.user().post("/sync", body).fails(400, 4)


def test_server_side_names_the_user(app, room):
    channel, ann, bob, since = room
    bob.send(channel)
    sync(app.api, since, channel).fails(400, 4)
    assert "message.new" in types(sync(app.api, since, channel, user_id=ann.id))


def test_watch_by_sync(room):
    channel, ann, bob, since = room
    session = ann.connect()
    ann.post("/sync", {"channel_cids": [channel.cid], "last_sync_at": since, "watch": True}, query={"connection_id": session.id}).ok()
    bob.send(channel)
    session.expect("message.new")


def test_sync_survives_a_crash(spawn):
    server = spawn()
    ann, bob = server.main.users(2)
    channel = server.main.channel(ann, bob)
    since = format_time(now_us() - 1_000_000)
    sent = [bob.send(channel, str(n))["id"] for n in range(5)]
    server.kill9()
    server.start()
    got = [e["message"]["id"] for e in sync(ann, since, channel).ok()["events"] if e["type"] == "message.new"]
    assert got == sent
