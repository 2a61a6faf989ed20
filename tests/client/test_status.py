"""The verb `status`: never a browser, and an exit status that a script can act on."""

import json
import socket
from collections.abc import Callable

import pytest
from click.testing import Result

from okta_mcp.client.store import Login, LoginStore
from tests.client.conftest import Clock, FollowingBrowser
from tests.client.scripted import ScriptedServer

Run = Callable[..., Result]
LIFETIME_SECONDS = 3600


def test_without_a_login_it_is_not_usable(
    run: Run, server: ScriptedServer, browser: FollowingBrowser
) -> None:
    result = run("status")
    assert result.exit_code == 2
    assert result.stdout == (
        f"Login   not logged in; the verb `login` logs in\nServer  {server.url} answers\n"
    )
    assert browser.urls == []


def test_a_login_that_the_server_ended_is_not_usable(
    run: Run, server: ScriptedServer, browser: FollowingBrowser, logged_in: Login
) -> None:
    server.access_tokens.clear()
    server.refresh_tokens.clear()
    result = run("status", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["usable"], document["answers"]) == (2, False, True)
    assert len(browser.urls) == 1


def test_an_expired_login_that_cannot_be_renewed_is_not_usable(
    run: Run, server: ScriptedServer, clock: Clock
) -> None:
    server.script.issues_refresh_tokens = False
    run("login")
    clock.seconds += LIFETIME_SECONDS
    result = run("status")
    assert result.exit_code == 2
    assert "Login   the log-in has ended" in result.stdout
    assert ", which is over" in result.stdout


@pytest.mark.parametrize("lifetime_seconds", [10**12, 10**400])
def test_a_lifetime_beyond_all_bounds_can_be_shown(
    run: Run, server: ScriptedServer, lifetime_seconds: int
) -> None:
    server.script.lifetime_seconds = lifetime_seconds
    assert run("login").exit_code == 0
    result = run("status")
    assert result.exit_code == 0
    assert "Until   20" in result.stdout


def test_a_damaged_file_is_said(run: Run, server: ScriptedServer, store: LoginStore) -> None:
    run("login")
    store.path(server.url).write_bytes(b"{")
    result = run("status")
    assert result.exit_code == 2
    assert "is damaged" in result.stdout
    assert f"{server.url} answers" in result.stdout


def test_a_server_that_is_away_has_the_status_of_no_connection(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/mcp"
    result = run("status", url=url)
    assert result.exit_code == 3
    assert f"Server  {url} does not answer" in result.stdout


def test_a_login_is_shown_with_its_end_and_place(
    run: Run, server: ScriptedServer, store: LoginStore, logged_in: Login
) -> None:
    result = run("status")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:4] == [
        "Person  Ann Example (ann@example.com)",
        "Role    viewer",
        "Groups  Help",
        "Login   valid",
    ]
    assert lines[4].startswith("Until   2030-03-17 ")
    assert lines[4].endswith(", renewed by itself while the server allows it")
    assert lines[5:] == [f"Kept    in {store.path(server.url)}", f"Server  {server.url} answers"]


def test_a_login_as_json(run: Run, server: ScriptedServer, logged_in: Login) -> None:
    document = json.loads(run("status", "--json").stdout)
    file = document.pop("file")
    assert file.endswith(".json")
    assert document == {
        "server": server.url,
        "usable": True,
        "answers": True,
        "person": "ann@example.com",
        "role": "viewer",
        "access_until": "2030-03-17T18:46:40+00:00",
        "renews": True,
        "kept_in": "file",
        "client_id": logged_in.registration.client_id,
        "authorization_server": server.origin,
    }


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_no_token_is_shown(run: Run, server: ScriptedServer, logged_in: Login, form: str) -> None:
    shown = run("status", form).output
    assert not [token for token in server.issued if token in shown]


def test_a_server_without_login_is_usable(run: Run, server: ScriptedServer) -> None:
    result = run("status", url=server.open_url)
    assert result.exit_code == 0
    assert "Login   this server asks for none" in result.stdout
