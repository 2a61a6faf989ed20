"""Hosts, origins and the headers of every answer."""

import pytest
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message

from okta_mcp.ops.hygiene import KnownHosts, SecurityHeaders, is_allowed_origin
from tests.vocabulary.requests import request_of

LOCAL = "http://localhost:3001"
REMOTE = "https://mcp.example.com"


async def answer_of(
    app: ASGIApp, path: str = "/", headers: list[tuple[str, str]] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    request = request_of(method="GET", headers=headers)
    request.scope["path"] = path
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app(request.scope, request.receive, send)
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, sent[1]["body"]


def hosts(public_url: str, *allowed: str) -> KnownHosts:
    return KnownHosts(PlainTextResponse("inside"), public_url=public_url, allowed_hosts=allowed)


REFUSED_HOSTS = [
    (LOCAL, "/", ["evil.example"]),
    (LOCAL, "/", ["evil.example:3001"]),
    (LOCAL, "/", ["localhost.evil.example"]),
    (LOCAL, "/", ["localhost@evil.example"]),
    (LOCAL, "/", ["localhost."]),
    (LOCAL, "/", ["127.0.0.1.evil.example"]),
    (LOCAL, "/", ["0.0.0.0:3001"]),
    (LOCAL, "/", ["192.168.0.1:3001"]),
    (LOCAL, "/", [""]),
    (LOCAL, "/", ["[::1"]),
    (LOCAL, "/", []),
    (LOCAL, "/", ["localhost:3001", "localhost:3001"]),
    (LOCAL, "/", ["localhost:3001", "evil.example"]),
    (LOCAL, "/oauth/authorize", ["evil.example"]),
    (LOCAL, "/health/x", ["evil.example"]),
    (LOCAL, "/mcp", ["127.0.0.1:3001"]),
    (LOCAL, "/mcp", ["localhost:3002"]),
    (LOCAL, "/mcp", ["localhost"]),
    (REMOTE, "/", ["localhost:3001"]),
    (REMOTE, "/", ["127.0.0.1"]),
    (REMOTE, "/", ["mcp.example.com:8443"]),
    (REMOTE, "/", ["mcp.example.com.evil.example"]),
    (REMOTE, "/", ["x.mcp.example.com"]),
    (REMOTE, "/", ["mcp.example.com, evil.example"]),
]


@pytest.mark.parametrize(("public_url", "path", "named"), REFUSED_HOSTS, ids=str)
async def test_a_host_that_is_not_ours_is_refused_with_the_url_to_use(
    public_url: str, path: str, named: list[str]
) -> None:
    """M-10, M-11: DNS rebinding; /mcp under another loopback name as well."""
    headers = [("host", each) for each in named]
    status, _, body = await answer_of(hosts(public_url), path, headers)
    assert status == 421
    assert (public_url + ("/mcp" if path == "/mcp" else "")).encode() in body
    assert b"evil" not in body


@pytest.mark.parametrize(
    "header", ["x-forwarded-host", "forwarded", "x-host", "x_forwarded_host", "x-original-host"]
)
async def test_no_other_header_makes_a_host_ours(header: str) -> None:
    """D-10."""
    headers = [("host", "evil.example"), (header, "mcp.example.com")]
    status, _, _ = await answer_of(hosts(REMOTE), "/", headers)
    assert status == 421


@pytest.mark.parametrize(
    ("known", "path", "host"),
    [
        (hosts(LOCAL), "/", "localhost:3001"),
        (hosts(LOCAL), "/", "LocalHost:3001"),
        (hosts(LOCAL), "/", "127.0.0.1:9999"),
        (hosts(LOCAL), "/", "[::1]:3001"),
        (hosts(LOCAL), "/", "localhost"),
        (hosts(LOCAL), "/mcp", "localhost:3001"),
        (hosts(REMOTE), "/mcp", "mcp.example.com"),
        (hosts(REMOTE), "/", "MCP.Example.com"),
        (hosts(REMOTE, "mcp.internal:8443"), "/mcp", "mcp.internal:8443"),
        (hosts(REMOTE, "MCP.Internal"), "/", "mcp.internal"),
        (hosts("https://MCP.Example.com"), "/", "mcp.example.com"),
        (hosts(REMOTE), "/health", "10.0.0.7:3001"),
        (hosts(REMOTE), "/health/ready", "evil.example"),
    ],
)
async def test_our_hosts_are_answered(known: KnownHosts, path: str, host: str) -> None:
    """M-10: a browser writes a host in small letters, whatever the setting does."""
    status, _, body = await answer_of(known, path, [("host", host)])
    assert (status, body) == (200, b"inside")


@pytest.mark.parametrize(
    ("origin", "public_url"),
    [
        ("https://evil.example", LOCAL),
        ("https://evil.example", REMOTE),
        ("null", LOCAL),
        ("null", REMOTE),
        ("", LOCAL),
        ("http://localhost.evil.example", LOCAL),
        ("http://127.0.0.1.evil.example", LOCAL),
        ("http://localhost@evil.example", LOCAL),
        ("http://192.168.0.1", LOCAL),
        ("http://[", LOCAL),
        ("file://", LOCAL),
        ("file://localhost", LOCAL),
        ("chrome-extension://localhost", LOCAL),
        ("localhost", LOCAL),
        ("http://localhost:3001", REMOTE),
        ("http://mcp.example.com", REMOTE),
        ("https://mcp.example.com:8443", REMOTE),
        ("https://x.mcp.example.com", REMOTE),
        ("https://mcp.example.com.evil.example", REMOTE),
        ("https://mcp.example.com/", REMOTE),
        ("https://listed.example.evil.example", REMOTE),
        ("http://listed.example", REMOTE),
        ("https://listed.example:8443", REMOTE),
    ],
)
def test_a_page_from_elsewhere_may_not_call(origin: str, public_url: str) -> None:
    """M-09, K-17."""
    listed = ("https://listed.example",)
    assert not is_allowed_origin(origin, public_url=public_url, allowed_origins=listed)


@pytest.mark.parametrize(
    ("origin", "public_url"),
    [
        (LOCAL, LOCAL),
        ("http://localhost:6274", LOCAL),
        ("http://127.0.0.1:6274", LOCAL),
        ("https://localhost", LOCAL),
        ("http://[::1]:6274", LOCAL),
        (REMOTE, REMOTE),
        ("https://listed.example", REMOTE),
    ],
)
def test_our_own_listed_and_on_loopback_every_loopback_page_may_call(
    origin: str, public_url: str
) -> None:
    """K-17."""
    listed = ("https://listed.example",)
    assert is_allowed_origin(origin, public_url=public_url, allowed_origins=listed)


@pytest.mark.parametrize("is_https", [True, False])
@pytest.mark.parametrize("status", [200, 404, 500])
async def test_every_answer_has_the_security_headers(status: int, is_https: bool) -> None:
    """A-19, C-04, C-05, W-02, W-03."""
    app = SecurityHeaders(HTMLResponse("<p>", status_code=status), is_https=is_https)
    _, headers, _ = await answer_of(app)
    policy = headers["content-security-policy"]
    for directive in ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert directive in policy.split("; ")
    assert "form-action" not in policy
    assert "unsafe" not in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    hsts = headers.get("strict-transport-security", "")
    assert hsts.startswith("max-age=31536000") is is_https


async def test_a_header_that_an_answer_sets_itself_cannot_weaken_ours() -> None:
    weak = {"X-Frame-Options": "ALLOWALL", "Content-Security-Policy": "default-src *"}
    _, headers, _ = await answer_of(SecurityHeaders(Response(headers=weak), is_https=False))
    assert headers["x-frame-options"] == "DENY"
    assert "*" not in headers["content-security-policy"]


async def test_an_answer_that_may_be_kept_says_so_itself() -> None:
    app = Response(headers={"Cache-Control": "public, max-age=3600"})
    _, headers, _ = await answer_of(SecurityHeaders(app, is_https=False))
    assert headers["cache-control"] == "public, max-age=3600"
