"""connection-and-users.md §2.6: health checks, pings and liveness. Times are those of the contract divided by the time scale."""
import json
import time

import pytest

from beck import uid, wait_until
from fixtures import TIME_SCALE
from raw import HEALTH, PING, PONG, RawWebSocket, TEXT, frame

EVERY, LIVENESS, PING_EVERY = 30 / TIME_SCALE, 60 / TIME_SCALE, 25 / TIME_SCALE


@pytest.fixture
def user(fast_app):
    return fast_app.as_user(uid("health"))


def test_server_sends_a_health_check_every_30_s(user, transport):
    session = user.connect(transport)
    started = time.monotonic()
    for _ in range(2):
        event = session.expect("health.check")
        assert event["connection_id"] == session.id and event["cid"] == "*" and "me" not in event
    assert 1.6 * EVERY < time.monotonic() - started < 3.5 * EVERY


def test_interval_counts_from_the_last_health_check_sent(user):
    session = user.connect()
    session.expect("health.check")
    session.send_text(HEALTH)
    session.expect("health.check")
    started = time.monotonic()
    session.expect("health.check")
    assert time.monotonic() - started > 0.7 * EVERY


@pytest.mark.quick
@pytest.mark.parametrize("text", [HEALTH, json.dumps({"type": "health.check", "client_id": "c"})], ids=["array", "single object"])
def test_client_health_check_is_answered_at_once(app, text):
    session = app.user("asks").connect()
    for _ in range(3):
        session.send_text(text)
        event = session.expect("health.check", timeout=2)
        assert event["connection_id"] == session.id and "me" not in event


@pytest.mark.quick
@pytest.mark.parametrize("text", ['{"type":"message.new"}', "[]", "{}", '[{"type":"typing.start"}]', "7", '"text"', "null"])
def test_other_json_is_ignored(app, text):
    session = app.user("talks").connect()
    session.send_text(text)
    session.send_text(HEALTH)
    session.expect("health.check")
    session.expect_none()


def test_server_pings_every_25_s(user):
    with RawWebSocket(user).open() as socket:
        started = time.monotonic()
        socket.frame_of(PING)
        assert 0.5 * PING_EVERY < time.monotonic() - started < 2.5 * PING_EVERY


def test_silent_peer_is_closed_with_1001(user, fast_app):
    socket = RawWebSocket(user).open()
    started = time.monotonic()
    assert socket.closed_with() == 1001
    assert 0.7 * LIVENESS < time.monotonic() - started < 3 * LIVENESS
    wait_until(lambda: fast_app.stored(user.id)["online"] is False, "disconnect has run")


def test_pong_alone_keeps_the_connection(user):
    with RawWebSocket(user).open() as socket:
        started = time.monotonic()
        while time.monotonic() - started < 1.4 * LIVENESS:
            socket.event()  # answers pings, sends nothing else
        assert socket.is_healthy()


@pytest.mark.parametrize("keep_alive", [frame(TEXT, HEALTH), frame(PING, b"x"), frame(PONG, b"")], ids=["health check", "ping", "pong"])
def test_any_inbound_frame_keeps_the_connection(user, keep_alive):
    with RawWebSocket(user).open() as socket:
        started = time.monotonic()
        while time.monotonic() - started < 1.4 * LIVENESS:
            socket.frame_of(PING)  # the server's pings set the pace and stay unanswered
            socket.send(keep_alive)
        assert socket.is_healthy()
