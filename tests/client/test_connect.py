"""The two calls: connecting in every way, the checks on this side, and the end."""
import time

import pytest

from beck import uid, wait_until
from puppet import CONNECTED, DISCONNECTED, LONGPOLL, WEBSOCKET

pytestmark = pytest.mark.quick

THREADINGS = pytest.mark.parametrize("threading", [0, 1, 2], ids=["own-thread", "poll-events", "no-thread"])


@THREADINGS
def test_connect_and_disconnect(app, puppet, threading):
    user, p = app.user(), puppet(threading=threading)
    assert p.connect(user, name="John Doe", color="green")["user_id"] == user.id
    state = p.state()
    assert (state["state"], state["transport"]) == (CONNECTED, WEBSOCKET)
    assert state["connection_id"] and state["me"]["name"] == "John Doe"
    assert app.stored(user.id)["color"] == "green" and app.stored(user.id)["online"] is True
    p.expect("connection.changed", online=True)
    p.do("disconnect")
    p.expect("connection.changed", online=False)
    state = p.state()
    assert (state["state"], state["connection_id"], state["user_id"], state["me"]) == (DISCONNECTED, "", "", None)
    wait_until(lambda: app.stored(user.id)["online"] is False, "offline at once after a clean end")


@THREADINGS
def test_another_user_after_disconnect(app, puppet, threading):
    ann, bob = app.users(2)
    p = puppet(threading=threading)
    p.connect(ann)
    again = p.do("connect", user={"id": ann.id}, token=ann.token)
    assert again["user_id"] == ann.id, "the same user joins"
    refused = p.fails("connect", user={"id": bob.id}, token=bob.token)
    assert refused.result == "BECK_ESTATE" and ann.id in refused.message
    p.do("disconnect")
    assert p.connect(bob)["user_id"] == bob.id
    assert p.state()["me"]["id"] == bob.id


def test_connecting_twice_at_once_joins_the_attempt(app, server, puppet):
    user, p = app.user(), puppet()
    numbers = [p.begin("connect", user={"id": user.id}, token=user.token) for _ in range(5)]
    assert len({p.wait(n)["connection_id"] for n in numbers}) == 1


@pytest.mark.parametrize("user,field", [({}, "id"), ({"id": ""}, "id"), ({"id": "a b"}, "id"), ({"id": "ä"}, "id"), ({"id": 7}, "id"),
                                        ({"id": "x" * 256}, "id"), ({"id": "x", "much": "y" * 5200}, "")])
def test_bad_users_are_refused_here(app, box, puppet, user, field):
    p = puppet(box.url)
    refused = p.fails("connect", user=user, token=app.as_user(uid()).token)
    assert refused.result in ("BECK_EARG", "BECK_ETOOBIG") and refused.answer["field"] == field
    assert box.seen == [], "nothing was sent"


def test_a_server_secret_never_leaves(app, box, puppet):
    p = puppet(box.url)
    refused = p.fails("connect", user={"id": "john"}, token=app.server_token())
    assert refused.result == "BECK_ETOKEN" and "server-side" in refused.message
    assert box.seen == []


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c", "eyJ9.eyJ9.x"])
def test_what_is_no_token_is_refused_here(app, box, puppet, token):
    refused = puppet(box.url).fails("connect", user={"id": "john"}, token=token)
    assert refused.result == "BECK_ETOKEN" and box.seen == []


def test_a_token_of_somebody_else_is_refused_here(app, box, puppet):
    ann, bob = app.users(2)
    refused = puppet(box.url).fails("connect", user={"id": ann.id}, token=bob.token)
    assert refused.result == "BECK_ETOKEN" and bob.id in refused.message and box.seen == []


@pytest.mark.parametrize("fallback", [False, True])
def test_what_the_server_refuses_is_told_at_once(app, puppet, fallback):
    user = app.user()
    p = puppet(enable_ws_fallback=fallback)
    bad = user.token[:-4] + ("AAAA" if user.token[-4:] != "AAAA" else "BBBB")
    began = time.monotonic()
    refused = p.fails("connect", user={"id": user.id}, token=bad)
    assert (refused.result, refused.code, refused.answer["status"]) == ("BECK_EAPI", 43, 401)
    assert time.monotonic() - began < 3
    assert p.connect(user)["user_id"] == user.id, "and the client is free for a better try"


def test_a_wrong_key(app, puppet):
    user = app.user()
    refused = puppet(key="no-such-key").fails("connect", user={"id": user.id}, token=user.token)
    assert (refused.result, refused.code) == ("BECK_EAPI", 2)


def test_nobody_there(app, puppet):
    began = time.monotonic()
    refused = puppet("http://127.0.0.1:1", timeout_ms=1500).fails("connect", user={"id": "john"}, token=app.as_user("john").token)
    assert refused.result == "BECK_ENETWORK" and 0.5 < time.monotonic() - began < 3


def test_the_time_of_the_first_connect_is_used_up(app, puppet):
    """Random pauses ended it early now and then, with most of its time left."""
    for _ in range(12):
        began = time.monotonic()
        refused = puppet("http://127.0.0.1:1", timeout_ms=500).fails("connect", user={"id": "john"}, token=app.as_user("john").token)
        assert refused.result == "BECK_ENETWORK" and time.monotonic() - began > 0.35


def test_a_server_that_comes_late_is_found_within_the_timeout(app, box, puppet):
    user, p = app.user(), puppet(box.url, timeout_ms=8000)
    box.mode = "drop"
    n = p.begin("connect", user={"id": user.id}, token=user.token)
    p.until(lambda: any("attempt 1 failed" in line for line in p.logs), "a failed attempt")
    box.mode = "pass"
    assert p.wait(n)["user_id"] == user.id


def test_a_server_that_never_speaks(app, box, puppet):
    user, p = app.user(), puppet(box.url, timeout_ms=1200)
    box.mode = "stall"
    began = time.monotonic()
    refused = p.fails("connect", user={"id": user.id}, token=user.token)
    assert refused.result == "BECK_ETIMEOUT" and time.monotonic() - began < 2.5
    box.mode = "pass"


def test_anonymous(app, puppet):
    p = puppet()
    assert p.do("anonymous")["user_id"] == "!anon"
    assert p.state()["me"]["role"] == "anonymous"
    p.do("disconnect")


def test_guest(fast_app, puppet):
    p = puppet(f"http://{fast_app.server.host}:{fast_app.server.port}", key=fast_app.key)
    wanted = uid("guest")
    made = p.do("guest", user={"id": wanted, "name": "G"})
    assert wanted in made["user_id"] and made["user_id"] != wanted
    assert p.state()["me"]["role"] == "guest"


def test_guests_refused(app, puppet):
    refused = puppet().fails("guest", user={"id": uid("guest")})
    assert (refused.result, refused.code) == ("BECK_EAPI", 17)


# ---- calls that come first ----

@THREADINGS
def test_calls_before_the_user_is_set_wait_in_order(app, puppet, threading):
    user = app.user()
    channels = [app.channel(user) for _ in range(5)]
    p = puppet(threading=threading)
    calls = [p.begin("request", method="POST", path=f"{c.path}/query", body={"state": True}) for c in channels]
    sent = p.begin("send", type="messaging", id=channels[0].id, data={"text": "early"})
    connected = p.begin("connect", user={"id": user.id}, token=user.token)
    p.wait(connected)
    for n, c in zip(calls, channels):
        assert p.wait(n)["reply"]["channel"]["id"] == c.id
    assert p.wait(sent)["reply"]["message"]["text"] == "early"


def test_calls_that_wait_fail_with_the_reason_of_the_connect(app, puppet):
    user, p = app.user(), puppet()
    n = [p.begin("request", method="GET", path="/unread") for _ in range(3)]
    sent = p.begin("send", type="messaging", id="x", data={"text": "early"})
    bad = user.token[:-4] + ("AAAA" if user.token[-4:] != "AAAA" else "BBBB")
    assert p.fails("connect", user={"id": user.id}, token=bad).code == 43
    for number in n + [sent]:
        answer = p.until(lambda number=number: p.answers.get(number), "its end")
        assert (answer["result"], answer["code"]) == ("BECK_EAPI", 43)


def test_nobody_connects(app, puppet):
    p = puppet(timeout_ms=700)
    failed = p.fails("request", method="GET", path="/unread")
    assert failed.result == "BECK_ENOUSER" and "beck_connect_user" in failed.message


def test_the_queue_has_a_bound(app, puppet):
    p = puppet(timeout_ms=3000, queue_max=3)
    for _ in range(3):
        p.begin("request", method="GET", path="/unread")
    assert p.fails("request", method="GET", path="/unread").result == "BECK_EFULL"


def test_disconnect_cancels_what_waits(app, box, puppet):
    user, p = app.user(), puppet(box.url, timeout_ms=20000)
    box.mode = "stall"
    connecting = p.begin("connect", user={"id": user.id}, token=user.token)
    call = p.begin("request", method="GET", path="/unread")
    p.do("disconnect")
    for n in (connecting, call):
        assert p.until(lambda n=n: p.answers.get(n), "its end")["result"] == "BECK_ECANCELLED"
    box.mode = "pass"
    assert p.connect(user)["user_id"] == user.id
