"""Programs that stand beside beckd in the fan-out: each gets what is published to every subscriber, in its own protocol. None knows
users, rights, unread counts or privacy, and none keeps a message."""
import os, shutil, subprocess

from measure.beckd import http_text, upgrade_text
from measure.processes import BIN, ROOT, Program, free_port

STAMP = "t=@@@@@@@@@@@@@@@@"
LEAVES_OUT = "stores nothing, knows no users, checks no rights, counts nothing"


class Peer(Program):
    protocol = "ws"          # of the load program
    title = setting = ""     # for the report: what it is; how it is set, and what it leaves out
    burst = 500              # messages of a burst

    def __init__(self, frame_bytes=1024):
        super().__init__()
        self.port = free_port()
        self.addr = f"127.0.0.1:{self.port}"
        self.frame_bytes = frame_bytes
        self.begin()

    @classmethod
    def is_there(cls):
        return True

    def start_ready(self, command, how):
        """A program of ours that takes port and frame size and says when it is ready."""
        self.how = how
        self.start([*command, str(self.port), str(self.frame_bytes)], stdout=subprocess.PIPE)
        assert b"ready" in self.p.stdout.readline(), f"{how} did not start"

    def subscriber(self, name):
        return upgrade_text(name, self.addr)

    def message(self):
        """Posted; what is delivered is padded to frame_bytes by the server."""
        return http_text("POST", "/x", self.addr, {"message": {"text": STAMP + " hello"}})


class Baseline(Peer):
    title, setting, burst = "the bare loop", LEAVES_OUT, 3000

    def begin(self):
        self.start_ready([f"{BIN}/bench_baseline"], "bench_baseline")


class NodePeer(Peer):
    """bench/peers/<script>.js, made of one npm package."""
    script = package = ""

    @classmethod
    def is_there(cls):
        return bool(shutil.which("node")) and os.path.exists(f"{ROOT}/bench/peers/node_modules/{cls.package}")

    def begin(self):
        self.start_ready(["node", f"{ROOT}/bench/peers/{self.script}"], f"node bench/peers/{self.script}")


class NodeWs(NodePeer):
    script, package = "ws.js", "ws"
    title, setting = "node's ws 8", f"compression off; {LEAVES_OUT}"


class SocketIo(NodePeer):
    script, package, protocol = "socketio.js", "socket.io", "socketio"
    title, setting = "socket.io 4", f"WebSocket transport, compression off, in-memory adapter; {LEAVES_OUT}"

    def subscriber(self, name):
        return upgrade_text(name, self.addr, path="/socket.io/").replace(b"?", b"?EIO=4&transport=websocket&", 1)


class Broker(Peer):
    """Of Debian: subscribers by name, and the message is the payload itself."""
    program = ""

    @classmethod
    def path(cls):
        """None when it is not installed."""
        return shutil.which(cls.program, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")

    @classmethod
    def is_there(cls):
        return cls.path() is not None

    def subscriber(self, name):
        return name.encode()

    def message(self):
        return f"{STAMP} hello".ljust(self.frame_bytes).encode()

    config = ""

    def begin(self):
        with open(f"{self.dir}/config", "w") as f:
            f.write(self.config.replace("PORT", str(self.port)))
        self.how = f"{self.program} ({', '.join(l for l in self.config.splitlines() if 'PORT' not in l)})"
        self.start([self.path(), "-c", f"{self.dir}/config"], stdout=self.log(), stderr=subprocess.STDOUT)
        self.await_port(self.port)


class Mosquitto(Broker):
    program, protocol = "mosquitto", "mqtt"
    title, setting = "mosquitto, MQTT 3.1.1", f"persistence off, published at QoS 1, subscribed at QoS 0; {LEAVES_OUT}"
    # No limit on what waits for a slow subscriber: one that drops would be compared with those that do not.
    config = """listener PORT 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_queued_messages 0
max_inflight_messages 0
log_type error
log_dest stderr
"""


class NatsServer(Broker):
    program, protocol = "nats-server", "nats"
    title, setting = "nats-server, core NATS", f"no JetStream, so nothing is persisted; publishers verbose; {LEAVES_OUT}"
    config = """listen: "127.0.0.1:PORT"
ping_interval: "1h"
write_deadline: "60s"
"""


ALL = [NodeWs, SocketIo, Mosquitto, NatsServer]
