"""connection-and-users.md §1.6: people without an account."""
import json

import pytest

from beck import ZERO_TIME, User, now_us, parse_time, uid, wait_until


@pytest.fixture(scope="module")
def guest_app(shared):
    """An application that lets guests in; for the whole file."""
    made = shared.server.new_app()
    made.api.patch("/app", {"guest_user_creation_disabled": False}).ok(200)
    return made


@pytest.fixture
def app(server, guest_app):
    scoped = guest_app.scope()
    yield scoped
    scoped.close()


def ask(app, **user):
    return app.client(None, "anonymous").post("/guest", {"user": user})


def guest(app, **fields):
    body = ask(app, id=uid("g"), **fields).ok(201)
    return User(app, body["user"]["id"], body["access_token"])


# ---- guests ----

def test_guest_gets_a_user_and_a_token(app, transport):
    wish = uid("tommaso")
    body = ask(app, id=wish, name="Tommaso", color="red").ok(201)
    user = body["user"]
    assert wish in user["id"] and user["role"] == "guest" and user["name"] == "Tommaso" and user["color"] == "red"
    me = User(app, user["id"], body["access_token"]).connect(transport).me
    assert me["id"] == user["id"] and me["role"] == "guest"
    assert app.stored(user["id"])["role"] == "guest"


def test_same_wish_gives_two_guests(app):
    wish = uid("twin")
    assert ask(app, id=wish).ok(201)["user"]["id"] != ask(app, id=wish).ok(201)["user"]["id"]


def test_guest_by_the_server_side(app):
    wish = uid("by-server")
    assert wish in app.api.post("/guest", {"user": {"id": wish}}).ok(201)["user"]["id"]


def test_guest_is_where_he_was_added_like_a_member(app):
    visitor, host = guest(app), app.user("host")
    channel = app.channel(visitor.id, host)
    sent = visitor.send(channel, "hello from outside")
    assert host.get(f"/messages/{sent['id']}").ok(200)["message"]["user"]["role"] == "guest"


def test_guest_does_not_read_elsewhere(app):
    channel = app.channel(app.user("host"))
    guest(app).post(f"{channel.path}/query", {"state": True}).fails(403, 17)


def test_guest_writes_in_a_livestream(app):
    channel = app.channel(app.user("host"), type="livestream")
    visitor = guest(app)
    visitor.send(channel, "hi")
    assert channel.texts(visitor) == ["hi"]


@pytest.mark.parametrize("body", [{}, {"user": {}}, {"user": {"id": ""}}, {"user": {"id": "has space"}}, {"user": {"id": 7}}, {"user": []},
                                  {"user": {"id": "a", "pk": 1}}, {"user": {"id": "a", "name": 7}}, {"user": {"id": "a", "filler": "x" * 6000}}],
                         ids=lambda b: json.dumps(b)[:40])
def test_bad_guest_is_400_4(app, body):
    app.client(None, "anonymous").post("/guest", body).fails(400, 4)


def test_guest_cannot_choose_his_role(app):
    reply = ask(app, id=uid("g"), role="admin")
    assert reply.status in (400, 403) or reply.ok(201)["user"]["role"] == "guest"


def test_guests_are_off_by_default(server, other_app):
    wish = uid("nobody")
    ask(other_app, id=wish).fails(403, 17)
    assert other_app.api.get("/users", payload={"filter_conditions": {"id": {"$autocomplete": wish}}}).ok(200)["users"] == []


def test_guests_are_on_in_development_mode(fast_app):
    assert ask(fast_app, id=uid("dev")).ok(201)["access_token"]


def test_no_guests_with_teams(own_app):
    own_app.api.patch("/app", {"guest_user_creation_disabled": False, "multi_tenant_enabled": True}).ok(200)
    ask(own_app, id=uid("g")).fails(403, 17)


# ---- anonymous ----

def test_anonymous_me(app, transport):
    me = app.anonymous().connect(transport, details={"id": uid("throw-away"), "anon": True}).me
    assert me["id"] == "!anon" and me["role"] == "anonymous" and me["roles"] == []
    assert parse_time(me["created_at"]) == parse_time(me["updated_at"]) == parse_time(ZERO_TIME)
    assert abs(parse_time(me["last_active"]) - now_us()) < 60_000_000
    assert (me["banned"], me["online"], me["invisible"]) == (False, True, False)
    for key in ("devices", "mutes", "channel_mutes"):
        assert me[key] == []
    for key in ("unread_count", "total_unread_count", "unread_channels"):
        assert me[key] == 0


def test_anonymous_needs_no_token_and_ignores_one(app):
    caller = app.anonymous()
    caller.token = "rubbish"
    assert caller.connect().me["id"] == "!anon"


def test_anonymous_leaves_no_user(app):
    name = uid("throw-away")
    app.anonymous().connect("ws", details={"id": name})
    assert app.stored(name) is None
    assert not [u for u in app.api.get("/users", payload={"limit": 100}).ok(200)["users"] if u["id"] == "!anon"]


def test_anonymous_reads_livestreams_only(app):
    host = app.user("host")
    open_channel, closed = app.channel(host, type="livestream"), app.channel(host)
    host.send(open_channel, "public")
    anyone = app.anonymous()
    assert open_channel.texts(anyone) == ["public"]
    anyone.post(f"{closed.path}/query", {"state": True}).fails(403, 17)


def test_anonymous_watches_a_livestream(app, transport):
    host = app.user("host")
    channel = app.channel(host, type="livestream")
    anyone = app.anonymous()
    session = anyone.connect(transport)
    anyone.watch(session, channel)
    assert channel.state()["watcher_count"] == 1
    host.send(channel, "live")
    assert session.expect("message.new")["message"]["text"] == "live"
    session.close()
    wait_until(lambda: channel.state().get("watcher_count", 0) == 0, "watch ends")


WRITES = {
    "message": lambda c: ("POST", f"{c.path}/message", {"message": {"text": "x"}}),
    "event": lambda c: ("POST", f"{c.path}/event", {"event": {"type": "typing.start"}}),
    "custom event": lambda c: ("POST", f"{c.path}/event", {"event": {"type": "wave"}}),
    "new channel": lambda c: ("POST", f"/channels/livestream/{uid('anon')}/query", {}),
    "channel data": lambda c: ("PATCH", c.path, {"set": {"x": 1}}),
    "membership": lambda c: ("POST", c.path, {"add_members": ["!anon"]}),
    "himself": lambda c: ("PATCH", "/users", {"users": [{"id": "!anon", "set": {"x": 1}}]}),
    "upsert": lambda c: ("POST", "/users", {"users": {"!anon": {"id": "!anon"}}}),
    "mark all read": lambda c: ("POST", "/channels/read", {}),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_anonymous_cannot_write(app, write):
    channel = app.channel(app.user("host"), type="livestream")
    method, path, body = write(channel)
    app.anonymous().request(method, path, body).fails(403, 17)
    assert channel.texts() == []


def test_anonymous_sends_no_presence(app):
    ann = app.user("ann")
    session = ann.connect()
    app.anonymous().connect("ws")
    session.expect_none("user.presence.changed")
