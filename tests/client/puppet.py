"""The test program `puppet` (puppet.c), pulled from Python: libbeck from outside, in a process of its own."""
import json
import os
import pathlib
import queue
import subprocess
import threading
import time

from beck import SANITIZER, WAIT

ROOT = pathlib.Path(__file__).resolve().parents[2]
PUPPET = os.environ.get("PUPPET", str(ROOT / "build/dev/bin/puppet"))
DISCONNECTED, CONNECTING, CONNECTED, RECONNECTING = range(4)
WEBSOCKET, LONGPOLL = 1, 2


class Failed(Exception):
    def __init__(self, answer):
        super().__init__(str(answer))
        self.answer = answer
        self.result, self.code, self.message = answer["result"], answer["code"], answer["message"]


class Puppet:
    def __init__(self, url, key, env=None, **options):
        options = {"base_url": url, **options}
        argv = [PUPPET, f"key={key}", *(f"{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in options.items())]
        env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:quarantine_size_mb=16", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
               "TSAN_OPTIONS": "halt_on_error=1", "NO_PROXY": "", **(env or {})}
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        self.events, self.answers, self.logs, self.asks = [], {}, [], []
        self.changed = threading.Condition()
        self._n = 0
        self._errors = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self._stderr = b""
        self._err_thread = threading.Thread(target=self._read_errors, daemon=True)
        self._err_thread.start()

    def _read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            with self.changed:
                if "event" in said:
                    self.events.append(said["event"])
                elif "log" in said:
                    self.logs.append(said["log"])
                elif "ask" in said:
                    self.asks.append(said)
                else:
                    self.answers[said["n"]] = said
                self.changed.notify_all()

    def _read_errors(self):
        self._stderr = self.process.stderr.read()

    # ---- commands ----

    def begin(self, do, **args):
        self._n += 1
        self.process.stdin.write(json.dumps({"n": self._n, "do": do, **args}).encode() + b"\n")
        self.process.stdin.flush()
        return self._n

    def wait(self, n, timeout=WAIT):
        answer = self.until(lambda: self.answers.get(n), f"answer {n}", timeout)
        if answer["result"] != "BECK_OK":
            raise Failed(answer)
        return answer

    def do(self, what, timeout=WAIT, **args):
        return self.wait(self.begin(what, **args), timeout)

    def fails(self, what, timeout=WAIT, **args):
        try:
            answer = self.do(what, timeout, **args)
        except Failed as failed:
            return failed
        raise AssertionError(f"{what} did not fail: {answer}")

    def connect(self, user, timeout=WAIT, **fields):
        """user: one of the test library, with a valid token."""
        return self.do("connect", timeout, user={"id": user.id, **fields}, token=user.token)

    def state(self):
        return self.do("state")

    # ---- waiting ----

    def until(self, condition, what, timeout=WAIT):
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                value = condition()
                if value:
                    return value
                left = deadline - time.monotonic()
                assert left > 0 and self.process.poll() is None, \
                    f"{what}: not within {timeout} s; status {self.process.poll()}\n" + "\n".join(self.logs[-20:]) + f"\n{self.events[-5:]}" + \
                    self._stderr.decode(errors="replace")[-3000:]
                self.changed.wait(min(left, 0.2))

    def expect(self, type, timeout=WAIT, after=0, **fields):
        def find():
            for e in self.events[after:]:
                if e["type"] == type and all(e.get(k) == v for k, v in fields.items()):
                    return e
            return None
        return self.until(find, f"{type} {fields}", timeout)

    def mark(self):
        """Where in the events we are: expect(..., after=mark)."""
        with self.changed:
            return len(self.events)

    def message_ids(self, after=0):
        """Of message.new and its notification, as they came."""
        with self.changed:
            return [e["message"]["id"] for e in self.events[after:] if e["type"] in ("message.new", "notification.message_new")]

    def ids_until(self, wanted, timeout=WAIT):
        """Waits for the message and returns all ids so far."""
        self.until(lambda: wanted in [e["message"]["id"] for e in self.events if "message" in e], f"message {wanted}", timeout)
        return self.message_ids()

    def quit(self):
        """Ends it; no sanitizer may have spoken."""
        if self.process.poll() is None:
            try:
                self.begin("quit")
                self.process.stdin.close()
                self.process.wait(20)
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
                raise AssertionError("the puppet did not end:\n" + "\n".join(self.logs[-20:])) from None
        self._err_thread.join(5)
        said = self._stderr.decode(errors="replace")
        assert not SANITIZER.search(self._stderr), said[-6000:]
        assert self.process.returncode == 0, f"status {self.process.returncode}\n{said[-6000:]}"

    def kill(self):
        self.process.kill()
        self.process.wait()
