"""connection-and-users.md §3: the same session by another transport."""
import json
import threading
import time

import pytest

from beck import LongPollSession, User, connect_query, limit, uid, wait_until
from fixtures import TIME_SCALE
from raw import RawHttp, request_bytes

pytestmark = pytest.mark.quick


def manual(user, **payload):
    """A session whose polls the test makes itself."""
    session = LongPollSession(user, {"user_id": user.id, "user_details": {"id": user.id}, **payload}, auto=False)
    user.app.sessions.append(session)
    return session


def longpoll(user, method="GET", **query):
    return user.request(method, "/longpoll", query=query)


def types(reply):
    return [e["type"] for e in reply.ok(200)["events"] if e["type"] != "health.check"]


@pytest.fixture
def ann(app):
    return app.user("ann")


# ---- connect ----

@pytest.mark.parametrize("method", ["GET", "POST"])
def test_connect_answers_with_the_first_event(ann, method):
    reply = longpoll(ann, method, json=json.dumps({"user_id": ann.id, "user_details": {"id": ann.id}}))
    body = reply.ok(200)
    assert body["event"]["type"] == "health.check" and body["event"]["me"]["id"] == ann.id
    assert reply.headers["Cache-Control"] == "no-store"
    longpoll(ann, connection_id=body["event"]["connection_id"], close=True).ok(200)


def test_credentials_may_stand_in_the_query(app, ann):
    query = connect_query(ann, {"user_id": ann.id, "user_details": {"id": ann.id}})
    nobody = app.client(None, None)
    session_id = nobody.get("/longpoll", query=query).ok(200)["event"]["connection_id"]
    app.marker(ann.id)
    polled = {"authorization": ann.token, "stream-auth-type": "jwt", "connection_id": session_id}
    assert len(types(nobody.get("/longpoll", query=polled))) == 1
    nobody.get("/longpoll", query={**polled, "close": "true"}).ok(200)


def test_without_a_use_it_is_400_4(ann):
    longpoll(ann).fails(400, 4)


def test_connection_id_goes_before_json(ann):
    query = {"connection_id": "unknown", "json": json.dumps({"user_id": ann.id, "user_details": {"id": ann.id}})}
    longpoll(ann, **query).fails(400, 46)


def test_close_goes_before_poll(app, ann):
    session = manual(ann)
    app.marker(ann.id)
    body = longpoll(ann, connection_id=session.id, close=True).ok(200)
    assert "events" not in body and "event" not in body


# ---- poll ----

def test_queued_events_come_at_once_and_once(app, ann):
    session = manual(ann)
    sent = [app.marker(ann.id) for _ in range(5)]
    assert types(session.poll()) == sent
    more = app.marker(ann.id)
    assert types(session.poll()) == [more]


def test_parked_poll_answers_when_something_happens(app, ann):
    session = manual(ann)
    result = []
    parked = threading.Thread(target=lambda: result.append(session.poll()))
    parked.start()
    kind = app.marker(ann.id)
    parked.join(10)
    assert types(result[0]) == [kind]


def test_poll_answer_is_not_cached(app, ann):
    session = manual(ann)
    app.marker(ann.id)
    assert session.poll().headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_poll_by_either_method(app, ann, method):
    session = manual(ann)
    kind = app.marker(ann.id)
    assert types(longpoll(ann, method, connection_id=session.id)) == [kind]


def test_polls_may_arrive_on_any_connection(app, ann):
    session = manual(ann)  # every poll of it is a new TCP connection, so it lands on any loop
    for _ in range(16):
        kind = app.marker(ann.id)
        assert types(session.poll()) == [kind]


def test_session_made_on_one_connection_watches_from_another(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    for _ in range(4):
        session = manual(ann)
        ann.hang_up()
        ann.watch(session, channel)
        channel.send(bob, "seen")
        assert "message.new" in types(session.poll())
        session.close()


def test_at_most_100_events_in_one_answer(app, ann):
    session = manual(ann)
    sent = [app.marker(ann.id) for _ in range(limit("POLL_BATCH") + 30)]
    first, second = types(session.poll()), types(session.poll())
    assert len(first) == 100 and first + second == sent


def test_idle_poll_is_held_and_then_answered_empty(fast_app):
    session = manual(fast_app.user("idle"))
    started = time.monotonic()
    reply = session.poll()
    held = time.monotonic() - started
    assert types(reply) == []
    assert 0.5 * 25 / TIME_SCALE < held < 2.5 * 25 / TIME_SCALE


def test_idle_polls_return_health_checks(fast_app):
    session = manual(fast_app.user("idle"))
    seen = []
    deadline = time.monotonic() + 4 * 30 / TIME_SCALE
    while not seen and time.monotonic() < deadline:
        seen = [e for e in session.poll().ok(200)["events"] if e["type"] == "health.check"]
    assert seen[0]["connection_id"] == session.id and "me" not in seen[0]


def test_second_poll_supersedes_the_first(app, ann):
    session = manual(ann)
    answers, done = [], threading.Event()

    def poll():
        answers.append(session.poll())
        done.set()
    threads = [threading.Thread(target=poll) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert done.wait(5), "the older poll must be answered at once"
    assert types(answers[0]) == []
    kind = app.marker(ann.id)
    for thread in threads:
        thread.join(10)
    assert types(answers[1]) == [kind]


def test_overflow_of_1000_queued_events_ends_the_session(app, ann):
    channel, crowd = app.channel(ann), app.users(100, "crowd")
    session = manual(ann)
    ann.watch(session, channel)
    for _ in range(6):
        app.api.post(channel.path, {"add_members": [u.id for u in crowd]}).ok(201)
        app.api.post(channel.path, {"remove_members": [u.id for u in crowd]}).ok(201)
    wait_until(lambda: app.stored(ann.id)["online"] is False, "the session to end")  # its loop may be behind
    session.poll().fails(400, 46)


# ---- ends ----

def test_close_ends_the_session(app, ann):
    session = manual(ann)
    assert app.stored(ann.id)["online"] is True
    session.close()
    session.poll().fails(400, 46)
    assert app.stored(ann.id)["online"] is False


def test_close_ends_a_parked_poll(ann):
    session = manual(ann)
    parked = threading.Thread(target=session.poll)
    parked.start()
    session.close()
    parked.join(5)
    assert not parked.is_alive()


@pytest.mark.parametrize("made_up", ["unknown", "x" * 64, "x" * 300, "6f1d-ä", "%00"])
def test_unknown_connection_id_is_46(ann, made_up):
    longpoll(ann, connection_id=made_up).fails(400, 46)
    longpoll(ann, connection_id=made_up, close=True).fails(400, 46)


def test_connection_id_of_another_user_is_46(app, ann):
    session = manual(ann)
    other = app.user("other")
    longpoll(other, connection_id=session.id).fails(400, 46)
    longpoll(other, connection_id=session.id, close=True).fails(400, 46)
    kind = app.marker(ann.id)
    assert types(session.poll()) == [kind]  # nothing was taken, nothing closed


def test_connection_id_of_a_websocket_is_no_poll(app, ann):
    session = ann.connect("ws")
    longpoll(ann, connection_id=session.id).fails(400, 46)
    session.expect_none()


def test_session_without_polls_expires(fast_app):
    user = fast_app.user("leaves")
    session = manual(user)
    started = time.monotonic()
    wait_until(lambda: fast_app.stored(user.id)["online"] is False, "expiry")
    assert time.monotonic() - started > 0.6 * 40 / TIME_SCALE
    session.poll().fails(400, 46)


def test_polls_keep_a_session_alive(fast_app):
    user = fast_app.user("stays")
    session = manual(user)
    started = time.monotonic()
    while time.monotonic() - started < 2 * 40 / TIME_SCALE:
        session.poll().ok(200)
    assert fast_app.stored(user.id)["online"] is True


def test_aborted_poll_leaves_the_session(app, ann):
    session = manual(ann)
    with RawHttp(app.server) as raw:
        raw.send(request_bytes(ann, "GET", "/longpoll", query={"connection_id": session.id}))
    # Without resume delivery is at most once, so a marker may go down with the cut poll, and one that arrives late ends the poll
    # that overtook it; the session itself stands.
    answers = []

    def polls():
        while not answers:
            answers.extend(types(session.poll()))
    polling = threading.Thread(target=polls)
    polling.start()
    wait_until(lambda: app.marker(ann.id) and not polling.is_alive(), "the session delivers again")


# ---- tokens between polls ----

def test_expired_token_is_renewed_between_polls(app, ann):
    caller = User(app, ann.id, app.token(ann.id, exp=int(time.time()) + 2))
    session = manual(caller)
    wait_until(lambda: caller.get("/users", payload={}).status == 401, "the token expires")
    kind = app.marker(ann.id)
    session.poll().fails(401, 40)
    session._query["authorization"] = ann.token
    assert types(session.poll()) == [kind]


def test_poll_without_key_or_token(app, ann):
    session = manual(ann)
    for query, status, code in (({"authorization": ann.token}, 401, 2), ({"api_key": app.key}, 401, 5)):
        caller = app.client(None, None)
        caller.key = query.get("api_key")
        caller.get("/longpoll", query={**query, "connection_id": session.id}).fails(status, code)


def test_session_counts_as_a_connection(app):
    bob = app.user("bob")
    watcher = app.user("watcher").connect()
    watcher.user.get("/users", payload={"filter_conditions": {"id": bob.id}, "presence": True}, query={"connection_id": watcher.id}).ok(200)
    session = manual(bob)
    assert watcher.expect("user.presence.changed")["user"]["online"] is True
    session.close()
    assert watcher.expect("user.presence.changed")["user"]["online"] is False


def test_events_of_every_kind_come_by_long_poll(app):
    """What a WebSocket of the same user gets, a long-poll session beside it gets too, in the same order."""
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    sessions = [ann.connect("ws"), ann.connect("longpoll")]
    for session in sessions:
        ann.watch(session, channel)
    message = bob.send(channel, "one")
    bob.event(channel, "typing.start").ok(201)
    bob.post(f"/messages/{message['id']}", {"message": {"text": "two"}}).ok(201)
    bob.read(channel)
    bob.delete(f"/messages/{message['id']}").ok(200)
    app.api.patch(channel.path, {"set": {"color": "red"}}).ok(200)
    app.api.post(channel.path, {"add_members": [app.user("third").id]}).ok(201)
    ann.read(channel)
    app.channel(ann, id=uid("second"))
    kind = app.marker(ann.id)
    by_transport = [[(e["type"], e.get("cid")) for e in s.until(kind) if e["type"] not in ("health.check", "user.watching.start")] for s in sessions]
    assert by_transport[0] == by_transport[1]
    assert {"message.new", "typing.start", "message.updated", "message.read", "message.deleted", "channel.updated", "member.added",
            "notification.mark_read", "notification.added_to_channel"} <= {t for t, _ in by_transport[0]}


@pytest.mark.parametrize("body,says", [(b"hello", "the body is not acceptable JSON"), (b"[]", "the body must be a JSON object")])
@pytest.mark.parametrize("query", [{}, {"json": '{"user_details":{"id":"x"}}'}], ids=["alone", "beside-json"])
def test_a_bad_body_is_named(app, ann, query, body, says):
    """The payload may come in the query as well: which of the two is wrong is said."""
    assert ann.post("/longpoll", body, query=query).fails(400, 4)["message"].startswith(f"LongPoll failed with error: \"{says}")


def test_bad_json_of_the_query_is_named(app, ann):
    assert "json of the query is not acceptable JSON" in ann.post("/longpoll", {"json": {}}, query={"json": "hello"}).fails(400, 4)["message"]
