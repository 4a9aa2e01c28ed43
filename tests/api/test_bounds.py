"""What one peer may cost the others. Each test is named after something that was once without a bound."""
import threading

import pytest

from beck import format_time, now_us

GREATEST = {"text": "😀" * 20000, "attachments": [{"type": "x", "t": "y" * 5000}], "custom": "z" * 5000}


def fill(channel, user, count, message, at_once=4):
    """So many messages of one user, some at a time."""
    def work():
        client = user.app.as_user(user.id)
        for _ in range(count // at_once):
            client.post(f"{channel.path}/message", {"message": message}).ok(201)

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def great(app):
    """Ann and Bob in two channels where texts may be as long as the server ever allows."""
    app.api.put("/channeltypes/messaging", {"max_message_length": 20000}).ok()
    ann, bob = app.users(2)
    return ann, bob, app.channel(ann, bob), app.channel(ann, bob)


# ---- a member fills a channel with the greatest messages there are ----


def test_resume_and_sync_through_messages_of_any_size(great):
    """A page of the log was 1,000 events whatever their size: no memory for it, so a resume failed for ever and /sync with 503."""
    count = 240
    ann, bob, channel, _ = great
    session = bob.connect(resume=True)
    bob.watch(session, channel)
    place, since = session.resume_from([channel]), format_time(now_us())
    session.drop()
    fill(channel, ann, count, GREATEST)
    for transport in ("ws", "longpoll"):
        again = bob.connect(transport, resume=True, resume_from=place)
        seen = [again.expect("message.new", timeout=30) for _ in range(count)]
        seqs = [event["seq"] for event in seen]
        assert len({event["message"]["id"] for event in seen}) == count and seqs == sorted(seqs)
        assert again.expect_none("message.new") is not None
        again.drop()
    error = bob.post("/sync", {"channel_cids": [channel.cid], "last_sync_at": since}).fails(400, 4)
    assert "last_sync_at" in error["message"]
    recent = seen[-40]["created_at"]
    events = bob.post("/sync", {"channel_cids": [channel.cid], "last_sync_at": recent}).ok()["events"]
    assert [e["message"]["id"] for e in events if e["type"] == "message.new"] == [e["message"]["id"] for e in seen[-40:]]


def test_an_answer_that_would_be_too_large_is_refused_for_good(great):
    """503 "try again", which no retry heals, around a body that said StatusCode 500."""
    ann, bob, *channels = great
    for channel in channels:
        fill(channel, ann, 300, GREATEST)
    query = {"filter_conditions": {"cid": {"$in": [c.cid for c in channels]}}, "state": True, "message_limit": 300}
    error = bob.post("/channels", query).fails(400, 4)
    assert "too large" in error["message"] and error["StatusCode"] == 400
    bob.post("/channels", {**query, "message_limit": 10}).ok()
