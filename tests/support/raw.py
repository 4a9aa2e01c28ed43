"""Bytes on a socket: HTTP as a broken or hostile client writes it, and WebSocket frames built by hand."""
import base64
import json
import os
import socket
import struct
import time
import urllib.parse

from beck import WAIT, Reply, connect_query


class RawHttp:
    """One TCP connection. `send` writes bytes as they are, `reply` reads one response by its own framing."""

    def __init__(self, server, timeout=WAIT, receive_buffer=None):
        self.server, self.timeout = server, timeout
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)  # before connecting, or it has no effect
        self.socket.connect((server.host, server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)
        return self

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.pending += data

    def _until(self, mark):
        while mark not in self.pending:
            self._more()
        head, _, self.pending = self.pending.partition(mark)
        return head

    def _exactly(self, n):
        while len(self.pending) < n:
            self._more()
        data, self.pending = self.pending[:n], self.pending[n:]
        return data

    def reply(self, method="GET"):
        """Raises EOFError when the server closed instead."""
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, _ = (head[0] + "  ").split(" ", 2)
        assert version == "HTTP/1.1", head[0]
        headers = Headers()
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), value.strip())
        status = int(status)
        if status == 100:
            return self.reply(method)
        if method == "HEAD" or status in (204, 304) or status == 101:
            body = b""
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while True:
                size = int(self._until(b"\r\n").split(b";")[0], 16)
                body += self._exactly(size)
                self._until(b"\r\n")
                if size == 0:
                    break
        else:
            body = self._exactly(int(headers.get("content-length", "0")))
        return Reply(status, headers, body, "raw")

    def is_closed(self, timeout=None):
        """True when the server ends the connection within the time, whatever it still sends."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while True:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except socket.timeout:
                return False
            except OSError:
                return True
            if not data:
                return True
            self.pending += data

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Headers(dict):
    def get(self, name, default=None):
        return super().get(name.lower(), default)

    def __getitem__(self, name):
        return super().__getitem__(name.lower())

    def __contains__(self, name):
        return super().__contains__(name.lower())


def request_bytes(client, method, path, body=b"", headers=None, query=None, payload=None):
    """A well-formed request of this caller as bytes, to be spoiled or sent in pieces."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {client.target(path, query, payload)} HTTP/1.1", "Host: localhost"]
    lines += [f"{k}: {v}" for k, v in {**client.headers(), **(headers or {})}.items()]
    if method in ("POST", "PUT", "PATCH") and not any(k.lower() in ("transfer-encoding", "content-length") for k in headers or {}):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# ---- WebSocket ----

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, mask=None, length=None, length_bytes=None):
    """One client frame. `length` lies about the payload length; `length_bytes` 0/2/8 forces its encoding."""
    payload = payload.encode() if isinstance(payload, str) else payload
    n = len(payload) if length is None else length
    if length_bytes is None:
        length_bytes = 0 if n < 126 else 2 if n < 65536 else 8
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0x80 if masked else 0
    head = {0: lambda: bytes([first, bit | n]), 2: lambda: bytes([first, bit | 126]) + struct.pack(">H", n),
            8: lambda: bytes([first, bit | 127]) + struct.pack(">Q", n)}[length_bytes]()
    if not masked:
        return head + payload
    mask = os.urandom(4) if mask is None else mask
    return head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload))


def close_payload(code, reason=b""):
    return struct.pack(">H", code) + reason


class RawWebSocket(RawHttp):
    """A WebSocket whose every byte the test writes. After open() the first health.check has been read."""

    def __init__(self, user, payload=None, headers=None, timeout=WAIT, receive_buffer=None):
        super().__init__(user.server, timeout, receive_buffer)
        self.user = user
        self.payload = {"user_id": user.id, "user_details": {"id": user.id}} if payload is None else payload
        self.extra = headers or {}

    def handshake_bytes(self, drop=(), **replace):
        headers = {"Host": "localhost", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                   "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(), **self.extra}
        headers.update({k.replace("_", "-"): v for k, v in replace.items()})
        for name in drop:
            headers.pop(name)
        target = "/connect?" + urllib.parse.urlencode(connect_query(self.user, self.payload))
        return (f"GET {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n").encode()

    def open(self):
        self.send(self.handshake_bytes())
        self.answer = self.reply()
        assert self.answer.status == 101, self.answer
        self.first = self.event()
        assert self.first.get("type") == "health.check" and "me" in self.first, self.first
        self.id = self.first["connection_id"]
        return self

    def read_frame(self):
        """(opcode, payload) of the next server frame; asserts that it is final, unmasked and without reserved bits."""
        first, second = self._exactly(2)
        assert first & 0x80, "the server never fragments"
        assert not first & 0x70, "reserved bits without an extension"
        assert not second & 0x80, "server frames are not masked"
        n = second & 0x7F
        if n == 126:
            n, = struct.unpack(">H", self._exactly(2))
            assert n > 125
        elif n == 127:
            n, = struct.unpack(">Q", self._exactly(8))
            assert n > 65535
        return first & 0x0F, self._exactly(n)

    def event(self):
        """The next text frame as JSON; pings are answered on the way, pongs passed over."""
        while True:
            opcode, payload = self.read_frame()
            if opcode == PING:
                self.send(frame(PONG, payload))
            elif opcode == TEXT:
                return json.loads(payload)
            elif opcode != PONG:
                raise AssertionError(f"opcode {opcode} {payload!r} instead of text")

    def frame_of(self, opcode):
        """The payload of the next frame of this opcode, whatever stands before it."""
        while True:
            got, payload = self.read_frame()
            if got == opcode:
                return payload
            assert got != CLOSE, f"closed with {payload!r} instead of opcode {opcode}"

    def closed_with(self):
        """Reads to the end: the code of the server's close frame, None when it just hung up."""
        code = None
        try:
            while True:
                opcode, payload = self.read_frame()
                if opcode == CLOSE:
                    code = struct.unpack(">H", payload[:2])[0] if payload else 1005
                    payload[2:].decode("utf-8")
                    self.send(frame(CLOSE, payload))
        except (EOFError, OSError) as end:
            assert not isinstance(end, socket.timeout), "the server did not close"
            return code

    def is_healthy(self):
        """The connection still works: a health check is answered."""
        self.send(frame(TEXT, HEALTH))
        event = self.event()
        return event["type"] == "health.check" and event["connection_id"] == self.id and "me" not in event


HEALTH = json.dumps([{"type": "health.check", "client_id": "raw"}])
