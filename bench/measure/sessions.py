"""Many sessions: what an idle one costs, a storm of them, a million of them."""
import json, random, statistics

from measure.beckd import Beckd, in_threads, upgrade_text
from measure.load import Subscribers
from measure.processes import BIN, run_program


def idle_sessions(n, tls=False):
    """-> bytes of anonymous memory per session, with the first message's garbage and caches of the warm-up taken off; seconds to
    open them; how"""
    s = Beckd(tls=tls)
    users = [f"u{i}" for i in range(n)]
    s.make_users(users)
    for at in range(0, n, 100):
        s.make_channel(f"c{at}", users[at:at + 100], users[at])
    Subscribers("ws", s.addr, [upgrade_text(u, s.addr) for u in users[:200]], tls=tls).stop()
    s.settle()
    before = s.rss()
    k = Subscribers("ws", s.addr, [upgrade_text(u, s.addr) for u in users], tls=tls)
    s.settle()
    after = s.rss()
    k.stop()
    s.stop()
    return (after - before) / n, k.opened["seconds"], f"{s.how}; {k.how}"


def idle(report):
    for n, tls, name, target in ((2000 if report.is_quick else 19000, False, "no TLS", "<= 2 KiB"),
                                 (1000 if report.is_quick else 9000, True, "TLS 1.3", "<= 18 KiB")):
        each, seconds, how = idle_sessions(n, tls)
        report.add(f"idle session, {n:,} sockets, {name} (anonymous RSS)", target, f"{each / 1024:.2f} KiB", f"opened in {seconds:.2f} s", how)


def million(report):
    n = 100_000 if report.is_quick else 1_000_000
    for memberships, watched, target in ((50, 1, "<= 2 GiB for 1,000,000"), (20, 10, "reported")):
        options = ["--sessions", str(n), "--memberships", str(memberships), "--watched", str(watched)]
        r = json.loads(run_program([f"{BIN}/bench_sessions", *options]))
        report.add(f"{n:,} sessions in one process, in-memory transports, each with a user, {memberships} memberships and {watched} watched "
                   "(anonymous RSS)", target, f"{r['rss_bytes'] / 2**30:.2f} GiB",
                   f"{r['bytes_per_session']:,} bytes each; opened in {r['opened_seconds']:.0f} s, one health.check for each in "
                   f"{r['beat_seconds']:.1f} s, closed in {r['closed_seconds']:.0f} s", " ".join(["bench_sessions", *options]))


def storm_world(s, users, per_user):
    """Channels of 100 members; each user is in `per_user` of them, and a message in every second one leaves it unread."""
    s.make_users(users)
    of = {u: [] for u in users}
    groups = []
    for layer in range(per_user):
        shuffled = random.Random(layer).sample(users, len(users))
        groups += [shuffled[at:at + 100] for at in range(0, len(users), 100)]
    for g, members in enumerate(groups):
        for m in members:
            of[m].append(f"messaging:g{g}")
    def work(t):
        for g in range(t, len(groups), 4):
            s.make_channel(f"g{g}", groups[g], groups[g][0])
            if g % 2:
                s.call("POST", f"/channels/messaging/g{g}/message", {"message": {"text": "unread", "user_id": groups[g][0]}})
    in_threads(4, work)
    return of


def storm_of(report, n, per_user, tls=False):
    """-> median seconds until the last of n has its health.check: fresh sessions, and resumed ones that watch ten of their channels
    again; how"""
    s = Beckd(tls=tls)
    users = [f"u{i}" for i in range(n)]
    of = storm_world(s, users, per_user)
    head = s.head()
    def again(u):
        return upgrade_text(u, s.addr, resume=(head, random.Random(u).sample(of[u], 10)))
    took = {"fresh": [], "again": []}
    for _ in range(report.rounds):
        for kind, texts in (("fresh", [upgrade_text(u, s.addr) for u in users]), ("again", [again(u) for u in users])):
            k = Subscribers("ws", s.addr, texts, parallel=1000 if tls else n, tls=tls)
            took[kind].append(k.opened["seconds"])
            k.stop()
            s.settle()
    s.stop()
    return statistics.median(took["fresh"]), statistics.median(took["again"]), f"{s.how}; {k.how}"


def storm(report):
    n, per_user = (1000, 10) if report.is_quick else (10000, 50)
    fresh, again, how = storm_of(report, n, per_user)
    report.add(f"{n:,} clients reconnect at once, {per_user} channels each, half unread", "<= 5 s", f"{fresh:.2f} s",
               f"resuming and watching 10 channels each again: {again:.2f} s", how)
    n = 1000 if report.is_quick else 5000
    fresh, again, how = storm_of(report, n, per_user, tls=True)
    report.add(f"{n:,} clients reconnect at once over TLS, the same", "reported", f"{fresh:.2f} s",
               f"watching 10 channels again: {again:.2f} s; the clients' half of the handshakes shares the cores", how)
