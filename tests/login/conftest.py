"""Fixtures: one server, one application in it per language, one running app per language."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from beck import Beckd, uid  # noqa: E402
from examples import LANGUAGES, Example, build_go, password  # noqa: E402
from middlebox import Middlebox  # noqa: E402


@pytest.fixture(scope="session")
def server():
    """Behind proxies on this machine, which say who their clients are."""
    server = Beckd("--trusted-proxies", "127.0.0.1").start()
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def go(tmp_path_factory):
    return build_go(tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="session", params=LANGUAGES)
def example(request, server, tmp_path_factory):
    """The app, its server side in Beck as `.app`, and `.box`, the network between the two."""
    app = server.new_app()
    box = Middlebox(server.host, server.port)
    go = request.getfixturevalue("go") if request.param == "go" else None
    example = Example(request.param, tmp_path_factory.mktemp(request.param), app, box.url, go=go)
    example.app, example.box = app, box
    example.start()
    example.regular = Person("A regular")
    example.add_users([(example.regular.id, example.regular.name, example.regular.password)])
    example.tab = example.browser().sign_in(example.regular.id, example.regular.password)
    yield example
    example.destroy()
    box.close()
    app.close()


class Person:
    def __init__(self, name):
        self.id, self.name, self.password = uid("p"), name, password()


@pytest.fixture
def people(example):
    """people(n): new users of the app who have a password."""
    def make(n=1):
        made = [Person(f"Person {i} <é>") for i in range(n)]
        example.add_users([(p.id, p.name, p.password) for p in made])
        return made
    return make


@pytest.fixture
def person(people):
    return people()[0]


@pytest.fixture
def regular(example):
    """A user whom all tests share, signed in at `example.tab`, where he stays so: passwords take their time."""
    return example.regular
