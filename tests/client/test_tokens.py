"""Token providers: asked before first use, before an expired one would be used, and when the server says so; one question at a time."""
import threading
import time

import pytest

from beck import wait_until
from puppet import CONNECTED, RECONNECTING

pytestmark = pytest.mark.quick


def asked(p, times):
    p.until(lambda: len(p.asks) >= times, f"question {times}")
    assert len(p.asks) == times


def revoke(app, user):
    """Tokens issued before now are refused, sessions opened with them end."""
    app.api.patch("/users", {"users": [{"id": user.id, "set": {"revoke_tokens_issued_before": iso(time.time())}}]}).ok()


def iso(t):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))


def begin(p, user):
    return p.begin("connect", user={"id": user.id})


def test_asked_once_for_the_first_connect(app, puppet):
    user, p = app.user(), puppet()
    n = begin(p, user)
    asked(p, 1)
    assert p.asks[0]["user_id"] == user.id
    p.do("token", token=user.token)
    assert p.wait(n)["user_id"] == user.id
    p.do("request", method="GET", path="/unread")
    assert len(p.asks) == 1


def test_a_failed_provider_is_a_clear_error(app, puppet):
    user, p = app.user(), puppet(timeout_ms=1500)
    n = begin(p, user)
    asked(p, 1)
    p.do("token", why="backend is asleep")
    # It may be asked again while there is time; then the reason is told.
    answer = p.until(lambda: p.answers.get(n), "the end of the connect", 5)
    assert answer["result"] in ("BECK_ETOKEN",) and "backend is asleep" in answer["message"]


@pytest.mark.parametrize("kind", ["server", "other", "garbage"])
def test_a_provider_that_gives_something_else(app, puppet, kind):
    user, other = app.users(2)
    p = puppet()
    n = begin(p, user)
    asked(p, 1)
    p.do("token", token={"server": app.server_token(), "other": other.token, "garbage": "nonsense"}[kind])
    answer = p.until(lambda: p.answers.get(n), "the end of the connect")
    assert answer["result"] == "BECK_ETOKEN"


def test_an_expired_token_of_a_provider_is_not_used(app, box, puppet):
    user, p = app.user(), puppet(box.url)
    n = begin(p, user)
    asked(p, 1)
    p.do("token", token=app.token(user.id, exp=int(time.time()) - 10))
    asked(p, 2)
    assert box.seen == []
    p.do("token", token=user.token)
    p.wait(n)


def test_calls_ask_for_one_new_token_together(app, puppet):
    user, p = app.user(), puppet()
    n = begin(p, user)
    asked(p, 1)
    p.do("token", token=app.token(user.id, iat=int(time.time()) - 100, exp=int(time.time()) + 2))
    p.wait(n)
    wait_until(lambda: time.time() > int(p_exp(p)) + 2.2, "the token is over", 5)
    calls = [p.begin("request", method="GET", path="/unread") for _ in range(5)]
    asked(p, 2)
    p.do("token", token=user.token)
    for call in calls:
        p.wait(call)
    assert len(p.asks) == 2


def p_exp(p, at={}):
    return at.setdefault(id(p), time.time())


@pytest.mark.parametrize("fallback", ["ws", "longpoll"])
def test_revoked_in_mid_session(app, box, puppet, fallback):
    user = app.user()
    if fallback == "longpoll":
        box.mode = "refuse"
    p = puppet(box.url, enable_ws_fallback=True)
    n = begin(p, user)
    asked(p, 1)
    p.do("token", token=app.token(user.id, iat=int(time.time()) - 100))
    p.wait(n)
    mark = p.mark()
    revoke(app, user)
    asked(p, 2)
    p.do("token", token=app.token(user.id, iat=int(time.time())))
    wait_until(lambda: p.state()["state"] == CONNECTED, "connected with the new token")
    p.do("request", method="GET", path="/unread")
    assert len(p.asks) == 2
    assert not [e for e in p.events[mark:] if e.get("is_final")]


def test_revoked_with_a_fixed_token_is_final(app, puppet):
    user, p = app.user(), puppet()
    p.do("connect", user={"id": user.id}, token=app.token(user.id, iat=int(time.time()) - 100))
    revoke(app, user)
    end = p.expect("connection.changed", online=False, is_final=True)
    assert end["error"]["code"] == 40


def test_no_storm_of_questions_when_every_token_is_refused(app, puppet):
    user, p = app.user(), puppet(reconnect_max_wait_ms=400)
    old = app.token(user.id, iat=int(time.time()) - 100)
    n = begin(p, user)
    asked(p, 1)
    p.do("token", token=old)
    p.wait(n)
    revoke(app, user)
    stop = threading.Event()
    given = [1]

    def keep_answering():
        while not stop.is_set():
            if len(p.asks) > given[0]:
                given[0] += 1
                p.do("token", token=old)
            time.sleep(0.01)
    answering = threading.Thread(target=keep_answering)
    answering.start()
    p.until(lambda: len(p.asks) >= 6, "some questions", 20)
    stop.set()
    answering.join()
    pauses = sum("next attempt in" in line for line in p.logs)
    assert pauses >= len(p.asks) - 2, "a pause before each but the first and the one for the refused token"
    if len(p.asks) > given[0]:
        p.do("token", token=app.token(user.id, iat=int(time.time())))
    else:
        p.until(lambda: len(p.asks) > given[0], "another question", 10)
        p.do("token", token=app.token(user.id, iat=int(time.time())))
    wait_until(lambda: p.state()["state"] == CONNECTED, "connected in the end")


def test_no_storm_of_questions_when_every_token_is_over(app, puppet):
    """So it is too where the clock of the client's machine is ahead: then the server takes them."""
    user, p = app.user(), puppet(timeout_ms=1500)
    n = begin(p, user)
    given = 0
    while n not in p.answers and given < 100:
        if len(p.asks) > given:
            given += 1
            p.do("token", token=app.token(user.id, exp=int(time.time()) - 10))
        time.sleep(0.005)
    assert 2 <= given < 30 and p.answers[n]["code"] == 40, p.answers.get(n)


def test_a_late_answer_after_disconnect_harms_nobody(app, puppet):
    user, p = app.user(), puppet()
    n = begin(p, user)
    asked(p, 1)
    p.do("disconnect")
    assert p.until(lambda: p.answers.get(n), "its end")["result"] == "BECK_ECANCELLED"
    p.do("token", token=user.token)
    p.connect(user)
