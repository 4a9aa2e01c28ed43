"""Every route of the contract that the core serves, each with a request that succeeds: the table behind the tests that
say something about all routes (permissions, bad input, two applications)."""
import collections

from beck import format_time, now_us, uid

Route = collections.namedtuple("Route", "name method path who body payload query")
NOBODY, BOTH, SERVER, CLIENT = "nobody", "both", "server", "client"


def route(name, method, path, who, body=None, payload=None, query=None):
    return Route(name, method, path, who, body, payload, query)


class World:
    """Alice and Bob in a channel with one message of Alice's."""

    def __init__(self, app):
        self.app = app
        self.alice, self.bob = app.users(2, "w")
        self.channel = app.channel(self.alice, self.bob)
        self.message = self.channel.send(self.alice, "first")
        self._session = None

    def victim(self):
        return self.app.user("victim").id

    def deactivated(self):
        user = self.victim()
        self.app.api.post(f"/users/{user}/deactivate").ok(201)
        return user

    def deleted(self):
        user = self.victim()
        self.app.api.post("/users/delete", {"user_ids": [user]}).ok(201)
        return user

    def pending(self):
        body = {"message": {"text": "wait", "user_id": self.alice.id}, "pending": True}
        return self.app.api.post(f"{self.channel.path}/message", body).ok(201)["message"]["id"]

    def thread(self):
        self.channel.send(self.alice, "reply", parent_id=self.message["id"])
        return self.message["id"]

    def new_type(self):
        return self.app.api.post("/channeltypes", {"name": uid("type")}).ok(201)["name"]

    def connection(self):
        if self._session is None:
            self._session = self.alice.connect()
        return self._session.id

    def path(self, route):
        return route.path.format(channel=self.channel.path, type=self.channel.type, message=self.message["id"], alice=self.alice.id,
                                 victim=self.victim() if "{victim}" in route.path else "",
                                 pending=self.pending() if "{pending}" in route.path else "",
                                 thread=self.thread() if "{thread}" in route.path else "",
                                 new_type=self.new_type() if "{new_type}" in route.path else "",
                                 deactivated=self.deactivated() if "{deactivated}" in route.path else "")

    def caller(self, route):
        return {NOBODY: self.app.client(None, "anonymous"), BOTH: self.alice, CLIENT: self.alice, SERVER: self.app.api}[route.who]

    def call(self, route, caller=None, **changed):
        """Runs the route's good request, with parts replaced."""
        args = {"body": route.body and route.body(self), "payload": route.payload and route.payload(self),
                "query": route.query and route.query(self), **changed}
        return (caller or self.caller(route)).request(route.method, changed.pop("path", None) or self.path(route),
                                                      **{k: v for k, v in args.items() if v is not None and k != "path"})


ROUTES = [
    route("QueryUsers", "GET", "/users", BOTH, payload=lambda w: {"filter_conditions": {"id": w.alice.id}}),
    route("UpdateUsers", "POST", "/users", BOTH, lambda w: {"users": {w.alice.id: {"id": w.alice.id, "name": "A"}}}),
    route("UpdateUsersPartial", "PATCH", "/users", BOTH, lambda w: {"users": [{"id": w.alice.id, "set": {"name": "A"}}]}),
    route("DeleteUsers", "POST", "/users/delete", SERVER, lambda w: {"user_ids": [w.victim()]}),
    route("RestoreUsers", "POST", "/users/restore", SERVER, lambda w: {"user_ids": [w.deleted()]}),
    route("DeactivateUsers", "POST", "/users/deactivate", SERVER, lambda w: {"user_ids": [w.victim()]}),
    route("ReactivateUsers", "POST", "/users/reactivate", SERVER, lambda w: {"user_ids": [w.deactivated()]}),
    route("DeleteUser", "DELETE", "/users/{victim}", SERVER),
    route("DeactivateUser", "POST", "/users/{victim}/deactivate", SERVER, lambda w: {}),
    route("ReactivateUser", "POST", "/users/{deactivated}/reactivate", SERVER, lambda w: {}),
    route("SendUserCustomEvent", "POST", "/users/{alice}/event", SERVER, lambda w: {"event": {"type": "wave"}}),
    route("GetApp", "GET", "/app", BOTH),
    route("UpdateApp", "PATCH", "/app", SERVER, lambda w: {"reminders_interval": 300}),
    route("ListChannelTypes", "GET", "/channeltypes", SERVER),
    route("GetChannelType", "GET", "/channeltypes/messaging", SERVER),
    route("GetRateLimits", "GET", "/rate_limits", SERVER),
    route("CreateChannelType", "POST", "/channeltypes", SERVER, lambda w: {"name": uid("type")}),
    route("UpdateChannelType", "PUT", "/channeltypes/messaging", SERVER, lambda w: {"search": True}),
    route("DeleteChannelType", "DELETE", "/channeltypes/{new_type}", SERVER),
    route("QueryChannels", "POST", "/channels", BOTH, lambda w: {"filter_conditions": {"cid": w.channel.cid}}),
    route("GetOrCreateChannel", "POST", "{channel}/query", BOTH, lambda w: {"state": True}),
    route("GetOrCreateDistinctChannel", "POST", "/channels/{type}/query", BOTH, lambda w: {"data": {"members": [w.alice.id, w.bob.id]}}),
    route("GetChannel", "GET", "{channel}", BOTH),
    route("UpdateChannel", "POST", "{channel}", SERVER, lambda w: {"data": {"name": "n"}}),
    route("UpdateChannelPartial", "PATCH", "{channel}", SERVER, lambda w: {"set": {"name": "n"}}),
    route("UpdateChannelsBatch", "PUT", "/channels/batch", SERVER, lambda w: {"operation": "show", "filter": {"cids": [w.channel.cid]}, "members": [w.bob.id]}),
    route("QueryMembers", "GET", "/members", BOTH, payload=lambda w: {"type": w.channel.type, "id": w.channel.id, "filter_conditions": {}}),
    route("SendMessage", "POST", "{channel}/message", BOTH, lambda w: {"message": {"text": "hi"}}),
    route("GetManyMessages", "GET", "{channel}/messages", BOTH, query=lambda w: {"ids": w.message["id"]}),
    route("GetMessage", "GET", "/messages/{message}", BOTH),
    route("UpdateMessage", "POST", "/messages/{message}", BOTH, lambda w: {"message": {"text": "edited"}}),
    route("UpdateMessagePartial", "PUT", "/messages/{message}", BOTH, lambda w: {"set": {"text": "edited"}}),
    route("DeleteMessage", "DELETE", "/messages/{message}", BOTH),
    route("CommitMessage", "POST", "/messages/{pending}/commit", SERVER),
    route("QueryMessageHistory", "POST", "/messages/history", SERVER, lambda w: {"filter": {"message_id": w.message["id"]}}),
    route("GetReplies", "GET", "/messages/{message}/replies", BOTH),
    route("QueryThreads", "POST", "/threads", BOTH, lambda w: {"limit": 1, "user_id": w.alice.id}),
    route("GetThread", "GET", "/threads/{thread}", BOTH),
    route("MarkRead", "POST", "{channel}/read", BOTH, lambda w: {}),
    route("MarkChannelsRead", "POST", "/channels/read", BOTH, lambda w: {}),
    route("MarkUnread", "POST", "{channel}/unread", BOTH, lambda w: {"message_id": w.message["id"]}),
    route("MarkDelivered", "POST", "/channels/delivered", BOTH, lambda w: {"latest_delivered_messages": [{"cid": w.channel.cid, "id": w.message["id"]}]}),
    route("UnreadCounts", "GET", "/unread", BOTH),
    route("UnreadCountsBatch", "POST", "/unread_batch", SERVER, lambda w: {"user_ids": [w.alice.id]}),
    route("SendEvent", "POST", "{channel}/event", BOTH, lambda w: {"event": {"type": "typing.start"}}),
    route("StopWatchingChannel", "POST", "{channel}/stop-watching", CLIENT, lambda w: {}, query=lambda w: {"connection_id": w.connection()}),
    route("Sync", "POST", "/sync", BOTH, lambda w: {"channel_cids": [w.channel.cid], "last_sync_at": format_time(now_us() - 60_000_000)}),
]
BY_NAME = {r.name: r for r in ROUTES}
WITH_BODY = [r for r in ROUTES if r.body]
WITH_PAYLOAD = [r for r in ROUTES if r.payload]


def named(routes):
    """For pytest.mark.parametrize: (routes, ids)."""
    return {"argvalues": routes, "ids": [r.name for r in routes]}


