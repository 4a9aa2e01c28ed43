"""What test_io_curl.c talks to: HTTP, byte streams, the same over TLS, a proxy and a peer that never speaks, all on loopback.
Prints one line "name=value ..." with the ports and files, and ends with its standard input."""
import email.utils
import gzip
import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

proxied = 0


class Peer:
    def __init__(self, sock):
        self.sock, self.rest = sock, b""

    def fill(self):
        part = self.sock.recv(65536)
        self.rest += part
        return bool(part)

    def until(self, mark):
        while mark not in self.rest:
            if not self.fill():
                return None
        head, self.rest = self.rest.split(mark, 1)
        return head

    def exactly(self, n):
        while len(self.rest) < n:
            if not self.fill():
                return None
        body, self.rest = self.rest[:n], self.rest[n:]
        return body

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# ---- streams: the first line says what ----

def echo(peer):
    peer.sock.sendall(peer.rest)
    sizes, i = (1, 70001, 13, 4096, 16385), 0
    while part := peer.sock.recv(65536):
        while part:  # back in odd pieces
            n = sizes[i := (i + 1) % len(sizes)]
            peer.sock.sendall(part[:n])
            part = part[n:]


def flood(peer):
    """1 MiB at once, and then nothing: what TLS has read must not stay there."""
    peer.sock.sendall(bytes(i % 251 for i in range(1 << 20)))
    peer.sock.recv(1)


def bye(peer):
    peer.sock.sendall(b"bye")


def rst(peer):
    peer.reset()


def deaf(peer):
    """Does not read, but notices when the other side has ended."""
    time.sleep(20)


def tell_end(peer):
    """Tells the next connection that this one was ended by the other side."""
    ends.append(peer.sock.recv(1))


ends = []
STREAMS = {b"ECHO": echo, b"FLOOD": flood, b"BYE": bye, b"RST": rst, b"DEAF": deaf, b"END": tell_end}


# ---- HTTP ----

def answer(peer, status="200 OK", body=b"", *headers):
    head = "".join(f"{h}\r\n" for h in (f"Content-Length: {len(body)}", *headers))
    peer.sock.sendall(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)


def special(peer, path):
    """Answers that are none. True: this connection is over."""
    if path == "/slow":
        time.sleep(20)
    elif path == "/garbage":
        peer.sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" * 20)
    elif path == "/half":
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    elif path == "/reset":
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        time.sleep(0.05)
        peer.reset()
    elif path == "/empty":
        pass
    elif path.startswith("/endless"):
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            peer.sock.sendall(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
    elif path == "/bytewise":
        for b in b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello":
            peer.sock.sendall(bytes([b]))
            time.sleep(0.001)
    else:
        return False
    return True


def request(peer, head, number):
    lines = head.decode().split("\r\n")
    method, path, _ = lines[0].split(" ")
    headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
    body = peer.exactly(int(headers.get("content-length", "0")))
    if body is None or special(peer, path):
        return False
    if path == "/echo":
        seen = f"{method}|{headers.get('x-one', '')}|{headers.get('content-type', '')}|{headers.get('expect', '')}|".encode()
        answer(peer, "200 OK", seen + body)
    elif path == "/connection":
        answer(peer, "200 OK", str(number).encode())
    elif path == "/upload":
        part_head, part = body.split(b"\r\n\r\n", 1)
        part = part.rsplit(b"\r\n--", 1)[0]
        answer(peer, "201 Created", part_head.split(b"\r\n", 1)[1] + b"|%d|%d" % (len(part), sum(part) % 65521))
    elif path == "/gzip":
        answer(peer, "200 OK", gzip.compress(b"g" * 100000), "Content-Encoding: gzip")
    elif path == "/bomb":
        answer(peer, "200 OK", gzip.compress(b"\0" * (16 << 20)), "Content-Encoding: gzip")
    elif path.startswith("/size/"):
        answer(peer, "200 OK", b"s" * int(path[6:]))
    elif path == "/redirect":
        answer(peer, "302 Found", b"elsewhere", "Location: /echo")
    elif path == "/busy":
        answer(peer, "503 Service Unavailable", b"busy", "Retry-After: 7")
    elif path == "/busy-until":
        answer(peer, "429 Too Many Requests", b"", "Retry-After: " + email.utils.formatdate(time.time() + 30, usegmt=True))
    elif path == "/busy-for-ever":
        answer(peer, "503 Service Unavailable", b"", "Retry-After: 99999999")
    elif path == "/proxied":
        answer(peer, "200 OK", str(proxied).encode())
    elif path == "/ends":
        for _ in range(100):
            if ends:
                break
            time.sleep(0.02)
        answer(peer, "200 OK", b"ended" if ends == [b""] else b"open")
    else:
        answer(peer, "404 Not Found", b"none")
    return True


numbers = iter(range(1, 1 << 30))


def serve(sock, context):
    try:
        if context:
            sock = context.wrap_socket(sock, server_side=True)
        peer, number = Peer(sock), next(numbers)
        if not peer.fill():
            return
        if peer.rest[0] == 0x16:  # TLS where there is none
            answer(peer, "400 Bad Request")
            return
        for word, stream in STREAMS.items():
            if peer.rest.startswith(word + b"\n"):
                peer.rest = peer.rest[len(word) + 1:]
                stream(peer)
                return
        while (head := peer.until(b"\r\n\r\n")) is not None and request(peer, head, number):
            pass
    except (OSError, ssl.SSLError):
        pass
    finally:
        sock.close()


# ---- proxy ----

def copy(a, b):
    try:
        while part := a.recv(65536):
            b.sendall(part)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def proxy(sock, _):
    global proxied
    peer = Peer(sock)
    head = peer.until(b"\r\n\r\n")
    if not head:
        return
    method, target, _ = head.decode().split("\r\n")[0].split(" ")
    if method != "CONNECT" or target.startswith("forbidden"):
        answer(peer, "403 Forbidden", b"no", "Connection: close")
        sock.close()
        return
    proxied += 1
    host, port = target.rsplit(":", 1)
    other = socket.create_connection((host, int(port)))
    sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    threading.Thread(target=copy, args=(other, sock), daemon=True).start()
    copy(sock, other)


# ---- what never speaks, and what breaks off ----

kept = []


def silent(sock, _):
    kept.append(sock)


def abrupt(sock, _):
    """A box that lets TLS begin and then cuts."""
    sock.recv(100)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def listen(handler, extra=None):
    server = socket.create_server(("127.0.0.1", 0), backlog=200)

    def accept():
        while True:
            sock, _ = server.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=handler, args=(sock, extra), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    return server.getsockname()[1]


def make_certificate(folder):
    key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def main():
    with tempfile.TemporaryDirectory() as folder:
        context, cert = make_certificate(folder)
        ports = {"plain": listen(serve), "tls": listen(serve, context), "proxy": listen(proxy), "silent": listen(silent),
                 "abrupt": listen(abrupt), "closed": closed_port()}
        print(*(f"{k}={v}" for k, v in ports.items()), f"ca={cert}", flush=True)
        sys.stdin.read()


main()
