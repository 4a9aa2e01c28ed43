"""Everything at once, for the thread sanitizer: sessions of both kinds that come, go and resume, senders, readers, settings that
change, figures and a second application, all on several loops at the same time. What was acknowledged must be there at the end;
what the sanitizer sees ends the server, and with it this test."""
import os
import random
import threading
import time

from beck import ConnectRefused, uid

SECONDS = float(os.environ.get("BECK_STORM_SECONDS", "20"))


class Person(threading.Thread):
    def __init__(self, user, channels, until, seed):
        super().__init__(daemon=True)
        self.user, self.channels, self.until, self.rng = user, channels, until, random.Random(seed)
        self.session, self.sent, self.wrong, self.acts = None, [], None, 0

    def run(self):
        acts = [self.come, self.come, self.send, self.send, self.send, self.read, self.type, self.watch, self.query, self.leave, self.drop,
                self.unwatch, self.edit]
        try:
            while time.monotonic() < self.until:
                self.rng.choice(acts)()
                self.acts += 1
        except Exception as wrong:  # the test tells
            self.wrong = wrong

    def come(self):
        if self.session is None or self.session.is_closed:
            more = {"resume": True}
            if self.session is not None and self.session.payload.get("resume"):
                more["resume_from"] = {"connection_id": self.session.id, "seq": self.session.last_seq,
                                       "watch": [c.cid for c in self.channels[:2]]}
            if self.rng.random() < 0.3:
                more = {}
            try:
                self.session = self.user.connect(self.rng.choice(["ws", "longpoll"]), **more)
            except ConnectRefused as refusal:
                assert refusal.error["code"] in (9, 40), refusal  # too many, or revoked meanwhile

    def on_session(self, call):
        """What a session that has just gone is refused with is no matter here."""
        if self.session is None:
            return
        reply = call(self.session)
        assert reply.status in (200, 201, 400), reply

    def watch(self):
        path = self.rng.choice(self.channels).path
        self.on_session(lambda s: self.user.post(f"{path}/query", {"watch": True, "state": True, "presence": True}, query={"connection_id": s.id}))

    def unwatch(self):
        self.on_session(lambda s: self.user.stop_watching(s, self.rng.choice(self.channels)))

    def send(self):
        channel = self.rng.choice(self.channels)
        self.sent.append((channel.cid, self.user.send(channel, f"by {self.user.id}", id=uid("m"))["id"]))

    def edit(self):
        if self.sent:
            self.user.put(f"/messages/{self.rng.choice(self.sent)[1]}", {"set": {"n": self.acts}}).ok(200)

    def read(self):
        self.user.read(self.rng.choice(self.channels))

    def type(self):
        self.user.event(self.rng.choice(self.channels), "typing.start").ok(201)

    def query(self):
        self.user.post("/channels", {"filter_conditions": {"members": {"$in": [self.user.id]}}, "state": True}).ok()
        self.user.unread()

    def leave(self):
        if self.session is not None and not self.session.is_closed:
            self.session.close()

    def drop(self):
        if self.session is not None:
            self.session.drop()


class Operator(threading.Thread):
    """The server side, meanwhile."""

    def __init__(self, app, people, until):
        super().__init__(daemon=True)
        self.app, self.people, self.until, self.wrong, self.rounds = app, people, until, None, 0

    def run(self):
        try:
            while time.monotonic() < self.until:
                self.round()
                self.rounds += 1
        except Exception as wrong:
            self.wrong = wrong

    def round(self):
        api, guest = self.app.api, self.app.user("passer-by")
        api.get("/beck/usage").ok()
        assert api.get("/beck/metrics").status == 200
        api.patch("/app", {"reminders_interval": 60 + self.rounds % 100}).ok(200)
        api.patch("/users", {"users": [{"id": self.rng_person().id, "set": {"invisible": self.rounds % 2 == 0}}]}).ok(200)
        api.post(f"/users/{guest.id}/deactivate", {}).ok()
        api.delete(f"/users/{guest.id}").ok(200)
        session = guest = None
        if self.rounds % 5 == 0:
            guest = self.app.user("short")
            session = guest.connect()
            api.patch("/users", {"users": [{"id": guest.id, "set": {"revoke_tokens_issued_before": "2000-01-01T00:00:00Z"}}]}).ok(200)
            session.drop()
        if self.rounds % 10 == 0:
            self.app.server.new_app()

    def rng_person(self):
        return self.people[self.rounds % len(self.people)].user


def test_everything_at_once(spawn):
    server = spawn()
    app = server.main
    users = app.users(6)
    channels = [app.channel(*users) for _ in range(4)]
    until = time.monotonic() + SECONDS
    people = [Person(user, channels, until, seed) for seed, user in enumerate(users * 2)]
    threads = [*people, Operator(app, people, until)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + 120)
    assert server.is_alive(), server.log_tail()
    wrong = [thread.wrong for thread in threads if thread.wrong]
    assert not wrong, wrong[0]
    for thread in threads:
        assert not thread.is_alive()
    sent = [message for person in people for message in person.sent]
    for channel in channels:
        mine = [id for cid, id in sent if cid == channel.cid]
        for at in range(0, len(mine), 100):
            ids = mine[at:at + 100]
            found = app.api.get(f"{channel.path}/messages", query={"ids": ",".join(ids)}).ok(200)["messages"]
            assert [m["id"] for m in found] == ids
    assert len(sent) > 20 and all(person.acts > 5 for person in people)
