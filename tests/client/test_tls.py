"""Over TLS: a certificate that is trusted, and one that is not."""
import subprocess
import time

import pytest

from puppet import WEBSOCKET, Puppet

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "cert"], check=True, stderr=subprocess.DEVNULL)
    return folder


@pytest.fixture
def tls(spawn, certificate):
    server = spawn("--tls-cert", str(certificate / "cert"), "--tls-key", str(certificate / "key"))
    server.url = f"https://localhost:{server.port}"
    return server


@pytest.fixture
def client(tls):
    puppets = []

    def make(**options):
        puppets.append(Puppet(tls.url, tls.key, **options))
        return puppets[-1]
    yield make
    for p in puppets:
        p.quit()


def connect(p, tls):
    return p.do("connect", user={"id": "john"}, token=tls.main.token("john"))


def test_a_trusted_certificate(tls, client, certificate):
    p = client(ca_file=certificate / "cert", enable_ws_fallback=True)
    connect(p, tls)
    assert p.state()["transport"] == WEBSOCKET
    assert "total_unread_count" in p.do("request", method="GET", path="/unread")["reply"]


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(tls, client):
    p = client(enable_ws_fallback=True)
    began = time.monotonic()
    failed = p.fails("connect", user={"id": "john"}, token=tls.main.token("john"))
    assert failed.result == "BECK_ETLS" and "certificate" in failed.message.lower()
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("fallback", [False, True])
def test_https_where_there_is_none_is_told_in_plain_words(app, puppet, fallback):
    p = puppet(f"https://{app.server.host}:{app.server.port}", enable_ws_fallback=fallback)
    began = time.monotonic()
    failed = p.fails("connect", user={"id": "john"}, token=app.token("john"))
    assert failed.result == "BECK_ETLS" and "does not speak TLS" in failed.message and "http://" in failed.message, failed.answer
    assert time.monotonic() - began < 3, "more attempts change nothing"


def test_unless_the_program_says_so(tls, client):
    p = client(skip_tls_verify=True)
    connect(p, tls)
