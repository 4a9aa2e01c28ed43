"""DESIGN.md §8: after a hard deletion a byte search for marker text finds nothing in the data folder, while the server runs and after
its end; a restore of an older backup reapplies the erasure."""
import subprocess

import pytest

from beck import BECKD, Beckd, uid, wait_until

BOUND = 15  # seconds from the end of the deletion's task (docs/operations.md, "Erasure")


def found_in(folder, markers):
    """Which markers lie in which files, compressed content aside."""
    out = {}
    for path in sorted(folder.rglob("*")):
        try:
            data = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:
            continue
        for marker in markers:
            if marker.encode() in data:
                out.setdefault(marker, []).append(path.name)
    return out


def expect_gone(server, markers):
    try:
        wait_until(lambda: not found_in(server.data, markers), "erased bytes are gone", BOUND)
    except AssertionError:
        raise AssertionError(f"still there: {found_in(server.data, markers)}") from None


def check_all_stages(server, markers, backup, kept=()):
    """While it runs, after its end, after a start, and in a restored older backup."""
    expect_gone(server, markers)
    assert set(found_in(server.data, kept)) == set(kept)
    server.stop()
    assert found_in(server.data, markers) == {}
    target = server.data.with_name(server.data.name + "-restored")
    subprocess.run([BECKD, "restore", str(backup), "--data", str(target), "--erasures-from", str(server.data)], check=True, timeout=60,
                   capture_output=True)
    assert set(found_in(target, kept)) == set(kept)
    assert found_in(target, markers) == {}
    subprocess.run([BECKD, "check", "--data", str(target)], check=True, timeout=60, capture_output=True)
    restored = Beckd(key=server.key, secret=server.secret, data=target)
    restored.own_data = True
    server.start()
    assert found_in(server.data, markers) == {}
    return restored


def make_backup(server):
    folder = server.data.with_name(server.data.name + "-backup")
    subprocess.run([BECKD, "backup", str(folder), "--data", str(server.data)], check=True, timeout=60, capture_output=True)
    return folder


class Markers:
    def __init__(self):
        self.all = []

    def __call__(self, what):
        self.all.append(uid(f"MARK{what}"))
        return self.all[-1]


@pytest.fixture
def place(spawn):
    """A server whose b-trees are deep enough to be rebalanced by what a test writes."""
    server = spawn()
    app = server.main
    ann, bob, eve = app.users(3)
    channel = app.channel(ann, bob, eve)
    for i in range(60):
        channel.send(bob, f"filler {i} " + "x" * (i * 37 % 900))
    return server, app, ann, bob, eve, channel


def churn(channel, author, n=60):
    """Moves cells between pages, so that copies stay behind where nothing is owned."""
    ids = [channel.send(author, f"churn {i} " + "y" * (i * 53 % 1200))["id"] for i in range(n)]
    for id in ids[::2]:
        channel.app.api.delete(f"/messages/{id}", query={"hard": True}).ok(200)


def edit(app, message, editor, text, **fields):
    """What it replaces becomes history."""
    app.api.post(f"/messages/{message['id']}", {"message": {"text": text, "user_id": editor.id, **fields}}).ok(201)


def for_me(message, user):
    user.delete(f"/messages/{message['id']}", query={"delete_for_me": True}).ok(200)


def test_a_hard_deleted_message(place):
    server, app, ann, bob, eve, channel = place
    marker, kept = Markers(), Markers()
    sent = channel.send(ann, marker("text"), custom_key=marker("custom"), attachments=[{"type": "x", "title": marker("attachment")}])
    reply = channel.send(bob, marker("reply"), parent_id=sent["id"])
    edit(app, reply, bob, marker("later reply"))
    stays = channel.send(ann, kept("stays"))
    edit(app, stays, ann, kept("edited"))
    edit(app, sent, ann, marker("second"), custom_key=marker("second custom"), attachments=[{"type": "x", "title": marker("second attachment")}])
    edit(app, sent, eve, marker("third"))
    for_me(sent, bob)
    for_me(reply, eve)
    backup = make_backup(server)
    churn(channel, bob)
    app.api.delete(f"/messages/{sent['id']}", query={"hard": True}).ok(200)
    app.api.get(f"/messages/{reply['id']}").fails(404, 16)
    restored = check_all_stages(server, marker.all, backup, kept.all)
    with restored:
        restored.main.api.get(f"/messages/{sent['id']}").fails(404, 16)
        assert restored.main.api.get(f"/messages/{stays['id']}").ok(200)["message"]["text"] == kept.all[1]


def test_a_hard_deleted_user(place):
    server, app, ann, bob, eve, channel = place
    marker, kept = Markers(), Markers()
    app.api.post("/users", {"users": {eve.id: {"id": eve.id, "name": marker("name"), "image": marker("image"), "note": marker("note")}}}).ok(201)
    eve.update(mood=marker("mood"))
    eve.update(mood=marker("mood"))
    eve.connect(details={"live": marker("connect")}, device={"id": marker("device"), "push_provider": "firebase"})
    sent = channel.send(eve, marker("message"))
    edit(app, sent, eve, marker("edited"))
    edit(app, sent, ann, marker("edited by another"))
    for_me(sent, bob)
    for_me(channel.send(ann), eve)
    app.api.patch(f"{channel.path}/member/{eve.id}", {"set": {"badge": marker("member")}}).ok(200)
    talk = app.channel(eve, ann, topic=marker("topic"))
    talk.send(ann, marker("talk"))
    channel.send(ann, kept("other"))
    backup = make_backup(server)
    churn(channel, bob)
    task = app.api.post("/users/delete", {"user_ids": [eve.id], "user": "hard", "messages": "hard", "conversations": "hard"}).ok(201)["task_id"]
    assert app.task(task)["status"] == "completed"
    restored = check_all_stages(server, marker.all, backup, kept.all)
    with restored:
        assert restored.main.stored(eve.id) is None
        assert channel.texts(restored.main.api)[-1] == kept.all[0]


def test_a_deletion_called_and_not_yet_done_is_in_the_list(place):
    server, app, ann, bob, eve, channel = place
    marker = Markers()
    eve.update(name=marker("name"))
    channel.send(eve, marker("message"))
    backup = make_backup(server)
    app.api.post("/users/delete", {"user_ids": [eve.id], "user": "soft", "messages": "hard"}).ok(201)
    app.api.delete(f"/users/{ann.id}", query={"hard_delete": True}).ok(200)
    server.kill9()
    target = server.data.with_name(server.data.name + "-restored")
    subprocess.run([BECKD, "restore", str(backup), "--data", str(target), "--erasures-from", str(server.data)], check=True, timeout=60,
                   capture_output=True)
    assert set(found_in(target, marker.all)) == {marker.all[0]}  # his record was deleted softly
    server.start()
    expect_gone(server, marker.all[1:])


def test_a_hard_deleted_channel(place):
    server, app, ann, bob, eve, channel = place
    marker = Markers()
    gone = app.channel(ann, {"user_id": bob.id, "badge": marker("badge")}, name=marker("name"), colour=marker("data"))
    parent = gone.send(bob, marker("parent"))
    reply = gone.send(ann, marker("text"), parent_id=parent["id"])
    for message in (parent, reply):
        edit(app, message, ann, marker("edited"))
        for_me(message, ann)
    app.api.patch(gone.path, {"set": {"colour": marker("data")}}).ok(200)
    backup = make_backup(server)
    churn(channel, bob)
    result = app.api.post("/channels/delete", {"cids": [gone.cid], "hard_delete": True}).ok(201)
    assert app.task(result["task_id"])["status"] == "completed"
    restored = check_all_stages(server, marker.all, backup)
    with restored:
        restored.main.api.get(gone.path).fails(404, 16)


def test_a_history_truncated_hard(place):
    server, app, ann, bob, eve, channel = place
    marker, kept = Markers(), Markers()
    parent = channel.send(ann, marker("text"))
    reply = channel.send(bob, marker("reply"), parent_id=parent["id"])
    for message in (parent, reply):
        edit(app, message, ann, marker("edited"))
        for_me(message, bob)
    backup = make_backup(server)
    app.api.post(f"{channel.path}/truncate", {"hard_delete": True}).ok(201)
    churn(channel, bob)
    expect_gone(server, marker.all)
    newest = channel.send(bob, kept("later"))["text"]
    restored = check_all_stages(server, marker.all, backup)
    with restored:
        assert channel.texts(restored.main.api) == []
        assert newest in channel.texts(app.api)


def test_many_versions_of_one_message_go_in_slices(place):
    server, app, ann, bob, eve, channel = place
    marker = Markers()
    room = app.channel(ann, bob)
    parent = room.send(ann, marker("text"))
    reply = room.send(bob, marker("reply"), parent_id=parent["id"])
    for i in range(300):
        edit(app, parent if i % 2 else reply, ann, f"{marker.all[i % 2]} {i}")
    result = app.api.post("/channels/delete", {"cids": [room.cid], "hard_delete": True}).ok(201)
    assert app.task(result["task_id"])["status"] == "completed"
    expect_gone(server, marker.all)
    subprocess.run([BECKD, "check", "--data", str(server.data)], check=True, timeout=60, capture_output=True)


def test_pruned_content(place):
    server, app, ann, bob, eve, channel = place
    marker = Markers()
    app.api.post("/users", {"users": {eve.id: {"id": eve.id, "name": marker("name"), "note": marker("note")}}}).ok(201)
    edit(app, channel.send(eve, marker("message"), extra=marker("extra")), eve, marker("edited"))
    churn(channel, bob)
    task = app.api.post("/users/delete", {"user_ids": [eve.id], "user": "pruning", "messages": "pruning"}).ok(201)["task_id"]
    assert app.task(task)["status"] == "completed"
    expect_gone(server, marker.all)


def test_erased_before_a_crash_is_wiped_after_it(place):
    server, app, ann, bob, eve, channel = place
    marker = Markers()
    sent = channel.send(ann, marker("text"))
    app.api.delete(f"/messages/{sent['id']}", query={"hard": True}).ok(200)
    server.kill9()
    server.start()
    expect_gone(server, marker.all)


def test_wiping_goes_on_beside_a_stream_of_reads_and_writes(place):
    server, app, ann, bob, eve, channel = place
    marker = Markers()
    import threading
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            channel.state(bob)
            channel.send(bob, "busy")
    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        sent = channel.send(ann, marker("text"))
        app.api.delete(f"/messages/{sent['id']}", query={"hard": True}).ok(200)
        expect_gone(server, marker.all)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
