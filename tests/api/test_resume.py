"""Beck's own addition: `resume` in the connect payload. What a session missed comes complete, once, in order, or a gap is said."""
import json
import os
import shutil
import subprocess
import threading

import pytest

from beck import BECKD, Beckd, ConnectRefused, LongPollSession, WebSocketSession, uid, wait_until

pytestmark = pytest.mark.quick
EVENTS = int(os.environ.get("BECK_TEST_EVENTS", "20000"))

TWO_TRANSPORTS = [(a, b) for a in ("ws", "longpoll") for b in ("ws", "longpoll")]
changes = pytest.mark.parametrize("before,after", TWO_TRANSPORTS, ids=[f"{a}-to-{b}" for a, b in TWO_TRANSPORTS])


def durable(events):
    return [e for e in events if "seq" in e]


def seqs(events):
    return [e["seq"] for e in events if "seq" in e]


def assert_rising(numbers):
    assert all(a < b for a, b in zip(numbers, numbers[1:])), numbers


def resume(session, transport, watch=(), presence=(), how="payload", **changed):
    """Goes on from where `session` stands, by a new connection of the same user."""
    user, place = session.user, {**session.resume_from(watch, presence), **changed}
    base = {"user_id": user.id, "user_details": {"id": user.id}, "resume": True}
    if how == "payload":
        new = user.connect(transport, resume=True, resume_from=place)
    else:
        if transport == "ws":
            new = WebSocketSession(user, {**base, "resume_from": "frame"}, frame={"resume_from": place})
        else:
            new = LongPollSession(user, base, body={"resume_from": place})
        user.app.sessions.append(new)
    return new


class Scene:
    """Ann (who will be away) and Bob in two channels that Bob made; Ann watches the first."""

    def __init__(self, app, transport="ws", watch=True):
        self.app = app
        self.ann, self.bob = app.users(2, "r")
        self.watched, self.unwatched = app.channel(self.bob, self.ann), app.channel(self.bob, self.ann)
        self.session = self.ann.connect(transport, resume=True)
        if watch:
            self.ann.watch(self.session, self.watched)

    def away(self, count=6):
        """Things happen while Ann is away; returns the ids of the messages in order."""
        sent = []
        for n in range(count):
            sent.append(self.bob.send(self.watched if n % 2 else self.unwatched, f"away {n}")["id"])
        return sent


def message_ids(events):
    return [e["message"]["id"] for e in events if e["type"] in ("message.new", "notification.message_new")]


# ---- the fields, and that nobody else sees them ----

def test_who_does_not_ask_sees_no_position(app, transport):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session = ann.connect(transport)
    ann.watch(session, channel)
    bob.send(channel)
    assert not {"seq", "resumed", "gap"} & set(session.first)
    assert "seq" not in session.expect("message.new")


def test_position_is_given_at_connect(app, transport):
    first = app.user().connect(transport, resume=True).first
    assert isinstance(first["seq"], int) and "resumed" not in first and "gap" not in first


def test_durable_events_carry_rising_positions(app, transport):
    scene = Scene(app, transport)
    sent = scene.away()
    events = scene.session.settle()
    assert message_ids(durable(events)) == sent
    assert_rising([scene.session.first["seq"]] + seqs(events))


def test_ephemeral_events_carry_no_position(app, transport):
    scene = Scene(app, transport)
    scene.bob.event(scene.watched, "typing.start").ok(201)
    scene.bob.event(scene.watched, "wave").ok(201)
    assert "seq" not in scene.session.expect("typing.start")
    assert "seq" not in scene.session.expect("wave")


# ---- missed events ----

@changes
def test_missed_events_come_complete_once_and_in_order(app, before, after):
    scene = Scene(app, before)
    live = scene.bob.send(scene.watched, "live")["id"]
    scene.session.expect("message.new")
    scene.session.drop()
    sent = scene.away(7)
    back = resume(scene.session, after, watch=[scene.watched])
    assert back.first.get("resumed") is True and "gap" not in back.first
    events = back.settle()
    assert message_ids(events) == sent and live not in message_ids(events)
    assert_rising([scene.session.last_seq] + seqs(events))


@changes
def test_the_end_of_what_was_missed_is_said(app, before, after):
    scene = Scene(app, before)
    scene.session.drop()
    sent = scene.away(7)
    back = resume(scene.session, after, watch=[scene.watched])
    back.expect("health.check", caught_up=True)
    later = scene.bob.send(scene.watched, "live")["id"]
    events = back.settle()
    assert message_ids(events) == sent + [later]
    types = [e["type"] for e in back.received]
    ends = [at for at, e in enumerate(back.received) if e.get("caught_up")]
    assert len(ends) == 1 and "connection_id" in back.received[ends[0]], types
    assert message_ids(back.received[:ends[0]]) == sent


def test_who_does_not_resume_is_told_of_no_end(app, transport):
    session = app.user().connect(transport, resume=True)
    session.settle()
    assert not [e for e in session.received if "caught_up" in e]


@changes
def test_then_live_without_a_seam(app, before, after):
    scene = Scene(app, before)
    sent, stop = [], threading.Event()

    def talk():
        while not stop.is_set():
            sent.append(scene.bob.send(scene.watched, "talk")["id"])
    talking = threading.Thread(target=talk)
    talking.start()
    sessions = [scene.session]
    try:
        for number in range(4):
            wait_until(lambda: len(sessions[-1].received) > 5, "some events")
            sessions[-1].drop()
            sessions.append(resume(sessions[-1], before if number % 2 else after, watch=[scene.watched]))
    finally:
        stop.set()
        talking.join()
    sessions[-1].settle()
    seen = [e for s in sessions for e in s.received if e["type"] == "message.new"]
    by_seq = {}
    for event in seen:
        by_seq.setdefault(event["seq"], event["message"]["id"])
    # A dropped session may still take in events after its position was read; by position each message is there once, in order.
    assert [by_seq[s] for s in sorted(by_seq)] == sent
    for session in sessions:
        assert_rising(seqs(session.received))


def test_nothing_missed_and_nothing_received_before(app, transport):
    scene = Scene(app, transport, watch=False)
    scene.session.drop()
    back = resume(scene.session, transport)
    assert back.first.get("resumed") is True
    back.expect_none()


def test_resume_without_any_event_before_the_drop(app, transport):
    scene = Scene(app, transport)
    scene.session.drop()
    sent = scene.away(4)
    assert message_ids(resume(scene.session, transport, watch=[scene.watched]).settle()) == sent


def test_an_older_position_replays_from_there(app, transport):
    scene = Scene(app, transport)
    sent = scene.away(6)
    events = durable(scene.session.settle())
    scene.session.drop()
    back = resume(scene.session, transport, watch=[scene.watched], seq=events[2]["seq"])
    assert message_ids(back.settle()) == sent[3:]


def test_resumed_stream_equals_that_of_a_session_that_stayed(app, transport):
    scene = Scene(app, transport)
    stayed = scene.ann.connect(resume=True)
    scene.ann.watch(stayed, scene.watched)
    scene.session.drop()
    message = scene.bob.send(scene.watched, "one")
    scene.away(3)
    scene.bob.post(f"/messages/{message['id']}", {"message": {"text": "two"}}).ok(201)
    scene.bob.read(scene.unwatched)
    scene.ann.read(scene.watched)
    app.api.patch(scene.watched.path, {"set": {"color": "red"}}).ok(200)
    app.api.post(scene.watched.path, {"add_members": [app.user("third").id]}).ok(201)
    app.channel(scene.ann, scene.bob)
    scene.ann.update(name="Ann")
    scene.bob.delete(f"/messages/{message['id']}").ok(200)
    back = resume(scene.session, transport, watch=[scene.watched])

    def shape(session):
        return [(e["seq"], e["type"], e.get("cid")) for e in session.settle() if e.get("seq", 0) > scene.session.last_seq]
    assert shape(back) == shape(stayed)


def test_channels_joined_while_away_are_told(app, transport):
    scene = Scene(app, transport)
    scene.session.drop()
    joined = app.channel(scene.ann, scene.bob)
    sent = scene.bob.send(joined, "welcome")["id"]
    events = resume(scene.session, transport).settle()
    assert "notification.added_to_channel" in [e["type"] for e in events if e.get("cid") == joined.cid]
    assert sent in message_ids(events)


def test_more_than_two_pages_of_events(app, transport):
    flood(app, transport, 2400)


def test_20000_missed_events(app):
    flood(app, "ws", EVENTS)


def flood(app, transport, count):
    """`count` durable events while away, 100 by each call: members come and go in a watched channel."""
    ann, crowd = app.user("ann"), [u.id for u in app.users(100, "crowd")]
    channel = app.channel(ann)
    session = ann.connect(transport, resume=True)
    ann.watch(session, channel)
    session.drop()
    for number in range(count // 100):
        app.api.post(channel.path, {"remove_members" if number % 2 else "add_members": crowd}).ok(201)
    back = resume(session, transport, watch=[channel])
    assert back.first.get("resumed") is True
    kind = app.marker(ann.id)
    events = [e for e in back.until(kind, timeout=60) if e["type"].startswith("member.")]
    assert_rising(seqs(events))
    for number in range(count // 100):
        page = events[number * 100:(number + 1) * 100]
        assert {e["type"] for e in page} == {"member.removed" if number % 2 else "member.added"}
        assert sorted(e["user"]["id"] for e in page) == sorted(crowd)
    assert len(events) == count


# ---- what goes on ----

@changes
def test_watches_go_on(app, before, after):
    scene = Scene(app, before)
    scene.session.drop()
    back = resume(scene.session, after, watch=[scene.watched])
    back.settle()
    scene.bob.send(scene.watched, "watched")
    scene.bob.send(scene.unwatched, "not watched")
    assert [e["type"] for e in back.settle() if "message" in e] == ["message.new", "notification.message_new"]


def test_watches_not_named_end(app, transport):
    scene = Scene(app, transport)
    scene.session.drop()
    back = resume(scene.session, transport)
    scene.bob.send(scene.watched, "hm")
    back.expect("notification.message_new")
    back.expect_none("message.new")


@changes
def test_presence_subscriptions_go_on(app, before, after):
    scene = Scene(app, before)
    scene.session.drop()
    back = resume(scene.session, after, presence=[scene.bob])
    scene.bob.connect()
    assert back.expect("user.presence.changed")["user"]["id"] == scene.bob.id


@changes
def test_new_id_and_the_old_session_ends(app, before, after):
    scene = Scene(app, before)
    back = resume(scene.session, after, watch=[scene.watched])
    assert back.id != scene.session.id
    scene.session.expect_closed()


def heard_of(session, *users, marker=None):
    """Those of them whose profile changes the session is told."""
    for user in users:
        user.update(mood=uid("mood"))
    about = {e["user"]["id"] for e in session.settle(marker) if e["type"] == "user.updated"}
    return [u for u in users if u.id in about]


def test_anonymous_follow_by_resume_only_whom_they_could_follow(app, transport):
    host, bob = app.users(2)
    live, private = app.channel(host, type="livestream"), app.channel(bob)
    anyone = app.anonymous()
    anyone.get("/users", payload={"filter_conditions": {"id": bob.id}, "presence": True}, query={"connection_id": "x"}).fails(403, 17)
    place = {"seq": 0, "watch": [live.cid, private.cid], "presence": [bob.id, host.id]}
    session = anyone.connect(transport, resume=True, resume_from=place)
    assert heard_of(session, host, bob, marker=live.marker) == [host]
    bob.connect()
    session.expect_none("user.presence.changed", marker=live.marker)


def test_who_may_not_search_follows_by_resume_whom_his_channels_show(own_app, transport):
    ann, bob, eve, gone = own_app.users(4)
    shared, quiet = own_app.channel(bob, ann), uid("quiet")
    own_app.api.post("/channeltypes", {"name": quiet, "connect_events": False}).ok()
    silent = own_app.channel(eve, ann, type=quiet)
    session = ann.connect(transport, resume=True)
    own_app.api.patch("/app", {"user_search_disallowed_roles": ["user"]}).ok()
    own_app.api.delete(f"/users/{gone.id}").ok()
    ann.get("/users", payload={"filter_conditions": {"id": eve.id}}).fails(403, 17)
    back = resume(session, transport, watch=[shared, silent], presence=[bob, eve, gone, ann])
    assert heard_of(back, bob, eve) == [bob]
    back.expect_none("user.deleted")
    ann.stop_watching(back, shared).ok()
    assert heard_of(back, bob, eve) == []
    assert heard_of(resume(back, transport, presence=[bob]), bob) == []


def test_presence_by_resume_keeps_to_teams(own_app):
    own_app.api.patch("/app", {"multi_tenant_enabled": True}).ok()
    ann, red = own_app.users(2, teams=["red"])
    blue, none = own_app.user(teams=["blue"]), own_app.user()
    session = ann.connect(resume=True)
    assert heard_of(resume(session, "ws", presence=[red, blue, none]), red, blue, none) == [red]
    assert heard_of(none.connect(resume=True, resume_from={"seq": 0, "presence": [red.id, none.id]}), red, none) == [none]


def test_presence_by_resume_tells_no_deletion_in_other_teams(own_app):
    own_app.api.patch("/app", {"multi_tenant_enabled": True}).ok()
    ann, red, blue = own_app.user(teams=["red"]), own_app.user(teams=["red"]), own_app.user(teams=["blue"])
    session = ann.connect(resume=True)
    own_app.api.delete(f"/users/{red.id}").ok()
    own_app.api.delete(f"/users/{blue.id}").ok()
    events = resume(session, "ws", presence=[red, blue]).settle()
    assert [e["user"]["id"] for e in events if e["type"] == "user.deleted"] == [red.id]


def test_presence_does_not_flicker(app, transport):
    scene = Scene(app, transport)
    observer = app.user("observer").connect()
    observer.user.get("/users", payload={"filter_conditions": {"id": scene.ann.id}, "presence": True}, query={"connection_id": observer.id}).ok(200)
    back = resume(scene.session, transport, watch=[scene.watched])
    scene.session.expect_closed()
    back.settle()
    observer.expect_none("user.presence.changed")


def test_resume_several_times(app):
    scene = Scene(app)
    session, sent, got = scene.session, [], []
    for number in range(6):
        session.drop()
        sent.append(scene.bob.send(scene.watched, f"{number}")["id"])
        session = resume(session, ("longpoll", "ws")[number % 2], watch=[scene.watched])
        got += message_ids(session.settle())
    assert got == sent


# ---- ways to name the place ----

def test_place_in_a_first_frame_or_a_body(app, transport):
    scene = Scene(app, transport)
    scene.session.drop()
    sent = scene.away(5)
    back = resume(scene.session, transport, watch=[scene.watched], how="apart")
    assert back.first.get("resumed") is True
    assert message_ids(back.settle()) == sent


def test_place_of_many_channels_fits_into_frame_and_body(app, transport):
    ann = app.user("ann")
    channels = [app.channel(ann) for _ in range(40)]
    session = ann.connect(transport, resume=True)
    session.drop()
    back = resume(session, transport, watch=channels, how="apart")
    channels[-1].send(app.user("bob"))
    back.expect("message.new", cid=channels[-1].cid)


@pytest.mark.parametrize("place", [5, [], "text", {"seq": "7"}, {"connection_id": 7, "seq": 1}, {"seq": 1, "watch": "messaging:x"},
                                   {"seq": 1, "watch": [7]}, {"seq": 1, "presence": {}}, {"connection_id": "x"}], ids=str)
def test_malformed_place_is_400_4(app, transport, place):
    app.user().refused(transport, resume=True, resume_from=place).fails(400, 4)


def test_any_valid_token_of_the_user_may_resume(app, transport):
    scene = Scene(app, transport)
    scene.session.drop()
    sent = scene.away(2)
    scene.session.user = app.as_user(scene.ann.id, iat=1_600_000_000)
    assert message_ids(resume(scene.session, transport, watch=[scene.watched]).settle()) == sent


# ---- gap ----

def test_position_beyond_the_log_is_a_gap(app, transport):
    scene = Scene(app, transport)
    scene.session.drop()
    back = resume(scene.session, transport, watch=[scene.watched], seq=10**15)
    assert back.first.get("gap") is True and "resumed" not in back.first
    assert isinstance(back.first["seq"], int)
    scene.bob.send(scene.watched, "after the gap")
    assert back.expect("message.new")["message"]["text"] == "after the gap"


# ---- rights are those of now ----

def test_foreign_connection_id_gives_nothing_of_its_owner(app, transport):
    scene = Scene(app, transport)
    eve = app.user("eve")
    eve.connect(transport, resume=True).drop()
    place = scene.session.resume_from(watch=[scene.watched])
    scene.away(4)
    try:
        thief = eve.connect(transport, resume=True, resume_from=place)
    except ConnectRefused:
        thief = None  # saying no is as good
    scene.bob.send(scene.watched, "still private")
    if thief:
        assert not [e for e in thief.settle() if "message" in e or e.get("cid")]
    scene.session.settle()  # and the owner's session lives
    assert not scene.session.is_closed


def test_removed_member_gets_the_removal_and_nothing_after(app, transport):
    scene = Scene(app, transport)
    scene.session.drop()
    app.api.post(scene.watched.path, {"remove_members": [scene.ann.id]}).ok(201)
    scene.bob.send(scene.watched, "without Ann")
    back = resume(scene.session, transport, watch=[scene.watched])
    scene.bob.send(scene.watched, "again without Ann")
    events = back.settle()
    assert {"notification.removed_from_channel", "member.removed"} & {e["type"] for e in events if e["cid"] == scene.watched.cid}
    assert not message_ids(events)


def test_erased_messages_are_erased_in_replay_too(app, transport):
    scene = Scene(app, transport)
    scene.session.drop()
    message = scene.bob.send(scene.watched, "secret-of-replay")
    app.api.delete(f"/messages/{message['id']}", query={"hard": True}).ok(200)
    back = resume(scene.session, transport, watch=[scene.watched])
    assert "secret-of-replay" not in str(back.settle())


def test_hidden_reads_are_hidden_in_replay(app, transport):
    scene = Scene(app, transport)
    scene.session.drop()
    scene.bob.update(privacy_settings={"read_receipts": {"enabled": False}})
    scene.watched.send(scene.ann)
    scene.bob.read(scene.watched)
    events = resume(scene.session, transport, watch=[scene.watched]).settle()
    assert not [e for e in events if e["type"] == "message.read"]


# ---- polls ----

def manual(user, **payload):
    session = LongPollSession(user, {"user_id": user.id, "user_details": {"id": user.id}, "resume": True, **payload}, auto=False)
    user.app.sessions.append(session)
    return session


def test_poll_rewinds_to_its_seq(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session = manual(ann)
    start = session.first["seq"]
    sent = [bob.send(channel, str(n))["id"] for n in range(4)]

    def polled(seq):
        return [e for e in session.poll(seq=seq).ok(200)["events"] if e["type"] != "health.check"]
    first = polled(start)
    assert message_ids(first) == sent
    assert message_ids(polled(start)) == sent  # the answer was lost on the way: the same again
    assert message_ids(polled(first[1]["seq"])) == sent[2:]
    sent.append(bob.send(channel, "next")["id"])
    assert message_ids(polled(first[3]["seq"])) == sent[4:]


def test_aborted_poll_consumes_nothing(app):
    from raw import RawHttp, request_bytes
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session = manual(ann)
    sent = []
    for _ in range(5):
        with RawHttp(app.server) as raw:
            raw.send(request_bytes(ann, "GET", "/longpoll", query={"connection_id": session.id, "seq": session.first["seq"]}))
            sent.append(bob.send(channel)["id"])
    events = session.poll(seq=session.first["seq"]).ok(200)["events"]
    assert message_ids(events) == sent


def test_superseded_poll_consumes_nothing(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session = manual(ann)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(session.poll(seq=session.first["seq"]))) for _ in range(3)]
    for thread in threads:
        thread.start()
    sent = bob.send(channel)["id"]
    for thread in threads:
        thread.join(15)
    assert any(sent in message_ids(a.ok(200)["events"]) for a in answers)
    assert message_ids(session.poll(seq=session.first["seq"]).ok(200)["events"]) == [sent]


# ---- the server goes away ----

@pytest.mark.parametrize("ending,before,after", [("kill9", *pair) for pair in TWO_TRANSPORTS] + [("restart", "ws", "longpoll")])
def test_resume_across_a_restart(spawn, ending, before, after):
    server = spawn()
    app = server.main
    scene = Scene(app, before)
    got = []
    scene.bob.send(scene.watched, "received")
    got += message_ids([scene.session.expect("message.new")])
    scene.session.drop()
    sent = scene.away(5)
    if ending == "restart":
        server.restart()
    else:
        server.kill9()
        server.start()
    sent += scene.away(5)
    back = resume(scene.session, after, watch=[scene.watched])
    assert back.first.get("resumed") is True
    assert message_ids(back.settle()) == sent


def test_positions_go_on_after_a_restart(spawn):
    server = spawn()
    ann = server.main.user("ann")
    before = ann.connect(resume=True).first["seq"]
    ann.update(name="Ann")
    server.restart()
    assert ann.connect(resume=True).first["seq"] >= before


def test_resume_of_a_session_of_unknown_id_replays_by_position(app, transport):
    scene = Scene(app, transport)
    scene.session.drop()
    sent = scene.away(3)
    back = resume(scene.session, transport, watch=[scene.watched], connection_id=uid("gone"))
    assert message_ids(back.settle()) == sent


# ---- what happened to others ----

def following(app, transport, *others):
    """A session that follows the presence of `others`."""
    ann = app.user("ann")
    session = ann.connect(transport, resume=True)
    ann.get("/users", payload={"filter_conditions": {"id": {"$in": [o.id for o in others]}}, "presence": True},
            query={"connection_id": session.id}).ok(200)
    return ann, session


def profile_events(events):
    return [(e["type"], e["user"]["id"]) for e in events if e["type"].startswith("user.")]


@changes
def test_changes_of_followed_users_are_told_after_a_resume(app, before, after):
    bob, eve, joe = app.users(3)
    ann, session = following(app, before, bob, eve)
    session.drop()
    bob.update(mood="away", name="Bob")
    joe.update(mood="nobody follows me")
    eve.update(mood="also", privacy_settings={"typing_indicators": {"enabled": False}})
    back = resume(session, after, presence=[bob, eve])
    events = back.settle()
    assert profile_events(events) == [("user.updated", bob.id), ("user.updated", eve.id)]
    assert_rising(seqs(events))
    user = events[0]["user"]
    assert (user["mood"], user["name"]) == ("away", "Bob")
    assert events[1]["user"]["privacy_settings"] == {"typing_indicators": {"enabled": False}}
    bob.update(mood="live")
    assert back.expect("user.updated")["seq"] > back.last_seq - 1
    again = resume(back, before, presence=[bob, eve])
    again.expect_none()


def test_the_end_of_a_followed_user_is_told_after_a_resume(app, transport):
    soft, hard, again = app.users(3)
    ann, session = following(app, transport, soft, hard, again)
    session.drop()
    hard.update(mood="last words")
    app.api.post("/users/delete", {"user_ids": [soft.id]}).ok(201)
    for user in (hard, again):
        task = app.api.post("/users/delete", {"user_ids": [user.id], "user": "hard", "messages": "hard", "conversations": "hard"}).ok(201)
        app.task(task["task_id"])
    app.api.post("/users", {"users": {again.id: {"id": again.id, "name": "somebody new"}}}).ok(201)
    back = resume(session, transport, presence=[soft, hard, again])
    events = back.settle()
    assert profile_events(events) == [("user.deleted", u.id) for u in (soft, hard, again)]
    for event, wanted in zip(events, ("soft", "hard", "hard")):
        assert event["user"]["deleted_at"] and event["delete_user"] == wanted
        assert event["hard_delete"] is (wanted == "hard") and event["mark_messages_deleted"] is (wanted == "hard")
        assert "mood" not in event["user"]
    app.as_user(again.id).update(mood="hello")
    assert back.expect("user.updated")["user"]["name"] == "somebody new"


def test_deletions_before_the_place_are_not_told_again(app, transport):
    bob = app.user()
    ann, session = following(app, transport, bob)
    app.api.post("/users/delete", {"user_ids": [bob.id]}).ok(201)
    session.expect("user.deleted")
    resume(session, transport, presence=[bob]).expect_none()


def test_ones_own_change_comes_once_though_one_follows_oneself(app, transport):
    ann, session = following(app, transport)
    ann.get("/users", payload={"filter_conditions": {"id": ann.id}, "presence": True}, query={"connection_id": session.id}).ok(200)
    ann.update(mood="1")
    assert session.expect("user.updated")["user"]["mood"] == "1"
    session.expect_none("user.updated")
    session.drop()
    ann.update(mood="2")
    events = resume(session, transport, presence=[ann]).settle()
    assert [e["type"] for e in durable(events)] == ["user.updated"]


def test_revoked_tokens_leave_no_event_behind(app, transport):
    ann = app.user("ann")
    session = ann.connect(transport, resume=True)
    session.drop()
    app.api.patch("/users", {"users": [{"id": ann.id, "set": {"revoke_tokens_issued_before": "2020-01-01T00:00:00Z"}}]}).ok(200)
    ann.token = app.token(ann.id, iat=1700000000)
    events = resume(session, transport).settle()
    assert [e["type"] for e in events] == ["user.updated"]


def test_a_rewound_poll_tells_of_followed_users_again(app):
    bob = app.user()
    ann = app.user("ann")
    session = LongPollSession(ann, {"user_id": ann.id, "user_details": {"id": ann.id}, "resume": True}, auto=False)
    app.sessions.append(session)
    ann.get("/users", payload={"filter_conditions": {"id": bob.id}, "presence": True}, query={"connection_id": session.id}).ok(200)
    start = session.last_seq
    bob.update(mood="1")
    for _ in range(2):
        events = session.poll(seq=start).json["events"]
        assert profile_events([e for e in events if e["type"] != "health.check"]) == [("user.updated", bob.id)]


# ---- another history ----

def restored(server, backup, name):
    target = server.data.with_name(server.data.name + name)
    subprocess.run([BECKD, "restore", str(backup), "--data", str(target)], check=True, timeout=60, capture_output=True)
    other = Beckd(key=server.key, secret=server.secret, data=target)
    other.own_data = True
    return other


def place_of(session):
    return {"connection_id": session.id, "seq": session.last_seq, "watch": [], "presence": []}


def test_a_position_from_before_a_restore_is_a_gap_though_the_new_log_has_passed_it(spawn, transport):
    """The log of a restored store leaps: what the lost history gave out can never be taken for its own."""
    server = spawn()
    scene = Scene(server.main, transport, watch=False)
    scene.away(4)
    scene.session.settle()
    before = place_of(scene.session)
    backup = server.data.with_name(server.data.name + "-backup")
    subprocess.run([BECKD, "backup", str(backup), "--data", str(server.data)], check=True, timeout=60, capture_output=True)
    scene.away(6)  # in the history that is lost
    scene.session.settle()
    lost = place_of(scene.session)
    assert lost["seq"] > before["seq"]
    scene.session.close()
    server.stop()
    with restored(server, backup, "-restored") as other:
        ann, bob = other.main.as_user(scene.ann.id), other.main.as_user(scene.bob.id)
        channel = other.main.channel(bob, ann)
        sent = [bob.send(channel, f"after {n}")["id"] for n in range(30)]
        new = ann.connect(transport, resume=True, resume_from=lost)
        assert new.first.get("gap") is True and new.first["seq"] > lost["seq"] + 2**31
        new.close()
        # what both histories have in common is no gap: all that came after it is given
        new = ann.connect(transport, resume=True, resume_from=before)
        assert "gap" not in new.first
        got = [e["message"]["id"] for e in new.settle() if e["type"] in ("message.new", "notification.message_new")]
        assert got == sent
        assert new.last_seq < 2**53
        place = place_of(new)
        new.close()
        other.stop()
        with restored(other, backup, "-twice") as third:  # a sister from the same backup
            user = third.main.as_user(ann.id)
            new = user.connect(transport, resume=True, resume_from=place)
            assert new.first.get("gap") is True
    shutil.rmtree(backup)


@pytest.mark.parametrize("body", ["wrapped", "bare"])
def test_a_poll_that_resumes_takes_the_object_wrapped_or_bare(app, body):
    scene = Scene(app, "longpoll")
    place = scene.session.resume_from(watch=[scene.watched])
    scene.session.close()
    sent = scene.away(4)
    base = {"user_id": scene.ann.id, "user_details": {"id": scene.ann.id}, "resume": True}
    new = LongPollSession(scene.ann, base, body={"resume_from": place} if body == "wrapped" else place)
    app.sessions.append(new)
    got = [e["message"]["id"] for e in new.settle() if e["type"] in ("message.new", "notification.message_new")]
    assert got == sent


def test_a_poll_with_a_body_that_resumes_nothing_is_refused(app):
    """It was a fresh session, and what was missed was lost without a word."""
    ann = app.user()
    payload = json.dumps({"user_id": ann.id, "user_details": {"id": ann.id}, "resume": True})
    ann.request("POST", "/longpoll", {"sequence": 3}, query={"json": payload}).fails(400, 4)
