"""Lists that are given again: to the same kind of person only, and as FastMCP would make them."""

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from okta_mcp.inventory import named_only, policy_for
from okta_mcp.mcp_endpoint.messages import Message
from okta_mcp.mcp_endpoint.remembered_lists import RememberedLists
from okta_mcp.mcp_endpoint.server import RoleView
from okta_mcp.rbac.principal import Principal
from okta_mcp.rbac.roles import RoleDecision
from tests.vocabulary.behind import SCRIPT
from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import SandboxProcess
from tests.vocabulary.revisions import REVISIONS, WHOLE_WAY, ask
from tests.vocabulary.roles import SUPER_ADMIN_TOOLS, VIEWER_TOOLS
from tests.vocabulary.service import policy_file

HANA, NORA, SAMI = "Hana Novak", "Nora Lind", "Sami Korhonen"
HANA_LOGIN, NORA_LOGIN = "hana.help@northwind.example", "nora.super@northwind.example"
LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")
ROLE_TTL_SECONDS = 60
HEADERS = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": "2025-06-18",
}
# As a client may number its requests: JSON has more kinds than most clients use.
IDS: tuple[str | int, ...] = (
    *(0, 1, -1, 2**53 + 1, 2**63, 2**64 + 1, -(2**70), 10**30),
    *("", "1", 'a "quoted" id', "back\\slash", '","result":{},"x":"', "line\nand\ttab\x00"),
    *("zwölf", "日本", "\U0001f511", "\u2028", "</script>", "x" * 5000),
)


# --- what they are kept under ---


def request_with(**changes: str | None) -> Request:
    headers = {name.replace("_", "-"): value for name, value in (HEADERS | changes).items()}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items() if value]
    return Request({"type": "http", "method": "POST", "path": "/mcp", "headers": pairs})


def list_of(method: str = "tools/list", **params: Any) -> Message:
    return Message(method, params, 1, {"jsonrpc": "2.0", "id": 1})


def who(
    role: str | None = "viewer",
    scopes: frozenset[str] | None = frozenset({"okta.users.read"}),
    groups: tuple[str, ...] = (),
    user_id: str = "00uhana",
) -> Principal:
    decision = RoleDecision(role, ("a group",), "api", groups) if role else None
    return Principal(user_id, "a@b.example", "A", "client", "A client", None, scopes, decision)


@pytest.fixture
def lists() -> RememberedLists:
    return RememberedLists(policy_for(named_only(), None))


def answer_of(body: Any, status: int = 200) -> list[dict[str, Any]]:
    """As FastMCP sends it, in two pieces."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return [
        {"type": "http.response.start", "status": status, "headers": []},
        {"type": "http.response.body", "body": text[:9], "more_body": True},
        {"type": "http.response.body", "body": text[9:], "more_body": False},
    ]


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, list_of(cursor="abc")),
        ({}, list_of(cursor=None)),
        ({}, list_of(limit=5)),
        ({}, list_of(_meta="text")),
        ({}, list_of(_meta=None)),
        ({}, list_of(_meta={"progressToken": [1]})),
        ({}, list_of("tools/call")),
        ({}, list_of("resources/read")),
        ({}, list_of("TOOLS/LIST")),
        ({}, list_of("servers/list")),
        ({"accept": "application/json"}, list_of()),
        ({"accept": "text/event-stream"}, list_of()),
        ({"accept": None}, list_of()),
        ({"content-type": "text/plain"}, list_of()),
        ({"content-type": None}, list_of()),
        (WHOLE_WAY, list_of()),
        ({"mcp-protocol-version": "1999-01-01"}, list_of()),
        ({"mcp-protocol-version": "2025-06-18 "}, list_of()),
    ],
)
def test_what_may_be_answered_otherwise_is_never_given_from_memory(
    lists: RememberedLists, headers: dict[str, str | None], message: Message
) -> None:
    assert lists.key(request_with(**headers), message, who()) is None


def test_whatever_a_list_depends_on_makes_another_key(lists: RememberedLists) -> None:
    scopes = frozenset({"okta.users.read", "mcp.files"})
    asked = [
        *((request_with(), list_of(method), who()) for method in LISTS),
        *(
            (request_with(**{"mcp-protocol-version": revision}), list_of(), who())
            for revision in (*(each for each in REVISIONS if each != "2025-06-18"), None)
        ),
        *((request_with(), list_of(), who(role)) for role in ("super-admin", "Viewer", None)),
        *((request_with(), list_of(), who(scopes=each)) for each in (scopes, frozenset(), None)),
        *((request_with(), list_of(), who(groups=each)) for each in (("a",), ("b",), ("a", "b"))),
    ]
    keys = [lists.key(*each) for each in asked]
    assert None not in keys
    assert len(set(keys)) == len(keys)


def test_people_who_see_the_same_share_a_list(lists: RememberedLists) -> None:
    asked = request_with(), list_of(_meta={"progressToken": 1, "com.example/trace": "x"})
    assert lists.key(*asked, who()) == lists.key(*asked, who(user_id="00unora"))


@pytest.mark.parametrize(
    "answer",
    [
        [],
        answer_of({"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "no"}}),
        answer_of({"jsonrpc": "2.0", "id": 1, "result": {"tools": []}}, 400),
        answer_of({"jsonrpc": "2.0", "id": 1, "result": {"tools": []}}, 202),
        answer_of({"jsonrpc": "2.0", "id": 1, "result": {"tools": []}}, 500),
    ],
    ids=["nothing", "error", "400", "202", "500"],
)
def test_what_is_no_list_is_not_kept(lists: RememberedLists, answer: list[dict[str, Any]]) -> None:
    key = lists.key(request_with(), list_of(), who())
    assert key is not None
    lists.keep(key, answer, (), 3)
    assert lists.get(key) is None


@pytest.mark.parametrize("id_", IDS, ids=repr)
def test_an_answer_names_the_request_that_it_is_for(lists: RememberedLists, id_: str | int) -> None:
    key = lists.key(request_with(), list_of(), who())
    assert key is not None
    result = {"tools": [{"name": "a", "description": 'ü " \u2028 \U0001f511'}]}
    lists.keep(key, answer_of({"jsonrpc": "2.0", "id": "another", "result": result}), (), 3)
    kept = lists.get(key)
    assert kept is not None
    assert json.loads(kept.answer(id_)) == {"jsonrpc": "2.0", "id": id_, "result": result}


def test_kept_lists_are_bounded_and_the_one_that_was_asked_for_stays(
    lists: RememberedLists,
) -> None:
    """A client chooses its scopes, so nobody but this bound limits how many there are."""
    keys = []
    for number in range(1000):
        scopes = frozenset({f"mcp.server-{number}"})
        key = lists.key(request_with(), list_of(), who(scopes=scopes))
        assert key is not None
        keys.append(key)
        lists.keep(key, answer_of({"result": {"number": number}}), (), 1)
        assert lists.get(keys[0]) is not None
    kept = [number for number, key in enumerate(keys) if lists.get(key) is not None]
    assert kept[0] == 0
    assert 16 <= len(kept) <= 256
    assert kept[1:] == list(range(1000 - len(kept) + 1, 1000))


# --- on the server ---


async def somebody(local: LocalServer, person: str, **changes: str) -> OAuthClient:
    client = await local.client()
    await connected(local.browser(), client, person, **changes)
    return client


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods of the lists that FastMCP was asked to make."""
    noted: list[str] = []

    def noting(method: str) -> None:
        own = getattr(RoleView, method)

        async def on_list(self: RoleView, context: Any, call_next: Any) -> Any:
            noted.append(context.method)
            return await own(self, context, call_next)

        monkeypatch.setattr(RoleView, method, on_list)

    for method in ("tools", "resources", "resource_templates", "prompts"):
        noting(f"on_list_{method}")
    return noted


async def test_a_revoked_token_gets_no_list_that_was_made_for_it(local: LocalServer) -> None:
    client = await somebody(local, HANA)
    for _ in range(2):
        assert (await client.rpc("tools/list")).status_code == 200
    await client.revoke(str(client.tokens["access_token"]))
    for method in LISTS:
        refused = await client.rpc(method)
        assert refused.status_code == 401
        assert "result" not in refused.json()


@pytest.mark.parametrize("sent", ["", "omcp_at_" + "A" * 43])
async def test_a_stranger_gets_no_list_that_was_made_for_somebody(
    local: LocalServer, sent: str
) -> None:
    client = await somebody(local, HANA)
    await client.rpc("tools/list")
    assert (await client.rpc("tools/list", token=sent)).status_code == 401


async def test_a_suspended_person_gets_no_list_that_was_made_before(
    local: LocalServer, sandbox: SandboxProcess
) -> None:
    client, other = await somebody(local, HANA), await somebody(local, NORA)
    await client.rpc("tools/list")
    sandbox.control(f"users/{HANA_LOGIN}", {"status": "SUSPENDED"})
    local.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
    assert (await client.rpc("tools/list")).status_code == 401
    assert (await other.rpc("tools/list")).status_code == 200


@pytest.mark.parametrize("method", LISTS)
async def test_without_okta_a_list_that_is_kept_is_refused_like_any_other(
    local: LocalServer, sandbox: SandboxProcess, method: str
) -> None:
    client = await somebody(local, HANA)
    for _ in range(2):
        assert "result" in (await client.rpc(method)).json()
    fault = {"match": "GET /api/v1/users/", "status": 503, "times": 1000, "seconds": 60}
    sandbox.control("faults", fault)
    local.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
    refused = (await client.rpc(method)).json()
    assert "result" not in refused
    assert "cannot be checked" in refused["error"]["message"]


async def tools_of(client: OAuthClient, **asked: Any) -> set[str]:
    answer = (await ask(client, "2025-06-18", "tools/list", **asked)).json()
    return {tool["name"] for tool in answer["result"]["tools"]}


async def test_after_a_change_of_role_the_next_list_is_that_of_the_new_one(
    local: LocalServer, sandbox: SandboxProcess
) -> None:
    """B-08: down, to nothing, and up again, with the list of each role kept in between."""
    client, viewer = await somebody(local, NORA), await somebody(local, HANA)
    groups = sandbox.ready["role_groups"]

    async def lists_in(*roles: str) -> int:
        for role in ("super_admin", "viewer"):
            change = {"add" if role in roles else "remove": [NORA_LOGIN]}
            sandbox.control(f"groups/{groups[role]}/members", change)
        local.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
        counts = {len(await tools_of(client)) for _ in range(3)}
        assert await tools_of(viewer) == await tools_of(viewer, headers=WHOLE_WAY)
        assert len(counts) == 1
        return counts.pop()

    assert await lists_in("super_admin") == SUPER_ADMIN_TOOLS
    assert await lists_in("viewer") == VIEWER_TOOLS
    assert await lists_in() == 0
    assert await lists_in("super_admin", "viewer") == SUPER_ADMIN_TOOLS


def without_its_moment(line: Mapping[str, Any]) -> dict[str, Any]:
    moment = ("seq", "chain", "time", "milliseconds", "request_id")
    return {name: value for name, value in line.items() if name not in moment}


async def test_a_list_from_memory_has_the_same_line_in_the_trail(
    local: LocalServer, made: list[str]
) -> None:
    client = await somebody(local, HANA)
    for _ in range(3):
        await client.rpc("tools/list")
    assert made == ["tools/list"]
    first, *others = local.events("tools.listed")
    assert len(others) == 2
    assert first["count"] == VIEWER_TOOLS
    assert {"user_id", "login", "client_id", "grant", "role", "ip", "method"} <= first.keys()
    assert len({line["request_id"] for line in (first, *others)}) == 3
    for line in others:
        assert without_its_moment(line) == without_its_moment(first)
        assert line["milliseconds"] >= 0


async def test_each_person_is_on_the_record_of_a_list_that_was_made_for_another(
    local: LocalServer, sandbox: SandboxProcess, made: list[str]
) -> None:
    group = sandbox.ready["role_groups"]["super_admin"]
    sandbox.control(f"groups/{group}/members", {"add": [HANA_LOGIN]})
    nora, hana = await somebody(local, NORA), await somebody(local, HANA)
    assert await tools_of(nora) == await tools_of(hana)
    assert made == ["tools/list"]
    logins = [line["login"] for line in local.events("tools.listed")]
    assert logins == [NORA_LOGIN, HANA_LOGIN]


@pytest.mark.parametrize("revision", REVISIONS)
async def test_every_list_is_byte_for_byte_what_fastmcp_would_make_for_whoever_asks(
    local: LocalServer, made: list[str], revision: str
) -> None:
    """People, scopes and lists in turn, so that a list in the wrong hands would be seen."""
    people = [
        await somebody(local, NORA),
        await somebody(local, HANA),
        await somebody(local, NORA, scope="okta.groups.read"),
        await somebody(local, NORA, scope="okta.groups.read okta.users.read"),
    ]
    asked = list(itertools.product(people, LISTS))
    fresh = [await ask(person, revision, method, headers=WHOLE_WAY) for person, method in asked]
    assert len(made) == len(asked)
    tools = {answer.content for answer in fresh[:: len(LISTS)]}
    assert len(tools) == len(people)
    for _round in range(2):
        for (person, method), expected in zip(asked, fresh, strict=True):
            answer = await ask(person, revision, method)
            assert answer.content == expected.content
            assert answer.status_code == expected.status_code == 200
            assert answer.headers["content-type"] == expected.headers["content-type"]
            assert answer.headers["cache-control"] == "no-store"
            assert "mcp-session-id" not in answer.headers
    assert len(made) == 2 * len(asked)


@pytest.mark.parametrize("method", LISTS)
async def test_clients_of_every_revision_get_the_list_of_their_own(
    local: LocalServer, method: str
) -> None:
    client = await somebody(local, HANA)
    fresh = [await ask(client, each, method, headers=WHOLE_WAY) for each in REVISIONS]
    assert len({answer.content for answer in fresh}) > 1
    for _round in range(2):
        answers = [await ask(client, each, method) for each in REVISIONS]
        assert [answer.content for answer in answers] == [answer.content for answer in fresh]


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_client_gets_its_own_id_back_whatever_it_is(
    local: LocalServer, revision: str
) -> None:
    client = await somebody(local, HANA)
    await ask(client, revision, "prompts/list", id_="the first")
    for id_ in IDS:
        answer = await ask(client, revision, "prompts/list", id_=id_)
        fresh = await ask(client, revision, "prompts/list", id_=id_, headers=WHOLE_WAY)
        assert (answer.status_code, answer.json()) == (fresh.status_code, fresh.json())
        assert answer.json()["id"] == id_


@pytest.mark.parametrize(
    "params", [{"cursor": "made up"}, {"cursor": ""}, {"limit": 1}, {"cursor": None}]
)
async def test_a_parameter_is_fastmcps_to_answer(
    local: LocalServer, made: list[str], params: dict[str, Any]
) -> None:
    client = await somebody(local, HANA)
    for _round in range(2):
        await ask(client, "2025-06-18", "tools/list")
    assert made == ["tools/list"]
    answer = await ask(client, "2025-06-18", "tools/list", params)
    fresh = await ask(client, "2025-06-18", "tools/list", params, headers=WHOLE_WAY)
    assert answer.content == fresh.content
    assert await tools_of(client) == await tools_of(client, headers=WHOLE_WAY)


async def test_a_batch_gets_the_lists_that_single_requests_get(
    local: LocalServer, made: list[str]
) -> None:
    client = await somebody(local, HANA)
    singles = [(await client.rpc(method)).json()["result"] for method in LISTS]
    assert len(made) == len(LISTS)
    batch = [{"jsonrpc": "2.0", "id": method, "method": method} for method in LISTS]
    bearer = {"authorization": f"Bearer {client.tokens['access_token']}"}
    headers = HEADERS | bearer | {"mcp-protocol-version": "2025-03-26"}
    for _round in range(2):
        answers = await client.http.post(f"{client.url}/mcp", json=batch, headers=headers)
        assert [answer["id"] for answer in answers.json()] == list(LISTS)
        results = [answer["result"] for answer in answers.json()]
        assert [_names(each) for each in results] == [_names(each) for each in singles]


def _names(result: dict[str, Any]) -> list[str]:
    [rows] = [value for value in result.values() if isinstance(value, list)]
    return [row["name"] for row in rows]


# --- with servers behind ---

RULES = """[servers.well]
role = "viewer"
tools = ["echo", "grow", "grown*"]
[servers.other]
groups = ["{group}"]
tools = ["echo"]
"""
ENTRY = {"command": sys.executable, "args": ["-I", "-S", SCRIPT, "well"]}


def configure(path: Path, *names: str) -> None:
    entries = {name: ENTRY | {"okta_mcp": {"title": name}} for name in names}
    path.write_text(json.dumps({"mcpServers": entries}))
    path.chmod(0o600)


@pytest.fixture
def mcp_json(tmp_path: Path) -> Path:
    path = tmp_path / "mcp.json"
    configure(path, "well", "other")
    return path


@pytest.fixture
async def gateway(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path, mcp_json: Path
) -> AsyncIterator[LocalServer]:
    rules = RULES.format(group=sandbox.ready["role_groups"]["security_admin"])
    environment = sandbox.settings_for_server() | {
        "POLICY_FILE": str(policy_file(tmp_path, rules)),
        "MCP_CONFIG": str(mcp_json),
        "RATE_TOOL_CALLS": "100000/minute",
    }
    async with local_server(tmp_path, f"http://localhost:{server_port}", environment) as running:
        yield running


async def until(client: OAuthClient, holds: Callable[[set[str]], bool]) -> set[str]:
    """The list, as soon as it is as wanted; it is asked for in the usual form only."""
    async with asyncio.timeout(20):
        while not holds(names := await tools_of(client)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)
    return names


async def test_what_a_server_behind_lists_newly_is_in_the_next_list(gateway: LocalServer) -> None:
    """Its own notification, `tools/list_changed`, is all that it says."""
    client = await somebody(gateway, HANA)
    before = await until(client, lambda names: "well_echo" in names)
    assert not any(name.startswith("well_grown") for name in before)
    for number in range(2):
        await client.call("well_grow")
        grown = f"well_grown{number}"
        await until(client, lambda names, grown=grown: grown in names)
        assert await tools_of(client) == await tools_of(client, headers=WHOLE_WAY)


async def test_a_reload_takes_a_server_out_of_lists_and_puts_it_back(
    gateway: LocalServer, mcp_json: Path
) -> None:
    client = await somebody(gateway, HANA)
    await until(client, lambda names: "well_echo" in names)
    # The server's own answer to the signal; without it, it would end the tests.
    assert signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL
    configure(mcp_json, "other")
    os.kill(os.getpid(), signal.SIGHUP)
    await until(client, lambda names: "well_echo" not in names)
    configure(mcp_json, "well", "other")
    os.kill(os.getpid(), signal.SIGHUP)
    await until(client, lambda names: "well_echo" in names)


async def test_a_list_of_a_group_for_a_server_is_not_given_to_others_of_the_role(
    gateway: LocalServer, sandbox: SandboxProcess
) -> None:
    """Both have the same role and the same scopes; the group is all that differs."""
    groups = sandbox.ready["role_groups"]
    for group in (groups["super_admin"], groups["security_admin"]):
        sandbox.control(f"groups/{group}/members", {"add": [HANA_LOGIN]})
    sandbox.control(f"groups/{groups['security_admin']}/members", {"remove": [NORA_LOGIN]})
    member, other = await somebody(gateway, HANA), await somebody(gateway, NORA)
    both = await until(member, lambda names: {"well_echo", "other_echo"} <= names)
    for _round in range(2):
        assert await tools_of(other) == both - {"other_echo"}
        assert await tools_of(member) == both
    # Out of the group, and after the interval it is the list of the others.
    change = {"remove": [HANA_LOGIN]}
    sandbox.control(f"groups/{groups['security_admin']}/members", change)
    gateway.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
    assert await tools_of(member) == both - {"other_echo"}
