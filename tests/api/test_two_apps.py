"""Two applications in one server with identical ids everywhere: nothing of one is seen, counted or changed by the other."""
import pytest

from beck import ConnectRefused, User, check_error, format_time, now_us, uid


class Twins:
    """The same users, channel and message ids in two applications; only the data differs."""

    def __init__(self, first, second):
        self.apps = [first, second]
        self.ann, self.bob, self.id, self.message = uid("ann"), uid("bob"), uid("room"), uid("msg")
        self.channels = []
        for number, app in enumerate(self.apps):
            app.api.post("/users", {"users": {i: {"id": i, "name": f"name-{number}"} for i in (self.ann, self.bob)}}).ok(201)
            self.channels.append(app.channel(self.ann, self.bob, id=self.id, color=f"color-{number}"))
            app.as_user(self.ann).send(self.channels[number], f"text-{number}", id=self.message)

    def user(self, number, name=None):
        return self.apps[number].as_user(name or self.bob)


@pytest.fixture
def twins(app, other_app):
    return Twins(app, other_app)


# ---- credentials ----

def test_token_of_one_app_is_nothing_in_the_other(twins, transport):
    first, second = twins.apps
    stolen = User(first, twins.bob, second.token(twins.bob))
    stolen.get("/users", payload={}).fails(401, 43)
    with pytest.raises(ConnectRefused) as refusal:
        stolen.connect(transport)
    check_error(refusal.value.error, 401, 43)


def test_server_token_of_one_app_is_nothing_in_the_other(twins):
    first, second = twins.apps
    first.client(second.server_token()).get("/app").fails(401, 43)


# ---- reading ----

def everything(user, twins):
    """Whatever a user can read of his application, as one text."""
    path = twins.channels[0].path
    replies = [
        user.get("/users", payload={"filter_conditions": {"id": {"$in": [twins.ann, twins.bob]}}}), user.post(f"{path}/query", {"state": True}), user.get(path),
        user.post("/channels", {"filter_conditions": {"members": {"$in": [twins.bob]}}}), user.get(f"/messages/{twins.message}"),
        user.get(f"{path}/messages", query={"ids": twins.message}), user.get(f"/messages/{twins.message}/replies"), user.get("/unread"),
        user.get("/members", payload={"type": "messaging", "id": twins.id, "filter_conditions": {}}),
        user.post("/sync", {"channel_cids": [twins.channels[0].cid], "last_sync_at": format_time(now_us() - 60_000_000)}),
        user.post("/channels/messaging/query", {"data": {"members": [twins.ann, twins.bob]}, "state": True}), user.get("/app"),
    ]
    for reply in replies:
        reply.ok()
    return b"\n".join(r.body for r in replies)


def test_reads_show_only_the_own_app(twins):
    for own, foreign in ((0, b"1"), (1, b"0")):
        seen = everything(twins.user(own), twins)
        for word in (b"name-", b"color-", b"text-"):
            assert word + str(own).encode() in seen and word + foreign not in seen


def test_server_side_sees_only_its_app(twins):
    for number in (0, 1):
        body = twins.apps[number].api.post("/channels", {"filter_conditions": {"cid": twins.channels[0].cid}}).ok()
        assert [c["channel"]["color"] for c in body["channels"]] == [f"color-{number}"]
        assert twins.apps[number].stored(twins.ann)["name"] == f"name-{number}"


def test_what_exists_in_one_is_unknown_in_the_other(twins):
    first, second = twins.apps
    only = first.channel(twins.ann)
    sent = only.send(twins.ann)
    second.api.get(only.path).fails(404, 16)
    second.api.get(f"/messages/{sent['id']}").fails(404, 16)
    user = first.user("only")
    second.api.patch("/users", {"users": [{"id": user.id, "set": {"x": 1}}]}).fails(404, 16)
    task = first.api.post("/users/delete", {"user_ids": [user.id]}).ok(201)["task_id"]
    second.api.get(f"/tasks/{task}").fails(404, 16)
    first.task(task)


# ---- events ----

def test_events_stay_in_their_app(twins, transport):
    sessions = [twins.user(n).connect(transport) for n in (0, 1)]
    for number, session in enumerate(sessions):
        session.user.watch(session, twins.channels[number])
        session.user.get("/users", payload={"filter_conditions": {"id": twins.ann}, "presence": True}, query={"connection_id": session.id}).ok(200)
        session.settle()
    ann = twins.user(0, twins.ann)
    online = ann.connect()
    sent = ann.send(twins.channels[0], "only here")
    ann.event(twins.channels[0], "typing.start").ok(201)
    ann.event(twins.channels[0], "wave").ok(201)
    ann.post(f"/messages/{sent['id']}", {"message": {"text": "edited"}}).ok(201)
    ann.read(twins.channels[0])
    ann.delete(f"/messages/{sent['id']}").ok(200)
    twins.apps[0].api.patch(twins.channels[0].path, {"set": {"color": "red"}}).ok(200)
    twins.apps[0].api.post(twins.channels[0].path, {"add_members": [twins.apps[0].user().id]}).ok(201)
    twins.apps[0].channel(twins.ann, twins.bob)
    twins.apps[0].api.patch("/users", {"users": [{"id": twins.ann, "set": {"name": "changed"}}]}).ok(200)
    online.close()
    sessions[0].expect("user.presence.changed", where=lambda e: not e["user"]["online"])
    sessions[1].expect_none()
    got = {e["type"] for e in sessions[0].received}
    assert {"message.new", "typing.start", "wave", "message.updated", "message.deleted", "message.read", "channel.updated", "member.added",
            "notification.added_to_channel", "user.updated", "user.presence.changed"} <= got


def test_connection_id_of_the_other_app_is_46(twins, transport):
    session = twins.user(0).connect(transport)
    stranger = twins.user(1)
    stranger.post(f"{twins.channels[1].path}/query", {"watch": True}, query={"connection_id": session.id}).fails(400, 46)
    stranger.get("/longpoll", query={"connection_id": session.id}).fails(400, 46)
    stranger.get("/longpoll", query={"connection_id": session.id, "close": True}).fails(400, 46)
    session.expect_none()


def test_resume_across_apps_gives_nothing(twins, transport):
    session = twins.user(0).connect(transport, resume=True)
    session.drop()
    twins.channels[0].send(twins.ann, "secret of the first")
    try:
        thief = twins.user(1).connect(transport, resume=True, resume_from=session.resume_from(watch=[twins.channels[0]]))
    except ConnectRefused:
        return
    assert "secret of the first" not in str(thief.settle())


# ---- writing and counting ----

def test_writes_change_only_their_app(twins):
    first, second = twins.apps
    everything(twins.user(1), twins)  # makes the distinct channel
    before = everything(twins.user(1), twins)
    first.api.post("/users", {"users": {twins.bob: {"id": twins.bob, "name": "other"}}}).ok(201)
    first.api.patch(twins.channels[0].path, {"set": {"color": "other"}}).ok(200)
    first.api.post(f"/messages/{twins.message}", {"message": {"text": "other", "user_id": twins.ann}}).ok(201)
    twins.user(0).read(twins.channels[0])
    first.api.post(twins.channels[0].path, {"remove_members": [twins.ann]}).ok(201)
    first.api.delete(f"/messages/{twins.message}", query={"hard": True}).ok(200)
    after = everything(twins.user(1), twins)
    strip = lambda text: [line.rpartition(b'"duration"')[0] for line in text.split(b"\n")]  # noqa: E731
    assert strip(before) == strip(after)


def test_unread_is_counted_by_app(twins):
    for _ in range(3):
        twins.channels[0].send(twins.ann)
    assert [twins.user(n).unread()["total_unread_count"] for n in (0, 1)] == [4, 1]
    twins.user(0).post("/channels/read", {}).ok(201)
    assert [twins.user(n).unread()["total_unread_count"] for n in (0, 1)] == [0, 1]


def test_presence_is_by_app(twins):
    session = twins.user(0).connect()
    assert [a.stored(twins.bob)["online"] for a in twins.apps] == [True, False]
    session.close()


def test_deleting_a_user_leaves_his_twin(twins):
    session = twins.user(1).connect()
    twins.apps[0].task(twins.apps[0].api.post("/users/delete", {"user_ids": [twins.bob], "messages": "hard", "user": "hard", "conversations": "hard"}).ok(201)["task_id"])
    session.expect_none("user.deleted")
    assert not session.is_closed and twins.apps[1].stored(twins.bob)


def test_settings_and_revocation_are_by_app(twins, own_app):
    own_app.api.patch("/app", {"revoke_tokens_issued_before": format_time(now_us()), "user_search_disallowed_roles": ["user"]}).ok(200)
    twins.user(0).get("/users", payload={}).ok(200)


def test_connection_limit_is_by_app(twins):
    sessions = [twins.user(0).connect() for _ in range(50)]
    assert len(sessions) == 50
    twins.user(1).connect()
