"""connection-and-users-events.md §5.1-5.2: online, last_active, invisible, and who is told."""
import pytest

from beck import parse_time, uid, wait_until

pytestmark = pytest.mark.quick


def subscribe(observer, *users):
    """By query users."""
    observer.user.get("/users", payload={"filter_conditions": {"id": {"$in": [u.id for u in users]}}, "presence": True},
                      query={"connection_id": observer.id}).ok(200)


def by_watch(observer, *users):
    channel = observer.app.channel(observer.user, *users)
    observer.user.watch(observer, channel, presence=True)


def by_query_channels(observer, *users):
    channel = observer.app.channel(observer.user, *users)
    observer.user.post("/channels", {"filter_conditions": {"cid": channel.cid}, "presence": True}, query={"connection_id": observer.id}).ok()


def told_once(observer, user, online):
    event = observer.expect("user.presence.changed")
    assert (event["user"]["id"], event["user"]["online"]) == (user.id, online)
    observer.expect_none("user.presence.changed")


@pytest.fixture
def pair(app):
    """An observer's session that is subscribed to Bob."""
    ann, bob = app.users(2)
    observer = ann.connect()
    subscribe(observer, bob)
    return observer, bob


@pytest.mark.parametrize("how", [subscribe, by_watch, by_query_channels], ids=lambda f: f.__name__)
def test_coming_and_going_are_told(app, transport, how):
    ann, bob = app.users(2)
    observer = ann.connect(transport)
    how(observer, bob)
    session = bob.connect()
    event = observer.expect("user.presence.changed")
    assert event["user"]["id"] == bob.id and event["user"]["online"] is True
    assert abs(parse_time(event["user"]["last_active"]) - parse_time(session.me["last_active"])) < 1_000_000
    session.close()
    event = observer.expect("user.presence.changed")
    assert event["user"]["id"] == bob.id and event["user"]["online"] is False


def test_only_first_and_last_connection_count(pair, transport):
    observer, bob = pair
    sessions = [bob.connect(transport) for _ in range(3)]
    told_once(observer, bob, True)
    for session in sessions[:2]:
        session.close()
    observer.expect_none("user.presence.changed")
    sessions[2].close()
    told_once(observer, bob, False)


def test_overlapping_connections_do_not_flicker(pair):
    observer, bob = pair
    old = bob.connect("ws")
    told_once(observer, bob, True)
    for transport in ("longpoll", "ws", "longpoll"):
        new = bob.connect(transport)
        old.close()
        old = new
    observer.expect_none("user.presence.changed")


def test_dropped_connection_is_told(pair):
    observer, bob = pair
    session = bob.connect()
    observer.expect("user.presence.changed")
    session.drop()
    assert observer.expect("user.presence.changed")["user"]["online"] is False


def test_online_shows_in_queries(app, transport):
    ann, bob = app.users(2)

    def online():
        return ann.get("/users", payload={"filter_conditions": {"id": bob.id}}).ok(200)["users"][0]["online"]
    assert online() is False
    session = bob.connect(transport)
    assert online() is True
    session.close()
    wait_until(lambda: online() is False, "offline")


def test_http_use_is_not_presence(pair):
    observer, bob = pair
    bob.get("/users", payload={}).ok(200)
    observer.expect_none("user.presence.changed")


def test_http_use_does_not_touch_last_active(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    bob.send(channel)
    bob.unread()
    bob.read(channel)
    ann.connect("ws").close()
    wait_until(lambda: "last_active" in app.stored(ann.id), "marks are stored")
    assert "last_active" not in app.stored(bob.id)


def test_nobody_else_is_told(app, pair):
    _, bob = pair
    stranger = app.user().connect()
    member = app.user().connect()
    app.channel(bob, member.user)
    member.settle()
    bob.connect()
    stranger.expect_none("user.presence.changed")
    member.expect_none("user.presence.changed")


def test_subscription_belongs_to_the_connection(app):
    ann, bob = app.users(2)
    subscribed, other = ann.connect(), ann.connect()
    subscribe(subscribed, bob)
    bob.connect()
    subscribed.expect("user.presence.changed")
    other.expect_none("user.presence.changed")


def test_subscription_by_watch_ends_with_the_watch(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    observer = ann.connect()
    ann.watch(observer, channel, presence=True)
    ann.stop_watching(observer, channel).ok()
    bob.connect()
    observer.expect_none("user.presence.changed")


def test_watch_subscribes_ten_members(app):
    users = app.users(15)
    channel = app.channel(*users)
    observer = users[0].connect()
    state = users[0].watch(observer, channel, presence=True)
    first = [m["user_id"] for m in state["members"]][:11]  # whether he himself is one of the ten is not said
    for user in users[1:]:
        user.connect()
    told = {observer.expect("user.presence.changed")["user"]["id"] for _ in range(9)}
    told |= {e["user"]["id"] for e in observer.settle() if e["type"] == "user.presence.changed"}
    assert told <= set(first) and len(told) in (9, 10)


# ---- invisible ----

def test_invisible_user_comes_and_goes_unseen(pair, transport):
    observer, bob = pair
    session = bob.connect(transport, {"invisible": True})
    assert session.me["online"] is True and session.me["invisible"] is True
    session.close()
    observer.expect_none("user.presence.changed")


def test_invisible_user_looks_offline(app):
    ann, bob = app.users(2)
    bob.connect().close()
    wait_until(lambda: "last_active" in app.stored(bob.id), "last_active is stored")
    before = ann.get("/users", payload={"filter_conditions": {"id": bob.id}}).ok(200)["users"][0]["last_active"]
    bob.connect("ws", {"invisible": True})
    shown = ann.get("/users", payload={"filter_conditions": {"id": bob.id}}).ok(200)["users"][0]
    assert shown["online"] is False and shown["last_active"] == before and not shown.get("invisible")


def test_invisible_is_stored(app):
    bob = app.user()
    bob.connect("ws", {"invisible": True}).close()
    assert bob.connect().me["invisible"] is True
    assert bob.connect("ws", {"invisible": False}).me["invisible"] is False


@pytest.mark.parametrize("by", ["server", "himself", "connect"])
def test_toggling_while_connected_is_told_once(pair, by):
    observer, bob = pair
    bob.connect()
    observer.expect("user.presence.changed")
    for invisible in (True, False):
        if by == "server":
            bob.update(invisible=invisible)
        elif by == "himself":
            bob.patch("/users", {"users": [{"id": bob.id, "set": {"invisible": invisible}}]}).ok(200)
        else:
            bob.connect("ws", {"invisible": invisible})
        told_once(observer, bob, not invisible)


def test_a_toggle_that_was_rolled_back_changes_nothing(app):
    """One call is atomic: its second user does not exist, so the first is as visible as before."""
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    observer, session = ann.connect(), bob.connect()
    ann.watch(observer, channel)
    bob.watch(session, channel)
    for invisible in (True, False):
        app.api.patch("/users", {"users": [{"id": bob.id, "set": {"invisible": invisible}}, {"id": uid("no"), "set": {"x": 1}}]}).fails(404, 16)
        state = channel.state(ann)
        expected = 2 if invisible else 1
        assert state["watcher_count"] == expected == len(state["watchers"])
        bob.update(invisible=True)
        state = channel.state(ann)
        assert state["watcher_count"] == 1 == len(state["watchers"])
    bob.update(invisible=False)
    assert channel.state(ann)["watcher_count"] == 2


def test_toggling_while_offline_is_silent(pair):
    observer, bob = pair
    bob.update(invisible=True)
    bob.update(invisible=False)
    observer.expect_none("user.presence.changed")


def test_invisible_user_sees_others(app, pair):
    _, bob = pair
    session = bob.connect("ws", {"invisible": True})
    other = app.user()
    subscribe(session, other)
    other.connect()
    assert session.expect("user.presence.changed")["user"]["id"] == other.id


def test_events_do_not_betray_an_invisible_user(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    observer = ann.connect()
    ann.watch(observer, channel)
    bob.connect("ws", {"invisible": True})
    bob.send(channel)
    event = observer.expect("message.new")
    assert event["user"]["online"] is False and event["message"]["user"]["online"] is False
    members = {m["user_id"]: m["user"]["online"] for m in channel.state(ann)["members"]}
    assert members == {ann.id: True, bob.id: False}


def test_all_are_offline_after_a_crash_and_nobody_is_told(spawn):
    server = spawn()
    app = server.main
    ann, bob = app.users(2)
    bob.connect()
    server.kill9()
    server.start()
    assert app.stored(bob.id)["online"] is False
    observer = ann.connect()
    subscribe(observer, bob)
    observer.expect_none("user.presence.changed")
