"""connection-and-users.md §1: who may call, and which code says why not."""
import base64
import hashlib
import json
import threading
import time

import pytest

from beck import ConnectRefused, b64url, check_error, dev_token, format_time, jwt, now_us, wait_until
from routes import CLIENT, ROUTES, SERVER, World, named

pytestmark = pytest.mark.quick


def probe(app, token, auth_type="jwt", **kw):
    return app.client(token, auth_type).get("/users", payload={"filter_conditions": {}, "limit": 1}, **kw)


@pytest.fixture
def ann(app):
    return app.user("ann")


# ---- key, kind, form ----

@pytest.mark.parametrize("key", [None, "", "no-such-key", "KEY"])
def test_unknown_api_key_is_401_2(app, ann, key):
    caller = app.client(ann.token)
    caller.key = key
    error = caller.get("/users", payload={}).fails(401, 2)
    assert "api_key not valid" in error["message"]


def test_api_key_is_checked_before_the_token(app):
    caller = app.client("rubbish", "no-such-kind")
    caller.key = "no-such-key"
    caller.get("/users", payload={}).fails(401, 2)


@pytest.mark.parametrize("kind", ["password", "JWT-ish", "none"])
def test_unknown_auth_kind_is_401_5(app, ann, kind):
    probe(app, ann.token, kind).fails(401, 5)


def test_missing_auth_kind_means_jwt(app, ann):
    probe(app, ann.token, None).ok(200)


def test_header_names_ignore_case(app, ann):
    app.client(None, None).get("/users", payload={}, headers={"AUTHORIZATION": ann.token, "stream-AUTH-type": "jwt"}).ok(200)


def test_bearer_prefix_is_tolerated(app, ann):
    probe(app, "Bearer " + ann.token).ok(200)


def test_jwt_without_token_is_401_5(app):
    probe(app, None).fails(401, 5)


HEAD = b64url(b'{"alg":"HS256","typ":"JWT"}')
NOT_TOKENS = {
    "empty": "",
    "word": "abc",
    "two parts": f"{HEAD}.{b64url(b'{}')}",
    "four parts": f"{HEAD}.{b64url(b'{}')}.c2ln.c2ln",
    "dots": "..",
    "not base64url": f"{HEAD}.!!!!.c2ln",
    "header is not JSON": f"{b64url(b'nope')}.{b64url(b'{}')}.c2ln",
    "header is an array": f"{b64url(b'[]')}.{b64url(b'{}')}.c2ln",
}


@pytest.mark.parametrize("token", NOT_TOKENS.values(), ids=NOT_TOKENS.keys())
def test_malformed_token_is_401_5(app, token):
    probe(app, token).fails(401, 5)


def test_padded_base64_is_401(app, ann):
    head, body, signature = ann.token.split(".")
    reply = probe(app, f"{head}.{body}.{signature}=")
    assert reply.status == 401 and reply.json["code"] in (5, 43)


@pytest.mark.parametrize("claims", [b"[]", b"null", b"not json", b'{"user_id":'], ids=["array", "null", "text", "cut"])
def test_signed_rubbish_payload_is_401_5(app, claims):
    probe(app, jwt(claims, app.secret)).fails(401, 5)


@pytest.mark.parametrize("claims", [{}, {"user_id": ""}, {"user_id": None}, {"user_id": 7}, {"server": False}, {"server": "true"}],
                         ids=["nothing", "empty id", "null id", "number", "server false", "server as text"])
def test_token_that_names_nobody_is_401_5(app, claims):
    probe(app, jwt(claims, app.secret)).fails(401, 5)


# ---- algorithm, signature, times ----

@pytest.mark.parametrize("alg,digest", [("none", hashlib.sha256), ("None", hashlib.sha256), ("HS384", hashlib.sha384),
                                        ("HS512", hashlib.sha512), ("RS256", hashlib.sha256), ("", hashlib.sha256)])
def test_only_hs256_is_accepted(app, ann, alg, digest):
    probe(app, jwt({"user_id": ann.id}, app.secret, alg, digest=digest)).fails(401, 43)


def test_alg_none_without_signature_is_401(app, ann):
    reply = probe(app, f"{b64url(json.dumps({'alg': 'none'}).encode())}.{b64url(json.dumps({'user_id': ann.id}).encode())}.")
    assert reply.status == 401 and reply.json["code"] in (5, 43)


def test_missing_alg_is_401(app, ann):
    assert probe(app, jwt({"user_id": ann.id}, app.secret, header={"typ": "JWT"})).status == 401


def test_type_header_is_not_checked(app, ann):
    probe(app, jwt({"user_id": ann.id}, app.secret, header={"alg": "HS256", "typ": "whatever", "kid": "1"})).ok(200)


def test_wrong_secret_is_401_43(app, ann):
    probe(app, jwt({"user_id": ann.id}, app.secret + "x")).fails(401, 43)


def test_tampered_claims_are_401_43(app, ann):
    head, _, signature = ann.token.split(".")
    probe(app, f"{head}.{b64url(json.dumps({'user_id': 'admin'}).encode())}.{signature}").fails(401, 43)


def test_every_bit_of_the_signature_counts(app, ann):
    head, body, signature = ann.token.split(".")
    good = bytearray(base64.urlsafe_b64decode(signature + "="))
    for at in (0, 15, 31):
        bad = bytearray(good)
        bad[at] ^= 1
        probe(app, f"{head}.{body}.{b64url(bytes(bad))}").fails(401, 43)


@pytest.mark.parametrize("claims,code", [
    ({"exp": -3600}, 40), ({"exp": 0}, 40), ({"nbf": 60}, 41), ({"iat": 60}, 42),
    ({"exp": -1, "nbf": 60, "iat": 60}, 40), ({"nbf": 60, "iat": 60}, 41)],
    ids=["expired", "expires this second", "nbf", "iat", "exp before nbf", "nbf before iat"])
def test_time_claims(app, ann, claims, code):
    now = int(time.time())
    probe(app, app.token(ann.id, **{k: now + v for k, v in claims.items()})).fails(401, code)


@pytest.mark.parametrize("claims", [{"exp": 60}, {"nbf": 3}, {"iat": 3}, {"iat": -60}, {"nbf": -60}])
def test_time_claims_within_bounds(app, ann, claims):
    now = int(time.time())
    probe(app, app.token(ann.id, **{k: now + v for k, v in claims.items()})).ok(200)


def test_signature_is_checked_before_times(app, ann):
    probe(app, jwt({"user_id": ann.id, "exp": 1}, "wrong")).fails(401, 43)


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_time_claim_of_wrong_type_is_refused(app, ann, claim):
    assert probe(app, app.token(ann.id, **{claim: "soon"})).status == 401


def test_server_token_expires_too(app):
    probe(app, app.server_token(exp=int(time.time()) - 1)).fails(401, 40)


def test_other_claims_are_ignored(app, ann):
    probe(app, app.token(ann.id, role="admin", channel_cids=["messaging:x"], call_cids=[], anything={"a": [1]})).ok(200)
    assert app.stored(ann.id)["role"] == "user"


def test_redundant_user_id_query_is_harmless(app, ann):
    ann.get("/users", payload={}, query={"user_id": ann.id}).ok(200)


def test_trace_id_is_echoed(app, ann):
    assert ann.get("/users", payload={}, headers={"x-client-request-id": "trace-77"}).headers["x-client-request-id"] == "trace-77"


def test_rate_limit_headers_on_every_response(app, ann):
    for reply in (ann.get("/users", payload={}), ann.get("/users", payload="{"), probe(app, "rubbish"), ann.get("/no-such-path")):
        for name in ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"):
            assert reply.headers.get(name, "").isdigit(), (reply, name)


# ---- server side and client side ----

@pytest.mark.parametrize("route", **named([r for r in ROUTES if r.who == SERVER and r.name not in ("UpdateChannel", "UpdateChannelPartial")]))
def test_server_only_route_refuses_clients(app, route):
    world = World(app)
    world.call(route, world.alice).fails(403, 17)


@pytest.mark.parametrize("route", **named([r for r in ROUTES if r.who == CLIENT]))
def test_client_only_route_refuses_the_server_side(app, route):
    world = World(app)
    world.call(route, app.api).fails(403, 17)


def test_server_token_cannot_connect(app, ann, transport):
    caller = app.as_user(ann.id)
    caller.token = app.server_token()
    caller.refused(transport).fails(403, 17)


def test_client_acts_only_as_himself(app):
    world = World(app)
    reply = world.alice.post(f"{world.channel.path}/message", {"message": {"text": "x", "user_id": world.bob.id}})
    reply.fails(403, 17)
    assert world.channel.texts() == ["first"]


def test_user_and_user_id_must_agree_on_server_calls(app):
    world = World(app)
    message = {"text": "x", "user_id": world.alice.id, "user": {"id": world.bob.id}}
    app.api.post(f"{world.channel.path}/message", {"message": message}).fails(400, 4)
    assert world.channel.texts() == ["first"]


@pytest.mark.parametrize("who", [lambda i: {"user_id": i}, lambda i: {"user": {"id": i}}, lambda i: {"user_id": "", "user": {"id": i}},
                                 lambda i: {"user_id": None, "user": {"id": i}}, lambda i: {"user_id": i, "user": {"id": i}}],
                         ids=["user_id", "user", "empty user_id", "null user_id", "both"])
def test_acting_user_forms(app, who):
    world = World(app)
    sent = app.api.post(f"{world.channel.path}/message", {"message": {"text": "x", **who(world.alice.id)}}).ok(201)["message"]
    assert sent["user"]["id"] == world.alice.id
    assert app.api.get(f"/messages/{sent['id']}").ok(200)["message"]["user"]["id"] == world.alice.id


def test_acting_user_object_upserts_the_user(app):
    world = World(app)
    world.channel.send(world.alice, user={"id": world.alice.id, "name": "Alice L.", "shoe": 38})
    stored = app.stored(world.alice.id)
    assert (stored["name"], stored["shoe"]) == ("Alice L.", 38)


# ---- errors as connects see them ----

CONNECT_ERRORS = {
    "no token": (lambda app, u: None, 401, 5),
    "rubbish": (lambda app, u: "rubbish", 401, 5),
    "signature": (lambda app, u: jwt({"user_id": u}, "wrong"), 401, 43),
    "expired": (lambda app, u: app.token(u, exp=1), 401, 40),
    "not yet": (lambda app, u: app.token(u, nbf=int(time.time()) + 60), 401, 41),
    "issued later": (lambda app, u: app.token(u, iat=int(time.time()) + 60), 401, 42),
}


@pytest.mark.parametrize("case", CONNECT_ERRORS.values(), ids=CONNECT_ERRORS.keys())
def test_auth_error_on_connect(app, ann, transport, case):
    make, status, code = case
    caller = app.as_user(ann.id)
    caller.token = make(app, ann.id)
    caller.refused(transport).fails(status, code)


def test_unknown_key_on_connect(app, ann, transport):
    caller = app.as_user(ann.id)
    caller.key = "no-such-key"
    caller.refused(transport).fails(401, 2)


def test_connect_accepts_the_authorization_header(app, ann):
    from beck import WebSocketSession, connect_query
    payload = {"user_id": ann.id, "user_details": {"id": ann.id}}
    query = {k: v for k, v in connect_query(ann, payload).items() if k != "authorization"}
    session = WebSocketSession(ann, payload, query=query, headers={"Authorization": ann.token})
    app.sessions.append(session)
    assert session.me["id"] == ann.id


# ---- revocation ----

def seconds(at):
    return format_time(at * 1_000_000).replace(".000000", "")


def test_revoked_user_token_is_401_40(app, ann):
    at = int(time.time())
    ann.update(revoke_tokens_issued_before=seconds(at))
    probe(app, app.token(ann.id, iat=at - 1)).fails(401, 40)
    probe(app, app.token(ann.id)).fails(401, 40)  # no iat: cannot be newer
    probe(app, app.token(ann.id, iat=at)).ok(200)
    probe(app, app.token(app.user().id)).ok(200)  # nobody else
    assert app.stored(ann.id)["revoke_tokens_issued_before"].startswith(seconds(at)[:-1])


def test_null_undoes_a_revocation(app, ann):
    ann.update(revoke_tokens_issued_before=seconds(int(time.time())))
    ann.update(revoke_tokens_issued_before=None)
    probe(app, app.token(ann.id)).ok(200)


def test_client_cannot_change_his_revocation(app, ann):
    ann.patch("/users", {"users": [{"id": ann.id, "set": {"revoke_tokens_issued_before": seconds(1)}}]})
    assert "revoke_tokens_issued_before" not in app.stored(ann.id)


def test_revocation_ends_open_sessions_with_code_40(app, ann, transport):
    session = ann.connect(transport)
    ann.update(revoke_tokens_issued_before=seconds(int(time.time()) + 1))
    session.expect_closed()
    check_error(session.final_error, 401, 40)


def test_revoking_a_whole_application(own_app):
    ann, at = own_app.user("ann"), int(time.time())
    own_app.api.patch("/app", {"revoke_tokens_issued_before": seconds(at)}).ok(200)
    probe(own_app, ann.token).fails(401, 40)
    probe(own_app, own_app.token(ann.id, iat=at - 1)).fails(401, 40)
    probe(own_app, own_app.token(ann.id, iat=at)).ok(200)
    probe(own_app, own_app.server_token()).ok(200)
    own_app.api.patch("/app", {"revoke_tokens_issued_before": None}).ok(200)
    probe(own_app, ann.token).ok(200)


def test_revoking_an_application_ends_its_sessions(own_app):
    session = own_app.user("ann").connect()
    own_app.api.patch("/app", {"revoke_tokens_issued_before": format_time(now_us() + 1_000_000)}).ok(200)
    session.expect_closed()
    check_error(session.final_error, 401, 40)


def test_revocation_spares_newer_tokens(own_app, transport):
    """Only the connections of affected users end, whichever scope the revocation has."""
    now = int(time.time())
    ann, bob = own_app.user("ann"), own_app.user("bob")
    ann.token, bob.token = own_app.token(ann.id, iat=now), own_app.token(bob.id, iat=now - 100)
    young, old = ann.connect(transport), bob.connect(transport)
    ann.update(revoke_tokens_issued_before=seconds(now - 50))
    own_app.api.patch("/app", {"revoke_tokens_issued_before": seconds(now - 50)}).ok(200)
    old.expect_closed()
    check_error(old.final_error, 401, 40)
    young.settle()
    own_app.api.patch("/app", {"revoke_tokens_issued_before": seconds(now + 1)}).ok(200)
    young.expect_closed()


def test_revoking_an_application_spares_anonymous_sessions(own_app):
    session = own_app.anonymous().connect()
    live = own_app.channel(type="livestream")
    session.user.watch(session, live)
    own_app.api.patch("/app", {"revoke_tokens_issued_before": seconds(int(time.time()) + 1)}).ok(200)
    own_app.api.patch("/app", {"revoke_tokens_issued_before": None}).ok(200)
    live.send(own_app.user("host"), "still here")
    session.expect("message.new")


def test_a_session_that_opens_while_its_token_is_revoked_ends(own_app):
    """Whatever the order of the two: no session with a revoked token is left."""
    now = int(time.time())
    people = own_app.users(8)
    for round in range(6):
        barrier, sessions = threading.Barrier(len(people) + 1), []

        def connect(user):
            barrier.wait()
            for _ in range(3):
                try:
                    sessions.append(user.connect())
                except (ConnectRefused, OSError):
                    return
        threads = [threading.Thread(target=connect, args=(user,)) for user in people]
        for user, thread in zip(people, threads):
            user.token = own_app.token(user.id, iat=now + round)
            thread.start()
        barrier.wait()
        own_app.api.patch("/app", {"revoke_tokens_issued_before": seconds(now + round + 1)}).ok(200)
        for thread in threads:
            thread.join()
        for session in sessions:
            session.expect_closed()
        assert own_app.api.get("/beck/usage").ok(200)["concurrent_connections"] == 0


# ---- users that are no more ----

def test_deleted_user_is_404_16(app, ann, transport):
    app.api.post("/users/delete", {"user_ids": [ann.id]}).ok(201)
    probe(app, ann.token).fails(404, 16)
    ann.refused(transport).fails(404, 16)


def test_deactivated_user_is_403_17(app, ann, transport):
    app.api.post(f"/users/{ann.id}/deactivate").ok(201)
    probe(app, ann.token).fails(403, 17)
    ann.refused(transport).fails(403, 17)


# ---- development tokens ----

def test_development_token_works_in_development_mode(fast_app, transport):
    caller = fast_app.as_user("dev-" + transport)
    caller.token = dev_token(caller.id)
    assert caller.connect(transport).me["id"] == caller.id
    caller.get("/users", payload={}).ok(200)


def test_development_token_that_carries_an_end_has_one(fast_app, transport):
    caller = fast_app.as_user("dev-end-" + transport)
    caller.token = dev_token(caller.id, exp=1)
    caller.get("/users", payload={}).fails(401, 40)
    caller.refused(transport).fails(401, 40)


def test_development_mode_verifies_what_is_no_development_token(fast_app, ann, transport):
    """A backend that signs wrongly is to notice before it goes into production."""
    wrong = fast_app.as_user("wrong-" + transport)
    wrong.token = jwt({"user_id": wrong.id}, "wrong")
    probe(fast_app, wrong.token).fails(401, 43)
    wrong.refused(transport).fails(401, 43)


def test_an_application_may_ask_for_no_checks_in_development_mode(spawn):
    app = spawn("--dev").main
    app.api.patch("/app", {"disable_auth_checks": True}).ok()
    caller = app.as_user("anybody")
    caller.token = jwt({"user_id": caller.id, "exp": 1}, "wrong")
    caller.get("/users", payload={}).ok(200)
    app.api.patch("/app", {"disable_auth_checks": False}).ok()
    caller.get("/users", payload={}).fails(401, 43)
    caller.token = dev_token(caller.id)
    caller.get("/users", payload={}).fails(401, 43)


def test_development_mode_still_wants_a_token(fast_app):
    fast_app.client(None).get("/users", payload={}).fails(401, 5)


def test_server_token_is_always_verified(fast_app):
    fast_app.client(jwt({"server": True}, "wrong")).get("/app").fails(401, 43)
    head, body, _ = fast_app.server_token().split(".")
    fast_app.client(f"{head}.{body}.devtoken").get("/app").fails(401, 43)


def test_development_token_is_refused_by_default(app, ann, transport):
    ann.token = dev_token(ann.id)
    probe(app, ann.token).fails(401, 43)
    ann.refused(transport).fails(401, 43)


def test_disable_auth_checks_works_only_in_development_mode(own_app):
    ann = own_app.user("ann")
    own_app.api.patch("/app", {"disable_auth_checks": True})
    probe(own_app, dev_token(ann.id)).fails(401, 43)


# ---- the error object ----

def test_error_message_names_the_operation(app, ann):
    assert probe(app, "rubbish").json["message"].startswith('QueryUsers failed with error: "')
    refusal = app.as_user(ann.id)
    refusal.token = "rubbish"
    assert refusal.refused().error["message"].startswith('Connect failed with error: "')


def test_error_is_json(app, ann):
    reply = ann.get("/users", payload="{")
    assert reply.headers["Content-Type"].startswith("application/json")
    reply.fails(400, 4)


def test_unknown_path_is_a_contract_error(app, ann):
    ann.get("/no-such-path").fails(404, 16)
    wait_until(app.server.is_alive)


def test_refusal_carries_exactly_one_frame(app, ann):
    ann.token = "rubbish"
    with pytest.raises(ConnectRefused) as refused:
        ann.connect()
    assert len(refused.value.frames) == 1 and list(refused.value.frames[0]) == ["error"]
