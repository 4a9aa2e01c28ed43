"""kill -9 at random moments under load. What was acknowledged is there exactly once, in order; what was not can be retried with
the same id; sessions that resume get every event once and in order. BECK_KILL_ROUNDS sets the number of kills (default 3)."""
import collections
import http.client
import os
import random
import threading
import time

from beck import uid, wait_until

ROUNDS = int(os.environ.get("BECK_KILL_ROUNDS", "3"))
SEED = int(os.environ.get("BECK_KILL_SEED", "0")) or random.randrange(1, 10**6)
GONE = (OSError, http.client.HTTPException)


class Writer(threading.Thread):
    """Sends with ids of its own until the server is gone; remembers what was acknowledged and what is in doubt."""

    def __init__(self, user, channels, seed):
        super().__init__(daemon=True)
        self.user, self.channels, self.rng = user, channels, random.Random(seed)
        self.acknowledged = collections.defaultdict(list)  # cid -> messages as answered, in the order they were sent
        self.in_doubt = None
        self.wrong = None

    def message(self):
        return {"id": uid("m"), "text": f"text {self.rng.random()}", "n": self.rng.randrange(1000)}

    def post(self, channel, message):
        return self.user.post(f"{channel.path}/message", {"message": message})

    def run(self):
        while True:
            channel, message = self.rng.choice(self.channels), self.message()
            try:
                reply = self.post(channel, message)
            except GONE:
                self.in_doubt = channel, message
                return
            if reply.status == 201:
                self.acknowledged[channel.cid].append(reply.json["message"])
            elif reply.status != 503:
                self.wrong = reply
                return

    def settle_doubt(self):
        """The retry is answered with the one stored message, whether the first attempt got through or not."""
        if self.in_doubt is None:
            return
        channel, message = self.in_doubt
        first, second = (self.post(channel, message).ok(201)["message"] for _ in range(2))
        assert first["created_at"] == second["created_at"] and first["text"] == message["text"]
        self.acknowledged[channel.cid].append(first)
        self.in_doubt = None


class Counter(threading.Thread):
    """Sets a rising number in a channel's data."""

    def __init__(self, app, channel):
        super().__init__(daemon=True)
        self.app, self.channel, self.sure, self.tried = app, channel, 0, 0

    def run(self):
        try:
            while True:
                self.tried = self.sure + 1
                if self.app.api.patch(self.channel.path, {"set": {"counter": self.tried}}).status == 200:
                    self.sure = self.tried
        except GONE:
            return


class Watcher:
    """A resuming session, now over this transport, now over that; collects events by position."""

    def __init__(self, user, channels, transport):
        self.user, self.channels = user, channels
        self.session = user.connect(transport, resume=True)
        user.watch(self.session, *channels)
        self.events = []

    def collect(self):
        self.events += [e for e in self.session.received if "seq" in e]

    def come_back(self, transport):
        self.collect()
        last = max([e["seq"] for e in self.events], default=self.session.first["seq"])
        place = {**self.session.resume_from(watch=self.channels), "seq": last}
        self.session = self.user.connect(transport, resume=True, resume_from=place)
        assert self.session.first.get("resumed") is True, self.session.first

    def messages(self, channel):
        return [e["message"]["id"] for e in self.events if e["type"] == "message.new" and e["cid"] == channel.cid]


def stored_in(channel):
    """All messages of a channel, oldest first."""
    out, page = [], channel.state(messages={"limit": 300})["messages"]
    while page:
        out = page + out
        page = channel.state(messages={"limit": 300, "id_lt": page[0]["id"]})["messages"]
    return out


def is_subsequence(part, whole):
    rest = iter(whole)
    return all(item in rest for item in part)


def test_random_kills_lose_nothing_repeat_nothing_and_keep_the_order(spawn):
    print(f"BECK_KILL_SEED={SEED}")
    rng = random.Random(SEED)
    server = spawn()
    app = server.main
    people, readers = app.users(5, "writer"), app.users(3, "reader")
    channels = [app.channel(*people, *readers) for _ in range(3)]
    watchers = [Watcher(r, channels, t) for r, t in zip(readers, ("ws", "longpoll", "ws"))]
    history = collections.defaultdict(list)  # (writer, cid) -> ids in the order acknowledged
    counted = 0
    for number in range(ROUNDS):
        writers = [Writer(u, channels, rng.random()) for u in people]
        counter = Counter(app, channels[0])
        counter.sure = counted
        for thread in (*writers, counter):
            thread.start()
        enough = rng.randrange(1, 60)
        wait_until(lambda: sum(len(m) for w in writers for m in w.acknowledged.values()) >= enough, "load", timeout=60)
        time.sleep(rng.random() * 0.7)  # the moment of the kill is meant to be random
        server.kill9()
        for thread in (*writers, counter):
            thread.join(30)
            assert not thread.is_alive()
        server.start()
        for writer in writers:
            assert writer.wrong is None, writer.wrong
            writer.settle_doubt()
            for cid, messages in writer.acknowledged.items():
                history[writer.user.id, cid] += messages
        value = channels[0].state()["channel"].get("counter", 0)
        assert value in (counter.sure, counter.tried), "an acknowledged update is lost, or half of one is there"
        counted = value
        for at, watcher in enumerate(watchers):
            watcher.session.drop()
            watcher.come_back(("ws", "longpoll")[(number + at) % 2])
        for channel in channels:
            stored = stored_in(channel)
            ids = [m["id"] for m in stored]
            assert len(ids) == len(set(ids)), "a message is there twice"
            by_id = {m["id"]: m for m in stored}
            for (who, cid), messages in history.items():
                if cid != channel.cid:
                    continue
                for message in messages:
                    there = by_id.get(message["id"])
                    assert there, f"acknowledged message {message['id']} is lost"
                    assert (there["text"], there["n"], there["created_at"]) == (message["text"], message["n"], message["created_at"])
                assert is_subsequence([m["id"] for m in messages], ids), f"order of {who} in {cid}"
            assert channel.state()["channel"]["message_count"] == len(ids)
            times = [m["created_at"] for m in stored]
            assert times == sorted(times)
    for watcher in watchers:
        kind = app.marker(watcher.user.id)
        watcher.session.until(kind, timeout=60)
        watcher.collect()
        positions = [e["seq"] for e in watcher.events]
        assert positions == sorted(set(positions)), "events repeated or out of order"
        for channel in channels:
            assert watcher.messages(channel) == [m["id"] for m in stored_in(channel)], "a watcher missed or invented messages"
    for reader in readers:
        unread = {c["channel_id"]: c["unread_count"] for c in reader.unread()["channels"]}
        assert unread == {c.cid: len(stored_in(c)) for c in channels if stored_in(c)}


def test_kills_while_sessions_come_and_go(spawn):
    rng = random.Random(SEED + 1)
    server = spawn()
    app = server.main
    users = app.users(8)
    for _ in range(max(2, ROUNDS // 2)):
        stop = threading.Event()

        def come_and_go(user, transport):
            while not stop.is_set():
                try:
                    user.connect(transport, {"mood": uid("mood")}).drop()
                except Exception:  # whatever a dying server does to a connect
                    if not server.is_alive():
                        return
        threads = [threading.Thread(target=come_and_go, args=(u, t), daemon=True) for u in users for t in ("ws", "longpoll")]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(app.sessions) > 10, "sessions")
        time.sleep(rng.random() * 0.5)
        server.process.kill()
        stop.set()
        for thread in threads:
            thread.join(60)
        server.kill9()
        server.start()
        for user in users:
            shown = app.stored(user.id)
            assert shown["online"] is False and shown["role"] == "user"
            assert user.connect(resume=True).me["id"] == user.id
        app.close()
        app.sessions.clear()


def test_kills_during_the_start_leave_a_good_store(spawn):
    rng = random.Random(SEED + 2)
    server = spawn()
    ann = server.main.user()
    channel = server.main.channel(ann)
    sent = [ann.send(channel)["id"] for _ in range(20)]

    def try_to_start():
        try:
            server.start()
        except AssertionError:
            pass  # killed before it was ready, as is meant
    for _ in range(max(3, ROUNDS)):
        server.kill9()
        starting = threading.Thread(target=try_to_start)
        starting.start()
        process = wait_until(lambda: server.process, "the process exists")
        time.sleep(rng.random() * 0.4)
        process.kill()
        starting.join(40)
        process.wait()
        server.check_log()
        server.start()
        assert [m["id"] for m in channel.state()["messages"]] == sent
