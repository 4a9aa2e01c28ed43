"""connection-and-users-events.md §6.1: what counts as unread, everywhere the contract shows it, against a naive recount."""
import random

import pytest

from beck import uid

pytestmark = pytest.mark.quick


@pytest.fixture
def room(app):
    ann, bob = app.users(2)
    return app.channel(ann, bob), ann, bob


def shown_everywhere(user, channel):
    """The unread count of one channel as each answer shows it."""
    summary = user.unread()
    listed, = user.post("/channels", {"filter_conditions": {"cid": channel.cid}}).ok()["channels"]
    session = user.connect()
    me = session.me
    session.close()
    own = [r for r in listed["read"] if r["user"]["id"] == user.id][0]["unread_messages"]
    batch = user.app.api.post("/unread_batch", {"user_ids": [user.id]}).ok(201)["counts_by_user"][user.id]
    by_channel = {c["channel_id"]: c["unread_count"] for c in summary["channels"]}
    return {"summary": summary["total_unread_count"], "channel": by_channel.get(channel.cid, 0), "read entry": channel.read_of(user)["unread_messages"],
            "list": own, "me": me["total_unread_count"], "me, old name": me["unread_count"], "channels": me["unread_channels"],
            "batch": batch["total_unread_count"]}


CASES = {
    "a message of another": (lambda c, a, b: a.send(c), 1),
    "three of another": (lambda c, a, b: [a.send(c) for _ in range(3)], 3),
    "own message": (lambda c, a, b: b.send(c), 0),
    "silent": (lambda c, a, b: a.send(c, silent=True), 0),
    "system": (lambda c, a, b: c.send(a, type="system"), 1),
    "reply": (lambda c, a, b: a.send(c, parent_id=b.send(c)["id"]), 0),
    "reply shown in the channel": (lambda c, a, b: a.send(c, parent_id=b.send(c)["id"], show_in_channel=True), 1),
    "restricted to others": (lambda c, a, b: c.send(a, restricted_visibility=[a.id]), 0),
    "restricted to him": (lambda c, a, b: c.send(a, restricted_visibility=[b.id]), 1),
    "deleted": (lambda c, a, b: a.delete(f"/messages/{a.send(c)['id']}").ok(200), 0),
    "erased": (lambda c, a, b: c.app.api.delete(f"/messages/{a.send(c)['id']}", query={"hard": True}).ok(200), 0),
    "older than his reading": (lambda c, a, b: (a.send(c), b.read(c)), 0),
    "sent by a non-member": (lambda c, a, b: c.send(uid("outside")), 1),
}


@pytest.mark.parametrize("act,wanted", CASES.values(), ids=CASES.keys())
def test_what_counts(room, act, wanted):
    channel, ann, bob = room
    act(channel, ann, bob)
    assert shown_everywhere(bob, channel) == {**dict.fromkeys(["summary", "channel", "read entry", "list", "me", "me, old name", "batch"], wanted),
                                              "channels": int(wanted > 0)}


def test_non_members_have_no_counts(app):
    ann, eve = app.users(2)
    channel = app.channel(ann, type="livestream")
    ann.send(channel)
    assert eve.unread()["total_unread_count"] == 0 and channel.read_of(eve) is None


def test_messages_before_joining_do_not_count(room):
    channel, ann, _ = room
    late = channel.app.user()
    ann.send(channel)
    ann.post(channel.path, {"add_members": [late.id]}).ok(201)
    assert late.unread()["total_unread_count"] == 0


# ---- GET /unread ----

def test_summary(app):
    ann, bob = app.users(2)
    channels = [app.channel(ann, bob), app.channel(ann, bob), app.channel(ann, bob, type="team")]
    for channel, count in zip(channels, (2, 3, 1)):
        for _ in range(count):
            ann.send(channel)
    read = app.channel(ann, bob)
    ann.send(read)
    bob.read(read)
    summary = bob.unread()
    assert summary["total_unread_count"] == 6 and summary["total_unread_threads_count"] == 0 and summary["threads"] == []
    assert {c["channel_id"]: c["unread_count"] for c in summary["channels"]} == {c.cid: n for c, n in zip(channels, (2, 3, 1))}
    assert all("last_read" in c for c in summary["channels"])
    assert {t["channel_type"]: (t["channel_count"], t["unread_count"]) for t in summary["channel_type"]} == {"messaging": (2, 5), "team": (1, 1)}


def test_summary_by_the_server_side(app, room):
    channel, ann, bob = room
    ann.send(channel)
    assert app.api.get("/unread", query={"user_id": bob.id}).ok(200)["total_unread_count"] == 1
    app.api.get("/unread").fails(400, 4)
    app.api.get("/unread", query={"user_id": uid("nobody")}).fails(404, 16)


def test_nothing_unread(app):
    summary = app.user().unread()
    assert summary["total_unread_count"] == 0 and summary["channels"] == summary["channel_type"] == summary["threads"] == []


def test_threads_in_the_summary(room):
    channel, ann, bob = room
    parents = [bob.send(channel) for _ in range(2)]
    for parent, count in zip(parents, (1, 3)):
        for _ in range(count):
            ann.send(channel, parent_id=parent["id"])
    summary = bob.unread()
    assert summary["total_unread_threads_count"] == 2
    assert {t["parent_message_id"]: t["unread_count"] for t in summary["threads"]} == {parents[0]["id"]: 1, parents[1]["id"]: 3}
    assert ann.unread()["total_unread_threads_count"] == 0


def test_at_most_100_channels_are_listed(app):
    ann, bob = app.users(2)
    channels = [app.channel(ann, bob) for _ in range(102)]
    for channel in channels:
        channel.send(ann)
    summary = bob.unread()
    assert summary["total_unread_count"] == 102 and {c["channel_id"] for c in summary["channels"]} == {c.cid for c in channels[2:]}


# ---- batch ----

def test_batch(app, room):
    channel, ann, bob = room
    ann.send(channel)
    counts = app.api.post("/unread_batch", {"user_ids": [ann.id, bob.id, uid("nobody")]}).ok(201)["counts_by_user"]
    assert {u: c["total_unread_count"] for u, c in counts.items()} == {ann.id: 0, bob.id: 1}
    assert counts[bob.id]["channels"][0]["channel_id"] == channel.cid


@pytest.mark.parametrize("ids", [None, [], "x", [7], ["x"] * 101])
def test_bad_batch_is_400_4(app, ids):
    app.api.post("/unread_batch", {"user_ids": ids}).fails(400, 4)


def test_batch_of_100(app):
    users = [u.id for u in app.users(100)]
    assert len(app.api.post("/unread_batch", {"user_ids": users}).ok(201)["counts_by_user"]) == 100


# ---- against a recount ----

@pytest.mark.parametrize("seed", range(3))
def test_random_walk_agrees_with_a_naive_recount(app, seed):
    """Random actions; after each the totals in Bob's last event, in GET /unread and in a count by hand are the same."""
    rng = random.Random(seed)
    ann, bob = app.users(2)
    channels = [app.channel(ann, bob) for _ in range(3)]
    sent = {c.cid: [] for c in channels}
    device = bob.connect()

    def unread(channel):
        return sum(1 for m in sent[channel.cid] if m["counts"] and not m["read"] and not m["deleted"])
    for _ in range(60):
        channel = rng.choice(channels)
        messages, action = sent[channel.cid], rng.choice(["send", "send", "send", "own", "silent", "read", "read to", "delete", "erase", "unread"])
        live = [m for m in messages if not m["deleted"]]
        if action in ("send", "silent", "own"):
            author = bob if action == "own" else ann
            message = author.send(channel, action, silent=action == "silent")
            messages.append({"id": message["id"], "counts": action == "send", "read": action == "own", "deleted": False})
            if action == "own":
                for m in messages:
                    m["read"] = True
        elif action == "read":
            bob.read(channel)
            for m in messages:
                m["read"] = True
        elif action == "read to" and live:
            target = rng.choice(live)
            bob.read(channel, message_id=target["id"])
            for m in messages[:messages.index(target) + 1]:
                m["read"] = True
        elif action in ("delete", "erase") and live:
            target = rng.choice(live)
            app.api.delete(f"/messages/{target['id']}", query={"hard": action == "erase"}).ok(200)
            target["deleted"] = True
            if action == "erase":
                messages.remove(target)
        elif action == "unread" and live:
            target = rng.choice(live)
            bob.post(f"{channel.path}/unread", {"message_id": target["id"]}).ok(201)
            for at, m in enumerate(messages):
                m["read"] = at < messages.index(target)
        wanted = {c.cid: unread(c) for c in channels}
        summary = bob.unread()
        assert {c["channel_id"]: c["unread_count"] for c in summary["channels"]} == {c: n for c, n in wanted.items() if n}, action
        assert summary["total_unread_count"] == sum(wanted.values())
        counted = [e for e in device.settle() if "total_unread_count" in e]
        if counted:
            last = counted[-1]
            assert (last["total_unread_count"], last["unread_channels"]) == (sum(wanted.values()), sum(1 for n in wanted.values() if n)), (action, last)
    again = bob.connect()
    assert (again.me["total_unread_count"], again.me["unread_channels"]) == (sum(wanted.values()), sum(1 for n in wanted.values() if n))
