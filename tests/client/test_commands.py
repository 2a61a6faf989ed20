"""The verbs as a person or a script runs them: text, streams and exit status."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from okta_mcp.client.commands import client_command, verbs
from okta_mcp.client.store import Login
from tests.client.conftest import FollowingBrowser
from tests.client.scripted import ScriptedServer

Run = Callable[..., Result]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["tools"],
        ["localhost:3001/mcp"],
        ["ftp://localhost/mcp"],
        ["http://localhost:99999/mcp"],
        ["http://[/mcp"],
        ["https://ann@example.com/mcp"],
        ["http://example.com/mcp"],
        ["https://example.com/mcp", "dance"],
        ["https://example.com/mcp", "call"],
        ["https://example.com/mcp", "--callback-port", "70000"],
    ],
)
def test_wrong_usage_has_its_own_status(words: list[str]) -> None:
    result = CliRunner().invoke(client_command, words)
    assert result.exit_code == 64
    assert "Usage: " in result.stderr
    assert result.stdout == ""


def test_a_server_that_is_down_is_a_connection_failure(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/mcp"
    result = run("tools", url=url)
    assert result.exit_code == 3
    assert f"Cannot reach {url}" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_server_that_is_not_mcp_is_a_connection_failure(run: Run, server: ScriptedServer) -> None:
    result = run("tools", url=f"{server.origin}/nothing")
    assert result.exit_code == 3
    assert "does not answer as an MCP server: Not Found (HTTP 404)" in result.stderr


def test_an_unknown_tool_is_a_tool_error_with_a_suggestion(run: Run) -> None:
    result = run("call", "list_okta_user")
    assert result.exit_code == 1
    assert "Did you mean list_okta_users?" in result.stderr


def test_a_tool_error_goes_to_stderr_without_its_escape_sequences(run: Run) -> None:
    result = run("call", "get_okta_user", "user_id=gone", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "get_okta_user: not_found: no \ufffd[2Jsuch person" in result.stderr


def test_a_value_of_another_type_is_wrong_usage(run: Run) -> None:
    result = run("call", "list_okta_users", "limit=ten")
    assert result.exit_code == 64
    assert "limit must be an integer" in result.stderr


def test_tools_are_the_default_verb_and_follow_person_and_role(run: Run) -> None:
    result = run()
    assert result.exit_code == 0
    assert result.stdout == (
        "Person  Ann Example (ann@example.com)\n"
        "Role    viewer\n"
        "Groups  Help\n"
        "\n"
        "Tool             What it does\n"
        "---------------  ------------\n"
        "list_okta_users  List people\n"
        "get_okta_user    One person by id\n"
        "\n"
        "2 tools\n"
    )


def test_a_server_without_login_and_identity_shows_its_tools_only(
    run: Run, server: ScriptedServer, browser: FollowingBrowser
) -> None:
    result = run("tools", url=server.open_url)
    assert result.exit_code == 0
    assert result.stdout.startswith("Tool  What it does\n")
    assert "Person" not in result.stdout
    assert browser.urls == []
    assert run("login", url=server.open_url).stdout == "Connected.\n"


def test_tools_as_json(run: Run) -> None:
    document = json.loads(run("--json").stdout)
    assert document["person"]["login"] == "ann@example.com"
    assert document["role"] == "viewer"
    assert [tool["name"] for tool in document["tools"]] == ["list_okta_users", "get_okta_user"]


def test_call_passes_typed_arguments_and_shows_rows(run: Run) -> None:
    result = run("call", "list_okta_users", "q=ann", "limit=1", 'fields=["id"]')
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["id", "login", "name", "note"]
    assert lines[2].split("  ")[0] == "00u1"
    assert "q       ann" in lines
    assert "fields  id" in lines
    assert "\x1b" not in result.stdout


def test_call_as_json_is_the_structured_answer(run: Run) -> None:
    result = run("call", "list_okta_users", "limit=0", "--json")
    assert json.loads(result.stdout) == {"items": [], "count": 1, "q": "", "fields": []}


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_options_may_stand_anywhere(run: Run, server: ScriptedServer, place: str) -> None:
    words = {
        "before": ["--json", server.open_url, "call", "ping"],
        "between": [server.open_url, "--json", "call", "ping"],
        "after": [server.open_url, "call", "ping", "--json"],
    }[place]
    result = CliRunner().invoke(client_command, words)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"result": "pong"}


def test_verbs_take_the_url_after_the_verb_in_a_command_tree(
    server: ScriptedServer, logged_in: Login, tmp_path: object
) -> None:
    tree = {verb.name: verb for verb in verbs}
    assert list(tree) == ["login", "tools", "call", "logout"]
    words = [server.url, "get_okta_user", "user_id=00u1", "--store-dir", f"{tmp_path}/logins"]
    result = CliRunner().invoke(tree["call"], words)
    assert result.exit_code == 0
    assert "profile.login  ann@example.com" in result.stdout


def test_help_names_the_short_door_and_does_not_import_the_sdk() -> None:
    program = (
        "import sys; from okta_mcp.client.commands import client_command as c; "
        "c(['http://localhost/mcp', 'call', '--help'], 'client', standalone_mode=False); "
        "sys.exit('mcp' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: client URL call [OPTIONS] TOOL [NAME=VALUE]..." in done.stdout
