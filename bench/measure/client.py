"""The C library: its size, and what it does over one client."""
import json, os, re, statistics, subprocess

from measure.beckd import KEY, SECRET, Beckd, http_text, token
from measure.load import load_http
from measure.processes import BIN, ROOT, run_program

LIBRARY = os.path.join(ROOT, "build/lib/libbeck.so.0")


def sections():
    """Bytes of the library's sections by name."""
    out = subprocess.run(["size", "-A", LIBRARY], check=True, stdout=subprocess.PIPE).stdout.decode()
    return {name: int(n) for name, n in re.findall(r"^(\.\S+)\s+(\d+)", out, re.M)}


def program(what, s, user, *args):
    scheme = "https" if s.is_tls else "http"
    return json.loads(run_program([f"{BIN}/bench_client", what, f"{scheme}://{s.addr}", KEY, user, token(user_id=user), *map(str, args)]))


CHATTERS = 50


def chatter(s, clients, seconds, rate):
    """Whole clients in one channel, by the tool that users have; it fails when a message was refused or not delivered to all."""
    out = subprocess.run([f"{BIN}/beck", "load", "--json", "--clients", str(clients), "--seconds", str(seconds), "--rate", str(rate), "messaging:load"],
                         check=True, stdout=subprocess.PIPE, env={**os.environ, "BECK_URL": f"http://{s.addr}", "BECK_API_KEY": KEY, "BECK_API_SECRET": SECRET})
    return json.loads(out.stdout)


def middle(rounds, what, percentile):
    return statistics.median(r[what][percentile] for r in rounds)


def client(report):
    size = sections()
    unwind = size.get(".eh_frame", 0) + size.get(".eh_frame_hdr", 0)
    report.add("libbeck: code and constants", "<= 128 KiB", f"{(size['.text'] + size['.rodata']) / 1024:.0f} KiB",
               f"and {unwind / 1024:.0f} KiB of unwind tables; libcurl and libyyjson are the system's", "size -A build/lib/libbeck.so.0")
    s = Beckd()
    s.make_users(["u0", "u1"])
    s.make_channel("c0", ["u0", "u1"], "u1")
    rounds = [program("memory", s, "u0", 40) for _ in range(report.rounds)]
    report.add("libbeck: memory per idle client", "<= 16 KiB beside TLS and curl", f"{statistics.median(r['bytes_each'] for r in rounds) / 1024:.1f} KiB",
               f"{statistics.median(r['rss_each'] for r in rounds) / 1024:.0f} KiB with curl's own, no TLS", f"{s.how}; bench_client memory .. 40")
    rounds = [program("connect", s, "u0", 200) for _ in range(report.rounds)]
    report.add("libbeck: from nothing to the first event", "", f"p50 {statistics.median(r['p50_ms'] for r in rounds):.1f} ms",
               f"p99 {statistics.median(r['p99_ms'] for r in rounds):.1f} ms", f"{s.how}; bench_client connect .. 200")
    rounds = [program("requests", s, "u0", 6) for _ in range(report.rounds)]
    report.add("libbeck: calls over one client, 32 at once", "", f"{statistics.median(r['at_once'] for r in rounds):,.0f}/s",
               f"{statistics.median(r['one_by_one'] for r in rounds):,.0f}/s one by one", f"{s.how}; bench_client requests .. 6")
    rounds = [chatter(s, CHATTERS, 5, 100) for _ in range(report.rounds)]
    report.add(f"libbeck: {CHATTERS} clients, 100 messages a second in one channel", "",
               f"delivered p50 {middle(rounds, 'deliver_ms', 'p50'):.1f} ms, p99 {middle(rounds, 'deliver_ms', 'p99'):.1f} ms",
               f"acknowledged p50 {middle(rounds, 'acknowledge_ms', 'p50'):.1f} ms, p99 {middle(rounds, 'acknowledge_ms', 'p99'):.1f} ms; from the call on, "
               "all clients on the server's machine", f"{s.how}; beck load --clients {CHATTERS} --seconds 5 --rate 100 ..")
    recovered = []
    for n in range(report.rounds):
        state = f"{s.dir}/state-{n}"
        program("leave", s, "u0", state, "c0")
        text = http_text("POST", "/channels/messaging/c0/message", s.addr, {"message": {"text": "missed, of ordinary length"}}, token(user_id="u1"))
        sent = 0
        while sent < 1000:
            load = load_http(s.addr, [text], 8, 0.2)
            sent += int(load["per_second"] * 0.2)
        recovered.append(program("recover", s, "u0", state))
    each = [r["ms"] * 1000 / r["messages"] for r in recovered]
    report.add("libbeck: recovery of 1,000 missed messages", "", f"{statistics.median(each):.0f} ms",
               f"scaled from {', '.join(str(r['messages']) for r in recovered)}", f"{s.how}; bench_client leave; bench_client recover")
    s.stop()
