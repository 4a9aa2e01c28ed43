"""The node package `ws`, which we have not written, against our codec and our sessions."""
import json
import os
import pathlib
import subprocess
import urllib.parse

import pytest

from beck import BECKD, WAIT, connect_query

PEERS = pathlib.Path(__file__).resolve().parents[1] / "peers"
ECHO = os.environ.get("WS_ECHO", str(pathlib.Path(BECKD).parent / "ws_echo"))


@pytest.fixture(params=[False, True], ids=["plain", "deflate"])
def echo_server(request):
    options = ["--deflate"] if request.param else []
    process = subprocess.Popen([ECHO, "--listen", "127.0.0.1:0", *options], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip().rpartition("url=")[2], options
    finally:
        process.kill()
        process.wait()


def test_node_ws_gets_back_what_it_sends(echo_server):
    url, options = echo_server
    ran = subprocess.run(["node", PEERS / "echo.js", url, *options], stdout=subprocess.PIPE, timeout=60, check=True)
    said = json.loads(ran.stdout)
    assert said["wrong"] == [] and said["done"] == 39


class NodeSession:
    def __init__(self, user):
        query = connect_query(user, {"user_id": user.id, "user_details": {"id": user.id}})
        url = f"ws://{user.app.server.host}:{user.app.server.port}/connect?{urllib.parse.urlencode(query)}"
        self.process = subprocess.Popen(["node", PEERS / "chat.js", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def event(self, kind):
        while line := self.process.stdout.readline():
            event = json.loads(line)
            if event["type"] == kind:
                return event
        raise AssertionError(f"the session ended without {kind}")

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


def test_node_ws_holds_a_session(app):
    ann, bob = app.users(2)
    channel = app.channel(ann, bob)
    session = NodeSession(ann)
    try:
        hello = session.event("health.check")
        assert hello["me"]["id"] == ann.id and hello["connection_id"]
        session.say("health")
        assert session.event("health.check")["connection_id"] == hello["connection_id"]
        sent = [channel.send(bob, text)["id"] for text in ("hello", "ü" * 3000, "👋")]
        assert [session.event("notification.message_new")["message"]["id"] for _ in sent] == sent
        session.say("end")
        assert session.event("closed")["code"] == 1000
        session.process.wait(WAIT)
    finally:
        session.process.kill()
        session.process.wait()
