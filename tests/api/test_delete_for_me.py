"""messages.md §4: deleting a message for oneself. His own view loses it everywhere, nobody else's changes."""
import pytest

from beck import format_time, ids, now_us, parse_time, uid


@pytest.fixture
def room(app):
    ann, bob = app.users(2)
    return app.channel(ann, bob), ann, bob


def for_me(caller, message, **query):
    return caller.delete(f"/messages/{message['id']}", query={"delete_for_me": True, **query})


# ---- the answer ----

def test_the_answer_is_a_tombstone_of_his_own(app, room):
    channel, ann, bob = room
    sent = channel.send(ann, "text", color="red", attachments=[{"type": "a"}])
    answer = for_me(bob, sent).ok(200)["message"]
    assert (answer["id"], answer["type"], answer["text"], answer["attachments"], answer["deleted_for_me"]) == (sent["id"], "deleted", "", [], True)
    assert parse_time(answer["deleted_at"]) > parse_time(sent["created_at"]) and "color" not in answer
    assert for_me(bob, sent).ok(200)["message"]["deleted_for_me"] is True  # once more changes nothing
    seen = ann.get(f"/messages/{sent['id']}").ok(200)["message"]
    assert (seen["text"], seen["type"]) == ("text", "regular") and "deleted_for_me" not in seen and "deleted_at" not in seen


def test_a_server_call_names_whose_view(app, room):
    channel, ann, bob = room
    sent = channel.send(ann, "text")
    for_me(app.api, sent).fails(400, 4)
    for_me(app.api, sent, deleted_by=uid("nobody")).fails(404, 16)
    assert for_me(app.api, sent, deleted_by=bob.id).ok(200)["message"]["deleted_for_me"] is True
    bob.get(f"/messages/{sent['id']}").fails(404, 16)
    assert app.api.get(f"/messages/{sent['id']}").ok(200)["message"]["text"] == "text"


def test_refused(app, room):
    channel, ann, bob = room
    sent = channel.send(ann)
    for_me(bob, sent, hard=True).fails(400, 4)
    bob.delete(f"/messages/{sent['id']}", query={"delete_for_me": "x"}).fails(400, 4)
    for_me(bob, {"id": uid("none")}).fails(404, 16)
    for_me(app.user("eve"), sent).fails(403, 17)
    secret = channel.send(ann, "secret", restricted_visibility=[ann.id])
    for_me(bob, secret).fails(404, 16)
    assert channel.texts(bob) == ["hello"]


def test_it_needs_no_right_to_delete(app, room):
    channel, ann, bob = room
    system = app.api.post(f"{channel.path}/message", {"message": {"text": "s", "type": "system", "user_id": ann.id}}).ok(201)["message"]
    for_me(bob, system).ok(200)
    assert channel.texts(bob) == [] and channel.texts(ann) == ["s"]


# ---- every view of his ----

def test_channel_lists(app, room):
    channel, ann, bob = room
    sent = [channel.send(ann, str(i)) for i in range(6)]
    for i in (1, 5):
        for_me(bob, sent[i]).ok(200)
    assert channel.texts(bob) == ["0", "2", "3", "4"] and channel.texts(ann) == channel.texts() == [str(i) for i in range(6)]
    assert channel.texts(bob, messages={"limit": 2}) == ["3", "4"]
    assert channel.texts(bob, messages={"limit": 2, "id_lt": sent[2]["id"]}) == ["0"]
    assert channel.texts(bob, messages={"limit": 2, "id_gt": sent[0]["id"]}) == ["2", "3"]
    assert channel.texts(bob, messages={"limit": 3, "id_around": sent[2]["id"]}) == ["0", "2", "3"]
    assert channel.texts(bob, messages={"limit": 2, "created_at_after_or_equal": sent[1]["created_at"]}) == ["2", "3"]
    bob.post(f"{channel.path}/query", {"state": True, "messages": {"id_lt": sent[1]["id"]}}).fails(404, 16)
    found = bob.post("/channels", {"filter_conditions": {"cid": channel.cid}, "state": True, "message_limit": 1}).ok(201)["channels"][0]
    assert [m["text"] for m in found["messages"]] == ["4"]
    as_bob = app.api.post("/channels", {"filter_conditions": {"cid": channel.cid}, "state": True, "user_id": bob.id}).ok(201)["channels"][0]
    assert [m["text"] for m in as_bob["messages"]] == ["0", "2", "3", "4"]


def test_single_and_many_and_pinned(app, room):
    channel, ann, bob = room
    sent = [channel.send(ann, str(i), pinned=True) for i in range(3)]
    for_me(bob, sent[1]).ok(200)
    bob.get(f"/messages/{sent[1]['id']}").fails(404, 16)
    found = bob.get(f"{channel.path}/messages", query={"ids": ",".join(ids(sent))}).ok(200)["messages"]
    assert [m["text"] for m in found] == ["0", "2"]
    assert [m["text"] for m in bob.get(f"{channel.path}/pinned_messages").ok(200)["messages"]] == ["2", "0"]
    assert sorted(m["text"] for m in channel.state(bob)["pinned_messages"]) == ["0", "2"]
    assert len(channel.state(ann)["pinned_messages"]) == 3


def test_he_cannot_act_on_it(app, room):
    channel, ann, bob = room
    sent = bob.send(channel, "mine")
    for_me(bob, sent).ok(200)
    bob.post(f"/messages/{sent['id']}", {"message": {"text": "x"}}).fails(404, 16)
    bob.put(f"/messages/{sent['id']}", {"set": {"text": "x"}}).fails(404, 16)
    bob.get(f"/messages/{sent['id']}/replies").fails(404, 16)
    bob.post(f"{channel.path}/message", {"message": {"text": "x", "parent_id": sent["id"]}}).fails(404, 16)
    bob.post(f"{channel.path}/message", {"message": {"text": "x", "quoted_message_id": sent["id"]}}).fails(404, 16)
    bob.post(f"{channel.path}/unread", {"message_id": sent["id"]}).fails(404, 16)
    assert ann.get(f"/messages/{sent['id']}").ok(200)["message"]["text"] == "mine"


def test_replies_and_threads(app, room):
    channel, ann, bob = room
    parent = channel.send(bob, "parent")
    replies = [channel.send(ann, f"r{i}", parent_id=parent["id"]) for i in range(3)]
    for_me(bob, replies[1]).ok(200)
    assert [m["text"] for m in bob.get(f"/messages/{parent['id']}/replies").ok(200)["messages"]] == ["r0", "r2"]
    thread = bob.get(f"/threads/{parent['id']}", query={"reply_limit": 5}).ok(200)["thread"]
    assert [m["text"] for m in thread["latest_replies"]] == ["r0", "r2"]
    assert bob.unread()["total_unread_threads_count"] == 1
    for_me(bob, replies[0]).ok(200)
    for_me(bob, replies[2]).ok(200)
    assert bob.unread()["total_unread_threads_count"] == 0
    channel.send(ann, "r3", parent_id=parent["id"])
    assert bob.unread()["total_unread_threads_count"] == 1
    for_me(bob, parent).ok(200)
    assert bob.unread()["total_unread_threads_count"] == 0 and bob.post("/threads", {}).ok(201)["threads"] == []
    bob.get(f"/threads/{parent['id']}").fails(404, 16)
    assert len(ann.get(f"/messages/{parent['id']}/replies").ok(200)["messages"]) == 4 and len(ann.post("/threads", {}).ok(201)["threads"]) == 1


def test_quotes_of_it_are_tombstones(app, room):
    channel, ann, bob = room
    sent = channel.send(ann, "quoted words")
    quote = channel.send(ann, "see above", quoted_message_id=sent["id"])
    for_me(bob, sent).ok(200)
    for shown in (channel.state(bob)["messages"][-1], bob.get(f"/messages/{quote['id']}").ok(200)["message"],
                  bob.get(f"{channel.path}/messages", query={"ids": quote["id"]}).ok(200)["messages"][0]):
        assert shown["text"] == "see above" and shown["quoted_message"]["type"] == "deleted" and shown["quoted_message"]["text"] == ""
    assert channel.state(ann)["messages"][-1]["quoted_message"]["text"] == "quoted words"


def test_the_member_lists_what_he_deleted(app, room):
    channel, ann, bob = room
    sent = [channel.send(ann, str(i)) for i in range(3)]
    for i in (2, 0):
        for_me(bob, sent[i]).ok(200)
    wanted = [sent[2]["id"], sent[0]["id"]]
    state = channel.state(bob)
    assert state["membership"]["deleted_messages"] == wanted
    assert {m["user_id"]: m.get("deleted_messages") for m in state["members"]} == {ann.id: None, bob.id: wanted}
    payload = {"type": channel.type, "id": channel.id, "filter_conditions": {}}
    assert {m["user_id"]: m.get("deleted_messages") for m in bob.get("/members", payload=payload).ok(200)["members"]} == {ann.id: None, bob.id: wanted}
    for members in (channel.state(ann)["members"], ann.get("/members", payload=payload).ok(200)["members"]):  # his own business
        assert all("deleted_messages" not in m for m in members)
    assert {m["user_id"]: m.get("deleted_messages") for m in channel.state()["members"]} == {ann.id: None, bob.id: wanted}
    app.api.delete(f"/messages/{sent[2]['id']}", query={"hard": True}).ok(200)
    assert channel.state(bob)["membership"]["deleted_messages"] == [sent[0]["id"]]


def test_one_deletion_says_nothing_of_other_channels(app, room):
    channel, ann, bob = room
    other = app.channel(ann, bob)
    for_me(bob, channel.send(ann)).ok(200)
    sent = other.send(ann, "there")
    assert other.texts(bob) == ["there"] and "deleted_messages" not in other.state(bob)["membership"]
    assert bob.get(f"/messages/{sent['id']}").ok(200)


def test_an_unread_message_no_longer_counts(app, room):
    channel, ann, bob = room
    sent = [channel.send(ann, str(i)) for i in range(3)]
    session = bob.connect()
    assert session.me["total_unread_count"] == 3
    for_me(bob, sent[1]).ok(200)
    event = session.expect("message.deleted")
    assert (event["total_unread_count"], event["unread_channels"]) == (2, 1)
    assert bob.unread()["total_unread_count"] == 2 and channel.read_of(bob, bob)["unread_messages"] == 2
    app.api.delete(f"/messages/{sent[1]['id']}").ok(200)  # for all: it had not counted for him
    app.api.delete(f"/messages/{sent[0]['id']}").ok(200)
    assert bob.unread()["total_unread_count"] == 1
    again = bob.connect()
    assert again.me["total_unread_count"] == 1
    channel.send(ann, "new")
    assert session.expect("notification.message_new")["total_unread_count"] == 2
    assert bob.post("/channels", {"filter_conditions": {"cid": channel.cid, "has_unread": True}}).ok(201)["channels"]
    for message in channel.state(bob)["messages"]:
        if message["type"] != "deleted":
            for_me(bob, message).ok(200)
    assert bob.post("/channels", {"filter_conditions": {"cid": channel.cid, "has_unread": True}}).ok(201)["channels"] == []


# ---- events ----

def test_his_own_sessions_are_told_and_no_others(app, room, transport):
    channel, ann, bob = room
    sent = channel.send(ann, "text")
    watching, other, foreign = bob.connect(transport), bob.connect(transport), ann.connect(transport)
    bob.watch(watching, channel)
    ann.watch(foreign, channel)
    for_me(bob, sent).ok(200)
    for session in (watching, other):
        event = session.expect("message.deleted", cid=channel.cid)
        assert event["deleted_for_me"] is True and event["hard_delete"] is False and event["user"]["id"] == bob.id
        assert event["message"]["id"] == sent["id"] and event["message"]["text"] == "" and event["message"]["deleted_for_me"] is True
    foreign.expect_none("message.deleted")
    for_me(bob, sent).ok(200)
    watching.expect_none("message.deleted")


def test_what_others_do_to_it_is_not_told_to_him(app, room):
    channel, ann, bob = room
    eve = app.user("eve")
    app.api.post(channel.path, {"add_members": [eve.id]}).ok(201)
    sent = channel.send(ann, "text")
    kept = channel.send(ann, "kept")
    for_me(bob, sent).ok(200)
    sessions = {user.id: user.connect() for user in (ann, bob, eve)}
    for user in (ann, bob, eve):
        user.watch(sessions[user.id], channel)
    for message in (sent, kept):
        app.api.post(f"/messages/{message['id']}", {"message": {"text": "edited", "user_id": ann.id}}).ok(201)
        app.api.delete(f"/messages/{message['id']}").ok(200)
        app.api.post(f"/messages/{message['id']}/undelete", {}).ok(201)
        app.api.delete(f"/messages/{message['id']}", query={"hard": True}).ok(200)
    types = ["message.updated", "message.deleted", "message.undeleted", "message.deleted"]
    for user in (ann, bob, eve):
        came = [(e["type"], e["message"]["id"]) for e in sessions[user.id].settle() if e["type"] in types]
        assert came == [(t, m["id"]) for m in ((kept,) if user is bob else (sent, kept)) for t in types]


def test_restricted_messages_stay_with_the_others(app, room):
    channel, ann, bob = room
    sent = channel.send(ann, "text", restricted_visibility=[ann.id, bob.id])
    for_me(bob, sent).ok(200)
    sessions = [ann.connect(), bob.connect()]
    ann.watch(sessions[0], channel)
    bob.watch(sessions[1], channel)
    app.api.post(f"/messages/{sent['id']}", {"message": {"text": "edited", "user_id": ann.id}}).ok(201)
    sessions[0].expect("message.updated")
    sessions[1].expect_none("message.updated")


def test_resume_and_sync(app, room, transport):
    channel, ann, bob = room
    session = bob.connect(transport, resume=True)
    bob.watch(session, channel)
    first, last = channel.send(ann, "first"), channel.send(ann, "last")
    session.expect("message.new")
    session.expect("message.new")
    since = format_time(now_us() - 60_000_000)
    place = session.resume_from(watch=[channel])
    session.drop()
    gone = channel.send(ann, "gone")
    for message in (first, gone):
        for_me(bob, message).ok(200)
        app.api.post(f"/messages/{message['id']}", {"message": {"text": "edited", "user_id": ann.id}}).ok(201)
    channel.send(ann, "end", quoted_message_id=first["id"])
    again = bob.connect(transport, resume=True, resume_from=place)
    came = [e for e in again.settle() if e["type"].startswith(("message.", "notification.message"))]
    assert [(e["type"], e["message"]["id"] if e["type"] == "message.deleted" else e["message"]["text"]) for e in came] == [
        ("message.deleted", first["id"]), ("message.deleted", gone["id"]), ("message.new", "end")]
    assert all(e["deleted_for_me"] and e["message"]["text"] == "" for e in came[:2]) and came[2]["message"]["quoted_message"]["text"] == ""
    events = bob.post("/sync", {"channel_cids": [channel.cid], "last_sync_at": since}).ok(201)["events"]
    about = [(e["type"], e["message"]["id"]) for e in events if e["type"].startswith("message.") and "message" in e]
    assert [t for t, i in about if i == first["id"]] == [t for t, i in about if i == gone["id"]] == ["message.deleted"]
    assert ("message.new", last["id"]) in about
    others = ann.post("/sync", {"channel_cids": [channel.cid], "last_sync_at": since}).ok(201)["events"]
    assert not any(e.get("deleted_for_me") for e in others)
    assert {"first", "gone"} & {e["message"]["text"] for e in others if e["type"] == "message.new"} == set()  # edited since, and there
    assert first["id"] in {e["message"]["id"] for e in others if e["type"] == "message.new"}


# ---- how long it lasts ----

def test_it_survives_leaving_and_a_crash(spawn):
    server = spawn()
    app = server.main
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    sent = channel.send(ann, "text")
    for_me(bob, sent).ok(200)
    server.kill9()
    server.start()
    assert channel.texts(bob) == []
    app.api.post(channel.path, {"remove_members": [bob.id]}).ok(201)
    app.api.post(channel.path, {"add_members": [bob.id]}).ok(201)
    assert channel.texts(bob) == [] and channel.state(bob)["membership"]["deleted_messages"] == [sent["id"]]


def test_a_message_deleted_for_all_is_gone_for_him_too(app, room):
    channel, ann, bob = room
    sent = channel.send(ann, "text")
    app.api.delete(f"/messages/{sent['id']}").ok(200)
    assert [m["type"] for m in channel.state(bob)["messages"]] == ["deleted"]
    for_me(bob, sent).ok(200)
    assert channel.state(bob)["messages"] == [] and len(channel.state(ann)["messages"]) == 1
    app.api.post(f"/messages/{sent['id']}/undelete", {}).ok(201)
    assert channel.texts(bob) == [] and channel.texts(ann) == ["text"]


def test_it_goes_with_message_channel_and_user(spawn):
    import subprocess

    from beck import BECKD
    server = spawn()
    app = server.main
    ann, bob, eve = app.users(3)
    channel, other = app.channel(ann, bob, eve), app.channel(ann, bob, eve)
    for place in (channel, other):
        parent = place.send(ann, "parent")
        for message in (parent, place.send(ann, "reply", parent_id=parent["id"]), place.send(ann, "more")):
            for_me(bob, message).ok(200)
            for_me(eve, message).ok(200)
    name = place.send(ann, "old", id=uid("m"))
    for_me(bob, name).ok(200)
    app.api.delete(f"/messages/{name['id']}", query={"hard": True}).ok(200)
    place.send(ann, "new", id=name["id"])
    assert place.texts(bob) == ["new"]
    app.api.delete(f"/messages/{parent['id']}", query={"hard": True}).ok(200)
    result = app.api.post("/channels/delete", {"cids": [channel.cid], "hard_delete": True}).ok(201)
    assert app.task(result["task_id"])["status"] == "completed"
    task = app.api.post("/users/delete", {"user_ids": [eve.id], "user": "hard", "messages": "hard", "conversations": "hard"}).ok(201)["task_id"]
    assert app.task(task)["status"] == "completed"
    checked = subprocess.run([BECKD, "check", "--data", str(server.data)], check=False, timeout=60, capture_output=True)
    assert checked.returncode == 0, checked.stdout
    assert len(place.state(bob)["membership"]["deleted_messages"]) == 1
