"""A server that speaks just enough of the contract to be believed, and then misbehaves as a test says. Raw sockets: every byte is ours."""
import base64
import hashlib
import json
import socket
import struct
import threading

HELLO = {"type": "health.check", "connection_id": "c-1", "cid": "*", "created_at": "2026-01-01T00:00:00Z",
         "me": {"id": "john", "role": "user"}}


def frame(payload, opcode=1, fin=True, rsv=0, masked=False, length=None):
    if isinstance(payload, (dict, list)):
        payload = json.dumps(payload)
    if isinstance(payload, str):
        payload = payload.encode()
    n = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    mask = 0x80 if masked else 0
    if n < 126:
        head += bytes([mask | n])
    elif n < 65536:
        head += bytes([mask | 126]) + struct.pack(">H", n)
    else:
        head += bytes([mask | 127]) + struct.pack(">Q", n)
    return head + (b"\0\0\0\0" if masked else b"") + payload


def http(status, body=b"", reason="X", headers=()):
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def api_error(status, code, message="no", headers=()):
    return http(status, {"code": code, "message": message, "StatusCode": status, "duration": "0.00ms"}, headers=headers)


class Cut(bytes):
    """The first n bytes, then the end of the connection; all of it when there are no more."""

    def __new__(cls, whole, n):
        self = super().__new__(cls, whole[:n])
        self.is_cut = n < len(whole)
        return self


class Request:
    def __init__(self, head, body):
        self.line = head.split(b"\r\n", 1)[0].decode()
        self.method, self.target = self.line.split(" ")[:2]
        self.path = self.target.split("?")[0]
        self.headers = {k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in head.decode("latin-1").split("\r\n")[1:] if ":" in line)}
        self.body = body
        self.is_ws = self.headers.get("upgrade", "").lower() == "websocket"

    def accept(self):
        digest = hashlib.sha1((self.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        return (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
                base64.b64encode(digest) + b"\r\n\r\n")


class Hostile:
    """answer(request, number) -> bytes to write, or None to close; number counts requests from 0. A websocket stays open after its bytes, and what
    the client writes on it is read and thrown away; send(bytes) writes to all that are open."""

    def __init__(self, answer):
        self.answer, self.requests, self.sockets = answer, [], []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()
        for s in self.sockets:
            s.close()

    def send(self, data):
        for s in list(self.sockets):
            try:
                s.sendall(data)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                s, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    more = s.recv(65536)
                    if not more:
                        return
                    data += more
                head, data = data.split(b"\r\n\r\n", 1)
                request = Request(head, b"")
                length = int(request.headers.get("content-length", 0))
                while len(data) < length:
                    data += s.recv(65536)
                request.body, data = data[:length], data[length:]
                with self._lock:
                    number = len(self.requests)
                    self.requests.append(request)
                out = self.answer(request, number)
                if out is None:
                    return
                is_open = request.is_ws and out.startswith(b"HTTP/1.1 101")
                if is_open:
                    self.sockets.append(s)  # before the client knows
                s.sendall(out)
                if getattr(out, "is_cut", False):
                    return
                if is_open:
                    while s.recv(65536):
                        pass
                    return
        except OSError:
            return
        finally:
            s.close()
