"""Starting, requests, messages, queries."""
import json, os, statistics, tempfile

from measure.beckd import Beckd, http_text, in_threads, token
from measure.load import load_http
from measure.peers import Baseline
from measure.processes import BENCH_DIR, BIN, run_program

TEXT = "A message of ordinary length, as people write them, number @@@@@@@@@@@@@@@@ of many more."


def start(report):
    times, rss = [], []
    for _ in range(5):
        s = Beckd()
        times.append(s.start_s * 1000)
        rss.append(s.rss() / 2**20)
        s.stop()
    report.add("start to ready, empty folder", "<= 100 ms", f"{statistics.median(times):.0f} ms", how=f"{s.how}, five times")
    report.add("memory of an empty server (anonymous RSS)", "<= 20 MiB", f"{statistics.median(rss):.1f} MiB", how=f"{s.how}, five times")
    report.add("size of beckd", "<= 6 MiB", f"{os.path.getsize(BIN + '/beckd') / 2**20:.2f} MiB", how="build/bin/beckd")


def get(report):
    ratios, ours, bare = [], [], []
    s, b = Beckd("--loops", "1"), Baseline()
    s.make_users(["u0"])
    tok = token(user_id="u0")
    for _ in range(report.rounds):
        o = load_http(s.addr, [http_text("GET", "/app", s.addr, tok=tok)], 64, 3)
        x = load_http(b.addr, [http_text("GET", "/app", b.addr, tok=tok)], 64, 3)
        ours.append(o["per_second"]), bare.append(x["per_second"]), ratios.append(o["per_second"] / x["per_second"])
    report.add("cheap authenticated GET, 64 connections, 1 loop", ">= 0.7 x bare loop", f"{statistics.median(ratios):.2f} x",
               f"{statistics.median(ours):,.0f}/s beside {statistics.median(bare):,.0f}/s", f"{s.how}; {b.how}; {o['how']}")
    s.stop(), b.stop()


def send_texts(s, channels, users):
    return [http_text("POST", f"/channels/messaging/{c}/message", s.addr, {"message": {"text": TEXT}}, token(user_id=u))
            for c in channels for u in users(c)]


def sqlite_commits(seconds=4, senders=64):
    """-> rows per second of the bare group commit, how"""
    with tempfile.TemporaryDirectory(prefix="beck-bench-", dir=BENCH_DIR) as d:
        r = json.loads(run_program([f"{BIN}/bench_sqlite_commit", d, str(seconds), str(senders)]))
    return r["per_second"], f"bench_sqlite_commit DIR {seconds} {senders}"


def send(report):
    ratios, ours, bare, p99, half = [], [], [], [], []
    s = Beckd()
    s.make_users([f"u{i}" for i in range(128)])
    for i in range(64):
        s.make_channel(f"c{i}", [f"u{2 * i}", f"u{2 * i + 1}"], f"u{2 * i}")
    texts = send_texts(s, [f"c{i}" for i in range(64)], lambda c: [f"u{2 * int(c[1:])}"])
    for _ in range(report.rounds):
        o = load_http(s.addr, texts, 64, 5)
        x, bare_how = sqlite_commits()
        ours.append(o["per_second"]), bare.append(x), ratios.append(o["per_second"] / x)
        p99.append(o["p99_us"] / 1000)
        h = load_http(s.addr, texts, 64, 5, rate=o["per_second"] / 2)
        half.append(h["p99_us"] / 1000)
    report.add("durable message send, 64 senders", ">= 0.7 x bare group commit", f"{statistics.median(ratios):.2f} x",
               f"{statistics.median(ours):,.0f}/s beside {statistics.median(bare):,.0f}/s; p99 {statistics.median(p99):.1f} ms at full load",
               f"{s.how}; {o['how']}; {bare_how}")
    report.add("durable message send at half of that load", "p99 <= 25 ms", f"{statistics.median(half):.1f} ms",
               "open loop, from when a send was due", f"{s.how}; {h['how']}")
    s.stop()


def big_channel(report):
    n = 5_000 if report.is_quick else 100_000
    s = Beckd()
    users = [f"u{i}" for i in range(n)]
    s.make_users(users)
    s.make_channel("big", users, "u0")
    s.make_channel("small", ["u0", "u1"], "u0")
    costs = {"big": [], "small": []}
    for _ in range(report.rounds):
        for c in ("small", "big"):
            o = load_http(s.addr, send_texts(s, [c], lambda c: ["u0"]), 1, 3)
            costs[c].append(o["p50_us"])
    big, small = statistics.median(costs["big"]), statistics.median(costs["small"])
    report.add(f"send into a channel of {n:,} members beside one of 2", "<= 2 x", f"{big / small:.2f} x",
               f"{big / 1000:.2f} ms beside {small / 1000:.2f} ms", f"{s.how}; {o['how']}")
    s.stop()


def query(report):
    s = Beckd()
    users = [f"u{i}" for i in range(100)]
    s.make_users(users)
    def work(t):
        for c in range(t, 60, 4):
            s.make_channel(f"c{c}", users, "u0")
            for m in range(30):
                s.call("POST", f"/channels/messaging/c{c}/message", {"message": {"text": f"message {m} of this channel", "user_id": users[m % 100]}})
    in_threads(4, work)
    text = http_text("POST", "/channels", s.addr, {"filter_conditions": {"members": {"$in": ["u0"]}}, "sort": [{"field": "last_message_at", "direction": -1}],
                     "limit": 30, "message_limit": 25, "member_limit": 100, "state": True}, token(user_id="u0"))
    p = [load_http(s.addr, [text], 1, 3) for _ in range(report.rounds)]
    report.add("query channels, 30 x 25 messages, 100 members each", "p50 <= 5 ms", f"{statistics.median(x['p50_us'] for x in p) / 1000:.2f} ms",
               f"p99 {statistics.median(x['p99_us'] for x in p) / 1000:.2f} ms", f"{s.how}; {p[0]['how']}")
    s.stop()
