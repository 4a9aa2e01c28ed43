"""messages.md §5: threads as objects: POST /threads and GET /threads/{message}."""
import pytest

from beck import limit, parse_time, uid


def reply(channel, parent, sender, text="reply", **fields):
    return channel.send(sender, text, parent_id=parent["id"], **fields)


def thread_of(channel, sender, *repliers, text="parent"):
    parent = channel.send(sender, text)
    return parent, [reply(channel, parent, r, f"reply {n}") for n, r in enumerate(repliers)]


def threads(caller, **body):
    return caller.post("/threads", body).ok(201)


def ids(answer):
    return [t["parent_message_id"] for t in answer["threads"]]


@pytest.fixture
def room(app):
    app.ann, app.bob, app.eve = app.users(3)
    app.room = app.channel(app.ann, app.bob, app.eve)
    return app


def test_a_thread_and_all_it_says(room):
    parent, (first, second) = thread_of(room.room, room.ann, room.bob, room.ann)
    thread, = threads(room.ann, filter={"channel_cid": room.room.cid})["threads"]
    assert thread["channel_cid"] == room.room.cid and thread["channel"]["cid"] == room.room.cid
    assert thread["parent_message_id"] == parent["id"] and thread["parent_message"]["text"] == "parent" == thread["title"]
    assert thread["created_by_user_id"] == room.bob.id == thread["created_by"]["id"], "who wrote the first reply"
    assert thread["created_at"] == first["created_at"] and thread["last_message_at"] == thread["updated_at"] == second["created_at"]
    assert (thread["reply_count"], thread["participant_count"], thread["active_participant_count"]) == (2, 2, 2)
    assert [m["id"] for m in thread["latest_replies"]] == [first["id"], second["id"]]
    assert thread["custom"] == {} and "deleted_at" not in thread
    part = {p["user_id"]: p for p in thread["thread_participants"]}
    assert set(part) == {room.ann.id, room.bob.id}
    for p in part.values():
        assert p["user"]["id"] == p["user_id"] and p["thread_id"] == parent["id"] and p["channel_cid"] == room.room.cid and p["custom"] == {}
    assert part[room.bob.id]["last_read_at"] == first["created_at"] and part[room.ann.id]["last_read_at"] == second["created_at"]
    read = {r["user"]["id"]: r for r in thread["read"]}
    assert (read[room.bob.id]["unread_messages"], read[room.ann.id]["unread_messages"]) == (1, 0)
    assert read[room.ann.id]["last_read_message_id"] == second["id"]


def test_server_callers_name_the_user_and_get_no_read_list(room):
    parent, _ = thread_of(room.room, room.ann, room.ann)
    room.api.post("/threads", {}).fails(400, 4)
    thread, = threads(room.api, user_id=room.ann.id)["threads"]
    assert "read" not in thread and thread["participant_count"] == 1
    assert len(thread["thread_participants"]) == 1, "a reply to one's own message leaves one participant"
    assert "read" not in room.api.get(f"/threads/{parent['id']}").ok(200)["thread"]


def test_only_threads_one_takes_part_in(room):
    parent, _ = thread_of(room.room, room.ann, room.bob)
    room.room.send(room.eve, "no replies, no thread")
    assert ids(threads(room.ann)) == ids(threads(room.bob)) == [parent["id"]]
    assert threads(room.eve)["threads"] == []
    reply(room.room, parent, room.bob, "look", mentioned_users=[room.eve.id])
    assert ids(threads(room.eve)) == [parent["id"]]


def test_default_order_is_unread_first_then_newest(room):
    parents = [thread_of(room.room, room.ann, room.ann)[0]["id"] for _ in range(3)]
    assert ids(threads(room.ann)) == parents[::-1]
    reply(room.room, {"id": parents[0]}, room.bob)
    reply(room.room, {"id": parents[1]}, room.ann)
    assert ids(threads(room.ann)) == [parents[0], parents[1], parents[2]]
    room.ann.read(room.room, thread_id=parents[0])
    assert ids(threads(room.ann)) == [parents[1], parents[0], parents[2]]


@pytest.mark.parametrize("field", ["active_participant_count", "created_at", "last_message_at", "parent_message_id", "participant_count",
                                   "reply_count", "updated_at", "has_unread"])
def test_every_sort_both_ways(room, field):
    few, _ = thread_of(room.room, room.ann, room.ann)
    many, _ = thread_of(room.room, room.ann, room.ann, room.bob, room.eve)
    up, down = (ids(threads(room.ann, sort=[{"field": field, "direction": d}])) for d in (1, -1))
    assert up == down[::-1] and set(up) == {few["id"], many["id"]}
    if field != "parent_message_id":
        assert up == [few["id"], many["id"]]


@pytest.mark.parametrize("body", [
    {"sort": [{"field": "nosuch", "direction": 1}]}, {"filter": {"nosuch": 1}}, {"filter": {"channel_cid": {"$gt": "a"}}}, {"filter": 7}, {"limit": -1},
    {"limit": limit("THREADS") + 1}, {"reply_limit": limit("THREAD_PARTS") + 1}, {"participant_limit": limit("THREAD_PARTS") + 1}, {"limit": "x"},
    {"next": "rubbish"}, {"next": "e30"}, {"prev": "eyJvIjotMSwiZSI6MH0"}, {"next": 7}, {"watch": "x"}, {"watch": True}])
def test_what_a_query_cannot_say(room, body):
    room.ann.post("/threads", body).fails(400, 4)


def test_filters(room):
    other = room.channel(room.ann, room.bob)
    first, (start,) = thread_of(room.room, room.ann, room.bob)
    second, _ = thread_of(other, room.ann, room.ann)
    both = {first["id"], second["id"]}
    for wanted, filter in [
            ({first["id"]}, {"channel_cid": {"$eq": room.room.cid}}), (both, {"channel_cid": {"$in": [room.room.cid, other.cid]}}),
            ({second["id"]}, {"created_by_user_id": room.ann.id}), ({first["id"]}, {"parent_message_id": {"$in": [first["id"]]}}),
            ({second["id"]}, {"created_at": {"$gt": start["created_at"]}}), ({first["id"]}, {"last_message_at": {"$lte": start["created_at"]}}),
            (both, {"channel.disabled": False}), (set(), {"channel.team": "red"}), (both, {}), (both, None),
            ({first["id"]}, {"$and": [{"channel_cid": room.room.cid}, {"created_by_user_id": room.bob.id}]})]:
        assert set(ids(threads(room.ann, filter=filter))) == wanted, filter


def test_limits_of_what_is_shown(room):
    parent, replies = thread_of(room.room, room.ann, room.bob, room.eve, room.bob, room.ann)
    assert [m["id"] for m in threads(room.ann)["threads"][0]["latest_replies"]] == [r["id"] for r in replies[-2:]]
    assert len(threads(room.ann, reply_limit=3)["threads"][0]["latest_replies"]) == 3
    assert len(threads(room.ann, participant_limit=1)["threads"][0]["thread_participants"]) == 1
    one = room.ann.get(f"/threads/{parent['id']}").ok(200)["thread"]
    assert [m["id"] for m in one["latest_replies"]] == [r["id"] for r in replies]
    less = room.ann.get(f"/threads/{parent['id']}", query={"reply_limit": 1, "participant_limit": 2, "member_limit": 3}).ok(200)["thread"]
    assert [m["id"] for m in less["latest_replies"]] == [replies[-1]["id"]] and len(less["thread_participants"]) == 2


# ---- pages ----

def test_pages_forth_and_back(room):
    parents = [thread_of(room.room, room.ann, room.ann)[0]["id"] for _ in range(5)]
    sort = [{"field": "created_at", "direction": 1}]
    first = threads(room.ann, limit=2, sort=sort)
    assert ids(first) == parents[:2] and "prev" not in first
    second = threads(room.ann, limit=2, next=first["next"])
    assert ids(second) == parents[2:4]
    third = threads(room.ann, limit=2, next=second["next"])
    assert ids(third) == parents[4:] and "next" not in third
    assert ids(threads(room.ann, limit=2, prev=third["prev"])) == parents[2:4]
    assert ids(threads(room.ann, limit=2, prev=second["prev"])) == parents[:2]


def test_a_cursor_carries_filter_and_order(room):
    other = room.channel(room.ann)
    thread_of(other, room.ann, room.ann)
    parents = [thread_of(room.room, room.ann, room.ann)[0]["id"] for _ in range(2)]
    first = threads(room.ann, limit=1, filter={"channel_cid": room.room.cid}, sort=[{"field": "created_at", "direction": 1}])
    second = threads(room.ann, limit=1, filter={"channel_cid": other.cid}, sort=[{"field": "created_at", "direction": -1}], next=first["next"])
    assert ids(first) + ids(second) == parents and "next" not in second


def test_next_and_prev_exclude_each_other(room):
    for _ in range(3):
        thread_of(room.room, room.ann, room.ann)
    first = threads(room.ann, limit=1)
    second = threads(room.ann, limit=1, next=first["next"])
    room.ann.post("/threads", {"next": first["next"], "prev": second["prev"]}).fails(400, 4)


def test_pages_skip_what_may_not_be_read_any_more(room):
    """Many threads in channels one has left: they take no place on the pages."""
    kept = []
    for n in range(9):
        channel = room.channel(room.bob, room.ann)
        parent, _ = thread_of(channel, room.ann, room.ann)
        if n % 3:
            room.api.post(channel.path, {"remove_members": [room.ann.id]}).ok()
            continue
        kept.append(parent["id"])
    seen, token = [], None
    for _ in range(6):
        page = threads(room.ann, limit=2, sort=[{"field": "created_at", "direction": 1}], **({"next": token} if token else {}))
        seen += ids(page)
        token = page.get("next")
        if not token:
            break
    assert seen == kept and token is None


# ---- who sees what ----

def test_one_thread_needs_the_right_to_read(room):
    parent, (first,) = thread_of(room.room, room.ann, room.bob)
    stranger = room.user("stranger")
    stranger.get(f"/threads/{parent['id']}").fails(403, 17)
    assert room.eve.get(f"/threads/{parent['id']}").ok(200)["thread"]["reply_count"] == 1, "a member who takes no part may look"
    for missing in (uid("none"), first["id"], room.room.send(room.ann, "alone")["id"]):
        room.ann.get(f"/threads/{missing}").fails(404, 16)


def test_hidden_reading_stays_hidden(room):
    """connection-and-users.md §4.6: how far one has read a thread is a read receipt too."""
    room.bob.update(privacy_settings={"read_receipts": {"enabled": False}})
    parent, (first,) = thread_of(room.room, room.ann, room.bob)
    reply(room.room, parent, room.ann)
    room.bob.read(room.room, thread_id=parent["id"])
    for answer in (room.ann.get(f"/threads/{parent['id']}").ok(200)["thread"], threads(room.ann)["threads"][0],
                   threads(room.api, user_id=room.ann.id)["threads"][0]):
        part = {p["user_id"]: p for p in answer["thread_participants"]}
        assert part[room.bob.id]["last_read_at"] == first["created_at"], "as of his coming, whatever he has read since"
        assert room.bob.id not in [r["user"]["id"] for r in answer.get("read", [])]
    own = room.bob.get(f"/threads/{parent['id']}").ok(200)["thread"]
    assert room.bob.id in [r["user"]["id"] for r in own["read"]]
    part = {p["user_id"]: p for p in own["thread_participants"]}
    assert parse_time(part[room.bob.id]["last_read_at"]) > parse_time(first["created_at"])
    everything = {p["user_id"]: p for p in room.api.get(f"/threads/{parent['id']}").ok(200)["thread"]["thread_participants"]}
    assert everything[room.bob.id]["last_read_at"] == part[room.bob.id]["last_read_at"], "the server side sees all"


def test_threads_of_truncated_history_are_gone(room):
    parent, _ = thread_of(room.room, room.ann, room.bob)
    room.api.post(f"{room.room.path}/truncate", {}).ok()
    assert threads(room.ann)["threads"] == []
    room.ann.get(f"/threads/{parent['id']}").fails(404, 16)


def test_a_deleted_parent_keeps_its_thread_without_its_text(room):
    parent, _ = thread_of(room.room, room.ann, room.bob)
    room.ann.delete(f"/messages/{parent['id']}").ok(200)
    thread, = threads(room.bob)["threads"]
    assert thread["deleted_at"] and thread["title"] == "" and thread["parent_message"]["type"] == "deleted"


def test_applications_do_not_see_each_other(room, other_app):
    parent, _ = thread_of(room.room, room.ann, room.bob)
    other_app.api.get(f"/threads/{parent['id']}").fails(404, 16)


# ---- watching ----

def test_watch_subscribes_to_the_channels_of_the_list(room, transport):
    parent, _ = thread_of(room.room, room.ann, room.bob)
    session = room.ann.connect(transport)
    found = room.ann.post("/threads", {"watch": True}, query={"connection_id": session.id}).ok(201)
    assert ids(found) == [parent["id"]]
    reply(room.room, parent, room.bob, "live")
    assert session.expect("message.new")["message"]["text"] == "live"


def test_watch_of_one_thread(room):
    parent, _ = thread_of(room.room, room.ann, room.bob)
    session = room.ann.connect()
    assert room.ann.get(f"/threads/{parent['id']}", query={"watch": True, "connection_id": session.id}).ok(200)["thread"]
    reply(room.room, parent, room.bob, "live")
    assert session.expect("message.new")["message"]["text"] == "live"
    room.ann.get(f"/threads/{parent['id']}", query={"watch": True}).fails(400, 4)
    room.ann.get(f"/threads/{parent['id']}", query={"watch": True, "connection_id": "nobody-000000000000"}).fails(400, 46)
