"""Fixtures of all black-box suites. One shared server per run; dedicated ones where a test needs its own."""
import pytest

from beck import Beckd

TIME_SCALE = 20  # of the `fast` server: timers of 25-60 s pass in 1-3 s


class _Shared:
    """A server that lives for the whole run. A crash fails the test that saw it and the next test gets a new process."""

    def __init__(self, *args):
        self.server = Beckd(*args).start()
        self.apps = {}

    def checked(self):
        yield self.server
        if not self.server.is_alive():
            status, tail = self.server.process.returncode, self.server.log_tail()
            self.server.log_path.unlink(missing_ok=True)
            self.server.start()
            pytest.fail(f"the server died (status {status})\n{tail}")


@pytest.fixture(scope="session")
def shared():
    shared = _Shared()
    yield shared
    shared.server.destroy()


@pytest.fixture(scope="session")
def shared_fast():
    shared = _Shared("--dev", "--time-scale", str(TIME_SCALE))
    yield shared
    shared.server.destroy()


@pytest.fixture
def server(shared):
    """The shared server: production defaults, real time."""
    yield from shared.checked()


@pytest.fixture
def fast(shared_fast):
    """The shared server in development mode whose timers run TIME_SCALE times faster."""
    yield from shared_fast.checked()


def _scoped(app):
    scoped = app.scope()
    try:
        yield scoped
    finally:
        scoped.close()


@pytest.fixture
def app(server):
    """The first application of the shared server; every id in it is fresh."""
    yield from _scoped(server.main)


@pytest.fixture
def fast_app(fast):
    yield from _scoped(fast.main)


@pytest.fixture
def own_app(server):
    """A new application on the shared server, for tests that change application settings."""
    yield from _scoped(server.new_app())


@pytest.fixture
def other_app(shared, server):
    """A second application beside `app`, the same for the whole run."""
    if "other" not in shared.apps:
        shared.apps["other"] = server.new_app()
    yield from _scoped(shared.apps["other"])


@pytest.fixture(params=["ws", "longpoll"])
def transport(request):
    return request.param


@pytest.fixture
def spawn():
    """Starts dedicated servers: spawn(*args) -> Beckd; all are stopped and checked at the end."""
    servers = []

    def start(*args, **kw):
        server = Beckd(*args, **kw)
        servers.append(server)
        return server.start()
    yield start
    for server in servers:
        server.main.close()
    failures = []
    for server in servers:
        try:
            server.destroy()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)
