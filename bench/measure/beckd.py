"""A beckd of our own on loopback, and the world in it: tokens, users, channels."""
import base64, hashlib, hmac, http.client, json, os, ssl, subprocess, threading, time, urllib.parse

from measure.processes import BIN, Program

KEY, SECRET = "benchkey", "bench-secret"


def b64(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def token(**claims):
    head = b64(b'{"alg":"HS256","typ":"JWT"}') + "." + b64(json.dumps(claims, separators=(",", ":")).encode())
    return head + "." + b64(hmac.new(SECRET.encode(), head.encode(), hashlib.sha256).digest())


SERVER_TOKEN = token(server=True)


class Beckd(Program):
    def __init__(self, *args, tls=False):
        super().__init__()
        self.is_tls = tls
        self.how = " ".join(["beckd", *args] + (["--tls-cert .. --tls-key .."] if tls else []))
        if tls:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                            "-subj", "/CN=localhost", "-keyout", f"{self.dir}/key", "-out", f"{self.dir}/cert"], check=True, stderr=subprocess.DEVNULL)
            args += ("--tls-cert", f"{self.dir}/cert", "--tls-key", f"{self.dir}/key")
        begun = time.monotonic()
        self.start([f"{BIN}/beckd", "--listen", "127.0.0.1:0", "--data", f"{self.dir}/data", "--api-key", KEY, "--http-log=false", *args],
                   stdout=subprocess.PIPE, stderr=self.log(), env={**os.environ, "BECK_API_SECRET": SECRET})
        line = self.p.stdout.readline().decode()
        self.start_s = time.monotonic() - begun
        assert "ready" in line, open(f"{self.dir}/log").read()
        self.port = int(line.rsplit(":", 1)[1])
        self.addr = f"127.0.0.1:{self.port}"
        self.local = threading.local()

    def call(self, method, path, body=None, tok=SERVER_TOKEN, query=""):
        if not hasattr(self.local, "c"):
            self.local.c = (http.client.HTTPSConnection("127.0.0.1", self.port, context=ssl._create_unverified_context()) if self.is_tls
                            else http.client.HTTPConnection("127.0.0.1", self.port))
        self.local.c.request(method, f"{path}?api_key={KEY}{query}", json.dumps(body) if body is not None else None,
                             {"Authorization": tok, "Stream-Auth-Type": "jwt", "Content-Type": "application/json"})
        r = self.local.c.getresponse()
        data = r.read()
        assert r.status < 399, (r.status, path, data[:300])
        return json.loads(data)

    def head(self):
        """The log position that a fresh resumable session is given."""
        q = urllib.parse.urlencode({"authorization": token(user_id="u0"), "stream-auth-type": "jwt",
                                    "json": json.dumps({"user_id": "u0", "user_details": {"id": "u0"}, "resume": True})})
        e = self.call("GET", "/longpoll", tok=token(user_id="u0"), query="&" + q)["event"]
        self.call("GET", "/longpoll", tok=token(user_id="u0"), query=f"&connection_id={e['connection_id']}&close=true")
        return e["seq"]

    def make_users(self, names):
        """With what real users have: a name, an image, custom data, privacy settings."""
        names = list(names)
        def user(n):
            return {"id": n, "name": f"User {n}", "image": f"https://example.org/{n}.jpg", "level": 3,
                    "privacy_settings": {"typing_indicators": {"enabled": True}, "read_receipts": {"enabled": sum(n.encode()) % 2 == 0}}}
        def work(i):
            for at in range(i * 100, len(names), 400):
                self.call("POST", "/users", {"users": {n: user(n) for n in names[at:at + 100]}})
        in_threads(4, work)

    def make_channel(self, cid, members, by):
        self.call("POST", f"/channels/messaging/{cid}/query", {"data": {"members": members[:100], "created_by_id": by, "name": cid}})
        for at in range(100, len(members), 100):
            self.call("POST", f"/channels/messaging/{cid}", {"add_members": members[at:at + 100]})


def in_threads(n, work):
    """work(0) .. work(n-1), at once; what one of them raises is raised here."""
    failed = []
    def guarded(i):
        try:
            work(i)
        except BaseException as e:
            failed.append(e)
    ts = [threading.Thread(target=guarded, args=(i,)) for i in range(n)]
    [t.start() for t in ts]
    [t.join() for t in ts]
    if failed:
        raise failed[0]


def http_text(method, path, host, body=None, tok=SERVER_TOKEN, query=""):
    b = json.dumps(body) if body is not None else ""
    return (f"{method} {path}?api_key={KEY}{query} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {tok}\r\nStream-Auth-Type: jwt\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(b)}\r\n\r\n{b}").encode()


def upgrade_text(user, host, path="/connect", resume=None):
    """resume: the log position and the channels watched. A session resumes its watches as it connects: that is how thousands of
    sockets watch with one request each."""
    payload = {"user_id": user, "user_details": {"id": user}}
    if resume:
        payload |= {"resume": True, "resume_from": {"connection_id": "", "seq": resume[0], "watch": resume[1]}}
    q = urllib.parse.urlencode({"api_key": KEY, "authorization": token(user_id=user), "stream-auth-type": "jwt", "json": json.dumps(payload)})
    return (f"GET {path}?{q} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode()
