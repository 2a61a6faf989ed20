"""The log-in: what ends it, how the server is found, what is sent."""

import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import Result

from okta_mcp.client import login as login_module
from okta_mcp.client.answers import MAX_ANSWER_BYTES
from okta_mcp.client.store import Login, LoginStore
from tests.client.conftest import FollowingBrowser
from tests.client.scripted import METADATA, RESOURCE, ScriptedServer

Run = Callable[..., Result]
TOO_LONG = "x" * MAX_ANSWER_BYTES


def _without(name: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda answer: {key: value for key, value in answer.items() if key != name}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            lambda good: {**good, "error": "access_denied", "error_description": "no role"},
            "It said: no role (access_denied)",
        ),
        (
            lambda _: {"error": "server_error", "error_description": "come\x1b back"},
            "It said: come\ufffd back (server_error)",
        ),
        (lambda good: {**good, "state": "another"}, "wrong state"),
        (lambda good: {"error": "access_denied", "state": "another"}, "wrong state"),
        (_without("state"), "wrong state"),
        (lambda good: {**good, "iss": "https://evil.example"}, "comes from https://evil.example"),
        (
            lambda _: {"error": "any", "iss": "\n".join(["Error:", "x" * 900])},
            f"comes from Error: {'x' * 293}, not",
        ),
        (_without("iss"), "no iss"),
        (_without("code"), "holds no code"),
        (lambda good: [*good.items(), ("code", "second")], "names a parameter twice"),
    ],
)
def test_wrong_answer_at_the_callback_ends_the_login_before_a_code_is_redeemed(
    run: Run,
    server: ScriptedServer,
    browser: FollowingBrowser,
    store: LoginStore,
    answer: Callable[[dict[str, str]], Any],
    reason: str,
) -> None:
    server.script.answer = answer
    result = run("login")
    assert result.exit_code == 2
    assert reason in result.stderr
    page = browser.page()
    assert page.status_code in (400, 403)
    assert "Nobody got access by this" in page.text
    assert server.asked("authorization_code") == []
    assert store.load(server.url) is None


def test_login_is_refused_when_the_callback_port_is_taken(run: Run, server: ScriptedServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("login", "--callback-port", str(port))
    assert result.exit_code == 2
    assert f"Cannot listen on 127.0.0.1:{port}" in result.stderr
    assert server.asked("register") == []


def test_login_ends_when_nobody_comes_back(
    run: Run, browser: FollowingBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_module, "BROWSER_WAIT_SECONDS", 0)
    result = run("login", "--no-browser")
    assert result.exit_code == 2
    assert "Nobody logged in" in result.stderr
    assert "/oauth/authorize?response_type=code" in result.stderr
    assert browser.urls == []


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"issuer": "https://other.example"}, "calls itself https://other.example"),
        ({"code_challenge_methods_supported": ["plain"]}, "does not offer PKCE"),
        ({"code_challenge_methods_supported": None}, "does not offer PKCE"),
        ({"token_endpoint": "http://10.0.0.1/token"}, "unsafe address: http://10.0.0.1/token"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "has no metadata"),
        (
            {"authorization_endpoint": "https://acme.okta.com@evil.example/"},
            "unsafe address: https://acme.okta.com@evil.example/",
        ),
    ],
)
def test_login_is_refused_when_the_authorization_server_is_not_to_be_trusted(
    run: Run,
    server: ScriptedServer,
    browser: FollowingBrowser,
    metadata: dict[str, Any],
    reason: str,
) -> None:
    server.script.metadata = metadata
    result = run("login")
    assert (result.exit_code, browser.urls) == (2, [])
    assert reason in result.stderr


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ({"resource": "https://other.example/mcp"}, "says that it is https://other.example/mcp"),
        ({"authorization_servers": ["http://192.168.0.1"]}, "unsafe authorization server"),
    ],
)
def test_login_is_refused_when_the_resource_metadata_points_elsewhere(
    run: Run, server: ScriptedServer, resource: dict[str, Any], reason: str
) -> None:
    server.script.resource = resource
    result = run("login")
    assert result.exit_code == 2
    assert reason in result.stderr


def test_login_is_refused_when_the_challenge_names_no_address(
    run: Run, server: ScriptedServer
) -> None:
    server.script.challenge_url = "https://[::1"
    result = run("login")
    assert result.exit_code == 2
    assert "unsafe address for its metadata: https://[::1" in result.stderr


@pytest.mark.parametrize("path", [METADATA, f"{RESOURCE}/mcp"])
def test_a_metadata_document_that_fails_is_not_taken_for_missing(
    run: Run, server: ScriptedServer, path: str
) -> None:
    server.script.status = {path: 503}
    result = run("login")
    assert result.exit_code == 3
    assert f"{path} answered HTTP 503" in result.stderr


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        ((400, {"error": "invalid_grant"}), 2, "The server refused: invalid_grant"),
        ((401, {"error": "invalid_client"}), 2, "The server refused: invalid_client"),
        ((429, {"error": "slow_down"}), 3, "slow_down"),
        ((500, ["at-secret"]), 3, "answered HTTP 500"),
        ((200, {"token": "at-secret"}), 3, "something that is not a token"),
    ],
)
def test_refusal_at_the_token_endpoint_is_told_in_terminal_and_browser(
    run: Run,
    server: ScriptedServer,
    browser: FollowingBrowser,
    answer: tuple[int, Any],
    status: int,
    reason: str,
) -> None:
    server.script.token_answer = answer
    result = run("login")
    assert result.exit_code == status
    assert reason in result.stderr
    assert reason in browser.page().text
    assert "at-secret" not in result.output


@pytest.mark.parametrize(
    "changes",
    [
        {"resource": {"resource_name": TOO_LONG}},
        {"metadata": {"service_documentation": f"https://x.example/{TOO_LONG}"}},
        {"registration": {"software_id": TOO_LONG}},
        {"token_answer": (200, {"access_token": "at", "token_type": "Bearer", "note": TOO_LONG})},
    ],
    ids=["resource metadata", "server metadata", "registration", "token"],
)
def test_an_answer_without_end_ends_the_login(
    run: Run, server: ScriptedServer, changes: dict[str, Any]
) -> None:
    for name, value in changes.items():
        setattr(server.script, name, value)
    result = run("login")
    assert result.exit_code == 3
    assert f"larger than {MAX_ANSWER_BYTES} bytes" in result.stderr
    assert TOO_LONG not in result.output


@pytest.mark.parametrize(
    ("challenge", "documents"),
    [
        (True, {METADATA, f"{RESOURCE}/mcp"}),
        (False, {METADATA, f"{RESOURCE}/mcp"}),
        (False, {METADATA, RESOURCE}),
        (False, {METADATA}),
        (False, {RESOURCE, "/.well-known/openid-configuration"}),
        (False, set()),
    ],
    ids=["challenge", "path", "root", "origin", "openid", "2025-03-26"],
)
def test_login_finds_the_authorization_server(
    run: Run, server: ScriptedServer, challenge: bool, documents: set[str]
) -> None:
    server.script.challenge = challenge
    server.script.documents = frozenset(documents)
    result = run("login")
    assert result.exit_code == 0, result.output
    assert "Ann Example (ann@example.com)" in result.stdout


def test_client_registers_as_public_native_app_with_its_loopback_callback(
    run: Run, server: ScriptedServer
) -> None:
    run("login")
    (metadata,) = server.asked("register")
    assert metadata["token_endpoint_auth_method"] == "none"
    assert metadata["application_type"] == "native"
    (redirect_uri,) = metadata["redirect_uris"]
    assert redirect_uri.startswith("http://127.0.0.1:")
    assert redirect_uri.endswith("/callback")


def test_authorization_request_carries_pkce_state_resource_and_scope(
    run: Run, server: ScriptedServer, browser: FollowingBrowser
) -> None:
    run("login")
    query = {name: values[0] for name, values in parse_qs(urlsplit(browser.urls[0]).query).items()}
    assert query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == 43
    assert len(query["state"]) >= 43
    assert query["resource"] == server.url
    assert query["scope"] == "okta.users.read offline_access"


def test_browser_and_terminal_say_that_the_login_is_complete(
    run: Run, browser: FollowingBrowser
) -> None:
    result = run("login")
    assert result.exit_code == 0
    assert browser.urls[0] in result.stderr
    page = browser.page()
    assert page.status_code == 200
    assert "You are logged in" in page.text


def test_registration_is_used_again_at_the_next_login(
    run: Run, server: ScriptedServer, logged_in: Login
) -> None:
    server.access_tokens.clear()
    server.refresh_tokens.clear()
    assert run("login").exit_code == 0
    assert server.asked("register") == []
    assert {query["client_id"] for query in server.asked("authorize")} == {
        logged_in.registration.client_id
    }


def test_registration_that_the_server_forgot_is_made_again(
    run: Run, server: ScriptedServer, browser: FollowingBrowser, logged_in: Login
) -> None:
    server.access_tokens.clear()
    server.refresh_tokens.clear()
    server.clients.clear()
    assert run("login").exit_code == 0
    assert len(server.asked("register")) == 1
    assert len(browser.urls) == 2


def test_another_port_is_taken_when_the_registered_one_is_busy(
    run: Run, server: ScriptedServer, logged_in: Login
) -> None:
    server.access_tokens.clear()
    server.refresh_tokens.clear()
    registered = urlsplit(logged_in.registration.redirect_uri).port
    assert registered is not None
    with socket.create_server(("127.0.0.1", registered)):
        assert run("login").exit_code == 0
    assert server.asked("register") == []
    used = server.asked("authorization_code")[-1]["redirect_uri"]
    assert used != logged_in.registration.redirect_uri
