"""The page of the examples in Chromium: the app and Beck at two origins."""
import json
import pathlib
import subprocess
import types

import pytest
from beck import uid
from examples import Example, password

HERE = pathlib.Path(__file__).resolve().parent


def browse(url, people, trouble=None):
    people = [{"id": p.id, "name": p.name, "password": p.password} for p in people]
    done = subprocess.run(["node", HERE / "page.mjs", json.dumps({"url": url, "people": people, "trouble": trouble})], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("example", ["node", "go"], indirect=True)  # the others are behind the proxies of test_tls.py
def test_two_people_talk(example, people):
    browse(f"http://127.0.0.1:{example.port}/", people(2))


def test_page_says_that_beck_is_away(server, tmp_path):
    """Beck is away: first for the app alone, then for the browser too."""
    app = server.new_app()
    user = types.SimpleNamespace(id=uid("p"), name="Person", password=password())
    for number, (public_url, text) in enumerate(((f"http://{server.host}:{server.port}", "Chat is not available at the moment."),
                                                 ("http://127.0.0.1:9", "Chat is not available: "))):
        example = Example("node", tmp_path / str(number), app, "http://127.0.0.1:9", public_url)
        example.add_users([(user.id, user.name, user.password)])
        try:
            example.start()
            browse(f"http://127.0.0.1:{example.port}/", [user], text)
        finally:
            example.destroy()
