"""connection-and-users-events.md §6.2-6.4, channels.md §7: mark read, unread and delivered, and what each tells whom."""
import json

import pytest

from beck import TIMESTAMP, check_user, format_time, parse_time, uid

pytestmark = pytest.mark.quick


@pytest.fixture
def room(app):
    ann, bob = app.users(2)
    return app.channel(ann, bob), ann, bob


def counts(user):
    me = user.unread()
    return me["total_unread_count"], len(me["channels"])


def says(channel, count, user):
    return [channel.send(user, str(n)) for n in range(count)]


# ---- the read entry ----

def test_read_entry(room):
    channel, ann, bob = room
    sent = says(channel, 2, ann)
    bob.read(channel)
    entry = channel.read_of(bob, ann)
    check_user(entry["user"], bob.id)
    assert TIMESTAMP.match(entry["last_read"]) and parse_time(entry["last_read"]) >= parse_time(sent[1]["created_at"])
    assert (entry["unread_messages"], entry["last_read_message_id"]) == (0, sent[1]["id"])
    assert "first_unread_message_id" not in entry


def test_sending_counts_as_reading(room):
    channel, ann, bob = room
    says(channel, 3, ann)
    sent = bob.send(channel, "mine")
    entry = channel.read_of(bob)
    assert (entry["unread_messages"], entry["last_read_message_id"]) == (0, sent["id"])
    assert parse_time(entry["last_read"]) == parse_time(sent["created_at"]) and counts(bob) == (0, 0)


def test_sending_sends_no_message_read(room):
    channel, ann, bob = room
    session = ann.connect()
    ann.watch(session, channel)
    bob.send(channel, "mine")
    session.expect_none("message.read")


# ---- mark read ----

def test_mark_read_answers_with_the_event(room):
    channel, ann, bob = room
    sent = says(channel, 2, ann)
    event = bob.read(channel)["event"]
    assert event["type"] == "message.read" and event["cid"] == channel.cid and event["user"]["id"] == bob.id
    assert event["last_read_message_id"] == sent[1]["id"] and counts(bob) == (0, 0)


def test_mark_read_by_the_server_side(app, room):
    channel, ann, bob = room
    says(channel, 2, ann)
    app.api.post(f"{channel.path}/read", {"user_id": bob.id}).ok(201)
    assert counts(bob) == (0, 0)


def test_mark_read_up_to_a_message(room):
    channel, ann, bob = room
    sent = says(channel, 5, ann)
    bob.read(channel, message_id=sent[1]["id"])
    entry = channel.read_of(bob)
    assert (entry["unread_messages"], entry["last_read_message_id"]) == (3, sent[1]["id"]) and counts(bob) == (3, 1)


def test_pointer_never_moves_back(room):
    channel, ann, bob = room
    sent = says(channel, 4, ann)
    bob.read(channel)
    bob.read(channel, message_id=sent[0]["id"])
    assert channel.read_of(bob)["last_read_message_id"] == sent[3]["id"] and counts(bob) == (0, 0)


def test_mark_read_of_an_unknown_message_is_404_16(room):
    channel, ann, bob = room
    says(channel, 1, ann)
    bob.post(f"{channel.path}/read", {"message_id": uid("none")}).fails(404, 16)
    assert counts(bob) == (1, 1)


def test_mark_read_events(room, transport):
    channel, ann, bob = room
    watcher, device = ann.connect(transport), bob.connect(transport)
    ann.watch(watcher, channel)
    sent = says(channel, 2, ann)
    bob.read(channel)
    event = watcher.expect("message.read", cid=channel.cid)
    assert event["user"]["id"] == bob.id and event["last_read_message_id"] == sent[1]["id"]
    told = device.expect("notification.mark_read", cid=channel.cid)
    assert (told["total_unread_count"], told["unread_channels"], told["unread_count"]) == (0, 0, 0)
    assert told["user"]["id"] == bob.id and told["last_read_message_id"] == sent[1]["id"]
    watcher.expect_none("notification.mark_read")


def test_mark_read_is_told_even_when_nothing_changes(room):
    channel, _, bob = room
    device = bob.connect()
    bob.read(channel)
    device.expect("notification.mark_read")
    bob.read(channel)
    device.expect("notification.mark_read")


def test_mark_read_tells_the_totals_that_remain(app, room):
    channel, ann, bob = room
    other = app.channel(ann, bob)
    says(channel, 2, ann)
    says(other, 3, ann)
    device = bob.connect()
    bob.read(channel)
    told = device.expect("notification.mark_read")
    assert (told["total_unread_count"], told["unread_channels"]) == (3, 1)


def test_non_member_marks_nothing(app):
    ann, eve = app.users(2)
    channel = app.channel(ann, type="livestream")
    says(channel, 1, ann)
    watcher = ann.connect()
    ann.watch(watcher, channel)
    assert "event" not in eve.read(channel)
    watcher.expect_none("message.read")
    assert channel.read_of(eve) is None


def test_non_member_of_a_closed_channel_is_403_17(app):
    channel = app.channel(app.user())
    app.user("eve").post(f"{channel.path}/read", {}).fails(403, 17)


# ---- mark all and many ----

def test_mark_all_read(app, room):
    channel, ann, bob = room
    other = app.channel(ann, bob)
    says(channel, 2, ann)
    says(other, 3, ann)
    device, watcher = bob.connect(), ann.connect()
    ann.watch(watcher, channel, other)
    bob.post("/channels/read", {}).ok(201)
    told = device.expect("notification.mark_read")
    assert "cid" not in told and "channel_id" not in told and (told["total_unread_count"], told["unread_channels"]) == (0, 0)
    assert counts(bob) == (0, 0)
    watcher.expect_none("message.read")
    device.expect_none("notification.mark_read")


def test_mark_many_read(app, room):
    channel, ann, bob = room
    other, third = app.channel(ann, bob), app.channel(ann, bob)
    sent = says(channel, 3, ann)
    says(other, 3, ann)
    says(third, 3, ann)
    device, watcher = bob.connect(), ann.connect()
    ann.watch(watcher, channel, other, third)
    bob.post("/channels/read", {"read_by_channel": {channel.cid: sent[0]["id"], other.cid: ""}}).ok(201)
    assert counts(bob) == (5, 2)
    assert {c["channel_id"]: c["unread_count"] for c in bob.unread()["channels"]} == {channel.cid: 2, third.cid: 3}
    assert {watcher.expect("message.read")["cid"] for _ in range(2)} == {channel.cid, other.cid}
    watcher.expect_none("message.read")
    told = device.expect("notification.mark_read")
    assert "cid" not in told and (told["total_unread_count"], told["unread_channels"]) == (5, 2)


def test_mark_all_read_by_the_server_side(app, room):
    channel, ann, bob = room
    says(channel, 2, ann)
    app.api.post("/channels/read", {"user_id": bob.id}).ok(201)
    assert counts(bob) == (0, 0)
    app.api.post("/channels/read", {}).fails(400, 4)


@pytest.mark.parametrize("body", [{"read_by_channel": []}, {"read_by_channel": {"no-colon": ""}}, {"read_by_channel": {"a:b": 7}}], ids=json.dumps)
def test_bad_mark_many_is_refused(room, body):
    _, _, bob = room
    assert bob.post("/channels/read", body).status in (400, 404)


# ---- mark unread ----

def test_mark_unread(room, transport):
    channel, ann, bob = room
    sent = says(channel, 4, ann)
    bob.read(channel)
    device, watcher = bob.connect(transport), ann.connect(transport)
    ann.watch(watcher, channel)
    body = bob.post(f"{channel.path}/unread", {"message_id": sent[1]["id"]}).ok(201)
    assert set(body) == {"duration"}
    entry = channel.read_of(bob)
    assert (entry["unread_messages"], entry["first_unread_message_id"], entry["last_read_message_id"]) == (3, sent[1]["id"], sent[0]["id"])
    assert parse_time(entry["last_read"]) < parse_time(sent[1]["created_at"]) and counts(bob) == (3, 1)
    told = device.expect("notification.mark_unread", cid=channel.cid)
    assert (told["first_unread_message_id"], told["last_read_message_id"]) == (sent[1]["id"], sent[0]["id"])
    assert (told["unread_messages"], told["total_unread_count"], told["unread_channels"]) == (3, 3, 1)
    assert told["user"]["id"] == bob.id and TIMESTAMP.match(told["last_read_at"])
    watcher.expect_none("notification.mark_unread", "message.read")


def test_mark_unread_from_the_very_first_message(room):
    channel, ann, bob = room
    sent = says(channel, 2, ann)
    bob.read(channel)
    bob.post(f"{channel.path}/unread", {"message_id": sent[0]["id"]}).ok(201)
    entry = channel.read_of(bob)
    assert entry["unread_messages"] == 2 and entry["first_unread_message_id"] == sent[0]["id"]


def test_mark_unread_by_time(room):
    channel, ann, bob = room
    sent = says(channel, 4, ann)
    bob.read(channel)
    bob.post(f"{channel.path}/unread", {"message_timestamp": sent[2]["created_at"]}).ok(201)
    assert channel.read_of(bob)["first_unread_message_id"] == sent[2]["id"] and counts(bob) == (2, 1)
    bob.post(f"{channel.path}/unread", {"message_timestamp": format_time(parse_time(sent[1]["created_at"]) - 1)}).ok(201)
    assert counts(bob) == (3, 1)


def test_own_messages_do_not_become_unread(room):
    channel, ann, bob = room
    first = ann.send(channel, "a")
    bob.send(channel, "own")
    ann.send(channel, "b")
    bob.post(f"{channel.path}/unread", {"message_id": first["id"]}).ok(201)
    assert channel.read_of(bob)["unread_messages"] == 2


def test_reading_again_clears_the_mark(room):
    channel, ann, bob = room
    sent = says(channel, 3, ann)
    bob.post(f"{channel.path}/unread", {"message_id": sent[0]["id"]}).ok(201)
    bob.read(channel)
    entry = channel.read_of(bob)
    assert "first_unread_message_id" not in entry and entry["unread_messages"] == 0


def test_new_messages_count_on_after_mark_unread(room):
    channel, ann, bob = room
    sent = says(channel, 3, ann)
    bob.read(channel)
    bob.post(f"{channel.path}/unread", {"message_id": sent[1]["id"]}).ok(201)
    device = bob.connect()
    assert device.me["total_unread_count"] == 2
    ann.send(channel)
    assert device.expect("notification.message_new")["total_unread_count"] == 3


@pytest.mark.parametrize("body", [{}, {"message_id": "a", "thread_id": "b"}, {"message_id": 7}, {"message_timestamp": "yesterday"}, {"message_id": ""}],
                         ids=json.dumps)
def test_bad_mark_unread_is_400_4(room, body):
    channel, ann, bob = room
    says(channel, 1, ann)
    bob.post(f"{channel.path}/unread", body).fails(400, 4)


def test_mark_unread_of_what_is_not_there_is_404_16(app, room):
    channel, ann, bob = room
    says(channel, 1, ann)
    bob.post(f"{channel.path}/unread", {"message_id": uid("none")}).fails(404, 16)
    elsewhere = ann.send(app.channel(ann))
    bob.post(f"{channel.path}/unread", {"message_id": elsewhere["id"]}).fails(404, 16)


def test_mark_unread_by_a_non_member_is_404_16(app):
    ann, eve = app.users(2)
    channel = app.channel(ann, type="livestream")
    sent = ann.send(channel)
    eve.post(f"{channel.path}/unread", {"message_id": sent["id"]}).fails(404, 16)


# ---- threads ----

def thread(room):
    channel, ann, bob = room
    parent = bob.send(channel, "parent")
    ann.send(channel, "one", parent_id=parent["id"])
    ann.send(channel, "two", parent_id=parent["id"])
    return parent


def test_thread_is_read_apart_from_the_channel(room, transport):
    channel, ann, bob = room
    parent = thread(room)
    assert bob.unread()["total_unread_threads_count"] == 1
    bob.read(channel)
    assert bob.unread()["total_unread_threads_count"] == 1
    device, watcher = bob.connect(transport), ann.connect(transport)
    ann.watch(watcher, channel)
    assert device.me["unread_threads"] == 1
    bob.read(channel, thread_id=parent["id"])
    told = device.expect("notification.mark_read")
    assert told["thread_id"] == parent["id"] and told["unread_threads"] == 0
    assert watcher.expect("message.read")["thread"]["parent_message_id"] == parent["id"]
    assert bob.unread()["total_unread_threads_count"] == 0


def test_mark_all_read_reads_threads_too(room):
    thread(room)
    room[2].post("/channels/read", {}).ok(201)
    assert room[2].unread()["total_unread_threads_count"] == 0


def test_thread_marked_unread(room):
    channel, _, bob = room
    parent = thread(room)
    bob.read(channel, thread_id=parent["id"])
    device = bob.connect()
    bob.post(f"{channel.path}/unread", {"thread_id": parent["id"]}).ok(201)
    told = device.expect("notification.mark_unread")
    assert told["thread_id"] == parent["id"] and told["unread_threads"] == 1
    assert bob.unread()["total_unread_threads_count"] == 1


def test_member_outside_the_thread_changes_nothing(app):
    ann, bob, eve = app.users(3)
    room = app.channel(ann, bob, eve), ann, bob
    parent = thread(room)
    for action in ("read", "unread"):
        assert eve.post(f"{room[0].path}/{action}", {"thread_id": parent["id"]}).status in (200, 201)
    assert eve.unread()["total_unread_threads_count"] == 0


# ---- delivered ----

def test_mark_delivered_is_accepted_and_ignored_where_off(room):
    channel, ann, bob = room
    sent = ann.send(channel)
    watcher = ann.connect()
    ann.watch(watcher, channel)
    body = bob.post("/channels/delivered", {"latest_delivered_messages": [{"cid": channel.cid, "id": sent["id"]}]}).ok(201)
    assert set(body) == {"duration"}
    watcher.expect_none("message.delivered")
    assert "last_delivered_at" not in channel.read_of(bob)


def test_mark_delivered_by_the_server_side(app, room):
    channel, ann, bob = room
    pair = {"cid": channel.cid, "id": ann.send(channel)["id"]}
    app.api.post("/channels/delivered", {"latest_delivered_messages": [pair]}, query={"user_id": bob.id}).ok(201)
    app.api.post("/channels/delivered", {"latest_delivered_messages": [pair], "user_id": bob.id}).ok(201)


def test_unreadable_ids_are_skipped_silently(app, room):
    channel, ann, bob = room
    elsewhere = app.channel(ann)
    pairs = [{"cid": elsewhere.cid, "id": ann.send(elsewhere)["id"]}, {"cid": channel.cid, "id": uid("none")}, {"cid": "messaging:none", "id": "x"}]
    bob.post("/channels/delivered", {"latest_delivered_messages": pairs}).ok(201)


@pytest.mark.parametrize("body", [{}, {"latest_delivered_messages": []}, {"latest_delivered_messages": {}}, {"latest_delivered_messages": [7]},
                                  {"latest_delivered_messages": [{"cid": "a:b", "id": "x"}] * 101}], ids=lambda b: json.dumps(b)[:50])
def test_bad_mark_delivered_is_400_4(room, body):
    room[2].post("/channels/delivered", body).fails(400, 4)
