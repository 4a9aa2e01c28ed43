"""channels.md §9: one change to many channels, as a task."""
import pytest

from beck import limit, uid

MEMBER_OPERATIONS = ["addMembers", "removeMembers", "inviteMembers", "assignRoles", "addModerators", "demoteModerators", "hide", "show", "archive",
                     "unarchive"]


def batch(app, operation, filter, members=None, **more):
    body = {"operation": operation, "filter": filter, **({"members": members} if members is not None else {}), **more}
    return app.api.put("/channels/batch", body).ok(200)["task_id"]


def done(app, *args, **kw):
    task = app.task(batch(app, *args, **kw))
    assert task["status"] == "completed", task
    return task


def members(channel):
    return {m["user_id"]: m for m in channel.state()["members"]}


@pytest.fixture
def rooms(app):
    app.ann, app.bob = app.users(2)
    app.rooms = [app.channel(app.ann) for _ in range(3)]
    app.cids = [r.cid for r in app.rooms]
    return app


@pytest.mark.parametrize("form", [lambda cids: {"$in": cids}, lambda cids: cids], ids=["in", "list"])
def test_add_and_remove_members(rooms, form, transport):
    session = rooms.bob.connect(transport)
    done(rooms, "addMembers", {"cids": form(rooms.cids[:2])}, [{"user_id": rooms.bob.id, "channel_role": "channel_moderator"}])
    for room in rooms.rooms[:2]:
        assert members(room)[rooms.bob.id]["channel_role"] == "channel_moderator"
        session.expect("notification.added_to_channel", cid=room.cid)
    assert rooms.bob.id not in members(rooms.rooms[2])
    done(rooms, "removeMembers", {"cids": form(rooms.cids)}, [{"user_id": rooms.bob.id}, {"user_id": uid("nobody")}])
    assert all(rooms.bob.id not in members(room) for room in rooms.rooms)
    session.expect("notification.removed_from_channel", cid=rooms.cids[0])


def test_roles_and_moderators(rooms):
    who = [{"user_id": rooms.ann.id}]
    done(rooms, "addModerators", {"cids": rooms.cids}, who)
    assert all(members(room)[rooms.ann.id]["is_moderator"] is True for room in rooms.rooms)
    done(rooms, "demoteModerators", {"cids": rooms.cids}, who)
    assert all(not members(room)[rooms.ann.id].get("is_moderator") for room in rooms.rooms)
    done(rooms, "assignRoles", {"cids": rooms.cids}, [{"user_id": rooms.ann.id, "channel_role": "channel_moderator"}])
    assert all(members(room)[rooms.ann.id]["channel_role"] == "channel_moderator" for room in rooms.rooms)


def test_invites(rooms):
    done(rooms, "inviteMembers", {"cids": rooms.cids[0]}, [rooms.bob.id])
    assert members(rooms.rooms[0])[rooms.bob.id]["invited"] is True


def test_hide_show_archive_and_unarchive_act_for_the_members_named(rooms):
    """Those who are no members of one of the channels are passed over."""
    rooms.api.post(rooms.rooms[0].path, {"add_members": [rooms.bob.id]}).ok()
    who, mine = [{"user_id": rooms.ann.id}, {"user_id": rooms.bob.id}], {"filter_conditions": {"members": {"$in": [rooms.ann.id]}}}
    done(rooms, "hide", {"cids": rooms.cids}, who)
    assert rooms.ann.post("/channels", mine).ok(201)["channels"] == []
    done(rooms, "show", {"cids": rooms.cids}, who)
    assert len(rooms.ann.post("/channels", mine).ok(201)["channels"]) == 3
    done(rooms, "archive", {"cids": rooms.cids[:2]}, who)
    assert [bool(members(r)[rooms.ann.id].get("archived_at")) for r in rooms.rooms] == [True, True, False]
    assert members(rooms.rooms[0])[rooms.bob.id].get("archived_at")
    done(rooms, "unarchive", {"cids": rooms.cids}, who)
    assert not any(members(r)[rooms.ann.id].get("archived_at") for r in rooms.rooms)


def test_update_data(rooms):
    done(rooms, "updateData", {"cids": rooms.cids[:2]}, data={"frozen": True, "custom": {"color": "red", "deep": {"a": 1}}, "config_overrides": {"replies": False}})
    for room, changed in zip(rooms.rooms, (True, True, False)):
        channel = room.state()["channel"]
        assert channel["frozen"] is changed and channel.get("color") == ("red" if changed else None) and channel["config"]["replies"] is not changed


def test_by_type(own_app):
    ann, bob = own_app.users(2)
    mine = [own_app.channel(ann, type="team") for _ in range(4)]
    other, gone = own_app.channel(ann, type="messaging"), own_app.channel(ann, type="team")
    own_app.api.delete(gone.path).ok(200)
    done(own_app, "addMembers", {"types": {"$in": ["team", "nosuch", "gaming"]}}, [bob.id])
    assert all(bob.id in members(room) for room in mine) and bob.id not in members(other)
    done(own_app, "removeMembers", {"types": ["messaging"], "cids": [mine[0].cid, other.cid]}, [ann.id])
    assert ann.id in members(mine[0]) and ann.id not in members(other), "both conditions hold"


def test_what_is_not_there_is_passed_over(rooms):
    rooms.api.delete(rooms.rooms[0].path).ok(200)
    done(rooms, "addMembers", {"cids": [uid("no-cid"), "messaging:" + uid("none"), *rooms.cids]}, [rooms.bob.id])
    assert all(rooms.bob.id in members(room) for room in rooms.rooms[1:])
    assert done(rooms, "addMembers", {"cids": []}, [rooms.bob.id])["result"] == {}


def test_a_channel_that_refuses_ends_the_task_and_is_left_whole(rooms):
    """Members of a distinct channel are fixed: the task says so; the channel and what would come after it stay as they are."""
    fixed = rooms.api.post("/channels/messaging/query", {"data": {"members": [rooms.ann.id, rooms.user().id], "created_by_id": rooms.ann.id}}).ok()["channel"]
    task = rooms.task(batch(rooms, "addMembers", {"cids": [rooms.cids[0], fixed["cid"], rooms.cids[1]]}, [rooms.bob.id]))
    assert task["status"] == "failed" and fixed["cid"] in task["error"]["description"] == task["result"]["description"]
    assert rooms.bob.id in members(rooms.rooms[0]) and rooms.bob.id not in members(rooms.rooms[1])


def test_a_part_that_fails_is_undone_with_its_events(rooms):
    """Custom data that has no room any more: the other change of the same call does not stay either, and nobody hears of it."""
    session = rooms.ann.connect()
    rooms.ann.watch(session, rooms.rooms[0])
    custom = {f"key{n}": "x" * 1000 for n in range(4)}
    rooms.api.patch(rooms.rooms[0].path, {"set": custom}).ok(200)
    session.expect("channel.updated")
    task = rooms.task(batch(rooms, "updateData", {"cids": [rooms.cids[0]]}, data={"frozen": True, "custom": {"more": "x" * 2000}}))
    assert task["status"] == "failed"
    channel = rooms.rooms[0].state()["channel"]
    assert channel["frozen"] is False and "more" not in channel
    session.expect_none("channel.updated")


@pytest.mark.parametrize("body", [
    {}, {"operation": "nosuch", "filter": {"cids": ["messaging:x"]}, "members": ["a"]}, {"operation": "hide", "members": ["a"]},
    {"operation": "hide", "filter": {}, "members": ["a"]}, {"operation": "hide", "filter": {"cids": None, "types": ""}, "members": ["a"]},
    {"operation": "hide", "filter": {"cids": [1]}, "members": ["a"]}, {"operation": "hide", "filter": {"cids": {"$nin": ["a"]}}, "members": ["a"]},
    {"operation": "updateData", "filter": {"types": ["team"]}}, {"operation": "updateData", "filter": {"types": ["team"]}, "data": {}},
    {"operation": "updateData", "filter": {"types": ["team"]}, "data": {"custom": []}},
    {"operation": "hide", "filter": {"cids": ["messaging:x"] * (limit("BATCH_NAMES") + 1)}, "members": ["a"]}])
def test_what_is_refused(app, body):
    app.api.put("/channels/batch", body).fails(400, 4)


@pytest.mark.parametrize("operation", MEMBER_OPERATIONS)
def test_members_are_needed_and_must_exist(rooms, operation):
    for members in (None, [], [{}], "x"):
        rooms.api.put("/channels/batch", {"operation": operation, "filter": {"cids": rooms.cids}, "members": members}).fails(400, 4)
    if operation != "removeMembers":
        rooms.api.put("/channels/batch", {"operation": operation, "filter": {"cids": rooms.cids}, "members": [{"user_id": uid("nobody")}]}).fails(400, 4)


def test_roles_are_needed_to_assign_them(rooms):
    rooms.api.put("/channels/batch", {"operation": "assignRoles", "filter": {"cids": rooms.cids}, "members": [rooms.ann.id]}).fails(400, 4)


def test_it_goes_on_after_a_kill(spawn):
    server = spawn()
    app = server.main
    ann, bob = app.users(2)
    rooms = [app.channel(ann) for _ in range(40)]
    task = batch(app, "addMembers", {"cids": [r.cid for r in rooms]}, [bob.id])
    server.kill9()
    server.start()
    assert app.task(task)["status"] == "completed"
    assert all(bob.id in members(room) for room in rooms)


def test_applications_do_not_touch_each_other(rooms, other_app):
    room = rooms.rooms[0]
    twin = other_app.channel(other_app.user(), id=room.id)
    done(rooms, "updateData", {"cids": [room.cid]}, data={"frozen": True})
    assert twin.state()["channel"]["frozen"] is False
