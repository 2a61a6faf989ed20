"""Three servers behind the login: who sees what, what arrives there, and what survives what."""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from mcp import Client, MCPError

from okta_mcp.rbac import policy_file
from tests.vocabulary.behind import SCRIPT, eventually, lives
from tests.vocabulary.browser import Browser
from tests.vocabulary.mcp_clients import sdk_client
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import (
    CHECKOUT,
    SandboxProcess,
    ServerProcess,
    free_port,
    running_sandbox,
    running_server,
)
from tests.vocabulary.servers_behind import TOOLS, Recorder, running_recorder

SHIPPED = Path(policy_file.__file__).with_name("default_policy.toml")
POLICY = """
[servers.files]
role = "viewer"
tools = ["echo", "process", "crash"]
resources = ["note://*"]
prompts = ["*"]

[servers.vault]
role = "security-admin"
deny = ["crash"]

[servers.web]
roles = ["super-admin"]
"""
# A tool whose call goes wrong, with its arguments, and the code that is answered; each has a server
# of its own, because who has ended several times is started again ever later.
FAULTS: dict[str, tuple[dict[str, Any], str | None]] = {
    "crash": ({}, "server_unavailable"),
    "hang": ({}, "server_timeout"),
    "garbage": ({}, None),
    "flood": ({}, "server_unavailable"),
    "progress-flood": ({}, "server_timeout"),
    "huge": ({"bytes": 50_000_000}, "answer_too_large"),
}
POLICY += "".join(f'\n[servers.with-{fault}]\nrole = "viewer"\n' for fault in FAULTS)
FILES = {f"files_{name}" for name in ("echo", "process", "crash")}
VAULT = {f"vault_{name}" for name in TOOLS if name != "crash"}
WEB = {f"web_{name}" for name in TOOLS}
ROLES = [
    ("Hana Novak", FILES),
    ("Sami Korhonen", FILES | VAULT),
    ("Nora Lind", FILES | VAULT | WEB),
]


@dataclass
class Place:
    """The running gateway, and what stands behind it."""

    server: ServerProcess
    sandbox: SandboxProcess
    recorder: Recorder
    mcp_json: Path


def entries(recorder: Recorder) -> dict[str, Any]:
    """The `mcpServers` of the file."""

    def program(kind: str, **own: Any) -> dict[str, Any]:
        return {"command": sys.executable, "args": ["-I", "-S", SCRIPT, kind], "okta_mcp": own}

    return {
        "files": program("well"),
        "vault": program("stubborn"),
        "web": {"url": recorder.url, "okta_mcp": {"assertion": True}},
        "broken": program("crashing"),
        "silent": program("silent"),
        **{
            f"with-{fault}": program("well", call_seconds=2 if code == "server_timeout" else 60)
            for fault, (_, code) in FAULTS.items()
        },
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, port = tmp_path_factory.mktemp("gateway"), free_port()
    policy, mcp_json = folder / "policy.toml", folder / "mcp.json"
    policy.write_text(SHIPPED.read_text() + POLICY)
    with running_sandbox(f"http://localhost:{port}") as sandbox, running_recorder() as recorder:
        mcp_json.write_text(json.dumps({"mcpServers": entries(recorder)}))
        environment = sandbox.settings_for_server() | {
            "POLICY_FILE": str(policy),
            "MCP_CONFIG": str(mcp_json),
            "RATE_TOOL_CALLS": "100000/minute",
            "RATE_TOOL_CALLS_PER_TOOL": "100000/minute",
        }
        with running_server(folder, port, environment) as server:
            yield Place(server, sandbox, recorder, mcp_json)


@pytest.fixture
async def place(running: Place) -> Place:
    """With all up that can be."""
    log_file, names = running.server.log_file, ("files", "vault", "web")
    await eventually(lambda: all(f"server {each} is up" in log_file.read_text() for each in names))
    return running


@asynccontextmanager
async def person(place: Place, name: str) -> AsyncIterator[OAuthClient]:
    """A connected client."""
    browser, client = Browser(), OAuthClient(place.server.url)
    assert (await client.register()).status_code == 201
    await connected(browser, client, name)
    try:
        yield client
    finally:
        await browser.close()
        await client.close()


async def listed(client: Client) -> set[str]:
    """What is listed of three of the servers behind."""
    names = {tool.name for tool in (await client.list_tools()).tools}
    return {name for name in names if name.partition("_")[0] in ("files", "vault", "web")}


async def answer_of(client: OAuthClient, tool: str, **arguments: Any) -> dict[str, Any]:
    """The result of a call that is dispatched."""
    return dict((await client.call(tool, **arguments))["result"])


async def text_of(client: OAuthClient, tool: str, **arguments: Any) -> str:
    result = await answer_of(client, tool, **arguments)
    return str(result["content"][0]["text"])


async def up(client: OAuthClient, tool: str = "files_echo") -> None:
    """Wait until a server answers."""
    async with asyncio.timeout(30):
        while True:
            answer = await client.call(tool)
            if "result" in answer and not answer["result"].get("isError"):
                return
            await asyncio.sleep(0.02)


async def usual_seconds(client: OAuthClient, until: Callable[[], bool]) -> float:
    """The median of calls one after the other, at least until that holds."""
    seconds: list[float] = []
    while len(seconds) < 60 or not until():
        for tool in ("files_echo", "vault_echo", "get_current_time"):
            started = time.perf_counter()
            assert not (await answer_of(client, tool)).get("isError")
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


@pytest.mark.parametrize(("name", "tools"), ROLES)
async def test_each_role_sees_and_calls_exactly_what_the_policy_gives(
    place: Place, name: str, tools: set[str]
) -> None:
    async with sdk_client(place.server.mcp_url, name, mode="auto") as client:
        assert await listed(client) == tools
        for tool in ("files_echo", "vault_echo", "web_echo"):
            if tool in tools:
                result = await client.call_tool(tool, {"text": "hello"})
                assert not result.is_error
            else:
                with pytest.raises(MCPError, match=f"Unknown tool: {tool}"):
                    await client.call_tool(tool, {"text": "hello"})
        read = await client.read_resource("note://files/first")
        assert read.contents[0].text == "at note://first"  # type: ignore[union-attr]
        prompt = await client.get_prompt("files_greet", {"who": "Hana"})
        assert prompt.messages[0].content.text == "Greet Hana."  # type: ignore[union-attr]


async def test_a_refused_tool_a_foreign_server_and_nonsense_answer_alike(place: Place) -> None:
    async with person(place, "Hana Novak") as client:
        await up(client)
        said = {
            name: (await client.call(name))["error"]
            for name in ("files_environment", "files_nonexistent", "web_echo", "nobody_echo")
        }
    for name, error in said.items():
        assert error == {"code": -32602, "message": f"Unknown tool: {name}"}


async def test_nothing_of_the_caller_reaches_a_server(place: Place) -> None:
    async with person(place, "Nora Lind") as client:
        await up(client, "web_echo")
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        params = {
            "name": "web_echo",
            "arguments": {"text": "hello"},
            "_meta": {"traceparent": trace, "com.example/client": "The client of Nora"},
        }
        sent = {
            "cookie": "session=of-nora",
            "x-forwarded-for": "203.0.113.9",
            "traceparent": trace,
            "x-of-the-caller": "something",
        }
        before = len(place.recorder.requests)
        answer = await client.rpc("tools/call", params, headers=sent)
        token = str(client.tokens["access_token"])
    echoed = json.loads(answer.json()["result"]["content"][0]["text"])
    assert set(echoed) == {"name", "arguments", "_meta"}
    assert set(echoed["_meta"]) == {"progressToken"}
    for _, headers in place.recorder.requests[before:]:
        assert not set(headers) & {*sent, "authorization"}
        assert "203.0.113.9" not in str(headers)
        assert trace not in str(headers)
    everything = json.dumps([place.recorder.requests, place.recorder.bodies])
    assert token not in everything
    assert "The client of Nora" not in everything


async def test_who_asks_is_signed_with_a_key_that_is_published(place: Place) -> None:
    async with person(place, "Nora Lind") as client:
        await up(client, "web_echo")
        token = place.recorder.headers[-1]["okta-mcp-assertion"]
        keys = (await client.http.get(f"{place.server.url}/.well-known/jwks.json")).json()
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    told = jwt.decode(
        token, key, algorithms=["ES256"], audience=place.recorder.url, issuer=place.server.url
    )
    assert (told["login"], told["role"]) == ("nora.super@northwind.example", "super-admin")
    assert told["exp"] - told["iat"] <= 60


async def test_a_killed_server_comes_back_while_the_others_answer(place: Place) -> None:
    async with person(place, "Sami Korhonen") as client:
        await up(client)
        await up(client, "vault_echo")
        before = json.loads(await text_of(client, "files_process"))["pid"]
        os.kill(before, signal.SIGKILL)
        assert await text_of(client, "vault_echo")
        assert "result" in await client.call("get_current_time")
        await up(client)
        assert json.loads(await text_of(client, "files_process"))["pid"] != before


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_one_does_the_others_answer_in_their_time_and_it_comes_back(
    place: Place, fault: str
) -> None:
    arguments, code = FAULTS[fault]
    async with person(place, "Sami Korhonen") as client:
        await up(client, f"with-{fault}_echo")
        before = await usual_seconds(client, lambda: True)
        call = asyncio.create_task(answer_of(client, f"with-{fault}_{fault}", **arguments))
        assert await usual_seconds(client, call.done) < 5 * before + 0.1
        result = await call
        assert result.get("isError", False) is (code is not None)
        assert (code or "after the garbage") in result["content"][0]["text"]
        await up(client, f"with-{fault}_echo")


async def test_a_dead_server_is_an_answer_with_a_code(place: Place) -> None:
    async with person(place, "Sami Korhonen") as client:
        await up(client)
        result = await answer_of(client, "files_crash")
    assert result["isError"]
    assert json.loads(result["content"][0]["text"])["error"]["code"] == "server_unavailable"


async def test_a_caller_that_hangs_up_cancels_the_call_at_the_server(place: Place) -> None:
    async with person(place, "Sami Korhonen") as client:
        await up(client, "vault_echo")
        before = json.loads(await text_of(client, "vault_cancelled"))
        call = asyncio.create_task(client.call("vault_wait"))
        async with asyncio.timeout(30):
            # Of what runs in other processes a test can only ask.
            while await text_of(client, "vault_waiting") == "0":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            call.cancel()
            while json.loads(await text_of(client, "vault_cancelled")) == before:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert len(json.loads(await text_of(client, "vault_cancelled"))) == len(before) + 1

    def interrupted() -> list[dict[str, Any]]:
        lines = place.server.events("tool.called")
        named = [line for line in lines if line.get("subject") == "vault_wait"]
        return [line for line in named if line.get("reason") == "interrupted"]

    await eventually(lambda: len(interrupted()) == 1)


async def test_a_reload_takes_a_server_away_and_leaves_the_others(place: Place) -> None:
    async with person(place, "Nora Lind") as client:
        await up(client)
        await up(client, "web_echo")
        before = await text_of(client, "files_process")
        kept = entries(place.recorder)
        del kept["web"]
        place.mcp_json.write_text(json.dumps({"mcpServers": kept}))
        place.server.process.send_signal(signal.SIGHUP)
        try:
            async with asyncio.timeout(30):
                while "error" not in await client.call("web_echo"):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            assert (await client.call("web_echo"))["error"]["message"] == "Unknown tool: web_echo"
            assert await text_of(client, "files_process") == before
            place.mcp_json.write_text("this is no JSON")
            place.server.process.send_signal(signal.SIGHUP)
            await eventually(lambda: "was not read again" in place.server.log_file.read_text())
            assert await text_of(client, "files_process") == before
        finally:
            whole = {"mcpServers": entries(place.recorder)}
            place.mcp_json.write_text(json.dumps(whole))
            place.server.process.send_signal(signal.SIGHUP)
        await up(client, "web_echo")


async def test_a_reload_reaches_every_worker(place: Place, tmp_path: Path) -> None:
    port, mcp_json = free_port(), tmp_path / "mcp.json"

    def configure(*names: str) -> None:
        shared = entries(place.recorder)["files"] | {"okta_mcp": {"shared": True}}
        mcp_json.write_text(json.dumps({"mcpServers": dict.fromkeys(names, shared)}))

    configure("files", "vault")
    with running_sandbox(f"http://localhost:{port}") as sandbox:
        own = {"MCP_CONFIG": str(mcp_json), "STORE_URL": f"sqlite:///{tmp_path}/store.db"}
        environment = place.server.environment | sandbox.settings_for_server() | own
        with running_server(tmp_path, port, environment, "--workers", "2") as server:
            other = Place(server, sandbox, place.recorder, mcp_json)
            async with person(other, "Sami Korhonen") as client:
                await up(client, "vault_echo")
                # A worker that starts later reads the new file anyway, and says nothing.
                await eventually(lambda: len(server.events("server.started")) == 2)
                configure("files")
                server.process.send_signal(signal.SIGHUP)
                told = "MCP_CONFIG was read again: 1 servers"
                await eventually(lambda: server.log_file.read_text().count(told) == 2)
                for _ in range(10):
                    assert "error" in await client.call("vault_echo")
                await up(client)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_no_child_is_left_when_the_gateway_ends(
    place: Place, tmp_path: Path, number: int
) -> None:
    port = free_port()
    with running_sandbox(f"http://localhost:{port}") as sandbox:
        environment = {**place.server.environment, **sandbox.settings_for_server()}
        with running_server(tmp_path, port, environment) as server:
            other = Place(server, sandbox, place.recorder, place.mcp_json)
            async with person(other, "Sami Korhonen") as client:
                await up(client, "vault_echo")
                await up(client)
                pids = [
                    json.loads(await text_of(client, "vault_process"))["pid"],
                    json.loads(await text_of(client, "files_process"))["pid"],
                    int(await text_of(client, "vault_daemon")),
                ]
            assert all(lives(pid) for pid in pids)
            server.process.send_signal(number)
            server.process.wait(timeout=20)
            await eventually(lambda: not any(lives(pid) for pid in pids))


def test_the_benchmark_runs() -> None:
    command = [sys.executable, "-m", "benchmarks.gateway", "--short"]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert [line.split()[1] for line in ran.stdout.splitlines()[2:4]] == ["stdio", "HTTP"]
