"""messages.md §4: editing in whole and in part, soft and hard deletion."""
import json

import pytest

from beck import parse_time, uid


@pytest.fixture
def room(app):
    ann, bob = app.users(2)
    return app.channel(ann, bob), ann, bob


def get(caller, message):
    return caller.get(f"/messages/{message['id']}")


def shown(app, message):
    return get(app.api, message).ok(200)["message"]


# ---- edit ----

def test_edit_replaces_the_content(app, room):
    channel, ann, bob = room
    sent = ann.send(channel, "old", color="red", attachments=[{"type": "a"}], mentioned_users=[bob.id])
    edited = ann.post(f"/messages/{sent['id']}", {"message": {"text": "new", "size": 1}}).ok(201)["message"]
    for message in (edited, shown(app, sent), channel.state(bob)["messages"][0]):
        assert message["text"] == "new" and message["size"] == 1 and "color" not in message
        assert message["attachments"] == [] and message["mentioned_users"] == []
        assert message["created_at"] == sent["created_at"] and parse_time(message["updated_at"]) > parse_time(sent["updated_at"])
        assert parse_time(message["message_text_updated_at"]) > parse_time(sent["created_at"])


def test_edit_keeps_author_parent_and_flags(app, room):
    channel, ann, bob = room
    parent = bob.send(channel, "parent")
    sent = ann.send(channel, "reply", parent_id=parent["id"], silent=True)
    ann.post(f"/messages/{sent['id']}", {"message": {"text": "new", "parent_id": "", "silent": False, "type": "regular", "cid": "a:b",
                                                     "created_at": "2001-01-01T00:00:00Z", "user": {"id": ann.id}}}).ok(201)
    message = shown(app, sent)
    assert (message["text"], message["user"]["id"], message["parent_id"], message["silent"], message["type"]) == ("new", ann.id, parent["id"], True, "reply")


def test_edit_without_new_text_does_not_touch_its_time(app, room):
    channel, ann, _ = room
    sent = ann.send(channel, "same")
    ann.post(f"/messages/{sent['id']}", {"message": {"text": "same", "color": "red"}}).ok(201)
    message = shown(app, sent)
    assert message["color"] == "red" and "message_text_updated_at" not in message


def test_partial_edit(app, room):
    channel, ann, _ = room
    sent = ann.send(channel, "old", color="red", data={"a": 1, "b": {"c": 2}}, attachments=[{"type": "a"}])
    edited = ann.put(f"/messages/{sent['id']}", {"set": {"text": "new", "data.b.c": 3, "data.d": 4}, "unset": ["color", "data.a"]}).ok(200)["message"]
    for message in (edited, shown(app, sent)):
        assert message["text"] == "new" and message["data"] == {"b": {"c": 3}, "d": 4} and "color" not in message
        assert [a["type"] for a in message["attachments"]] == ["a"]


@pytest.mark.parametrize("body", [{}, {"set": {}, "unset": []}, {"set": []}, {"unset": "x"}, {"unset": [7]}, {"set": {"text": 7}}, {"set": {"attachments": {}}},
                                  {"set": {"text": "x" * 6000, "filler": 1}}, {"set": {"filler": "x" * 5200}}, {"set": {"a.b": 1}, "unset": ["a"]}],
                         ids=lambda b: json.dumps(b)[:40])
def test_bad_partial_edit_changes_nothing(app, room, body):
    channel, ann, _ = room
    sent = ann.send(channel, "old", a={"b": 0})
    reply = ann.put(f"/messages/{sent['id']}", body)
    assert reply.status == 400 and reply.json["code"] in (4, 20), reply
    message = shown(app, sent)
    assert message["text"] == "old" and message["a"] == {"b": 0} and message["updated_at"] == sent["updated_at"]


@pytest.mark.parametrize("key", ["id", "cid", "user", "created_at", "parent_id", "type", "reply_count", "silent"])
def test_protected_keys_of_a_partial_edit_do_not_change(app, room, key):
    channel, ann, bob = room
    sent = ann.send(channel, "x")
    ann.put(f"/messages/{sent['id']}", {"set": {key: {"user": {"id": bob.id}, "silent": True, "reply_count": 7}.get(key, "other")}})
    message = shown(app, sent)
    assert message.get(key) == sent.get(key) if key != "user" else message["user"]["id"] == ann.id


@pytest.mark.parametrize("message", [{}, {"text": ""}, {"text": 7}, {"text": "x", "attachments": {}}, {"text": "x", "filler": "y" * 5200}],
                         ids=lambda m: json.dumps(m)[:30])
def test_bad_edit_is_400_4_and_changes_nothing(app, room, message):
    channel, ann, _ = room
    sent = ann.send(channel, "old")
    ann.post(f"/messages/{sent['id']}", {"message": message}).fails(400, 4)
    assert shown(app, sent)["text"] == "old"


def test_too_long_edit_is_400_20(app, room):
    channel, ann, _ = room
    sent = ann.send(channel, "old")
    ann.post(f"/messages/{sent['id']}", {"message": {"text": "x" * 5001}}).fails(400, 20)
    assert shown(app, sent)["text"] == "old"


def test_only_the_author_edits(app, room):
    channel, ann, bob = room
    sent = ann.send(channel, "hers")
    for who in (bob, app.user("eve")):
        who.post(f"/messages/{sent['id']}", {"message": {"text": "x"}}).fails(403, 17)
        who.put(f"/messages/{sent['id']}", {"set": {"text": "x"}}).fails(403, 17)
    assert shown(app, sent)["text"] == "hers"


def test_moderator_edits_any(app, room):
    channel, ann, bob = room
    sent = ann.send(channel, "hers")
    app.api.post(channel.path, {"add_moderators": [bob.id]}).ok(201)
    bob.post(f"/messages/{sent['id']}", {"message": {"text": "edited"}}).ok(201)
    message = shown(app, sent)
    assert message["text"] == "edited" and message["user"]["id"] == ann.id


def test_server_side_editor_may_be_anybody(app, room):
    channel, ann, _ = room
    sent = ann.send(channel, "hers")
    app.api.post(f"/messages/{sent['id']}", {"message": {"text": "edited", "user_id": app.user("editor").id}}).ok(201)
    message = shown(app, sent)
    assert message["text"] == "edited" and message["user"]["id"] == ann.id


def test_editing_what_is_not_there(room):
    channel, ann, _ = room
    ann.post(f"/messages/{uid('none')}", {"message": {"text": "x"}}).fails(404, 16)
    deleted = ann.send(channel)
    ann.delete(f"/messages/{deleted['id']}").ok(200)
    ann.post(f"/messages/{deleted['id']}", {"message": {"text": "x"}}).fails(400, 4)


def test_edit_event(room, transport):
    channel, ann, bob = room
    watcher, member = bob.connect(transport), ann.connect(transport)
    bob.watch(watcher, channel)
    sent = ann.send(channel, "old")
    ann.post(f"/messages/{sent['id']}", {"message": {"text": "new"}}).ok(201)
    event = watcher.expect("message.updated", cid=channel.cid)
    assert event["message"]["id"] == sent["id"] and event["message"]["text"] == "new" and event["user"]["id"] == ann.id
    member.expect_none("message.updated")


def test_edit_moves_no_counter(room):
    channel, ann, bob = room
    sent = ann.send(channel, "old")
    bob.read(channel)
    ann.post(f"/messages/{sent['id']}", {"message": {"text": "new"}}).ok(201)
    assert bob.unread()["total_unread_count"] == 0 and channel.state(ann)["channel"]["message_count"] == 1


# ---- soft delete ----

def test_soft_delete_leaves_a_tombstone(app, room):
    channel, ann, bob = room
    sent = ann.send(channel, "gone", color="red", attachments=[{"type": "a"}])
    answer = ann.delete(f"/messages/{sent['id']}").ok(200)["message"]
    for message in (answer, get(bob, sent).ok(200)["message"], channel.state(bob)["messages"][0]):
        assert message["type"] == "deleted" and message["text"] == "" and message["attachments"] == [] and "deleted_at" in message
        assert message["user"]["id"] == ann.id and message["created_at"] == sent["created_at"] and "gone" not in json.dumps(message)


def test_deleted_text_only_for_the_server_side(app, room):
    channel, ann, bob = room
    sent = ann.send(channel, "gone")
    ann.delete(f"/messages/{sent['id']}").ok(200)
    assert app.api.get(f"/messages/{sent['id']}", query={"show_deleted_message": True}).ok(200)["message"]["text"] == "gone"
    assert app.api.get(f"/messages/{sent['id']}").ok(200)["message"]["text"] == ""
    assert b"gone" not in bob.get(f"/messages/{sent['id']}", query={"show_deleted_message": True}).body


def test_delete_event(room, transport):
    channel, ann, bob = room
    session = bob.connect(transport)
    bob.watch(session, channel)
    sent = ann.send(channel, "gone")
    ann.delete(f"/messages/{sent['id']}").ok(200)
    event = session.expect("message.deleted", cid=channel.cid)
    assert event["message"]["id"] == sent["id"] and event["message"]["type"] == "deleted" and event["message"]["text"] == ""
    assert event["hard_delete"] is False and event["user"]["id"] == ann.id


def test_delete_lowers_counts(room):
    channel, ann, bob = room
    sent = [ann.send(channel, str(n)) for n in range(3)]
    ann.delete(f"/messages/{sent[1]['id']}").ok(200)
    assert bob.unread()["total_unread_count"] == 2 and channel.state(ann)["channel"]["message_count"] == 2
    bob.read(channel)
    ann.delete(f"/messages/{sent[0]['id']}").ok(200)
    assert bob.unread()["total_unread_count"] == 0


def test_counts_in_events_follow_a_delete(room):
    channel, ann, bob = room
    session = bob.connect()
    bob.watch(session, channel)
    sent = [ann.send(channel) for _ in range(3)]
    ann.delete(f"/messages/{sent[0]['id']}").ok(200)
    session.settle()
    ann.send(channel)
    assert session.expect("message.new")["total_unread_count"] == 3


def test_soft_delete_keeps_last_message_at(room):
    channel, ann, _ = room
    ann.send(channel)
    last = ann.send(channel)
    ann.delete(f"/messages/{last['id']}").ok(200)
    assert channel.state(ann)["channel"]["last_message_at"] == last["created_at"]


def test_deleting_again_is_harmless(app, room):
    channel, ann, bob = room
    sent = ann.send(channel)
    ann.delete(f"/messages/{sent['id']}").ok(200)
    assert ann.delete(f"/messages/{sent['id']}").status in (200, 400, 404)
    assert channel.state(ann)["channel"]["message_count"] == 0 and bob.unread()["total_unread_count"] == 0


def test_deleting_a_reply(app, room):
    channel, ann, bob = room
    parent = ann.send(channel, "parent")
    reply = bob.send(channel, "reply", parent_id=parent["id"])
    bob.send(channel, "other", parent_id=parent["id"])
    bob.delete(f"/messages/{reply['id']}").ok(200)
    message = shown(app, parent)
    assert (message["reply_count"], message["deleted_reply_count"]) == (1, 1)


def test_deleted_parent_keeps_its_thread(app, room):
    channel, ann, bob = room
    parent = ann.send(channel, "parent")
    bob.send(channel, "reply", parent_id=parent["id"])
    ann.delete(f"/messages/{parent['id']}").ok(200)
    assert shown(app, parent)["reply_count"] == 1
    assert [m["text"] for m in ann.get(f"/messages/{parent['id']}/replies").ok(200)["messages"]] == ["reply"]


def test_who_may_delete(app, room):
    channel, ann, bob = room
    sent = ann.send(channel, "hers")
    for who in (bob, app.user("eve")):
        who.delete(f"/messages/{sent['id']}").fails(403, 17)
    assert shown(app, sent)["text"] == "hers"
    ann.delete(f"/messages/{uid('none')}").fails(404, 16)


# ---- hard delete ----

def test_hard_delete_leaves_nothing(app, room):
    channel, ann, bob = room
    parent = ann.send(channel, "parent")
    reply = bob.send(channel, "reply", parent_id=parent["id"])
    kept = ann.send(channel, "kept")
    answer = app.api.delete(f"/messages/{parent['id']}", query={"hard": True}).ok(200)["message"]
    assert answer["type"] == "deleted"
    get(ann, parent).fails(404, 16)
    get(ann, reply).fails(404, 16)
    assert channel.texts(ann) == ["kept"] and channel.state(ann)["channel"]["message_count"] in (1, 2)
    ann.get(f"/messages/{parent['id']}/replies").fails(404, 16)
    assert get(ann, kept).ok(200)


def test_hard_delete_event(app, room, transport):
    channel, ann, bob = room
    session = bob.connect(transport)
    bob.watch(session, channel)
    sent = ann.send(channel, "gone")
    app.api.delete(f"/messages/{sent['id']}", query={"hard": True}).ok(200)
    event = session.expect("message.deleted")
    assert event["hard_delete"] is True and event["message"]["id"] == sent["id"] and event["message"]["text"] == ""


def test_hard_delete_moves_last_message_at_back(app, room):
    channel, ann, _ = room
    first, last = ann.send(channel), ann.send(channel)
    app.api.delete(f"/messages/{last['id']}", query={"hard": True}).ok(200)
    assert channel.state(ann)["channel"]["last_message_at"] == first["created_at"]


def test_hard_delete_lowers_unread(app, room):
    channel, ann, bob = room
    sent = [ann.send(channel) for _ in range(3)]
    app.api.delete(f"/messages/{sent[2]['id']}", query={"hard": True}).ok(200)
    assert bob.unread()["total_unread_count"] == 2


def test_author_may_not_delete_hard(app, room):
    channel, ann, _ = room
    sent = ann.send(channel, "hers")
    ann.delete(f"/messages/{sent['id']}", query={"hard": True}).fails(403, 17)
    assert shown(app, sent)["text"] == "hers"


def test_id_of_a_hard_deleted_message_is_free_or_refused_but_never_the_old_one(app, room):
    channel, ann, _ = room
    sent = ann.send(channel, "old", id=uid("again"))
    app.api.delete(f"/messages/{sent['id']}", query={"hard": True}).ok(200)
    reply = ann.post(f"{channel.path}/message", {"message": {"id": sent["id"], "text": "new"}})
    assert reply.status == 201 and reply.json["message"]["text"] == "new" or reply.status == 400


@pytest.mark.parametrize("hard", ["maybe", "1x", "yes"])
def test_bad_boolean_is_400_4(app, room, hard):
    channel, ann, _ = room
    sent = ann.send(channel, "x")
    app.api.delete(f"/messages/{sent['id']}", query={"hard": hard}).fails(400, 4)
    assert shown(app, sent)["text"] == "x"
