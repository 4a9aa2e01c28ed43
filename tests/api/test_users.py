"""connection-and-users.md §4: upsert, partial update, query, delete, deactivate."""
import json

import pytest

from beck import ZERO_TIME, check_user, limit, now_us, parse_time, uid, wait_until

pytestmark = pytest.mark.quick


def upsert(caller, *users):
    return caller.post("/users", {"users": {u["id"]: u for u in users}})


def patch(caller, id, **change):
    return caller.patch("/users", {"users": [{"id": id, **change}]})


def query(caller, filter=None, **payload):
    return caller.get("/users", payload={"filter_conditions": filter or {}, **payload})


def found(caller, filter, **payload):
    return [u["id"] for u in query(caller, filter, **payload).ok(200)["users"]]


# ---- upsert ----

def test_upsert_creates(app):
    name = uid("new")
    body = upsert(app.api, {"id": name, "name": "N", "image": "i", "role": "admin", "language": "en", "color": {"a": [1]}}).ok(201)
    user = check_user(body["users"][name], name)
    assert body["membership_deletion_task_id"] == ""
    stored = app.stored(name)
    for key, value in {"name": "N", "image": "i", "role": "admin", "language": "en", "color": {"a": [1]}}.items():
        assert user[key] == value and stored[key] == value
    assert user["created_at"] == user["updated_at"] and user["online"] is False and "last_active" not in user


def test_upsert_replies_with_the_full_view(app):
    name = uid("full")
    user = upsert(app.api, {"id": name}).ok(201)["users"][name]
    for key in ("devices", "mutes", "channel_mutes", "blocked_user_ids"):
        assert user[key] == [], key


def test_upsert_replaces_custom_data_and_keeps_built_ins(app):
    user = app.user(name="N", image="i", role="admin", language="en", invisible=True, teams=["red"], x=1, y=2,
                    privacy_settings={"read_receipts": {"enabled": False}})
    upsert(app.api, {"id": user.id, "z": 3}).ok(201)
    stored = app.stored(user.id)
    assert stored["z"] == 3 and not {"x", "y", "name", "image"} & set(stored)
    assert (stored["role"], stored["language"], stored["invisible"], stored["teams"]) == ("admin", "en", True, ["red"])
    assert stored["privacy_settings"] == {"read_receipts": {"enabled": False}}


def test_upsert_merges_privacy_settings(app):
    user = app.user(privacy_settings={"typing_indicators": {"enabled": False}})
    upsert(app.api, {"id": user.id, "privacy_settings": {"read_receipts": {"enabled": True}}}).ok(201)
    assert app.stored(user.id)["privacy_settings"] == {"typing_indicators": {"enabled": False}, "read_receipts": {"enabled": True}}


def test_user_of_a_reply_may_be_sent_back_whole(app):
    user = app.user(name="N", x=1)
    before = app.stored(user.id)
    again = upsert(app.api, before).ok(201)["users"][user.id]
    assert {k: again[k] for k in ("name", "x", "role", "created_at")} == {k: before[k] for k in ("name", "x", "role", "created_at")}
    assert set(app.stored(user.id)) == set(before)


def test_upsert_of_100_users(app):
    ids = [uid("many") for _ in range(100)]
    assert len(upsert(app.api, *[{"id": i} for i in ids]).ok(201)["users"]) == 100
    assert sorted(found(app.api, {"id": {"$in": ids}}, limit=100)) == sorted(ids)


def test_batch_of_101_is_400_4_and_stores_nothing(app):
    ids = [uid("many") for _ in range(101)]
    upsert(app.api, *[{"id": i} for i in ids]).fails(400, 4)
    assert found(app.api, {"id": {"$in": ids[:100]}}) == []


def test_batch_is_atomic(app):
    good, bad = uid("good"), uid("bad")
    upsert(app.api, {"id": good}, {"id": bad, "role": "no-such-role"}).fails(400, 4)
    assert app.stored(good) is None


@pytest.mark.parametrize("body", [{}, {"users": {}}, {"users": []}, {"users": None}, {"users": {"a": 7}}, {"users": {"a": {}}},
                                  {"users": {"a": {"id": "b"}}}, {"users": {"": {"id": ""}}}, {"users": {"has space": {"id": "has space"}}}],
                         ids=json.dumps)
def test_malformed_upsert_is_400_4(app, body):
    app.api.post("/users", body).fails(400, 4)


@pytest.mark.parametrize("fields", [{"name": 1}, {"image": {}}, {"role": 7}, {"role": "no-such-role"}, {"language": []}, {"invisible": 1},
                                    {"teams": "red"}, {"teams": [1]}, {"teams_role": []}, {"privacy_settings": []}, {"pk": 1},
                                    {"app_pk": 1}, {"user_pk": 1}, {"revoke_tokens_issued_before": "yesterday"}], ids=json.dumps)
def test_bad_field_is_400_4_and_nothing_is_stored(app, fields):
    name = uid("bad")
    upsert(app.api, {"id": name, **fields}).fails(400, 4)
    assert app.stored(name) is None


@pytest.mark.parametrize("role", ["user", "guest", "admin", "moderator", "global_moderator", "global_admin"])
def test_roles(app, role):
    assert app.stored(app.user(role=role).id)["role"] == role


def test_teams_within_their_limits(app):
    teams = [f"t{n}" for n in range(limit("TEAMS"))]
    assert app.stored(app.user(teams=teams).id)["teams"] == teams
    upsert(app.api, {"id": uid(), "teams": teams + ["one more"]}).fails(400, 4)
    upsert(app.api, {"id": uid(), "teams": ["x" * 101]}).fails(400, 4)
    app.user(teams=["x" * 100])


def test_client_upserts_only_himself(app):
    ann, bob = app.users(2)
    upsert(ann, {"id": ann.id, "name": "Ann"}).ok(201)
    assert app.stored(ann.id)["name"] == "Ann"
    upsert(ann, {"id": bob.id, "name": "Bob"}).fails(403, 17)
    upsert(ann, {"id": uid(), "name": "New"}).fails(403, 17)
    assert "name" not in app.stored(bob.id)


@pytest.mark.parametrize("fields", [{"role": "admin"}, {"teams": ["red"]}])
def test_client_cannot_raise_himself_by_upsert(app, fields):
    ann = app.user("ann")
    upsert(ann, {"id": ann.id, **fields}).fails(403, 17)
    patch(ann, ann.id, set=fields).fails(403, 17)
    stored = app.stored(ann.id)
    assert stored["role"] == "user" and stored["teams"] == []


def test_upsert_of_a_deleted_id_is_400_4(app):
    user = app.user()
    app.api.post("/users/delete", {"user_ids": [user.id]}).ok(201)
    upsert(app.api, {"id": user.id, "name": "again"}).fails(400, 4)


def test_upsert_tells_own_sessions(app, transport):
    user = app.user()
    session = user.connect(transport)
    upsert(app.api, {"id": user.id, "name": "N", "privacy_settings": {"read_receipts": {"enabled": False}}}).ok(201)
    told = session.expect("user.updated")["user"]
    assert (told["id"], told["name"], told["privacy_settings"]) == (user.id, "N", {"read_receipts": {"enabled": False}})


# ---- partial update ----

def test_set_and_unset(app):
    user = app.user(name="N", x=1, y={"a": 1, "b": {"c": 2}})
    body = patch(app.api, user.id, set={"x": 2, "z": "new", "y.b.c": 3, "y.d": [1]}, unset=["y.a", "name"]).ok(200)
    stored = app.stored(user.id)
    for shown in (body["users"][user.id], stored):
        assert (shown["x"], shown["z"], shown["y"]) == (2, "new", {"b": {"c": 3}, "d": [1]})
        assert not shown.get("name")


def test_setting_an_object_replaces_it(app):
    user = app.user(y={"a": 1, "b": 2})
    patch(app.api, user.id, set={"y": {"c": 3}}).ok(200)
    assert app.stored(user.id)["y"] == {"c": 3}


def test_setting_privacy_merges(app):
    user = app.user()
    patch(app.api, user.id, set={"privacy_settings": {"typing_indicators": {"enabled": True}}}).ok(200)
    patch(app.api, user.id, set={"privacy_settings": {"read_receipts": {"enabled": False}}}).ok(200)
    assert app.stored(user.id)["privacy_settings"] == {"typing_indicators": {"enabled": True}, "read_receipts": {"enabled": False}}


def test_unset_leaves_the_empty_object(app):
    user = app.user(test={"passed": True})
    patch(app.api, user.id, unset=["test.passed"]).ok(200)
    assert app.stored(user.id)["test"] == {}


def test_unset_of_an_absent_key_is_no_error(app):
    patch(app.api, app.user().id, unset=["nothing", "no.thing"]).ok(200)


@pytest.mark.parametrize("change", [
    {"set": {"a": 1}, "unset": ["a"]}, {"set": {"a.b": 1}, "unset": ["a"]}, {"set": {"a": 1}, "unset": ["a.b"]},
    {"set": {"a": 1, "a.b": 2}}, {"unset": ["a", "a.b"]},
    {"set": {"a b": 1}}, {"set": []}, {"unset": "a"}, {"unset": [7]}, {"set": {"role": "nope"}},
    {"set": {"name": 7}}, {"set": {"pk": 1}}, {"set": {"": 1}}, {"set": {"a..b": 1}}, {"set": {".a": 1}}], ids=json.dumps)
def test_bad_change_is_400_4_and_changes_nothing(app, change):
    user = app.user(name="N", a={"b": 1})
    patch(app.api, user.id, **change).fails(400, 4)
    stored = app.stored(user.id)
    assert (stored["name"], stored["a"], stored["role"]) == ("N", {"b": 1}, "user")


@pytest.mark.parametrize("change", [{"set": {"id": "other"}}, {"unset": ["id"]}], ids=json.dumps)
def test_id_cannot_be_set(app, change):
    user = app.user(name="N")
    assert patch(app.api, user.id, **change).status in (200, 400)
    assert app.stored(user.id)["name"] == "N" and app.stored("other") is None


def test_partial_update_of_an_unknown_user_is_404_16(app):
    patch(app.api, uid("nobody"), set={"x": 1}).fails(404, 16)


def test_partial_batch_is_atomic(app):
    user = app.user()
    body = {"users": [{"id": user.id, "set": {"x": 1}}, {"id": uid("nobody"), "set": {"x": 1}}]}
    app.api.patch("/users", body).fails(404, 16)
    assert "x" not in app.stored(user.id)


@pytest.mark.parametrize("body", [{}, {"users": []}, {"users": {}}, {"users": [{}]}, {"users": [{"set": {}}]}, {"users": [7]}], ids=json.dumps)
def test_malformed_partial_update_is_400_4(app, body):
    app.api.patch("/users", body).fails(400, 4)


def test_read_only_keys_of_a_partial_update_are_ignored(app):
    user = app.user()
    patch(app.api, user.id, set={"created_at": ZERO_TIME, "banned": True, "online": True, "x": 1}).ok(200)
    stored = app.stored(user.id)
    assert stored["x"] == 1 and stored["banned"] is False and stored["online"] is False and stored["created_at"] != ZERO_TIME


def test_client_updates_only_himself_partially(app):
    ann, bob = app.users(2)
    patch(ann, ann.id, set={"mood": "fine"}).ok(200)
    patch(ann, bob.id, set={"mood": "bad"}).fails(403, 17)
    assert app.stored(ann.id)["mood"] == "fine" and "mood" not in app.stored(bob.id)


def test_partial_update_moves_updated_at_and_tells_own_sessions(app, transport):
    user = app.user()
    before = app.stored(user.id)["updated_at"]
    session = user.connect(transport)
    patch(app.api, user.id, set={"mood": "fine"}).ok(200)
    assert session.expect("user.updated")["user"]["mood"] == "fine"
    assert parse_time(app.stored(user.id)["updated_at"]) > parse_time(before)


def test_update_reaches_presence_subscribers_and_nobody_else(app):
    ann, bob, eve = app.users(3)
    subscribed, other = bob.connect(), eve.connect()
    bob.get("/users", payload={"filter_conditions": {"id": ann.id}, "presence": True}, query={"connection_id": subscribed.id}).ok(200)
    ann.update(mood="fine")
    assert subscribed.expect("user.updated")["user"]["mood"] == "fine"
    other.expect_none("user.updated")


# ---- views ----

def test_others_see_the_common_view(app):
    ann, bob = app.users(2)
    patch(app.api, ann.id, set={"x": 1, "privacy_settings": {"read_receipts": {"enabled": False}}, "invisible": True,
                                "revoke_tokens_issued_before": "2001-01-01T00:00:00Z"}).ok(200)
    seen = check_user(query(bob, {"id": ann.id}).ok(200)["users"][0], ann.id)
    assert seen["x"] == 1 and seen["blocked_user_ids"] == [] and not seen.get("invisible")
    assert "privacy_settings" not in seen and "revoke_tokens_issued_before" not in seen
    for key in ("devices", "mutes", "channel_mutes"):
        assert not seen.get(key)


def test_he_himself_sees_his_own_settings(app):
    ann = app.user()
    patch(app.api, ann.id, set={"privacy_settings": {"read_receipts": {"enabled": False}}, "invisible": True}).ok(200)
    seen = query(ann, {"id": ann.id}).ok(200)["users"][0]
    assert seen["privacy_settings"] == {"read_receipts": {"enabled": False}} and seen["invisible"] is True


# ---- query: filters ----

@pytest.fixture(scope="module")
def people(shared):
    """Five users of one group, known by their short names."""
    app = shared.server.main
    group = uid("group")
    made = {}
    for short, fields in {"ada": {"name": "Ada Lovelace", "age": 36, "role": "admin", "langs": ["en", "fr"], "teams": ["red"]},
                          "bob": {"name": "Bob Stone", "age": 20, "langs": ["de"], "teams": ["red", "blue"]},
                          "cid": {"name": "Cid", "age": 20, "vip": True},
                          "dan": {"name": "dan lovett", "vip": False, "age": 41.5},
                          "eve": {"role": "guest", "age": 3}}.items():
        made[short] = app.user(short, group=group, **fields).id
    return app, group, made


def shorts(people, filter, caller=None, **payload):
    app, group, made = people
    filter = json.loads(json.dumps(filter), object_hook=lambda o: {k: made.get(v, v) if isinstance(v, str) else
                                                                    [made.get(i, i) if isinstance(i, str) else i for i in v] if isinstance(v, list) else v
                                                                    for k, v in o.items()})
    names = {v: k for k, v in made.items()}
    return [names[i] for i in found(caller or app.api, {"$and": [{"group": group}, filter]} if filter else {"group": group}, **payload)]


FILTERS = [
    ({}, "ada bob cid dan eve"),
    ({"id": "bob"}, "bob"), ({"id": {"$eq": "bob"}}, "bob"), ({"id": {"$in": ["bob", "eve", "nobody"]}}, "bob eve"),
    ({"id": {"$autocomplete": "bo"}}, "bob"),
    ({"name": "Cid"}, "cid"), ({"name": {"$in": ["Cid", "Bob Stone"]}}, "bob cid"),
    ({"name": {"$autocomplete": "lov"}}, "ada dan"), ({"name": {"$autocomplete": "LOVE"}}, "ada dan"), ({"name": {"$autocomplete": "ovel"}}, ""),
    ({"name": {"$q": "lovelace"}}, "ada"), ({"name": {"$q": "ada lovelace"}}, "ada"),
    ({"name": {"$exists": False}}, "eve"), ({"name": {"$exists": True}}, "ada bob cid dan"),
    ({"role": "user"}, "bob cid dan"), ({"role": {"$in": ["admin", "guest"]}}, "ada eve"),
    ({"banned": False}, "ada bob cid dan eve"), ({"banned": True}, ""), ({"shadow_banned": True}, ""),
    ({"age": 20}, "bob cid"), ({"age": {"$gt": 20}}, "ada dan"), ({"age": {"$gte": 20}}, "ada bob cid dan"), ({"age": {"$lt": 20}}, "eve"),
    ({"age": {"$lte": 20}}, "bob cid eve"), ({"age": {"$gt": 3, "$lt": 41.5}}, "ada bob cid"), ({"age": {"$in": [3, 36]}}, "ada eve"),
    ({"vip": True}, "cid"), ({"vip": False}, "dan"), ({"vip": {"$exists": True}}, "cid dan"),
    ({"langs": {"$contains": "fr"}}, "ada"), ({"langs": {"$contains": "xx"}}, ""),
    ({"teams": {"$contains": "red"}}, "ada bob"), ({"teams": {"$in": ["blue"]}}, "bob"),
    ({"$or": [{"id": "ada"}, {"age": 3}]}, "ada eve"), ({"$and": [{"age": 20}, {"vip": True}]}, "cid"),
    ({"$nor": [{"age": 20}, {"id": "ada"}]}, "dan eve"), ({"$or": [{"$and": [{"age": 20}, {"vip": True}]}, {"id": "eve"}]}, "cid eve"),
    ({"age": {"$ne": 20}}, "ada dan eve"), ({"role": {"$nin": ["user"]}}, "ada eve"),
    ({"last_active": {"$exists": False}}, "ada bob cid dan eve"), ({"last_active": {"$exists": True}}, ""),
    ({"created_at": {"$gt": "2001-01-01T00:00:00Z"}}, "ada bob cid dan eve"), ({"created_at": {"$lt": "2001-01-01T00:00:00Z"}}, ""),
    ({"updated_at": {"$gte": "2001-01-01T00:00:00.5Z", "$lte": "2999-01-01T00:00:00Z"}}, "ada bob cid dan eve"),
    ({"no_such_custom_key": "x"}, ""),
]


@pytest.mark.parametrize("filter,wanted", FILTERS, ids=[json.dumps(f) for f, _ in FILTERS])
def test_filter(people, filter, wanted):
    assert sorted(shorts(people, filter)) == wanted.split()


BAD_FILTERS = [{"age": {"$near": 1}}, {"$xor": []}, {"$and": []}, {"$or": {}}, {"$and": [7]}, {"id": {"$in": "bob"}}, {"id": {"$in": ["x"] * 101}},
               {"name": {"$autocomplete": 7}}, {"created_at": {"$gt": "yesterday"}}, {"created_at": {"$gt": 7}}, {"banned": "yes"},
               {"id": {"$exists": "yes"}}, {"teams": {"$gt": 1}}, {"role": 7}, {"name": {"$q": []}},
               {"$and": [{"$and": [{"$and": [{"$and": [{"$and": [{"$and": [{"a": 1}]}]}]}]}]}]}, {f"k{n}": n for n in range(21)}]


@pytest.mark.parametrize("filter", BAD_FILTERS, ids=lambda f: json.dumps(f)[:60])
def test_bad_filter_is_400_4(app, filter):
    query(app.api, filter).fails(400, 4)


def test_error_names_the_field(app):
    assert "created_at" in query(app.api, {"created_at": {"$gt": "yesterday"}}).fails(400, 4)["exception_fields"]


def test_filter_text_is_never_sql(app):
    for text in ("' OR 1=1 --", '"; DROP TABLE users; --', "%", "_", "\\", "x') UNION SELECT 1 --"):
        assert found(app.api, {"name": text}) == []
        assert query(app.api, {text: "x"}).json.get("users", []) == []  # no such key, or refused
        assert found(app.api, {"name": {"$autocomplete": text}}) == []
    query(app.api, {}, sort=[{"field": "id; DROP TABLE users", "direction": 1}])
    assert query(app.api, {}, limit=1).ok(200)["users"]


# ---- query: sort and paging ----

SORTS = [
    (None, "eve dan cid bob ada"),  # newest first
    ([{"field": "created_at", "direction": 1}], "ada bob cid dan eve"),
    ([{"field": "age", "direction": 1}, {"field": "created_at", "direction": -1}], "eve cid bob ada dan"),
    ([{"field": "age", "direction": -1}, {"field": "created_at", "direction": 1}], "dan ada bob cid eve"),
    ([{"created_at": 1}], "ada bob cid dan eve"), ({"created_at": 1}, "ada bob cid dan eve"),
]


@pytest.mark.parametrize("sort,wanted", SORTS, ids=[json.dumps(s) for s, _ in SORTS])
def test_sort(people, sort, wanted):
    assert shorts(people, {}, **({"sort": sort} if sort else {})) == wanted.split()


@pytest.mark.parametrize("sort", ["id", [7], [{"field": "id", "direction": 2}], [{"field": 7}]], ids=json.dumps)
def test_bad_sort_is_400_4(app, sort):
    query(app.api, {}, sort=sort).fails(400, 4)


def test_offset_pages_cover_all_once(people):
    pages = [shorts(people, {}, limit=2, offset=o) for o in (0, 2, 4, 6)]
    assert pages == [["eve", "dan"], ["cid", "bob"], ["ada"], []]


@pytest.mark.parametrize("key", ["id_gt", "id_gte", "id_lt", "id_lte"])
def test_id_pages(people, key):
    app, group, made = people
    order = sorted(made.values())
    wanted = {"id_gt": order[3:], "id_gte": order[2:], "id_lt": order[:2], "id_lte": order[:3]}[key]
    assert found(app.api, {"group": group}, **{key: order[2]}) == wanted


def test_id_pages_cover_all_once(people):
    app, group, made = people
    seen, last = [], ""
    while page := found(app.api, {"group": group}, limit=2, **({"id_gt": last} if last else {"sort": [{"field": "id", "direction": 1}]})):
        seen, last = seen + page, page[-1]
    assert seen == sorted(made.values())


def test_default_and_largest_page(app):
    group = uid("crowd")
    app.users(101, "crowd", group=group)
    assert len(found(app.api, {"group": group})) == 30
    assert len(found(app.api, {"group": group}, limit=0)) == 30
    assert len(found(app.api, {"group": group}, limit=100)) == 100
    query(app.api, {"group": group}, limit=101).fails(400, 4)
    query(app.api, {"group": group}, limit=-1).fails(400, 4)


def test_largest_offset(app):
    query(app.api, {}, offset=1000).ok(200)
    query(app.api, {}, offset=1001).fails(400, 4)
    query(app.api, {}, offset=-1).fails(400, 4)


@pytest.mark.parametrize("payload", [{"limit": "10"}, {"offset": "1"}, {"filter_conditions": []}, {"filter_conditions": "x"}, {"presence": "yes"},
                                     {"id_gt": 7}, {"limit": 1.5}], ids=json.dumps)
def test_bad_query_payload_is_400_4(app, payload):
    app.api.get("/users", payload=payload).fails(400, 4)


def test_null_counts_as_not_given(app):
    user = app.user()
    payload = {"filter_conditions": {"id": user.id}, "sort": None, "limit": None, "offset": None, "id_gt": None, "presence": None}
    assert [u["id"] for u in app.api.get("/users", payload=payload).ok(200)["users"]] == [user.id]


def test_client_may_query_others(people):
    assert shorts(people, {"age": 20}, caller=people[0].user(), sort=[{"field": "created_at", "direction": 1}]) == ["bob", "cid"]


def test_disallowed_role_cannot_search(own_app):
    ann = own_app.user("ann")
    own_app.api.patch("/app", {"user_search_disallowed_roles": ["user"]}).ok(200)
    query(ann, {}).fails(403, 17)
    query(own_app.api, {}).ok(200)


def test_query_with_presence_needs_a_connection(app):
    query(app.user(), {}, presence=True).fails(400, 4)
    query(app.api, {}, presence=True).fails(400, 4)


def test_last_active_filter_finds_who_connected(app):
    ann, bob = app.users(2)
    ann.connect("ws").close()
    filter = {"id": {"$in": [ann.id, bob.id]}, "last_active": {"$exists": True}}
    wait_until(lambda: found(app.api, filter) == [ann.id], "last_active is stored within a second")


# ---- deactivate and reactivate ----

def test_deactivated_user_is_hidden_unless_asked_for(app):
    user = app.user()
    body = app.api.post(f"/users/{user.id}/deactivate").ok(201)
    assert "deactivated_at" in body["user"]
    assert app.stored(user.id) is None
    shown = app.stored(user.id, include_deactivated_users=True)
    assert abs(parse_time(shown["deactivated_at"]) - now_us()) < 60_000_000


def test_reactivated_user_is_back(app):
    user = app.user(name="N")
    app.api.post(f"/users/{user.id}/deactivate").ok(201)
    body = app.api.post(f"/users/{user.id}/reactivate", {"name": "New"}).ok(201)
    assert body["user"]["name"] == "New" and "deactivated_at" not in body["user"]
    assert app.stored(user.id)["name"] == "New"
    user.connect()


def test_deactivating_ends_sessions_with_code_17(app, transport):
    user = app.user()
    session = user.connect(transport)
    app.api.post(f"/users/{user.id}/deactivate").ok(201)
    session.expect_closed()
    assert session.final_error["code"] == 17 and session.final_error["StatusCode"] == 403


def test_deactivated_author_stays_in_history(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    message = bob.send(channel, "I was here")
    app.api.post(f"/users/{bob.id}/deactivate").ok(201)
    shown = ann.get(f"/messages/{message['id']}").ok(200)["message"]
    assert shown["text"] == "I was here" and shown["user"]["id"] == bob.id and "deactivated_at" in shown["user"]


def test_deactivate_and_reactivate_many_as_tasks(app):
    users = [u.id for u in app.users(3)]
    for action, hidden in (("deactivate", True), ("reactivate", False)):
        task = app.task(app.api.post(f"/users/{action}", {"user_ids": users}).ok(201)["task_id"])
        assert task["status"] == "completed" and task["result"] == {u: {"status": "ok"} for u in users}
        assert [app.stored(u) is None for u in users] == [hidden] * 3


@pytest.mark.parametrize("action", ["deactivate", "reactivate"])
def test_unknown_user_is_404_16(app, action):
    app.api.post(f"/users/{uid('nobody')}/{action}").fails(404, 16)


# ---- delete ----

@pytest.mark.parametrize("how", [{}, {"user": "soft"}, {"user": "pruning"}, {"user": "hard", "messages": "hard", "conversations": "hard"},
                                 {"user": "soft", "messages": "hard"}], ids=json.dumps)
def test_deleted_user_is_gone_at_once_and_the_task_completes(app, how):
    user = app.user()
    task_id = app.api.post("/users/delete", {"user_ids": [user.id], **how}).ok(201)["task_id"]
    assert app.stored(user.id) is None and app.stored(user.id, include_deactivated_users=True) is None
    task = app.task(task_id)
    assert task["status"] == "completed" and task["result"] == {user.id: {"status": "ok"}}
    assert task["task_id"] == task_id and parse_time(task["created_at"]) <= parse_time(task["updated_at"])


@pytest.mark.parametrize("how", [{"user": "hard"}, {"user": "hard", "messages": "hard"}, {"user": "hard", "conversations": "hard"},
                                 {"user": "hard", "messages": "soft", "conversations": "hard"}, {"user": "maybe"}, {"messages": "maybe"},
                                 {"conversations": "pruning"}, {"user": 7}], ids=json.dumps)
def test_impossible_delete_is_400_4(app, how):
    user = app.user()
    app.api.post("/users/delete", {"user_ids": [user.id], **how}).fails(400, 4)
    assert app.stored(user.id)


@pytest.mark.parametrize("ids", [[], None, "x", [7], ["x"] * 101])
@pytest.mark.parametrize("action", ["delete", "restore", "deactivate", "reactivate"])
def test_bad_list_of_users_is_400_4(app, action, ids):
    app.api.post(f"/users/{action}", {"user_ids": ids}).fails(400, 4)


def test_delete_one(app):
    user = app.user(name="N")
    body = app.api.delete(f"/users/{user.id}").ok(200)
    assert body["user"]["id"] == user.id and "deleted_at" in body["user"]
    assert app.stored(user.id) is None
    app.api.delete(f"/users/{uid('nobody')}").fails(404, 16)


def test_soft_deleted_user_keeps_his_messages(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    message = bob.send(channel, "kept")
    app.task(app.api.post("/users/delete", {"user_ids": [bob.id]}).ok(201)["task_id"])
    shown = ann.get(f"/messages/{message['id']}").ok(200)["message"]
    assert shown["text"] == "kept" and "deleted_at" in shown["user"]


MESSAGE_MODES = [("soft", lambda r: r.ok(200)["message"]["type"] == "deleted"), ("hard", lambda r: r.status == 404)]


@pytest.mark.parametrize("mode,is_right", MESSAGE_MODES, ids=[m for m, _ in MESSAGE_MODES])
def test_messages_of_a_deleted_user(app, mode, is_right):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    message, other = bob.send(channel, "his"), ann.send(channel, "hers")
    task = app.task(app.api.post("/users/delete", {"user_ids": [bob.id], "messages": mode}).ok(201)["task_id"])
    assert task["status"] == "completed"
    assert is_right(ann.get(f"/messages/{message['id']}"))
    assert ann.get(f"/messages/{other['id']}").ok(200)["message"]["text"] == "hers"


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_conversations_of_a_deleted_user(app, mode):
    ann, bob, eve = app.users(3)
    two, three = app.channel(ann, bob), app.channel(ann, bob, eve)
    how = {"user": mode, "messages": mode, "conversations": mode}
    app.task(app.api.post("/users/delete", {"user_ids": [bob.id], **how}).ok(201)["task_id"])
    left = ann.post("/channels", {"filter_conditions": {"members": {"$in": [ann.id]}}}).ok()["channels"]
    assert [c["channel"]["cid"] for c in left] == [three.cid] and two.cid != three.cid


def test_delete_ends_sessions_with_code_16(app, transport):
    user = app.user()
    session = user.connect(transport)
    app.api.post("/users/delete", {"user_ids": [user.id]}).ok(201)
    session.expect_closed()
    assert session.final_error["code"] == 16 and session.final_error["StatusCode"] == 404


def test_delete_tells_presence_subscribers(app):
    ann, bob = app.users(2)
    session = ann.connect()
    ann.get("/users", payload={"filter_conditions": {"id": bob.id}, "presence": True}, query={"connection_id": session.id}).ok(200)
    app.api.post("/users/delete", {"user_ids": [bob.id], "messages": "soft"}).ok(201)
    event = session.expect("user.deleted")
    assert event["user"]["id"] == bob.id and "deleted_at" in event["user"]
    assert (event["delete_user"], event["delete_messages"], event["hard_delete"]) == ("soft", "soft", False)


def test_restored_user_is_back(app):
    user = app.user(name="N")
    app.task(app.api.post("/users/delete", {"user_ids": [user.id]}).ok(201)["task_id"])
    app.api.post("/users/restore", {"user_ids": [user.id]}).ok(201)
    assert app.stored(user.id)["name"] == "N"
    user.connect()


def test_hard_deleted_user_leaves_no_trace_in_history(app):
    ann, bob = app.users(2)
    app.api.patch("/users", {"users": [{"id": bob.id, "set": {"motto": "findme-profile"}}]}).ok(200)
    channel = app.channel(ann, bob)
    bob.send(channel, "findme-text")
    how = {"user": "hard", "messages": "hard", "conversations": "hard"}
    app.task(app.api.post("/users/delete", {"user_ids": [bob.id], **how}).ok(201)["task_id"])
    seen = app.api.post("/channels", {"filter_conditions": {"cid": channel.cid}, "state": True})
    assert b"findme" not in seen.body


# ---- custom events to a user ----

def test_user_event_reaches_all_his_sessions(app):
    ann, bob = app.users(2)
    sessions = [ann.connect("ws"), ann.connect("longpoll")]
    other = bob.connect()
    app.api.post(f"/users/{ann.id}/event", {"event": {"type": "friendship_request", "from": "bob", "data": {"x": [1]}, "created_at": ZERO_TIME}}).ok(201)
    for session in sessions:
        event = session.expect("friendship_request")
        assert event["from"] == "bob" and event["data"] == {"x": [1]} and event["created_at"] != ZERO_TIME
    other.expect_none("friendship_request")


@pytest.mark.parametrize("event", [{"type": "a.b"}, {"type": ""}, {}, {"type": 7}, 7, None, {"type": "message.new"}], ids=json.dumps)
def test_bad_user_event_is_400(app, event):
    reply = app.api.post(f"/users/{app.user().id}/event", {"event": event})
    assert reply.status == 400 and reply.json["code"] in (4, 18)


def test_user_event_to_nobody_is_404_16(app):
    app.api.post(f"/users/{uid('nobody')}/event", {"event": {"type": "wave"}}).fails(404, 16)


# ---- unique names ----

def test_unique_usernames(own_app):
    own_app.user(name="John Smith")
    own_app.api.patch("/app", {"enforce_unique_usernames": "app"}).ok(200)
    for name in ("John Smith", "john smith", "J o h n-Smith!"):
        upsert(own_app.api, {"id": uid(), "name": name}).fails(400, 6)
    jane = own_app.user("jane", name="Jane")
    patch(own_app.api, jane.id, set={"name": "JOHN SMITH"}).fails(400, 6)
    jane.refused("ws", {"name": "johnsmith"}).fails(400, 6)
    upsert(own_app.api, {"id": jane.id, "name": "Jane"}).ok(201)  # his own name is no clash


def test_names_may_repeat_by_default(app):
    for _ in range(2):
        app.user(name="Same Name")
