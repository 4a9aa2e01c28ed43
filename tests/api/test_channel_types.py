"""channels.md §1: the built-in channel types."""
import pytest

BUILT_IN = ["messaging", "livestream", "team", "gaming", "commerce"]
ON = ["typing_events", "read_events", "connect_events", "custom_events", "search", "reactions", "replies", "quotes", "mutes", "uploads",
      "url_enrichment", "push_notifications", "count_messages"]
OFF = ["delivery_events", "polls", "shared_locations", "user_message_reminders", "reminders", "mark_messages_pending",
       "skip_last_msg_update_for_system_msgs"]


def get(app, name):
    return app.api.get(f"/channeltypes/{name}").ok(200)


def test_list_holds_all_built_in_types(app):
    types = app.api.get("/channeltypes").ok(200)["channel_types"]
    assert set(BUILT_IN) <= set(types)
    for name, config in types.items():
        assert config["name"] == name


@pytest.mark.parametrize("name", BUILT_IN)
def test_get_one_equals_the_list(app, name):
    one = get(app, name)
    one.pop("duration")
    assert one == app.api.get("/channeltypes").ok(200)["channel_types"][name]


@pytest.mark.parametrize("name", BUILT_IN)
def test_defaults(app, name):
    config = get(app, name)
    for key in ON:
        assert config[key] is (False if (name, key) == ("livestream", "url_enrichment") else True), key
    for key in OFF:
        assert config[key] is False, key
    assert config["max_message_length"] == 5000 and config["message_retention"] == "infinite"
    assert (config["automod"], config["automod_behavior"]) == ("disabled", "flag")


@pytest.mark.parametrize("name", BUILT_IN)
def test_commands_are_objects_and_grants_are_there(app, name):
    config = get(app, name)
    for command in config["commands"]:
        assert {"name", "description", "args", "set"} <= set(command)
    assert isinstance(config["permissions"], list)
    assert config["grants"] and all(isinstance(ids, list) for ids in config["grants"].values())


def test_grants_say_what_the_contract_says(app):
    messaging, livestream = get(app, "messaging")["grants"], get(app, "livestream")["grants"]
    assert "create-channel" in messaging["user"] and "read-channel" not in messaging["user"]
    assert {"read-channel", "create-message", "create-reply", "update-message-owner", "delete-message-owner"} <= set(messaging["channel_member"])
    assert {"update-message", "delete-message", "pin-message"} <= set(messaging["channel_moderator"])
    assert not messaging.get("anonymous")
    assert {"read-channel", "create-message"} <= set(livestream["user"])
    assert "read-channel" in livestream["anonymous"] and "create-message" not in livestream["anonymous"]


@pytest.mark.parametrize("name", ["no-such-type", "Messaging", "%20", "a" * 65])
def test_unknown_type_is_404_16(app, name):
    app.api.get(f"/channeltypes/{name}").fails(404, 16)


@pytest.mark.parametrize("name", BUILT_IN)
def test_channel_shows_the_config_of_its_type(app, name):
    ann = app.user()
    channel = app.channel(ann, type=name)
    shown, config = channel.state(ann)["channel"]["config"], get(app, name)
    for key in [*ON, *OFF, "max_message_length", "automod", "commands"]:
        assert shown[key] == config[key], key


def test_app_names_commands_as_words(app):
    configs = app.api.get("/app").ok(200)["app"]["channel_configs"]
    assert all(isinstance(c, str) for config in configs.values() for c in config["commands"])
