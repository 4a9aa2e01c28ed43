"""connection-and-users-events.md §5.3: a watch is lost with the right to read, whenever and however that goes."""
import threading

import pytest

from beck import format_time, now_us, uid, wait_until

pytestmark = pytest.mark.quick


def asks_to_watch(how, channel, session, since):
    """A call that watches the channel; whether it was refused, or left the channel out."""
    user, query = session.user, {"connection_id": session.id}
    if how == "query":
        return user.post(f"{channel.path}/query", {"watch": True, "presence": True}, query=query).status == 403
    if how == "channels":
        body = {"filter_conditions": {"cid": channel.cid}, "watch": True, "presence": True, "state": False}
        return not user.post("/channels", body, query=query).json.get("channels")
    body = {"channel_cids": [channel.cid], "last_sync_at": since, "watch": True}
    reply = user.post("/sync", body, query={**query, "with_inaccessible_cids": "true"})
    return reply.status == 403 or channel.cid in reply.json.get("inaccessible_cids", [])


@pytest.mark.parametrize("how", ["query", "channels", "sync"])
def test_member_removed_while_his_watch_is_under_way(app, how):
    ann, bob = app.users(2)
    since = format_time(now_us())
    for _ in range(8):
        channel = app.channel(bob, ann)
        session = ann.connect()

        def insist():
            while not asks_to_watch(how, channel, session, since):
                pass
        threads = [threading.Thread(target=insist) for _ in range(3)]
        for thread in threads:
            thread.start()
        app.api.post(channel.path, {"remove_members": [ann.id]}).ok()
        for thread in threads:
            thread.join()
        channel.send(bob, "not for Ann")
        bob.update(mood="private")
        session.expect_none("message.new", "user.updated")
        assert channel.state()["watcher_count"] == 0
        session.close()


# ---- rights that change ----

def tenants(app):
    app.api.patch("/app", {"multi_tenant_enabled": True}).ok()


def own_type(app, **grants):
    name = uid("type")
    app.api.post("/channeltypes", {"name": name, "grants": grants}).ok()
    return name


def role(app, ann, bob):
    ann.update(role="admin")
    return app.channel(bob), lambda: ann.update(role="user")


def role_by_upsert(app, ann, bob):
    ann.update(role="admin")
    return app.channel(bob), lambda: app.api.post("/users", {"users": {ann.id: {"id": ann.id, "role": "user"}}}).ok()


def teams(app, ann, bob):
    tenants(app)
    ann.update(teams=["red"])
    bob.update(teams=["red"])
    return app.channel(bob, ann, team="red"), lambda: ann.update(teams=["blue"])


def role_in_a_team(app, ann, bob):
    tenants(app)
    ann.update(teams=["red"], teams_role={"red": "admin"})
    bob.update(teams=["red"])
    return app.channel(bob, team="red"), lambda: ann.update(teams_role={"red": "user"})


def grants_of_the_type(app, ann, bob):
    kind = own_type(app, user=["read-channel"])
    return app.channel(bob, type=kind), lambda: app.api.put(f"/channeltypes/{kind}", {"grants": {"user": []}}).ok()


def channel_role(app, ann, bob):
    kind = own_type(app, channel_member=[], channel_moderator=["read-channel"])
    channel = app.channel(bob, {"user_id": ann.id, "channel_role": "channel_moderator"}, type=kind)
    app.api.post(channel.path, {"assign_roles": [{"user_id": bob.id, "channel_role": "channel_moderator"}]}).ok()
    return channel, lambda: app.api.post(channel.path, {"demote_moderators": [ann.id]}).ok()


def overrides_of_the_channel(app, ann, bob):
    channel = app.channel(bob)
    change = {"set": {"config_overrides": {"grants": {"user": ["read-channel"]}}}}
    app.api.patch(channel.path, change).ok()
    return channel, lambda: app.api.patch(channel.path, {"unset": ["config_overrides"]}).ok()


def team_of_the_channel(app, ann, bob):
    tenants(app)
    ann.update(teams=["red"])
    bob.update(teams=["red", "blue"])
    channel = app.channel(bob, ann, team="red")
    return channel, lambda: app.api.post(channel.path, {"data": {"team": "blue"}}).ok()


def checks_of_the_application(app, ann, bob):
    app.api.patch("/app", {"disable_permissions_checks": True}).ok()
    return app.channel(bob), lambda: app.api.patch("/app", {"disable_permissions_checks": False}).ok()


def tenants_of_the_application(app, ann, bob):
    bob.update(teams=["red"])
    return app.channel(bob, ann, team="red"), lambda: tenants(app)


WAYS = [role, role_by_upsert, teams, role_in_a_team, grants_of_the_type, channel_role, overrides_of_the_channel, team_of_the_channel,
        checks_of_the_application, tenants_of_the_application]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_watch_ends_with_the_right_to_read(own_app, way):
    ann, bob = own_app.users(2)
    channel, lose = way(own_app, ann, bob)
    lost, kept = [ann.connect(t) for t in ("ws", "longpoll")], bob.connect()
    bob.watch(kept, channel)
    for session in lost:
        ann.watch(session, channel, presence=True)
    assert channel.state()["watcher_count"] == 2
    lose()
    ann.post(f"{channel.path}/query", {"state": True}).fails(403, 17)
    assert kept.expect("user.watching.stop", cid=channel.cid)["user"]["id"] == ann.id
    wait_until(lambda: channel.state()["watcher_count"] == 1, "the watch ends")
    channel.send(bob, "not for Ann")
    bob.update(mood="private")
    kept.expect("message.new")
    for session in lost:
        own = [e for e in session.settle() if e["type"] == "message.new" or (e["type"] == "user.updated" and e["user"]["id"] == bob.id)]
        assert not own


def test_anonymous_watch_ends_with_the_right_to_read(own_app, transport):
    host = own_app.user()
    kind = own_type(own_app, anonymous=["read-channel"])
    live, other = own_app.channel(host, type=kind), own_app.channel(host, type="livestream")
    session = own_app.anonymous().connect(transport)
    session.user.watch(session, live, other)
    own_app.api.put(f"/channeltypes/{kind}", {"grants": {"anonymous": []}}).ok()
    wait_until(lambda: live.state()["watcher_count"] == 0, "the watch ends")
    live.send(host)
    other.send(host, "still heard")
    assert session.expect("message.new")["message"]["text"] == "still heard"


def test_watch_stays_when_the_right_does(own_app, transport):
    ann, bob = own_app.users(2)
    channel = own_app.channel(bob, ann)
    session = ann.connect(transport)
    ann.watch(session, channel)
    ann.update(role="admin")
    ann.update(role="user")
    own_app.api.put("/channeltypes/messaging", {"grants": {"guest": []}}).ok()
    channel.send(bob)
    session.expect("message.new")
    session.expect_none("user.watching.stop")
    assert channel.state()["watcher_count"] == 1


def test_many_watches_lose_the_right(own_app):
    """More than a slice of them, of one user and of several."""
    bob, kind = own_app.user(), own_type(own_app, user=["read-channel"])
    channels = [own_app.channel(bob, type=kind) for _ in range(90)]
    sessions = [user.connect() for user in own_app.users(12)]
    for session in sessions:
        for at in range(0, 90, 30):
            body = {"filter_conditions": {"cid": {"$in": [c.cid for c in channels[at:at + 30]]}}, "limit": 30, "watch": True, "state": False}
            assert len(session.user.post("/channels", body, query={"connection_id": session.id}).ok()["channels"]) == 30
    own_app.api.put(f"/channeltypes/{kind}", {"grants": {"user": []}}).ok()
    wait_until(lambda: all(c.state()["watcher_count"] == 0 for c in channels), "all watches end")
    for channel in channels[::30]:
        channel.send(bob)
    for session in sessions:
        session.expect_none("message.new")


def test_right_lost_while_the_watch_is_under_way(own_app):
    """By a change of the type: the call began under the old settings."""
    bob, ann = own_app.users(2)
    for _ in range(8):
        kind = own_type(own_app, user=["read-channel"])
        channel, session = own_app.channel(bob, type=kind), ann.connect()

        def insist():
            while not asks_to_watch("query", channel, session, None):
                pass
        threads = [threading.Thread(target=insist) for _ in range(3)]
        for thread in threads:
            thread.start()
        own_app.api.put(f"/channeltypes/{kind}", {"grants": {"user": []}}).ok()
        for thread in threads:
            thread.join()
        wait_until(lambda: channel.state()["watcher_count"] == 0, "the watch ends")
        channel.send(bob, "not for Ann")
        session.expect_none("message.new")
        session.close()
