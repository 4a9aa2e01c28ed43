"""messages.md §4: earlier versions of messages, for the server side."""
import json

import pytest

from beck import parse_time, uid


@pytest.fixture
def room(app):
    ann, bob = app.users(2)
    return app.channel(ann, bob), ann, bob


def history(app, message_id, **body):
    return app.api.post("/messages/history", {"filter": {"message_id": message_id}, **body}).ok(201)


def entries(app, message_id, **body):
    return history(app, message_id, **body)["message_history"]


def texts(page):
    return [e["text"] for e in page["message_history"]]


def edit(app, editor, message, text, **fields):
    return app.api.post(f"/messages/{message['id']}", {"message": {"text": text, "user_id": editor.id, **fields}}).ok(201)["message"]


# ---- what is kept ----

def test_two_edits_give_two_earlier_versions(app, room):
    channel, ann, bob = room
    sent = channel.send(ann, "first", color="red", attachments=[{"type": "a", "title": "one"}])
    second = edit(app, ann, sent, "second", color="blue")
    edit(app, bob, sent, "third")
    newest, oldest = entries(app, sent["id"])
    assert oldest == {"message_id": sent["id"], "message_updated_by_id": ann.id, "message_updated_at": sent["created_at"], "text": "first",
                      "attachments": [{"type": "a", "title": "one"}], "is_deleted": False, "color": "red"}
    assert newest == {"message_id": sent["id"], "message_updated_by_id": ann.id, "message_updated_at": second["updated_at"], "text": "second",
                      "attachments": [], "is_deleted": False, "color": "blue"}
    edit(app, ann, sent, "fourth")
    assert [(e["text"], e["message_updated_by_id"]) for e in entries(app, sent["id"])] == [("third", bob.id), ("second", ann.id), ("first", ann.id)]


def test_an_unedited_message_has_none(app, room):
    channel, ann, _ = room
    assert entries(app, channel.send(ann)["id"]) == []


def test_partial_edits_are_versions(app, room):
    channel, ann, _ = room
    sent = channel.send(ann, "text", data={"a": 1})
    ann.put(f"/messages/{sent['id']}", {"set": {"data.b": 2}}).ok(200)
    ann.put(f"/messages/{sent['id']}", {"set": {"attachments": [{"type": "x"}]}}).ok(200)
    ann.put(f"/messages/{sent['id']}", {"unset": ["data"]}).ok(200)
    kept = entries(app, sent["id"], sort=[{"field": "message_updated_at", "direction": 1}])
    assert [e["data"] for e in kept] == [{"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2}]
    assert [e["attachments"] for e in kept] == [[], [], [{"type": "x"}]]


def test_a_pin_is_no_version(app, room):
    channel, ann, _ = room
    sent = channel.send(ann, "text", color="red")
    app.api.put(f"/messages/{sent['id']}", {"set": {"pinned": True}, "user_id": ann.id}).ok(200)
    edit(app, ann, sent, "text", color="red")
    assert entries(app, sent["id"]) == []


def test_a_refused_edit_leaves_none(app, room):
    channel, ann, _ = room
    sent = channel.send(ann, "text")
    ann.put(f"/messages/{sent['id']}", {"set": {"text": "x" * 6000}}).fails(400, 20)
    assert entries(app, sent["id"]) == []


def test_deleting_and_undoing_it(app, room):
    channel, ann, bob = room
    sent = channel.send(ann, "text", color="red")
    app.api.delete(f"/messages/{sent['id']}", query={"deleted_by": bob.id}).ok(200)
    assert [(e["text"], e["color"], e["is_deleted"]) for e in entries(app, sent["id"])] == [("text", "red", False)]
    app.api.delete(f"/messages/{sent['id']}", query={"deleted_by": bob.id}).ok(200)
    assert len(entries(app, sent["id"])) == 1
    app.api.post(f"/messages/{sent['id']}/undelete", {"undeleted_by": ann.id}).ok(201)
    edit(app, ann, sent, "more")
    assert [(e["text"], e["is_deleted"], e["message_updated_by_id"]) for e in entries(app, sent["id"])] == [
        ("text", False, ann.id), ("", True, bob.id), ("text", False, ann.id)]


def test_an_edit_by_nobody_counts_as_the_authors(app, room):
    channel, ann, _ = room
    sent = channel.send(ann, "one")
    app.api.put(f"/messages/{sent['id']}", {"set": {"text": "two"}}).ok(200)
    edit(app, ann, sent, "three")
    assert [e["message_updated_by_id"] for e in entries(app, sent["id"])] == [ann.id, ann.id]


def test_custom_keys_do_not_take_the_place_of_built_in_ones(app, room):
    channel, ann, _ = room
    sent = channel.send(ann, "one", message_id="x", is_deleted="x", message_updated_by_id="x", message_updated_at="x", color="red")
    edit(app, ann, sent, "two")
    raw = app.api.post("/messages/history", {"filter": {"message_id": sent["id"]}})
    assert raw.body.count(b'"message_id"') == raw.body.count(b'"is_deleted"') == 1
    assert raw.ok(201)["message_history"][0]["message_id"] == sent["id"] and raw.json["message_history"][0]["color"] == "red"


def test_dialect_2_nests_custom_data(app, room):
    channel, ann, _ = room
    sent = channel.send(ann, "one", color="red")
    edit(app, ann, sent, "two")
    edit(app, ann, sent, "three")
    newest, oldest = app.api.post("/api/v2/chat/messages/history", {"filter": {"message_id": sent["id"]}}).ok(201)["message_history"]
    assert oldest == {"message_id": sent["id"], "message_updated_by_id": ann.id, "message_updated_at": parse_time(sent["created_at"]) * 1000,
                      "text": "one", "attachments": [], "is_deleted": False, "custom": {"color": "red"}}
    assert newest["custom"] == {}


def test_the_history_survives_a_crash(spawn):
    server = spawn()
    app = server.main
    ann = app.user()
    sent = app.channel(ann).send(ann, "one")
    edit(app, ann, sent, "two")
    server.kill9()
    server.start()
    assert [e["text"] for e in entries(app, sent["id"])] == ["one"]


# ---- finding ----

def test_filters(app, room):
    channel, ann, bob = room
    first, second, third = (channel.send(ann, f"{i}") for i in range(3))
    for message in (first, second, third):
        edit(app, bob, message, message["text"] + "b")
        edit(app, ann, message, message["text"] + "c")

    def find(filter):
        return sorted(texts(app.api.post("/messages/history", {"filter": filter}).ok(201)))
    assert find({"message_id": {"$eq": first["id"]}}) == ["0", "0b"]
    assert find({"message_id": {"$in": [first["id"], third["id"], "none"]}}) == ["0", "0b", "2", "2b"]
    assert find({"message_id": {"$in": [first["id"], third["id"]]}, "user_id": bob.id}) == ["0b", "2b"]
    assert find({"message_id": first["id"], "user_id": {"$in": [ann.id, "none"]}}) == ["0"]
    assert find({"$and": [{"message_id": first["id"]}, {"user_id": bob.id}]}) == ["0b"]
    assert find({"message_id": uid("none")}) == []


@pytest.mark.parametrize("body", [
    {}, {"filter": {}}, {"filter": None}, {"filter": []}, {"filter": {"user_id": "x"}}, {"filter": {"message_id": 7}}, {"filter": {"message_id": {"$gt": "a"}}},
    {"filter": {"message_id": {"$in": "a"}}}, {"filter": {"message_id": "a", "text": "x"}}, {"filter": {"$or": [{"message_id": "a"}, {"user_id": "b"}]}},
    {"filter": {"message_id": "a"}, "sort": [{"field": "text"}]}, {"filter": {"message_id": "a"}, "limit": 101}, {"filter": {"message_id": "a"}, "limit": -1},
    {"filter": {"message_id": "a"}, "limit": "x"}, {"next": "rubbish"}, {"next": "e30"}, {"prev": "W10"}, {"next": 7}], ids=lambda b: json.dumps(b)[:60])
def test_bad_requests(app, body):
    app.api.post("/messages/history", body).fails(400, 4)


def test_it_is_for_the_server_side(app, room):
    channel, ann, _ = room
    ann.post("/messages/history", {"filter": {"message_id": channel.send(ann)["id"]}}).fails(403, 17)


def test_pages(app, room):
    channel, ann, _ = room
    sent = channel.send(ann, "v0")
    for i in range(1, 8):
        edit(app, ann, sent, f"v{i}")
    first = history(app, sent["id"], limit=3)
    assert texts(first) == ["v6", "v5", "v4"] and "prev" not in first
    edit(app, ann, sent, "v8")  # moves no page
    second = app.api.post("/messages/history", {"next": first["next"], "limit": 3, "sort": [{"field": "message_updated_at", "direction": 1}]}).ok(201)
    assert texts(second) == ["v3", "v2", "v1"]
    third = app.api.post("/messages/history", {"next": second["next"], "limit": 3}).ok(201)
    assert texts(third) == ["v0"] and "next" not in third
    back = app.api.post("/messages/history", {"prev": third["prev"], "limit": 3}).ok(201)
    assert texts(back) == texts(second)
    back = app.api.post("/messages/history", {"prev": back["prev"], "limit": 3}).ok(201)
    assert texts(back) == ["v6", "v5", "v4"]
    back = app.api.post("/messages/history", {"prev": back["prev"], "limit": 3}).ok(201)
    assert texts(back) == ["v7"] and "prev" not in back
    assert texts(app.api.post("/messages/history", {"next": back["next"], "limit": 1}).ok(201)) == ["v6"]
    app.api.post("/messages/history", {"next": first["next"], "prev": third["prev"]}).fails(400, 4)


def test_pages_upwards(app, room):
    channel, ann, _ = room
    sent = [channel.send(ann, f"{i}.0") for i in range(2)]
    for version in range(1, 4):
        for i, message in enumerate(sent):
            edit(app, ann, message, f"{i}.{version}")
    body = {"filter": {"message_id": {"$in": [m["id"] for m in sent]}}, "sort": [{"field": "message_updated_at", "direction": 1}], "limit": 2}
    got, page = [], app.api.post("/messages/history", body).ok(201)
    while True:
        got += texts(page)
        if "next" not in page:
            break
        page = app.api.post("/messages/history", {"next": page["next"], "limit": 2}).ok(201)
    assert got == ["0.0", "1.0", "0.1", "1.1", "0.2", "1.2"]


def test_the_default_page(app, room):
    channel, ann, _ = room
    sent = channel.send(ann, "v0")
    for i in range(1, 28):
        edit(app, ann, sent, f"v{i}")
    assert len(entries(app, sent["id"])) == len(entries(app, sent["id"], limit=0)) == 25
    assert len(entries(app, sent["id"], limit=100)) == 27


# ---- what ends it ----

def test_it_goes_with_what_it_belongs_to(app, room):
    channel, ann, bob = room
    gone, parent, stays = channel.send(ann, "1"), channel.send(ann, "2"), channel.send(ann, "3")
    reply = channel.send(bob, "4", parent_id=parent["id"])
    for message in (gone, parent, reply, stays):
        edit(app, ann, message, message["text"] + "b")
        assert len(entries(app, message["id"])) == 1
    app.api.delete(f"/messages/{gone['id']}", query={"hard": True}).ok(200)
    app.api.delete(f"/messages/{parent['id']}", query={"hard": True}).ok(200)
    for message in (gone, parent, reply):
        assert entries(app, message["id"]) == []
    assert len(entries(app, stays["id"])) == 1
    app.api.post(f"{channel.path}/truncate", {}).ok(201)
    assert entries(app, stays["id"]) == []


def test_a_new_message_of_the_same_id_begins_anew(app, room):
    channel, ann, _ = room
    name = uid("m")
    sent = channel.send(ann, "old", id=name)
    edit(app, ann, sent, "older")
    app.api.delete(f"/messages/{name}", query={"hard": True}).ok(200)
    channel.send(ann, "new", id=name)
    assert entries(app, name) == []


def test_an_erased_writer_has_no_name(app, room):
    channel, ann, _ = room
    bob = app.user()
    sent = channel.send(ann, "one")
    edit(app, bob, sent, "two")
    edit(app, ann, sent, "three")
    task = app.api.post("/users/delete", {"user_ids": [bob.id], "user": "hard", "messages": "hard", "conversations": "hard"}).ok(201)["task_id"]
    assert app.task(task)["status"] == "completed"
    assert [(e["text"], e["message_updated_by_id"]) for e in entries(app, sent["id"])] == [("two", ""), ("one", ann.id)]
