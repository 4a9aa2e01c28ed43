"""channels-and-messages.md §5: the id window, times and around, for the channel list and for replies. Always oldest to newest."""
import json

import pytest

from beck import format_time, parse_time, uid

COUNT = 9


class Pages:
    """The same nine messages as channel list and as thread."""

    def __init__(self, app):
        self.ann = app.user()
        self.channel, other = app.channel(self.ann), app.channel(self.ann)
        self.parent = other.send(self.ann, "parent")
        self.lists = {"channel": [self.channel.send(self.ann, str(n), id=uid("p")) for n in range(COUNT)],
                      "replies": [other.send(self.ann, str(n), parent_id=self.parent["id"]) for n in range(COUNT)]}

    def ask(self, where, **page):
        if where == "channel":
            return self.ann.post(f"{self.channel.path}/query", {"state": True, "messages": page})
        return self.ann.get(f"/messages/{self.parent['id']}/replies", query=page)

    def numbers(self, where, **page):
        return "".join(m["text"] for m in self.ask(where, **page).ok()["messages"])


@pytest.fixture(scope="module")
def pages(shared):
    return Pages(shared.server.main)


@pytest.fixture(params=["channel", "replies"])
def where(request):
    return request.param


ID_WINDOWS = [("id_lt", 5, 3, "234"), ("id_lte", 5, 3, "345"), ("id_gt", 5, 2, "67"), ("id_gte", 5, 2, "56"),
              ("id_lt", 1, 5, "0"), ("id_lt", 0, 5, ""), ("id_gt", 8, 5, ""), ("id_gte", 8, 5, "8"), ("id_lt", 8, 300, "01234567"),
              ("id_around", 4, 5, "23456"), ("id_around", 0, 5, "012"), ("id_around", 8, 5, "678"), ("id_around", 4, 1, "4")]


@pytest.mark.parametrize("key,at,limit,wanted", ID_WINDOWS, ids=[f"{k}-{a}-{n}" for k, a, n, _ in ID_WINDOWS])
def test_id_window(pages, where, key, at, limit, wanted):
    assert pages.numbers(where, **{key: pages.lists[where][at]["id"], "limit": limit}) == wanted


TIME_WINDOWS = [("created_at_before", 5, 3, "234"), ("created_at_before_or_equal", 5, 3, "345"), ("created_at_after", 5, 2, "67"),
                ("created_at_after_or_equal", 5, 2, "56"), ("created_at_around", 4, 5, "23456"), ("created_at_before", 0, 5, "")]


@pytest.mark.parametrize("key,at,limit,wanted", TIME_WINDOWS, ids=[f"{k}-{a}" for k, a, _, _ in TIME_WINDOWS])
def test_time_window(pages, where, key, at, limit, wanted):
    assert pages.numbers(where, **{key: pages.lists[where][at]["created_at"], "limit": limit}) == wanted


def test_time_between_two_messages(pages, where):
    at = format_time(parse_time(pages.lists[where][5]["created_at"]) - 1)
    assert pages.numbers(where, created_at_before=at, limit=2) == "34"
    assert pages.numbers(where, created_at_after=at, limit=2) == "56"


def test_newest_page_by_default(pages, where):
    assert pages.numbers(where) == "012345678"
    assert pages.numbers(where, limit=3) == "678"
    assert pages.numbers(where, limit=0) == "012345678"


@pytest.mark.parametrize("size", [1, 2, 4, 9])
def test_walking_back_and_forth_covers_all_once(pages, where, size):
    seen, last = "", {}
    while page := pages.ask(where, limit=size, **last).ok()["messages"]:
        seen = "".join(m["text"] for m in page) + seen
        last = {"id_lt": page[0]["id"]}
    assert seen == "012345678"
    first = pages.lists[where][0]["id"]
    seen, last = "0", first
    while page := pages.ask(where, limit=size, id_gt=last).ok()["messages"]:
        seen, last = seen + "".join(m["text"] for m in page), page[-1]["id"]
    assert seen == "012345678"


def test_unknown_id_is_404_16(pages, where):
    for key in ("id_lt", "id_gte", "id_around"):
        pages.ask(where, **{key: uid("none")}).fails(404, 16)


@pytest.mark.parametrize("page", [{"id_lt": 0, "id_gt": 1}, {"id_lt": 0, "created_at_after": 1}, {"created_at_before": 0, "created_at_after": 1},
                                  {"id_around": 0, "created_at_around": 1}], ids=json.dumps)
def test_several_families_are_400_4(pages, where, page):
    messages = pages.lists[where]
    pages.ask(where, **{k: messages[v]["id" if k.startswith("id") else "created_at"] for k, v in page.items()}).fails(400, 4)


@pytest.mark.parametrize("page", [{"limit": 301}, {"limit": -1}, {"limit": "x"}, {"created_at_before": "yesterday"}, {"id_lt": "a" * 300}], ids=json.dumps)
def test_bad_page_is_refused(pages, where, page):
    assert pages.ask(where, **page).status in ((404, 400) if "id_lt" in page else (400,))


def test_empty_keys_count_as_absent(pages, where):
    assert pages.numbers(where, id_lt="", id_gt="", limit=2) == "78"


def test_300_is_the_largest_page(app):
    ann = app.user()
    channel = app.channel(ann)
    sent = [channel.send(ann, str(n))["id"] for n in range(302)]
    got = [m["id"] for m in channel.state(ann, messages={"limit": 300})["messages"]]
    assert got == sent[2:]
    assert [m["id"] for m in channel.state(ann)["messages"]] == sent[-25:]


# ---- replies only ----

def test_replies_sorted_upwards_start_with_the_oldest(pages):
    sort = json.dumps([{"field": "created_at", "direction": 1}])
    assert pages.numbers("replies", sort=sort, limit=3) == "012"
    assert pages.numbers("replies", sort=json.dumps([{"field": "created_at", "direction": -1}]), limit=3) == "678"
    assert pages.numbers("replies", sort="", limit=3) == "678"


def test_replies_of_nothing_are_404_16(pages):
    pages.ann.get(f"/messages/{uid('none')}/replies").fails(404, 16)


def test_replies_of_an_unreadable_channel_are_refused(app, pages):
    assert app.user("eve").get(f"/messages/{pages.parent['id']}/replies").status in (403, 404)


def test_default_page_of_replies(app):
    ann = app.user()
    channel = app.channel(ann)
    parent = channel.send(ann)
    sent = [channel.send(ann, str(n), parent_id=parent["id"])["id"] for n in range(52)]
    assert [m["id"] for m in ann.get(f"/messages/{parent['id']}/replies").ok(200)["messages"]] == sent[2:]


# ---- what paging must survive ----

def test_deleted_messages_keep_their_place(app):
    ann = app.user()
    channel = app.channel(ann)
    sent = [ann.send(channel, str(n)) for n in range(6)]
    ann.delete(f"/messages/{sent[3]['id']}").ok(200)
    page = channel.state(ann, messages={"limit": 2, "id_lt": sent[4]["id"]})["messages"]
    assert [m["id"] for m in page] == [sent[2]["id"], sent[3]["id"]] and page[1]["type"] == "deleted"
    page = channel.state(ann, messages={"limit": 2, "id_gt": sent[3]["id"]})["messages"]
    assert [m["id"] for m in page] == [sent[4]["id"], sent[5]["id"]]


def test_replies_are_no_part_of_the_channel_list(app):
    ann = app.user()
    channel = app.channel(ann)
    parent = ann.send(channel, "0")
    ann.send(channel, "hidden", parent_id=parent["id"])
    ann.send(channel, "1", parent_id=parent["id"], show_in_channel=True)
    ann.send(channel, "2")
    assert channel.texts(ann, messages={"limit": 10, "id_gte": parent["id"]}) == ["0", "1", "2"]


def test_watchers_page(app):
    users = app.users(4)
    channel = app.channel(*users)
    for user in users:
        user.watch(user.connect(), channel)
    ids = [u["id"] for u in channel.state(users[0])["watchers"]]
    assert sorted(ids) == sorted(u.id for u in users)
    assert [u["id"] for u in channel.state(users[0], watchers={"limit": 2})["watchers"]] == ids[:2]
    assert [u["id"] for u in channel.state(users[0], watchers={"limit": 2, "offset": 2})["watchers"]] == ids[2:]


@pytest.mark.parametrize("body", [{"messages": []}, {"messages": "x"}, {"members": {"limit": 301}}, {"members": {"limit": -1}}, {"watchers": {"limit": 301}},
                                  {"watchers": {"offset": -1}}, {"members": 7}], ids=json.dumps)
def test_bad_page_objects_are_400_4(app, body):
    ann = app.user()
    ann.post(f"{app.channel(ann).path}/query", {"state": True, **body}).fails(400, 4)
