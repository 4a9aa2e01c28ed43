"""Unread counts wherever the contract shows them, against a naive recount: random days of a few people in a few channels.
BECK_TEST_SEEDS=n runs more; a failure names its seed."""
import os
import random

import pytest

SEEDS = int(os.environ.get("BECK_TEST_SEEDS", "4"))
STEPS = 120

SENDS = ("send", "send", "send", "send", "send", "silent", "restricted", "reply", "shown")
OTHERS = ("edit", "delete", "hard", "undelete", "read", "read", "read_at", "unread", "for_me", "for_me", "read_all", "read_thread", "add", "remove", "invite", "accept",
          "hide", "truncate", "truncate_member", "watch", "stop")


class Membership:
    def __init__(self, newest, pending=False):
        self.read, self.floor, self.pending = newest, -1, pending  # indices into the channel's messages


class Day:
    def __init__(self, app, seed):
        self.app, self.random = app, random.Random(seed)
        self.users = app.users(4)
        self.channels = [app.channel(self.users[0], self.users[1]) for _ in range(3)]
        self.messages = {c.cid: [] for c in self.channels}
        self.cut = {c.cid: -1 for c in self.channels}
        self.members = {(c.cid, u.id): Membership(-1) for c in self.channels for u in self.users[:2]}
        self.threads = {}  # parent id -> {"cid", "parent", "read": {user id: number of replies read}, "replies"}
        self.sessions = {u.id: u.connect() for u in self.users}

    # ---- the naive recount ----
    def of(self, channel, user):
        m = self.members.get((channel.cid, user.id))
        return None if m is None or m.pending else m

    def horizon(self, cid, member):
        return max(member.floor, self.cut[cid])

    def counts(self, message, user):
        return not (message["author"] == user.id or message["silent"] or message["deleted"] or (message["parent"] and not message["shown"])
                    or (message["restricted"] and user.id not in message["restricted"]) or user.id in message["gone_for"])

    def unread(self, channel, user):
        member = self.of(channel, user)
        if member is None:
            return 0
        seen = max(member.read, self.horizon(channel.cid, member))
        return sum(self.counts(m, user) for m in self.messages[channel.cid][seen + 1:])

    def unread_threads(self, user):
        def is_unread(thread):
            member = self.members.get((thread["cid"], user.id))
            if user.id not in thread["read"] or member is None or member.pending or thread["parent"]["deleted"] == "hard":
                return False
            if user.id in thread["parent"]["gone_for"]:
                return False
            if self.messages[thread["cid"]].index(thread["parent"]) <= self.horizon(thread["cid"], member):
                return False
            return any(r["author"] != user.id and not r["silent"] and not r["deleted"] and user.id not in r["gone_for"] for r in thread["replies"][thread["read"][user.id]:])
        return sum(map(is_unread, self.threads.values()))

    # ---- what the server says ----
    def check(self):
        for user in self.users:
            wanted = {c.cid: self.unread(c, user) for c in self.channels}
            total, channels = sum(wanted.values()), sum(n > 0 for n in wanted.values())
            summary = user.unread()
            assert {c["channel_id"]: c["unread_count"] for c in summary["channels"]} == {cid: n for cid, n in wanted.items() if n}
            assert (summary["total_unread_count"], summary["total_unread_threads_count"]) == (total, self.unread_threads(user))
            told = [e for e in self.sessions[user.id].settle() if "total_unread_count" in e]
            if told:
                assert (told[-1]["total_unread_count"], told[-1]["unread_channels"]) == (total, channels), told[-1]
            for channel in self.channels:
                if self.of(channel, user) and self.random.random() < 0.3:
                    assert channel.read_of(user, user)["unread_messages"] == wanted[channel.cid]
        user = self.random.choice(self.users)
        session = user.connect()
        assert session.me["total_unread_count"] == sum(self.unread(c, user) for c in self.channels)
        assert session.me["unread_threads"] == self.unread_threads(user)
        session.close()

    # ---- what happens ----
    def visible(self, channel, user, deleted=(False,), replies=True):
        """Messages that he may name, with their indices. user None: the server's sight."""
        low = self.cut[channel.cid] if user is None else self.horizon(channel.cid, self.of(channel, user))
        return [(i, m) for i, m in enumerate(self.messages[channel.cid]) if i > low and m["deleted"] in deleted and (replies or not m["parent"])
                and (user is None or not m["restricted"] or user.id in m["restricted"] or m["author"] == user.id)
                and (user is None or user.id not in m["gone_for"])]

    def send(self, how, channel):
        authors = [u for u in self.users if self.of(channel, u)]
        if not authors:
            return
        author = self.random.choice(authors)
        message = {"author": author.id, "silent": how == "silent", "parent": None, "shown": how == "shown", "deleted": False, "restricted": (),
                   "gone_for": set()}
        fields = {"silent": True} if how == "silent" else {}
        parent = None
        if how == "restricted":
            message["restricted"] = (self.random.choice(authors).id,)
            fields["restricted_visibility"] = list(message["restricted"])
        if how in ("reply", "shown"):
            parents = [m for _, m in self.visible(channel, author, replies=False) if not m["restricted"]]
            if not parents:
                return
            parent = self.random.choice(parents)
            message["parent"] = parent["id"]
            fields.update(parent_id=parent["id"], show_in_channel=message["shown"])
        message["id"] = channel.send(author, how, **fields)["id"]
        messages = self.messages[channel.cid]
        messages.append(message)
        if how != "reply":
            self.of(channel, author).read = len(messages) - 1
        if parent:
            thread = self.threads.setdefault(parent["id"], {"cid": channel.cid, "parent": parent, "read": {parent["author"]: 0}, "replies": []})
            thread["replies"].append(message)
            thread["read"][author.id] = len(thread["replies"])

    def change_message(self, what, channel):
        found = self.visible(channel, None, deleted=("soft",) if what == "undelete" else (False,))
        if not found:
            return
        message = self.random.choice(found)[1]
        path = f"/messages/{message['id']}"
        if what == "edit":
            self.app.api.post(path, {"message": {"text": "edited"}}).ok(201)
        elif what == "undelete":
            self.app.api.post(f"{path}/undelete", {}).ok(201)
            message["deleted"] = False
        else:
            self.app.api.delete(path, query={"hard": what == "hard"}).ok(200)
            message["deleted"] = "hard" if what == "hard" else "soft"
            for other in self.messages[channel.cid] if what == "hard" else ():
                if other["parent"] == message["id"]:
                    other["deleted"] = "hard"

    def delete_for_me(self, channel, user):
        found = self.visible(channel, user, deleted=(False, "soft"))[-8:]
        if found:
            message = self.random.choice(found)[1]
            user.delete(f"/messages/{message['id']}", query={"delete_for_me": True}).ok(200)
            message["gone_for"].add(user.id)

    def read(self, what, channel, user):
        member, newest = self.of(channel, user), len(self.messages[channel.cid]) - 1
        if what == "read_all":
            user.post("/channels/read", {}).ok(201)
            for c in self.channels:
                if self.of(c, user):
                    self.of(c, user).read = len(self.messages[c.cid]) - 1
            for thread in self.threads.values():
                if user.id in thread["read"]:
                    thread["read"][user.id] = len(thread["replies"])
        elif what == "read":
            user.read(channel)
            member.read = newest
        elif what == "read_thread":
            mine = [(i, t) for i, t in self.threads.items() if t["cid"] == channel.cid and user.id in t["read"]
                    and any(m is t["parent"] for _, m in self.visible(channel, user, deleted=(False, "soft")))]
            if mine:
                parent, thread = self.random.choice(mine)
                user.read(channel, thread_id=parent)
                thread["read"][user.id] = len(thread["replies"])
        else:
            found = self.visible(channel, user, replies=False)[-60:]
            if not found:
                return
            at, message = self.random.choice(found)
            user.post(f"{channel.path}/{'read' if what == 'read_at' else 'unread'}", {"message_id": message["id"]}).ok(201)
            member.read = max(member.read, at) if what == "read_at" else at - 1

    def membership(self, what, channel, user):
        newest, key = len(self.messages[channel.cid]) - 1, (channel.cid, user.id)
        member = self.members.get(key)
        if what == "add" and member is None:
            self.app.api.post(channel.path, {"add_members": [user.id]}).ok(201)
            self.members[key] = Membership(newest)
        elif what == "invite" and member is None:
            self.app.api.post(channel.path, {"invites": [user.id]}).ok(201)
            self.members[key] = Membership(newest, pending=True)
        elif what == "accept" and member is not None and member.pending:
            user.post(channel.path, {"accept_invite": True}).ok(201)
            member.pending, member.read = False, newest
        elif what == "remove" and member is not None:
            self.app.api.post(channel.path, {"remove_members": [user.id]}).ok(201)
            del self.members[key]

    def history(self, what, channel, user):
        newest = len(self.messages[channel.cid]) - 1
        if what == "truncate":
            if self.random.random() < 0.3:
                self.app.api.post(f"{channel.path}/truncate", {"hard_delete": self.random.random() < 0.5}).ok(201)
                self.cut[channel.cid] = newest
            return
        member, clears = self.of(channel, user), what == "truncate_member" or self.random.random() < 0.5
        if what == "hide":
            user.post(f"{channel.path}/hide", {"clear_history": clears}).ok(201)
        else:
            self.app.api.post(f"{channel.path}/truncate", {"member_ids": [user.id]}).ok(201)
        if clears:
            member.floor, member.read = newest, max(member.read, newest)

    def step(self):
        what, channel, user = self.random.choice(SENDS + OTHERS), self.random.choice(self.channels), self.random.choice(self.users)
        if what in SENDS:
            self.send(what, channel)
        elif what in ("edit", "delete", "hard", "undelete"):
            self.change_message(what, channel)
        elif what == "for_me":
            if self.of(channel, user):
                self.delete_for_me(channel, user)
        elif what in ("add", "remove", "invite", "accept"):
            self.membership(what, channel, user)
        elif self.of(channel, user) is None and what != "truncate":
            return
        elif what in ("hide", "truncate", "truncate_member"):
            self.history(what, channel, user)
        elif what == "watch":
            user.watch(self.sessions[user.id], channel)
        elif what == "stop":
            user.stop_watching(self.sessions[user.id], channel).ok(201)
        else:
            self.read(what, channel, user)
        self.last = (what, channel.cid, user.id)
        self.check()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_unread_equals_a_naive_recount(app, seed):
    day = Day(app, seed)
    for step in range(STEPS):
        try:
            day.step()
        except AssertionError as failure:
            raise AssertionError(f"seed {seed}, step {step}, after {getattr(day, 'last', None)}: {failure}") from failure
