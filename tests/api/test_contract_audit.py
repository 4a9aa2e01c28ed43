"""Statements of the contract that a line-by-line walk found broken, one test each."""
import json

import pytest

from beck import limit, uid, wait_until

pytestmark = pytest.mark.quick


# ---- channels-and-messages.md §4: "unknown filter field: 400/4 naming the field" ----

@pytest.mark.parametrize("field", ["online", "invisible", "privacy_settings", "devices", "unread_count", "custom"])
def test_built_in_names_that_are_no_user_filter(app, field):
    for caller in (app.api, app.user()):
        refusal = caller.get("/users", payload={"filter_conditions": {"$or": [{"id": "x"}, {field: {"$exists": True}}]}}).fails(400, 4)
        assert list(refusal["exception_fields"]) == [field]
        caller.get("/users", payload={"filter_conditions": {}, "sort": [{"field": field, "direction": 1}]}).fails(400, 4)


@pytest.mark.parametrize("field", ["config", "own_capabilities", "created_by", "deleted_at", "message_count", "truncated_at"])
def test_built_in_names_that_are_no_channel_filter(app, field):
    for caller in (app.api, app.user()):
        refusal = caller.post("/channels", {"filter_conditions": {field: 1}}).fails(400, 4)
        assert list(refusal["exception_fields"]) == [field]
        caller.post("/channels", {"filter_conditions": {}, "sort": [{"field": field, "direction": -1}]}).fails(400, 4)


@pytest.mark.parametrize("field", ["status", "pinned", "pinned_at", "ban_expires", "deleted_messages"])
def test_built_in_names_that_are_no_member_filter(app, field):
    ann = app.user()
    channel = app.channel(ann)
    payload = {"type": channel.type, "id": channel.id}
    refusal = ann.get("/members", payload={**payload, "filter_conditions": {field: True}}).fails(400, 4)
    assert list(refusal["exception_fields"]) == [field]
    ann.get("/members", payload={**payload, "filter_conditions": {"user.mood": "x", "badge": 1}}).ok(200)


def test_custom_keys_are_fields(app):
    ann = app.user(status="busy", level=3)
    channel = app.channel(ann, colour="red", watcher_goal=2)
    assert [u["id"] for u in app.api.get("/users", payload={"filter_conditions": {"id": ann.id, "status": "busy", "level": {"$gt": 2}}}).ok()["users"]] == [ann.id]
    found = ann.post("/channels", {"filter_conditions": {"cid": channel.cid, "colour": "red"}, "sort": [{"field": "watcher_goal"}]}).ok()["channels"]
    assert len(found) == 1


# ---- connection-and-users.md §4.6: "server-side with user_id see what that user would" ----

def test_a_server_query_in_a_users_name_hides_what_he_may_not_see(app):
    ann, bob = app.users(2)
    bob.connect().close()
    seen = wait_until(lambda: app.stored(bob.id).get("last_active"), "he was here")
    bob.update(privacy_settings={"read_receipts": {"enabled": False}})
    bob.connect("ws", {"invisible": True})

    def users(filter, **payload):
        return app.api.get("/users", payload={"filter_conditions": filter, **payload}).ok(200)["users"]
    everything, = users({"id": bob.id})
    assert everything["online"] is True and everything["invisible"] is True and everything["last_active"] > seen
    shown, = users({"id": bob.id}, user_id=ann.id)
    assert shown["online"] is False and shown["last_active"] == seen and not shown.get("invisible") and "privacy_settings" not in shown
    own, = users({"id": bob.id}, user_id=bob.id)
    assert own["online"] is True and own["invisible"] is True and own["privacy_settings"] == {"read_receipts": {"enabled": False}}
    later = {"id": bob.id, "last_active": {"$gt": seen}}
    wait_until(lambda: users(later), "the mark is stored")
    assert users(later, user_id=ann.id) == [] and len(users(later, user_id=bob.id)) == 1


# ---- channels-and-messages.md §2: features that are off say so with the words the SDK suites look for ----

@pytest.mark.parametrize("key,value,words", [("poll_id", "p1", "polls not enabled"),
                                             ("shared_location", {"latitude": 1, "longitude": 2}, "shared locations not enabled")])
def test_features_that_are_not_there_are_400_19(app, key, value, words):
    ann = app.user()
    channel = app.channel(ann)
    for caller, extra in ((ann, {}), (app.api, {"user_id": ann.id})):
        refusal = caller.post(f"{channel.path}/message", {"message": {"text": "x", key: value, **extra}}).fails(400, 19)
        assert words in refusal["message"]
    ann.post(f"{channel.path}/message", {"message": {"text": "none of it", key: None}}).ok(201)
    assert channel.texts() == ["none of it"]


# ---- bad input ----

@pytest.mark.parametrize("entry", [{"cid": "messaging:x"}, {"id": "m"}, {"cid": 1, "id": "m"}, {"cid": "messaging:x", "id": 2}, None])
def test_a_delivered_entry_that_names_nothing_is_400_4(app, entry):
    ann = app.user()
    ann.post("/channels/delivered", {"latest_delivered_messages": [entry]}).fails(400, 4)
    ann.post("/channels/delivered", {"latest_delivered_messages": [{"cid": "messaging:" + uid("no"), "id": "m"}]}).ok(201)


@pytest.mark.parametrize("sort", ['[{"field":"text"}]', '[{"field":"created_at","direction":2}]', '"x"'])
def test_replies_are_sorted_by_created_at_alone(app, sort):
    ann = app.user()
    channel = app.channel(ann)
    parent = ann.send(channel)
    ann.get(f"/messages/{parent['id']}/replies", query={"sort": sort}).fails(400, 4)
    ann.get(f"/messages/{parent['id']}/replies", query={"sort": '{"created_at":1}'}).ok(200)


# ---- channels.md §4: `message` goes "with any verb"; alone it is a system message and needs that right ----

def test_a_message_without_a_change_needs_the_right_to_system_messages(app):
    ann, bob, eve = app.users(3)
    channel, live = app.channel(ann, bob), app.channel(ann, type="livestream")
    for caller, where in ((bob, channel), (eve, live)):
        for verbs in ({}, {"cooldown": 0}, {"add_members": []}, {"data": None}):
            caller.post(where.path, {**verbs, "message": {"text": "pretending to be the system"}}).fails(403, 17)
    assert channel.texts() == [] == live.texts()
    app.api.post(channel.path, {"add_moderators": [eve.id]}).ok(201)
    eve.post(channel.path, {"message": {"text": "by a moderator"}}).ok(201)
    app.api.post(channel.path, {"message": {"text": "by the server", "user_id": ann.id}}).ok(201)
    left = bob.post(channel.path, {"remove_members": [bob.id], "message": {"text": "Bob has left"}}).ok(201)
    assert left["message"]["type"] == "system"
    assert channel.texts() == ["by a moderator", "by the server", "Bob has left"]


# ---- channels.md §4: PATCH needs update-channel, also when it changes nothing ----

@pytest.mark.parametrize("body", [{"set": {}}, {"set": {"frozen": False}}, {"set": {"cooldown": 0}}, {"unset": []}, {"unset": ["frozen"]}, {"unset": ["cooldown"]}])
def test_an_empty_change_needs_the_right_too(app, body):
    ann, bob, eve = app.users(3)
    channel, live = app.channel(ann, bob), app.channel(ann, type="livestream")
    session = ann.connect()
    ann.watch(session, channel, live)
    session.settle()
    before = channel.state()["channel"]["updated_at"]
    bob.patch(channel.path, body).fails(403, 17)
    eve.patch(live.path, body).fails(403, 17)
    session.expect_none("channel.updated")
    assert channel.state()["channel"]["updated_at"] == before
    ann.patch(channel.path, body).ok(200)


# ---- connection-and-users.md §1.7: "HTTP 429 adds header Retry-After" ----

def test_too_many_connections_say_when_to_come_again(app):
    ann = app.user()
    sessions = [ann.connect() for _ in range(limit("CONNS_PER_USER"))]
    payload = {"user_id": ann.id, "user_details": {"id": ann.id}}
    reply = ann.get("/longpoll", query={"json": json.dumps(payload)})
    reply.fails(429, 9)
    assert int(reply.headers["Retry-After"]) > 0
    sessions[0].close()
    ann.connect("longpoll")


# ---- messages.md §4: the editor of a server call "may differ from the author and need be no member" ----

def test_a_server_changes_a_message_that_its_user_has_cleared_from_view(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    sent = channel.send(ann, "old")
    ann.post(f"{channel.path}/hide", {"clear_history": True}).ok(201)
    path = f"/messages/{sent['id']}"
    ann.post(path, {"message": {"text": "no"}}).fails(404, 16)
    ann.get(path).fails(404, 16)
    app.api.post(path, {"message": {"text": "new", "user_id": ann.id}}).ok(201)
    app.api.put(path, {"set": {"x": 1}, "user_id": ann.id}).ok(200)
    app.api.delete(path, query={"deleted_by": ann.id}).ok(200)
    app.api.post(f"{path}/undelete", {"undeleted_by": ann.id}).ok(201)
    assert channel.texts(bob) == ["new"] and channel.texts(ann) == []


# ---- connection-and-users-events.md §6.1: what cannot be opened is not unread for ever ----

def test_replies_below_a_cleared_history_are_nobodys_unread_thread(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    parent = channel.send(ann, "old")
    ann.post(f"{channel.path}/hide", {"clear_history": True}).ok(201)
    session = ann.connect()
    channel.send(bob, "a reply", parent_id=parent["id"])
    ann.get(f"/messages/{parent['id']}/replies").fails(404, 16)
    summary = ann.unread()
    assert summary["total_unread_threads_count"] == 0 and summary["threads"] == []
    assert ann.connect().me["unread_threads"] == 0
    counted = [e["unread_threads"] for e in session.settle() if "unread_threads" in e]
    assert not any(counted), counted


# ---- connection-and-users-events.md §1: "multi-tenancy (different team: no)" ----

def test_nobody_joins_a_channel_of_another_team(own_app):
    own_app.api.patch("/app", {"multi_tenant_enabled": True}).ok(200)
    red, = own_app.users(1, teams=["red"])
    blue, = own_app.users(1, teams=["blue"])
    channel = own_app.channel(red, team="red")
    session = blue.connect()
    for body in ({"add_members": [blue.id]}, {"invites": [blue.id]}, {"add_moderators": [blue.id]}):
        for caller in (red, own_app.api):
            refusal = caller.post(channel.path, body).fails(400, 4)
            assert blue.id in refusal["message"]
    own_app.api.post(f"/channels/messaging/{uid('ch')}/query", {"data": {"created_by_id": red.id, "team": "red", "members": [red.id, blue.id]}}).fails(400, 4)
    red.send(channel)
    session.expect_none()
    assert [m["user_id"] for m in channel.state()["members"]] == [red.id]


# ---- connection-and-users-events.md §5.3: a watch is lost "on loss of read permission" ----

def test_a_disabled_channel_loses_its_watchers(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session = ann.connect()
    ann.watch(session, channel)
    session.settle()
    app.api.patch(channel.path, {"set": {"disabled": True}}).ok(200)
    session.expect("channel.updated")
    app.api.post(f"{channel.path}/event", {"event": {"type": "secret_news", "user_id": bob.id}}).ok(201)
    session.expect_none()
    app.api.patch(channel.path, {"set": {"disabled": False}}).ok(200)
    assert channel.state()["watcher_count"] == 0
    ann.watch(session, channel)
    bob.send(channel)
    session.expect("message.new")
