"""connection-and-users-events.md §5.3: watches belong to a connection; watchers, watcher_count, start and stop."""
import threading

import pytest

from beck import check_user, uid, wait_until

pytestmark = pytest.mark.quick


@pytest.fixture
def room(app):
    ann, bob = app.users(2)
    return app.channel(ann, bob), ann, bob


def about(user):
    return lambda event: event.get("user", {}).get("id") == user.id


def watchers(channel):
    """Ids and count as a server-side query shows them."""
    state = channel.state()
    return sorted(u["id"] for u in state.get("watchers", [])), state.get("watcher_count", 0)


# ---- start and stop ----

def test_watching_start_and_stop_are_told(room, transport):
    channel, ann, bob = room
    session, other = ann.connect(transport), bob.connect(transport)
    ann.watch(session, channel)
    bob.watch(other, channel)
    event = session.expect("user.watching.start", cid=channel.cid, where=about(bob))
    check_user(event["user"], bob.id)
    assert event["watcher_count"] == 2
    bob.stop_watching(other, channel).ok()
    event = session.expect("user.watching.stop", cid=channel.cid)
    assert event["user"]["id"] == bob.id and event["watcher_count"] == 1


def test_watch_shows_in_state(room, transport):
    channel, ann, bob = room
    state = ann.watch(ann.connect(transport), channel)
    assert [u["id"] for u in state["watchers"]] == [ann.id] and state["watcher_count"] == 1
    assert watchers(channel) == ([ann.id], 1)


def test_members_are_not_watchers(room):
    channel, _, _ = room
    assert watchers(channel) == ([], 0)


def test_a_user_counts_once(room):
    channel, ann, bob = room
    first, second = ann.connect("ws"), ann.connect("longpoll")
    observer = bob.connect()
    bob.watch(observer, channel)
    ann.watch(first, channel)
    observer.expect("user.watching.start", where=about(ann))
    ann.watch(second, channel)
    ann.watch(second, channel)  # again on the same connection
    observer.expect_none("user.watching.start", where=about(ann))
    assert watchers(channel) == (sorted([ann.id, bob.id]), 2)
    first.close()
    observer.expect_none("user.watching.stop")
    second.close()
    event = observer.expect("user.watching.stop")
    assert event["user"]["id"] == ann.id and event["watcher_count"] == 1


@pytest.mark.parametrize("ending", ["close", "drop"])
def test_disconnect_ends_the_watch(room, ending):
    channel, ann, bob = room
    observer, session = bob.connect(), ann.connect()
    bob.watch(observer, channel)
    ann.watch(session, channel)
    observer.expect("user.watching.start", where=about(ann))
    getattr(session, ending)()
    assert observer.expect("user.watching.stop")["user"]["id"] == ann.id
    assert watchers(channel) == ([bob.id], 1)


def test_watch_is_not_inherited_by_a_new_connection(room, transport):
    channel, ann, bob = room
    session = ann.connect(transport)
    ann.watch(session, channel)
    session.close()
    again = ann.connect(transport)
    bob.send(channel)
    again.expect("notification.message_new")
    again.expect_none("message.new")


def test_stop_watching(room, transport):
    channel, ann, bob = room
    session = ann.connect(transport)
    ann.watch(session, channel)
    assert set(ann.stop_watching(session, channel).ok()) == {"duration"}
    bob.send(channel)
    session.expect("notification.message_new")
    session.expect_none("message.new")


def test_stop_watching_by_body(room):
    channel, ann, _ = room
    session = ann.connect()
    ann.watch(session, channel)
    ann.post(f"{channel.path}/stop-watching", {"connection_id": session.id}).ok()
    assert watchers(channel) == ([], 0)


def test_watch_by_a_connection_id_in_the_body(room):
    channel, ann, bob = room
    session = ann.connect()
    ann.post(f"{channel.path}/query", {"watch": True, "connection_id": session.id}).ok()
    bob.send(channel)
    session.expect("message.new")


def test_stop_watching_only_here(app, room):
    channel, ann, bob = room
    other = app.channel(ann, bob)
    first, second = ann.connect(), ann.connect()
    ann.watch(first, channel, other)
    ann.watch(second, channel)
    ann.stop_watching(first, channel).ok()
    for where in (channel, other):
        bob.send(where)
    first.expect("message.new", cid=other.cid)
    first.expect("notification.message_new", cid=channel.cid)
    second.expect("message.new", cid=channel.cid)
    assert watchers(channel) == ([ann.id], 1)


# ---- refused ----

@pytest.mark.parametrize("path,body", [("{c}/query", {"watch": True}), ("{c}/query", {"presence": True}), ("/channels", {"filter_conditions": {}, "watch": True}),
                                       ("/channels", {"filter_conditions": {}, "presence": True})])
def test_watch_and_presence_need_a_connection(app, room, path, body):
    channel, ann, _ = room
    path = path.format(c=channel.path)
    ann.post(path, body).fails(400, 4)
    ann.post(path, body, query={"connection_id": "stale-" + "x" * 20}).fails(400, 46)
    app.api.post(path, body).fails(400, 4)


def test_connection_of_another_user_is_46(room):
    channel, ann, bob = room
    session = bob.connect()
    ann.post(f"{channel.path}/query", {"watch": True}, query={"connection_id": session.id}).fails(400, 46)
    assert watchers(channel) == ([], 0)


def test_closed_connection_is_46(room, transport):
    channel, ann, _ = room
    session = ann.connect(transport)
    session.close()
    ann.post(f"{channel.path}/query", {"watch": True}, query={"connection_id": session.id}).fails(400, 46)
    ann.stop_watching(session, channel).fails(400, 46)


def test_stop_watching_without_a_connection_is_400_4(room):
    channel, ann, _ = room
    ann.post(f"{channel.path}/stop-watching", {}).fails(400, 4)


def test_unreadable_channel_cannot_be_watched(app, room):
    channel, _, _ = room
    eve = app.user("eve")
    session = eve.connect()
    eve.post(f"{channel.path}/query", {"watch": True}, query={"connection_id": session.id}).fails(403, 17)
    channel.send(app.user(), "private")
    session.expect_none()
    assert watchers(channel) == ([], 0)


def test_query_watches_only_what_it_returns(app, room):
    channel, ann, bob = room
    private = app.channel(bob)
    session = ann.connect()
    ann.post("/channels", {"filter_conditions": {"cid": {"$in": [channel.cid, private.cid]}}, "watch": True}, query={"connection_id": session.id}).ok()
    bob.send(private)
    bob.send(channel)
    assert [e["cid"] for e in session.settle() if e["type"] == "message.new"] == [channel.cid]


def test_non_member_may_watch_what_he_may_read(app):
    ann, eve = app.users(2)
    channel = app.channel(ann, type="livestream")
    session = eve.connect()
    eve.watch(session, channel)
    ann.send(channel)
    session.expect("message.new")


# ---- invisible, anonymous ----

def test_invisible_watcher_is_not_seen(room):
    channel, ann, bob = room
    observer = bob.connect()
    bob.watch(observer, channel)
    session = ann.connect("ws", {"invisible": True})
    ann.watch(session, channel)
    observer.expect_none("user.watching.start", where=about(ann))
    assert watchers(channel) == ([bob.id], 1)
    bob.send(channel)
    session.expect("message.new")
    session.close()
    observer.expect_none("user.watching.stop")


def test_becoming_invisible_leaves_the_watchers(room):
    channel, ann, bob = room
    observer, session = bob.connect(), ann.connect()
    bob.watch(observer, channel)
    ann.watch(session, channel)
    ann.update(invisible=True)
    assert watchers(channel) == ([bob.id], 1)


def test_anonymous_watchers_are_counted(app):
    host = app.user("host")
    channel = app.channel(host, type="livestream")
    sessions = [app.anonymous().connect(t) for t in ("ws", "longpoll")]
    for session in sessions:
        session.user.watch(session, channel)
    assert channel.state()["watcher_count"] >= 1
    host.send(channel)
    for session in sessions:
        session.expect("message.new")


# ---- no event is lost between state and stream ----

def test_an_event_is_in_state_or_in_the_stream_and_never_in_neither(room):
    channel, ann, bob = room
    stop, sent = threading.Event(), []

    def talk():
        while not stop.is_set():
            sent.append(bob.send(channel)["id"])
    talking = threading.Thread(target=talk)
    talking.start()
    try:
        for _ in range(10):
            session = ann.connect()
            state = ann.post(f"{channel.path}/query", {"watch": True, "state": True, "messages": {"limit": 300}}, query={"connection_id": session.id}).ok()
            in_state = [m["id"] for m in state["messages"]]
            # The watch stands: what follows in the stream continues the state without a hole.
            session.expect("message.new")
            following = session.expect("message.new")["message"]["id"]
            wait_until(lambda: following in sent, "the sender has its answer")
            seen = {e["message"]["id"] for e in session.received if e["type"] == "message.new"}
            upto = sent.index(following) + 1
            missing = [i for i in sent[max(0, upto - 250):upto] if i not in seen and i not in in_state]
            assert not missing
            session.close()
    finally:
        stop.set()
        talking.join()


def test_many_connections_on_all_loops_get_the_event(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    sessions = [ann.connect(("ws", "longpoll")[n % 4 == 3]) for n in range(24)]
    for session in sessions:
        ann.watch(session, channel)
    sent = bob.send(channel, uid("to-all"))
    for session in sessions:
        assert session.expect("message.new")["message"]["id"] == sent["id"]
    assert watchers(channel) == ([ann.id], 1)
