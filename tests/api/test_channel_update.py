"""channels.md §4: channel data, replaced whole (POST) or in part (PATCH)."""
import json

import pytest

from beck import parse_time


@pytest.fixture
def room(app):
    ann, bob = app.users(2)
    return app.channel(ann, bob, name="Room", image="i.png", x=1, y={"a": 1, "b": {"c": 2}}), ann, bob


def shown(channel):
    return channel.app.api.get(channel.path).ok(200)["channel"]


# ---- POST: replace ----

def test_data_replaces_custom_fields(room):
    channel, ann, _ = room
    answer = ann.post(channel.path, {"data": {"name": "New", "z": [1]}}).ok(201)
    for state in (answer["channel"], shown(channel)):
        assert state["name"] == "New" and state["z"] == [1] and not {"x", "y", "image"} & set(state)
    assert len(answer["members"]) == 2


def test_replace_keeps_built_in_state_unless_sent(app, room):
    channel, _, _ = room
    app.api.patch(channel.path, {"set": {"frozen": True, "cooldown": 5}}).ok(200)
    app.api.post(channel.path, {"data": {"z": 1}}).ok(201)
    state = shown(channel)
    assert state["frozen"] is True and state["cooldown"] == 5
    app.api.post(channel.path, {"data": {"frozen": False}}).ok(201)
    assert shown(channel)["frozen"] is False


def test_update_moves_updated_at_and_nothing_else(room):
    channel, ann, _ = room
    before = shown(channel)
    ann.post(channel.path, {"data": {"x": 2}}).ok(201)
    after = shown(channel)
    assert parse_time(after["updated_at"]) > parse_time(before["updated_at"])
    assert after["created_at"] == before["created_at"] and "last_message_at" not in after


def test_system_message_comes_after_the_change(room):
    channel, ann, bob = room
    session = bob.connect()
    bob.watch(session, channel)
    answer = channel.app.api.post(channel.path, {"data": {"name": "New"}, "message": {"text": "renamed", "user_id": ann.id}}).ok(201)
    assert answer["message"]["type"] == "system" and answer["message"]["text"] == "renamed"
    types = [e["type"] for e in session.settle() if e["type"] in ("channel.updated", "message.new")]
    assert types == ["channel.updated", "message.new"]
    assert channel.texts(bob) == ["renamed"] and bob.unread()["total_unread_count"] == 1


@pytest.mark.parametrize("seconds,is_good", [(0, True), (1, True), (120, True), (121, False), (-1, False), ("x", False), (1.5, False)])
def test_cooldown_bounds(app, room, seconds, is_good):
    channel, _, _ = room
    reply = app.api.post(channel.path, {"cooldown": seconds})
    if is_good:
        reply.ok(201)
        assert (shown(channel).get("cooldown") or 0) == seconds
    else:
        reply.fails(400, 4)
        assert not shown(channel).get("cooldown")


def test_filter_tags(app, room):
    channel, _, _ = room
    app.api.post(channel.path, {"add_filter_tags": ["a", "b"]}).ok(201)
    app.api.post(channel.path, {"add_filter_tags": ["b", "c"], "remove_filter_tags": ["a"]}).ok(201)
    assert sorted(shown(channel)["filter_tags"]) == ["b", "c"]


@pytest.mark.parametrize("data", [[], "x", {"filler": "x" * 5200}, {"frozen": "x"}, {"cooldown": 121}], ids=lambda d: json.dumps(d)[:30])
def test_bad_data_is_400_4_and_changes_nothing(app, room, data):
    channel, _, _ = room
    before = shown(channel)
    app.api.post(channel.path, {"data": data}).fails(400, 4)
    assert shown(channel) == before


# ---- PATCH: in part ----

def test_set_and_unset(room):
    channel, ann, _ = room
    answer = ann.patch(channel.path, {"set": {"x": 2, "z": 3, "y.b.c": 4, "y.d": 5}, "unset": ["y.a", "image", "nothing"]}).ok(200)
    for state in (answer["channel"], shown(channel)):
        assert (state["name"], state["x"], state["z"], state["y"]) == ("Room", 2, 3, {"b": {"c": 4}, "d": 5})
        assert "image" not in state
    assert len(answer["members"]) == 2


@pytest.mark.parametrize("key", ["id", "type", "cid", "created_at", "updated_at", "member_count", "created_by", "last_message_at", "members", "config"])
def test_reserved_key_is_400_4(app, room, key):
    channel, _, _ = room
    before = shown(channel)
    app.api.patch(channel.path, {"set": {"x": 9, key: "other"}}).fails(400, 4)
    app.api.patch(channel.path, {"unset": ["x", key]}).fails(400, 4)
    assert shown(channel) == before


def test_honoured_keys(app, room):
    channel, _, _ = room
    app.api.patch(channel.path, {"set": {"frozen": True, "cooldown": 7, "team": "red", "config_overrides": {"replies": False}}}).ok(200)
    state = shown(channel)
    assert (state["frozen"], state["cooldown"], state["team"], state["config"]["replies"]) == (True, 7, "red", False)


def test_misspelt_override_is_custom_data(app, room):
    channel, _, _ = room
    app.api.patch(channel.path, {"set": {"config_override": {"replies": False}}}).ok(200)
    state = shown(channel)
    assert state["config_override"] == {"replies": False} and state["config"]["replies"] is True


@pytest.mark.parametrize("body", [{"set": []}, {"unset": "x"}, {"unset": [7]}, {"set": {"frozen": 1}}, {"set": {"cooldown": 121}}, {"set": {"x.y.z": 1}},
                                  {"set": {"filler": "x" * 5200}}, {"set": {"config_overrides": {"nope": 1}}}], ids=lambda b: json.dumps(b)[:40])
def test_bad_patch_is_400_4_and_changes_nothing(app, room, body):
    channel, _, _ = room
    before = shown(channel)
    app.api.patch(channel.path, body).fails(400, 4)
    assert shown(channel) == before


@pytest.mark.parametrize("key", ["disabled", "team", "config_overrides"])
def test_server_only_keys_are_refused_to_clients(room, key):
    channel, ann, _ = room
    value = {"disabled": True, "team": "red", "config_overrides": {"replies": False}}[key]
    before = shown(channel)
    ann.patch(channel.path, {"set": {key: value}}).fails(403, 17)
    assert shown(channel) == before


def test_disabled_channel_is_closed_to_clients_and_reversible(app, room):
    channel, ann, _ = room
    app.api.patch(channel.path, {"set": {"disabled": True}}).ok(200)
    ann.post(f"{channel.path}/query", {"state": True}).fails(403, 17)
    ann.post(f"{channel.path}/message", {"message": {"text": "x"}}).fails(403, 17)
    assert shown(channel)["disabled"] is True
    app.api.patch(channel.path, {"set": {"disabled": False}}).ok(200)
    assert channel.texts(ann) == []


# ---- events and rights ----

@pytest.mark.parametrize("change", [lambda c, who: who.post(c.path, {"data": {"name": "New"}}), lambda c, who: who.patch(c.path, {"set": {"name": "New"}})],
                         ids=["replace", "patch"])
def test_watchers_are_told(room, transport, change):
    channel, ann, bob = room
    session = bob.connect(transport)
    bob.watch(session, channel)
    change(channel, ann).ok()
    event = session.expect("channel.updated", cid=channel.cid)
    assert event["channel"]["name"] == "New" and event["user"]["id"] == ann.id


def test_who_does_not_watch_is_not_told(room):
    channel, ann, bob = room
    session = bob.connect()
    ann.patch(channel.path, {"set": {"name": "New"}}).ok(200)
    session.expect_none("channel.updated")


def test_plain_member_and_stranger_may_not(app, room):
    channel, _, bob = room
    before = shown(channel)
    for who in (bob, app.user("eve")):
        who.post(channel.path, {"data": {"name": "x"}}).fails(403, 17)
        who.patch(channel.path, {"set": {"name": "x"}}).fails(403, 17)
    assert shown(channel) == before


def test_owner_may_not_freeze(room):
    channel, ann, _ = room
    ann.patch(channel.path, {"set": {"frozen": True}}).fails(403, 17)
    assert shown(channel)["frozen"] is False


def test_unknown_channel_is_404_16(app):
    for reply in (app.api.post("/channels/messaging/no-such-channel", {"data": {}}), app.api.patch("/channels/messaging/no-such-channel", {"set": {"x": 1}})):
        reply.fails(404, 16)


def test_changes_at_the_same_time_are_all_kept(app, room):
    import threading
    channel, _, _ = room
    threads = [threading.Thread(target=lambda n=n: app.api.patch(channel.path, {"set": {f"k{n}": n}}).ok(200)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = shown(channel)
    assert [state[f"k{n}"] for n in range(12)] == list(range(12))
