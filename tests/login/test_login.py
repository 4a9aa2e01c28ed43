"""The same for every language."""
import concurrent.futures
import hmac
import html
import re
import socket
import threading
import time

from beck import WAIT, User, b64url, parse_time, uid, wait_until
from examples import claims

TOKEN_SECONDS = 3600


def chatter(example, person, token):
    """The person at Beck itself, with a token of the app."""
    return User(example.app, person.id, token)


def lobby(user, **body):
    return user.post("/channels/messaging/lobby/query", {"state": True, **body})


# ---- signing in ----

def test_signs_in_and_chats(example, person):
    browser = example.browser()
    page = browser.get("/")
    assert page.status == 200 and b'type="password"' in page.body
    browser.sign_in(person.id, person.password)
    page = browser.get("/")
    text = page.body.decode()
    assert page.status == 200 and person.name in html.unescape(text) and person.name not in text
    assert f'data-api-key="{example.app.key}"' in text and "{{" not in text
    user = chatter(example, person, browser.token())
    session = user.connect()
    user.post("/channels/messaging/lobby/query", {"watch": True}, query={"connection_id": session.id}).ok()
    user.post("/channels/messaging/lobby/message", {"message": {"text": "hello"}}).ok(201)
    event = session.expect("message.new")
    assert event["message"]["text"] == "hello" and event["user"]["name"] == person.name


def test_token_is_of_an_hour(example, regular):
    browser = example.tab
    before = int(time.time())
    reply = browser.post("/chat/token")
    after = int(time.time())
    assert reply.status == 200 and set(reply.json) == {"token", "expires_at"}, reply
    said = claims(reply.json["token"])
    assert set(said) == {"user_id", "iat", "exp"} and said["user_id"] == regular.id
    assert before <= said["iat"] <= after and said["exp"] == said["iat"] + TOKEN_SECONDS
    assert parse_time(reply.json["expires_at"]) == said["exp"] * 1_000_000
    assert reply.headers["Cache-Control"] == "no-store"
    text, _, signature = reply.json["token"].rpartition(".")
    assert signature == b64url(hmac.digest(example.app.secret.encode(), text.encode(), "sha256"))


def test_cookie(example, regular):
    browser = example.browser()
    browser.cookies["session"] = "planted"
    reply = browser.post("/login", user=regular.id, password=regular.password)
    cookie, = reply.headers.get_all("Set-Cookie")[-1:]
    assert re.match(r"session=[\w,-]{22,};", cookie) and browser.cookies["session"] != "planted", cookie
    flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= flags and "secure" not in flags, cookie
    assert browser.cookies["session"] != example.tab.cookies["session"]


def test_wrong_password(example, regular):
    example.add_users([("nopassword", "No Password", "")])
    for user, password in ((regular.id, "wrong"), (regular.id, ""), ("nobody", regular.password), ("nopassword", ""), ("__proto__", "")):
        browser = example.browser()
        reply = browser.post("/login", user=user, password=password)
        assert reply.status == 401 and b"Wrong name or password" in reply.body, (user, reply)
        assert browser.post("/chat/token").status == 401


def test_guessing_is_slow(example, people):
    person, other = people(2)
    statuses = []
    while 429 not in statuses and len(statuses) < 21:  # at least eleven of them in one minute of the clock
        statuses.append(example.browser().post("/login", user=person.id, password="guess").status)
    assert statuses[-1] == 429 and len(statuses) > 10, statuses
    example.browser().sign_in(other.id, other.password)


def test_without_session(example):
    browser = example.browser()
    for _ in range(2):
        assert browser.post("/chat/token").status == 401
        assert browser.post("/profile", name="x").status == 401
        assert browser.post("/logout").status == 303
        assert b'type="password"' in browser.get("/").body
        browser.cookies["session"] = "a" * 43  # nobody's


def test_forged_requests(example, regular):
    browser = example.tab
    for origin in (None, "null", "https://evil.example", f"http://127.0.0.1:{example.port}.evil.example", f"http://127.0.0.1:{example.port + 1}"):
        for path in ("/login", "/logout", "/chat/token", "/profile"):
            reply = browser.request("POST", path, {"name": "x", "user": regular.id, "password": regular.password}, {"Origin": origin})
            assert reply.status == 403 and "Set-Cookie" not in reply.headers, (origin, reply)
    browser.token()  # still signed in
    for path in ("/login", "/logout", "/chat/token", "/profile"):
        assert browser.get(path).status in (404, 405)
    browser.token()


def test_shows_no_more_than_its_pages(example, regular):
    browser = example.tab
    for path in ("/app.mjs", "/app.py", "/index.php", "/main.go", "/users.json", "/app.db", "/data/users.json", "/login.html", "/../secret",
                 "/..%2f..%2fsecret", "/page/app.js", "/secret"):
        reply = browser.get(path)
        assert reply.status in (301, 404) and len(reply.body) < 200, (path, reply)
    for path, kind in (("/app.js", "text/javascript"), ("/app.css", "text/css")):
        reply = browser.get(path)
        assert reply.status == 200 and reply.headers["Content-Type"].startswith(kind), reply
    policy = browser.get("/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy and f"connect-src 'self' {example.box.url} ws://127.0.0.1:{example.box.port};" in policy, policy
    assert browser.request("POST", "/profile", {"name": "x" * 20_000}).status >= 400
    browser.token()


# ---- users ----

def test_bulk(example):
    prefix = uid("bulk")
    example.add_users([(f"{prefix}-{i}", f"Name {i} ✓", "") for i in range(201)])
    assert re.match(r"\d+ users\n", example.command("sync-users"))
    made = [f"{prefix}-{i}" for i in range(201)]
    found = {}
    for at in range(0, 201, 100):
        payload = {"filter_conditions": {"id": {"$in": made[at:at + 100]}}, "limit": 100}
        found.update({u["id"]: u["name"] for u in example.app.api.get("/users", payload=payload).ok(200)["users"]})
    assert found == {f"{prefix}-{i}": f"Name {i} ✓" for i in range(201)}
    assert lobby(example.app.api).ok()["channel"]["member_count"] >= 201
    example.command("sync-users")  # again: nothing changes
    assert example.app.stored(f"{prefix}-200")["name"] == "Name 200 ✓"


def test_profile(example, regular):
    browser = example.tab
    browser.token()
    reply = browser.post("/profile", name="  New <b>Näme</b> ")
    assert reply.status == 200 and reply.json == {"name": "New <b>Näme</b>", "synced": True}, reply
    assert example.app.stored(regular.id)["name"] == "New <b>Näme</b>"
    text = browser.get("/").body.decode()
    assert "New <b>Näme</b>" in html.unescape(text) and "<b>" not in text
    for bad in ("", "   ", "x" * 101):
        assert browser.post("/profile", name=bad).status == 400
    assert browser.post("/profile", name="é" * 100).status == 200
    assert example.app.stored(regular.id)["name"] == "é" * 100


# ---- signing out ----

def test_logout_ends_chat(example, person):
    browser = example.browser().sign_in(person.id, person.password)
    user = chatter(example, person, browser.token())
    sessions = {transport: user.connect(transport) for transport in ("ws", "longpoll")}
    lobby(user).ok()
    old = dict(browser.cookies)
    reply = browser.post("/logout")
    assert reply.status == 303 and not browser.cookies, reply
    lobby(user).fails(401, 40)
    for transport, session in sessions.items():
        session.expect_closed()
        assert session.final_error["code"] == 40, transport
        assert user.refused(transport).error["code"] == 40
    browser.cookies = old
    assert browser.post("/chat/token").status == 401 and b'type="password"' in browser.get("/").body


def test_logout_in_the_second_of_the_token(example, person):
    for _ in range(20):
        browser = example.browser().sign_in(person.id, person.password)
        wait_until(lambda: time.time() % 1 < 0.1, "a second begins", 3)
        token = browser.token()
        browser.post("/logout")
        after = int(time.time())
        lobby(chatter(example, person, token)).fails(401, 40)
        if claims(token)["iat"] == after:
            return
    raise AssertionError("never within one second")


def test_logout_while_tokens_are_made(example, person):
    """Whatever the session still got, none of it outlives the logout."""
    browser = example.browser().sign_in(person.id, person.password)
    cookies, tokens, is_over = dict(browser.cookies), [browser.token()], threading.Event()

    def ask():
        mine = example.browser()
        mine.cookies = dict(cookies)
        while not is_over.is_set():
            reply = mine.post("/chat/token")
            if reply.status == 401:
                return
            assert reply.status == 200, reply
            tokens.append(reply.json["token"])

    with concurrent.futures.ThreadPoolExecutor() as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            wait_until(lambda: len(tokens) > 8, "tokens")
            assert browser.post("/logout").status == 303
            for one in asking:
                one.result(WAIT)
        finally:
            is_over.set()
    for token in set(tokens):
        lobby(chatter(example, person, token)).fails(401, 40)


def test_signs_in_again_at_once(example, person):
    """A token that is issued in the second of a logout, but after it, works, and ends with the next logout."""
    browser = example.browser().sign_in(person.id, person.password)
    other = example.browser().sign_in(person.id, person.password)
    third = example.browser().sign_in(person.id, person.password)
    first = chatter(example, person, browser.token())
    browser.post("/logout")
    second = chatter(example, person, other.token())
    lobby(first).fails(401, 40)
    lobby(second).ok()
    other.post("/logout")
    lobby(second).fails(401, 40)
    last = chatter(example, person, third.token())
    lobby(last).ok()
    last.connect()


# ---- without Beck ----

def test_while_beck_is_away(example, person):
    browser = example.browser().sign_in(person.id, person.password)
    user = chatter(example, person, browser.token())
    example.box.mode = "drop"
    example.box.cut()
    try:
        late = example.browser().sign_in(person.id, person.password)
        assert late.get("/").status == 200
        reply = late.post("/chat/token")
        assert reply.status == 503 and reply.json == {"error": "Chat is not available at the moment."}, reply
        reply = late.post("/profile", name="Changed Meanwhile")
        assert reply.status == 200 and reply.json == {"name": "Changed Meanwhile", "synced": False}, reply
        assert browser.post("/logout").status == 303 and browser.post("/chat/token").status == 401
    finally:
        example.box.mode = "pass"
    assert "Beck: " in example.log() and example.app.secret not in example.log()
    lobby(user).ok()  # Beck does not know yet
    example.command("sync-users")
    assert example.app.stored(person.id)["name"] == "Changed Meanwhile"
    lobby(user).fails(401, 40)
    lobby(chatter(example, person, late.token())).ok()


def test_a_form_of_negative_length_holds_nobody(example):
    """Read as "until the end", it would hold a thread for as long as the caller likes."""
    with socket.create_connection(("127.0.0.1", example.port), timeout=WAIT) as s:
        s.sendall(b"POST /login HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                  b"Content-Length: -1\r\n\r\n" % (f"127.0.0.1:{example.port}".encode(), f"http://127.0.0.1:{example.port}".encode()))
        answer = s.recv(65536)
    assert answer == b"" or int(answer.split(b" ")[1]) >= 400, answer
