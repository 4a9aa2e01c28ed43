"""messages.md §8: messages that wait for a commit. Until then their author and the server side alone know of them."""
import pytest

from beck import format_time, now_us, uid


def pend(channel, sender, text="wait", metadata=None, **fields):
    body = {"message": {"text": text, "user_id": sender.id, **fields}, "pending": True}
    if metadata is not None:
        body["pending_message_metadata"] = metadata
    return channel.app.api.post(f"{channel.path}/message", body).ok(201)


def commit(app, message):
    return app.api.post(f"/messages/{message['id']}/commit").ok(201)["message"]


def waiting(channel, caller, **body):
    return [p["message"]["id"] for p in channel.state(caller, **body).get("pending_messages", [])]


@pytest.fixture
def room(app):
    app.ann, app.bob = app.users(2)
    app.room = app.channel(app.ann, app.bob)
    return app


def test_nobody_hears_or_sees_it_before_the_commit(room, transport):
    session = room.bob.connect(transport)
    room.bob.watch(session, room.room)
    before = room.room.state()["channel"]
    sent = pend(room.room, room.ann)["message"]
    session.expect_none("message.new", "notification.message_new")
    for caller in (room.bob, room.ann, room.api):
        state = room.room.state(caller)
        assert state["messages"] == [] and state["channel"].get("last_message_at") == before.get("last_message_at")
    assert room.room.state()["channel"]["message_count"] == 0
    assert room.room.read_of(room.bob)["unread_messages"] == 0 and room.bob.unread()["total_unread_count"] == 0
    for client in (room.ann, room.bob):
        client.get(f"/messages/{sent['id']}").fails(404, 16)
    assert room.ann.get(f"{room.room.path}/messages", query={"ids": sent["id"]}).ok(200)["messages"] == []
    events = room.bob.post("/sync", {"channel_cids": [room.room.cid], "last_sync_at": format_time(now_us() - 60_000_000)}).ok(201)["events"]
    assert "message.new" not in [e["type"] for e in events]
    assert waiting(room.room, room.bob) == []


def test_the_answer_and_the_server_side_show_it_with_its_metadata(room):
    answer = pend(room.room, room.ann, "later", {"why": "review"}, color="red")
    message = answer["message"]
    assert answer["pending_message_metadata"] == {"why": "review"}
    assert (message["text"], message["user"]["id"], message["type"], message["color"]) == ("later", room.ann.id, "regular", "red")
    got = room.api.get(f"/messages/{message['id']}").ok(200)
    assert got["pending_message_metadata"] == {"why": "review"} and got["message"]["channel"]["cid"] == room.room.cid
    assert {k: v for k, v in got["message"].items() if k != "channel"} == message


def test_its_author_finds_it_beside_the_channel(room):
    first, second = (pend(room.room, room.ann, f"wait {n}", {"n": str(n)})["message"] for n in (1, 2))
    shown = room.room.state(room.ann)["pending_messages"]
    assert [p["message"]["text"] for p in shown] == ["wait 1", "wait 2"] and [p["metadata"] for p in shown] == [{"n": "1"}, {"n": "2"}]
    assert shown[0]["channel"]["cid"] == room.room.cid and shown[0]["user"]["id"] == room.ann.id
    found = room.ann.post("/channels", {"filter_conditions": {"cid": room.room.cid}}).ok(201)["channels"][0]
    assert [p["message"]["id"] for p in found["pending_messages"]] == [first["id"], second["id"]]
    other = room.channel(room.ann)
    assert "pending_messages" not in other.state(room.ann), "of this channel only"
    assert "pending_messages" not in room.room.state(), "no author, no list"


def test_commit_sends_it_on(room, transport):
    session = room.bob.connect(transport)
    room.bob.watch(session, room.room)
    sent = pend(room.room, room.ann, "now", mentioned_users=[room.bob.id], attachments=[{"type": "image", "image_url": "https://x.example/i.png"}],
                color="red", pinned=True)["message"]
    done = commit(room, sent)
    assert (done["id"], done["created_at"], done["text"], done["color"]) == (sent["id"], sent["created_at"], "now", "red")
    assert done["attachments"] == sent["attachments"] and done["mentioned_users"][0]["id"] == room.bob.id and done["pinned"] is True
    event = session.expect("message.new")
    assert event["message"]["id"] == sent["id"] and event["user"]["id"] == room.ann.id
    assert room.room.texts(room.bob) == ["now"] and room.room.state()["channel"]["message_count"] == 1
    assert room.bob.unread()["total_unread_count"] == 1 and room.ann.unread()["total_unread_count"] == 0
    assert waiting(room.room, room.ann) == []
    assert "pending_message_metadata" not in room.api.get(f"/messages/{sent['id']}").ok(200)
    room.api.post(f"/messages/{sent['id']}/commit").fails(404, 16)


def test_a_waiting_reply_becomes_a_reply(room):
    parent = room.room.send(room.bob, "parent")
    sent = pend(room.room, room.ann, "reply", parent_id=parent["id"])["message"]
    assert sent["type"] == "reply" and sent["parent_id"] == parent["id"]
    assert room.api.get(f"/messages/{parent['id']}").ok(200)["message"]["reply_count"] == 0
    commit(room, sent)
    assert [m["text"] for m in room.bob.get(f"/messages/{parent['id']}/replies").ok(200)["messages"]] == ["reply"]
    assert room.api.get(f"/messages/{parent['id']}").ok(200)["message"]["reply_count"] == 1


def test_commit_of_a_reply_whose_parent_is_gone(room):
    parent = room.room.send(room.bob, "parent")
    sent = pend(room.room, room.ann, "reply", parent_id=parent["id"])["message"]
    room.api.delete(f"/messages/{parent['id']}", query={"hard": True}).ok(200)
    assert room.api.get(f"/messages/{sent['id']}").ok(200)["message"]["text"] == "reply", "still to be looked at"
    room.api.post(f"/messages/{sent['id']}/commit").fails(404, 16)


def test_who_overtook_it_stays_before_it_for_unread(room):
    """created_at is kept: committed behind a newer message it stands before that one and is nobody's unread."""
    sent = pend(room.room, room.ann, "early")["message"]
    room.room.send(room.ann, "late")
    commit(room, sent)
    assert room.room.texts(room.bob) == ["early", "late"]
    assert room.bob.unread()["total_unread_count"] == 1


# ---- who decides ----

def test_the_type_decides_for_clients_and_a_server_call_for_itself(own_app):
    ann = own_app.user()
    own_app.api.put("/channeltypes/messaging", {"mark_messages_pending": True}).ok(200)
    room = own_app.channel(ann)
    for body in ({}, {"pending": False}):
        sent = ann.post(f"{room.path}/message", {"message": {"text": "client"}, **body}).ok(201)["message"]
        ann.get(f"/messages/{sent['id']}").fails(404, 16)
        assert own_app.api.get(f"/messages/{sent['id']}").ok(200)["message"]["text"] == "client"
    assert len(waiting(room, ann)) == 2 and room.texts(ann) == []
    told = own_app.api.post(f"{room.path}/message", {"message": {"text": "server", "user_id": ann.id}, "pending": False}).ok(201)["message"]
    assert ann.get(f"/messages/{told['id']}").ok(200)["message"]["text"] == "server"
    same = own_app.api.post(f"{room.path}/message", {"message": {"text": "by type", "user_id": ann.id}}).ok(201)["message"]
    ann.get(f"/messages/{same['id']}").fails(404, 16)
    own_app.api.put("/channeltypes/messaging", {"mark_messages_pending": False}).ok(200)
    assert room.texts(ann) == ["server"] and len(waiting(room, ann)) == 3, "what waits goes on waiting"


def test_a_client_cannot_pend_nor_say_anything_about_it(room):
    sent = room.ann.post(f"{room.room.path}/message", {"message": {"text": "x"}, "pending": True, "pending_message_metadata": {"a": "b"}}).ok(201)
    assert "pending_message_metadata" not in sent
    assert room.bob.get(f"/messages/{sent['message']['id']}").ok(200)


@pytest.mark.parametrize("body", [{"pending": "x"}, {"pending": True, "pending_message_metadata": []}, {"pending": True, "pending_message_metadata": {"a": 1}},
                                  {"pending": True, "pending_message_metadata": {"a": "b" * 6000}}])
def test_bad_requests(room, body):
    room.api.post(f"{room.room.path}/message", {"message": {"text": "x", "user_id": room.ann.id}, **body}).fails(400, 4)


def test_commit_is_for_the_server_side(room):
    sent = pend(room.room, room.ann)["message"]
    room.ann.post(f"/messages/{sent['id']}/commit").fails(403, 17)
    room.api.post(f"/messages/{uid('none')}/commit").fails(404, 16)
    room.api.post(f"/messages/{room.room.send(room.ann)['id']}/commit").fails(404, 16)


def test_the_rules_of_sending_hold(room):
    room.api.patch(room.room.path, {"set": {"config_overrides": {"max_message_length": 3}}}).ok(200)
    room.api.post(f"{room.room.path}/message", {"message": {"text": "four", "user_id": room.ann.id}, "pending": True}).fails(400, 20)


# ---- ids ----

def test_a_retry_answers_like_the_first_time(room):
    name = uid("m")
    first = pend(room.room, room.ann, "same", {"a": "b"}, id=name)
    again = pend(room.room, room.ann, "same", {"a": "b"}, id=name)
    assert again["message"] == first["message"] and again["pending_message_metadata"] == {"a": "b"}
    assert waiting(room.room, room.ann) == [name]
    for sender, text in ((room.bob, "same"), (room.ann, "other")):
        room.api.post(f"{room.room.path}/message", {"message": {"text": text, "user_id": sender.id, "id": name}, "pending": True}).fails(400, 4)
    done = commit(room, first["message"])
    late = pend(room.room, room.ann, "same", id=name)
    assert late["message"]["id"] == done["id"] and waiting(room.room, room.ann) == [] and room.room.texts() == ["same"]


def test_an_id_that_was_sent_meanwhile_cannot_be_committed(room):
    name = uid("m")
    pend(room.room, room.ann, "waits", id=name)
    room.room.send(room.bob, "was first", id=name)
    room.api.post(f"/messages/{name}/commit").fails(400, 4)
    assert room.room.texts() == ["was first"]


# ---- going away ----

@pytest.mark.parametrize("who", ["author", "server"])
def test_delete_drops_it(room, who):
    sent = pend(room.room, room.ann)["message"]
    room.bob.delete(f"/messages/{sent['id']}").fails(404, 16)
    gone = (room.ann if who == "author" else room.api).delete(f"/messages/{sent['id']}").ok(200)["message"]
    assert gone["type"] == "deleted" and gone["id"] == sent["id"]
    room.api.get(f"/messages/{sent['id']}").fails(404, 16)
    room.api.post(f"/messages/{sent['id']}/commit").fails(404, 16)
    assert waiting(room.room, room.ann) == []


def test_truncation_takes_it_along(room):
    sent = pend(room.room, room.ann)["message"]
    room.api.post(f"{room.room.path}/truncate", {}).ok()
    assert waiting(room.room, room.ann) == []
    room.api.get(f"/messages/{sent['id']}").fails(404, 16)
    room.api.post(f"/messages/{sent['id']}/commit").fails(404, 16)


@pytest.mark.parametrize("hard", [False, True])
def test_channel_deletion_takes_it_along(room, hard):
    sent = pend(room.room, room.ann)["message"]
    task = room.api.post("/channels/delete", {"cids": [room.room.cid], "hard_delete": hard}).ok(201)["task_id"]
    assert room.task(task)["status"] == "completed"
    room.api.post(f"/messages/{sent['id']}/commit").fails(404, 16)


def test_user_deletion_takes_it_along(room):
    sent = pend(room.room, room.ann)["message"]
    task = room.api.post("/users/delete", {"user_ids": [room.ann.id], "user": "hard", "messages": "hard", "conversations": "hard"}).ok(201)["task_id"]
    assert room.task(task)["status"] == "completed"
    room.api.get(f"/messages/{sent['id']}").fails(404, 16)


def test_a_softly_deleted_author_keeps_it_for_his_return(room):
    sent = pend(room.room, room.ann)["message"]
    task = room.api.post("/users/delete", {"user_ids": [room.ann.id], "messages": "soft"}).ok(201)["task_id"]
    assert room.task(task)["status"] == "completed"
    room.api.post(f"/messages/{sent['id']}/commit").fails(404, 16)
    room.api.post("/users/restore", {"user_ids": [room.ann.id]}).ok(201)
    assert commit(room, sent)["text"] == "wait"


def test_it_survives_a_kill(spawn):
    server = spawn()
    app = server.main
    ann = app.user()
    room = app.channel(ann)
    sent = pend(room, ann, "kept", {"a": "b"})["message"]
    server.kill9()
    server.start()
    assert app.api.get(f"/messages/{sent['id']}").ok(200)["pending_message_metadata"] == {"a": "b"}
    assert commit(app, sent)["text"] == "kept"


def test_applications_do_not_see_each_other(room, other_app):
    sent = pend(room.room, room.ann)["message"]
    other_app.api.get(f"/messages/{sent['id']}").fails(404, 16)
    other_app.api.post(f"/messages/{sent['id']}/commit").fails(404, 16)
    other_app.api.delete(f"/messages/{sent['id']}").fails(404, 16)
