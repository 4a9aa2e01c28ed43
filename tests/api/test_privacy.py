"""connection-and-users.md §4.6: what a user hides never reaches others, by any way; he himself notices no difference."""
import pytest

from beck import format_time, now_us, wait_until


def hide(user, **settings):
    user.update(privacy_settings={name: {"enabled": not hidden} for name, hidden in settings.items()})


class Pair:
    """Ann watches; Bob has privacy settings and a second device that watches too."""

    def __init__(self, app, transport="ws", **hidden):
        self.app = app
        self.ann, self.bob = app.users(2, "p")
        self.channel = app.channel(self.ann, self.bob)
        if hidden:
            hide(self.bob, **hidden)
        self.session, self.device = self.ann.connect(transport), self.bob.connect(transport)
        self.ann.watch(self.session, self.channel)
        self.bob.watch(self.device, self.channel)
        self.message = self.ann.send(self.channel, "read me")


# ---- typing ----

@pytest.mark.parametrize("kind", ["typing.start", "typing.stop"])
def test_hidden_typing_reaches_nobody(app, transport, kind):
    pair = Pair(app, transport, typing_indicators=True)
    event = pair.bob.event(pair.channel, kind).ok(201)["event"]
    assert event["type"] == kind and event["user"]["id"] == pair.bob.id
    pair.session.expect_none(kind)
    pair.device.expect_none(kind)


def test_hidden_typing_in_a_thread_reaches_nobody(app):
    pair = Pair(app, typing_indicators=True)
    pair.bob.event(pair.channel, "typing.start", parent_id=pair.message["id"]).ok(201)
    pair.session.expect_none("typing.start")


def test_hidden_typing_by_a_server_call_reaches_nobody(app):
    pair = Pair(app, typing_indicators=True)
    app.api.post(f"{pair.channel.path}/event", {"event": {"type": "typing.start", "user_id": pair.bob.id}}).ok(201)
    pair.session.expect_none("typing.start")


def test_who_hides_typing_still_sees_others(app, transport):
    pair = Pair(app, transport, typing_indicators=True)
    pair.ann.event(pair.channel, "typing.start").ok(201)
    assert pair.device.expect("typing.start")["user"]["id"] == pair.ann.id


def test_typing_shown_again_after_switching_on(app, transport):
    pair = Pair(app, transport, typing_indicators=True)
    hide(pair.bob, typing_indicators=False)
    pair.bob.event(pair.channel, "typing.start").ok(201)
    assert pair.session.expect("typing.start")["user"]["id"] == pair.bob.id


@pytest.mark.parametrize("settings", [None, {}, {"typing_indicators": {}}, {"read_receipts": {"enabled": False}}], ids=str)
def test_missing_typing_setting_means_shown(app, settings):
    pair = Pair(app)
    if settings is not None:
        pair.bob.update(privacy_settings=settings)
    pair.bob.event(pair.channel, "typing.start").ok(201)
    pair.session.expect("typing.start")


def test_setting_at_connect_takes_effect(app):
    pair = Pair(app)
    pair.bob.connect("ws", {"privacy_settings": {"typing_indicators": {"enabled": False}}})
    pair.bob.event(pair.channel, "typing.start").ok(201)
    pair.session.expect_none("typing.start")


# ---- read receipts: events ----

def test_hidden_read_sends_nothing_to_others(app, transport):
    pair = Pair(app, transport, read_receipts=True)
    pair.bob.read(pair.channel)
    pair.session.expect_none("message.read", "notification.mark_read")


def test_hidden_read_reaches_the_readers_own_devices(app, transport):
    pair = Pair(app, transport, read_receipts=True)
    pair.bob.read(pair.channel)
    assert pair.device.expect("notification.mark_read")["total_unread_count"] == 0
    pair.device.expect("message.read")


def test_hidden_read_of_a_thread_sends_nothing_to_others(app):
    pair = Pair(app, read_receipts=True)
    pair.bob.send(pair.channel, "in thread", parent_id=pair.message["id"])
    pair.ann.send(pair.channel, "answer", parent_id=pair.message["id"])
    pair.session.settle()
    pair.bob.read(pair.channel, thread_id=pair.message["id"])
    pair.session.expect_none("message.read")


def test_hidden_read_by_mark_many_sends_nothing_to_others(app):
    pair = Pair(app, read_receipts=True)
    pair.bob.post("/channels/read", {"read_by_channel": {pair.channel.cid: ""}}).ok(201)
    pair.session.expect_none("message.read")


def test_hidden_read_by_the_event_route_sends_nothing_to_others(app):
    pair = Pair(app, read_receipts=True)
    pair.bob.event(pair.channel, "message.read").ok(201)
    pair.session.expect_none("message.read")
    assert pair.bob.unread()["total_unread_count"] == 0


def test_hidden_read_counts_for_the_reader(app):
    pair = Pair(app, read_receipts=True)
    assert pair.bob.unread()["total_unread_count"] == 1
    pair.bob.read(pair.channel)
    assert pair.bob.unread()["total_unread_count"] == 0


# ---- read receipts: responses ----

VIEWS = {
    "query": lambda p, who: p.channel.state(who).get("read", []),
    "watch": lambda p, who: who.watch(p.session if who is p.ann else p.device, p.channel).get("read", []),
    "get": lambda p, who: who.get(p.channel.path, query={"state": True}).ok(200).get("read", []),
    "query channels": lambda p, who: [r for c in who.post("/channels", {"filter_conditions": {"cid": p.channel.cid}, "state": True}).ok()["channels"]
                                      for r in c.get("read", [])],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_hidden_reader_is_missing_for_others_and_there_for_himself(app, view):
    pair = Pair(app, read_receipts=True)
    pair.bob.read(pair.channel)
    assert [r["user"]["id"] for r in view(pair, pair.ann)] == [pair.ann.id]
    assert sorted(r["user"]["id"] for r in view(pair, pair.bob)) == sorted([pair.ann.id, pair.bob.id])


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_shown_reader_is_there_for_all(app, view):
    pair = Pair(app)
    pair.bob.read(pair.channel)
    entry, = [r for r in view(pair, pair.ann) if r["user"]["id"] == pair.bob.id]
    assert entry["last_read_message_id"] == pair.message["id"] and entry["unread_messages"] == 0


def test_server_side_sees_hidden_readers(app):
    pair = Pair(app, read_receipts=True)
    pair.bob.read(pair.channel)
    assert pair.channel.read_of(pair.bob)["unread_messages"] == 0


def test_server_side_as_somebody_sees_what_he_would(app):
    pair = Pair(app, read_receipts=True)
    pair.bob.read(pair.channel)
    state = app.api.post(f"{pair.channel.path}/query", {"state": True, "user_id": pair.ann.id}).ok()
    assert [r["user"]["id"] for r in state["read"]] == [pair.ann.id]


def test_switching_on_shows_the_current_state_and_replays_nothing(app, transport):
    pair = Pair(app, transport, read_receipts=True)
    pair.bob.read(pair.channel)
    hide(pair.bob, read_receipts=False)
    pair.session.expect_none("message.read")
    assert pair.channel.read_of(pair.bob, pair.ann)["last_read_message_id"] == pair.message["id"]


def test_hidden_read_is_missing_from_sync_of_others(app):
    pair = Pair(app, read_receipts=True)
    start = format_time(now_us() - 5_000_000)
    pair.bob.read(pair.channel)

    def reads(who):
        events = who.post("/sync", {"channel_cids": [pair.channel.cid], "last_sync_at": start}).ok()["events"]
        return [e for e in events if e["type"] in ("message.read", "notification.mark_read") and e["user"]["id"] == pair.bob.id]
    assert reads(pair.ann) == []
    assert reads(pair.bob) != []


def test_hidden_reads_do_not_change_any_other_answer(app):
    """Non-interference: everything Ann can ask is the same whether Bob has read or not."""
    pair = Pair(app, read_receipts=True)
    wait_until(lambda: all("last_active" in app.stored(u.id) for u in (pair.ann, pair.bob)), "the connects are stored")

    def all_of_anns_world():
        state = pair.channel.state(pair.ann)
        listed = pair.ann.post("/channels", {"filter_conditions": {"members": {"$in": [pair.bob.id]}}, "sort": [{"field": "last_updated", "direction": -1}],
                                             "state": True}).ok()
        members = pair.ann.get("/members", payload={"type": pair.channel.type, "id": pair.channel.id, "filter_conditions": {},
                                                    "sort": [{"field": "created_at", "direction": 1}]}).ok(200)
        users = pair.ann.get("/users", payload={"filter_conditions": {"id": pair.bob.id}}).ok(200)
        message = pair.ann.get(f"/messages/{pair.message['id']}").ok(200)
        for body in (state, listed, members, users, message):
            body.pop("duration")
        return [state, listed, members, users, message]
    before = all_of_anns_world()
    pair.bob.read(pair.channel)
    assert all_of_anns_world() == before


# ---- delivery receipts ----

def test_hidden_delivery_is_no_event_and_no_field(app):
    pair = Pair(app, delivery_receipts=True)
    pair.bob.post("/channels/delivered", {"latest_delivered_messages": [{"cid": pair.channel.cid, "id": pair.message["id"]}]}).ok(201)
    pair.session.expect_none("message.delivered")
    entry = pair.channel.read_of(pair.bob, pair.ann)
    assert entry and not {"last_delivered_at", "last_delivered_message_id"} & set(entry)


def test_hidden_delivery_leaves_reads_alone(app, transport):
    pair = Pair(app, transport, delivery_receipts=True)
    pair.bob.read(pair.channel)
    assert pair.session.expect("message.read")["user"]["id"] == pair.bob.id
    assert pair.channel.read_of(pair.bob, pair.ann)["last_read_message_id"] == pair.message["id"]


# ---- the settings themselves ----

def test_settings_of_others_are_not_shown(app):
    pair = Pair(app, read_receipts=True)
    state = pair.channel.state(pair.ann)
    for shown in [m["user"] for m in state["members"]] + [m["user"] for m in state["messages"]] + state.get("watchers", []):
        if shown["id"] == pair.bob.id:
            assert "privacy_settings" not in shown
    assert "privacy_settings" not in pair.ann.get("/users", payload={"filter_conditions": {"id": pair.bob.id}}).ok(200)["users"][0]


def test_own_settings_are_shown_by_connect(app, transport):
    bob = app.user("bob")
    hide(bob, read_receipts=True, typing_indicators=False)
    assert bob.connect(transport).me["privacy_settings"] == {"read_receipts": {"enabled": False}, "typing_indicators": {"enabled": True}}


def test_client_may_change_his_own_settings(app):
    pair = Pair(app)
    pair.bob.patch("/users", {"users": [{"id": pair.bob.id, "set": {"privacy_settings.read_receipts.enabled": False}}]}).ok(200)
    pair.bob.read(pair.channel)
    pair.session.expect_none("message.read")


def test_settings_survive_a_restart(spawn):
    server = spawn()
    bob = server.main.user("bob")
    hide(bob, read_receipts=True)
    server.restart()
    assert bob.connect().me["privacy_settings"] == {"read_receipts": {"enabled": False}}


# ---- what is no setting ----

BAD_SETTINGS = [
    ({"typing": False}, "privacy_settings.typing"),
    ({"typing_indicator": {"enabled": False}}, "privacy_settings.typing_indicator"),
    ({"read_receipts": {"enabled": False}, "": {}}, "privacy_settings."),
    ({"read_receipts": {"enable": False}}, "privacy_settings.read_receipts.enable"),
    ({"read_receipts": {"enabled": False, "since": 1}}, "privacy_settings.read_receipts.since"),
    ({"read_receipts": {"enabled": "no"}}, "privacy_settings.read_receipts"),
    ({"delivery_receipts": False}, "privacy_settings.delivery_receipts"),
    ({"typing_indicators": [False]}, "privacy_settings.typing_indicators"),
    ([], "privacy_settings"),
    ("off", "privacy_settings"),
]


@pytest.mark.parametrize("settings,named", BAD_SETTINGS, ids=lambda v: str(v).replace(" ", ""))
def test_misspelt_settings_are_refused_by_name(app, transport, settings, named):
    """Else the user would believe that he is hidden."""
    bob = app.user("bob")
    refusals = [app.api.post("/users", {"users": {bob.id: {"id": bob.id, "privacy_settings": settings}}}).fails(400, 4),
                bob.patch("/users", {"users": [{"id": bob.id, "set": {"privacy_settings": settings}}]}).fails(400, 4),
                bob.refused(transport, {"privacy_settings": settings}).fails(400, 4)]
    for refusal in refusals:
        assert named in refusal["message"], refusal
    assert "privacy_settings" not in app.stored(bob.id)


@pytest.mark.parametrize("path,value", [("typing", False), ("typing.enabled", False), ("read_receipts.enable", False), ("read_receipts", False),
                                        ("read_receipts", {"enabled": False, "since": 1}), ("read_receipts.enabled", "no")])
def test_misspelt_paths_are_refused_by_name(app, path, value):
    bob = app.user("bob")
    refusal = bob.patch("/users", {"users": [{"id": bob.id, "set": {f"privacy_settings.{path}": value}}]}).fails(400, 4)
    assert f"privacy_settings.{path.split('.')[0]}" in refusal["message"]
    assert "privacy_settings" not in app.stored(bob.id)


def test_settings_may_be_left_out_or_null(app):
    bob = app.user("bob", privacy_settings={"read_receipts": {"enabled": False}})
    for settings in (None, {}, {"read_receipts": None}, {"read_receipts": {}}, {"read_receipts": {"enabled": None}}):
        app.api.post("/users", {"users": {bob.id: {"id": bob.id, "privacy_settings": settings}}}).ok(201)
        assert app.stored(bob.id)["privacy_settings"] == {"read_receipts": {"enabled": False}}
