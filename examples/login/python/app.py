#!/usr/bin/env python3
"""An app with users and a login of its own, which gives them chat. Python 3.9 or later, nothing else.

  python3 app.py                            serves the app (`application` is WSGI: gunicorn and others serve it too)
  python3 app.py add-users <people.tsv      lines of id, name and password; without a password one cannot sign in
  python3 app.py sync-users                 tells Beck about all users
"""
import base64
import datetime
import hashlib
import hmac
import html
import json
import os
import pathlib
import re
import secrets
import socketserver
import sqlite3
import sys
import time
import urllib.parse
import urllib.request
import wsgiref.simple_server
from http import HTTPStatus, cookies


def env(name, otherwise=None):
    return os.environ.get(name) or otherwise or sys.exit(f"set {name}")


BECK_URL = env("BECK_URL", "http://127.0.0.1:8800")  # from this server to Beck
BECK_PUBLIC_URL = env("BECK_PUBLIC_URL", BECK_URL)  # from browsers to Beck
API_KEY = env("BECK_API_KEY")
API_SECRET = pathlib.Path(env("BECK_API_SECRET_FILE")).read_text().strip().encode()
DATA = pathlib.Path(env("APP_DATA", "app-data"))
SESSION_SECONDS = 12 * 3600


def seconds():
    return int(time.time())


def iso(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---- users: yours are in your database already ----

def database():
    DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
    db = sqlite3.connect(DATA / "app.db", isolation_level=None)
    db.row_factory = sqlite3.Row
    db.executescript("""
        CREATE TABLE IF NOT EXISTS users(id TEXT PRIMARY KEY, name TEXT NOT NULL, password TEXT, tokens_from INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE IF NOT EXISTS sessions(id TEXT PRIMARY KEY, user_id TEXT NOT NULL, ends INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS tries(user_id TEXT PRIMARY KEY, minute INTEGER NOT NULL, n INTEGER NOT NULL);""")
    return db


def hashed(password, salt):
    return hashlib.scrypt(password.encode(), salt=salt, n=16384, r=8, p=5, dklen=32)


def make_password(password):
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{hashed(password, salt).hex()}"


NOBODY = ":" + "0" * 64  # no password fits, and to find out takes as long for a name that does not exist


def check_password(user, password):
    salt, wanted = (bytes.fromhex(part) for part in (user and user["password"] or NOBODY).split(":"))
    return hmac.compare_digest(hashed(password, salt), wanted)


# ---- Beck ----

# quickstart: sign
def sign(claims):
    """A token is a JWT: HS256 with the API secret, which never leaves this server."""
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    text = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (text + b"." + part(hmac.digest(API_SECRET, text, "sha256"))).decode()
# quickstart: end


# quickstart: call
def call_beck(method, path, body):
    token = sign({"server": True, "iat": seconds(), "exp": seconds() + 60})
    headers = {"Authorization": token, "Stream-Auth-Type": "jwt", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{BECK_URL}{path}?api_key={API_KEY}", json.dumps(body).encode(), headers, method=method)
    try:
        urllib.request.urlopen(request, timeout=5).close()
    except urllib.error.HTTPError as error:
        raise OSError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error


def tell_beck(*call):
    """True when Beck did it. The app goes on without Beck: chat is what is missing then, not the app."""
    try:
        call_beck(*call)
        return True
    except OSError as error:
        print(f"Beck: {error}", file=sys.stderr)
        return False
# quickstart: end


# quickstart: users
def put_users(users):
    """At most 100 users at once: who they are, and which channels they are in. Saying it again changes nothing."""
    ids = [u["id"] for u in users]
    call_beck("POST", "/users", {"users": {u["id"]: {"id": u["id"], "name": u["name"]} for u in users}})
    call_beck("POST", "/channels/messaging/lobby/query", {"data": {"created_by_id": ids[0]}})
    call_beck("POST", "/channels/messaging/lobby", {"add_members": ids})


def sync_users(db):
    count, last = 0, ""
    while some := db.execute("SELECT * FROM users WHERE id > ? ORDER BY id LIMIT 100", (last,)).fetchall():
        put_users(some)
        # Sign-outs that Beck was not there to hear of; no token is older than an hour.
        out = [revocation(u["id"], u["tokens_from"]) for u in some if u["tokens_from"] > seconds() - TOKEN_SECONDS]
        if out:
            call_beck("PATCH", "/users", {"users": out})
        count, last = count + len(some), some[-1]["id"]
    print(f"{count} users")
# quickstart: end


# ---- the app's own sessions ----

def session_id(request):
    cookie = cookies.SimpleCookie(request.get("HTTP_COOKIE", "")).get("session")
    return cookie.value if cookie else ""


def session_cookie(value, max_age):
    secure = "; Secure" if BECK_PUBLIC_URL.startswith("https:") else ""  # chat by TLS: then the app is, too
    return f"session={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age}{secure}"


def session_user(db, request):
    return db.execute("SELECT users.* FROM sessions JOIN users ON users.id = user_id WHERE sessions.id = ? AND ends > ?",
                      (session_id(request), seconds())).fetchone()


def may_try(db, user_id):
    """At most ten wrong passwords a minute for one name."""
    minute = seconds() // 60
    db.execute("DELETE FROM tries WHERE minute <> ?", (minute,))
    return db.execute("INSERT INTO tries VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n", (user_id, minute)).fetchone()[0] <= 10


def login(db, request):
    form = read_form(request)
    user_id = form.get("user", "")
    if not may_try(db, user_id):
        return page(429, "login.html", error="Too many attempts. Wait a minute.")
    user = db.execute("SELECT * FROM users WHERE id = ?", (user_id,)).fetchone()
    if not check_password(user, form.get("password", "")):
        return page(401, "login.html", error="Wrong name or password.")
    db.execute("DELETE FROM tries WHERE user_id = ?", (user_id,))
    sid = secrets.token_urlsafe(32)  # always a new one, so that nobody can plant his
    db.execute("DELETE FROM sessions WHERE ends <= ?", (seconds(),))
    db.execute("INSERT INTO sessions VALUES (?, ?, ?)", (sid, user_id, seconds() + SESSION_SECONDS))
    return redirect(session_cookie(sid, SESSION_SECONDS))


# quickstart: logout
def revocation(user_id, tokens_from):
    return {"id": user_id, "set": {"revoke_tokens_issued_before": iso(tokens_from)}}


def logout(db, request):
    user = session_user(db, request)
    if user:
        # Revocation ends tokens with iat < tokens_from, and iat counts whole seconds: tokens of this very second end only if tokens_from
        # is past it. Later tokens, of other sign-ins, are issued as of tokens_from at the earliest: at most a second ahead, which Beck allows.
        db.execute("BEGIN IMMEDIATE")  # one with the end of the session: nobody sees half of it
        db.execute("DELETE FROM sessions WHERE id = ?", (session_id(request),))
        db.execute("UPDATE users SET tokens_from = max(?, tokens_from) + 1 WHERE id = ?", (seconds(), user["id"]))
        tokens_from = db.execute("SELECT tokens_from FROM users WHERE id = ?", (user["id"],)).fetchone()[0]
        db.execute("COMMIT")
        tell_beck("PATCH", "/users", {"users": [revocation(user["id"], tokens_from)]})
    return redirect(session_cookie("", 0))
# quickstart: end


# ---- chat ----

# quickstart: token
TOKEN_SECONDS = 3600


def chat_token(db, request):
    now = seconds()  # before the session is looked at, so that a logout meanwhile comes later
    user = session_user(db, request)
    if not user:
        return answer_json(401, error="Sign in first.")
    try:
        put_users([user])  # new users and what Beck missed while it was away
    except OSError as error:
        print(f"Beck: {error}", file=sys.stderr)
        return answer_json(503, error="Chat is not available at the moment.")
    iat = max(now, user["tokens_from"])
    exp = iat + TOKEN_SECONDS
    return answer_json(200, token=sign({"user_id": user["id"], "iat": iat, "exp": exp}), expires_at=iso(exp))
# quickstart: end


# quickstart: profile
def profile(db, request):
    name = read_form(request).get("name", "").strip()
    user = session_user(db, request)
    if not user:
        return answer_json(401, error="Sign in first.")
    if not 1 <= len(name) <= 100:
        return answer_json(400, error="A name has 1 to 100 characters.")
    db.execute("UPDATE users SET name = ? WHERE id = ?", (name, user["id"]))
    synced = tell_beck("PATCH", "/users", {"users": [{"id": user["id"], "set": {"name": name}}]})
    return answer_json(200, name=name, synced=synced)
# quickstart: end


# ---- pages ----

PAGES = pathlib.Path(__file__).resolve().parent.parent / "page"
BECK_ORIGIN = "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(BECK_PUBLIC_URL))
HEADERS = [
    ("Content-Security-Policy", f"default-src 'none'; script-src 'self' {BECK_ORIGIN}; style-src 'self' {BECK_ORIGIN}; img-src 'self' data: {BECK_ORIGIN}; "
     f"connect-src 'self' {BECK_ORIGIN} {BECK_ORIGIN.replace('http', 'ws', 1)}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "same-origin"), ("Cache-Control", "no-store")]


def answer(status, kind, body=b"", *headers):
    return status, [*HEADERS, ("Content-Type", kind), ("Content-Length", str(len(body))), *headers], body


def answer_json(status, **values):
    return answer(status, "application/json", json.dumps(values).encode())


def redirect(cookie):
    return answer(303, "text/plain", b"", ("Location", "/"), ("Set-Cookie", cookie))


def page(status, file, **values):
    text = re.sub(r"{{(\w+)}}", lambda m: html.escape(values[m[1]]), (PAGES / file).read_text())
    return answer(status, "text/html; charset=utf-8", text.encode())


def home(db, request):
    user = session_user(db, request)
    if not user:
        return page(200, "login.html", error="")
    return page(200, "chat.html", beck_url=BECK_PUBLIC_URL, api_key=API_KEY, user_id=user["id"], name=user["name"])


def read_form(request):
    size = int(request.get("CONTENT_LENGTH") or 0)
    if not 0 <= size <= 10_000:
        raise ValueError("a form of this length is none of ours")
    return dict(urllib.parse.parse_qsl(request["wsgi.input"].read(size).decode()))


def is_from_our_page(request):
    """Browsers say where a POST comes from, and pages of others cannot change that: this is the protection from forged requests."""
    return re.sub("^https?://", "", request.get("HTTP_ORIGIN", "")) == request.get("HTTP_HOST")


ROUTES = {
    ("GET", "/"): home,
    ("GET", "/app.js"): lambda db, request: answer(200, "text/javascript", (PAGES / "app.js").read_bytes()),
    ("GET", "/app.css"): lambda db, request: answer(200, "text/css", (PAGES / "app.css").read_bytes()),
    ("POST", "/login"): login,
    ("POST", "/logout"): logout,
    ("POST", "/chat/token"): chat_token,
    ("POST", "/profile"): profile,
}


def application(request, start):
    route = ROUTES.get((request["REQUEST_METHOD"], request["PATH_INFO"]))
    db = database()
    try:
        if not route:
            status, headers, body = answer(404, "text/plain", b"not found")
        elif request["REQUEST_METHOD"] == "POST" and not is_from_our_page(request):
            status, headers, body = answer_json(403, error="This request comes from another page.")
        else:
            status, headers, body = route(db, request)
    finally:
        db.close()
    start(f"{status} {HTTPStatus(status).phrase}", headers)
    return [body]


def add_users(db):
    db.execute("BEGIN IMMEDIATE")
    for line in sys.stdin.read().splitlines():
        user_id, name, password = (line.split("\t") + [""])[:3]
        db.execute("INSERT INTO users(id, name, password) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name, password = excluded.password",
                   (user_id, name, make_password(password) if password else None))
    db.execute("COMMIT")


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


def main():
    command = sys.argv[1] if len(sys.argv) > 1 else "serve"
    if command == "serve":
        with wsgiref.simple_server.make_server("127.0.0.1", int(env("PORT", "8080")), application, Server) as server:
            print(f"ready http://127.0.0.1:{server.server_port}", flush=True)
            server.serve_forever()
    elif command in ("add-users", "sync-users"):
        {"add-users": add_users, "sync-users": sync_users}[command](database())
    else:
        sys.exit(f"unknown command {command}")


if __name__ == "__main__":
    main()
