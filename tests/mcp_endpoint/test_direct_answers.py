"""Our own tools are called without FastMCP in between: the answer is the one FastMCP would give.

Each call is made twice, by the shorter way and by the whole one; the record of both is compared
too. `TABLE` knows every tool, so a new one is compared without a new line here.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp_types.jsonrpc import HEADER_MISMATCH

from okta_mcp.inventory import named_only
from okta_mcp.okta.api import OktaApi
from tests.tools.test_on_the_sandbox import TABLE
from tests.vocabulary.in_process import LocalServer, MovedClock, local_server
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import SandboxProcess
from tests.vocabulary.revisions import REVISIONS, WHOLE_WAY, ask, message
from tests.vocabulary.service import policy_file

SCHEMAS = {tool.name: tool.tool.parameters for tool in named_only().tools}
# Okta's ids of its answers, and what is sealed or drawn anew each time.
FRESH = ("next_cursor", "csv", "okta_request_id")
LIMITS = """
[limits.viewer.list_okta_users]
limit = 3
fields = ["default"]
q = false
[limits.viewer.get_okta_event_logs]
window_days = 7
"""
SECRET = "S3CRET of the inside"
ROUTING = {
    "another revision": ("MCP-Protocol-Version", "2025-03-26"),
    "another method": ("Mcp-Method", "ping"),
    "another tool": ("Mcp-Name", "whoami"),
    "the same tool": ("mcp-name", "get_current_time"),
}

Given = Callable[[str], dict[str, Any] | None]


def with_every(value: Any) -> Given:
    """That value for every parameter, whatever its type."""
    return lambda tool: dict.fromkeys(SCHEMAS[tool]["properties"], value)


def besides(**more: Any) -> Given:
    """Good arguments and something else."""
    return lambda tool: {**TABLE[tool].success, **more}


# What every tool, or nearly every tool, refuses before it asks Okta.
ODD: dict[str, Given] = {
    "wrong": lambda tool: TABLE[tool].bad,
    "none at all": lambda tool: {},
    "an object for everything": with_every({"$ne": None}),
    "a list for everything": with_every([[]]),
    "true for everything": with_every(True),
    "null for everything": with_every(None),
    "a number for everything": with_every(7),
    "no number for everything": with_every("7e0"),
    "a number beyond 64 bits for everything": with_every(2**70),
    "a negative number for everything": with_every(-1),
    "a fraction for everything": with_every(1.5),
    "empty text for everything": with_every(""),
    "a path for everything": with_every("../../api/v1/groups?limit=1#"),
    "long text for everything": with_every("x" * 20_000),
    "other text for everything": with_every('"; \u0000\u001b[2J\u2028\U0001f511{{7*7}}${7*7}'),
    "deep lists for everything": with_every(json.loads("[" * 40 + "]" * 40)),
    "an unknown parameter": besides(no_such_parameter=1),
    "a name of Python's": besides(self=1, args=[1], kwargs={"x": 1}, __class__="x"),
    "a name in other letters": besides(**{"USER_ID": "x", "user id": 1, "ü\n\x1b": 1, "": 1}),
}
USUAL: dict[str, Given] = {
    "good": lambda tool: TABLE[tool].success,
    "good without a result": lambda tool: TABLE[tool].empty,
    "of something that is not there": lambda tool: TABLE[tool].missing,
}


@pytest.fixture(autouse=True)
def clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two calls at the same moment have the same window and the same time."""
    now: list[float] = []
    real = MovedClock.__call__

    def still(self: MovedClock) -> float:
        now[:] = now or [real(self)]
        return now[0] + self._ahead_seconds

    monkeypatch.setattr(MovedClock, "__call__", still)


@pytest.fixture
async def local(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> AsyncIterator[LocalServer]:
    rates = dict.fromkeys(("RATE_TOOL_CALLS", "RATE_TOOL_CALLS_PER_TOOL"), "100000/minute")
    environment = sandbox.settings_for_server() | rates
    environment["POLICY_FILE"] = str(policy_file(tmp_path, LIMITS))
    async with local_server(tmp_path, f"http://localhost:{server_port}", environment) as running:
        yield running


@pytest.fixture
async def nora(local: LocalServer) -> OAuthClient:
    """May use every tool."""
    client = await local.client()
    await connected(local.browser(), client, "Nora Lind")
    return client


@pytest.fixture
async def hana(local: LocalServer) -> OAuthClient:
    """Is under the limits."""
    client = await local.client()
    await connected(local.browser(), client, "Hana Novak")
    return client


async def both(
    client: OAuthClient, revision: str, params: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answers by the shorter and by the whole way, without what is fresh each time."""
    direct, whole = [
        await ask(client, revision, "tools/call", params, id_='é"1', headers=headers)
        for headers in ({}, WHOLE_WAY)
    ]
    assert direct.status_code == whole.status_code == 200
    assert direct.headers["content-type"] == whole.headers["content-type"]
    return plain(direct.json()), plain(whole.json())


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    result = answer.get("result", {})
    for content in result.get("content", ()):
        content["text"] = _without_fresh(json.loads(content["text"]))
    if "structuredContent" in result:
        result["structuredContent"] = _without_fresh(result["structuredContent"])
    return answer


def _without_fresh(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: "fresh" if name in FRESH and each is not None else _without_fresh(each)
            for name, each in value.items()
        }
    return [_without_fresh(each) for each in value] if isinstance(value, list) else value


def calls(local: LocalServer) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The lines of the two calls of each pair."""
    fresh = ("seq", "chain", "time", "milliseconds", "request_id", "okta_request_ids")
    lines = [
        {name: value for name, value in line.items() if name not in fresh}
        | {"reads": len(line.get("okta_request_ids", ()))}
        for line in local.events("tool.called")
    ]
    assert len(lines) % 2 == 0
    return zip(lines[::2], lines[1::2], strict=True)


async def differences(
    local: LocalServer, client: OAuthClient, revision: str, given: Given
) -> list[str]:
    """The tools whose two answers or whose two lines are not the same."""
    different = []
    asked = [(tool, arguments) for tool in TABLE if (arguments := given(tool)) is not None]
    for tool, arguments in asked:
        direct, whole = await both(client, revision, {"name": tool, "arguments": arguments})
        assert ("result" in direct, direct["id"]) == (True, 'é"1')
        if direct != whole:
            different.append(f"{tool}: {direct} instead of {whole}")
    lines = list(calls(local))
    assert [line["subject"] for line, _ in lines] == [tool for tool, _ in asked]
    return different + [f"{one} instead of {other}" for one, other in lines if one != other]


@pytest.mark.parametrize(
    ("kind", "revision"),
    [
        *(("wrong", revision) for revision in REVISIONS[1:-1]),
        *itertools.product(ODD, (REVISIONS[0], REVISIONS[-1])),
    ],
)
async def test_every_tool_refuses_as_through_fastmcp(
    local: LocalServer, nora: OAuthClient, kind: str, revision: str
) -> None:
    assert await differences(local, nora, revision, ODD[kind]) == []


@pytest.mark.parametrize("revision", [REVISIONS[0], REVISIONS[-1]])
@pytest.mark.parametrize("kind", USUAL)
async def test_every_tool_answers_as_through_fastmcp(
    local: LocalServer, nora: OAuthClient, kind: str, revision: str
) -> None:
    assert await differences(local, nora, revision, USUAL[kind]) == []


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_tool_that_is_not_given_is_unknown_by_both_ways(
    local: LocalServer, hana: OAuthClient, revision: str
) -> None:
    for tool in ("list_okta_api_tokens", "no_such_tool", "", "list_okta_users "):
        answers = [
            await ask(hana, revision, "tools/call", {"name": tool}, headers=headers)
            for headers in ({}, WHOLE_WAY)
        ]
        direct, whole = answers
        assert (direct.status_code, direct.content) == (whole.status_code, whole.content)
        assert "result" not in direct.json()
    assert not local.events("tool.called")


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("list_okta_users", {"limit": 4}),
        ("list_okta_users", {"limit": "4"}),
        ("list_okta_users", {"fields": "full"}),
        ("list_okta_users", {"q": "ann"}),
        ("get_okta_event_logs", {"since": "last 30 days"}),
    ],
)
async def test_a_limit_of_the_role_holds_by_both_ways(
    local: LocalServer,
    hana: OAuthClient,
    revision: str,
    tool: str,
    arguments: dict[str, Any],
) -> None:
    direct, whole = await both(hana, revision, {"name": tool, "arguments": arguments})
    assert direct == whole
    assert direct["result"]["isError"]
    [content] = direct["result"]["content"]
    assert content["text"]["error"]["code"] == "forbidden_parameter"
    reasons = [line["reason"] for line in local.events("tool.called")]
    assert reasons == ["forbidden_parameter"] * 2


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_default_is_cut_to_the_limit_by_both_ways(hana: OAuthClient, revision: str) -> None:
    direct, whole = await both(hana, revision, {"name": "list_okta_users"})
    assert direct == whole
    assert direct["result"]["structuredContent"]["count"] == 3


@pytest.mark.parametrize("revision", REVISIONS)
async def test_what_nobody_foresaw_is_an_internal_error_without_its_text(
    local: LocalServer,
    nora: OAuthClient,
    revision: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class UnforeseenError(Exception):
        pass

    async def fails(*_: object, **__: object) -> None:
        raise UnforeseenError(SECRET)

    monkeypatch.setattr(OktaApi, "follow", fails)
    params = {"name": "get_okta_user", "arguments": TABLE["get_okta_user"].success}
    direct, whole = await both(nora, revision, params)
    assert direct == whole
    [content] = direct["result"]["content"]
    assert content["text"]["error"]["code"] == "internal_error"
    assert [line["reason"] for line in local.events("tool.called")] == ["internal_error"] * 2
    ours = [each.getMessage() for each in caplog.records if each.name.startswith("okta_mcp")]
    assert sum("UnforeseenError" in text for text in ours) == 2
    assert SECRET not in caplog.text + str(direct) + local.audit_file.read_text()


@pytest.mark.parametrize(
    ("method", "params", "headers"),
    [
        ("tools/call", {}, {"accept": "text/html"}),
        ("tools/call", {}, {"content-type": "text/plain"}),
        ("tools/call", {"arguments": [1]}, {}),
        ("tools/list", {}, {"accept": "text/html"}),
        ("tools/list", {"cursor": 7}, {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("revision", [REVISIONS[0], REVISIONS[-1]])
async def test_what_fastmcp_refuses_for_its_form_is_no_success_on_the_record(
    local: LocalServer,
    hana: OAuthClient,
    revision: str,
    method: str,
    params: dict[str, Any],
    headers: dict[str, str],
) -> None:
    named = {"name": "get_current_time"} if method == "tools/call" else {}
    answer = await ask(hana, revision, method, named | params, headers=headers)
    assert b'"result"' not in answer.content
    (line,) = local.events("tool.called") + local.events("tools.listed")
    assert (line["outcome"], line["reason"]) == ("failure", "invalid_request")


@pytest.mark.parametrize("second", ROUTING)
@pytest.mark.parametrize("revision", [REVISIONS[1], REVISIONS[-1]])
@pytest.mark.parametrize("method", ["tools/call", "tools/list"])
async def test_a_routing_header_that_comes_twice_is_refused(
    local: LocalServer, hana: OAuthClient, method: str, revision: str, second: str
) -> None:
    """Whatever reads the last of them would read another request."""
    params = {"name": "get_current_time", "arguments": {}} if method == "tools/call" else {}
    body, headers = message(revision, method, params)
    name, value = ROUTING[second]
    pairs = [
        *({"mcp-method": method, "mcp-name": "get_current_time"} | headers).items(),
        ("authorization", f"Bearer {hana.tokens['access_token']}"),
        (name, value),
    ]
    for sent in (body, [body]):
        answer = await hana.http.post(f"{hana.url}/mcp", json=sent, headers=pairs)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, HEADER_MISMATCH)
    assert not local.events("tool.called") + local.events("tools.listed")


async def test_a_batch_of_calls_is_answered_as_single_calls_are(
    local: LocalServer, nora: OAuthClient
) -> None:
    bodies, headers = [], {}
    for number, tool in enumerate(TABLE):
        body, headers = message(
            "2025-03-26", "tools/call", {"name": tool, "arguments": TABLE[tool].bad}, id_=number
        )
        bodies.append(body)
    headers |= {"authorization": f"Bearer {nora.tokens['access_token']}"}
    url = f"{nora.url}/mcp"
    singles = [(await nora.http.post(url, json=body, headers=headers)).json() for body in bodies]
    batch = (await nora.http.post(url, json=bodies, headers=headers)).json()
    assert [plain(answer) for answer in batch] == [plain(answer) for answer in singles]


async def test_a_person_who_calls_by_both_ways_has_one_rate(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> None:
    """R-23: the whole way is no second purse."""
    environment = sandbox.settings_for_server() | {"RATE_TOOL_CALLS_PER_TOOL": "4/hour"}
    url = f"http://localhost:{server_port}"
    async with local_server(tmp_path, url, environment) as local:
        client = await local.client()
        await connected(local.browser(), client, "Nora Lind")
        params = {"name": "list_okta_groups", "arguments": {"limit": 1}}
        for _call in range(2):
            for answer in await both(client, "2025-06-18", params):
                assert not answer["result"]["isError"]
        for answer in await both(client, "2025-06-18", params):
            assert answer["result"]["content"][0]["text"]["error"]["code"] == "rate_limited"


async def test_two_people_who_call_at_once_get_their_own_answers(
    nora: OAuthClient, hana: OAuthClient
) -> None:
    async def who(client: OAuthClient, headers: dict[str, str]) -> str:
        answer = await ask(client, "2025-06-18", "tools/call", {"name": "whoami"}, headers=headers)
        return str(answer.json()["result"]["structuredContent"]["person"]["login"])

    asked = [(client, headers) for client in (nora, hana) for headers in ({}, WHOLE_WAY)] * 10
    logins = await asyncio.gather(*(who(*each) for each in asked))
    assert set(logins[::4]) | set(logins[1::4]) == {"nora.super@northwind.example"}
    assert set(logins[2::4]) | set(logins[3::4]) == {"hana.help@northwind.example"}
