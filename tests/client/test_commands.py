"""The verbs as a person or a script runs them: text, streams and exit status."""

import json
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from mcp_types import Tool

from okta_mcp.client import login as login_module
from okta_mcp.client.commands import client_command, verbs
from okta_mcp.client.store import Login
from okta_mcp.client.tool_help import tool_help
from tests.client.conftest import FollowingBrowser
from tests.client.scripted import ScriptedServer
from tests.vocabulary.processes import free_port

Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "Give the URL"),
        (["tools"], "Give the URL"),
        (["--json"], "Give the URL"),
        (["localhost:3001/mcp"], "Type http://localhost:3001/mcp"),
        (["mcp.example.com/mcp"], "Type https://mcp.example.com/mcp"),
        (["ftp://localhost/mcp"], "is not the URL of an MCP server."),
        (["http://localhost:99999/mcp"], "is not the URL"),
        (["http://[/mcp"], "is not the URL"),
        (["https://ann@example.com/mcp"], "is not the URL"),
        (["ann@example.com/mcp"], "is not the URL of an MCP server.\n"),
        (["http://example.com/mcp"], "tokens travel over https"),
        (["https://example.com/mcp", "dance"], "no verb dance. Verbs: login, tools, call"),
        (["https://example.com/mcp", "tolls"], "Did you mean tools?"),
        (["https://example.com/mcp", "--store-dir", "tools", "dance"], "no verb dance"),
        (["https://example.com/mcp", "call"], "Missing argument 'TOOL'"),
        (["https://example.com/mcp", "--callback-port", "70000"], "not in the range"),
        (["https://example.com/mcp", "--json", "--csv"], "Choose one of --json and --csv"),
    ],
)
def test_wrong_usage_has_its_own_status_and_names_the_fix(words: list[str], text: str) -> None:
    result = CliRunner().invoke(client_command, words)
    assert result.exit_code == 64
    assert "Usage: " in result.stderr
    assert text in result.stderr
    assert result.stdout == ""


def test_a_server_that_is_down_is_a_connection_failure(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/mcp"
    result = run("tools", url=url)
    assert result.exit_code == 3
    assert f"Cannot reach {url}" in result.stderr
    assert "Does the server run, and are its name and port right?" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_server_that_is_not_mcp_is_a_connection_failure(run: Run, server: ScriptedServer) -> None:
    result = run("tools", url=f"{server.origin}/nothing")
    assert result.exit_code == 3
    assert "does not answer as an MCP server: Not Found (HTTP 404)" in result.stderr
    assert "It mostly ends in /mcp" in result.stderr


def test_https_to_a_server_without_is_told_what_to_type(run: Run, server: ScriptedServer) -> None:
    result = run("tools", url=server.url.replace("http:", "https:"))
    assert result.exit_code == 3
    assert f"type {server.url}" in result.stderr


def test_an_unknown_tool_is_a_tool_error_with_a_suggestion(run: Run) -> None:
    result = run("call", "list_okta_user")
    assert result.exit_code == 1
    assert "Did you mean list_okta_users?" in result.stderr


def test_a_tool_of_another_name_is_not_suggested(run: Run) -> None:
    result = run("call", "list_okta_zones")
    assert (
        "There is no tool list_okta_zones for you. The verb `tools` lists yours." in result.stderr
    )


def test_an_error_of_this_projects_form_is_told_in_sentences(run: Run) -> None:
    result = run("call", "get_okta_user", "user_id=?")
    assert result.exit_code == 1
    assert "get_okta_user: no id (invalid_argument)\nTo do: look it up\nokta_request_id: r1" in (
        result.stderr
    )


def test_a_tool_error_goes_to_stderr_without_its_escape_sequences(run: Run) -> None:
    result = run("call", "get_okta_user", "user_id=gone", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "get_okta_user: not_found: no \ufffd[2Jsuch person" in result.stderr


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("resources", "table://nobody"), 1, "The verb `resources` lists yours"),
        (("resources", "user://me", "--csv", "--json"), 64, "Choose one"),
        (("resources", "person://ann", "--csv"), 64, "has no rows for CSV"),
        (("prompts", "looks"), 1, "There is no prompt looks for you. Did you mean look?"),
        (("prompts", "look"), 64, "The prompt needs login=…"),
        (("prompts", "look", "login=ann", "name=x"), 64, "The prompt has no argument name"),
        (("call", "get_okta_user"), 64, "The tool needs user_id=…"),
        (("call", "nothing", "--help"), 1, "There is no tool nothing for you"),
    ],
)
def test_what_the_server_does_not_have_is_said(
    run: Run, words: tuple[str, ...], status: int, text: str
) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (status, "")
    assert text in result.stderr


@pytest.mark.parametrize("what", ["resources", "prompts"])
def test_a_server_without_them_says_so(run: Run, server: ScriptedServer, what: str) -> None:
    result = run(what, url=server.open_url)
    assert (result.exit_code, result.stdout) == (0, f"No {what}.\n")


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


@pytest.mark.parametrize("verb", ["login", "tools"])
def test_a_person_without_tools_is_told_what_to_do(
    run: Run, server: ScriptedServer, verb: str
) -> None:
    result = run(verb, url=server.empty_url)
    assert result.exit_code == 0
    assert "ask whoever runs it for a role" in result.stderr


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


def test_resources_and_their_templates_are_listed(run: Run) -> None:
    assert run("resources").stdout == (
        "URI               What it is\n"
        "----------------  ----------\n"
        "user://me\n"
        "table://people    People as a table\n"
        "person://{login}  One person\n"
        "\n"
        "3 resources\n"
    )


def test_a_resource_is_read_and_cleaned(run: Run) -> None:
    assert run("resources", "person://ann").stdout == "about \ufffd[2Jann\n"
    contents = json.loads(run("resources", "person://ann", "--json").stdout)["contents"]
    assert contents[0]["text"] == "about \x1b[2Jann"


def test_prompts_are_listed_with_their_arguments(run: Run) -> None:
    assert run("prompts").stdout.splitlines()[2] == "look login=… [since=…]  Look at a person"


def test_a_prompt_is_filled_in(run: Run) -> None:
    assert run("prompts", "look", "login=ann").stdout == "user:\nLook at ann since today.\n"
    document = json.loads(run("prompts", "look", "login=ann", "--json").stdout)
    assert document["messages"][0]["content"]["text"] == "Look at ann since today."


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (("login",), ["person.id,person.login,person.name,role,groups,scopes", None]),
        (("tools",), ["name,title,description", None, None]),
        (("call", "list_okta_users"), ["id,login,name,note", None]),
        (
            ("call", "get_okta_user", "user_id=-1"),
            ["id,profile.login", "'-1,ann@example.com"],
        ),
        (("resources",), ["uri,title,type", None, None, None]),
        (("resources", "table://people"), ["login,note", "ann,'=1+1"]),
        (("prompts",), ["name,title,arguments", "look,Look at a person,login since"]),
        (("prompts", "look", "login=ann"), ["role,text", "user,Look at ann since today."]),
        (("logout",), ["outcome", "Logged out; the tokens are revoked and deleted."]),
    ],
)
def test_rows_as_csv(
    run: Run, logged_in: Login, words: tuple[str, ...], lines: list[str | None]
) -> None:
    result = run(*words, "--csv")
    assert result.exit_code == 0
    found = result.stdout.splitlines()
    assert len(found) == len(lines)
    assert [line for line, told in zip(found, lines, strict=True) if told] == [
        told for told in lines if told
    ]
    assert "\x1b" not in result.stdout


def test_what_stands_beside_the_rows_goes_to_stderr(run: Run, logged_in: Login) -> None:
    result = run("call", "list_okta_users", "q=ann", "--csv")
    assert "count   1\nq       ann" in result.stderr


def test_a_tool_says_what_it_takes(run: Run, server: ScriptedServer) -> None:
    result = run("call", "list_okta_users", "--help")
    assert result.exit_code == 0
    assert result.stdout == (
        "List people\n"
        "\n"
        "Find people. Some of them.\n"
        "\n"
        "Arguments:\n"
        "  q=…  text, optional\n"
        "  limit=…  integer, optional (20)\n"
        "  fields=…  array (JSON), optional\n"
        "\n"
        "Example:\n"
        f"  client {server.url} call list_okta_users q=…\n"
    )


def test_a_tools_example_runs_nothing_that_a_server_wrote_into_it() -> None:
    names = ["a;id", "kind"]
    properties = {"a;id": {"type": "string"}, "kind": {"enum": ["$(id)\nid"]}}
    schema = {"type": "object", "properties": properties, "required": names}
    shown = tool_help(Tool(name="get|id", input_schema=schema), "okta-mcp call URL")
    words = shlex.split(shown.rpartition("\n")[2])
    assert words == ["okta-mcp", "call", "URL", "get|id", "a;id=…", "kind=$(id) id"]
    assert shown.endswith("'get|id' 'a;id'=… kind='$(id) id'")


def test_a_tools_example_holds_what_is_required(run: Run, server: ScriptedServer) -> None:
    shown = run("call", "get_okta_user", "-h").stdout
    assert "user_id=…  text, required" in shown
    assert f"client {server.url} call get_okta_user user_id=…" in shown


@pytest.mark.parametrize("suffix", ["", "/"])
def test_the_usual_path_is_found_where_it_is_missing(
    run: Run, server: ScriptedServer, logged_in: Login, suffix: str
) -> None:
    url = server.origin + suffix
    result = run("tools", url=url)
    assert result.exit_code == 0
    assert f"{url} is not an MCP server, but {server.url} is; using that." in result.stderr
    assert run("logout", url=url).stdout.startswith("Logged out")


def test_without_a_stored_login_the_usual_path_is_asked(run: Run, server: ScriptedServer) -> None:
    result = run("tools", url=server.origin)
    assert result.exit_code == 0
    assert f"{server.url} is; using that." in result.stderr


def test_no_browser_prints_the_way_through_ssh(
    run: Run, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_module, "BROWSER_WAIT_SECONDS", 0)
    port = free_port()
    result = run("login", "--no-browser", "--callback-port", str(port))
    server_port = server.origin.rpartition(":")[2]
    ssh = f"ssh -L {port}:127.0.0.1:{port} -L {server_port}:127.0.0.1:{server_port} THIS-COMPUTER"
    assert ssh in result.stderr
    assert "the port in its line `Sandbox login` must be among them" in result.stderr


def test_without_a_browser_the_person_is_told_what_to_do(
    run: Run, browser: FollowingBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_module, "BROWSER_WAIT_SECONDS", 0.5)
    browser.is_there = False
    result = run("login")
    assert result.exit_code == 2
    assert "No browser could be opened here" in result.stderr
    assert "ssh -L " in result.stderr


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
    assert {"login", "tools", "call", "resources", "prompts", "status", "logout"} <= tree.keys()
    words = [server.url, "get_okta_user", "user_id=00u1", "--store-dir", f"{tmp_path}/logins"]
    result = CliRunner().invoke(tree["call"], words)
    assert result.exit_code == 0
    assert "profile.login  ann@example.com" in result.stdout


@pytest.mark.parametrize("name", [verb.name for verb in verbs])
def test_help_tells_the_exit_statuses(name: str) -> None:
    shown = " ".join(CliRunner().invoke(client_command, [name, "--help"]).stdout.split())
    assert "64 wrong usage, 130 stopped with Ctrl-C" in shown


def test_help_names_the_short_door_and_does_not_import_the_sdk() -> None:
    program = (
        "import sys; from okta_mcp.client.commands import client_command as c; "
        "[c(['http://localhost/mcp', *verb, '--help'], 'client', standalone_mode=False)"
        " for verb in ([], ['status'], ['prompts'], ['call'])]; "
        "sys.exit('mcp' in sys.modules or 'httpx2' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: client URL call [OPTIONS] TOOL [NAME=VALUE]..." in done.stdout
