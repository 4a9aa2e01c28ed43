"""What beckd and beck say when they cannot do what was asked: each message names the thing and the reason."""
import base64
import json
import os
import re
import signal
import subprocess
import time

import pytest

from beck import BECK, BECKD, wait_until


def run(program, *args, **env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("BECK_")}
    out = subprocess.run([program, *map(str, args)], env={**clean, **env}, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL)
    assert out.returncode not in (-signal.SIGSEGV, -signal.SIGABRT) and "Sanitizer" not in out.stderr, out.stderr
    return out


def start_fails(tmp_path, *args):
    """The one line that beckd ends with; log lines before it begin with a time."""
    out = run(BECKD, "--listen", "127.0.0.1:0", "--data", tmp_path / "data", *args)
    assert out.returncode in (1, 2) and "ready" not in out.stdout, out
    said = [line for line in out.stderr.splitlines() if line.startswith("beckd: ")]
    assert len(said) == 1, out.stderr
    return said[0].removeprefix("beckd: ")


# ---- options ----

@pytest.mark.parametrize("given,named", [("foo", "foo"), ("10.0.0.0/8, 10.0.0.0/33", "10.0.0.0/33"), ("127.0.0.1,localhost", "localhost")])
def test_trusted_proxies_name_the_entry(tmp_path, given, named):
    assert start_fails(tmp_path, "--trusted-proxies", given) == f'trusted-proxies: "{named}" is no address and no network like 10.0.0.0/8'


def test_trusted_proxies_have_a_bound(tmp_path):
    many = ",".join(f"10.0.0.{i}" for i in range(65))
    assert start_fails(tmp_path, "--trusted-proxies", many) == "trusted-proxies: more than 64 networks"


@pytest.mark.parametrize("text,says", [("lisen = 1\n", ', line 1: unknown option "lisen"'), ("\n[net]\nlisen = 1\n", ', line 3: unknown option "lisen" in section [net]')])
def test_ini_errors_name_file_and_line(tmp_path, text, says):
    file = tmp_path / "bad.ini"
    file.write_text(text)
    assert start_fails(tmp_path, "--config", file) == f"{file}{says}"


# ---- TLS files ----

def make_pair(folder, name, *kind):
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-newkey", *(kind or ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")), "-subj", "/CN=localhost",
                    "-days", "2", "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=60)
    return cert, key


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    text = folder / "text"
    text.write_text("no PEM at all\n")
    encrypted = folder / "encrypted.key"
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", make_pair(folder, "one")[1], "-out", encrypted, "-passout", "pass:secret"], check=True, capture_output=True,
                   timeout=60)
    return {"cert": folder / "one.crt", "key": folder / "one.key", "other": make_pair(folder, "other")[1], "rsa": make_pair(folder, "rsa", "rsa:2048")[1],
            "weak": make_pair(folder, "weak", "rsa:512"), "text": text, "encrypted": encrypted, "nope": folder / "nope", "folder": folder}


@pytest.mark.parametrize("cert,key,says", [
    ("nope", "nope", "TLS certificate {nope}: No such file or directory"),
    ("cert", "nope", "TLS key {nope}: No such file or directory"),
    ("folder", "key", "TLS certificate {folder}: Is a directory"),
    ("text", "key", "TLS certificate {text} is not a PEM certificate"),
    ("key", "key", "TLS certificate {key} is not a PEM certificate"),
    ("cert", "text", "TLS key {text} is not a PEM private key"),
    ("cert", "cert", "TLS key {cert} is not a PEM private key"),
    ("cert", "other", "TLS: the key {other} does not belong to the certificate {cert}"),
    ("cert", "rsa", "TLS: the key {rsa} does not belong to the certificate {cert}"),
    ("cert", "encrypted", "TLS key {encrypted} is encrypted; an unencrypted one is needed"),
])
def test_tls_errors_name_file_and_reason(tmp_path, pairs, cert, key, says):
    assert start_fails(tmp_path, "--tls-cert", pairs[cert], "--tls-key", pairs[key]) == says.format(**pairs)


def test_tls_certificates_that_are_too_weak_are_named(tmp_path, pairs):
    cert, key = pairs["weak"]
    assert start_fails(tmp_path, "--tls-cert", cert, "--tls-key", key) == f"TLS certificate {cert}: ee key too small"


def test_unreadable_keys_are_named(tmp_path, pairs):
    if os.geteuid() == 0:
        return  # root reads everything
    key = tmp_path / "closed.key"
    key.write_bytes(pairs["key"].read_bytes())
    key.chmod(0)
    assert start_fails(tmp_path, "--tls-cert", pairs["cert"], "--tls-key", key) == f"TLS key {key}: Permission denied"


def test_reload_names_file_and_reason_too(tmp_path, pairs):
    cert, key, log = tmp_path / "c", tmp_path / "k", tmp_path / "log"
    cert.write_bytes(pairs["cert"].read_bytes())
    key.write_bytes(pairs["key"].read_bytes())
    with log.open("wb") as stderr:
        process = subprocess.Popen([BECKD, "--listen", "127.0.0.1:0", "--data", tmp_path / "data", "--tls-cert", cert, "--tls-key", key],
                                   stdout=subprocess.PIPE, stderr=stderr)
    try:
        assert process.stdout.readline().startswith(b"beckd ready url=https://")
        key.write_bytes(pairs["other"].read_bytes())
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: f"the key {key} does not belong to the certificate {cert}" in log.read_text(), "the mismatch is logged")
        key.unlink()
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: f"TLS key {key}: No such file or directory" in log.read_text(), "the missing file is logged")
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()


# ---- commands ----

@pytest.mark.parametrize("program,args,says", [
    (BECKD, ["bogus"], 'unknown command "bogus"'),
    (BECKD, ["extra", "arg"], 'unknown command "extra"'),
    (BECKD, ["check", "extra"], 'unexpected argument "extra"'),
    (BECKD, ["check", "--lisen", "x"], "unknown option --lisen"),
    (BECKD, ["check", "--data"], "--data needs a value"),
    (BECKD, ["backup"], "backup needs a folder"),
    (BECKD, ["backup", "one", "two"], 'unexpected argument "two"'),
    (BECKD, ["app"], "app needs a command: create, list or rotate"),
    (BECKD, ["app", "make"], 'app has no command "make"'),
    (BECK, ["app", "create"], "app create needs --name NAME"),
    (BECK, ["app", "rotate"], "app rotate needs --key KEY"),
    (BECK, ["app"], "app needs a command: create, list or rotate"),
    (BECK, [], "a command is needed"),
    (BECK, ["bogus"], 'unknown command "bogus"'),
    (BECK, ["token"], "token needs --user ID or --server"),
    (BECK, ["token", "--user", "ann", "--server"], "a token is for one: --user ID or --server, not both"),
    (BECK, ["token", "--user"], "--user needs a value"),
    (BECK, ["token", "--usr", "ann"], "unknown option --usr"),
    (BECK, ["token", "ann"], 'unexpected argument "ann"'),
    (BECK, ["token", "--user", "ann", "--expires", "1h"], '--expires: "1h" is not a number of seconds above 0'),
    (BECK, ["token", "--user", "!anon"], '--user: "!anon" is no user id; the server takes 1 to 255 of a-z A-Z 0-9 _ @ -'),
], ids=lambda v: " ".join(v) if isinstance(v, list) else None)
def test_usage_says_first_what_is_wrong(program, args, says):
    out = run(program, *args, BECK_API_SECRET="s" * 32)
    lines = out.stderr.splitlines()
    assert out.returncode == 2 and out.stdout == "", out
    assert re.fullmatch(r"beckd?: (.*)", lines[0]).group(1) == says and lines[1] == ""
    assert any(line.startswith("usage: ") for line in lines[2:])


@pytest.mark.parametrize("program", [BECKD, BECK])
def test_help_complains_of_nothing(program):
    out = run(program, "--help")
    assert out.returncode == 0 and out.stderr == "" and out.stdout.startswith(os.path.basename(program) + " ")


# ---- beck token ----

def secret_file(folder, text, mode=0o600):
    file = folder / "secret"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_token_from_a_secret_file(tmp_path):
    out = run(BECK, "token", "--user", "a@b_c-1", "--expires", "60", "--secret-file", secret_file(tmp_path, "s" * 32 + "\n"))
    assert out.returncode == 0 and out.stderr == ""
    claims = json.loads(base64.urlsafe_b64decode(out.stdout.split(".")[1] + "=="))
    assert claims["user_id"] == "a@b_c-1" and claims["exp"] == claims["iat"] + 60 and abs(claims["iat"] - time.time()) < 5


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_token_refuses_a_secret_that_others_can_read(tmp_path, mode):
    """As beckd does."""
    file = secret_file(tmp_path, "s" * 32, mode)
    out = run(BECK, "token", "--server", "--secret-file", file)
    assert out.returncode == 1 and out.stdout == "" and out.stderr == f"beck: {file} must be readable by its owner only (mode 0600)\n"
    assert start_fails(tmp_path, "--api-secret-file", file) == f"api-secret-file: {file} must be readable by its owner only (mode 0600)"


@pytest.mark.parametrize("text", ["", "\n"])
def test_token_refuses_an_empty_secret(tmp_path, text):
    file = secret_file(tmp_path, text)
    out = run(BECK, "token", "--server", "--secret-file", file)
    assert out.returncode == 1 and out.stdout == "" and out.stderr == f"beck: {file} holds no secret in its first line\n"


def test_token_names_a_missing_secret_file(tmp_path):
    out = run(BECK, "token", "--server", "--secret-file", tmp_path / "nope")
    assert out.returncode == 1 and out.stderr == f"beck: cannot read {tmp_path / 'nope'}: No such file or directory\n"


@pytest.mark.parametrize("user", ["", "a b", "a.b", "ä", "x" * 256], ids=["empty", "blank", "dot", "umlaut", "long"])
def test_token_refuses_ids_that_the_server_refuses(app, user):
    out = run(BECK, "token", "--user", user, BECK_API_SECRET="s" * 32)
    assert out.returncode == 2 and out.stdout == "" and "is no user id" in out.stderr.splitlines()[0]
    app.api.post("/users", {"users": {user: {"id": user}}}).fails(400, 4)


# ---- restore ----

def test_failed_restore_leaves_no_folder_behind(tmp_path):
    out = run(BECKD, "restore", tmp_path / "nope", "--data", tmp_path / "data")
    assert out.returncode == 1 and f"{tmp_path / 'nope'}: there is no readable beck.db" in out.stderr
    assert not (tmp_path / "data").exists()
    (tmp_path / "data").mkdir()  # one that was there stays
    assert run(BECKD, "restore", tmp_path / "nope", "--data", tmp_path / "data").returncode == 1
    assert list((tmp_path / "data").iterdir()) == []
