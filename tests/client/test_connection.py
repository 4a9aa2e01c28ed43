"""The connection keeps itself: fallback and back, lost links, restarts, and every message once, in order, whatever happens."""
import threading
import time

import pytest

from beck import wait_until
from middlebox import Middlebox
from puppet import CONNECTED, LONGPOLL, RECONNECTING, WEBSOCKET, Failed

FALLBACKS = pytest.mark.parametrize("fallback", [False, True], ids=["ws-only", "fallback"])


class Scene:
    """Ann by libbeck behind a box, Bob by hand; a channel that Ann watches and one that she does not."""

    def __init__(self, app, box, puppet, **options):
        self.app, self.box = app, box
        self.ann, self.bob = app.users(2, "c")
        self.watched, self.other = app.channel(self.bob, self.ann), app.channel(self.bob, self.ann)
        self.sent = []
        self.p = puppet(box.url, **options)
        self.p.connect(self.ann)
        self.p.do("watch", type="messaging", id=self.watched.id)

    def say(self, n=1, channel=None):
        for _ in range(n):
            self.sent.append(self.bob.send(channel or (self.watched if len(self.sent) % 2 else self.other), f"m{len(self.sent)}")["id"])

    def check(self):
        """A last message; then all of them have come, each once, in order."""
        self.say()
        assert self.p.ids_until(self.sent[-1]) == self.sent

    def sees_bob(self, mark):
        """Ann's own coming and going may be told too, when her connection was cut."""
        def find():
            return any(e["type"] == "user.presence.changed" and e["user"]["id"] == self.bob.id for e in self.p.events[mark:])
        self.p.until(find, "Bob's presence")

    def online(self, transport=None, timeout=15):
        wait_until(lambda: (lambda s: s["state"] == CONNECTED and transport in (None, s["transport"]))(self.p.state()), "connected again", timeout)


@pytest.fixture
def scene(app, box, puppet):
    return lambda **options: Scene(app, box, puppet, **options)


@pytest.mark.quick
def test_events_come_by_websocket(scene):
    s = scene()
    s.say(10)
    s.check()
    assert s.p.state()["transport"] == WEBSOCKET


# ---- fallback ----

@pytest.mark.quick
@pytest.mark.parametrize("mode", ["refuse", "swallow", "mute"])
def test_long_polling_where_websocket_is_forbidden(scene, box, mode):
    box.mode = mode
    began = time.monotonic()
    s = scene(enable_ws_fallback=True)
    took = time.monotonic() - began
    assert s.p.state()["transport"] == LONGPOLL
    s.say(10)
    s.check()
    assert took < 2.5, f"{took:.2f} s until connected and watching"


@pytest.mark.quick
@pytest.mark.parametrize("mode", ["refuse", "swallow", "mute"])
def test_the_first_event_comes_within_a_second_and_a_half(app, box, puppet, mode):
    box.mode = mode
    user, p = app.user(), puppet(box.url, enable_ws_fallback=True)
    began = time.monotonic()
    p.connect(user)
    p.expect("health.check")
    assert time.monotonic() - began < 1.5


@pytest.mark.quick
@pytest.mark.parametrize("mode", ["refuse", "swallow", "mute"])
def test_without_the_option_it_is_websocket_or_nothing(app, box, puppet, mode):
    box.mode = mode
    user, p = app.user(), puppet(box.url, timeout_ms=1500)
    failed = p.fails("connect", user={"id": user.id}, token=user.token)
    assert failed.result in ("BECK_ENETWORK", "BECK_ETIMEOUT")
    assert not any("longpoll" in line for line in box.seen)


def test_back_to_websocket_when_it_works_again(scene, box):
    box.mode = "refuse"
    s = scene(enable_ws_fallback=True, ws_retry_ms=300)
    assert s.p.state()["transport"] == LONGPOLL
    s.say(5)
    box.mode = "pass"
    s.p.expect("transport.changed", transport="websocket")
    s.say(5)
    s.check()
    assert s.p.state()["transport"] == WEBSOCKET
    assert not [e for e in s.p.events if e["type"] == "connection.changed" and not e["online"]], "nothing went offline"


def test_blocked_in_mid_session(scene, box):
    s = scene(enable_ws_fallback=True)
    s.say(5)
    box.mode = "refuse"
    box.cut(only_websockets=True)
    s.say(5)
    s.p.expect("transport.changed", transport="longpoll")
    s.say(5)
    s.check()


def test_to_and_fro_under_load(scene, box):
    s = scene(enable_ws_fallback=True, ws_retry_ms=200)
    stop = threading.Event()
    talking = threading.Thread(target=lambda: [s.say() for _ in iter(stop.is_set, True)])
    talking.start()
    try:
        for _ in range(4):
            mark = s.p.mark()
            box.mode = "refuse"
            box.cut(only_websockets=True)
            s.p.expect("transport.changed", after=mark, transport="longpoll", timeout=20)
            mark = s.p.mark()
            box.mode = "pass"
            s.p.expect("transport.changed", after=mark, transport="websocket", timeout=20)
    finally:
        stop.set()
        talking.join()
    s.check()
    assert len(s.sent) > 50


def test_a_box_that_cuts_young_websockets_again_and_again_gets_polls(scene, box):
    s = scene(enable_ws_fallback=True, reconnect_max_wait_ms=200)
    for _ in range(3):
        s.online(WEBSOCKET)
        mark = s.p.mark()
        box.cut(only_websockets=True)
        s.p.expect("connection.changed", after=mark, online=False)
    s.online(LONGPOLL)
    s.check()


@pytest.mark.quick
def test_the_transport_that_came_second_leaves_no_session_behind(spawn, puppet):
    server = spawn()
    app = server.main
    for _ in range(10):
        p = puppet(f"http://{server.host}:{server.port}", key=app.key, enable_ws_fallback=True, ws_head_start_ms=1)
        p.connect(app.as_user("john"))
        wait_until(lambda: app.api.get("/beck/usage").ok()["concurrent_connections"] == 1, "one connection", 5)
        p.do("disconnect")
        wait_until(lambda: app.api.get("/beck/usage").ok()["concurrent_connections"] == 0, "none", 5)


@pytest.mark.quick
@pytest.mark.parametrize("then", ["nobody", "another", "late"])
def test_a_hello_on_its_way_at_disconnect_leaves_no_session_behind(spawn, puppet, then):
    """The server has made the polling session, and its answer comes when the user is gone: it is ended, not left for 40 s."""
    server = spawn()
    app, box = server.main, Middlebox(server.host, server.port)

    def connections():
        return app.api.get("/beck/usage").ok()["concurrent_connections"]
    box.mode, box.holds_answers = "refuse", True
    p = puppet(box.url, key=app.key, enable_ws_fallback=True, ws_head_start_ms=1, timeout_ms=9000)
    john = app.as_user("john")
    connecting = p.begin("connect", user={"id": john.id}, token=john.token)
    wait_until(lambda: connections() == 1, "a session")
    leaving = p.begin("disconnect")
    with pytest.raises(Failed) as failed:
        p.wait(connecting)
    assert failed.value.result == "BECK_ECANCELLED"
    if then == "late":  # later than a disconnect may take
        p.wait(leaving, 5)
    if then == "another":
        p.wait(leaving, 5)
        box.mode = "pass"
        p.connect(app.as_user("jane"))
    box.holds_answers = False
    wait_until(lambda: connections() == (1 if then == "another" else 0), "none but that of the user who is there", 5)
    if then == "nobody":
        p.wait(leaving, 1)
    if then == "another":
        assert p.state()["user_id"] == "jane"
    box.close()


# ---- lost links ----

@pytest.mark.quick
@FALLBACKS
def test_a_cut_is_healed(scene, box, fallback):
    s = scene(enable_ws_fallback=fallback)
    for _ in range(3):
        s.say(3)
        mark = s.p.mark()
        box.cut()
        s.p.expect("connection.changed", after=mark, online=False)
        s.say(3)
        s.p.expect("connection.changed", after=mark, online=True)
        assert s.p.expect("connection.recovered", after=mark)["gap"] is False
    s.check()


@pytest.mark.quick
def test_recovered_comes_after_what_was_missed(scene, box):
    s = scene()
    box.mode = "drop"
    box.cut()
    s.p.expect("connection.changed", online=False)
    s.say(40)
    box.mode = "pass"
    s.p.do("network")
    s.p.expect("connection.recovered")
    types = [e["type"] for e in s.p.events]
    assert s.p.message_ids() == s.sent and types.index("connection.recovered") > max(i for i, t in enumerate(types) if "message" in t)


@pytest.mark.quick
def test_watches_and_presence_go_on(scene, box, app):
    s = scene()
    s.p.do("request", method="GET", path="/users", needs_connection=True,
           body={"filter_conditions": {"id": s.bob.id}, "presence": True})
    box.cut()
    s.p.expect("connection.recovered")
    mark = s.p.mark()
    s.bob.connect()
    s.sees_bob(mark)
    s.say(1, s.watched)
    assert s.p.expect("message.new", after=mark)["cid"] == s.watched.cid


@pytest.mark.quick
@pytest.mark.parametrize("resume", [True, False], ids=["resume", "no-resume"])
def test_presence_that_a_watched_channel_brings_goes_on(scene, box, resume):
    s = scene(disable_resume=not resume)
    box.cut()
    s.p.expect("connection.recovered")
    mark = s.p.mark()
    s.bob.connect()
    s.sees_bob(mark)


@pytest.mark.quick
@pytest.mark.parametrize("threading_mode", [0, 1, 2])
def test_every_way_of_threading_heals(scene, box, threading_mode):
    s = scene(threading=threading_mode)
    box.cut()
    s.say(5)
    s.check()


@pytest.fixture
def mortal(spawn, puppet):
    """A scene on a server of its own, which may end; again(): it has started anew and is reached through the same box."""
    server = spawn()
    box = Middlebox(server.host, server.port)
    s = Scene(server.main, box, lambda url, **o: puppet(url, key=server.key, **o), reconnect_max_wait_ms=500)

    def again():
        server.start()
        box.target = (server.host, server.port)
    s.server, s.again = server, again
    yield s
    box.close()


def test_kill_9_of_the_server(mortal):
    mortal.say(5)
    for _ in range(3):
        mortal.server.kill9()
        mortal.again()
        mortal.say(5)
    mortal.check()


def test_a_drain_is_healed(mortal):
    mortal.say(5)
    mortal.server.stop()
    mortal.again()
    mortal.say(5)
    mortal.check()


def test_a_stalled_link_is_noticed_when_the_network_changes(scene, box):
    s = scene()
    box.mode = "stall"
    mark = s.p.mark()
    s.p.do("network")
    s.p.expect("connection.changed", after=mark, online=False, timeout=8)
    box.mode = "pass"
    s.online()
    s.check()


def test_many_missed_events(scene, box):
    s = scene()
    box.mode = "drop"
    box.cut()
    s.p.expect("connection.changed", online=False)
    s.say(1200)
    box.mode = "pass"
    s.p.do("network")
    s.check()


# ---- a server without resume ----

def test_recovery_by_query_and_sync(scene, box):
    s = scene(disable_resume=True)
    s.say(2, s.watched)
    s.p.ids_until(s.sent[-1])
    box.mode = "drop"
    box.cut()
    s.p.expect("connection.changed", online=False)
    s.say(5, s.watched)
    box.mode = "pass"
    s.p.do("network")
    s.p.expect("connection.recovered")
    s.say(2, s.watched)
    ids = s.p.ids_until(s.sent[-1])
    assert sorted(set(ids)) == sorted(s.sent) and ids[-2:] == s.sent[-2:]


# ---- giving up ----

def test_attempts_have_a_bound_if_asked(scene, box):
    s = scene(reconnect_max_attempts=2, reconnect_max_wait_ms=50)
    box.mode = "drop"
    box.cut()
    end = s.p.expect("connection.changed", online=False, is_final=True)
    assert end["error"]["message"]
    assert s.p.state()["user_id"] == ""


def test_a_user_who_is_deactivated_is_not_let_in_again(scene, app):
    s = scene()
    app.api.post("/users/deactivate", {"user_ids": [s.ann.id]}).ok()
    end = s.p.expect("connection.changed", online=False, is_final=True)
    assert end["error"]["code"] == 17


@pytest.mark.quick
def test_disconnect_while_reconnecting(scene, box):
    s = scene()
    box.mode = "drop"
    box.cut()
    s.p.expect("connection.changed", online=False)
    s.p.do("disconnect")
    box.mode = "pass"
    s.p.connect(s.bob)
    assert s.p.state()["state"] == CONNECTED


def test_disconnect_over_long_polling_is_clean(scene, box, app):
    box.mode = "refuse"
    s = scene(enable_ws_fallback=True)
    assert s.p.state()["transport"] == LONGPOLL
    began = time.monotonic()
    s.p.do("disconnect")
    assert time.monotonic() - began < 2.5
    wait_until(lambda: app.stored(s.ann.id)["online"] is False, "offline at once")


def test_disconnect_within_two_seconds_although_nothing_moves(scene, box):
    box.mode = "refuse"
    s = scene(enable_ws_fallback=True)
    box.mode = "stall"
    began = time.monotonic()
    s.p.do("disconnect")
    assert time.monotonic() - began < 3
    box.mode = "pass"
