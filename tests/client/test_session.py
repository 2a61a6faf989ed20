"""Tokens over time: refresh, refusal, a second log-in, log-out."""

import asyncio
from collections.abc import Callable

import pytest
from click.testing import Result

from okta_mcp.client import calls
from okta_mcp.client.login import Browser
from okta_mcp.client.session import Session
from okta_mcp.client.store import Login, LoginStore
from tests.client.conftest import Clock, FollowingBrowser
from tests.client.scripted import ScriptedServer

Run = Callable[..., Result]
LIFETIME_SECONDS = 3600
A_MINUTE = 60


def test_a_token_refused_right_after_the_login_ends_with_a_clear_text(
    run: Run, server: ScriptedServer, browser: FollowingBrowser
) -> None:
    server.script.accepts_tokens = False
    result = run("login")
    assert result.exit_code == 2
    assert "refuses the token that it has just issued" in result.stderr
    assert len(browser.urls) == 1


def test_a_server_that_wants_more_scopes_is_given_them_and_none_is_lost(
    run: Run, server: ScriptedServer, browser: FollowingBrowser, logged_in: Login
) -> None:
    server.script.wanted_scope = "okta.logs.read"
    result = run("login")
    assert result.exit_code == 0, result.stderr
    assert len(browser.urls) == 2
    had = (logged_in.server.scope or "").split()
    assert server.asked("authorize")[-1]["scope"].split() == [*had, "okta.logs.read"]
    assert "offline_access" in had


def test_a_server_that_wants_ever_more_scopes_is_not_asked_for_ever(
    run: Run, server: ScriptedServer, browser: FollowingBrowser
) -> None:
    # A scope with a space in it can never be among those that were asked for.
    server.script.wanted_scope = "never enough"
    result = run("login")
    assert result.exit_code == 2
    assert "refuses the token" in result.stderr
    assert len(browser.urls) == 2


def test_a_refused_refresh_token_leads_to_a_new_login(
    run: Run, server: ScriptedServer, browser: FollowingBrowser, clock: Clock, logged_in: Login
) -> None:
    clock.seconds += LIFETIME_SECONDS
    server.refresh_tokens.clear()
    assert run("login").exit_code == 0
    assert len(server.asked("refresh_token")) == 1
    assert len(browser.urls) == 2


def test_a_forgotten_client_leads_to_a_new_registration_and_login(
    run: Run, server: ScriptedServer, clock: Clock, logged_in: Login
) -> None:
    clock.seconds += LIFETIME_SECONDS
    server.script.refresh_answer = (401, {"error": "invalid_client"})
    assert run("login").exit_code == 0
    assert len(server.asked("register")) == 1


def test_an_expired_token_is_not_sent_while_the_token_endpoint_is_away(
    run: Run, server: ScriptedServer, clock: Clock, logged_in: Login
) -> None:
    clock.seconds += LIFETIME_SECONDS
    server.script.refresh_answer = (503, {"error": "temporarily_unavailable"})
    result = run("login")
    assert result.exit_code == 3
    assert "temporarily_unavailable" in result.stderr
    assert server.asked("mcp") == []


def test_a_token_with_time_left_is_sent_while_the_token_endpoint_is_away(
    run: Run, server: ScriptedServer, clock: Clock, logged_in: Login
) -> None:
    clock.seconds += LIFETIME_SECONDS - 1
    server.script.refresh_answer = (503, {"error": "temporarily_unavailable"})
    assert run("login").exit_code == 0


def test_an_expired_token_without_refresh_token_leads_to_a_new_login(
    run: Run, server: ScriptedServer, browser: FollowingBrowser, clock: Clock
) -> None:
    server.script.issues_refresh_tokens = False
    run("login")
    clock.seconds += LIFETIME_SECONDS
    assert run("login").exit_code == 0
    assert len(browser.urls) == 2
    assert server.asked("refresh_token") == []


def test_a_token_is_refreshed_before_it_ends(
    run: Run, server: ScriptedServer, browser: FollowingBrowser, clock: Clock, logged_in: Login
) -> None:
    assert logged_in.tokens is not None
    clock.seconds += LIFETIME_SECONDS - A_MINUTE
    assert run("login").exit_code == 0
    (form,) = server.asked("refresh_token")
    assert form["resource"] == server.url
    assert logged_in.tokens.access_token not in {sent["token"] for sent in server.asked("mcp")}
    assert len(browser.urls) == 1


def test_a_token_with_time_left_is_not_refreshed(
    run: Run, server: ScriptedServer, clock: Clock, logged_in: Login
) -> None:
    clock.seconds += LIFETIME_SECONDS - A_MINUTE - 1
    assert run("login").exit_code == 0
    assert server.asked("refresh_token") == []


def test_a_rotated_refresh_token_is_the_one_kept(
    run: Run, server: ScriptedServer, store: LoginStore, clock: Clock, logged_in: Login
) -> None:
    clock.seconds += LIFETIME_SECONDS
    run("login")
    login = store.load(server.url)
    assert login is not None
    assert login.tokens is not None
    assert {login.tokens.refresh_token} == server.refresh_tokens


def test_a_401_is_answered_with_one_refresh_and_one_retry(
    run: Run, server: ScriptedServer, browser: FollowingBrowser, logged_in: Login
) -> None:
    server.access_tokens.clear()
    assert run("login").exit_code == 0
    assert len(server.asked("refresh_token")) == 1
    assert len(browser.urls) == 1


def test_a_401_after_the_refresh_leads_to_one_login_and_no_loop(
    run: Run, server: ScriptedServer, browser: FollowingBrowser, logged_in: Login
) -> None:
    server.script.accepts_tokens = False
    result = run("login")
    assert result.exit_code == 2
    assert len(browser.urls) == 2
    assert len(server.asked("refresh_token")) == 2


async def test_two_processes_spend_a_refresh_token_once(
    server: ScriptedServer, store: LoginStore, browser: FollowingBrowser, clock: Clock
) -> None:
    sessions = [
        Session(server.url, store, Browser(lambda _: None, browser), clock) for _ in range(2)
    ]
    await sessions[0].run(calls.identity)
    clock.seconds += LIFETIME_SECONDS
    found = await asyncio.gather(*(session.run(calls.identity) for session in sessions))
    assert [me is not None for me in found] == [True, True]
    assert len(server.asked("refresh_token")) == 1


def test_logout_revokes_both_tokens_and_deletes_them(
    run: Run, server: ScriptedServer, store: LoginStore, logged_in: Login
) -> None:
    result = run("logout")
    assert result.exit_code == 0
    assert "revoked and deleted" in result.stdout
    assert [form["token_type_hint"] for form in server.asked("revoke")] == [
        "refresh_token",
        "access_token",
    ]
    assert (server.access_tokens, server.refresh_tokens) == (set(), set())
    assert store.load(server.url) is None


def test_logout_deletes_the_tokens_even_if_the_server_does_not_confirm(
    run: Run, server: ScriptedServer, store: LoginStore, logged_in: Login
) -> None:
    server.script.revoke_status = 503
    result = run("logout")
    assert result.exit_code == 3
    assert "deleted here, but may live on" in result.stderr
    assert store.load(server.url) is None


def test_logout_says_so_when_the_server_offers_no_revocation(
    run: Run, server: ScriptedServer
) -> None:
    server.script.metadata = {"revocation_endpoint": None}
    run("login")
    result = run("logout")
    assert result.exit_code == 0
    assert "offers no revocation" in result.stdout


def test_logout_without_login_is_no_error(run: Run) -> None:
    result = run("logout")
    assert (result.exit_code, result.stdout) == (0, "You were not logged in.\n")


@pytest.mark.parametrize("words", [("login",), ("tools",), ("logout",), ("login", "--json")])
def test_no_token_is_ever_printed(run: Run, server: ScriptedServer, words: tuple[str, ...]) -> None:
    output = run("login").output + run(*words).output
    assert len(server.issued) == 2
    assert not [token for token in server.issued if token in output]
