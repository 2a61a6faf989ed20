"""The sandbox as a process: where it listens, what it says first, and when it ends."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest

from tests.sandbox.service import GONE, JWT_BEARER, ServiceKey
from tests.vocabulary.processes import CHECKOUT, running_sandbox

SERVER = "http://localhost:3001"
MODULE = [sys.executable, "-m", "okta_mcp.sandbox"]
COMMAND = [*MODULE, "--redirect-uri", f"{SERVER}/oauth/callback", "--port", "0"]
# Starts the sandbox as the server does, says what the sandbox said, and waits to be killed.
PARENT = (
    "import subprocess, sys\n"
    "child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
    "print(child.stdout.readline().decode(), end='', flush=True)\n"
    "child.wait()\n"
)


def ended(*options: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to end at once."""
    return subprocess.run(
        [*COMMAND, *options],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_anything_but_loopback_is_refused(host: str) -> None:
    process = ended("--host", host)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("--host: ")
    assert len(process.stderr.splitlines()) == 1


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = ended("--port", port)
    assert process.returncode == 2
    assert port in process.stderr
    assert "Traceback" not in process.stderr


def test_a_redirect_uri_is_required() -> None:
    command = [*MODULE, "--port", "0"]
    process = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=False
    )
    assert process.returncode == 2
    assert "--redirect-uri" in process.stderr


@pytest.mark.parametrize(
    ("options", "content", "words"),
    [
        (["--service-client-id", "0oa1"], "", "--service-client-id: goes together with"),
        (["--service-jwks", "{file}"], "", "--service-client-id: goes together with"),
        (["--client-jwks", "{file}.none"], "", "--client-jwks: "),
        (["--client-jwks", "{file}"], "{", "--client-jwks: "),
        (["--client-jwks", "{file}"], "[]", "--client-jwks: "),
        (["--client-jwks", "{file}"], '{"keys": []}', "holds no keys"),
        (["--client-jwks", "{file}"], '{"keys": [{"kty": "oct", "k": "czE"}]}', "not public"),
        (["--service-client-id", "0oa1", "--service-jwks", "{file}"], "private", "not public"),
    ],
)
def test_keys_that_cannot_be_used_are_refused(
    tmp_path: Path, options: list[str], content: str, words: str
) -> None:
    file = tmp_path / "jwks.json"
    if content == "private":
        private = jwt.algorithms.ECAlgorithm.to_jwk(ServiceKey().private, as_dict=True)
        content = json.dumps({"keys": [private]})
    file.write_text(content)
    process = ended(*(option.format(file=file) for option in options))
    assert (process.returncode, process.stdout) == (2, "")
    assert words in process.stderr
    assert len(process.stderr.splitlines()) == 1


def test_a_service_application_is_known_by_its_keys(tmp_path: Path) -> None:
    file, key = tmp_path / "jwks.json", ServiceKey(kind="RS256")
    file.write_text(json.dumps(key.jwks))
    with running_sandbox(SERVER, service=("0oaprocess", file)) as sandbox:
        url = f"{sandbox.url}/oauth2/v1/token"
        now = time.time()
        form = {
            "grant_type": "client_credentials",
            "scope": "okta.users.read",
            "client_assertion_type": JWT_BEARER,
        }
        headers, nonce = {}, GONE
        for status in (400, 200):
            named = {"iss": "0oaprocess", "sub": "0oaprocess", "aud": url, "exp": now + 60}
            headers["DPoP"] = key.proof("POST", url, nonce=nonce, iat=now)
            form["client_assertion"] = key.assertion(**named)
            answer = httpx.post(url, data=form, headers=headers)
            assert answer.status_code == status, answer.text
            nonce = answer.headers.get("dpop-nonce", GONE)
        users = f"{sandbox.url}/api/v1/users"
        token = answer.json()["access_token"]
        proof = key.proof("GET", users, ath=key.ath(token), iat=now)
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
        assert httpx.get(users, headers=headers).status_code == 200


def test_the_first_line_says_how_to_use_it_and_a_request_works_at_once() -> None:
    with running_sandbox(SERVER, "--id-token-style", "thin", "--rate-profile", "off") as sandbox:
        ready = sandbox.ready
        assert ready.keys() == {
            *("org_url", "client_id", "client_secret", "api_token", "control_secret"),
            *("role_groups", "personas", "custom"),
        }
        assert ready["role_groups"] == {
            "super_admin": "sso-super-admins",
            "security_admin": "sso-security-admins",
            "viewer": "sso-viewers",
        }
        roles = {person["login"].partition("@")[0]: person["role"] for person in ready["personas"]}
        assert roles["nora.super"] == "super-admin"
        assert roles["sami.soc"] == "security-admin"
        assert roles["hana.help"] == "viewer"
        assert roles["cole.contractor"] is roles["lena.leaver"] is None
        headers = {"Authorization": f"SSWS {ready['api_token']}"}
        app = httpx.get(f"{sandbox.url}/api/v1/apps/{ready['client_id']}", headers=headers)
        assert (app.json()["label"], app.json()["signOnMode"]) == ("Okta MCP", "OPENID_CONNECT")
        assert app.json()["id"] == ready["client_id"]
        # One of each: the application's, none of the web server's.
        for name in ("Date", "X-Okta-Sandbox", "X-Okta-Request-Id"):
            assert len(app.headers.get_list(name)) == 1
        assert "Server" not in app.headers
        settings = sandbox.control("settings")
        assert (settings["id_token_style"], settings["rate_profile"]) == ("thin", "off")


def test_the_date_header_follows_the_clock() -> None:
    with running_sandbox(SERVER) as sandbox:
        before = httpx.get(sandbox.url).headers["Date"]
        sandbox.control("clock", {"advance_seconds": 86_400 * 2})
        assert before[:16] != httpx.get(sandbox.url).headers["Date"][:16]


def test_it_ends_with_its_standard_input() -> None:
    with running_sandbox(SERVER) as sandbox:
        assert sandbox.process.stdin is not None
        sandbox.process.stdin.close()
        assert sandbox.process.wait(timeout=10) == 0


@contextlib.contextmanager
def parent_of_a_sandbox() -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-c", PARENT, *COMMAND, "--end-with-stdin"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as parent:
        assert parent.stdout is not None
        try:
            yield parent, json.loads(parent.stdout.readline())["org_url"]
        finally:
            parent.kill()


def test_it_ends_when_its_parent_is_killed() -> None:
    with parent_of_a_sandbox() as (parent, url):
        with httpx.Client() as kept:
            assert kept.get(f"{url}/oauth2/v1/keys").status_code == 200
        address = url.removeprefix("http://").split(":")
        with socket.create_connection((address[0], int(address[1])), timeout=10) as connection:
            parent.kill()
            # The end of the connection is the end of the process: nothing was asked on it.
            assert connection.recv(1) == b""
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url}/oauth2/v1/keys")
