"""Messages on their way: pending, sent, failed; in order per channel; once; over lost connections and restarts of the program."""
import json
import subprocess

import pytest

from beck import uid, wait_until
from puppet import PUPPET

pytestmark = pytest.mark.quick
PENDING, FAILED = 0, 1


@pytest.fixture
def ann(app):
    return app.user()


def send(p, channel, text, **more):
    return p.begin("send", type="messaging", id=channel.id, data={"text": text, **more})


def texts(app, channel):
    return [m["text"] for m in app.api.post(f"{channel.path}/query", {"state": True, "messages": {"limit": 100}}).ok()["messages"]]


def test_sent_messages_are_answered_and_told(app, puppet, ann):
    channel, p = app.channel(ann), puppet()
    p.connect(ann)
    answer = p.wait(send(p, channel, "hello"))
    assert answer["reply"]["message"]["text"] == "hello"
    id = answer["reply"]["message"]["id"]
    p.expect("outbox.changed", message_id=id, state="pending", cid=channel.cid)
    p.expect("outbox.changed", message_id=id, state="sent")
    assert p.state()["outbox"] == []


def test_order_is_kept(app, puppet, ann):
    channel, p = app.channel(ann), puppet()
    p.connect(ann)
    numbers = [send(p, channel, f"{i}") for i in range(50)]
    for n in numbers:
        p.wait(n)
    assert texts(app, channel) == [f"{i}" for i in range(50)]


def test_what_is_sent_while_offline_goes_out_later_in_order(app, box, puppet, ann):
    channel, p = app.channel(ann), puppet(box.url)
    p.connect(ann)
    box.mode = "drop"
    box.cut()
    p.expect("connection.changed", online=False)
    numbers = [send(p, channel, f"{i}") for i in range(10)]
    p.until(lambda: len(p.state()["outbox"]) == 10, "all wait")
    assert {e["state"] for e in p.state()["outbox"]} == {PENDING}
    box.mode = "pass"
    p.do("network")
    for n in numbers:
        p.wait(n)
    assert texts(app, channel) == [f"{i}" for i in range(10)]


def test_an_answer_that_got_lost_stores_nothing_twice(app, box, puppet, ann):
    channel, p = app.channel(ann), puppet(box.url, timeout_ms=1000)
    p.connect(ann)
    for i in range(5):
        n = send(p, channel, f"{i}")
        box.cut()
        p.wait(n, 20)
    assert texts(app, channel) == [f"{i}" for i in range(5)]


def test_refused_messages_stay_until_dropped(app, puppet, ann):
    channel, foreign, p = app.channel(ann), app.channel(app.user()), puppet()
    p.connect(ann)
    n = send(p, foreign, "may I?")
    answer = p.until(lambda: p.answers.get(n), "refused")
    assert (answer["result"], answer["code"]) == ("BECK_EAPI", 17)
    entry, = p.state()["outbox"]
    assert (entry["state"], entry["code"], entry["cid"]) == (FAILED, 17, foreign.cid)
    p.expect("outbox.changed", message_id=entry["id"], state="failed")
    assert p.wait(send(p, channel, "others go on"))["result"] == "BECK_OK"
    app.api.post(foreign.path, {"add_members": [ann.id]}).ok()
    p.do("retry", message_id=entry["id"])
    p.expect("outbox.changed", message_id=entry["id"], state="sent")
    assert texts(app, foreign) == ["may I?"]
    assert p.fails("drop", message_id=entry["id"]).result == "BECK_EARG"


def test_drop(app, puppet, ann):
    foreign, p = app.channel(app.user()), puppet()
    p.connect(ann)
    n = send(p, foreign, "may I?")
    p.until(lambda: p.answers.get(n), "refused")
    p.do("drop", message_id=p.state()["outbox"][0]["id"])
    assert p.state()["outbox"] == []


def test_the_bound(app, box, puppet, ann):
    channel, p = app.channel(ann), puppet(box.url, outbox_max=3)
    p.connect(ann)
    box.mode = "drop"
    box.cut()
    p.expect("connection.changed", online=False)
    for i in range(3):
        send(p, channel, f"{i}")
    assert p.fails("send", type="messaging", id=channel.id, data={"text": "too many"}).result == "BECK_EFULL"
    box.mode = "pass"


def test_the_same_id_twice(app, box, puppet, ann):
    channel, p, id = app.channel(ann), puppet(), uid("m")
    p.connect(ann)
    p.wait(send(p, channel, "x", id=id))
    p.wait(send(p, channel, "x", id=id))
    assert texts(app, channel) == ["x"]
    assert p.fails("send", type="messaging", id=channel.id, data={"text": "x", "id": "a b"}).result == "BECK_EARG"


# ---- saved state ----

def test_unsent_messages_and_position_outlive_the_program(app, box, puppet, ann, tmp_path):
    bob = app.user()
    channel, state = app.channel(ann, bob), tmp_path / "state.json"
    p = puppet(box.url, state_file=state)
    p.connect(ann)
    p.do("watch", type="messaging", id=channel.id)
    first = bob.send(channel, "first")["id"]
    p.ids_until(first)
    box.mode = "drop"
    box.cut()
    p.expect("connection.changed", online=False)
    send(p, channel, "unsent 1")
    send(p, channel, "unsent 2")
    wait_until(lambda: state.exists() and "unsent 2" in state.read_text() and json.loads(state.read_text())["resume_from"]["watch"] == [channel.cid], "kept")
    p.kill()
    p.quit = lambda: None
    missed = [bob.send(channel, f"missed {i}")["id"] for i in range(5)]
    box.mode = "pass"
    q = puppet(box.url, state_file=state)
    q.connect(ann)
    wait_until(lambda: texts(app, channel)[-2:] == ["unsent 1", "unsent 2"], "sent by the next run")
    q.until(lambda: len(q.message_ids()) >= 7, "what was missed")
    ids = q.message_ids()
    assert [i for i in ids if i in missed] == missed and first not in ids
    wait_until(lambda: json.loads(state.read_text())["outbox"] == [], "the file says so")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"version":1}', '{"api_key":"x","user_id":"y","outbox":[1]}', "\x00" * 100])
def test_a_damaged_state_file_does_no_harm(app, puppet, ann, tmp_path, content):
    state = tmp_path / "state.json"
    state.write_text(content)
    p = puppet(state_file=state)
    p.connect(ann)
    p.do("disconnect")
    assert json.loads(state.read_text())["user_id"] == ann.id


def test_the_state_of_another_user_is_not_used(app, puppet, ann, tmp_path):
    bob, state = app.user(), tmp_path / "state.json"
    p = puppet(state_file=state)
    p.connect(ann)
    p.do("disconnect")
    q = puppet(state_file=state)
    q.connect(bob)
    assert q.state()["me"]["id"] == bob.id
    assert not [e for e in q.events if e["type"] == "health.check" and e.get("resumed")]


def test_a_state_file_that_cannot_be_written_is_told_at_once(app):
    done = subprocess.run([PUPPET, f"key={app.key}", "base_url=http://127.0.0.1:1", "state_file=/nowhere/at/all/state.json"], stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    assert done.returncode == 1 and "state_file cannot be written" in done.stderr


def test_a_message_sent_as_nobody_does_not_go_out_as_somebody_else(app, puppet, ann):
    """Ann's program has disconnected her, and still sends: the text must not become Bob's."""
    bob = app.user()
    channel, p = app.channel(ann, bob), puppet(timeout_ms=700)
    p.connect(ann)
    p.do("disconnect")
    n = send(p, channel, "ann's")
    answer = p.until(lambda: p.answers.get(n), "its end")
    assert answer["result"] == "BECK_ENOUSER"
    p.connect(bob)
    p.wait(send(p, channel, "bob's"))
    assert texts(app, channel) == ["bob's"] and p.state()["outbox"] == []


def test_a_full_outbox_of_refused_messages_says_what_to_do(app, puppet, ann):
    foreign, p = app.channel(app.user()), puppet(outbox_max=2)
    p.connect(ann)
    for i in range(2):
        n = send(p, foreign, f"{i}")
        p.until(lambda n=n: p.answers.get(n), "refused")
    full = p.fails("send", type="messaging", id=foreign.id, data={"text": "x"})
    assert full.result == "BECK_EFULL" and "2 of them refused" in full.message and "beck_outbox_drop" in full.message
