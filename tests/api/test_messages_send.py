"""messages.md §1-2 and §5: sending, replies, quotes, mentions, and what each event carries."""
import json

import pytest

from beck import TIMESTAMP, ZERO_TIME, check_user, parse_time, uid

pytestmark = pytest.mark.quick


@pytest.fixture
def room(app):
    ann, bob = app.users(2)
    return app.channel(ann, bob), ann, bob


def post(caller, channel, message, **body):
    return caller.post(f"{channel.path}/message", {"message": message, **body})


def stored(app, message):
    return app.api.get(f"/messages/{message['id']}").ok(200)["message"]


def same(message, other):
    """Equal but for what depends on the caller."""
    skip = {"own_reactions", "channel"}
    return {k: v for k, v in message.items() if k not in skip} == {k: v for k, v in other.items() if k not in skip}


# ---- the object ----

def test_message_object(room):
    channel, ann, _ = room
    message = ann.send(channel, "hello")
    assert message["text"] == "hello" and message["type"] == "regular" and message["cid"] == channel.cid
    check_user(message["user"], ann.id)
    assert TIMESTAMP.match(message["created_at"]) and message["created_at"] == message["updated_at"] and message["id"]
    for key in ("attachments", "mentioned_users", "latest_reactions", "own_reactions", "restricted_visibility"):
        assert message[key] == [], key
    for key in ("reaction_counts", "reaction_scores", "reaction_groups"):
        assert message[key] == {}, key
    assert (message["reply_count"], message["deleted_reply_count"]) == (0, 0)
    for key in ("silent", "shadowed", "pinned", "mentioned_channel", "mentioned_here"):
        assert message[key] is False, key
    assert message["html"].strip() == "<p>hello</p>" and message["member"]["channel_role"] == "channel_member"
    assert not {"deleted_at", "parent_id", "quoted_message_id", "command", "message_text_updated_at"} & set(message)


def test_sent_is_what_others_read(app, room):
    channel, ann, bob = room
    sent = ann.send(channel, "hello", color={"a": [1, None, True]}, attachments=[{"type": "image", "image_url": "http://x/y.png", "own": {"z": 1}}])
    assert sent["color"] == {"a": [1, None, True]} and sent["attachments"][0]["own"] == {"z": 1}
    assert same(bob.get(f"/messages/{sent['id']}").ok(200)["message"], sent)
    assert same(channel.state(bob)["messages"][0], sent)
    assert same(bob.get(f"{channel.path}/messages", query={"ids": sent["id"]}).ok(200)["messages"][0], sent)
    assert same(bob.post("/channels", {"filter_conditions": {"cid": channel.cid}}).ok()["channels"][0]["messages"][0], sent)


def test_own_id(app, room):
    channel, ann, _ = room
    wish = uid("msg")
    assert ann.send(channel, "x", id=wish)["id"] == wish and stored(app, {"id": wish})["text"] == "x"


def test_made_ids_differ(room):
    channel, ann, _ = room
    assert len({ann.send(channel)["id"] for _ in range(20)}) == 20


@pytest.mark.parametrize("text", ["ünï 日本 🎉 \u202e", "a" * 5000, "🎉" * 5000, "line\nbreak\ttab", "<script>alert(1)</script>", '"quotes" \\ \\u0041'],
                         ids=["unicode", "5000 chars", "5000 wide chars", "white space", "markup", "escapes"])
def test_text_comes_back_exactly(app, room, text):
    channel, ann, bob = room
    sent = ann.send(channel, text)
    assert sent["text"] == text == stored(app, sent)["text"] == channel.texts(bob)[0]
    assert "<script" not in sent["html"]


@pytest.mark.parametrize("length,limit", [(5001, 5000), (11, 10)])
def test_longer_text_is_400_20(app, room, length, limit):
    channel, ann, _ = room
    if limit != 5000:
        app.api.patch(channel.path, {"set": {"config_overrides": {"max_message_length": limit}}}).ok(200)
        ann.send(channel, "x" * limit)
    post(ann, channel, {"text": "x" * length}).fails(400, 20)
    assert "x" * length not in channel.texts()


def test_reserved_keys_are_ignored(app, room):
    channel, ann, bob = room
    sent = ann.send(channel, "x", reply_count=7, created_at="2001-01-01T00:00:00Z", updated_at="2001-01-01T00:00:00Z", html="<b>mine</b>",
                    latest_reactions=[{}], reaction_counts={"like": 9}, cid="messaging:other", deleted_at="2001-01-01T00:00:00Z", shadowed=True, mml="<mml/>")
    for shown in (sent, stored(app, sent)):
        assert shown["reply_count"] == 0 and shown["reaction_counts"] == {} and shown["cid"] == channel.cid and shown["shadowed"] is False
        assert not shown["created_at"].startswith("2001") and "mine" not in shown["html"] and "deleted_at" not in shown and not shown.get("mml")


def test_zero_values_count_as_absent(room):
    channel, ann, _ = room
    sent = ann.send(channel, "x", id="", parent_id="", quoted_message_id="", type="", attachments=None, mentioned_users=None, restricted_visibility=None,
                    pin_expires=ZERO_TIME, user=None)
    assert sent["type"] == "regular" and sent["id"] and sent["attachments"] == [] and not sent.get("parent_id")


def test_server_may_give_html_and_time(app, room):
    channel, ann, _ = room
    sent = channel.send(ann, "x", html="<b>mine</b>", mml="<mml>m</mml>")
    assert sent["html"] == "<b>mine</b>" and sent["mml"] == "<mml>m</mml>" and stored(app, sent)["html"] == "<b>mine</b>"


def test_server_creates_an_unknown_sender(app, room):
    channel, _, _ = room
    name = uid("unseen")
    sent = channel.send(name, "from nowhere")
    assert sent["user"]["id"] == name and "member" not in sent and app.stored(name)["role"] == "user"


def test_server_needs_a_sender(app, room):
    channel, _, _ = room
    post(app.api, channel, {"text": "x"}).fails(400, 4)


# ---- refused ----

BAD = {
    "no message": None, "message as list": [], "empty": {}, "empty text": {"text": ""}, "text as number": {"text": 7}, "null text": {"text": None},
    "bad id": {"text": "x", "id": "has space"}, "long id": {"text": "x", "id": "a" * 256}, "id as number": {"text": "x", "id": 7},
    "type": {"text": "x", "type": "error"}, "type deleted": {"text": "x", "type": "deleted"}, "unknown type": {"text": "x", "type": "nope"},
    "attachments": {"text": "x", "attachments": {}}, "attachment": {"text": "x", "attachments": [7]}, "31 attachments": {"attachments": [{"type": "a"}] * 31},
    "big attachments": {"attachments": [{"text": "x" * 5200}]}, "mentions": {"text": "x", "mentioned_users": "a"}, "mention": {"text": "x", "mentioned_users": [7]},
    "26 mentions": {"text": "x", "mentioned_users": [f"u{n}" for n in range(26)]}, "custom": {"text": "x", "filler": "y" * 5200},
    "silent": {"text": "x", "silent": "yes"}, "show_in_channel": {"text": "x", "show_in_channel": "yes"}, "restricted": {"text": "x", "restricted_visibility": "a"},
}


@pytest.mark.parametrize("message", BAD.values(), ids=BAD.keys())
def test_bad_message_is_400_4_and_nothing_is_stored(room, message):
    channel, ann, _ = room
    ann.post(f"{channel.path}/message", {} if message is None else {"message": message}).fails(400, 4)
    assert channel.texts() == []
    assert "last_message_at" not in channel.state()["channel"]


def test_at_the_bounds(app, room):
    channel, ann, _ = room
    assert len(ann.send(channel, "", attachments=[{"type": "a"}] * 30)["attachments"]) == 30
    crowd = app.users(25)
    assert len(ann.send(channel, "x", mentioned_users=[u.id for u in crowd])["mentioned_users"]) == 25
    assert len(ann.send(channel, "x", id=uid("i").ljust(255, "x"))["id"]) == 255


def test_unknown_channel_is_404_16(app, room):
    _, ann, _ = room
    ann.post(f"/channels/messaging/{uid('none')}/message", {"message": {"text": "x"}}).fails(404, 16)


def test_stranger_is_403_17(app, room):
    channel, _, _ = room
    post(app.user("eve"), channel, {"text": "x"}).fails(403, 17)
    assert channel.texts() == []


def test_system_message_needs_the_right(app, room):
    channel, ann, _ = room
    post(ann, channel, {"text": "x", "type": "system"}).fails(403, 17)
    assert channel.send(ann, "x", type="system")["type"] == "system"


# ---- the same id again ----

def test_retry_answers_like_the_first_time(app, room, transport):
    channel, ann, bob = room
    session = bob.connect(transport)
    bob.watch(session, channel)
    message = {"id": uid("retry"), "text": "once", "color": "red"}
    first = post(ann, channel, message).ok(201)["message"]
    session.expect("message.new")
    again = post(ann, channel, message).ok(201)["message"]
    assert same(first, again)
    session.expect_none("message.new")
    assert channel.texts(bob) == ["once"] and bob.unread()["total_unread_count"] == 1


@pytest.mark.parametrize("change", [{"text": "other"}, {"color": "blue"}, {"attachments": [{"type": "a"}]}], ids=json.dumps)
def test_same_id_other_content_is_400_4(app, room, change):
    channel, ann, _ = room
    message = {"id": uid("dup"), "text": "once"}
    post(ann, channel, message).ok(201)
    post(ann, channel, {**message, **change}).fails(400, 4)
    assert stored(app, message)["text"] == "once" and channel.texts() == ["once"]


def test_same_id_other_author_or_channel_is_400_4(app, room):
    channel, ann, bob = room
    message = {"id": uid("dup"), "text": "once"}
    post(ann, channel, message).ok(201)
    post(bob, channel, message).fails(400, 4)
    post(ann, app.channel(ann), message).fails(400, 4)


def test_same_id_at_the_same_time_is_one_message(room):
    import threading
    channel, ann, _ = room
    message, replies = {"id": uid("race"), "text": "once"}, []
    threads = [threading.Thread(target=lambda: replies.append(post(ann, channel, message))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({r.ok(201)["message"]["created_at"] for r in replies}) == 1 and channel.texts() == ["once"]


# ---- order ----

def test_times_rise_strictly(room):
    import threading
    channel, ann, bob = room
    threads = [threading.Thread(target=lambda u=u: [u.send(channel) for _ in range(15)]) for u in (ann, bob, ann, bob)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = [parse_time(m["created_at"]) for m in channel.state(messages={"limit": 100})["messages"]]
    assert len(times) == 60 and all(a < b for a, b in zip(times, times[1:]))


def test_all_sessions_see_one_order(room):
    import threading
    channel, ann, bob = room
    sessions = [u.connect(t) for u in (ann, bob) for t in ("ws", "longpoll")]
    for session in sessions:
        session.user.watch(session, channel)
    threads = [threading.Thread(target=lambda u=u: [u.send(channel) for _ in range(15)]) for u in (ann, bob, ann)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    orders = [[e["message"]["id"] for e in s.settle() if e["type"] == "message.new"] for s in sessions]
    stored_order = [m["id"] for m in channel.state(messages={"limit": 100})["messages"]]
    assert orders == [stored_order] * 4


def test_send_moves_last_message_at(room):
    channel, ann, _ = room
    sent = ann.send(channel)
    state = channel.state(ann)["channel"]
    assert state["last_message_at"] == sent["created_at"] and state["message_count"] == 1


# ---- events ----

def test_watchers_get_message_new(room, transport):
    channel, ann, bob = room
    mine, his = ann.connect(transport), bob.connect(transport)
    for session in (mine, his):
        session.user.watch(session, channel)
    sent = ann.send(channel, "hello", color="red")
    for session in (mine, his):
        event = session.expect("message.new", cid=channel.cid)
        assert same(event["message"], sent) and event["message_id"] == sent["id"] and event["user"]["id"] == ann.id
        assert (event["channel_type"], event["channel_id"], event["watcher_count"]) == (channel.type, channel.id, 2)
    assert (event["total_unread_count"], event["unread_channels"], event["unread_count"]) == (1, 1, 1)


def test_counts_in_events_are_the_receivers(room):
    channel, ann, bob = room
    sessions = {u.id: u.connect() for u in (ann, bob)}
    for session in sessions.values():
        session.user.watch(session, channel)
    for expected in (1, 2, 3):
        ann.send(channel)
        assert sessions[bob.id].expect("message.new")["total_unread_count"] == expected
        assert sessions[ann.id].expect("message.new").get("total_unread_count", 0) == 0


def test_members_who_do_not_watch_get_the_notification(app, room, transport):
    channel, ann, bob = room
    session, stranger = bob.connect(transport), app.user().connect(transport)
    sent = ann.send(channel, "hello")
    event = session.expect("notification.message_new", cid=channel.cid)
    assert event["message"]["id"] == sent["id"] and event["channel"]["cid"] == channel.cid
    assert (event["total_unread_count"], event["unread_channels"], event["unread_count"]) == (1, 1, 1)
    session.expect_none("message.new")
    stranger.expect_none()


def test_own_reactions_and_capabilities_are_not_in_events(room):
    channel, ann, bob = room
    session = bob.connect()
    bob.watch(session, channel)
    ann.send(channel)
    event = session.expect("message.new")
    assert event["message"]["own_reactions"] == [] and "own_capabilities" not in event.get("channel", {})


def test_event_carries_the_channels_custom_data(app):
    ann = app.user()
    channel = app.channel(ann, color="red")
    session = ann.connect()
    ann.watch(session, channel)
    ann.send(channel)
    assert session.expect("message.new")["channel_custom"]["color"] == "red"


# ---- replies ----

def test_reply(app, room):
    channel, ann, bob = room
    parent = ann.send(channel, "parent")
    reply = bob.send(channel, "reply", parent_id=parent["id"])
    assert reply["type"] == "reply" and reply["parent_id"] == parent["id"]
    assert channel.texts(ann) == ["parent"]
    shown = stored(app, parent)
    assert shown["reply_count"] == 1 and [u["id"] for u in shown["thread_participants"]] == [bob.id]
    assert [m["id"] for m in ann.get(f"/messages/{parent['id']}/replies").ok(200)["messages"]] == [reply["id"]]


def test_reply_shown_in_the_channel(room):
    channel, ann, bob = room
    parent = ann.send(channel, "parent")
    bob.send(channel, "also here", parent_id=parent["id"], show_in_channel=True)
    assert channel.texts(ann) == ["parent", "also here"] and ann.unread()["total_unread_count"] == 1


def test_reply_moves_no_channel_counter(room):
    channel, ann, bob = room
    parent = ann.send(channel, "parent")
    bob.send(channel, "reply", parent_id=parent["id"])
    assert channel.state(ann)["channel"]["last_message_at"] == parent["created_at"]
    assert ann.unread()["total_unread_count"] == 0


def test_reply_to_a_reply_is_400_21(room):
    channel, ann, _ = room
    parent = ann.send(channel, "parent")
    reply = ann.send(channel, "reply", parent_id=parent["id"])
    post(ann, channel, {"text": "x", "parent_id": reply["id"]}).fails(400, 21)
    assert stored(channel.app, parent)["reply_count"] == 1


def test_reply_to_nothing(app, room):
    channel, ann, _ = room
    other = app.channel(ann)
    elsewhere = ann.send(other)
    post(ann, channel, {"text": "x", "parent_id": uid("none")}).fails(404, 16)
    assert post(ann, channel, {"text": "x", "parent_id": elsewhere["id"]}).status in (400, 404)
    deleted = ann.send(channel)
    ann.delete(f"/messages/{deleted['id']}").ok(200)
    assert post(ann, channel, {"text": "x", "parent_id": deleted["id"]}).status in (400, 404)


def test_replies_switched_off_are_400_19(app, room):
    channel, ann, _ = room
    parent = ann.send(channel)
    app.api.patch(channel.path, {"set": {"config_overrides": {"replies": False}}}).ok(200)
    post(ann, channel, {"text": "x", "parent_id": parent["id"]}).fails(400, 19)


def test_thread_events(room, transport):
    channel, ann, bob = room
    watcher, participant = bob.connect(transport), ann.connect(transport)
    bob.watch(watcher, channel)
    parent = ann.send(channel, "parent")
    watcher.expect("message.new")
    reply = bob.send(channel, "reply", parent_id=parent["id"])
    event = watcher.expect("message.new")
    assert event["message"]["id"] == reply["id"] and [u["id"] for u in event["thread_participants"]] == [bob.id]
    told = participant.expect("notification.thread_message_new", cid=channel.cid)
    assert told["message"]["id"] == reply["id"] and told["thread_id"] == parent["id"] and told["unread_threads"] == 1
    watcher.expect_none("notification.thread_message_new", "message.updated")


def test_thread_participants_are_those_who_replied(app, room):
    channel, ann, bob = room
    parent = ann.send(channel, "parent")
    for user in (bob, ann, bob):
        user.send(channel, "reply", parent_id=parent["id"])
    shown = stored(app, parent)
    assert shown["reply_count"] == 3 and sorted(u["id"] for u in shown["thread_participants"]) == sorted([ann.id, bob.id])


# ---- quotes ----

def test_quote(app, room):
    channel, ann, bob = room
    quoted = ann.send(channel, "original")
    middle = bob.send(channel, "quoting", quoted_message_id=quoted["id"])
    outer = ann.send(channel, "quoting the quote", quoted_message_id=middle["id"])
    assert middle["quoted_message_id"] == quoted["id"] and middle["quoted_message"]["text"] == "original"
    shown = stored(app, outer)
    assert shown["quoted_message"]["text"] == "quoting" and "quoted_message" not in shown["quoted_message"]


def test_quote_of_a_deleted_message_is_a_tombstone(room):
    channel, ann, bob = room
    quoted = ann.send(channel, "soon gone")
    bob.send(channel, "quoting", quoted_message_id=quoted["id"])
    ann.delete(f"/messages/{quoted['id']}").ok(200)
    shown = channel.state(bob)["messages"][-1]["quoted_message"]
    assert shown["type"] == "deleted" and shown["text"] == ""


def test_quote_of_nothing(room):
    channel, ann, _ = room
    assert post(ann, channel, {"text": "x", "quoted_message_id": uid("none")}).status in (400, 404)
    assert channel.texts() == []


def test_quotes_switched_off_are_400_19(app, room):
    channel, ann, _ = room
    quoted = ann.send(channel)
    app.api.patch(channel.path, {"set": {"config_overrides": {"quotes": False}}}).ok(200)
    post(ann, channel, {"text": "x", "quoted_message_id": quoted["id"]}).fails(400, 19)


# ---- mentions ----

def test_mentions_are_full_users(app, room):
    channel, ann, bob = room
    eve = app.user("eve", name="Eve")
    sent = ann.send(channel, f"@{bob.id}", mentioned_users=[bob.id, eve.id])
    for shown in (sent, stored(app, sent)):
        assert [u["id"] for u in shown["mentioned_users"]] == [bob.id, eve.id] and shown["mentioned_users"][1]["name"] == "Eve"


def test_text_is_not_parsed_for_mentions(room):
    channel, ann, bob = room
    assert ann.send(channel, f"@{bob.id} @all")["mentioned_users"] == []


# ---- silent, restricted ----

def test_silent_message_counts_for_nobody(room, transport):
    channel, ann, bob = room
    session = bob.connect(transport)
    bob.watch(session, channel)
    ann.send(channel, "psst", silent=True)
    event = session.expect("message.new")
    assert event["message"]["silent"] is True and event.get("total_unread_count", 0) == 0
    assert bob.unread()["total_unread_count"] == 0 and channel.texts(bob) == ["psst"]


def test_restricted_visibility(app, transport):
    ann, bob, eve = app.users(3)
    channel = app.channel(ann, bob, eve)
    sessions = {u.id: u.connect(transport) for u in (ann, bob, eve)}
    for session in sessions.values():
        session.user.watch(session, channel)
    sent = channel.send(ann, "for Bob", restricted_visibility=[bob.id])
    sessions[bob.id].expect("message.new")
    sessions[ann.id].expect("message.new")
    sessions[eve.id].expect_none("message.new", "notification.message_new")
    assert channel.texts(bob) == channel.texts(ann) == ["for Bob"] and channel.texts(eve) == []
    eve.get(f"/messages/{sent['id']}").fails(404, 16)
    assert bob.unread()["total_unread_count"] == 1 and eve.unread()["total_unread_count"] == 0


# ---- frozen, slow mode ----

def test_frozen_channel_answers_with_an_unstored_error_message(app, room):
    channel, ann, _ = room
    app.api.patch(channel.path, {"set": {"frozen": True}}).ok(200)
    session = ann.connect()
    ann.watch(session, channel)
    answer = post(ann, channel, {"text": "cold"}).ok(201)["message"]
    assert answer["type"] == "error"
    assert channel.texts() == []
    session.expect_none("message.new")


def test_slow_mode_is_403_60(app, room):
    channel, ann, bob = room
    app.api.post(channel.path, {"cooldown": 120}).ok(201)
    ann.send(channel, "first")
    post(ann, channel, {"text": "too soon"}).fails(403, 60)
    bob.send(channel, "his first")
    channel.send(ann, "server calls do not wait")
    assert channel.texts() == ["first", "his first", "server calls do not wait"]
    assert "slow-mode" in channel.state(ann)["channel"]["own_capabilities"]


# ---- many by ids ----

def test_get_many_skips_what_is_missing(app, room):
    channel, ann, bob = room
    sent = [ann.send(channel, str(n))["id"] for n in range(3)]
    elsewhere = ann.send(app.channel(ann))["id"]
    got = bob.get(f"{channel.path}/messages", query={"ids": ",".join([sent[0], uid("none"), sent[2], elsewhere])}).ok(200)["messages"]
    assert sorted(m["id"] for m in got) == sorted([sent[0], sent[2]])


@pytest.mark.parametrize("ids", [None, "", ",".join(f"m{n}" for n in range(101))], ids=["none", "empty", "101"])
def test_get_many_of_bad_ids_is_400_4(room, ids):
    channel, ann, _ = room
    ann.get(f"{channel.path}/messages", query={} if ids is None else {"ids": ids}).fails(400, 4)


def test_get_one_names_its_channel(room):
    channel, ann, bob = room
    sent = ann.send(channel)
    assert bob.get(f"/messages/{sent['id']}").ok(200)["message"]["channel"]["cid"] == channel.cid
    bob.get(f"/messages/{uid('none')}").fails(404, 16)
