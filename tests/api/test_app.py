"""connection-and-users.md §7.1 and moderation-and-admin.md §7: GET and PATCH /app."""
import json

import pytest

CLIENT_KEYS = {"name", "file_upload_config", "image_upload_config", "auto_translation_enabled", "async_url_enrich_enabled", "video_provider"}


def settings(app):
    return app.api.get("/app").ok(200)["app"]


def test_server_side_sees_all_settings(app):
    shown = settings(app)
    assert shown["name"] and isinstance(shown["id"], int)
    assert shown["permission_version"] == "v2" and shown["multi_tenant_enabled"] is False
    assert shown["disable_auth_checks"] is False and shown["disable_permissions_checks"] is False
    assert shown["enforce_unique_usernames"] == "no"
    assert {"messaging", "livestream", "team", "gaming", "commerce"} <= set(shown["channel_configs"])
    assert isinstance(shown["grants"], dict) and shown["grants"]["user"]
    for key in ("file_upload_config", "image_upload_config"):
        assert shown[key]["size_limit"] == 0 and shown[key]["allowed_file_extensions"] == []


def test_client_sees_what_sdks_need_and_no_more(app):
    shown = app.user().get("/app").ok(200)["app"]
    assert shown["name"] == settings(app)["name"] and {"file_upload_config", "image_upload_config"} <= set(shown)
    assert set(shown) <= CLIENT_KEYS


def test_secrets_are_never_shown(app):
    assert app.secret not in app.api.get("/app").body.decode()


def test_patch_changes_only_what_is_sent(own_app):
    before = settings(own_app)
    body = own_app.api.patch("/app", {"reminders_interval": 600, "user_search_disallowed_roles": ["guest"]}).ok(200)
    assert set(body) == {"duration"}
    after = settings(own_app)
    assert after["reminders_interval"] == 600 and after["user_search_disallowed_roles"] == ["guest"]
    assert {k for k in before if before[k] != after[k]} - {"updated_at"} <= {"reminders_interval", "user_search_disallowed_roles"}


def test_null_resets_a_scalar(own_app):
    default = settings(own_app).get("reminders_interval")
    own_app.api.patch("/app", {"reminders_interval": 600}).ok(200)
    own_app.api.patch("/app", {"reminders_interval": None}).ok(200)
    assert settings(own_app).get("reminders_interval") == default


def test_null_of_a_list_is_not_sent_and_empty_clears(own_app):
    own_app.api.patch("/app", {"user_search_disallowed_roles": ["guest"]}).ok(200)
    own_app.api.patch("/app", {"user_search_disallowed_roles": None, "event_hooks": None, "grants": None}).ok(200)
    assert settings(own_app)["user_search_disallowed_roles"] == ["guest"]
    own_app.api.patch("/app", {"user_search_disallowed_roles": []}).ok(200)
    assert settings(own_app)["user_search_disallowed_roles"] == []


@pytest.mark.parametrize("change", [{"name": ""}, {"name": "other"}, {"organization": "o"}, {"suspended": True}, {"suspended_explanation": "x"},
                                    {"channel_configs": {}}, {"id": 7}, {"policies": {}}, {"push_notifications": {}}, {"no_such_setting": 1}],
                         ids=json.dumps)
def test_ignored_keys(own_app, change):
    before = settings(own_app)
    own_app.api.patch("/app", change).ok(200)
    after = settings(own_app)
    assert {k: v for k, v in before.items() if k != "updated_at"} == {k: v for k, v in after.items() if k != "updated_at"}


def test_upload_config_is_replaced_as_a_whole(own_app):
    own_app.api.patch("/app", {"file_upload_config": {"allowed_file_extensions": [".pdf"], "blocked_mime_types": ["text/html"], "size_limit": 5}}).ok(200)
    own_app.api.patch("/app", {"file_upload_config": {"allowed_file_extensions": [".csv"]}}).ok(200)
    shown = settings(own_app)["file_upload_config"]
    assert shown["allowed_file_extensions"] == [".csv"] and shown["blocked_mime_types"] == []
    assert own_app.user().get("/app").ok(200)["app"]["file_upload_config"] == shown


@pytest.mark.parametrize("change", [{"reminders_interval": 59}, {"reminders_interval": 86401}, {"reminders_interval": "x"}, {"multi_tenant_enabled": 1},
                                    {"user_search_disallowed_roles": "x"}, {"enforce_unique_usernames": "maybe"}, {"disable_permissions_checks": "y"},
                                    {"revoke_tokens_issued_before": "yesterday"}, {"grants": {"no-such-role": []}}, {"grants": {"user": ["no-such-permission"]}},
                                    {"file_upload_config": []}, {"file_upload_config": {"size_limit": "x"}}, {"guest_user_creation_disabled": 0}],
                         ids=json.dumps)
def test_bad_setting_is_400_4_and_nothing_changes(own_app, change):
    before = settings(own_app)
    own_app.api.patch("/app", {"reminders_interval": 700, **change}).fails(400, 4)
    assert settings(own_app) == before


def test_grants_replace_those_of_the_named_roles(own_app):
    before = settings(own_app)["grants"]
    own_app.api.patch("/app", {"grants": {"guest": ["search-user"]}}).ok(200)
    after = settings(own_app)["grants"]
    assert after["guest"] == ["search-user"]
    assert {r: g for r, g in after.items() if r != "guest"} == {r: g for r, g in before.items() if r != "guest"}


def test_grants_take_effect(own_app):
    ann, bob = own_app.users(2)
    grants = settings(own_app)["grants"]["user"]
    own_app.api.patch("/app", {"grants": {"user": grants + ["update-user"]}}).ok(200)
    ann.patch("/users", {"users": [{"id": bob.id, "set": {"mood": "seen"}}]}).ok(200)
    own_app.api.patch("/app", {"grants": {"user": [g for g in grants if g != "search-user"]}}).ok(200)
    ann.patch("/users", {"users": [{"id": bob.id, "set": {"mood": "unseen"}}]}).fails(403, 17)
    assert own_app.stored(bob.id)["mood"] == "seen"


def test_disable_permissions_checks_allows_every_client_request(own_app):
    ann, bob = own_app.users(2)
    channel = own_app.channel(bob)
    ann.post(f"{channel.path}/query", {"state": True}).fails(403, 17)
    own_app.api.patch("/app", {"disable_permissions_checks": True}).ok(200)
    ann.send(channel, "I may")
    own_app.api.patch("/app", {"disable_permissions_checks": False}).ok(200)
    ann.post(f"{channel.path}/message", {"message": {"text": "no more"}}).fails(403, 17)
    assert channel.texts(bob) == ["I may"]


def test_settings_survive_a_restart(spawn):
    server = spawn()
    server.main.api.patch("/app", {"reminders_interval": 600, "user_search_disallowed_roles": ["guest"]}).ok(200)
    server.restart()
    shown = settings(server.main)
    assert shown["reminders_interval"] == 600 and shown["user_search_disallowed_roles"] == ["guest"]
