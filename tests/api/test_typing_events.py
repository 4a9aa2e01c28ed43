"""connection-and-users-events.md §7: events that clients send."""
import json

import pytest

from beck import TIMESTAMP, format_time, now_us, parse_time, uid

pytestmark = pytest.mark.quick


@pytest.fixture
def room(app):
    ann, bob = app.users(2)
    return app.channel(ann, bob), ann, bob


def watching(user, channel, transport="ws"):
    session = user.connect(transport)
    user.watch(session, channel)
    return session


@pytest.mark.parametrize("kind", ["typing.start", "typing.stop"])
def test_typing_reaches_all_watchers_and_the_sender(room, transport, kind):
    channel, ann, bob = room
    sessions = [watching(ann, channel, transport), watching(bob, channel, transport)]
    answer = bob.event(channel, kind).ok(201)["event"]
    assert answer["type"] == kind and answer["user"]["id"] == bob.id and answer["cid"] == channel.cid
    for session in sessions:
        event = session.expect(kind, cid=channel.cid)
        assert event["user"]["id"] == bob.id and (event["channel_type"], event["channel_id"]) == (channel.type, channel.id)
        assert abs(parse_time(event["created_at"]) - now_us()) < 60_000_000 and TIMESTAMP.match(event["received_at"])


def test_typing_reaches_nobody_else(app, room):
    channel, ann, bob = room
    member, stranger = ann.connect(), app.user().connect()
    bob.watch(bob.connect(), channel)
    bob.event(channel, "typing.start").ok(201)
    for session in (member, stranger):
        session.expect_none()


def test_typing_in_a_thread(room):
    channel, ann, bob = room
    session = watching(ann, channel)
    parent = ann.send(channel)["id"]
    bob.event(channel, "typing.start", parent_id=parent).ok(201)
    assert session.expect("typing.start")["parent_id"] == parent


def test_typing_of_the_server_side_is_not_checked(app, room):
    channel, ann, _ = room
    session, outsider = watching(ann, channel), app.user()
    for who in ({"user_id": outsider.id}, {"user": {"id": outsider.id}}):
        app.api.post(f"{channel.path}/event", {"event": {"type": "typing.start", **who}}).ok(201)
        assert session.expect("typing.start")["user"]["id"] == outsider.id


def test_typing_switched_off_is_400_19(app, room):
    channel, ann, bob = room
    session = watching(ann, channel)
    app.api.patch(channel.path, {"set": {"config_overrides": {"typing_events": False}}}).ok(200)
    bob.event(channel, "typing.start").fails(400, 19)
    session.expect_none("typing.start")


def test_typing_is_never_stored(room):
    channel, ann, bob = room
    bob.event(channel, "typing.start").ok(201)
    bob.event(channel, "wave").ok(201)
    events = ann.post("/sync", {"channel_cids": [channel.cid], "last_sync_at": format_time(now_us() - 60_000_000)})
    assert not {e["type"] for e in events.ok()["events"]} & {"typing.start", "wave"}


def test_typing_is_suppressed_above_100_watchers(app):
    crowd = app.users(101)
    channel = app.channel(*crowd, type="livestream")
    sessions = [watching(user, channel) for user in crowd[:100]]
    crowd[0].event(channel, "typing.start").ok(201)
    sessions[1].expect("typing.start")
    last = watching(crowd[100], channel)
    crowd[0].event(channel, "typing.start").ok(201)
    sessions[1].expect_none("typing.start")
    crowd[0].read(channel)
    crowd[1].send(channel, "messages still come")
    last.expect("message.new")
    sessions[1].expect_none("message.read")


@pytest.mark.parametrize("kind,fields", [("ai_indicator.update", {"ai_state": "AI_STATE_THINKING", "message_id": "m"}), ("ai_indicator.stop", {}),
                                         ("ai_indicator.clear", {})])
def test_ai_indicator(room, kind, fields):
    channel, ann, bob = room
    session = watching(ann, channel)
    bob.event(channel, kind, **fields).ok(201)
    event = session.expect(kind)
    assert event["user"]["id"] == bob.id and {k: event[k] for k in fields} == fields


# ---- custom ----

def test_custom_event(room, transport):
    channel, ann, bob = room
    session = watching(ann, channel, transport)
    answer = bob.event(channel, "friendship_request", text="hi", data={"a": [1]}).ok(201)["event"]
    assert answer["type"] == "friendship_request" and answer["data"] == {"a": [1]}
    event = session.expect("friendship_request", cid=channel.cid)
    assert event["text"] == "hi" and event["data"] == {"a": [1]} and event["user"]["id"] == bob.id


@pytest.mark.parametrize("kind", ["message.new", "message.deleted", "channel.updated", "health.check", "notification.mark_read", "user.presence.changed",
                                  "member.added", "reaction.new", "user.banned"])
def test_built_in_types_are_400_18(room, kind):
    channel, ann, bob = room
    session = watching(ann, channel)
    bob.event(channel, kind).fails(400, 18)
    session.expect_none(kind)


@pytest.mark.parametrize("event", [None, [], 7, {}, {"type": ""}, {"type": 7}, {"type": None}], ids=json.dumps)
def test_bad_event_is_400_4(room, event):
    channel, _, bob = room
    bob.post(f"{channel.path}/event", {"event": event}).fails(400, 4)


def test_event_above_5_kb_is_413_22(room):
    channel, ann, bob = room
    session = watching(ann, channel)
    bob.event(channel, "big", filler="x" * 4900).ok(201)
    session.expect("big")
    bob.event(channel, "big", filler="x" * 5200).fails(413, 22)
    session.expect_none("big")


def test_sender_must_be_member_or_watcher(app):
    ann, eve = app.users(2)
    channel = app.channel(ann, type="livestream")
    session = watching(ann, channel)
    eve.event(channel, "typing.start").fails(403, 17)
    eve.watch(eve.connect(), channel)
    eve.event(channel, "typing.start").ok(201)
    assert session.expect("typing.start")["user"]["id"] == eve.id


def test_stranger_is_403_17(app, room):
    channel, _, _ = room
    for kind in ("typing.start", "wave"):
        app.user("eve").event(channel, kind).fails(403, 17)


def test_unknown_channel_is_404_16(app):
    app.user().post(f"/channels/messaging/{uid('none')}/event", {"event": {"type": "typing.start"}}).fails(404, 16)


def test_client_cannot_send_as_another(room):
    channel, ann, bob = room
    session = watching(ann, channel)
    bob.post(f"{channel.path}/event", {"event": {"type": "typing.start", "user_id": ann.id}}).fails(403, 17)
    session.expect_none("typing.start")


def test_message_read_as_an_event_marks_read(room):
    channel, ann, bob = room
    ann.send(channel)
    bob.event(channel, "message.read").ok(201)
    assert bob.unread()["total_unread_count"] == 0
