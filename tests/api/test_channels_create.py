"""channels.md §2: get or create, distinct channels, and reading without creating."""
import json

import pytest

from beck import TIMESTAMP, check_user, limit, now_us, parse_time, uid

pytestmark = pytest.mark.quick


def create(caller, type="messaging", id=None, **body):
    return caller.post(f"/channels/{type}/{id or uid('ch')}/query", body)


def member_ids(state):
    return [m["user_id"] for m in state["members"]]


# ---- creation ----

def test_client_creates_a_channel(app):
    ann, bob = app.users(2)
    name = uid("ch")
    state = create(ann, id=name, state=True, data={"members": [ann.id, bob.id], "name": "Talk", "color": {"a": 1}}).ok()
    channel = state["channel"]
    assert (channel["type"], channel["id"], channel["cid"]) == ("messaging", name, f"messaging:{name}")
    assert (channel["name"], channel["color"]) == ("Talk", {"a": 1})
    assert (channel["frozen"], channel["disabled"], channel["member_count"]) == (False, False, 2)
    assert TIMESTAMP.match(channel["created_at"]) and TIMESTAMP.match(channel["updated_at"]) and "last_message_at" not in channel
    check_user(channel["created_by"], ann.id)
    assert sorted(member_ids(state)) == sorted([ann.id, bob.id])
    assert state["messages"] == [] and state["pinned_messages"] == [] and state["threads"] == []
    again = bob.post(f"/channels/messaging/{name}/query", {"state": True}).ok()
    assert again["channel"]["name"] == "Talk" and sorted(member_ids(again)) == sorted([ann.id, bob.id])


def test_member_object(app):
    ann = app.user()
    channel = app.channel(ann)
    member, = channel.state(ann)["members"]
    check_user(member["user"], ann.id)
    assert member["user_id"] == ann.id and member["channel_role"] == "channel_member" and member["role"] == "owner"
    assert member["banned"] is False and member["shadow_banned"] is False and member["notifications_muted"] is False
    assert TIMESTAMP.match(member["created_at"]) and TIMESTAMP.match(member["updated_at"])


def test_membership_is_the_callers_own_row(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    assert channel.state(bob)["membership"]["user_id"] == bob.id


def test_server_creates_a_channel_for_somebody(app):
    ann = app.user()
    for creator in ({"created_by_id": ann.id}, {"created_by": {"id": ann.id}}):
        state = create(app.api, data={**creator, "members": [ann.id]}, state=True).ok()
        assert state["channel"]["created_by"]["id"] == ann.id and member_ids(state) == [ann.id]


def test_server_must_name_the_creator(app):
    name = uid("ch")
    create(app.api, id=name, data={}).fails(400, 4)
    app.api.get(f"/channels/messaging/{name}").fails(404, 16)


def test_existing_channel_ignores_data(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob, name="first")
    state = create(app.api, id=channel.id, state=True, data={"name": "second", "x": 1, "members": [ann.id], "created_by_id": bob.id}).ok()
    assert state["channel"]["name"] == "first" and "x" not in state["channel"] and state["channel"]["created_by"]["id"] == ann.id
    assert len(state["members"]) == 2


def test_existing_channel_needs_no_body(app):
    channel = app.channel(app.user())
    assert create(app.api, id=channel.id).ok()["channel"]["cid"] == channel.cid


def test_creator_is_not_made_a_member_by_a_server_call(app):
    ann, bob = app.users(2)
    channel = app.channel(bob, by=ann)
    assert member_ids(channel.state()) == [bob.id]


def test_members_as_objects(app):
    ann, bob = app.users(2)
    members = [ann.id, {"user_id": bob.id, "channel_role": "channel_moderator", "nick": "Bobby", "banned": True, "created_at": "2001-01-01T00:00:00Z"}]
    channel = app.channel(ann)
    state = create(app.api, state=True, data={"created_by_id": ann.id, "members": members}).ok()
    bobs, = [m for m in state["members"] if m["user_id"] == bob.id]
    assert bobs["channel_role"] == "channel_moderator" and bobs["nick"] == "Bobby"
    assert bobs["banned"] is False and not bobs["created_at"].startswith("2001")
    assert channel.state()["channel"]["member_count"] == 1


def test_duplicate_members_count_once(app):
    ann = app.user()
    state = create(ann, data={"members": [ann.id, ann.id]}, state=True).ok()
    assert state["channel"]["member_count"] == 1


def test_100_members_at_creation(app):
    users = [u.id for u in app.users(101)]
    assert create(app.api, data={"created_by_id": users[0], "members": users[:100]}, state=True).ok()["channel"]["member_count"] == 100
    create(app.api, data={"created_by_id": users[0], "members": users}).fails(400, 4)


def test_unknown_member_is_400_4_and_nothing_is_made(app):
    ann, name = app.user(), uid("ch")
    error = create(ann, id=name, data={"members": [ann.id, "no-such-user"]}).fails(400, 4)
    assert "no-such-user" in json.dumps(error)
    app.api.get(f"/channels/messaging/{name}").fails(404, 16)


def test_unknown_type_is_404_16(app):
    ann = app.user()
    create(ann, type="no-such-type", data={"members": [ann.id]}).fails(404, 16)


@pytest.mark.parametrize("bad", ["has%20space", "dot.ted", "a" * 65, "ü", "!members-x", "a:b", "%00"])
def test_bad_channel_id_is_400_4(app, bad):
    ann = app.user()
    reply = create(ann, id=bad.replace("ü", "%C3%BC"), data={"members": [ann.id]})
    reply.fails(404, 16) if bad == "%00" and reply.status == 404 else reply.fails(400, 4)


@pytest.mark.parametrize("good", ["a-Z_0!9", "x" * 30])
def test_good_channel_id(app, good):
    ann, name = app.user(), (good + uid("id"))[:limit("CHANNEL_ID_BYTES")]
    assert create(ann, id=name, data={"members": [ann.id]}).ok()["channel"]["id"] == name


def test_channel_id_of_64_chars(app):
    ann, name = app.user(), uid("x").ljust(64, "x")
    assert create(ann, id=name, data={"members": [ann.id]}).ok()["channel"]["id"] == name


def test_escaped_path_is_decoded(app):
    ann = app.user()
    channel = app.channel(ann, id="a!" + uid("b"))
    assert ann.post(f"/channels/messaging/{channel.id.replace('!', '%21')}/query", {}).ok()["channel"]["cid"] == channel.cid


@pytest.mark.parametrize("data", [[], "x", 7, {"members": "x"}, {"members": [7]}, {"members": [{}]}, {"frozen": "x"}, {"name": {"a": "x" * 6000}},
                                  {"filler": "x" * 5200}, {"members": [{"user_id": 7}]}, {"config_overrides": []}], ids=lambda d: json.dumps(d)[:40])
def test_bad_data_is_400_4_and_nothing_is_made(app, data):
    ann, name = app.user(), uid("ch")
    if isinstance(data, dict):
        data = {"created_by_id": ann.id, **data}
    create(app.api, id=name, data=data).fails(400, 4)
    app.api.get(f"/channels/messaging/{name}").fails(404, 16)


@pytest.mark.parametrize("data", [{"created_by_id": "someone"}, {"created_by": {"id": "someone"}}, {"disabled": True}, {"filter_tags": ["a"]},
                                  {"config_overrides": {"replies": False}}], ids=json.dumps)
def test_server_only_data_of_a_client_has_no_effect(app, data):
    ann, name = app.user(), uid("ch")
    reply = create(ann, id=name, data={"members": [ann.id], **data})
    if reply.status < 300:
        channel = app.api.get(f"/channels/messaging/{name}").ok(200)["channel"]
        assert channel["created_by"]["id"] == ann.id and channel["disabled"] is False
        assert not channel.get("filter_tags") and channel["config"]["replies"] is True
    else:
        assert (reply.status, reply.json["code"]) in ((400, 4), (403, 17))


def test_unknown_creator_is_refused_or_made(app):
    reply = create(app.api, data={"created_by_id": uid("nobody")})
    assert reply.status in (200, 201) or reply.json["code"] == 4


def test_config_overrides_change_the_config(app):
    ann = app.user()
    channel = app.channel(ann, config_overrides={"typing_events": False, "max_message_length": 10, "replies": False})
    config = channel.state(ann)["channel"]["config"]
    assert (config["typing_events"], config["max_message_length"], config["replies"], config["read_events"]) == (False, 10, False, True)


@pytest.mark.parametrize("override", [{"no_such_switch": True}, {"typing_events": "no"}, {"max_message_length": 0}, {"max_message_length": 20001},
                                      {"max_message_length": "x"}], ids=json.dumps)
def test_bad_config_override_is_400_4(app, override):
    create(app.api, data={"created_by_id": app.user().id, "config_overrides": override}).fails(400, 4)


def test_members_of_creation_start_with_nothing_unread(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    for user in (ann, bob):
        entry = channel.read_of(user, ann)
        assert entry["unread_messages"] == 0 and TIMESTAMP.match(entry["last_read"])


# ---- state ----

def test_state_false_gives_the_channel_only(app):
    ann = app.user()
    channel = app.channel(ann)
    channel.send(ann)
    state = channel.state(ann, state=False)
    assert state["channel"]["cid"] == channel.cid and state["membership"]["user_id"] == ann.id
    assert state["messages"] == state["members"] == state["pinned_messages"] == state["threads"] == []


def test_state_is_off_when_absent(app):
    ann = app.user()
    channel = app.channel(ann)
    channel.send(ann)
    assert ann.post(f"{channel.path}/query", {}).ok()["messages"] == []


def test_own_capabilities_for_clients_only(app):
    ann = app.user()
    channel = app.channel(ann)
    mine = channel.state(ann)["channel"]["own_capabilities"]
    assert {"send-message", "send-reply", "read-events", "typing-events", "send-typing-events", "update-own-message", "delete-own-message",
            "connect-events", "send-custom-events", "leave-channel"} <= set(mine)
    assert "delivery-events" not in mine
    assert "own_capabilities" not in channel.state()["channel"]


def test_feature_switched_off_removes_the_capability(app):
    ann = app.user()
    channel = app.channel(ann, config_overrides={"typing_events": False, "quotes": False})
    mine = channel.state(ann)["channel"]["own_capabilities"]
    assert not {"typing-events", "send-typing-events", "quote-message"} & set(mine)


def test_message_count(app):
    ann = app.user()
    channel, uncounted = app.channel(ann), app.channel(ann, config_overrides={"count_messages": False})
    for _ in range(3):
        channel.send(ann)
        uncounted.send(ann)
    assert channel.state(ann)["channel"]["message_count"] == 3
    assert "message_count" not in uncounted.state(ann)["channel"]


def test_members_page(app):
    users = app.users(5)
    channel = app.channel(*users)
    order = member_ids(channel.state())
    assert sorted(order) == sorted(u.id for u in users)
    assert member_ids(channel.state(members={"limit": 2})) == order[:2]
    assert member_ids(channel.state(members={"limit": 2, "offset": 3})) == order[3:]


# ---- distinct ----

def distinct(caller, *users, type="messaging", **body):
    data = {"members": [u.id for u in users], **body.pop("data", {})}
    return caller.post(f"/channels/{type}/query", {"data": data, **body})


def test_distinct_is_one_channel_per_set_of_members(app):
    ann, bob, eve = app.users(3)
    first = distinct(ann, ann, bob, data={"name": "one"}).ok()["channel"]
    assert first["id"].startswith("!members-") and first["member_count"] == 2
    assert distinct(bob, bob, ann).ok()["channel"]["cid"] == first["cid"]
    assert distinct(bob, bob, ann, bob, data={"name": "other"}).ok()["channel"]["cid"] == first["cid"]
    assert distinct(bob, bob, ann).ok()["channel"]["name"] == "one"
    assert distinct(ann, ann, bob, eve).ok()["channel"]["cid"] != first["cid"]
    assert distinct(ann, ann, bob, type="team").ok()["channel"]["id"] == first["id"]  # the same set, another type


def test_distinct_by_the_server_side(app):
    ann, bob = app.users(2)
    made = distinct(app.api, ann, bob, data={"created_by_id": ann.id}).ok()["channel"]
    assert distinct(ann, ann, bob).ok()["channel"]["cid"] == made["cid"]


def test_distinct_id_is_that_of_the_contract(app):
    import base64
    import hashlib
    ann, bob = app.users(2)
    digest = hashlib.sha256("\0".join(sorted([ann.id, bob.id])).encode()).digest()
    assert distinct(ann, ann, bob).ok()["channel"]["id"] == "!members-" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": {"members": []}}, {"data": {"members": None}}], ids=json.dumps)
def test_neither_id_nor_members_is_400_4(app, body):
    app.user().post("/channels/messaging/query", body).fails(400, 4)


def test_distinct_for_others_needs_a_right(app):
    ann, bob, eve = app.users(3)
    distinct(eve, ann, bob).fails(403, 17)


def test_membership_of_a_distinct_channel_is_frozen(app):
    ann, bob, eve = app.users(3)
    channel = distinct(ann, ann, bob).ok()["channel"]
    path = f"/channels/messaging/{channel['id']}"
    app.api.post(path, {"add_members": [eve.id]}).fails(400, 4)
    app.api.post(path, {"remove_members": [bob.id]}).fails(400, 4)
    ann.post(path, {"remove_members": [ann.id]}).fails(400, 4)
    assert app.api.get(path).ok(200)["channel"]["member_count"] == 2


def test_reserved_id_prefix_opens_only_what_exists(app):
    ann, bob = app.users(2)
    made = distinct(ann, ann, bob).ok()["channel"]
    assert create(ann, id=made["id"]).ok()["channel"]["cid"] == made["cid"]


# ---- events ----

def test_members_are_told(app, transport):
    ann, bob = app.users(2)
    sessions = [ann.connect(transport), bob.connect(transport)]
    channel = app.channel(ann, bob, name="Talk")
    for session in sessions:
        event = session.expect("notification.added_to_channel", cid=channel.cid)
        assert event["channel"]["name"] == "Talk" and event["member"]["user_id"] == session.user.id
        assert event["channel_type"] == channel.type and event["channel_id"] == channel.id
        assert (event["total_unread_count"], event["unread_channels"]) == (0, 0)


def test_who_creates_while_watching_is_told(app, transport):
    """The connection that creates watches from the first event on; the creator's others are told as members."""
    ann, bob = app.users(2)
    creating, other, member = ann.connect(transport), ann.connect(transport), bob.connect(transport)
    name = uid("ch")
    path = f"/channels/messaging/{name}"
    cid = f"messaging:{name}"
    reply = ann.post(f"{path}/query", {"watch": True, "state": True, "data": {"members": [ann.id, bob.id], "name": "Talk"}},
                     query={"connection_id": creating.id}).ok(201)
    assert reply["watcher_count"] == 1
    event = creating.expect("channel.created", cid=cid)
    assert event["channel"]["name"] == "Talk" and event["user"]["id"] == ann.id
    started = creating.expect("user.watching.start", cid=cid)
    assert started["watcher_count"] == 1 and started["user"]["id"] == ann.id
    creating.expect_none("channel.created", "notification.added_to_channel", "user.watching.start")
    for session in (other, member):
        session.expect("notification.added_to_channel", cid=cid)
        session.expect_none("channel.created", "user.watching.start")
    ann.post(f"{path}/query", {"watch": True}, query={"connection_id": creating.id}).ok(201)
    creating.expect_none("channel.created", "user.watching.start")
    ann.post(f"{path}/message", {"message": {"text": "hello"}}).ok(201)
    creating.expect("message.new", cid=cid)


def test_a_distinct_channel_created_while_watching_is_told(app):
    ann, bob = app.users(2)
    session = ann.connect()
    made = ann.post("/channels/messaging/query", {"watch": True, "data": {"members": [ann.id, bob.id]}}, query={"connection_id": session.id}).ok(201)
    assert session.expect("channel.created")["cid"] == made["channel"]["cid"]


def test_creating_with_a_connection_of_somebody_else_tells_nobody(app):
    ann, bob = app.users(2)
    session = bob.connect()
    name = uid("ch")
    ann.post(f"/channels/messaging/{name}/query", {"watch": True, "data": {"members": [ann.id]}}, query={"connection_id": session.id}).fails(400, 46)
    session.expect_none()


def test_strangers_are_not_told(app):
    ann, eve = app.users(2)
    session = eve.connect()
    app.channel(ann)
    session.expect_none()


def test_opening_an_existing_channel_is_silent(app):
    ann = app.user()
    channel = app.channel(ann)
    session = ann.connect()
    ann.post(f"{channel.path}/query", {"state": True}).ok()
    session.expect_none()


# ---- GET /channels/{type}/{id} ----

def test_get_does_not_create(app):
    name = uid("ch")
    app.user().get(f"/channels/messaging/{name}").fails(404, 16)
    app.api.get(f"/channels/messaging/{name}").fails(404, 16)


def test_get_shows_state_when_asked(app):
    ann = app.user()
    channel = app.channel(ann)
    channel.send(ann, "hello")
    state = ann.get(channel.path, query={"state": True, "messages_limit": 5}).ok(200)
    assert [m["text"] for m in state["messages"]] == ["hello"] and member_ids(state) == [ann.id]


def test_get_of_an_unreadable_channel_is_403_17(app):
    app.user("eve").get(app.channel(app.user()).path).fails(403, 17)


# ---- many at once ----

def test_same_channel_created_by_many_at_once_is_one(app):
    import threading
    users = app.users(8)
    name, replies = uid("race"), []
    threads = [threading.Thread(target=lambda u=u: replies.append(create(u, id=name, data={"members": [x.id for x in users]}))) for u in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    channels = [r.ok()["channel"] for r in replies]
    assert len(channels) == 8 and len({(c["cid"], c["created_at"], c["created_by"]["id"]) for c in channels}) == 1
    assert abs(parse_time(channels[0]["created_at"]) - now_us()) < 60_000_000
