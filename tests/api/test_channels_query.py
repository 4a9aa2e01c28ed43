"""channels.md §3 and channels-and-messages.md §4-5: query channels, with every filter field, operator and sort of the contract."""
import json

import pytest

from beck import uid


def query(caller, filter=None, **body):
    return caller.post("/channels", {"filter_conditions": filter or {}, **body})


def cids(caller, filter=None, **body):
    return [c["channel"]["cid"] for c in query(caller, filter, **body).ok()["channels"]]


class Rooms:
    """Ann with five channels, known by short names; `zed` is not hers."""

    def __init__(self, app):
        self.app = app
        self.ann, self.bob, self.eve = app.user("ann", name="Ann Archer"), app.user("bob", name="Bob Baker"), app.user("eve", name="Eve Ender")
        self.group = uid("rooms")
        make = lambda *m, **d: app.channel(*m, group=self.group, **d)  # noqa: E731
        self.rooms = {
            "one": make(self.ann, name="Red room", level=1, tags=["x", "y"], flag=True),
            "two": make(self.ann, self.bob, name="Blue redwood", level=2, tags=["y"], filter_tags=["f1"]),
            "three": make(self.ann, self.bob, self.eve, level=3, flag=False, by=self.eve, filter_tags=["f1", "f2"]),
            "four": make(self.ann, type="team", level=4.5, team="crew", frozen=True, by=self.ann),
            "five": make(self.ann, self.eve, type="team", text="lorem ipsum dolor"),
            "zed": make(self.bob, name="Not yours"),
        }
        self.rooms["two"].send(self.bob, "unread by Ann")
        self.rooms["one"].send(self.ann, "her own")
        app.api.patch(self.rooms["five"].path, {"set": {"cooldown": 30}}).ok(200)
        self.names = {c.cid: n for n, c in self.rooms.items()}

    def put(self, value):
        """Short names in a filter become cids and ids."""
        if isinstance(value, dict):
            return {k: self.put(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.put(v) for v in value]
        if isinstance(value, str) and value[:1] == "@":
            name = value[1:]
            return getattr(self, name).id if hasattr(self, name) else self.rooms[name].cid
        if isinstance(value, str) and value[:1] == "#":
            return self.rooms[value[1:]].id
        return value

    def find(self, filter, caller=None, **body):
        caller = caller or self.ann
        return [self.names[c] for c in cids(caller, {"$and": [{"group": self.group}, self.put(filter)]} if filter else {"group": self.group}, **body)]


@pytest.fixture(scope="module")
def rooms(shared):
    return Rooms(shared.server.main)


FILTERS = [
    ({}, "five four one three two"),
    ({"cid": "@one"}, "one"), ({"cid": {"$in": ["@one", "@five", "@zed"]}}, "five one"), ({"cid": {"$eq": "@two"}}, "two"),
    ({"type": "team"}, "five four"), ({"type": {"$in": ["team", "messaging"]}}, "five four one three two"),
    ({"id": "#three"}, "three"), ({"id": {"$in": ["#three", "#four"]}}, "four three"),
    ({"members": {"$in": ["@bob"]}}, "three two"), ({"members": {"$in": ["@bob", "@eve"]}}, "five three two"),
    ({"members": {"$eq": ["@ann", "@bob"]}}, "two"), ({"members": ["@bob", "@ann"]}, "two"), ({"members": {"$in": ["nobody"]}}, ""),
    ({"member.user.name": "Eve Ender"}, "five three"), ({"member.user.name": {"$autocomplete": "bak"}}, "three two"),
    ({"created_by_id": "@eve"}, "three"), ({"created_by_id": {"$in": ["@eve", "@bob"]}}, "three"),
    ({"team": "crew"}, "four"), ({"team": {"$in": ["crew", "other"]}}, "four"),
    ({"frozen": True}, "four"), ({"frozen": False}, "five one three two"), ({"disabled": False}, "five four one three two"), ({"disabled": True}, ""),
    ({"hidden": False}, "five four one three two"), ({"hidden": True}, ""), ({"muted": True}, ""), ({"muted": False}, "five four one three two"),
    ({"pinned": True}, ""), ({"pinned": False}, "five four one three two"), ({"archived": True}, ""), ({"archived": False}, "five four one three two"),
    ({"joined": True}, "five four one three two"), ({"joined": False}, ""), ({"blocked": False}, "five four one three two"), ({"blocked": True}, ""),
    ({"invite": "pending"}, ""), ({"invite": "accepted"}, ""), ({"invite": "rejected"}, ""),
    ({"has_unread": True}, "two"),
    ({"last_message_at": {"$exists": True}}, "one two"), ({"last_message_at": {"$exists": False}}, "five four three"),
    ({"last_message_at": {"$gt": "2001-01-01T00:00:00Z"}}, "one two"), ({"last_message_at": {"$lt": "2001-01-01T00:00:00Z"}}, ""),
    ({"last_updated": {"$gte": "2001-01-01T00:00:00Z"}}, "five four one three two"),
    ({"created_at": {"$gt": "2001-01-01T00:00:00Z", "$lt": "2999-01-01T00:00:00Z"}}, "five four one three two"),
    ({"updated_at": {"$lte": "2001-01-01T00:00:00Z"}}, ""),
    ({"member_count": 3}, "three"), ({"member_count": {"$gt": 1}}, "five three two"), ({"member_count": {"$lte": 1}}, "four one"),
    ({"cooldown": 30}, "five"), ({"cooldown": {"$gte": 1}}, "five"),
    ({"filter_tags": {"$in": ["f2"]}}, "three"), ({"filter_tags": {"$in": ["f1", "none"]}}, "three two"),
    ({"app_banned": "excluded"}, "five four one three two"), ({"app_banned": "only"}, ""),
    ({"name": "Red room"}, "one"), ({"name": {"$in": ["Red room", "Blue redwood"]}}, "one two"), ({"name": {"$autocomplete": "red"}}, "one two"),
    ({"name": {"$q": "redwood blue"}}, "two"), ({"name": {"$exists": False}}, "five four three"), ({"name": {"$ne": "Red room"}}, "five four three two"),
    ({"level": 2}, "two"), ({"level": {"$gt": 2}}, "four three"), ({"level": {"$gte": 2, "$lt": 4.5}}, "three two"), ({"level": {"$in": [1, 4.5]}}, "four one"),
    ({"level": {"$nin": [1, 2]}}, "five four three"),
    ({"flag": True}, "one"), ({"flag": False}, "three"), ({"flag": {"$exists": True}}, "one three"),
    ({"tags": {"$contains": "y"}}, "one two"), ({"tags": {"$contains": "x"}}, "one"), ({"text": {"$q": "dolor lorem"}}, "five"), ({"text": {"$q": "absent"}}, ""),
    ({"$or": [{"level": 1}, {"level": 2}]}, "one two"), ({"$and": [{"type": "team"}, {"frozen": True}]}, "four"), ({"$nor": [{"type": "team"}, {"level": 1}]}, "three two"),
    ({"$or": [{"$and": [{"level": 1}, {"flag": True}]}, {"members": {"$in": ["@eve"]}}]}, "five one three"),
    ({"no_such_key": 1}, ""),
]


@pytest.mark.parametrize("filter,wanted", FILTERS, ids=[json.dumps(f) for f, _ in FILTERS])
def test_filter(rooms, filter, wanted):
    assert sorted(rooms.find(filter)) == wanted.split()


BAD_FILTERS = [{"cid": {"$gt": "a"}}, {"cid": 7}, {"type": {"$near": 1}}, {"members": {"$gt": ["x"]}}, {"members": {"$in": "x"}},
               {"frozen": "yes"}, {"frozen": {"$gt": True}}, {"hidden": 1}, {"joined": "x"}, {"has_unread": "x"},
               {"last_message_at": {"$gt": "yesterday"}}, {"member_count": "two"}, {"cooldown": "x"}, {"created_by_id": {"$autocomplete": "x"}},
               {"team": {"$q": "x"}}, {"app_banned": "x"}, {"invite": "x"}, {"invite": ""}, {"invite": None}, {"invite": True}, {"$or": [{"invite": "Pending"}, {"level": 1}]}, {"$and": []}, {"$or": {}}, {"$xor": [{}]}, {"level": {"$in": 7}}, {"level": {"$in": list(range(101))}},
               {"name": {"$exists": 1}}, {"name": {"$q": 7}}, {f"k{n}": n for n in range(21)},
               {"$and": [{"$or": [{"$and": [{"$or": [{"$and": [{"$or": [{"a": 1}]}]}]}]}]}]}]


@pytest.mark.parametrize("filter", BAD_FILTERS, ids=lambda f: json.dumps(f)[:60])
def test_bad_filter_is_400_4(app, filter):
    query(app.user(), filter).fails(400, 4)


def test_error_names_the_field(app):
    assert "member_count" in query(app.user(), {"member_count": "two"}).fails(400, 4)["exception_fields"]


@pytest.mark.parametrize("body", [{"filter_conditions": []}, {"filter_conditions": "x"}, {"limit": "x"}, {"limit": 31}, {"limit": -1}, {"offset": 1001},
                                  {"offset": -1}, {"message_limit": 301}, {"message_limit": -1}, {"member_limit": 101}, {"member_limit": "x"},
                                  {"sort": "x"}, {"sort": [7]}, {"sort": [{"field": "created_at", "direction": 2}]}, {"state": "x"}, {"watch": 1}],
                         ids=json.dumps)
def test_bad_body_is_400_4(app, body):
    app.user().post("/channels", body).fails(400, 4)


# ---- sort ----

SORTS = [
    (None, "one two five four three"),  # last activity first
    ([{"field": "last_updated", "direction": -1}], "one two five four three"),
    ([{"field": "last_message_at", "direction": -1}], "one two ..."), ([{"field": "last_message_at", "direction": 1}], "two one ..."),
    ([{"field": "created_at", "direction": 1}], "one two three four five"), ([{"field": "created_at"}], "one two three four five"),
    ([{"field": "created_at", "direction": -1}], "five four three two one"),
    ([{"field": "member_count", "direction": -1}, {"field": "created_at", "direction": 1}], "three two five one four"),
    ([{"field": "unread_count", "direction": -1}, {"field": "created_at", "direction": 1}], "two one three four five"),
    ([{"field": "has_unread", "direction": -1}, {"field": "created_at", "direction": -1}], "two five four three one"),
    ([{"field": "level", "direction": 1, "type": "number"}], "one two three four five"),
    ([{"field": "level", "direction": -1, "type": "number"}], "four three two one five"),  # without a value: last
    ([{"field": "flag", "direction": -1, "type": "boolean"}, {"field": "created_at", "direction": 1}], "one three two four five"),
    ([{"field": "name", "direction": 1}, {"field": "created_at", "direction": 1}], "two one three four five"),
    ([{"created_at": 1}], "one two three four five"), ({"created_at": -1}, "five four three two one"),
    ([{"field": "updated_at", "direction": -1}], "five ..."),
]


@pytest.mark.parametrize("sort,wanted", SORTS, ids=[json.dumps(s) for s, _ in SORTS])
def test_sort(rooms, sort, wanted):
    got, wanted = rooms.find({}, **({"sort": sort} if sort else {})), wanted.split()
    if wanted[-1] == "...":
        wanted.pop()
        got = got[:len(wanted)]
    assert got == wanted


@pytest.mark.parametrize("field", ["cid", "pinned_at", "archived_at"])
def test_sort_field_is_known(rooms, field):
    got = rooms.find({}, sort=[{"field": field, "direction": 1}])
    assert sorted(got) == ["five", "four", "one", "three", "two"]
    if field == "cid":
        assert [rooms.rooms[n].cid for n in got] == sorted(rooms.rooms[n].cid for n in got)


# ---- paging ----

def test_offset_pages_cover_all_once(rooms):
    sort = [{"field": "created_at", "direction": 1}]
    pages = [rooms.find({}, sort=sort, limit=2, offset=o) for o in (0, 2, 4, 6)]
    assert pages == [["one", "two"], ["three", "four"], ["five"], []]


def test_pages_of_equal_values_cover_all_once(app):
    ann = app.user()
    made = [app.channel(ann, same=1).cid for _ in range(12)]
    sort = [{"field": "same", "direction": 1, "type": "number"}]
    seen = [c for o in range(0, 12, 3) for c in cids(ann, {"members": {"$in": [ann.id]}}, sort=sort, limit=3, offset=o)]
    assert sorted(seen) == sorted(made)


def test_default_and_largest_page(app):
    ann = app.user()
    for _ in range(31):
        app.channel(ann)
    mine = {"members": {"$in": [ann.id]}}
    assert len(cids(ann, mine)) == 10
    assert len(cids(ann, mine, limit=0)) == 10
    assert len(cids(ann, mine, limit=30)) == 30
    assert len(cids(ann, mine, limit=30, offset=30)) == 1


# ---- what comes back ----

def test_state_of_each_channel(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    for n in range(30):
        channel.send(bob, f"{n}")
    state, = query(ann, {"cid": channel.cid}).ok()["channels"]
    assert [m["text"] for m in state["messages"]] == [f"{n}" for n in range(5, 30)]  # the newest 25, oldest first
    assert sorted(m["user_id"] for m in state["members"]) == sorted([ann.id, bob.id])
    assert state["membership"]["user_id"] == ann.id
    assert {r["user"]["id"]: r["unread_messages"] for r in state["read"]} == {ann.id: 30, bob.id: 0}
    assert state["pinned_messages"] == [] and state["threads"] == []
    assert [len(query(ann, {"cid": channel.cid}, message_limit=n).ok()["channels"][0]["messages"]) for n in (3, 300)] == [3, 30]


def test_member_limit_keeps_the_own_row(app):
    users = app.users(5)
    channel = app.channel(*users)
    for user in users:
        state, = query(user, {"cid": channel.cid}, member_limit=1).ok()["channels"]
        assert len(state["members"]) == 1 and state["membership"]["user_id"] == user.id


def test_state_false_gives_channels_only(app):
    ann = app.user()
    channel = app.channel(ann)
    channel.send(ann)
    state, = query(ann, {"cid": channel.cid}, state=False).ok()["channels"]
    assert state["channel"]["cid"] == channel.cid and state["messages"] == state["members"] == []


def test_read_list_is_bounded_and_keeps_the_caller(app):
    users = app.users(103)
    channel = app.channel(*users)
    for user in (users[0], users[-1]):
        reads = [r["user"]["id"] for r in query(user, {"cid": channel.cid}).ok()["channels"][0]["read"]]
        assert len(reads) in (100, 101) and user.id in reads and len(set(reads)) == len(reads)
        assert users[-1].id in reads or users[-2].id in reads  # the newest members


def test_get_form_with_payload(app):
    ann = app.user()
    channel = app.channel(ann)
    shown = ann.get("/channels", payload={"filter_conditions": {"cid": channel.cid}}).ok(200)["channels"]
    assert [c["channel"]["cid"] for c in shown] == [channel.cid]


def test_null_counts_as_not_given(app):
    ann = app.user()
    channel = app.channel(ann)
    body = {"filter_conditions": {"cid": channel.cid}, "sort": None, "limit": None, "offset": None, "state": None, "user": None, "user_id": ""}
    assert len(ann.post("/channels", body).ok()["channels"]) == 1


# ---- who sees what ----

def test_client_sees_only_what_he_may_read(rooms):
    assert sorted(rooms.find({}, caller=rooms.bob)) == ["five", "four", "three", "two", "zed"]  # teams are open inside the application
    assert sorted(rooms.find({"type": "messaging"}, caller=rooms.eve)) == ["three"]
    reply = query(rooms.ann, rooms.put({"cid": "@zed"}))  # asks for nothing but what she may not read: refused, or an empty list
    assert reply.fails(403, 70) if reply.status == 403 else reply.ok()["channels"] == []


def test_server_side_sees_all(rooms):
    assert sorted(rooms.find({}, caller=rooms.app.api, limit=30)) == ["five", "four", "one", "three", "two", "zed"]


def test_server_side_as_somebody(rooms):
    assert rooms.find({"has_unread": True}, caller=rooms.app.api, user_id=rooms.ann.id) == ["two"]


def test_member_relative_filter_without_somebody_is_400_4(rooms):
    query(rooms.app.api, {"has_unread": True}).fails(400, 4)


def test_filter_text_is_never_sql(app):
    ann = app.user()
    app.channel(ann, name="x")
    for text in ("' OR 1=1 --", '"; DROP TABLE channels; --', "%", "\\", "') UNION SELECT 1 --"):
        assert cids(ann, {"name": text}) == []
        assert cids(ann, {"name": {"$autocomplete": text}}) == []
        assert query(ann, {text: 1}).json.get("channels", []) == []
        query(ann, {}, sort=[{"field": text, "direction": 1}])
    assert len(cids(ann, {"members": {"$in": [ann.id]}})) == 1


def test_watch_by_query(app, transport):
    ann, bob = app.users(2)
    channels = [app.channel(ann, bob) for _ in range(3)]
    session = ann.connect(transport)
    body = {"filter_conditions": {"members": {"$in": [ann.id]}}, "watch": True, "state": True}
    ann.post("/channels", body, query={"connection_id": session.id}).ok()
    for channel in channels:
        bob.send(channel, "hi")
        session.expect("message.new", cid=channel.cid)
