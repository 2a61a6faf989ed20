"""/mcp is reached past the routes: by this path alone, behind all that surrounds the others."""

import asyncio
import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from okta_mcp.ops.hygiene import CONTENT_SECURITY_POLICY
from tests.vocabulary.browser import Browser
from tests.vocabulary.in_process import LocalServer
from tests.vocabulary.oauth_client import JSON_RPC, OAuthClient, connected
from tests.vocabulary.processes import ServerProcess

LIST = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
SECRET = "S3CRET of the inside"
HANA = "Hana Novak"


@pytest.fixture
async def member(browser: Browser, client: OAuthClient) -> OAuthClient:
    await connected(browser, client, HANA)
    return client


def bearer(client: OAuthClient) -> dict[str, str]:
    return {"authorization": f"Bearer {client.tokens['access_token']}"}


def asked(
    url: str, target: str, headers: dict[str, str], method: str = "POST", body: bytes = LIST
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """The answer to a target as it is written here; libraries would tidy it first."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=15)
    try:
        connection.request(method, target, body, JSON_RPC | headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


OTHER_PATHS = (
    *("/mcp/", "//mcp", "/MCP", "/Mcp", "/mcp//", "/mcp/x", "/mcpx", "/mc", "/x/../mcp", "/./mcp"),
    *("/mcp/.", "/mcp/..", "/mcp;x=1", "/mcp%2f", "/mcp%00", "/mcp%20", "/%2fmcp", "/mcp.json"),
    *("/mcp%3fx", "/mcp%23x", "/mcp\\", "/oauth/mcp"),
)


@pytest.mark.parametrize("path", OTHER_PATHS)
def test_a_path_that_is_nearly_the_endpoint_is_not_there(
    member: OAuthClient, server: ServerProcess, path: str
) -> None:
    """With the token of somebody, too: nothing is listed, and nothing is on the record."""
    before = len(server.events("tools.listed"))
    for headers in (bearer(member), {}):
        status, told, body = asked(member.url, path, headers)
        assert status == 404
        assert told["x-content-type-options"] == "nosniff"
        assert "www-authenticate" not in told
        assert "location" not in told
        assert b"jsonrpc" not in body
    assert len(server.events("tools.listed")) == before


@pytest.mark.parametrize("path", ["/mcp", "/mcp?", "/mcp?x=/mcp/", "/%6dcp", "/m%63p"])
def test_the_endpoint_under_any_writing_of_its_path_needs_a_token_and_its_own_host(
    member: OAuthClient, path: str
) -> None:
    assert asked(member.url, path, bearer(member))[0] == 200
    assert asked(member.url, path, {})[0] == 401
    port = urlsplit(member.url).port
    for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1:{port}", "localhost@evil"):
        status, _, body = asked(member.url, path, bearer(member) | {"host": host})
        assert (status, b"evil" in body) == (421, False)
        assert f"{member.url}/mcp".encode() in body


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil", ""])
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "HEAD"])
def test_a_page_of_another_site_is_refused_whatever_it_sends(
    member: OAuthClient, origin: str, method: str
) -> None:
    for headers in (bearer(member), {}):
        status, told, _ = asked(member.url, "/mcp", headers | {"origin": origin}, method)
        assert status == 403
        assert "access-control-allow-origin" not in told


@pytest.mark.parametrize(
    ("method", "known", "stranger"),
    [
        ("PUT", 405, 405),
        ("PATCH", 405, 405),
        ("OPTIONS", 405, 405),
        ("TRACE", 405, 405),
        ("GET", 405, 401),
        ("HEAD", 405, 401),
        ("DELETE", 405, 401),
        ("post", 405, 405),
        ("PROPFIND", 405, 405),
    ],
)
def test_a_method_of_its_own_gets_nothing_but_a_refusal(
    member: OAuthClient, server: ServerProcess, method: str, known: int, stranger: int
) -> None:
    """W-04."""
    before = len(server.events("tools.listed"))
    for headers, expected in ((bearer(member), known), ({}, stranger)):
        status, told, body = asked(member.url, "/mcp", headers, method)
        assert status == expected
        assert told["x-content-type-options"] == "nosniff"
        assert told["cache-control"] == "no-store"
        assert b"tools" not in body
        if status == 405:
            assert "POST" in told["allow"]
    assert len(server.events("tools.listed")) == before


def test_every_answer_of_the_endpoint_has_the_headers_of_the_others(member: OAuthClient) -> None:
    """W-05."""
    _, page, _ = asked(member.url, "/", {}, "GET", b"")
    names = {
        "x-content-type-options",
        "x-frame-options",
        "content-security-policy",
        "referrer-policy",
    }
    for headers, body in ((bearer(member), LIST), ({}, LIST), (bearer(member), b"{")):
        _, told, _ = asked(member.url, "/mcp", headers, body=body)
        assert {name: told[name] for name in names} == {name: page[name] for name in names}
        assert told["cache-control"] == "no-store"
        assert len(told.get_all("cache-control") or ()) == 1


# --- what goes wrong inside ---


def fails(*_: object, **__: object) -> Any:
    raise RuntimeError(SECRET)


async def fails_later(*_: object, **__: object) -> Any:
    await asyncio.sleep(0)
    raise RuntimeError(SECRET)


@pytest.mark.parametrize(
    ("place", "failing"),
    [
        ("okta_mcp.mcp_endpoint.endpoint.parsed", fails),
        ("okta_mcp.mcp_endpoint.endpoint.verdict", fails),
        ("okta_mcp.mcp_endpoint.endpoint.line_of", fails),
        ("okta_mcp.mcp_endpoint.endpoint.RememberedLists.get", fails),
        ("okta_mcp.mcp_endpoint.endpoint.RememberedLists.keep", fails),
        ("okta_mcp.mcp_endpoint.dispatch.Dispatch.__call__", fails_later),
    ],
)
@pytest.mark.parametrize("accept", [JSON_RPC["accept"], f"{JSON_RPC['accept']}, text/html"])
async def test_a_crash_inside_is_a_500_with_a_reference_that_the_log_explains(
    local: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: str,
    failing: Any,
    accept: str,
) -> None:
    """S-07, K-16."""
    client = await local.client()
    await connected(local.browser(), client, HANA)
    [transport] = client.http._mounts.values()
    assert isinstance(transport, httpx.ASGITransport)
    transport.raise_app_exceptions = False
    with monkeypatch.context() as patched:
        patched.setattr(place, failing)
        answer = await client.rpc("tools/list", headers={"accept": accept})
    assert answer.status_code == 500
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    for inner in (SECRET, "Traceback", "RuntimeError", 'File "'):
        assert inner not in answer.text
    assert SECRET not in local.audit_file.read_text()
    failed = [each.getMessage() for each in caplog.records if each.name == "okta_mcp"]
    [reference] = [text.split()[1] for text in failed if "failed" in text]
    assert reference in answer.text
    assert str(client.tokens["access_token"]) not in caplog.text
    assert "result" in (await client.rpc("tools/list")).json()


# --- callers that go away ---


def goes_away(url: str, sent: bytes) -> None:
    """Sends so much and is gone, without a word or with a reset."""
    place = urlsplit(url)
    for is_reset in (False, True):
        with socket.create_connection((place.hostname, place.port)) as connection:
            connection.sendall(sent)
            if is_reset:
                # Nothing is waited for when it is closed: the peer gets a reset.
                linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99], ids=["no body", "half a body", "nearly all"])
async def test_a_caller_that_goes_away_in_its_request_leaves_no_traceback(
    member: OAuthClient, server: ServerProcess, share: float
) -> None:
    log_before, lines_before = server.log_file.read_text(), len(server.events("tools.listed"))
    body = LIST + b" " * 100_000
    head = "".join(
        f"{name}: {value}\r\n"
        for name, value in (
            JSON_RPC | bearer(member) | {"host": urlsplit(member.url).netloc}
        ).items()
    )
    for framing in (f"content-length: {len(body)}", "transfer-encoding: chunked"):
        part = body[: int(len(body) * share)]
        if "chunked" in framing:
            part = b"%x\r\n" % len(part) + part if part else b""
        sent = f"POST /mcp HTTP/1.1\r\n{head}{framing}\r\n\r\n".encode() + part
        await asyncio.to_thread(goes_away, member.url, sent)
    # The server has read all of it by the time that it answers somebody who came later.
    for _ in range(3):
        assert (await member.rpc("ping")).status_code == 200
    told = server.log_file.read_text().removeprefix(log_before)
    assert "Traceback" not in told
    assert "ERROR" not in told
    assert len(server.events("tools.listed")) == lines_before


async def test_a_caller_that_goes_away_before_its_answer_leaves_no_traceback(
    member: OAuthClient, server: ServerProcess
) -> None:
    log_before, lines_before = server.log_file.read_text(), len(server.events("tools.listed"))
    head = "".join(
        f"{name}: {value}\r\n"
        for name, value in (
            JSON_RPC | bearer(member) | {"host": urlsplit(member.url).netloc}
        ).items()
    )
    sent = f"POST /mcp HTTP/1.1\r\n{head}content-length: {len(LIST)}\r\n\r\n".encode() + LIST
    for _ in range(5):
        await asyncio.to_thread(goes_away, member.url, sent)
    async with asyncio.timeout(10):
        while len(server.events("tools.listed")) < lines_before + 5:
            assert (await member.rpc("ping")).status_code == 200
    told = server.log_file.read_text().removeprefix(log_before)
    assert "Traceback" not in told
    assert "ERROR" not in told
