"""Every route with every kind of bad input: the contract's error with the right code, nothing stored, the server stays up."""
import json

import pytest

from beck import limit, uid, wait_until
from routes import BOTH, BY_NAME, NOBODY, ROUTES, SERVER, WITH_BODY, WITH_PAYLOAD, World, named


@pytest.fixture(scope="module")
def world(shared):
    world = World(shared.server.main.scope())
    world.connection()  # now, so that nothing changes when a route wants it
    wait_until(lambda: "last_active" in world.app.stored(world.alice.id), "the connect is stored")
    yield world
    world.app.close()


def timeless(value):
    """Without what changes by itself: marks of activity are written in batches, within a second."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in ("last_active", "online")}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def picture(world):
    """What could have been changed, as one value."""
    state = world.channel.state()
    user = world.app.stored(world.alice.id)
    for body in (state, user):
        body.pop("duration", None)
    return json.dumps([timeless(part) for part in (state["channel"], state["members"], state["messages"], user)], sort_keys=True)


def refuse(world, route, code=(4,), **changed):
    before = picture(world)
    reply = world.call(route, **changed)
    assert reply.status == 400, reply
    reply.fails(400, reply.json["code"])
    assert reply.json["code"] in code
    assert picture(world) == before


# ---- bodies ----

@pytest.mark.parametrize("body", [b"{", b'{"a":}', b'{"a":1}x', b"{'a':1}", b"nope", b"\xef\xbb\xbf{", b"{\"a\":\"\t\x01\"}", b'{"a":01}', b'{"a":NaN}', b'{"a":1,}'],
                         ids=["cut", "no value", "trailing", "single quotes", "word", "BOM", "control", "leading zero", "NaN", "comma"])
def test_malformed_json(world, body):
    refuse(world, BY_NAME["SendMessage"], body=body)


@pytest.mark.parametrize("route", **named(WITH_BODY))
def test_malformed_json_on_every_route(world, route):
    refuse(world, route, body=b'{"half":')


@pytest.mark.parametrize("route", **named(WITH_BODY))
def test_body_that_is_no_object(world, route):
    for body in (b"[]", b'"text"', b"7", b"true"):
        refuse(world, route, body=body)


@pytest.mark.parametrize("route", **named(WITH_BODY))
def test_bad_utf8_on_every_route(world, route):
    good = json.dumps(route.body(world)).encode()
    refuse(world, route, body=good[:-1] + b',"zz":"\xff\xfe"}' if good != b"{}" else b'{"zz":"\xc3("}')


@pytest.mark.parametrize("route", **named(WITH_BODY))
def test_lone_surrogate_on_every_route(world, route):
    good = json.dumps(route.body(world)).encode()
    refuse(world, route, body=good[:-1] + (b"," if good != b"{}" else b"") + b'"zz":"\\ud800"}')


@pytest.mark.parametrize("route", **named(WITH_BODY))
def test_too_deep_on_every_route(world, route):
    refuse(world, route, body=b'{"zz":' + b"[" * 500 + b"]" * 500 + b"}")


@pytest.mark.parametrize("route", **named(WITH_BODY))
def test_too_big_on_every_route(world, route):
    before = picture(world)
    world.call(route, body=b'{"zz":"' + b"x" * limit("BODY_BYTES") + b'"}').fails(413, 22)
    assert picture(world) == before


@pytest.mark.parametrize("route", **named([r for r in WITH_BODY if r.name not in ("DeactivateUser", "ReactivateUser")]))
def test_unknown_keys_are_ignored_on_every_route(world, route):
    world.call(route, body={**route.body(world), "zz_unknown": {"a": [1]}, "another": None}).ok()


# ---- wrong types ----

WRONG = [
    ("UpdateUsers", [{"users": 7}, {"users": [1]}]), ("UpdateUsersPartial", [{"users": 7}, {"users": {"a": 1}}, {"users": ["a"]}]),
    ("DeleteUsers", [{"user_ids": 7}, {"user_ids": {"a": 1}}, {"user_ids": [None]}]), ("RestoreUsers", [{"user_ids": 7}]),
    ("DeactivateUsers", [{"user_ids": 7}]), ("ReactivateUsers", [{"user_ids": 7}]),
    ("DeactivateUser", [{"mark_messages_deleted": "x"}, {"created_by_id": 7}]), ("ReactivateUser", [{"restore_messages": "x"}, {"name": 7}]),
    ("SendUserCustomEvent", [{"event": "x"}, {"event": {"type": []}}]), ("UpdateApp", [{"reminders_interval": []}, {"multi_tenant_enabled": "x"}]),
    ("CreateChannelType", [{"name": 7}, {"name": "t", "search": "x"}, {"name": "t", "grants": 7}, {"name": "t", "commands": {}}]),
    ("UpdateChannelType", [{"search": 7}, {"max_message_length": "x"}, {"grants": []}, {"commands": 7}]),
    ("QueryChannels", [{"filter_conditions": 7}, {"sort": 7}, {"limit": "x"}, {"offset": []}, {"state": 7}, {"message_limit": "x"}, {"member_limit": {}}]),
    ("GetOrCreateChannel", [{"data": 7}, {"state": "x"}, {"watch": "x"}, {"presence": 7}, {"messages": 7}, {"members": []}, {"watchers": "x"}, {"hide_for_creator": 7}]),
    ("GetOrCreateDistinctChannel", [{"data": {"members": 7}}, {"data": []}]),
    ("UpdateChannel", [{"data": 7}, {"add_members": 7}, {"remove_members": {}}, {"message": 7}, {"cooldown": []}]),
    ("UpdateChannelsBatch", [{"operation": 7}, {"operation": "show", "filter": 7}, {"operation": "show", "filter": {"cids": 7}, "members": ["a"]}]),
    ("UpdateChannelPartial", [{"set": 7}, {"unset": {}}, {"set": {"frozen": "x"}}]),
    ("SendMessage", [{"message": 7}, {"message": {"text": []}}, {"message": {"text": "x", "attachments": 7}}, {"message": {"text": "x", "silent": 7}},
                     {"message": {"text": "x", "mentioned_users": {}}}]),
    ("UpdateMessage", [{"message": 7}, {"message": {"text": 7}}]), ("UpdateMessagePartial", [{"set": 7}, {"unset": 7}, {"set": {"text": []}}]),
    ("QueryMessageHistory", [{"filter": 7}, {"filter": {"message_id": 7}}, {"filter": {"message_id": "a"}, "sort": 7}, {"filter": {"message_id": "a"}, "limit": "x"},
                             {"next": 7}, {"prev": []}]),
    ("QueryThreads", [{"filter": 7}, {"sort": 7}, {"limit": "x"}, {"next": 7}, {"prev": []}]),
    ("MarkRead", [{"message_id": 7}, {"thread_id": []}]), ("MarkChannelsRead", [{"read_by_channel": 7}]),
    ("MarkUnread", [{"message_id": []}, {"message_timestamp": 7}, {"thread_id": {}}]), ("MarkDelivered", [{"latest_delivered_messages": 7}]),
    ("UnreadCountsBatch", [{"user_ids": 7}]), ("SendEvent", [{"event": 7}, {"event": {"type": 7}}, {"event": {"type": "typing.start", "parent_id": 7}}]),
    ("StopWatchingChannel", [{"connection_id": 7}]), ("Sync", [{"channel_cids": 7, "last_sync_at": 7}]),
]


@pytest.mark.parametrize("name,body", [(n, b) for n, bodies in WRONG for b in bodies], ids=[f"{n}-{json.dumps(b)}" for n, bodies in WRONG for b in bodies])
def test_wrong_type(world, name, body):
    changed = {"query": {}} if name == "StopWatchingChannel" else {}
    refuse(world, BY_NAME[name], body=body, **changed)


def test_every_route_with_a_body_has_wrong_types():
    assert {n for n, _ in WRONG} == {r.name for r in WITH_BODY}


# ---- queries ----

@pytest.mark.parametrize("route", **named(WITH_PAYLOAD))
@pytest.mark.parametrize("payload", ["{", "[]", "7", '"x"', "{'a':1}", '{"a":"\\ud800"}', '{"limit":"x"}', '{"filter_conditions":7}'])
def test_bad_payload(world, route, payload):
    refuse(world, route, payload=payload)


@pytest.mark.parametrize("name,query", [("GetManyMessages", {"ids": ""}), ("GetReplies", {"limit": "x"}), ("GetReplies", {"limit": "-1"}), ("GetReplies", {"sort": "x"}),
                                        ("DeleteMessage", {"hard": "x"}), ("GetChannel", {"state": "x"}), ("GetChannel", {"messages_limit": "x"}),
                                        ("DeleteUser", {"hard_delete": "x"})])
def test_bad_query_value(world, name, query):
    refuse(world, BY_NAME[name], query=query)


# ---- ids in paths ----

BAD_IDS = ["a%20b", "a.b", "%ff%fe", "a%00b", "x" * 300, "a%2Fb", "a%27%20OR%201%3D1"]


@pytest.mark.parametrize("bad", BAD_IDS)
@pytest.mark.parametrize("route", **named([r for r in ROUTES if "{channel}" in r.path]))
def test_bad_channel_id_in_the_path(world, route, bad):
    path = route.path.replace("{channel}", f"/channels/messaging/{bad}")
    reply = world.call(route, path=path)
    assert (reply.status, reply.json["code"]) in ((400, 4), (404, 16)), reply
    reply.fails(reply.status, reply.json["code"])


@pytest.mark.parametrize("bad", BAD_IDS)
@pytest.mark.parametrize("route", **named([r for r in ROUTES if "{message}" in r.path]))
def test_bad_message_id_in_the_path(world, route, bad):
    reply = world.call(route, path=route.path.replace("{message}", bad))
    assert (reply.status, reply.json["code"]) in ((400, 4), (404, 16)), reply


@pytest.mark.parametrize("bad", BAD_IDS)
@pytest.mark.parametrize("name", ["DeleteUser", "DeactivateUser", "ReactivateUser", "SendUserCustomEvent"])
def test_bad_user_id_in_the_path(world, name, bad):
    route = BY_NAME[name]
    path = route.path.replace("{victim}", bad).replace("{deactivated}", bad).replace("{alice}", bad)
    reply = world.call(route, path=path)
    assert (reply.status, reply.json["code"]) in ((400, 4), (404, 16)), reply


# ---- what is not there ----

@pytest.mark.parametrize("route", **named([r for r in ROUTES if "{channel}" in r.path and r.name != "GetOrCreateChannel"]))
def test_unknown_channel_is_404_16(world, route):
    for path in (f"/channels/messaging/{uid('none')}", f"/channels/no-such-type/{world.channel.id}"):
        world.call(route, path=route.path.replace("{channel}", path)).fails(404, 16)


@pytest.mark.parametrize("route", **named([r for r in ROUTES if "{message}" in r.path]))
def test_unknown_message_is_404_16(world, route):
    world.call(route, path=route.path.replace("{message}", uid("none"))).fails(404, 16)


@pytest.mark.parametrize("name", ["DeleteUser", "DeactivateUser", "ReactivateUser", "SendUserCustomEvent"])
def test_unknown_user_is_404_16(world, name):
    route, nobody = BY_NAME[name], uid("nobody")
    world.call(route, path=route.path.replace("{victim}", nobody).replace("{deactivated}", nobody).replace("{alice}", nobody)).fails(404, 16)


def test_unknown_task_is_404_16(world):
    for task in ("no-such-task", "00000000-0000-4000-8000-000000000000"):
        world.app.api.get(f"/tasks/{task}").fails(404, 16)


# ---- credentials of every route ----

@pytest.mark.parametrize("route", **named([r for r in ROUTES if r.who != NOBODY]))
def test_no_token_is_401_5(world, route):
    world.call(route, world.app.client(None)).fails(401, 5)


@pytest.mark.parametrize("route", **named(ROUTES))
def test_no_key_is_401_2(world, route):
    caller = world.app.client(world.alice.token)
    caller.key = None
    world.call(route, caller).fails(401, 2)


@pytest.mark.parametrize("route", **named([r for r in ROUTES if r.who in (BOTH, SERVER)]))
def test_good_request_of_every_route_is_answered(world, route):
    """The table itself: what the bad requests are made from works."""
    fresh = World(world.app)
    fresh.call(route).ok()


# ---- memory and life ----

def test_memory_is_flat_under_bad_input(world):
    server = world.app.server
    routes = [r for r in WITH_BODY if r.name in ("SendMessage", "UpdateUsersPartial", "QueryChannels", "Sync")]

    def batter(rounds):
        for _ in range(rounds):
            for route in routes:
                for body in (b"{", b"[]", b'{"zz":' + b"[" * 500, b'{"zz":"\xff"}', b'{"zz":"' + b"x" * 200_000):
                    assert world.call(route, body=body).status == 400
    batter(5)
    before = server.rss_bytes()
    batter(15)
    assert server.rss_bytes() - before < 24 << 20
