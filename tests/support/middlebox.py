"""A box between client and server that does what corporate proxies, radio links and broken firewalls do. One TCP port in front of
another; what it does to connections can be changed at any moment.

    mode      pass       everything goes through
              refuse     a WebSocket upgrade is answered with 403, as by a proxy that forbids it
              swallow    an upgrade is taken and never answered
              mute       an upgrade goes through, but nothing of the server comes back after the handshake
              drop       every new connection is closed at once
              stall      nothing moves, on old connections too; nothing is closed
    holds_answers  True: what the server says does not come through, but on WebSockets
    cut()     closes what is open: all, or only WebSockets
    bytewise  True: each byte in a segment of its own"""
import socket
import threading
import time


class Middlebox:
    def __init__(self, host, port):
        self.target = (host, port)
        self.mode, self.bytewise, self.holds_answers = "pass", False, False
        self.seen = []  # first lines of requests that opened a connection
        self.open = []  # [client socket, server socket, is a websocket]
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._is_closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._is_closed = True
        self._listener.close()
        self.cut()

    def cut(self, only_websockets=False):
        with self._lock:
            victims = [c for c in self.open if c[2] or not only_websockets]
        for client, server, _ in victims:
            for s in (client, server):
                self._end(s)
        return len(victims)

    @staticmethod
    def _end(s):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        s.close()

    def _accept(self):
        while not self._is_closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        if self.mode == "drop":
            client.close()
            return
        try:
            first = self._head(client)
            is_ws = b"\r\nupgrade: websocket" in first.lower()
            self.seen.append(first.split(b"\r\n", 1)[0].decode(errors="replace"))
            if is_ws and self.mode == "refuse":
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 9\r\nConnection: close\r\n\r\nforbidden")
                client.close()
                return
            if is_ws and self.mode == "swallow":
                with self._lock:
                    self.open.append([client, client, True])
                while client.recv(4096):
                    pass
                return
            server = socket.create_connection(self.target, 5)
            server.settimeout(None)
        except OSError:
            client.close()
            return
        entry = [client, server, is_ws]
        with self._lock:
            self.open.append(entry)
        try:
            server.sendall(first)
        except OSError:
            pass
        up = threading.Thread(target=self._pump, args=(client, server, False, is_ws), daemon=True)
        up.start()
        self._pump(server, client, True, is_ws)
        up.join()
        with self._lock:
            if entry in self.open:
                self.open.remove(entry)

    @staticmethod
    def _head(client):
        data = b""
        while b"\r\n\r\n" not in data:
            more = client.recv(65536)
            if not more:
                raise OSError("gone")
            data += more
        return data

    def _pump(self, source, sink, is_down, is_ws):
        handshake_over = False
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                while (self.mode == "stall" or (self.holds_answers and is_down and not is_ws)) and not self._is_closed:
                    time.sleep(0.02)
                if is_down and is_ws and self.mode == "mute":
                    if handshake_over:
                        continue
                    handshake_over = True
                    data = data.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n"
                if self.bytewise and is_down:
                    sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    for i in range(len(data)):
                        sink.sendall(data[i:i + 1])
                else:
                    sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            self._end(s)
