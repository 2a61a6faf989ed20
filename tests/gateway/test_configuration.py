"""`mcp.json` is used as it is meant or not at all; every problem has its path, reason and fix."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from okta_mcp.gateway.configuration import (
    LARGEST_BYTES,
    MOST_SERVERS,
    ConfigurationError,
    HttpServer,
    Server,
    StdioServer,
    servers_of,
)

SECRET = "hunter2-hunter2"
VARIABLES = {"PATH": str(Path(sys.executable).parent), "TOKEN": SECRET, "EMPTY": ""}
COMMAND = Path(sys.executable).name
PROGRAM = {"command": COMMAND}
REMOTE = {"url": "https://mcp.example.com/mcp"}


def written(tmp_path: Path, content: Any, mode: int = 0o600) -> Path:
    path = tmp_path / "mcp.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def read(tmp_path: Path, name: str, entry: Any, mode: int = 0o600) -> tuple[Server, ...]:
    path = written(tmp_path, {"mcpServers": {name: entry}}, mode)
    return servers_of(path, VARIABLES, {"list", "me"})


def only(tmp_path: Path, entry: Any) -> Any:
    (server,) = read(tmp_path, "time", entry)
    return server


def problems(tmp_path: Path, content: Any) -> list[str]:
    path = written(tmp_path, content)
    with pytest.raises(ConfigurationError) as caught:
        servers_of(path, VARIABLES, {"list", "me"})
    assert SECRET not in str(caught.value)
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("entry", "at", "reason"),
    [
        ("x", "time", "must be an object"),
        ({}, "time", "has neither command nor url"),
        ({**PROGRAM, **REMOTE}, "time", "has both command and url"),
        ({**PROGRAM, "comand": "x"}, "time.comand", "did you mean command?"),
        ({**PROGRAM, "envFile": ".env"}, "time.envFile", "--env-file"),
        ({**PROGRAM, "disabledTools": ["x"]}, "time.disabledTools", "[servers] of the policy"),
        ({**REMOTE, "auth": "oauth"}, "time.auth", "in headers"),
        ({**PROGRAM, "disabled": "yes"}, "time.disabled", "true or false"),
        ({**PROGRAM, "headers": {}}, "time.headers", "is for a server with url"),
        ({**REMOTE, "args": []}, "time.args", "is for a server with command"),
        ({**PROGRAM, "type": "http"}, "time.type", "must be stdio"),
        ({**REMOTE, "type": "stdio"}, "time.type", "must be http"),
        ({**REMOTE, "type": "sse"}, "time.type", "streamable URL"),
        ({"command": 7}, "time.command", "must be a text"),
        ({"command": "no-such-program-x"}, "time.command", "no such program"),
        ({"command": "./no-such-program"}, "time.command", "no such program"),
        ({**PROGRAM, "args": "-m x"}, "time.args", "must be a list"),
        ({**PROGRAM, "args": ["-m", 7]}, "time.args[1]", "must be a text"),
        ({**PROGRAM, "args": ["a", "${NOPE}"]}, "time.args[1]", "NOPE is not set"),
        ({**PROGRAM, "args": ["${EMPTY}"]}, "time.args[0]", "EMPTY is not set"),
        ({**PROGRAM, "args": ["${NOPE"]}, "time.args[0]", "not closed"),
        ({**PROGRAM, "args": ["${env:TOKEN}"]}, "time.args[0]", "write ${NAME}"),
        ({**PROGRAM, "args": ["${input:key}"]}, "time.args[0]", "asks a person"),
        ({**PROGRAM, "args": ["${}"]}, "time.args[0]", "names no variable"),
        ({**PROGRAM, "args": ["a\0b"]}, "time.args[0]", "NUL"),
        ({**PROGRAM, "env": []}, "time.env", "must be an object"),
        ({**PROGRAM, "env": {"A": 1}}, "time.env.A", "must be a text"),
        ({**PROGRAM, "env": {"A B": "1"}}, "time.env.A B", "no name of a variable"),
        ({**PROGRAM, "cwd": "nowhere"}, "time.cwd", "no such folder"),
        ({"url": "mcp.example.com"}, "time.url", "absolute https URL"),
        ({"url": "ftp://mcp.example.com"}, "time.url", "absolute https URL"),
        ({"url": "https://mcp.example.com:99999/"}, "time.url", "absolute https URL"),
        ({"url": "http://mcp.example.com/mcp"}, "time.url", "must be https"),
        ({"url": "https://${TOKEN}@mcp.example.com/"}, "time.url", "name or password"),
        ({"url": "https://a:${TOKEN}@mcp.example.com/"}, "time.url", "name or password"),
        ({"url": "https://mcp.example.com/#x"}, "time.url", "fragment"),
        ({**REMOTE, "headers": {"Host": "x"}}, "time.headers.Host", "set by the gateway"),
        ({**REMOTE, "headers": {"Mcp-Session-Id": "x"}}, "time.headers.Mcp-Session-Id", "itself"),
        ({**REMOTE, "headers": {"a b": "x"}}, "time.headers.a b", "no name of a header"),
        ({**REMOTE, "headers": {"A": "x", "a": "y"}}, "time.headers.a", "given before"),
        ({**REMOTE, "headers": {"A": "${TOKEN}\r\nB: c"}}, "time.headers.A", "no header can carry"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_place(
    tmp_path: Path, entry: Any, at: str, reason: str
) -> None:
    (problem,) = problems(tmp_path, {"mcpServers": {"time": entry}})
    assert problem.startswith(f"mcpServers.{at}: ")
    assert reason in problem


@pytest.mark.parametrize(
    ("entry", "own", "at", "reason"),
    [
        (PROGRAM, "x", "", "must be an object"),
        (PROGRAM, {"titel": "x"}, ".titel", "did you mean title?"),
        (PROGRAM, {"title": ""}, ".title", "1 to 60"),
        (PROGRAM, {"title": "x" * 61}, ".title", "1 to 60"),
        (PROGRAM, {"title": "a\u202eb"}, ".title", "nobody can see"),
        (PROGRAM, {"purpose": "a\nb"}, ".purpose", "line end"),
        (PROGRAM, {"call_seconds": 0}, ".call_seconds", "from 0.1 to 3600"),
        (PROGRAM, {"call_seconds": True}, ".call_seconds", "number"),
        (PROGRAM, {"largest_bytes": 1.5}, ".largest_bytes", "whole number"),
        (PROGRAM, {"calls": "often"}, ".calls", "60/minute"),
        (PROGRAM, {"shared": "yes"}, ".shared", "true or false"),
        (PROGRAM, {"assertion": True}, ".assertion", "for a server with url"),
        (PROGRAM, {"shared": True, "per_person": True}, "", "contradict"),
        (PROGRAM, {"idle_seconds": 5}, ".idle_seconds", "per_person"),
        (REMOTE, {"per_person": True}, ".per_person", "for a server with command"),
        (PROGRAM, {"overrides": []}, ".overrides", "must be an object"),
        (PROGRAM, {"overrides": {"now": {}}}, ".overrides.now", "object with title"),
        (PROGRAM, {"overrides": {"now": {"x": 1}}}, ".overrides.now", "no key 'x'"),
        (
            PROGRAM,
            {"overrides": {"now": {"annotations": {"readOnlyHint": "yes"}}}},
            ".overrides.now",
            "true or false",
        ),
    ],
)
def test_what_only_this_server_reads_is_checked_too(
    tmp_path: Path, entry: dict[str, Any], own: Any, at: str, reason: str
) -> None:
    (problem,) = problems(tmp_path, {"mcpServers": {"time": {**entry, "okta_mcp": own}}})
    assert problem.startswith(f"mcpServers.time.okta_mcp{at}: ")
    assert reason in problem


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Time", '"time" would do'),
        ("my_files", '"my-files" would do'),
        ("9lives", "begins with a letter"),
        ("a" * 32, "1 to 31"),
        ("", "1 to 31"),
        ("list", "names of this server's own"),
        ("me", "names of this server's own"),
        ("okta", "names of this server's own"),
    ],
)
def test_a_name_that_would_mix_up_names_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    (problem,) = problems(tmp_path, {"mcpServers": {name: PROGRAM}})
    assert problem.startswith(f"mcpServers.{name}: ")
    assert reason in problem


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "must be an object"),
        ("{", "is not JSON"),
        ("{}", "mcpServers: must be an object"),
        ({"mcpServers": {}}, "mcpServers: must be an object"),
        ({"mcpServers": {"a": PROGRAM}, "servers": {}}, "servers: is VS Code's name"),
        ({"mcpServers": {"a": PROGRAM}, "inputs": []}, "inputs: asks a person"),
        ({"mcpServers": {"a": PROGRAM}, "theme": "dark"}, "theme: no such key"),
        ('{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}', "given before"),
        ({"mcpServers": {f"a{n}": PROGRAM for n in range(MOST_SERVERS + 1)}}, "the most is 64"),
        (" " * (LARGEST_BYTES + 1), "is larger than 256 KiB"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: Any, reason: str) -> None:
    (problem,) = problems(tmp_path, content)
    assert reason in problem


def test_every_problem_is_said_at_once(tmp_path: Path) -> None:
    entries = {
        "One": {"command": "no-such-program-x", "args": ["${A}", "${B}"]},
        "two": {"url": "http://mcp.example.com", "headers": {"Host": "${C}"}},
    }
    places = [each.partition(": ")[0] for each in problems(tmp_path, {"mcpServers": entries})]
    assert places == [
        "mcpServers.One",
        "mcpServers.One.command",
        "mcpServers.One.args[0]",
        "mcpServers.One.args[1]",
        "mcpServers.two.url",
        "mcpServers.two.headers.Host",
        "mcpServers.two.headers.Host",
    ]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Example: MCP_CONFIG="):
        servers_of(tmp_path / "none.json", VARIABLES)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_refused_unread(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigurationError, match="chmod go-w"):
        read(tmp_path, "time", PROGRAM, mode)


@pytest.mark.parametrize(
    "entry",
    [
        {**PROGRAM, "env": {"KEY": SECRET}},
        {**PROGRAM, "args": [f"postgresql://app:{SECRET}@db/x"]},
        {**REMOTE, "headers": {"Authorization": f"Bearer {SECRET}"}},
    ],
)
def test_a_file_with_values_that_others_can_read_is_refused(
    tmp_path: Path, entry: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="chmod 600") as caught:
        read(tmp_path, "time", entry, 0o644)
    assert SECRET not in str(caught.value)


def test_a_file_whose_values_are_variables_may_be_read_by_others(tmp_path: Path) -> None:
    entry = {**REMOTE, "headers": {"Authorization": "${TOKEN}"}}
    (server,) = read(tmp_path, "time", entry, 0o644)
    assert isinstance(server, HttpServer)
    assert server.headers == {"Authorization": SECRET}


def test_a_program_is_found_on_the_path_and_runs_beside_the_file(tmp_path: Path) -> None:
    server = only(tmp_path, {**PROGRAM, "args": ["-m", "x"], "env": {"A": "1"}})
    assert isinstance(server, StdioServer)
    assert Path(server.command).is_absolute()
    assert (server.args, dict(server.env), server.cwd) == (("-m", "x"), {"A": "1"}, tmp_path)
    assert (server.title, server.shared, server.per_person) == ("time", False, False)


def test_a_relative_program_counts_from_where_it_runs(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "serve"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    server = only(tmp_path, {"command": "./serve", "cwd": "bin"})
    assert (server.command, server.cwd) == (str(program), tmp_path / "bin")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("${TOKEN}", SECRET),
        ("a ${TOKEN} b", f"a {SECRET} b"),
        ("${NOPE:-x}", "x"),
        ("${NOPE:-}", ""),
        ("${EMPTY:-x}", "x"),
        ("${NOPE:-http://a/b}", "http://a/b"),
        ("$TOKEN $$ $", "$TOKEN $$ $"),
    ],
)
def test_variables_are_filled_in(tmp_path: Path, text: str, meant: str) -> None:
    server = only(
        tmp_path, {"command": COMMAND, "args": [text], "env": {"A": text}, "cwd": "${NOPE:-.}"}
    )
    assert (server.args, server.env["A"]) == ((meant,), meant)


def test_what_a_variable_brings_is_not_expanded_again(tmp_path: Path) -> None:
    path = written(tmp_path, {"mcpServers": {"time": {**PROGRAM, "args": ["${A}"]}}})
    (server,) = servers_of(path, {**VARIABLES, "A": "${TOKEN}"})
    assert isinstance(server, StdioServer)
    assert server.args == ("${TOKEN}",)


@pytest.mark.parametrize(
    "url", ["http://localhost:9/mcp", "http://127.0.0.1:9/mcp", "http://[::1]:9/mcp"]
)
def test_plain_http_is_for_this_computer(tmp_path: Path, url: str) -> None:
    assert only(tmp_path, {"url": url, "type": "http"}).url == url


def test_what_other_clients_know_is_passed_over(tmp_path: Path) -> None:
    foreign = {"type": "stdio", "timeout": 60, "autoApprove": ["now"], "description": "x"}
    assert isinstance(only(tmp_path, {**PROGRAM, **foreign}), StdioServer)


def test_a_disabled_server_is_none(tmp_path: Path) -> None:
    assert read(tmp_path, "time", {"command": "no-such-program-x", "disabled": True}) == ()


def test_our_own_keys_are_read(tmp_path: Path) -> None:
    own = {
        "title": "Time",
        "purpose": "tells the time anywhere",
        "call_seconds": 5,
        "largest_bytes": 2048,
        "calls": "60/minute",
        "per_person": True,
        "most_processes": 3,
        "idle_seconds": 30,
        "overrides": {"now": {"description": "Now.", "annotations": {"readOnlyHint": True}}},
    }
    server = only(tmp_path, {**PROGRAM, "okta_mcp": own})
    assert (server.title, server.purpose, server.calls) == (
        "Time",
        "tells the time anywhere",
        "60/minute",
    )
    assert (server.call_seconds, server.largest_bytes) == (5.0, 2048)
    assert (server.per_person, server.most_processes, server.idle_seconds) == (True, 3, 30.0)
    assert server.overrides["now"].description == "Now."
    assert server.overrides["now"].annotations == {"readOnlyHint": True}


def test_no_record_shows_what_may_be_secret(tmp_path: Path) -> None:
    program = only(tmp_path, {**PROGRAM, "args": ["${TOKEN}"], "env": {"A": "${TOKEN}"}})
    remote = only(
        tmp_path, {"url": "https://mcp.example.com/?k=${TOKEN}", "headers": {"A": "${TOKEN}"}}
    )
    assert SECRET not in repr(program) + repr(remote)
