"""channels-and-messages.md §1: a session of the second dialect (connected under /api/v2) gets its events in it: custom data nested in
`custom`, times in nanoseconds. The body of an event says what the answers of that dialect say."""
import pytest

from beck import TIMESTAMP, parse_time, uid

V2 = "/api/v2"


class Room:
    def __init__(self, app, transport):
        self.app = app
        self.ann, self.bob = app.users(2)
        self.channel = app.channel(self.ann, self.bob, name="Talk", colour="red")
        self.new = self.bob.connect(transport, prefix=V2, details={"custom": {"mood": "fine"}})
        self.old = self.bob.connect(transport)
        for session in (self.new, self.old):
            self.bob.watch(session, self.channel)

    def both(self, type, **fields):
        return self.new.expect(type, **fields), self.old.expect(type, **fields)


@pytest.fixture
def room(app, transport):
    return Room(app, transport)


def ns(text):
    return parse_time(text) * 1000


def strings(value):
    if isinstance(value, dict):
        for v in value.values():
            yield from strings(v)
    elif isinstance(value, list):
        for v in value:
            yield from strings(v)
    elif isinstance(value, str):
        yield value


def no_text_times(event):
    """Of a channel's config and of custom data nothing is rewritten; there are no times in them here."""
    assert not [s for s in strings(event) if TIMESTAMP.match(s)], event


def message_of(caller, id):
    message = caller.get(f"{V2}/chat/messages/{id}").ok(200)["message"]
    message.pop("channel")
    return message


def test_the_first_event(app, transport):
    session = app.user().connect(transport, prefix=V2, details={"custom": {"mood": "fine"}})
    assert session.me["custom"] == {"mood": "fine"} and type(session.me["created_at"]) is int


def test_message_events_are_what_the_answers_say(room):
    parent = room.channel.send(room.ann, "parent", size=1, data={"deep": [{"a": None}]}, mentioned_users=[room.bob.id], attachments=[{"type": "x", "own": 1}])
    new, old = room.both("message.new")
    assert new["message"] == message_of(room.bob, parent["id"]) and new["message"]["custom"] == {"size": 1, "data": {"deep": [{"a": None}]}}
    assert new["created_at"] == ns(old["created_at"]) and new["message"]["created_at"] == ns(old["message"]["created_at"])
    assert old["message"]["size"] == 1 and "custom" not in old["message"]
    assert new["channel_custom"] == {"name": "Talk", "colour": "red"} and new["custom"] == {}
    assert new["user"]["custom"] == {} and new["user"]["invisible"] is False and new["user"]["shadow_banned"] is False
    for key in ("cid", "channel_type", "channel_id", "message_id", "watcher_count", "total_unread_count", "unread_channels", "unread_count"):
        assert new[key] == old[key]
    reply = room.channel.send(room.ann, "reply", parent_id=parent["id"], show_in_channel=True, quoted_message_id=parent["id"], pinned=True)
    new, _ = room.both("message.new")
    assert new["message"] == message_of(room.bob, reply["id"]) and new["message"]["quoted_message"]["custom"]["size"] == 1
    assert [u["custom"] for u in new["thread_participants"]] == [{}]
    room.app.api.put(f"/messages/{reply['id']}", {"set": {"text": "later", "size": 2}, "user_id": room.ann.id}).ok(200)
    new, _ = room.both("message.updated")
    assert new["message"] == message_of(room.bob, reply["id"]) and new["message"]["custom"] == {"size": 2}
    room.app.api.delete(f"/messages/{reply['id']}").ok(200)
    new, _ = room.both("message.deleted")
    assert new["message"] == message_of(room.bob, reply["id"]) and new["hard_delete"] is False
    room.bob.delete(f"/messages/{parent['id']}", query={"delete_for_me": True}).ok(200)
    new, _ = room.both("message.deleted")
    assert new["deleted_for_me"] is True and new["custom"] == {}


def test_channel_and_member_events(room):
    room.app.api.patch(room.channel.path, {"set": {"colour": "blue", "frozen": True}}).ok(200)
    new, old = room.both("channel.updated")
    assert new["channel"]["custom"] == {"name": "Talk", "colour": "blue"} and new["channel"]["frozen"] is True
    assert new["channel"]["created_at"] == ns(old["channel"]["created_at"]) and "colour" not in new["channel"]
    assert new["channel"]["created_by"]["custom"] == {} and new["channel"]["config"] == old["channel"]["config"]
    room.app.api.patch(f"{room.channel.path}/member/{room.ann.id}", {"set": {"badge": "x"}}).ok(200)
    new, _ = room.both("member.updated")
    assert new["member"]["custom"] == {"badge": "x"} and new["member"]["user"]["custom"] == {}
    answered = {m["user_id"]: m for m in room.bob.get(f"{V2}/chat/members", payload={"type": room.channel.type, "id": room.channel.id,
                                                                                  "filter_conditions": {}}).ok(200)["members"]}
    assert new["member"] == answered[room.ann.id]
    eve = room.app.user("eve")
    room.app.api.post(room.channel.path, {"add_members": [eve.id]}).ok(201)
    room.both("member.added")
    room.app.api.post(f"{room.channel.path}/truncate", {"message": {"text": "cut", "user_id": room.ann.id, "why": "x"}}).ok(201)
    new, _ = room.both("channel.truncated")
    assert new["message"]["custom"] == {"why": "x"} and type(new["channel"]["truncated_at"]) is int
    other = room.app.channel(room.bob, room.ann)
    new, old = room.both("notification.added_to_channel", cid=other.cid)
    assert type(new["member"]["created_at"]) is int and new["unread_channels"] == old["unread_channels"] == 1
    room.bob.post(f"{room.channel.path}/hide", {"clear_history": True}).ok(201)
    new, _ = room.both("channel.hidden")
    assert new["clear_history"] is True


def test_read_state(room):
    sent = room.channel.send(room.ann)
    room.both("message.new")
    room.bob.read(room.channel)
    for kind in ("message.read", "notification.mark_read"):
        new, old = room.both(kind)
        assert new["last_read_message_id"] == old["last_read_message_id"] == sent["id"]
    room.bob.post(f"{room.channel.path}/unread", {"message_id": sent["id"]}).ok(201)
    new, old = room.both("notification.mark_unread")
    assert new["last_read_at"] == ns(old["last_read_at"]) and new["unread_messages"] == 1 and new["first_unread_message_id"] == sent["id"]


def test_custom_events(room):
    kind = uid("kind")
    room.app.api.post(f"{room.channel.path}/event", {"event": {"type": kind, "user_id": room.ann.id, "level": 3, "at": "2001-01-01T00:00:00Z"}}).ok(201)
    new, old = room.both(kind)
    assert new["custom"] == {"level": 3, "at": "2001-01-01T00:00:00Z"} and "level" not in new and old["level"] == 3
    assert new["received_at"] == ns(old["received_at"])
    room.ann.event(room.channel, "typing.start", parent_id=room.channel.send(room.ann)["id"]).ok(201)
    new, old = room.both("typing.start")
    assert new["parent_id"] == old["parent_id"] and new["user"]["id"] == room.ann.id
    room.app.api.post(f"/users/{room.bob.id}/event", {"event": {"type": "wave", "size": 1}}).ok(201)
    new, old = room.both("wave")
    assert new["custom"] == {"size": 1} and old["size"] == 1


def test_users_and_presence(room):
    room.ann.update(mood="sad")
    room.bob.post(f"{room.channel.path}/query", {"watch": True, "presence": True}, query={"connection_id": room.new.id}).ok(201)
    other = room.ann.connect()
    event = room.new.expect("user.presence.changed")
    assert event["user"]["custom"] == {"mood": "sad"} and event["user"]["online"] is True and type(event["user"]["last_active"]) is int
    room.bob.update(colour="red")
    new, old = room.both("user.updated")
    assert new["user"]["custom"] == {"mood": "fine", "colour": "red"} and new["user"]["created_at"] == ns(old["user"]["created_at"])
    other.close()


def test_nothing_is_left_in_the_first_dialect(room):
    """Whatever happens, no key that is not of the second dialect, and no time as text."""
    room.channel.send(room.ann, "x", parent_id=room.channel.send(room.bob, "p", size=1)["id"], size=1)
    room.app.api.post(room.channel.path, {"message": {"text": "news", "user_id": room.ann.id, "size": 2}, "data": {"name": "N", "size": 3}}).ok(201)
    room.bob.read(room.channel)
    room.bob.post(f"{room.channel.path}/hide", {}).ok(201)
    room.channel.send(room.ann)
    room.app.api.post(room.channel.path, {"remove_members": [room.ann.id]}).ok(201)
    room.ann.connect(details={"mood": "x"})
    came = room.new.settle()
    assert len(came) >= 9
    for event in came:
        no_text_times({k: v for k, v in event.items() if k != "channel"} | {"channel": {k: v for k, v in event.get("channel", {}).items() if k != "config"}})
        assert "custom" in event and "size" not in event and "size" not in event.get("message", {}) and "size" not in event.get("channel", {})


def test_resume_and_the_other_dialect_stays(app, transport):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    sessions = {prefix: bob.connect(transport, prefix=prefix, resume=True) for prefix in (V2, "")}
    for session in sessions.values():
        bob.watch(session, channel)
    channel.send(ann, "first", size=1)
    seqs = {prefix: session.expect("message.new")["seq"] for prefix, session in sessions.items()}
    assert seqs[V2] == seqs[""]
    places = {prefix: session.resume_from(watch=[channel]) for prefix, session in sessions.items()}
    for session in sessions.values():
        session.drop()
    channel.send(ann, "missed", size=2)
    again = {prefix: bob.connect(transport, prefix=prefix, resume=True, resume_from=place) for prefix, place in places.items()}
    new, old = (again[prefix].expect("message.new") for prefix in (V2, ""))
    assert new["message"]["custom"] == {"size": 2} and old["message"]["size"] == 2 and new["seq"] == old["seq"]
    assert new["message"] == message_of(bob, old["message"]["id"])
