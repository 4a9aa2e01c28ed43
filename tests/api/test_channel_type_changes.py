"""channels.md §1: channel types of an application's own, made, changed and deleted by server calls."""
import pytest

from beck import limit, uid

BUILT_IN = ["messaging", "livestream", "team", "gaming", "commerce", "agent"]


def make(app, **fields):
    return app.api.post("/channeltypes", {"name": uid("type"), **fields}).ok(201)


def get(app, name):
    return app.api.get(f"/channeltypes/{name}").ok(200)


def put(app, type, **fields):
    return app.api.put(f"/channeltypes/{type}", fields).ok(200)


def test_a_new_type_has_the_documented_defaults(own_app):
    made = make(own_app)
    for key in ("typing_events", "read_events", "connect_events", "custom_events", "search", "reactions", "replies", "quotes", "mutes",
                "uploads", "url_enrichment", "push_notifications", "count_messages"):
        assert made[key] is True, key
    for key in ("delivery_events", "polls", "reminders", "mark_messages_pending", "skip_last_msg_update_for_system_msgs"):
        assert made[key] is False, key
    assert (made["max_message_length"], made["message_retention"]) == (5000, "infinite")
    assert (made["automod"], made["automod_behavior"], made["permissions"]) == ("disabled", "flag", [])
    assert made["grants"] == get(own_app, "messaging")["grants"]
    assert made["created_at"] == made["updated_at"]


def test_what_is_sent_is_kept_and_shown(own_app):
    sent = {"typing_events": False, "max_message_length": 7, "message_retention": "30", "automod": "simple", "automod_behavior": "block",
            "push_level": "mentions", "allowed_flag_reasons": ["spam"], "partition_size": 9, "partition_ttl": "4h", "polls": True}
    made = make(own_app, **sent)
    for shown in (made, get(own_app, made["name"]), own_app.api.get("/channeltypes").ok(200)["channel_types"][made["name"]],
                  own_app.api.get("/app").ok(200)["app"]["channel_configs"][made["name"]]):
        assert {k: shown[k] for k in sent} == sent


def test_a_channel_of_the_new_type_obeys_it(own_app):
    made = make(own_app, max_message_length=5, typing_events=False, grants={"user": ["create-channel"], "channel_member": ["read-channel", "create-message"]})
    ann, bob = own_app.users(2)
    channel = own_app.channel(ann, type=made["name"])
    assert channel.state(ann)["channel"]["config"]["max_message_length"] == 5
    ann.post(f"{channel.path}/message", {"message": {"text": "12345"}}).ok(201)
    ann.post(f"{channel.path}/message", {"message": {"text": "123456"}}).fails(400, 20)
    ann.event(channel, "typing.start").fails(400, 19)
    bob.post(f"{channel.path}/query", {"state": True}).fails(403, 17)
    put(own_app, made["name"], max_message_length=6)
    ann.post(f"{channel.path}/message", {"message": {"text": "123456"}}).ok(201)


def test_zero_values_are_not_given(own_app):
    """SDKs of typed languages write every key, set or not."""
    made = make(own_app, max_message_length=0, message_retention="", automod="", automod_behavior=None, blocklist="", blocklist_behavior="",
                automod_thresholds=None, grants=None, permissions=None, partition_size=0, commands=None, unknown_key=1)
    assert (made["max_message_length"], made["message_retention"], made["automod"]) == (5000, "infinite", "disabled")
    assert "unknown_key" not in made and "partition_size" not in made and "blocklist" not in made


def test_put_changes_only_what_is_sent_and_answers_the_whole(own_app):
    made = make(own_app, reactions=False, max_message_length=100)
    after = put(own_app, made["name"], mark_messages_pending=True, max_message_length=0, automod=None, name="other")
    assert after["name"] == made["name"] and after["mark_messages_pending"] is True and after["updated_at"] > made["updated_at"]
    assert (after["reactions"], after["max_message_length"], after["automod"], after["created_at"]) == (False, 100, "disabled", made["created_at"])
    assert get(own_app, made["name"])["mark_messages_pending"] is True
    assert put(own_app, "team", push_notifications=False)["push_notifications"] is False, "built-in types change too"
    assert get(own_app, "messaging")["push_notifications"] is True


def test_commands_all_is_expanded_when_stored(own_app):
    made = make(own_app, commands=["all"])
    assert made["commands"] and all(isinstance(c, str) for c in made["commands"]) and "all" not in made["commands"]
    assert [c["name"] for c in get(own_app, made["name"])["commands"]] == made["commands"]
    assert make(own_app)["commands"] == made["commands"], "every command is the default"
    assert put(own_app, made["name"], commands=["ban", "mute", "ban"])["commands"] == ["ban", "mute"]
    assert put(own_app, made["name"], commands=[])["commands"] == []


def test_grants_of_named_roles_are_replaced(own_app):
    made = make(own_app)
    after = put(own_app, made["name"], grants={"channel_member": ["read-channel"], "guest": []})
    assert after["grants"]["channel_member"] == ["read-channel"] and after["grants"]["guest"] == []
    assert after["grants"]["channel_moderator"] == made["grants"]["channel_moderator"]
    assert get(own_app, made["name"])["grants"] == after["grants"]


@pytest.mark.parametrize("field, value", [
    ("typing_events", "yes"), ("max_message_length", limit("TEXT_MAX_CHARS") + 1), ("max_message_length", -1), ("max_message_length", 1.5),
    ("message_retention", "forever"), ("message_retention", "0"), ("message_retention", 7), ("automod", "clever"), ("automod", "disabled simple"),
    ("automod_behavior", "ignore"), ("push_level", "some"), ("allowed_flag_reasons", [1]), ("commands", ["nosuch"]), ("commands", "all"),
    ("grants", {"nosuch": []}), ("grants", {"user": ["nosuch"]}), ("grants", {"user": "create-channel"}), ("grants", []),
    ("blocklist", "nosuch"), ("blocklists", [{"blocklist": "nosuch", "behavior": "flag"}]),
    ("permissions", [{"name": "Deny all", "priority": 1, "resources": ["*"], "action": "Deny"}])])
def test_what_a_type_cannot_say_is_refused(own_app, field, value):
    made = make(own_app)
    own_app.api.post("/channeltypes", {"name": uid("type"), field: value}).fails(400, 4)
    own_app.api.put(f"/channeltypes/{made['name']}", {field: value}).fails(400, 4)
    after = get(own_app, made["name"])
    assert after["updated_at"] == made["updated_at"]


@pytest.mark.parametrize("name", [None, "", "with space", "ä", "a:b", "x" * (limit("CHANNEL_TYPE_NAME_BYTES") + 1), 7, "messaging"])
def test_names_that_are_refused(own_app, name):
    own_app.api.post("/channeltypes", {"name": name}).fails(400, 4)


def test_longest_name_and_a_name_only_once(own_app):
    longest = "x" * limit("CHANNEL_TYPE_NAME_BYTES")
    assert make(own_app, name=longest)["name"] == longest
    own_app.api.post("/channeltypes", {"name": longest}).fails(400, 4)


def test_a_type_at_its_bounds(own_app):
    big = ["r" * 1000] * (limit("CHANNEL_TYPE_BYTES") // 1003 + 1)
    own_app.api.post("/channeltypes", {"name": uid("type"), "allowed_flag_reasons": big}).fails(400, 4)
    make(own_app, allowed_flag_reasons=big[:len(big) // 2])
    for _ in range(limit("CHANNEL_TYPES") - len(BUILT_IN) - 1):
        last = make(own_app)
    own_app.api.post("/channeltypes", {"name": uid("type")}).fails(400, 4)
    own_app.api.delete(f"/channeltypes/{last['name']}").ok(200)
    make(own_app)


def test_delete(own_app):
    made = make(own_app)
    assert set(own_app.api.delete(f"/channeltypes/{made['name']}").ok(200)) == {"duration"}
    for method in ("GET", "PUT", "DELETE"):
        own_app.api.request(method, f"/channeltypes/{made['name']}", {} if method == "PUT" else None).fails(404, 16)
    assert made["name"] not in own_app.api.get("/channeltypes").ok(200)["channel_types"]
    own_app.api.post(f"/channels/{made['name']}/x/query", {"data": {"created_by_id": own_app.user().id}}).fails(404, 16)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_types_stay(own_app, name):
    own_app.api.delete(f"/channeltypes/{name}").fails(400, 4)


def test_a_type_with_channels_stays(own_app):
    made = make(own_app)
    channel = own_app.channel(own_app.user(), type=made["name"])
    own_app.api.delete(f"/channeltypes/{made['name']}").fails(400, 4)
    task = own_app.api.post("/channels/delete", {"cids": [channel.cid], "hard_delete": True}).ok(201)["task_id"]
    assert own_app.task(task)["status"] == "completed"
    own_app.api.delete(f"/channeltypes/{made['name']}").ok(200)


def test_types_belong_to_one_application(own_app, other_app):
    made = make(own_app)
    other_app.api.get(f"/channeltypes/{made['name']}").fails(404, 16)
    other_app.api.put(f"/channeltypes/{made['name']}", {"search": False}).fails(404, 16)
    other_app.api.delete(f"/channeltypes/{made['name']}").fails(404, 16)


def test_types_survive_a_restart(spawn):
    server = spawn()
    made = make(server.main, reactions=False)
    server.restart()
    assert get(server.main, made["name"])["reactions"] is False


@pytest.mark.parametrize("hard", [False, True])
def test_resume_over_a_channel_whose_type_is_gone(own_app, hard):
    made = make(own_app)
    ann = own_app.user()
    channel = own_app.channel(ann, type=made["name"])
    session = ann.connect(resume=True)
    ann.watch(session, channel)
    channel.send(ann, "before")
    session.expect("message.new")
    session.drop()
    channel.send(ann, "missed")
    task = own_app.api.post("/channels/delete", {"cids": [channel.cid], "hard_delete": hard}).ok(201)["task_id"]
    assert own_app.task(task)["status"] == "completed"
    if not hard:
        own_app.api.delete(f"/channeltypes/{made['name']}").fails(400, 4)
        own_app.api.delete(channel.path, query={"hard_delete": "true"}).ok(200)
    own_app.api.delete(f"/channeltypes/{made['name']}").ok(200)
    again = ann.connect(resume=True, resume_from=session.resume_from([channel]))
    assert again.first["resumed"] is True and not again.first.get("gap")
    again.expect("notification.channel_deleted", cid=channel.cid)
