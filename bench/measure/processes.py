"""Programs that a figure needs. Whatever happens, `end_all` ends those still there."""
import os, re, shutil, signal, socket, subprocess, tempfile, time

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BIN = os.path.join(ROOT, "build/bin")
BENCH_DIR = os.environ.get("BENCH_DIR")  # whose disk is measured; None: wherever temporary files go


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Program:
    """A program that runs until `stop`, with a folder of its own."""
    running = []
    how = ""  # the command as a reader may repeat it: without folders, ports and tokens

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="beck-bench-", dir=BENCH_DIR)
        self.p = None
        Program.running.append(self)

    def start(self, command, **popen):
        self.p = subprocess.Popen(command, **popen)

    def log(self):
        return open(f"{self.dir}/log", "w")

    def await_port(self, port, seconds=20):
        """Until it listens."""
        end = time.monotonic() + seconds
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                if self.p.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{self.how} does not listen: {open(f'{self.dir}/log').read()[-2000:]}")
                time.sleep(0.02)

    def rss(self):
        """Bytes of anonymous memory."""
        return int(re.search(r"RssAnon:\s+(\d+)", open(f"/proc/{self.p.pid}/status").read())[1]) * 1024

    def cpu(self):
        """Seconds of processor time so far, of all threads."""
        f = open(f"/proc/{self.p.pid}/stat").read().rsplit(") ", 1)[1].split()
        return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")

    def settle(self):
        """Until memory and processor time stand still."""
        seen = None
        while seen != (seen := (self.rss(), self.cpu())):
            time.sleep(0.7)

    def stop(self):
        if self in Program.running:
            Program.running.remove(self)
        if self.p and self.p.poll() is None:
            self.p.terminate()
            try:
                self.p.wait(20)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def end_all():
    while Program.running:
        Program.running[-1].stop()


def end_on_signals():
    """SIGTERM and SIGHUP go the way of an exception, past everything that cleans up."""
    def leave(number, frame):
        raise SystemExit(128 + number)
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, leave)


def run_program(command, **options):
    """-> what it prints; it must succeed."""
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, **options).stdout.decode()
