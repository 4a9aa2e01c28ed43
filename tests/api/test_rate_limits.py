"""connection-and-users.md §7.2: calls are counted per operation, platform and minute and shown; nothing is refused by them."""
import time

import pytest

from beck import limit

PLATFORMS = ["server_side", "android", "ios", "web", "unity"]
FULL = limit("RATE_WHILE_OFF")


def rates(app, **query):
    return app.api.get("/rate_limits", query=query).ok(200)


def within_a_minute(action):
    """The result of an action that began and ended in the same minute of the clock, on which the counts turn."""
    while True:
        minute = int(time.time() // 60)
        result = action()
        if int(time.time() // 60) == minute:
            return result


def test_all_platforms_and_operations(own_app):
    body = rates(own_app)
    assert set(body) == {*PLATFORMS, "duration"}
    for platform in PLATFORMS:
        assert {"Connect", "GetOrCreateChannel", "QueryChannels", "SendMessage", "GetRateLimits"} <= set(body[platform])
        for entry in body[platform].values():
            assert set(entry) == {"limit", "remaining", "reset"} and entry["limit"] == FULL
            assert entry["reset"] % 60 == 0 and 0 < entry["reset"] - time.time() + 60 <= 121


def test_the_call_counts_against_itself_on_its_own_platform_only(own_app):
    entry = rates(own_app, endpoints="GetRateLimits")
    assert entry["server_side"]["GetRateLimits"]["remaining"] < FULL
    for platform in PLATFORMS[1:]:
        assert entry[platform]["GetRateLimits"]["remaining"] == FULL


@pytest.mark.parametrize("platform", PLATFORMS)
def test_one_platform(own_app, platform):
    assert set(rates(own_app, **{platform: True})) == {platform, "duration"}


def test_named_operations_and_no_others(own_app):
    body = rates(own_app, server_side=True, android=True, web=False, ios="", endpoints="GetRateLimits,SendMessage,NoSuchThing")
    assert set(body) == {"server_side", "android", "duration"}
    for platform in ("server_side", "android"):
        assert set(body[platform]) == {"GetRateLimits", "SendMessage"}


def test_bad_flag_is_refused(own_app):
    own_app.api.get("/rate_limits", query={"web": "maybe"}).fails(400, 4)


@pytest.mark.parametrize("name, platform", [
    ("stream-chat-android-6.1.0", "android"), ("stream-chat-kotlin-1", "android"), ("stream-chat-swift-client-v4", "ios"), ("Stream-Chat-iOS", "ios"),
    ("stream-chat-unity-4", "unity"), ("stream-chat-react-10.11.0-stream-chat-javascript-client-browser-8", "web"), ("", "web"), ("something", "web")])
def test_platform_is_told_by_the_clients_name(own_app, name, platform):
    ann = own_app.user()

    def look():
        before = rates(own_app, endpoints="QueryUsers")
        ann.get("/users", payload={"filter_conditions": {}}, headers={"X-Stream-Client": name}).ok(200)
        return before, rates(own_app, endpoints="QueryUsers")
    before, after = within_a_minute(look)
    moved = {p for p in PLATFORMS if after[p]["QueryUsers"]["remaining"] != before[p]["QueryUsers"]["remaining"]}
    assert moved == {platform}
    assert before[platform]["QueryUsers"]["remaining"] - after[platform]["QueryUsers"]["remaining"] == 1


def test_headers_say_what_is_left(own_app):
    def look():
        first, second = (own_app.api.get("/users", payload={"filter_conditions": {}}) for _ in range(2))
        return first, second, rates(own_app, server_side=True, endpoints="QueryUsers")["server_side"]["QueryUsers"]
    first, second, shown = within_a_minute(look)
    assert int(second.headers["X-RateLimit-Remaining"]) == int(first.headers["X-RateLimit-Remaining"]) - 1 == shown["remaining"]
    assert int(second.headers["X-RateLimit-Limit"]) == FULL and int(second.headers["X-RateLimit-Reset"]) == shown["reset"]


def test_headers_do_not_tell_a_client_how_often_others_called(own_app):
    ann, bob = own_app.users(2)
    channel = own_app.channel(ann, bob)

    def look():
        return {bob.post(f"{channel.path}/read", {}).ok(201) and ann.post(f"{channel.path}/read", {}).headers["X-RateLimit-Remaining"] for _ in range(3)}
    assert len(within_a_minute(look)) == 1


def test_connects_over_both_transports_are_counted(own_app):
    def look():
        before = rates(own_app, web=True, endpoints="Connect")["web"]["Connect"]["remaining"]
        for transport in ("ws", "longpoll"):
            own_app.user().connect(transport)
        return before - rates(own_app, web=True, endpoints="Connect")["web"]["Connect"]["remaining"]
    assert within_a_minute(look) == 2


def test_counts_outlive_a_change_of_settings(own_app):
    def look():
        before = rates(own_app, endpoints="GetRateLimits", server_side=True)["server_side"]["GetRateLimits"]["remaining"]
        own_app.api.patch("/app", {"reminders_interval": 60 + before % 1000}).ok(200)
        return before, rates(own_app, endpoints="GetRateLimits", server_side=True)["server_side"]["GetRateLimits"]["remaining"]
    before, after = within_a_minute(look)
    assert after == before - 1


def test_applications_are_counted_apart(own_app, other_app):
    def look():
        before = rates(own_app, endpoints="GetApp", server_side=True)["server_side"]["GetApp"]["remaining"]
        other_app.api.get("/app").ok(200)
        return before - rates(own_app, endpoints="GetApp", server_side=True)["server_side"]["GetApp"]["remaining"]
    assert within_a_minute(look) == 0
