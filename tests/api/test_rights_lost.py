"""connection-and-users-events.md §5.3: a watch is lost with the right to read, whenever and however that goes."""
import threading

import pytest

from beck import format_time, now_us

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
