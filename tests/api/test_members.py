"""channels.md §4: adding, removing, roles; GET /members."""
import json

import pytest

from beck import TIMESTAMP, check_user, format_time, now_us, parse_time, uid


def change(caller, channel, **verbs):
    return caller.post(channel.path, verbs)


def member_ids(answer):
    return sorted(m["user_id"] for m in answer["members"])


def members(caller, channel, filter=None, **payload):
    return caller.get("/members", payload={"type": channel.type, "id": channel.id, "filter_conditions": filter or {}, **payload})


def listed(caller, channel, filter=None, **payload):
    return [m["user_id"] for m in members(caller, channel, filter, **payload).ok(200)["members"]]


# ---- add ----

def test_add_members(app):
    ann, bob, eve = app.users(3)
    channel = app.channel(ann)
    answer = change(ann, channel, add_members=[bob.id, {"user_id": eve.id, "channel_role": "channel_moderator", "nick": "E"}]).ok(201)
    assert answer["channel"]["member_count"] == 3
    assert member_ids(answer) == sorted(u.id for u in (ann, bob, eve)) == sorted(listed(bob, channel))
    row, = [m for m in answer["members"] if m["user_id"] == eve.id]
    assert row["channel_role"] == "channel_moderator" and row["nick"] == "E" and row["is_moderator"] is True


def test_adding_a_member_again_changes_nothing(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session = ann.connect()
    ann.watch(session, channel)
    assert change(ann, channel, add_members=[bob.id]).ok(201)["channel"]["member_count"] == 2
    session.expect_none("member.added", "notification.added_to_channel")


def test_added_member_starts_with_nothing_unread(app):
    ann, bob = app.users(2)
    channel = app.channel(ann)
    channel.send(ann, "before")
    change(ann, channel, add_members=[bob.id]).ok(201)
    assert bob.unread()["total_unread_count"] == 0 and channel.texts(bob) == ["before"]
    channel.send(ann, "after")
    assert bob.unread()["total_unread_count"] == 1


def test_hide_history(app):
    ann, bob, eve = app.users(3)
    channel = app.channel(ann)
    first = channel.send(ann, "first")
    channel.send(ann, "second")
    change(ann, channel, add_members=[bob.id], hide_history=True).ok(201)
    change(ann, channel, add_members=[eve.id], hide_history_before=format_time(parse_time(first["created_at"]) + 1)).ok(201)
    channel.send(ann, "third")
    assert channel.texts(bob) == ["third"] and channel.texts(eve) == ["second", "third"] and len(channel.texts(ann)) == 3


@pytest.mark.parametrize("verbs", [{"hide_history": "yes"}, {"hide_history_before": 7}, {"hide_history_before": "yesterday"}], ids=json.dumps)
def test_bad_history_cut_is_400_4_and_adds_nobody(app, verbs):
    ann, bob = app.users(2)
    channel = app.channel(ann)
    change(app.api, channel, add_members=[bob.id], **verbs).fails(400, 4)
    assert listed(app.api, channel) == [ann.id]


@pytest.mark.parametrize("verbs", [{"add_members": "x"}, {"add_members": [7]}, {"add_members": [{}]}, {"add_members": ["no-such-user"]},
                                   {"add_members": ["x"] * 101}, {"remove_members": "x"}, {"remove_members": [7]}, {"remove_members": ["x"] * 101},
                                   {"assign_roles": [{}]}, {"assign_roles": "x"}, {"assign_roles": [{"user_id": "stranger", "channel_role": "channel_moderator"}]},
                                   {"add_moderators": ["no-such-user"]}, {"add_moderators": ["x"] * 101}, {"demote_moderators": "x"}],
                         ids=lambda v: json.dumps(v)[:50])
def test_bad_verb_is_400_4_and_changes_nothing(app, verbs):
    ann, bob = app.users(2)
    channel = app.channel(ann, name="n")
    change(app.api, channel, data={"name": "changed"}, **verbs).fails(400, 4)
    state = channel.state()
    assert [m["user_id"] for m in state["members"]] == [ann.id] and state["channel"]["name"] == "n"


def test_unknown_role_is_400_4(app):
    ann = app.user()
    channel = app.channel(ann)
    change(app.api, channel, assign_roles=[{"user_id": ann.id, "channel_role": "no-such-role"}]).fails(400, 4)
    assert channel.state()["members"][0]["channel_role"] == "channel_member"


def test_100_at_once(app):
    ann, *crowd = app.users(101)
    channel = app.channel(ann)
    assert change(app.api, channel, add_members=[u.id for u in crowd]).ok(201)["channel"]["member_count"] == 101
    assert change(app.api, channel, remove_members=[u.id for u in crowd]).ok(201)["channel"]["member_count"] == 1


def test_add_events(app, transport):
    ann, bob, eve = app.users(3)
    channel = app.channel(ann)
    watcher, added, stranger = ann.connect(transport), bob.connect(transport), eve.connect(transport)
    ann.watch(watcher, channel)
    change(ann, channel, add_members=[bob.id]).ok(201)
    event = watcher.expect("member.added", cid=channel.cid)
    assert event["member"]["user_id"] == bob.id and event["user"]["id"] == bob.id and event["channel"]["cid"] == channel.cid
    told = added.expect("notification.added_to_channel", cid=channel.cid)
    assert told["member"]["user_id"] == bob.id and (told["total_unread_count"], told["unread_channels"]) == (0, 0)
    watcher.expect_none("notification.added_to_channel")
    stranger.expect_none()


# ---- remove ----

def test_remove_members(app):
    ann, bob, eve = app.users(3)
    channel = app.channel(ann, bob, eve)
    answer = change(ann, channel, remove_members=[bob.id, "no-such-user"]).ok(201)
    assert member_ids(answer) == sorted([ann.id, eve.id]) and answer["channel"]["member_count"] == 2
    bob.post(f"{channel.path}/query", {"state": True}).fails(403, 17)
    assert sorted(listed(ann, channel)) == sorted([ann.id, eve.id])


def test_removed_members_unread_leaves_his_totals(app):
    ann, bob = app.users(2)
    channel, kept = app.channel(ann, bob), app.channel(ann, bob)
    for where in (channel, kept):
        where.send(ann)
    assert bob.unread()["total_unread_count"] == 2
    session = bob.connect()
    change(ann, channel, remove_members=[bob.id]).ok(201)
    assert bob.unread()["total_unread_count"] == 1
    kept.send(ann)
    assert session.expect("notification.message_new")["total_unread_count"] == 2


def test_remove_events(app, transport):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    watcher, removed = ann.connect(transport), bob.connect(transport)
    ann.watch(watcher, channel)
    change(ann, channel, remove_members=[bob.id]).ok(201)
    event = watcher.expect("member.removed", cid=channel.cid)
    assert event["member"]["user_id"] == bob.id and event["user"]["id"] == bob.id
    told = removed.expect("notification.removed_from_channel", cid=channel.cid)
    assert told["member"]["user_id"] == bob.id and told["channel"]["cid"] == channel.cid


def test_removed_member_stops_watching(app, transport):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session = bob.connect(transport)
    bob.watch(session, channel)
    change(ann, channel, remove_members=[bob.id]).ok(201)
    session.expect("member.removed", cid=channel.cid)  # delivered, then the watch ends
    channel.send(ann, "not for Bob")
    session.expect_none("message.new", "notification.message_new")
    assert channel.state(ann).get("watcher_count", 0) == 0


def test_removed_member_of_an_open_type_goes_on_watching(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob, type="livestream")
    session = bob.connect()
    bob.watch(session, channel)
    change(app.api, channel, remove_members=[bob.id]).ok(201)
    channel.send(ann, "still public")
    session.expect("message.new")


def test_leaving(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    change(bob, channel, remove_members=[bob.id]).ok(201)
    assert listed(ann, channel) == [ann.id]


def test_joining_a_livestream(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, type="livestream")
    change(bob, channel, add_members=[bob.id]).ok(201)
    assert sorted(listed(ann, channel)) == sorted([ann.id, bob.id])


# ---- roles ----

def test_assign_roles_sees_members_of_the_same_call(app):
    ann, bob = app.users(2)
    channel = app.channel(ann)
    change(app.api, channel, add_members=[bob.id], assign_roles=[{"user_id": bob.id, "channel_role": "channel_moderator"}]).ok(201)
    row, = [m for m in channel.state()["members"] if m["user_id"] == bob.id]
    assert row["channel_role"] == "channel_moderator"


def test_moderators(app, transport):
    ann, bob, eve = app.users(3)
    channel = app.channel(ann, bob)
    session = ann.connect(transport)
    ann.watch(session, channel)
    answer = change(app.api, channel, add_moderators=[bob.id, eve.id]).ok(201)
    rows = {m["user_id"]: m for m in answer["members"]}
    for user in (bob, eve):
        assert rows[user.id]["channel_role"] == "channel_moderator" and rows[user.id]["role"] == "moderator"
    assert session.expect("member.updated")["member"]["user_id"] == bob.id
    assert session.expect("member.added")["member"]["user_id"] == eve.id
    answer = change(app.api, channel, demote_moderators=[bob.id]).ok(201)
    row, = [m for m in answer["members"] if m["user_id"] == bob.id]
    assert row["channel_role"] == "channel_member" and row["role"] == "member"
    assert session.expect("member.updated")["member"]["channel_role"] == "channel_member"


def test_role_gives_its_rights_at_once(app):
    ann, bob, eve = app.users(3)
    channel = app.channel(ann, bob, eve)
    message = eve.send(channel, "remove me")
    bob.delete(f"/messages/{message['id']}").fails(403, 17)
    change(app.api, channel, add_moderators=[bob.id]).ok(201)
    bob.delete(f"/messages/{message['id']}").ok(200)
    assert ann.get(f"/messages/{message['id']}").ok(200)["message"]["type"] == "deleted"


# ---- who may ----

@pytest.mark.parametrize("verbs", [lambda u: {"add_members": [u]}, lambda u: {"remove_members": [u]}, lambda u: {"add_moderators": [u]},
                                   lambda u: {"assign_roles": [{"user_id": u, "channel_role": "channel_moderator"}]}],
                         ids=["add", "remove", "moderators", "roles"])
def test_plain_member_may_not(app, verbs):
    ann, bob, eve = app.users(3)
    channel = app.channel(ann, bob, eve)
    change(bob, channel, **verbs(eve.id)).fails(403, 17)
    assert sorted((m["user_id"], m["channel_role"]) for m in channel.state()["members"]) == sorted((u.id, "channel_member") for u in (ann, bob, eve))


def test_stranger_may_not_join_a_messaging_channel(app):
    ann, eve = app.users(2)
    channel = app.channel(ann)
    change(eve, channel, add_members=[eve.id]).fails(403, 17)
    assert listed(ann, channel) == [ann.id]


# ---- GET /members ----

@pytest.fixture(scope="module")
def club(shared):
    app = shared.server.main
    people = {n: app.user(n, name=f"{n.title()} Fan", town=t) for n, t in (("ada", "Rome"), ("bea", "Rome"), ("cas", "Oslo"))}
    channel = app.channel(people["ada"], id=uid("club"))
    app.api.post(channel.path, {"add_members": [people["bea"].id]}).ok(201)
    app.api.post(channel.path, {"add_members": [{"user_id": people["cas"].id, "channel_role": "channel_moderator"}]}).ok(201)
    return channel, people


def put(people, value):
    """Short names in a filter become user ids."""
    if isinstance(value, dict):
        return {k: put(people, v) for k, v in value.items()}
    if isinstance(value, list):
        return [put(people, v) for v in value]
    return people[value].id if isinstance(value, str) and value in people else value


def names(club, filter=None, **payload):
    channel, people = club
    short = {u.id: n for n, u in people.items()}
    return [short[i] for i in listed(channel.app.api, channel, put(people, filter), **payload)]


MEMBER_FILTERS = [
    ({}, "ada bea cas"), ({"id": "bea"}, "bea"), ({"id": {"$in": ["ada", "cas"]}}, "ada cas"),
    ({"name": "Bea Fan"}, "bea"), ({"name": {"$autocomplete": "ca"}}, "cas"), ({"name": {"$q": "fan"}}, "ada bea cas"), ({"name": {"$in": ["Ada Fan"]}}, "ada"),
    ({"channel_role": "channel_moderator"}, "cas"), ({"channel_role": {"$in": ["channel_member"]}}, "ada bea"),
    ({"is_moderator": True}, "cas"), ({"banned": False}, "ada bea cas"), ({"joined": True}, "ada bea cas"), ({"invite": "pending"}, ""),
    ({"created_at": {"$gt": "2001-01-01T00:00:00Z"}}, "ada bea cas"), ({"updated_at": {"$lt": "2001-01-01T00:00:00Z"}}, ""),
    ({"last_active": {"$gt": "2001-01-01T00:00:00Z"}}, ""), ({"user.town": "Rome"}, "ada bea"),
    ({"$or": [{"id": "ada"}, {"is_moderator": True}]}, "ada cas"), ({"id": {"$ne": "ada"}}, "bea cas"), ({"id": {"$nin": ["ada", "bea"]}}, "cas"),
]


@pytest.mark.parametrize("filter,wanted", MEMBER_FILTERS, ids=[json.dumps(f) for f, _ in MEMBER_FILTERS])
def test_member_filter(club, filter, wanted):
    assert names(club, filter) == wanted.split()


def test_null_filter_is_all(club):
    assert names(club, filter_conditions=None) == ["ada", "bea", "cas"]


@pytest.mark.parametrize("filter", [{"cid": "a:b"}, {"name": 7}, {"banned": "x"}, {"created_at": {"$gt": "x"}}, {"id": {"$near": 1}}], ids=json.dumps)
def test_bad_member_filter_is_400_4(club, filter):
    channel, _ = club
    members(channel.app.api, channel, filter).fails(400, 4)


@pytest.mark.parametrize("sort,wanted", [
    ([{"field": "created_at", "direction": -1}], "cas bea ada"), ([{"field": "created_at", "direction": 1}], "ada bea cas"),
    ([{"field": "name", "direction": -1}], "cas bea ada"), ([{"field": "channel_role", "direction": -1}, {"field": "created_at", "direction": 1}], "cas ada bea"),
], ids=str)
def test_member_sort(club, sort, wanted):
    assert names(club, sort=sort) == wanted.split()


def test_member_sort_by_user_id(club):
    _, people = club
    order = sorted(people, key=lambda n: people[n].id)
    assert names(club, sort=[{"field": "user_id", "direction": 1}]) == order


def test_member_pages(club):
    assert [names(club, limit=2, offset=o) for o in (0, 2, 4)] == [["ada", "bea"], ["cas"], []]


@pytest.mark.parametrize("key,wanted", [("user_id_gt", 1), ("user_id_gte", 2), ("user_id_lt", 1), ("user_id_lte", 2)])
def test_member_pages_by_user_id(club, key, wanted):
    _, people = club
    middle = sorted(u.id for u in people.values())[1]
    assert len(names(club, **{key: middle})) == wanted


@pytest.mark.parametrize("key,wanted", [("created_at_after", "cas"), ("created_at_after_or_equal", "bea cas"), ("created_at_before", "ada"),
                                        ("created_at_before_or_equal", "ada bea")])
def test_member_pages_by_time(club, key, wanted):
    channel, people = club
    middle, = [m["created_at"] for m in channel.state()["members"] if m["user_id"] == people["bea"].id]
    assert names(club, **{key: middle}) == wanted.split()


def test_largest_member_page_and_offset(club):
    channel, _ = club
    members(channel.app.api, channel, limit=100, offset=1000).ok(200)
    members(channel.app.api, channel, limit=101).fails(400, 4)
    members(channel.app.api, channel, offset=1001).fails(400, 4)


def test_members_of_a_distinct_channel(app):
    ann, bob = app.users(2)
    ann.post("/channels/messaging/query", {"data": {"members": [ann.id, bob.id]}}).ok()
    for form in ([ann.id, bob.id], [{"user_id": bob.id}, {"user_id": ann.id}]):
        found = ann.get("/members", payload={"type": "messaging", "members": form, "filter_conditions": {}}).ok(200)["members"]
        assert sorted(m["user_id"] for m in found) == sorted([ann.id, bob.id])


@pytest.mark.parametrize("payload", [{}, {"type": "messaging"}, {"id": "x"}, {"type": 7, "id": "x"}], ids=json.dumps)
def test_members_without_a_channel_is_400_4(app, payload):
    app.api.get("/members", payload={"filter_conditions": {}, **payload}).fails(400, 4)


def test_members_of_an_unknown_channel_is_404_16(app):
    app.api.get("/members", payload={"type": "messaging", "id": uid("none"), "filter_conditions": {}}).fails(404, 16)


def test_strangers_do_not_see_members(app):
    channel = app.channel(app.user())
    members(app.user("eve"), channel).fails(403, 17)


def test_member_rows_are_complete(app):
    ann = app.user()
    channel = app.channel(ann)
    row, = members(ann, channel).ok(200)["members"]
    check_user(row["user"], ann.id)
    assert TIMESTAMP.match(row["created_at"]) and abs(parse_time(row["created_at"]) - now_us()) < 60_000_000
