"""The load program (bench/load)."""
import json, os, subprocess

from measure.processes import BIN, Program, run_program


def framed(texts):
    return b"".join(f"{len(t)}\n".encode() + t for t in texts)


def load_http(addr, texts, conns, seconds, rate=0):
    """-> its figures; `how` among them. No request may fail."""
    options = ["--conns", str(conns), "--seconds", str(seconds)] + (["--rate", f"{rate:.0f}"] if rate else [])
    r = json.loads(run_program([f"{BIN}/bench_load", "http", addr, *options], input=framed(texts)))
    assert r["errors"] == 0, r
    return r | {"how": " ".join(["load http", *options])}


class Subscribers(Program):
    """Open connections held by the load program, one per text, in one of its protocols."""

    def __init__(self, protocol, addr, texts, parallel=256, tls=False):
        super().__init__()
        options = ["--parallel", str(parallel)] + (["--tls"] if tls else [])
        self.how = " ".join(["load", protocol, *options])
        self.count = len(texts)
        commands, self.w = os.pipe()
        self.start([f"{BIN}/bench_load", protocol, addr, *options, "--commands", str(commands)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                   pass_fds=[commands])
        os.close(commands)
        self.p.stdin.write(framed(texts))
        self.p.stdin.close()
        self.opened = self.answer()

    def answer(self):
        line = self.p.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.how} ended with status {self.p.wait()}")
        return json.loads(line)

    def fan(self, message, count, publishers):
        """`count` messages to all; one publisher waits until everybody has it before the next. -> figures; `how` among them."""
        os.write(self.w, f"fan {count} {publishers} {len(message)}\n".encode() + message)
        r = self.answer()
        assert r["deliveries"] == count * self.count, r
        return r | {"how": f"fan {count} {publishers}"}

    def stop(self):
        if self in Program.running:
            os.close(self.w)  # which it takes as the end
        super().stop()
