"""PITFALLS.md: one test for each line that concerns the server, named after the line. The lines about client libraries alone
(token provider, several sockets from one client, closing the fallback before the token is forgotten) are tested with those."""
import select
import socket
import threading
import time


from beck import ConnectRefused, format_time, limit, now_us, uid, wait_until


def messages(session):
    return [e["message"]["id"] for e in session.settle() if e["type"] in ("message.new", "notification.message_new")]


def gone_and_back(session, transport="ws", watch=(), **changed):
    session.drop()
    return session.user.connect(transport, resume=True, resume_from={**session.resume_from(watch), **changed})


def test_after_a_reconnect_all_channels_recover_not_only_the_first_30(app, transport):
    ann, bob = app.users(2)
    channels = [app.channel(ann, bob) for _ in range(70)]
    session = ann.connect(transport, resume=True)
    session.drop()
    sent = [channel.send(bob)["id"] for channel in channels]
    back = ann.connect(transport, resume=True, resume_from=session.resume_from())
    assert messages(back) == sent


def test_catch_up_above_1000_events_is_paged_not_refused(app, transport):
    ann, crowd = app.user(), [u.id for u in app.users(100)]
    channel = app.channel(ann)
    session = ann.connect(transport, resume=True)
    ann.watch(session, channel)
    session.drop()
    for number in range(12):
        app.api.post(channel.path, {"remove_members" if number % 2 else "add_members": crowd}).ok(201)
    back = ann.connect(transport, resume=True, resume_from=session.resume_from([channel]))
    assert back.first.get("resumed") is True
    assert len([e for e in back.settle() if e["type"].startswith("member.")]) == 1200


def test_catch_up_over_255_channels_is_not_refused(app):
    ann = app.user()
    channels = [app.channel(ann) for _ in range(260)]
    session = ann.connect(resume=True)
    session.drop()
    bob = app.user("bob")
    sent = [channel.send(bob)["id"] for channel in channels]
    back = ann.connect(resume=True, resume_from=session.resume_from())
    assert messages(back) == sent


def test_a_gap_is_said_never_silent(app, transport):
    session = app.user().connect(transport, resume=True)
    assert gone_and_back(session, transport, seq=10**15).first.get("gap") is True


def test_channels_joined_while_offline_are_in_the_catch_up(app, transport):
    ann, bob = app.users(2)
    session = ann.connect(transport, resume=True)
    session.drop()
    channel = app.channel(bob, ann)
    sent = channel.send(bob)["id"]
    back = ann.connect(transport, resume=True, resume_from=session.resume_from())
    events = back.settle()
    assert [e["type"] for e in events if e.get("cid") == channel.cid] == ["notification.added_to_channel", "notification.message_new"]
    assert events[-1]["message"]["id"] == sent


def test_recovery_survives_a_server_restart(spawn, transport):
    server = spawn()
    ann, bob = server.main.users(2)
    channel = server.main.channel(ann, bob)
    session = ann.connect(transport, resume=True)
    session.drop()
    sent = [channel.send(bob)["id"]]
    server.restart()
    sent.append(channel.send(bob)["id"])
    back = ann.connect(transport, resume=True, resume_from=session.resume_from())
    assert messages(back) == sent


def test_a_storm_of_reconnects_is_served(spawn):
    """All clients come back at once after a restart: each gets its missed events, and the server stays responsive."""
    server = spawn()
    app = server.main
    users = app.users(120)
    channel = app.channel(*users)
    sessions = [u.connect(resume=True) for u in users]
    server.restart()
    sent = channel.send(app.user("bob"))["id"]
    back, errors = [], []

    def come_back(part):
        for session in part:
            try:
                back.append(session.user.connect(resume=True, resume_from=session.resume_from()))
            except Exception as failure:  # collected, judged below
                errors.append(failure)
    threads = [threading.Thread(target=come_back, args=(sessions[n::12],)) for n in range(12)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors and len(back) == len(users) and time.monotonic() - started < 30
    for session in back:
        assert session.expect("notification.message_new")["message"]["id"] == sent


def test_recovery_works_when_no_event_came_before_the_drop(app, transport):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session = ann.connect(transport, resume=True)
    session.drop()
    sent = channel.send(bob)["id"]
    assert messages(ann.connect(transport, resume=True, resume_from=session.resume_from())) == [sent]


def test_a_resume_that_fails_does_not_poison_the_next_connect(app, transport):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    for place in ({"connection_id": "x", "seq": "not a number"}, {"connection_id": "x" * 300, "seq": -5}, {"seq": 10**30}):
        try:
            ann.connect(transport, resume=True, resume_from=place)
        except ConnectRefused as refusal:
            assert refusal.error["code"] == 4
    session = ann.connect(transport, resume=True)
    ann.watch(session, channel)
    bob.send(channel)
    session.expect("message.new")


def test_a_retried_send_never_fails_with_already_exists(app):
    ann = app.user()
    channel, message = app.channel(ann), {"id": uid("retry"), "text": "x", "mentioned_users": [], "attachments": [], "color": "red"}
    first = ann.post(f"{channel.path}/message", {"message": message}).ok(201)["message"]
    for _ in range(3):
        assert ann.post(f"{channel.path}/message", {"message": message}).ok(201)["message"]["created_at"] == first["created_at"]
    assert channel.texts() == ["x"]


def test_a_retried_send_after_edit_or_deletion_sends_nothing_again(app):
    ann = app.user()
    channel, message = app.channel(ann), {"id": uid("retry"), "text": "x"}
    ann.post(f"{channel.path}/message", {"message": message}).ok(201)
    ann.delete(f"/messages/{message['id']}").ok(200)
    ann.post(f"{channel.path}/message", {"message": message})
    assert len(channel.state()["messages"]) == 1 and channel.state()["messages"][0]["type"] == "deleted"


def test_no_duplicate_messages_after_reconnects(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session, seen, sent = ann.connect(resume=True), [], []
    for number in range(8):
        sent.append(bob.send(channel)["id"])
        if number % 2:
            session.expect("notification.message_new", where=lambda e: e["message"]["id"] == sent[-1])
            seen += [sent[-2], sent[-1]]
        session = gone_and_back(session, ("ws", "longpoll")[number % 4 // 2]) if number % 2 else session
    assert messages(session) == [] and seen == sent


def test_an_expired_token_is_said_before_anything_is_done(app, transport):
    user = app.as_user(uid("late"))
    user.token = app.token(user.id, exp=int(time.time()) - 1)
    user.refused(transport).fails(401, 40)
    assert app.stored(user.id) is None


def test_several_sockets_of_one_client_are_bounded(app):
    user = app.user()
    for _ in range(limit("CONNS_PER_USER")):
        user.connect()
    user.refused().fails(429, 9)


def test_unread_counts_agree_everywhere(app):
    """Derived in one place; the property test against a naive recount is in test_unread.py."""
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session = bob.connect()
    sent = [ann.send(channel) for _ in range(4)]
    ann.delete(f"/messages/{sent[1]['id']}").ok(200)
    bob.read(channel, message_id=sent[0]["id"])
    ann.send(channel)
    last = [e for e in session.settle() if "total_unread_count" in e][-1]
    assert last["total_unread_count"] == bob.unread()["total_unread_count"] == bob.connect().me["total_unread_count"] == channel.read_of(bob)["unread_messages"] == 3


def test_the_fallback_knows_every_event_type_and_loses_none_when_switching(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session = ann.connect("ws", resume=True)
    ann.watch(session, channel)
    sent = []
    for number in range(6):
        session.drop()
        sent.append(bob.send(channel, str(number))["id"])
        session = ann.connect(("longpoll", "ws")[number % 2], resume=True, resume_from=session.resume_from([channel]))
        assert session.expect("message.new")["message"]["id"] == sent[-1]
        bob.event(channel, "typing.start").ok(201)
        session.expect("typing.start")
        bob.event(channel, "any_new_type").ok(201)
        session.expect("any_new_type")
    session.expect_none("message.new")


def test_every_frame_is_json_errors_included(app):
    user = app.user()
    user.token = "rubbish"
    refusal = user.refused()  # frames are parsed as JSON on the way
    assert list(refusal.frames[0]) == ["error"]


def test_hidden_read_state_is_hidden_from_others_not_only_from_oneself(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session = ann.connect(resume=True)
    ann.watch(session, channel)
    bob.update(privacy_settings={"read_receipts": {"enabled": False}})
    ann.send(channel)
    bob.read(channel)
    session.expect_none("message.read")
    since = format_time(now_us() - 60_000_000)
    assert channel.read_of(bob, ann) is None and channel.read_of(bob, bob)["unread_messages"] == 0
    listed, = ann.post("/channels", {"filter_conditions": {"cid": channel.cid}}).ok()["channels"]
    assert [r["user"]["id"] for r in listed["read"]] == [ann.id]
    assert not [e for e in ann.post("/sync", {"channel_cids": [channel.cid], "last_sync_at": since}).ok()["events"] if e["type"] == "message.read" and e["user"]["id"] == bob.id]
    back = gone_and_back(session, watch=[channel], seq=session.first["seq"])
    assert not [e for e in back.settle() if e["type"] == "message.read"]


def test_deactivated_users_receive_nothing_more(app, transport):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session = bob.connect(transport)
    bob.watch(session, channel)
    app.api.post(f"/users/{bob.id}/deactivate").ok(201)
    ann.send(channel, "after")
    session.expect_closed()
    assert not [e for e in session.received if e["type"] == "message.new"]


def test_recovery_is_not_rate_limited(app):
    ann = app.user()
    session = ann.connect(resume=True)
    for number in range(70):  # more than 60 a minute
        session = gone_and_back(session)
    assert session.first.get("resumed") is True


def test_memory_is_flat_over_many_sessions_and_messages(app):
    """The short form of the soak: what came and went leaves nothing behind."""
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)

    def round_of_use():
        for transport in ("ws", "longpoll") * 10:
            session = ann.connect(transport, resume=True)
            ann.watch(session, channel)
            bob.send(channel, "x" * 1000)
            session.expect("message.new")
            session.close()
    round_of_use()
    before = app.server.rss_bytes()
    for _ in range(4):
        round_of_use()
    assert app.server.rss_bytes() - before < 24 << 20


def test_a_config_reload_kills_no_session(spawn):
    import signal
    server = spawn()
    ann, bob = server.main.users(2)
    channel = server.main.channel(ann, bob)
    sessions = [ann.connect("ws"), ann.connect("longpoll")]
    for session in sessions:
        ann.watch(session, channel)
    server.process.send_signal(signal.SIGHUP)
    bob.send(channel, "still here")
    for session in sessions:
        session.expect("message.new")


def test_starts_from_an_empty_folder_on_port_0(spawn):
    servers = [spawn() for _ in range(2)]
    assert servers[0].port != servers[1].port
    for server in servers:
        assert server.main.user().connect()


def test_acknowledged_writes_survive_a_kill(spawn):
    server = spawn()
    ann = server.main.user()
    channel = server.main.channel(ann)
    for _ in range(3):
        sent = [ann.send(channel)["id"] for _ in range(5)]
        server.kill9()
        server.start()
        assert [m["id"] for m in channel.state()["messages"]][-5:] == sent


def test_an_unknown_format_is_refused_never_reset(spawn):
    """A store of a later version: the server says so and leaves it as it is."""
    import sqlite3
    import subprocess
    from beck import BECKD
    server = spawn()
    server.main.users(3)
    server.stop()
    store, = [p for p in server.data.rglob("*") if p.is_file() and p.read_bytes()[:15] == b"SQLite format 3"]
    base = sqlite3.connect(store)
    tables = {t for t, in base.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    version = base.execute("PRAGMA user_version").fetchone()[0]
    base.execute(f"PRAGMA user_version={version + 1000}")
    if "meta" in tables:
        base.execute("UPDATE meta SET value='999999' WHERE key LIKE '%version%' OR key LIKE '%schema%' OR key LIKE '%migration%'")
    base.commit()
    base.close()
    before = store.read_bytes()
    out = subprocess.run([BECKD, "--listen", "127.0.0.1:0", "--data", str(server.data), "--api-key", server.key],
                         env={"BECK_API_SECRET": server.secret, "PATH": "/usr/bin:/bin"}, capture_output=True, timeout=20, check=False)
    assert out.returncode != 0 and b"ready" not in out.stdout and out.stderr
    assert store.read_bytes() == before


def test_a_session_that_is_closed_is_offline_for_all(app):
    ann = app.user()
    session = ann.connect()
    session.drop()
    wait_until(lambda: app.stored(ann.id)["online"] is False, "offline")


def test_a_cheap_read_does_not_wait_behind_a_slow_one(spawn):
    """Readers wake each other sparingly; one at work on a long query is not counted on. By order of the answers, not by time."""
    app = spawn("--readers", "4", "--loops", "1").main
    for at in range(0, 15000, 100):
        users = {f"u{n}": {"id": f"u{n}", "k": "x" * 300} for n in range(at, at + 100)}
        app.api.post("/users", {"users": users}).ok()
    filters = {"slow": {"$or": [{f"no{n}": {"$eq": "x"}} for n in range(18)]}, "cheap": {"id": "u2"}}
    user = app.as_user("u1")
    asked = {name: f"GET {user.target('/users', payload={'filter_conditions': f, 'limit': 1})} HTTP/1.1\r\nHost: x\r\nAuthorization: {user.token}\r\n"
                   f"Stream-Auth-Type: jwt\r\n\r\n".encode() for name, f in filters.items()}
    with socket.create_connection((app.server.host, app.server.port)) as slow, socket.create_connection((app.server.host, app.server.port)) as cheap:
        for turn in range(20):
            for name in ("slow", "cheap") if turn % 2 else ("cheap", "slow"):
                (slow if name == "slow" else cheap).sendall(asked[name])
            first, _, _ = select.select([slow, cheap], [], [], 20)
            assert first == [cheap]
            assert cheap.recv(65536).startswith(b"HTTP/1.1 200")
            assert slow.recv(65536).startswith(b"HTTP/1.1 200")
