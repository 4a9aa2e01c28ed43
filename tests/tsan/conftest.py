"""`pytest tests/api` works by itself: BECKD and BECK name the programs (default build/bin)."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from fixtures import *  # noqa: E402,F401,F403


def pytest_configure(config):
    config.addinivalue_line("markers", "quick: core behaviour, run by tools/run-tests --quick")
