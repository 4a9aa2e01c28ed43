"""One event to 1,000 who listen: beckd, the bare loop, and other programs that pass messages on, in turns."""
import statistics

from measure import peers
from measure.beckd import Beckd, http_text, token, upgrade_text
from measure.load import Subscribers

N, SINGLE, BURST, PUBLISHERS = 1000, 200, 3000, 64


class Runner:
    """A server with its subscribers, and what its rounds gave."""

    def __init__(self, server, title, protocol, texts, message, burst, warm=200):
        self.server, self.title, self.message, self.burst_count = server, title, message, burst
        Subscribers(protocol, server.addr, texts[:200]).stop()  # what a server keeps from its first connections is not counted
        server.settle()
        before = server.rss()
        self.subscribers = Subscribers(protocol, server.addr, texts)
        server.settle()
        self.idle_bytes = (server.rss() - before) / len(texts)
        self.frame_bytes = self.subscribers.fan(message, 4, 1)["frame_bytes"]
        self.subscribers.fan(message, warm, 16)
        self.single, self.burst = [], []
        self.how = f"{server.how}; {self.subscribers.how}; "

    def measure(self, count, publishers):
        """-> deliveries per second of the server's processor time, per second of the clock, p99 in ms"""
        before = self.server.cpu()
        r = self.subscribers.fan(self.message, count, publishers)
        return r["deliveries"] / max(self.server.cpu() - before, 0.01), r["per_second"], r["p99_us"] / 1000

    def measure_single(self):
        self.single.append(self.measure(SINGLE, 1))

    def measure_burst(self):
        self.burst.append(self.measure(self.burst_count, PUBLISHERS))

    def stop(self):
        self.subscribers.stop()
        self.server.stop()


def median(rounds, figure):
    return statistics.median(r[figure] for r in rounds)


def beckd_runner():
    s = Beckd("--loops", "1")
    users = [f"u{i}" for i in range(N)]
    s.make_users(users)
    s.make_channel("room", users, "u0")
    head = s.head()
    message = http_text("POST", "/channels/messaging/room/message", s.addr, {"message": {"text": peers.STAMP + " hello"}}, token(user_id="u0"))
    return Runner(s, "beckd", "ws", [upgrade_text(u, s.addr, resume=(head, ["messaging:room"])) for u in users], message, BURST)


def peer_runner(peer, frame_bytes):
    server = peer(frame_bytes)
    r = Runner(server, peer.title, peer.protocol, [server.subscriber(f"u{i}") for i in range(N)], server.message(), peer.burst)
    assert r.frame_bytes == frame_bytes, (peer.title, r.frame_bytes)
    return r


def report_beckd(report, ours, bare):
    pairs = list(zip(ours.single, bare.single))
    single, burst = f"{ours.how}fan {SINGLE} 1", f"{ours.how}fan {BURST} {PUBLISHERS}"
    report.add(f"fan-out 1 -> 1,000 watchers, {ours.frame_bytes:,} bytes, one at a time: deliveries per CPU second", ">= 0.9 x bare epoll+writev",
               f"{statistics.median(o[0] / b[0] for o, b in pairs):.2f} x", f"{median(ours.single, 0):,.0f} beside {median(bare.single, 0):,.0f}", single)
    report.add("delivery latency 1 -> 1,000, durable, one at a time", "p99 <= 20 ms", f"{median(ours.single, 2):.1f} ms",
               f"bare, not durable: {median(bare.single, 2):.1f} ms", single)
    report.add("fan-out burst, 64 senders: deliveries per CPU second", ">= 500,000", f"{median(ours.burst, 0):,.0f}",
               f"{median(ours.burst, 1):,.0f}/s by the clock; bare {median(bare.burst, 0):,.0f} and {median(bare.burst, 1):,.0f}/s", burst)


def report_row(report, r, setting):
    report.add(f"fan-out 1 -> 1,000 through {r.title}", "beside each other", f"{median(r.single, 0):,.0f} single, {median(r.burst, 0):,.0f} burst per CPU second",
               f"p99 {median(r.single, 2):.1f} ms single, {median(r.burst, 2):.1f} ms burst; {median(r.burst, 1):,.0f}/s by the clock; "
               f"{r.idle_bytes / 1024:.1f} KiB per idle subscriber; {setting}",
               f"{r.how}fan {SINGLE} 1, fan {r.burst_count} {PUBLISHERS}")


def fanout(report):
    ours = beckd_runner()
    bare = peer_runner(peers.Baseline, ours.frame_bytes)
    others = [peer_runner(p, ours.frame_bytes) for p in peers.ALL if p.is_there()]
    for _ in range(report.rounds):
        for r in (ours, bare, *others):
            r.measure_single()
        for r in (ours, bare, *others):
            r.measure_burst()
    report_beckd(report, ours, bare)
    report_row(report, ours, "stores each message before it is sent on, checks rights, counts unread, heeds privacy")
    for r in (bare, *others):
        report_row(report, r, r.server.setting)
    for p in peers.ALL:
        if not p.is_there():
            report.add(f"fan-out 1 -> 1,000 through {p.title}", "beside each other", "not installed", "tools/install-deps bench installs it")
    for r in (ours, bare, *others):
        r.stop()
