"""channels-and-messages.md §6: who may do what in the built-in channel types. One table: role x action per type."""
import pytest

from beck import uid


class Stage:
    """A channel of a type with one person of every kind and messages of owner and member."""

    def __init__(self, app, type):
        self.app, self.type = app, type
        self.people = {
            "owner": app.user("owner"), "member": app.user("member"), "moderator": app.user("moderator"), "stranger": app.user("stranger"),
            "admin": app.user("admin", role="admin"), "guest": app.user("guest", role="guest"), "guest member": app.user("guest", role="guest"),
            "anonymous": app.anonymous(),
        }
        members = [self.people["owner"].id, self.people["member"].id, self.people["guest member"].id,
                   {"user_id": self.people["moderator"].id, "channel_role": "channel_moderator"}]
        self.channel = app.channel(*members, type=type, by=self.people["owner"])
        self.fresh = lambda who: self.channel.send(self.people[who], "x")["id"]
        self.added = app.user("added").id

    def then_undo(self, reply):
        self.app.api.patch(self.channel.path, {"set": {"frozen": False, "cooldown": 0}}).ok(200)
        return reply


ACTIONS = {
    "read": lambda s, u: u.post(f"{s.channel.path}/query", {"state": True}),
    "members": lambda s, u: u.get("/members", payload={"type": s.type, "id": s.channel.id, "filter_conditions": {}}),
    "send": lambda s, u: u.post(f"{s.channel.path}/message", {"message": {"text": "x"}}),
    "reply": lambda s, u: u.post(f"{s.channel.path}/message", {"message": {"text": "x", "parent_id": s.fresh("owner")}}),
    "attach": lambda s, u: u.post(f"{s.channel.path}/message", {"message": {"text": "x", "attachments": [{"type": "image"}]}}),
    "link": lambda s, u: u.post(f"{s.channel.path}/message", {"message": {"text": "see https://example.org/x"}}),
    "edit of another": lambda s, u: u.post(f"/messages/{s.fresh('member' if u.id != s.people['member'].id else 'owner')}", {"message": {"text": "y"}}),
    "delete of another": lambda s, u: u.delete(f"/messages/{s.fresh('member' if u.id != s.people['member'].id else 'owner')}"),
    "custom event": lambda s, u: u.event(s.channel, "wave"),
    "channel data": lambda s, u: u.patch(s.channel.path, {"set": {"color": "red"}}),
    "freeze": lambda s, u: s.then_undo(u.patch(s.channel.path, {"set": {"frozen": True}})),
    "slow mode": lambda s, u: s.then_undo(u.post(s.channel.path, {"cooldown": 1})),
    "add a member": lambda s, u: u.post(s.channel.path, {"add_members": [s.added]}),
    "create": lambda s, u: u.post(f"/channels/{s.type}/{uid('new')}/query", {"data": {"members": [u.id]} if u.id != "!anon" else {}}),
    "get a message": lambda s, u: u.get(f"/messages/{s.fresh('owner')}"),
    "search users": lambda s, u: u.get("/users", payload={"filter_conditions": {}, "limit": 1}),
}

# who may; everybody else not
MEMBERS = "owner member moderator admin"
TABLE = {
    "messaging": {
        "read": MEMBERS + " guest-member", "members": MEMBERS + " guest-member", "send": MEMBERS + " guest-member", "reply": MEMBERS + " guest-member",
        "attach": MEMBERS + " guest-member", "link": MEMBERS + " guest-member", "edit of another": "moderator admin", "delete of another": "moderator admin",
        "custom event": MEMBERS + " guest-member", "channel data": "owner moderator admin", "freeze": "moderator admin", "slow mode": "moderator admin",
        "add a member": "owner moderator admin", "create": "owner member moderator admin stranger", "get a message": MEMBERS + " guest-member",
    },
    "livestream": {
        "read": MEMBERS + " guest-member stranger guest anonymous", "send": MEMBERS + " guest-member stranger guest", "reply": MEMBERS + " guest-member stranger guest",
        "edit of another": "moderator admin", "delete of another": "moderator admin", "channel data": "owner moderator admin", "freeze": "moderator admin",
        "get a message": MEMBERS + " guest-member stranger guest anonymous",
    },
    "team": {
        "read": MEMBERS + " stranger", "send": MEMBERS, "reply": MEMBERS, "channel data": "owner member moderator admin", "add a member": "owner moderator admin",
        "edit of another": "moderator admin", "delete of another": "moderator admin", "create": "owner member moderator admin stranger",
    },
    "gaming": {
        "read": MEMBERS + " stranger", "send": MEMBERS, "create": "admin", "edit of another": "moderator admin", "delete of another": "moderator admin",
    },
    "commerce": {
        "send": MEMBERS, "create": "owner member moderator admin stranger guest guest-member", "channel data": "owner moderator admin",
        "edit of another": "moderator admin", "delete of another": "moderator admin",
    },
}
# where the contract is silent about a person, he is not asked
SILENT = {("team", "*"): {"guest-member"}, ("gaming", "*"): {"guest-member", "guest"}, ("commerce", "*"): {"guest-member", "guest"},
          ("commerce", "create"): {"anonymous"}, ("messaging", "custom event"): {"admin"}}
PEOPLE = ["owner", "member", "moderator", "admin", "stranger", "guest", "guest-member", "anonymous"]
CASES = [(t, a, p) for t, actions in TABLE.items() for a in actions for p in PEOPLE
         if p not in SILENT.get((t, a), set()) and (a == "create" or p not in SILENT.get((t, "*"), set()))]


@pytest.fixture(scope="module")
def stages(shared):
    app = shared.server.main
    return {t: Stage(app, t) for t in TABLE}


@pytest.mark.parametrize("type,action,person", CASES, ids=[f"{t}-{a}-{p}" for t, a, p in CASES])
def test_who_may(stages, type, action, person):
    stage = stages[type]
    user = stage.people[person.replace("-", " ")]
    reply = ACTIONS[action](stage, user)
    if person in TABLE[type][action].split():
        reply.ok()
    else:
        reply.fails(403, 17)


def test_every_user_may_search_users(app):
    ACTIONS["search users"](None, app.user()).ok(200)


# ---- own things ----

@pytest.mark.parametrize("type", list(TABLE))
def test_own_message(app, type):
    ann = app.user()
    channel = app.channel(ann, app.user(), type=type, by=app.user())
    sent = ann.send(channel)
    ann.post(f"/messages/{sent['id']}", {"message": {"text": "y"}}).ok(201)
    ann.delete(f"/messages/{sent['id']}").ok(200)


def test_leaving_and_rejoining_a_livestream(app):
    ann = app.user()
    channel = app.channel(app.user("host"), type="livestream")
    ann.post(channel.path, {"add_members": [ann.id]}).ok(201)
    ann.post(channel.path, {"remove_members": [ann.id]}).ok(201)
    ann.post(channel.path, {"add_members": [ann.id]}).ok(201)


def test_rights_of_a_former_member_are_gone(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    mine = bob.send(channel)
    ann.post(channel.path, {"remove_members": [bob.id]}).ok(201)
    bob.post(f"/messages/{mine['id']}", {"message": {"text": "y"}}).fails(403, 17)
    bob.delete(f"/messages/{mine['id']}").fails(403, 17)
    bob.get(f"/messages/{mine['id']}").fails(403, 17)
    bob.event(channel, "typing.start").fails(403, 17)


def test_existence_is_hidden_by_403(app):
    channel = app.channel(app.user())
    eve = app.user("eve")
    eve.post(f"{channel.path}/query", {}).fails(403, 17)
    eve.get(channel.path).fails(403, 17)


def test_server_side_is_not_checked(app):
    channel = app.channel(app.user())
    outsider = app.user()
    for path, body in ((f"{channel.path}/message", {"message": {"text": "x", "user_id": outsider.id}}),
                       (f"{channel.path}/event", {"event": {"type": "typing.start", "user_id": outsider.id}}),
                       (channel.path, {"data": {"x": 1}}), (channel.path, {"add_members": [outsider.id]})):
        app.api.post(path, body).ok(201)


# ---- grants of one channel ----

def test_grants_of_a_channel_add_and_remove(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob, config_overrides={"grants": {"channel_member": ["!create-message", "update-channel"]}})
    bob.post(f"{channel.path}/message", {"message": {"text": "x"}}).fails(403, 17)
    bob.patch(channel.path, {"set": {"color": "red"}}).ok(200)
    capabilities = channel.state(bob)["channel"]["own_capabilities"]
    assert "send-message" not in capabilities and "update-channel" in capabilities


def test_capabilities_agree_with_rights(stages):
    for type, stage in stages.items():
        for person in ("owner", "member", "moderator", "admin"):
            mine = stage.people[person].post(f"{stage.channel.path}/query", {}).ok()["channel"]["own_capabilities"]
            for capability, action in (("update-channel", "channel data"), ("delete-any-message", "delete of another"), ("update-any-message", "edit of another")):
                if action in TABLE[type]:
                    assert (capability in mine) == (person in TABLE[type][action].split()), (type, person, capability)
