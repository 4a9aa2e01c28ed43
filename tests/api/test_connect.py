"""connection-and-users.md §2.1-2.5: opening a session, what it does to the stored user, and the first health.check."""
import json
import time

import pytest

from beck import ConnectRefused, LongPollSession, TIMESTAMP, WebSocketSession, limit, parse_time, uid, wait_until

pytestmark = pytest.mark.quick


def connect_raw(user, transport, payload):
    """A connect whose `json` is any text."""
    session = {"ws": WebSocketSession, "longpoll": LongPollSession}[transport](user, payload)
    user.app.sessions.append(session)
    return session


def refused_raw(user, transport, payload):
    with pytest.raises(ConnectRefused) as refusal:
        connect_raw(user, transport, payload)
    return refusal.value


@pytest.fixture
def john(app):
    return app.as_user(uid("john"))


# ---- success ----

def test_first_event_is_a_health_check_with_me(app, john, transport):
    session = john.connect(transport)
    assert session.first["type"] == "health.check" and session.first["cid"] == "*"
    assert session.me["id"] == john.id
    session.expect_none("connection.ok", "health.check")


def test_me_carries_every_key_that_is_always_there(app, john, transport):
    me = john.connect(transport, {"name": "John", "image": "i.png", "color": "red"}).me
    for key in ("created_at", "updated_at", "last_active"):
        assert TIMESTAMP.match(me[key]), (key, me)
    for key in ("teams", "devices", "mutes", "channel_mutes", "blocked_user_ids", "roles"):
        assert me[key] == [], (key, me)
    for key in ("total_unread_count", "unread_count", "unread_channels", "unread_threads"):
        assert me[key] == 0, (key, me)
    assert (me["role"], me["language"], me["banned"], me["online"], me["invisible"]) == ("user", "", False, True, False)
    assert (me["name"], me["image"], me["color"]) == ("John", "i.png", "red")


@pytest.mark.parametrize("key", ["privacy_settings", "shadow_banned", "total_unread_count_by_team", "deleted_at", "deactivated_at",
                                 "ban_expires", "revoke_tokens_issued_before", "teams_role", "push_preferences", "avg_response_time"])
def test_me_leaves_out_what_was_never_set(app, john, key):
    assert key not in john.connect().me


def test_me_shows_unread_counts(app, john):
    john.connect().close()
    bob = app.user("bob")
    first, second = app.channel(john.id, bob), app.channel(john.id, bob)
    for channel, count in ((first, 2), (second, 3)):
        for _ in range(count):
            channel.send(bob)
    me = john.connect().me
    assert (me["total_unread_count"], me["unread_count"], me["unread_channels"]) == (5, 5, 2)


def test_connection_ids_are_unguessable_and_never_repeat(app, john, transport):
    seen = []
    for _ in range(5):
        session = john.connect(transport)
        seen.append(session.id)
        session.close()
    assert len(set(seen)) == 5 and all(16 <= len(i) <= 64 for i in seen)


@pytest.mark.parametrize("value", [True, False, "x", None])
def test_server_always_determines_the_connection_id(app, john, value):
    assert john.connect(server_determines_connection_id=value, connection_id="mine").id != "mine"


def test_unknown_payload_keys_are_ignored(app, john, transport):
    assert john.connect(transport, user_token="x", client_request_id="trace", device=None, anything=[1]).me["id"] == john.id


def test_device_in_the_payload_is_registered(app, john, transport):
    device = {"id": uid("device"), "push_provider": "firebase", "push_provider_name": "fb"}
    me = john.connect(transport, device=device).me
    assert [(d["id"], d["push_provider"], d["user_id"]) for d in me["devices"]] == [(device["id"], "firebase", john.id)]
    assert TIMESTAMP.match(me["devices"][0]["created_at"])
    assert john.connect(transport).me["devices"] == me["devices"]


# ---- the stored user ----

def test_unknown_user_is_created(app, john, transport):
    john.connect(transport, {"name": "John", "color": "red"})
    stored = app.stored(john.id)
    assert (stored["name"], stored["color"], stored["role"]) == ("John", "red", "user")
    assert stored["created_at"] == stored["updated_at"]


MERGES = {
    "absent key stays": ({"name": "A", "x": 1}, {"y": 2}, {"name": "A", "x": 1, "y": 2}),
    "present key replaces": ({"x": 1}, {"x": [2]}, {"x": [2]}),
    "object is replaced whole": ({"x": {"a": 1, "b": 2}}, {"x": {"c": 3}}, {"x": {"c": 3}}),
    "null removes a custom key": ({"x": 1, "y": 1}, {"x": None}, {"x": ..., "y": 1}),
    "null clears the name": ({"name": "A"}, {"name": None}, {"name": ...}),
    "null clears the image": ({"image": "i"}, {"image": None}, {"image": ...}),
    "null clears the language": ({"language": "en"}, {"language": None}, {"language": ""}),
    "null of an unknown key is nothing": ({}, {"x": None}, {"x": ...}),
    "false and zero are values": ({"x": 1, "z": True}, {"x": 0, "z": False}, {"x": 0, "z": False}),
    "text of any script": ({}, {"name": "Ünïcode 日本 🎉"}, {"name": "Ünïcode 日本 🎉"}),
    "language": ({}, {"language": "de"}, {"language": "de"}),
    "invisible": ({}, {"invisible": True}, {"invisible": True}),
}


@pytest.mark.parametrize("before,after,wanted", MERGES.values(), ids=MERGES.keys())
def test_connect_merges_by_top_level_key(app, john, transport, before, after, wanted):
    john.connect(transport, before).close()
    me = john.connect(transport, after).me
    stored = app.stored(john.id)
    for key, value in wanted.items():
        if value is ...:
            assert not me.get(key) and not stored.get(key), key
        else:
            assert me[key] == value and stored[key] == value, key


def test_privacy_settings_merge_per_setting(app, john, transport):
    john.connect(transport, {"privacy_settings": {"typing_indicators": {"enabled": False}}}).close()
    me = john.connect(transport, {"privacy_settings": {"read_receipts": {"enabled": False}}}).me
    wanted = {"typing_indicators": {"enabled": False}, "read_receipts": {"enabled": False}}
    assert me["privacy_settings"] == wanted == app.stored(john.id)["privacy_settings"]


READ_ONLY = {"online": False, "last_active": "2001-01-01T00:00:00Z", "created_at": "2001-01-01T00:00:00Z", "updated_at": "2001-01-01T00:00:00Z",
             "deleted_at": "2001-01-01T00:00:00Z", "deactivated_at": "2001-01-01T00:00:00Z", "banned": True, "ban_expires": "2001-01-01T00:00:00Z",
             "devices": [{"id": "d"}], "mutes": [{}], "channel_mutes": [{}], "total_unread_count": 7, "unread_count": 7,
             "unread_channels": 7, "unread_threads": 7, "avg_response_time": 7, "latest_hidden_channels": ["a:b"]}


@pytest.mark.parametrize("key", READ_ONLY)
def test_read_only_keys_are_ignored(app, john, key):
    before = john.connect().me
    me = john.connect("ws", {key: READ_ONLY[key]}).me
    if key == "last_active":
        assert parse_time(me[key]) >= parse_time(before[key])
    else:
        assert me.get(key) == before.get(key)
    assert app.stored(john.id).get(key) != READ_ONLY[key]


def test_own_user_may_be_sent_back_whole(app, john, transport):
    me = john.connect(transport, {"name": "John", "x": {"y": 1}}).me
    again = john.connect(transport, me).me
    assert again["updated_at"] == me["updated_at"] and again["x"] == {"y": 1}


@pytest.mark.parametrize("key", ["pk", "app_pk", "user_pk"])
def test_reserved_keys_are_400_4(app, john, transport, key):
    john.refused(transport, {key: 1}).fails(400, 4)
    assert app.stored(john.id) is None


@pytest.mark.parametrize("details", [{"role": "admin"}, {"role": "no-such-role"}, {"teams": ["red"]}, {"teams_role": {"red": "admin"}}],
                         ids=["role", "unknown role", "teams", "teams_role"])
def test_client_cannot_raise_himself(app, transport, details):
    jane = app.user("jane")
    jane.refused(transport, {**details, "name": "changed"}).fails(403, 17)
    stored = app.stored(jane.id)
    assert stored["role"] == "user" and stored["teams"] == [] and "name" not in stored


def test_new_client_cannot_name_his_role(app, john, transport):
    john.refused(transport, {"role": "admin"}).fails(403, 17)
    assert app.stored(john.id) is None


def test_same_role_and_teams_are_accepted(app, transport):
    admin = app.user("admin", role="admin", teams=["red"])
    me = admin.connect(transport, {"role": "admin", "teams": ["red"]}).me
    assert (me["role"], me["teams"]) == ("admin", ["red"])


def test_object_above_5_kb_is_refused_and_nothing_stored(app, john, transport):
    john.connect(transport, {"name": "John"}).close()
    john.refused(transport, {"name": "Other", "filler": "x" * limit("USER_OBJECT_BYTES")}).fails(400, 4)
    stored = app.stored(john.id)
    assert stored["name"] == "John" and "filler" not in stored


def test_size_counts_the_merged_object(app, john, transport):
    john.connect(transport, {"a": "x" * 3000}).close()
    john.refused(transport, {"b": "x" * 3000}).fails(400, 4)
    assert "b" not in app.stored(john.id)


# ---- refused ----

@pytest.mark.parametrize("text", ["{", "[]", '"x"', "7", "null", "", '{"user_id":"u"} trailing', "{'user_id':'u'}"])
def test_malformed_json_is_400_4(app, john, transport, text):
    refused_raw(john, transport, text).fails(400, 4)


@pytest.mark.parametrize("payload", [lambda u: {"user_details": {"id": u}}, lambda u: {"user_id": u}, lambda u: {"user_id": u, "user_details": {}},
                                     lambda u: {"user_id": u, "user_details": []}, lambda u: {"user_id": u, "user_details": {"id": 7}},
                                     lambda u: {"user_id": u, "user_details": {"id": "someone-else"}}],
                         ids=["no user_id", "no details", "details without id", "details as list", "id as number", "other id"])
def test_incomplete_payload_is_400_4(app, john, transport, payload):
    refused_raw(john, transport, json.dumps(payload(john.id))).fails(400, 4)
    assert app.stored(john.id) is None


def test_user_id_must_be_that_of_the_token(app, john, transport):
    other = app.user("other")
    payload = json.dumps({"user_id": other.id, "user_details": {"id": other.id, "name": "stolen"}})
    refused_raw(john, transport, payload).fails(401, 5)
    assert "name" not in app.stored(other.id)


@pytest.mark.parametrize("details", [{"name": 7}, {"image": []}, {"language": 1}, {"invisible": "yes"}, {"privacy_settings": 1},
                                     {"privacy_settings": {"read_receipts": True}}, {"privacy_settings": {"read_receipts": {"enabled": "no"}}},
                                     {"role": 1}, {"teams": "red"}, {"teams": [1]}],
                         ids=lambda d: json.dumps(d))
def test_built_in_of_wrong_type_is_400_4(app, transport, details):
    user = app.user("typed")
    user.refused(transport, details).fails(400, 4)


@pytest.mark.parametrize("bad", ["has space", "dot.ted", "sla/sh", "ümlaut", "colon:", "!bang", "a" * 256, "plus+", "per%cent", "*"])
def test_bad_user_id_is_400_4(app, transport, bad):
    app.as_user(bad).refused(transport).fails(400, 4)


@pytest.mark.parametrize("good", ["a", "A-Z_0@9", "a" * 200, "-", "_", "@", "0"])
def test_good_user_id(app, transport, good):
    name = uid(good) if len(good) < 10 and good not in "-_@" else good
    assert app.as_user(name).connect(transport).me["id"] == name


def test_user_ids_are_case_sensitive(app):
    low = uid("case")
    app.as_user(low).connect("ws", {"name": "low"})
    app.as_user(low.upper()).connect("ws", {"name": "up"})
    assert (app.stored(low)["name"], app.stored(low.upper())["name"]) == ("low", "up")


def test_plain_get_of_connect_is_400_4(app, john):
    john.get("/connect", query={"json": json.dumps({"user_id": john.id, "user_details": {"id": john.id}})}).fails(400, 4)
    assert app.stored(john.id) is None


def test_long_url_of_a_full_user_fits(app, john, transport):
    details = {"filler": "ü" * 2400}  # 4.8 KB, three times that percent-encoded
    john.token = app.token(john.id, padding="p" * 4000)
    assert john.connect(transport, details).me["filler"] == details["filler"]


# ---- events and times ----

def test_change_at_connect_tells_the_other_sessions(app, john, transport):
    first = john.connect(transport, {"name": "John", "x": 1})
    time_before = first.me["updated_at"]
    second = john.connect(transport, {"name": "Johnny"})
    event = first.expect("user.updated")
    assert event["user"]["id"] == john.id and event["user"]["name"] == "Johnny" and event["user"]["x"] == 1
    assert parse_time(second.me["updated_at"]) > parse_time(time_before)


def test_connect_without_change_is_silent(app, john, transport):
    first = john.connect(transport, {"name": "John", "x": {"a": [1, 2]}})
    second = john.connect(transport, {"name": "John", "x": {"a": [1, 2]}})
    first.expect_none("user.updated")
    assert second.me["updated_at"] == first.me["updated_at"]


def test_last_active_is_set_by_connect_alone(app, transport):
    user = app.user("quiet")
    user.get("/users", payload={}).ok(200)
    assert "last_active" not in app.stored(user.id)
    session = user.connect(transport)
    wait_until(lambda: app.stored(user.id).get("last_active"), "last_active is stored")
    assert abs(parse_time(app.stored(user.id)["last_active"]) - parse_time(session.me["last_active"])) < 1_000_000


def test_token_expiry_does_not_close_an_open_session(app, john):
    john.token = app.token(john.id, exp=int(time.time()) + 2)
    session = john.connect()
    wait_until(lambda: john.get("/users", payload={}).status == 401, "the token expires")
    session.expect_none("user.updated")  # still delivers the marker
    assert not session.is_closed


def test_clean_close_is_echoed_and_acts_at_once(app, john):
    session = john.connect()
    assert app.stored(john.id)["online"] is True
    session.close(1000)
    assert session.close_code == 1000
    wait_until(lambda: app.stored(john.id)["online"] is False, "offline after close")
