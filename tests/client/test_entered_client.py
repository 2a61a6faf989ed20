"""Against an authorization server that registers nobody, such as Okta: a client entered by hand."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import Result

from okta_mcp.client.callback import entered_address
from okta_mcp.client.store import LoginStore
from tests.client.conftest import Clock, FollowingBrowser
from tests.client.scripted import METADATA, RESOURCE, ScriptedServer
from tests.vocabulary.processes import free_port

Run = Callable[..., Result]
SECRET = "the-applications-secret"
LIFETIME_SECONDS = 3600
INSERTED = "/.well-known/oauth-authorization-server/oauth2/default"
PLACES = [
    INSERTED,
    "/.well-known/openid-configuration/oauth2/default",
    "/oauth2/default/.well-known/openid-configuration",
    "/oauth2/default/.well-known/oauth-authorization-server",
]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def okta(server: ScriptedServer, port: int) -> ScriptedServer:
    """Okta's custom authorization server, and a resource server that names it and its scope."""
    server.script.documents = frozenset({f"{RESOURCE}/mcp", PLACES[-1]})
    server.script.metadata = {
        "registration_endpoint": None,
        "authorization_response_iss_parameter_supported": None,
        "scopes_supported": ["openid", "profile", "offline_access", "mcp:access"],
    }
    server.script.answer = lambda good: {
        name: value for name, value in good.items() if name != "iss"
    }
    server.script.resource = {
        "authorization_servers": [f"{server.origin}/oauth2/default"],
        "scopes_supported": ["mcp:access"],
    }
    server.script.entered = {"0oa1": ""}
    server.script.entered_redirect_uri = f"http://localhost:{port}/oauth/callback"
    return server


@pytest.fixture
def log_in(run: Run, okta: ScriptedServer, port: int) -> Run:
    def logged_in(*words: str, **more: Any) -> Result:
        return run("login", "--client-id", "0oa1", "--callback-port", str(port), *words, **more)

    return logged_in


@pytest.mark.parametrize("registration", ["not offered", "for administrators"])
def test_without_a_client_id_the_error_says_what_to_enter(
    run: Run, okta: ScriptedServer, browser: FollowingBrowser, registration: str
) -> None:
    if registration == "for administrators":
        okta.script.metadata = {}
        okta.script.answer = lambda good: good
        okta.script.registration_status = 403
    result = run("login")
    assert result.exit_code == 2
    assert "does not let clients register themselves" in result.stderr
    assert "exactly http://localhost:3030/oauth/callback\n" in result.stderr
    assert "--client-id" in result.stderr
    assert browser.urls == []


def test_the_error_names_the_port_that_was_asked_for(run: Run, okta: ScriptedServer) -> None:
    result = run("login", "--callback-port", "8765")
    assert "exactly http://localhost:8765/oauth/callback\n" in result.stderr


@pytest.mark.parametrize(
    ("client_id", "redirect_uri"),
    [("0oa2", None), ("0oa1", "http://127.0.0.1:1/callback")],
    ids=["unknown client", "another redirect URI"],
)
def test_a_client_that_is_not_entered_so_is_told_before_the_browser(
    run: Run,
    okta: ScriptedServer,
    browser: FollowingBrowser,
    port: int,
    client_id: str,
    redirect_uri: str | None,
) -> None:
    okta.script.entered_redirect_uri = redirect_uri or okta.script.entered_redirect_uri
    result = run("login", "--client-id", client_id, "--callback-port", str(port))
    assert result.exit_code == 2
    assert f"does not accept the client {client_id} with" in result.stderr
    assert f"redirect URI http://localhost:{port}/oauth/callback\n" in result.stderr
    assert browser.urls == []


def test_a_wrong_secret_ends_the_login(log_in: Run, okta: ScriptedServer) -> None:
    okta.script.entered = {"0oa1": SECRET}
    result = log_in(secret="another")
    assert result.exit_code == 2
    assert "invalid_client" in result.stderr


def test_a_refresh_without_the_secret_names_the_variable_and_keeps_the_login(
    log_in: Run, run: Run, okta: ScriptedServer, store: LoginStore, clock: Clock
) -> None:
    okta.script.entered = {"0oa1": SECRET}
    assert log_in(secret=SECRET).exit_code == 0
    clock.seconds += LIFETIME_SECONDS
    result = run("tools")
    assert result.exit_code == 2
    assert "OKTA_MCP_CLIENT_SECRET" in result.stderr
    assert run("tools", secret=SECRET).exit_code == 0
    assert len(okta.asked("refresh_token")) == 1


def test_the_id_and_secret_of_a_client_go_to_no_other_authorization_server(
    log_in: Run, okta: ScriptedServer, browser: FollowingBrowser
) -> None:
    okta.script.entered = {"0oa1": SECRET}
    assert log_in(secret=SECRET).exit_code == 0
    okta.access_tokens.clear()
    okta.refresh_tokens.clear()
    okta.script.documents = frozenset({f"{RESOURCE}/mcp", METADATA})
    okta.script.resource = {"authorization_servers": [okta.origin]}
    asked = len(okta.asked("authorize"))
    result = log_in(secret=SECRET)
    assert result.exit_code == 2
    assert f"sends log-ins to {okta.origin}" in result.stderr
    assert len(okta.asked("authorize")) == asked
    assert len(browser.urls) == 1


def test_there_is_no_option_for_the_secret(run: Run, okta: ScriptedServer) -> None:
    assert run("login", "--client-secret", SECRET).exit_code == 64


def test_the_secret_is_neither_kept_nor_printed(
    log_in: Run, okta: ScriptedServer, store: LoginStore
) -> None:
    okta.script.entered = {"0oa1": SECRET}
    result = log_in(secret=SECRET)
    assert result.exit_code == 0
    assert SECRET not in result.output
    assert SECRET.encode() not in store.path(okta.url).read_bytes()


def test_the_usual_callback_is_the_one_to_enter() -> None:
    assert entered_address().redirect_uri == "http://localhost:3030/oauth/callback"


@pytest.mark.parametrize("place", PLACES)
def test_the_metadata_of_an_issuer_with_a_path_is_found(
    log_in: Run, okta: ScriptedServer, place: str
) -> None:
    okta.script.documents = frozenset({f"{RESOURCE}/mcp", place})
    assert log_in().exit_code == 0


def test_metadata_of_another_issuer_of_the_host_is_passed_over(
    log_in: Run, okta: ScriptedServer
) -> None:
    okta.script.documents |= {INSERTED}
    okta.script.issuers = {INSERTED: okta.origin}
    assert log_in().exit_code == 0


def test_scope_is_what_the_resource_names_and_offline_access(
    log_in: Run, browser: FollowingBrowser
) -> None:
    log_in()
    query = parse_qs(urlsplit(browser.urls[0]).query)
    assert query["scope"] == ["mcp:access offline_access"]


def test_later_verbs_and_logins_need_no_option(
    log_in: Run, run: Run, okta: ScriptedServer, browser: FollowingBrowser, port: int
) -> None:
    log_in()
    okta.access_tokens.clear()
    okta.refresh_tokens.clear()
    assert run("tools").exit_code == 0
    assert [query["client_id"] for query in okta.asked("authorize")] == ["0oa1"] * len(
        okta.asked("authorize")
    )
    assert okta.asked("authorization_code")[-1]["redirect_uri"].endswith(f":{port}/oauth/callback")
    assert len(browser.urls) == 2


def test_another_client_id_leads_to_a_new_login(
    log_in: Run, run: Run, okta: ScriptedServer, browser: FollowingBrowser, port: int
) -> None:
    log_in()
    okta.script.entered = {"0oa9": ""}
    assert run("tools", "--client-id", "0oa9", "--callback-port", str(port)).exit_code == 0
    assert len(browser.urls) == 2
