"""Fixtures for the tests of libbeck: real servers, a box between, puppets."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from fixtures import *  # noqa: E402,F401,F403
from middlebox import Middlebox  # noqa: E402
from puppet import Puppet  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "quick: core behaviour, run by tools/run-tests --quick")


@pytest.fixture
def box(server):
    box = Middlebox(server.host, server.port)
    yield box
    box.close()


@pytest.fixture
def puppet(app):
    """puppet(url=None, **options): a client of the shared application; all end, checked, with the test."""
    puppets = []

    def make(url=None, key=None, **options):
        p = Puppet(url or f"http://{app.server.host}:{app.server.port}", key or app.key, **options)
        puppets.append(p)
        return p
    yield make
    failures = []
    for p in puppets:
        try:
            p.quit()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)
