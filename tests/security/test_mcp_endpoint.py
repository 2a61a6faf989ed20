"""The door of /mcp: who gets in, by what, from where, and with which words everybody else is sent
away."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from okta_mcp.serving.command import serve
from okta_mcp.settings import Settings
from tests.vocabulary.browser import Browser
from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import JSON_RPC, OAuthClient, connected
from tests.vocabulary.processes import SandboxProcess, ServerProcess
from tests.vocabulary.roles import SUPER_ADMIN_TOOLS, VIEWER_TOOLS

METHODS = ("POST", "GET", "DELETE")
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
PUBLIC_URL = "https://mcp.example.com"


@pytest.fixture
async def member(browser: Browser, client: OAuthClient) -> OAuthClient:
    """A client that holds the tokens of a viewer."""
    await connected(browser, client, "Hana Novak")
    return client


async def ask(
    client: OAuthClient,
    method: str = "POST",
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    *,
    content: bytes | None = None,
    query: str = "",
) -> httpx.Response:
    """A request to /mcp as it is given here, without any credentials of its own."""
    more = list(headers.items()) if isinstance(headers, dict) else headers or []
    return await client.http.request(
        method,
        f"{client.url}/mcp{query}",
        content=content if content is not None else json.dumps(LIST).encode(),
        headers=[*JSON_RPC.items(), *more],
    )


def bearer(client: OAuthClient) -> dict[str, str]:
    return {"authorization": f"Bearer {client.tokens['access_token']}"}


@pytest.mark.parametrize("method", METHODS)
async def test_without_credentials_the_challenge_leads_to_the_metadata(
    client: OAuthClient, method: str
) -> None:
    """M-01: no error code, no scope, and the URL it names answers."""
    answer = await ask(client, method)
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    url = f"{client.url}/.well-known/oauth-protected-resource/mcp"
    assert challenge == f'Bearer resource_metadata="{url}"'
    assert (await client.http.get(url)).json()["resource"] == f"{client.url}/mcp"


BAD_TOKENS = {
    "made up": "omcp_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "empty": "",
    "a JWT without a signature": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.",
    "20 KiB": "a" * 20_000,
    "of no ASCII": "tökén",
    "with a quote": 'a", error="none',
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", BAD_TOKENS)
async def test_a_token_that_does_not_work_is_an_invalid_token(
    client: OAuthClient, method: str, name: str
) -> None:
    """M-02, L-06, T-13: 401, and the challenge repeats nothing of what came."""
    sent = f"Bearer {BAD_TOKENS[name]}".strip().encode()
    answer = await client.http.request(
        method, f"{client.url}/mcp", headers=[(b"Authorization", sent)]
    )
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert 'error="invalid_token"' in challenge
    assert 'resource_metadata="' in challenge
    assert not BAD_TOKENS[name] or BAD_TOKENS[name] not in challenge + answer.text


@pytest.mark.parametrize("end", ["revoked", "expired"])
async def test_a_token_that_has_ended_is_an_invalid_token(local: LocalServer, end: str) -> None:
    """M-02: with no delay in either case."""
    client = await local.client()
    await connected(local.browser(), client, "Hana Novak")
    assert (await client.rpc("ping")).status_code == 200
    if end == "revoked":
        await client.revoke(client.tokens["access_token"])
    else:
        local.clock.pass_seconds(client.tokens["expires_in"] + 1)
    answer = await client.rpc("ping")
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_a_token_of_another_kind_is_an_invalid_token(member: OAuthClient) -> None:
    """M-02, T-07."""
    answer = await member.rpc("ping", token=member.tokens["refresh_token"])
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "place", ["query", "form", "cookie", "X-Access-Token", "Proxy-Authorization", "body"]
)
async def test_a_token_counts_in_the_authorization_header_only(
    member: OAuthClient, place: str
) -> None:
    """M-03."""
    token = member.tokens["access_token"]
    content, query, headers = None, "", {}
    match place:
        case "query":
            query = f"?access_token={token}"
        case "form":
            content = f"access_token={token}".encode()
            headers = {"content-type": "application/x-www-form-urlencoded"}
        case "cookie":
            headers = {"cookie": f"access_token={token}; Authorization=Bearer {token}"}
        case "body":
            content = json.dumps(LIST | {"params": {"_meta": {"access_token": token}}}).encode()
        case header:
            headers = {header: f"Bearer {token}"}
    answer = await ask(member, "POST", headers, content=content, query=query)
    assert answer.status_code == 401
    assert "error=" not in answer.headers["www-authenticate"]


@pytest.mark.parametrize("second", ["the same", "another", "of another scheme"])
async def test_two_authorization_headers_are_refused(member: OAuthClient, second: str) -> None:
    """M-04: who decides which one counts?"""
    [first] = bearer(member).values()
    other = {"the same": first, "another": "Bearer x", "of another scheme": "Basic eDp5"}[second]
    for pair in ((first, other), (other, first)):
        answer = await ask(member, "POST", [("Authorization", value) for value in pair])
        assert answer.status_code == 400
        assert 'error="invalid_request"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "value",
    ["Basic {}", "DPoP {}", "Token {}", "{}", "Bearer:{}", "Bearer, Bearer {}", "Bearer {},{}"],
)
async def test_another_scheme_is_refused(member: OAuthClient, value: str) -> None:
    """M-04."""
    token = member.tokens["access_token"]
    answer = await ask(member, "POST", {"authorization": value.format(token, token)})
    assert answer.status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_the_case_of_the_scheme_does_not_matter(member: OAuthClient, scheme: str) -> None:
    """M-04."""
    headers = {"authorization": f"{scheme} {member.tokens['access_token']}"}
    assert (await ask(member, "POST", headers)).status_code == 200


@pytest.mark.parametrize("method", METHODS)
async def test_a_browser_session_opens_nothing(
    browser: Browser, member: OAuthClient, method: str
) -> None:
    """M-05: all cookies of a signed-in person, and still nobody."""
    held = {cookie.name: cookie.value for cookie in browser.client.cookies.jar}
    assert any("session" in name for name in held)
    cookies = "; ".join(f"{name}={value}" for name, value in held.items())
    assert (await ask(member, method, {"cookie": cookies})).status_code == 401


SESSION_IDS = {
    "M-06 of a client": "5d2f6b0c-7a0e-4d3f-9e53-1f8f1c9c0b1a",
    "M-07 of another principal": "1" * 32,
    "M-08 that nobody would make": "\x21~",
    "M-19 with an event to go on from": "resumed",
    "L-08 one of many": "0",
}


@pytest.mark.parametrize("name", SESSION_IDS)
@pytest.mark.parametrize(("method", "with_token"), [("POST", 200), ("GET", 405), ("DELETE", 405)])
async def test_there_is_no_session_to_issue_to_use_or_to_steal(
    member: OAuthClient, name: str, method: str, with_token: int
) -> None:
    """M-06, M-07, M-08, M-19, L-08 by design 16: an id alone is nothing, beside a token nothing."""
    sent = {"mcp-session-id": SESSION_IDS[name], "last-event-id": "1"}
    alone = await ask(member, method, sent)
    beside = await ask(member, method, sent | bearer(member))
    without = await ask(member, method, bearer(member))
    assert alone.status_code == 401
    assert (beside.status_code, beside.content) == (without.status_code, without.content)
    assert beside.status_code == with_token
    assert beside.headers["content-type"] == "application/json"
    for answer in (alone, beside, without):
        assert "mcp-session-id" not in answer.headers


@pytest.mark.parametrize("revision", ["2025-03-26", "2025-06-18", "2025-11-25"])
async def test_initialize_issues_no_session(member: OAuthClient, revision: str) -> None:
    """M-08, L-08: twenty of them leave nothing behind that could be counted."""
    params = {
        "protocolVersion": revision,
        "capabilities": {},
        "clientInfo": {"name": "x", "version": "1"},
    }
    for _ in range(20):
        answer = await member.rpc("initialize", params, headers={"mcp-protocol-version": revision})
        assert answer.status_code == 200
        assert answer.json()["result"]["protocolVersion"] == revision
        assert "mcp-session-id" not in answer.headers


async def test_two_people_under_one_session_id_stay_two_people(
    member: OAuthClient, attacker: Browser, other_client: OAuthClient
) -> None:
    """M-07, M-19, B-12: who asks is who holds the token."""
    await connected(attacker, other_client, "Nora Lind")
    sent = {"mcp-session-id": "shared", "last-event-id": "1"}
    answers = await asyncio.gather(
        *(who.rpc("tools/list", headers=sent) for who in (member, other_client, member))
    )
    assert [len(answer.json()["result"]["tools"]) for answer in answers] == [
        VIEWER_TOOLS,
        SUPER_ADMIN_TOOLS,
        VIEWER_TOOLS,
    ]


FOREIGN_ORIGINS = (
    "https://evil.example",
    "http://localhost.evil.example",
    "http://evil.example:3001",
    "https://localhost@evil.example",
    "null",
    "file://",
    "vscode-webview://abc",
    "http://127.0.0.1.nip.io",
    "http://[::1].evil.example",
    "http://[::1",
    "",
)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
async def test_a_page_of_another_site_is_refused_before_anything_else(
    member: OAuthClient, method: str, origin: str
) -> None:
    """M-09: 403 with a token, and 403 without one, so it is decided before authentication."""
    for headers in ({}, bearer(member), {"authorization": "Bearer x"}):
        answer = await ask(member, method, {**headers, "origin": origin})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
        assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
async def test_a_preflight_of_another_site_gets_no_permission(
    client: OAuthClient, origin: str
) -> None:
    """M-09, K-17."""
    answer = await ask(client, "OPTIONS", preflight(origin), content=b"")
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def preflight(origin: str) -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,mcp-protocol-version",
    }


OWN_ORIGINS = ("http://localhost:5173", "http://127.0.0.1:6274", "http://[::1]:80", "{own}")


@pytest.mark.parametrize("origin", OWN_ORIGINS)
async def test_a_page_of_this_computer_may_call(member: OAuthClient, origin: str) -> None:
    """M-09, K-17: without credentials of the browser, and it may read the challenge."""
    page = {"origin": origin.format(own=member.url)}
    asked = await ask(member, "OPTIONS", preflight(page["origin"]), content=b"")
    called = await ask(member, "POST", page | bearer(member))
    challenged = await ask(member, "POST", page)
    assert (asked.status_code, called.status_code, challenged.status_code) == (200, 200, 401)
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()
    for answer in (asked, called, challenged):
        assert answer.headers["access-control-allow-origin"] == page["origin"]
        assert "origin" in answer.headers["vary"].lower()
        assert "access-control-allow-credentials" not in answer.headers
    exposed = challenged.headers["access-control-expose-headers"].lower()
    assert {name.strip() for name in exposed.split(",")} == {"www-authenticate", "mcp-session-id"}


@pytest.fixture
async def public(sandbox: SandboxProcess, tmp_path: Path) -> AsyncIterator[LocalServer]:
    """The application as it stands behind a company's proxy."""
    environment = sandbox.settings_for_server() | {
        "ALLOWED_ORIGINS": "https://inspector.example.com",
        "ALLOWED_HOSTS": "mcp.internal:8443",
    }
    async with local_server(tmp_path, PUBLIC_URL, environment) as running:
        yield running


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (PUBLIC_URL, 401),
        ("https://inspector.example.com", 401),
        ("https://inspector.example.com:8443", 403),
        ("http://inspector.example.com", 403),
        ("https://inspector.example.com.evil.example", 403),
        ("http://localhost:5173", 403),
        ("http://127.0.0.1", 403),
    ],
)
async def test_a_public_server_answers_listed_origins_only(
    public: LocalServer, origin: str, status: int
) -> None:
    """M-09, K-17."""
    answer = await ask(await public.client(), "POST", {"origin": origin})
    assert answer.status_code == status
    allowed = answer.headers.get("access-control-allow-origin")
    assert allowed == (origin if status == 401 else None)


FOREIGN_HOSTS = (
    "evil.example",
    "evil.example:{port}",
    "localhost.evil.example:{port}",
    "localhost@evil.example",
    "x@localhost:{port}",
    "[::1].evil.example",
    "[::1",
    "",
)


@pytest.mark.parametrize("path", ["/mcp", "/", "/oauth/login", "/oauth/authorize", "/static/x"])
@pytest.mark.parametrize("host", FOREIGN_HOSTS)
async def test_another_host_is_refused_and_told_the_url(
    client: OAuthClient, path: str, host: str
) -> None:
    """M-10, M-11: DNS rebinding reaches nothing; the answer names the configured URL only."""
    sent = host.format(port=urlsplit(client.url).port)
    answer = await client.http.get(f"{client.url}{path}", headers={"host": sent})
    assert answer.status_code in ((400, 421) if not sent else (421,))
    if answer.status_code == 421:
        assert client.url in answer.text
        assert not sent or sent not in answer.text


async def test_health_answers_under_every_host(client: OAuthClient) -> None:
    """M-10: load balancers ask by address."""
    answer = await client.http.get(f"{client.url}/health", headers={"host": "10.1.2.3"})
    assert answer.status_code == 200


async def test_another_loopback_name_is_sent_to_the_one_url_of_mcp(client: OAuthClient) -> None:
    """M-11: clients compare the URL byte for byte; the pages answer under each name."""
    headers = {"host": f"127.0.0.1:{urlsplit(client.url).port}"}
    refused = await client.http.get(f"{client.url}/mcp", headers=headers)
    assert refused.status_code == 421
    assert f"{client.url}/mcp" in refused.text
    assert (await client.http.get(f"{client.url}/", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("mcp.example.com", 401),
        ("mcp.internal:8443", 401),
        ("mcp.internal", 421),
        ("localhost", 421),
        ("127.0.0.1", 421),
    ],
)
async def test_a_public_server_answers_its_own_and_listed_hosts_only(
    public: LocalServer, host: str, status: int
) -> None:
    """M-10, D-10: and what it says of itself does not follow the host."""
    answer = await ask(await public.client(), "POST", {"host": host})
    assert answer.status_code == status
    assert PUBLIC_URL in (answer.headers.get("www-authenticate") or answer.text)


def nested(depth: int) -> bytes:
    inner: Any = None
    for _ in range(depth):
        inner = [inner]
    return json.dumps(LIST | {"params": {"deep": inner}}).encode()


PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32700, -32600, -32601
MALFORMED: dict[str, tuple[int, bytes]] = {
    "empty": (PARSE_ERROR, b""),
    "not JSON": (PARSE_ERROR, b"{"),
    "two messages": (PARSE_ERROR, b"{}{}"),
    "not UTF-8": (PARSE_ERROR, b'{"jsonrpc": "2.0", "id": 1, "method": "\xff"}'),
    "NaN": (PARSE_ERROR, b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}'),
    "Infinity": (
        PARSE_ERROR,
        b'{"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"a": -Infinity}}',
    ),
    "a number of 5,000 digits": (
        PARSE_ERROR,
        b'{"jsonrpc": "2.0", "method": "ping", "id": ' + b"1" * 5000 + b"}",
    ),
    "nested beyond any parser": (PARSE_ERROR, b"[" * 100_000),
    "nested too deep": (INVALID_REQUEST, nested(64)),
    "null": (INVALID_REQUEST, b"null"),
    "a number": (INVALID_REQUEST, b"1"),
    "text": (INVALID_REQUEST, b'"ping"'),
    "an empty object": (INVALID_REQUEST, b"{}"),
    "an empty batch": (INVALID_REQUEST, b"[]"),
    "another version": (INVALID_REQUEST, b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}'),
    "a version that is a number": (INVALID_REQUEST, b'{"jsonrpc": 2.0, "id": 1, "method": "ping"}'),
    "no method": (INVALID_REQUEST, b'{"jsonrpc": "2.0", "id": 1}'),
    "a method that is a list": (
        INVALID_REQUEST,
        b'{"jsonrpc": "2.0", "id": 1, "method": ["ping"]}',
    ),
    "a method that is null": (INVALID_REQUEST, b'{"jsonrpc": "2.0", "id": 1, "method": null}'),
    "an id that is an object": (INVALID_REQUEST, b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}'),
    "an id that is true": (INVALID_REQUEST, b'{"jsonrpc": "2.0", "id": true, "method": "ping"}'),
    "an id that is a fraction": (
        INVALID_REQUEST,
        b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}',
    ),
    "params that are text": (
        INVALID_REQUEST,
        b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": "x"}',
    ),
    "params that are null": (
        INVALID_REQUEST,
        b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": null}',
    ),
    "a call without id": (INVALID_REQUEST, b'{"jsonrpc": "2.0", "method": "tools/call"}'),
    "a tool that is a list": (
        INVALID_REQUEST,
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": ["x"]}}',
    ),
    "a uri that is missing": (
        INVALID_REQUEST,
        b'{"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {}}',
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_message_is_a_400_with_its_code(member: OAuthClient, name: str) -> None:
    """M-13."""
    code, content = MALFORMED[name]
    answer = await ask(member, "POST", bearer(member), content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize(
    "params",
    [
        {"name": "get_current_time", "arguments": []},
        {"name": "get_current_time", "arguments": "x"},
        {"name": "get_current_time", "arguments": {"": ""}},
        {"name": "get_current_time", "_meta": []},
        {"name": "get_current_time", "_meta": {"progressToken": {}}},
        {"name": "get_current_time", "arguments": {"x": "\ud800"}},
    ],
)
async def test_odd_params_of_a_call_are_an_error_and_no_crash(
    member: OAuthClient, params: dict[str, Any]
) -> None:
    """M-13: no 5xx."""
    # Written by hand: httpx would not send half a surrogate pair.
    content = json.dumps(LIST | {"method": "tools/call", "params": params}).encode()
    answer = await ask(member, "POST", bearer(member), content=content)
    assert answer.status_code in (200, 400)
    body = answer.json()
    assert "error" in body or body["result"]["isError"] is True


@pytest.mark.parametrize("method", ["tools/call ", "TOOLS/LIST", "tasks/list", "", "__class__"])
async def test_an_unknown_method_does_not_exist(member: OAuthClient, method: str) -> None:
    """M-13, B-04."""
    assert (await member.rpc(method)).json()["error"]["code"] == METHOD_NOT_FOUND


def called(name: str, request_id: int) -> dict[str, object]:
    params = {"name": name, "arguments": {}}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


TOO_MANY = [called("get_current_time", 1)] * 51


@pytest.mark.parametrize(
    ("batch", "revision"),
    [([called("get_current_time", 1)], "2025-06-18"), (TOO_MANY, None), ([], "2025-03-26")],
    ids=["of a revision without batches", "of 51", "of nothing"],
)
async def test_a_batch_that_is_not_to_be_taken_runs_nothing(
    member: OAuthClient, server: ServerProcess, batch: list[object], revision: str | None
) -> None:
    """M-15."""
    version = {"mcp-protocol-version": revision} if revision else {}
    before = len(server.events("tool.called"))
    content = json.dumps(batch).encode()
    answer = await ask(member, "POST", bearer(member) | version, content=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, INVALID_REQUEST)
    assert len(server.events("tool.called")) == before


@pytest.mark.parametrize("revision", [None, "2025-03-26"])
async def test_each_element_of_a_batch_is_decided_by_itself(
    member: OAuthClient, server: ServerProcess, revision: str | None
) -> None:
    """M-15: allowed, refused, broken and silent elements side by side, each on the record."""
    batch = [
        called("get_current_time", 1),
        called("list_okta_network_zones", 2),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {}},
        "nonsense",
        LIST | {"id": 4},
    ]
    version = {"mcp-protocol-version": revision} if revision else {}
    before = len(server.events())
    content = json.dumps(batch).encode()
    answer = await ask(member, "POST", bearer(member) | version, content=content)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    by_id = {element["id"]: element for element in answer.json()}
    assert set(by_id) == {1, 2, 3, 4, None}
    assert by_id[1]["result"]["isError"] is False
    assert by_id[2]["error"]["message"] == "Unknown tool: list_okta_network_zones"
    assert by_id[3]["error"]["code"] == by_id[None]["error"]["code"] == INVALID_REQUEST
    assert len(by_id[4]["result"]["tools"]) == VIEWER_TOOLS
    events = [event["event"] for event in server.events()[before:]]
    assert events == ["tool.called", "tool.refused", "tools.listed"]


async def test_a_token_that_is_revoked_during_a_batch_ends_it(
    local: LocalServer, sandbox: SandboxProcess
) -> None:
    """M-15: while the first element waits for Okta, the client gives its token back."""
    client = await local.client()
    await connected(local.browser(), client, "Hana Novak")
    sandbox.control("faults", {"match": "GET /api/v1/groups", "kind": "slow", "seconds": 2})
    batch = json.dumps([called("list_okta_groups", 1), called("whoami", 2)]).encode()
    asking = asyncio.create_task(ask(client, "POST", bearer(client), content=batch))
    while not any(each["path"] == "/api/v1/groups" for each in sandbox.requests()):  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert (await client.revoke(client.tokens["access_token"])).status_code == 200
    assert (await asking).status_code == 401
    assert [event["subject"] for event in local.events("tool.called")] == ["list_okta_groups"]


async def test_a_batch_of_notifications_has_no_answer(member: OAuthClient) -> None:
    """M-15."""
    content = b'[{"jsonrpc": "2.0", "method": "notifications/initialized"}]'
    answer = await ask(member, "POST", bearer(member), content=content)
    assert (answer.status_code, answer.content) == (202, b"")


@pytest.mark.parametrize("authorization", [None, "Bearer made-up"])
async def test_nobody_has_a_body_read_before_being_known(
    server: ServerProcess, authorization: str | None
) -> None:
    """M-14: the head alone gets its 401, although a mebibyte is promised."""
    at = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    head = f"POST /mcp HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Length: 1000000\r\n"
    head += f"Authorization: {authorization}\r\n" if authorization else ""
    writer.write(f"{head}\r\n".encode())
    status_line = await asyncio.wait_for(reader.readline(), timeout=5)
    writer.close()
    assert status_line.startswith(b"HTTP/1.1 401 ")


async def test_a_body_that_is_too_large_is_refused_with_and_without_its_length(
    member: OAuthClient,
) -> None:
    """L-01, M-13."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * 65_536

    for content in (b" " * (1024 * 1024 + 1), pieces()):
        answer = await member.http.post(
            f"{member.url}/mcp", content=content, headers=JSON_RPC | bearer(member)
        )
        assert answer.status_code == 413


@pytest.mark.parametrize("status", [200, 400, 401, 403, 405, 413, 421])
async def test_no_answer_of_mcp_may_be_kept(member: OAuthClient, status: int) -> None:
    """M-16: whatever the answer is."""
    answers = {
        200: ask(member, "POST", bearer(member)),
        400: ask(member, "POST", bearer(member), content=b"{"),
        401: ask(member),
        403: ask(member, "POST", {"origin": "https://evil.example"}),
        405: ask(member, "GET", bearer(member)),
        413: ask(member, "POST", bearer(member), content=b" " * (1024 * 1024 + 1)),
        421: ask(member, "POST", {"host": "evil.example"}),
    }
    asked = answers.pop(status)
    for other in answers.values():
        other.close()
    answer = await asked
    assert answer.status_code == status
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_get_and_delete_need_a_token_and_then_do_not_exist(
    member: OAuthClient, method: str
) -> None:
    """M-01, M-06, and M-18: no stream stands open after a revocation, because none is opened."""
    assert (await ask(member, method)).status_code == 401
    known = await ask(member, method, bearer(member))
    assert known.status_code == 405
    assert known.headers["allow"] == "POST"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "TRACE", "CONNECT"])
async def test_other_methods_are_refused(member: OAuthClient, method: str) -> None:
    """W-04."""
    answer = await ask(member, method, bearer(member), content=b"")
    assert answer.status_code in (400, 405)


async def test_a_call_with_a_progress_token_is_answered_on_its_own_request(
    member: OAuthClient,
) -> None:
    """M-18: the only stream there can be ends with its answer."""
    params = {"name": "get_current_time", "arguments": {}, "_meta": {"progressToken": "p"}}
    answer = await member.rpc("tools/call", params)
    assert answer.status_code == 200
    assert "get" not in answer.headers.get("allow", "").lower()


async def test_a_tool_outside_the_scopes_is_no_insufficient_scope(
    browser: Browser, client: OAuthClient
) -> None:
    """M-17: unknown, exactly as outside the role, and without a challenge."""
    await connected(browser, client, "Nora Lind", scope="okta.groups.read")
    outside = await client.rpc("tools/call", {"name": "list_okta_users", "arguments": {}})
    unknown = await client.rpc("tools/call", {"name": "list_okta_userz", "arguments": {}})
    assert outside.status_code == unknown.status_code == 200
    assert outside.text.replace("users", "userz") == unknown.text
    assert "www-authenticate" not in outside.headers


async def test_the_server_listens_on_loopback_unless_it_is_told_otherwise(
    server: ServerProcess,
) -> None:
    """M-20: by its defaults, and the running one does not answer at another address."""
    [host] = [option.default for option in serve.params if option.name == "host"]
    assert host == Settings.model_fields["host"].default == "localhost"
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.2", urlsplit(server.url).port)


async def test_the_metadata_that_the_challenge_names_offers_the_header_only(
    client: OAuthClient,
) -> None:
    """M-03, D-08."""
    challenge = (await ask(client)).headers["www-authenticate"]
    found = re.search(r'resource_metadata="([^"]+)"', challenge)
    assert found is not None
    metadata = (await client.http.get(found[1])).json()
    assert metadata["bearer_methods_supported"] == ["header"]
