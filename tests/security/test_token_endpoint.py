"""The token endpoint: what a code is good for, for whom, how often, and what is said in refusal."""

import base64
import re
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from starlette.routing import Route

from okta_mcp.oauth_proxy.tokens import ACCESS_TOKEN, CODE
from tests.vocabulary.browser import Browser
from tests.vocabulary.in_process import LocalServer
from tests.vocabulary.oauth_client import REDIRECT_URI, OAuthClient, connected, s256, signed_in
from tests.vocabulary.processes import ServerProcess

HANA = "Hana Novak"
FORM = "application/x-www-form-urlencoded"
METHODS = ["client_secret_post", "client_secret_basic"]


async def new_code(browser: Browser, client: OAuthClient, **changes: str | None) -> str:
    """A fresh code of Hana's for the client."""
    await signed_in(browser, client, HANA, **changes)
    await browser.press("Allow")
    return browser.answer["code"]


@pytest.fixture
async def code(browser: Browser, client: OAuthClient) -> str:
    return await new_code(browser, client)


def error_of(answer: Any) -> tuple[int, str]:
    """Status and code of an error answer, which has the form of RFC 6749 section 5.2."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    assert set(answer.json()) == {"error", "error_description"}
    return answer.status_code, answer.json()["error"]


def basic(client_id: str, secret: str) -> str:
    """Id and secret form-encoded first (RFC 6749 section 2.3.1)."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


async def is_open(client: OAuthClient) -> bool:
    """Whether the client's access token opens /mcp."""
    answer = await client.rpc("ping")
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


# What a code is good for.


async def test_a_code_becomes_a_bearer_token_and_nothing_of_okta(
    client: OAuthClient, code: str
) -> None:
    """K-01."""
    answer = await client.redeem(code)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 3600
    assert "okta.users.read" in body["scope"].split()


UNKNOWN_CODE = CODE + "A" * 43
WRONG = [
    ("K-02", {"code": UNKNOWN_CODE}, "invalid_grant"),
    ("K-02", {"code": "x"}, "invalid_grant"),
    ("K-02", {"code": None}, "invalid_request"),
    ("K-02", {"code": "x" * 9000}, "invalid_grant"),
    ("K-06", {"redirect_uri": REDIRECT_URI + "/"}, "invalid_grant"),
    ("K-06", {"redirect_uri": REDIRECT_URI.replace("33418", "33419")}, "invalid_grant"),
    ("K-06", {"redirect_uri": REDIRECT_URI.replace("127.0.0.1", "localhost")}, "invalid_grant"),
    ("K-06", {"redirect_uri": REDIRECT_URI.replace("http:", "HTTP:")}, "invalid_grant"),
    ("K-07", {"code_verifier": None}, "invalid_request"),
    ("K-07", {"code_verifier": ""}, "invalid_request"),
    ("K-07", {"code_verifier": "short"}, "invalid_request"),
    ("K-07", {"code_verifier": "x" * 42}, "invalid_request"),
    ("K-07", {"code_verifier": "x" * 129}, "invalid_request"),
    ("K-07", {"code_verifier": "x" * 50 + " "}, "invalid_request"),
    ("K-07", {"code_verifier": "\u00e9" * 50}, "invalid_request"),
    ("K-07", {"code_verifier": "x" * 43}, "invalid_grant"),
    ("K-07", {"code_verifier": "x" * 128}, "invalid_grant"),
    ("K-07", {"code_verifier": "the challenge"}, "invalid_grant"),
    ("K-07", {"code_verifier": "other case"}, "invalid_grant"),
    ("K-09", {"grant_type": None}, "invalid_request"),
    ("K-09", {"grant_type": "password"}, "unsupported_grant_type"),
    ("K-09", {"grant_type": "client_credentials"}, "unauthorized_client"),
    ("K-09", {"grant_type": "Authorization_Code"}, "unsupported_grant_type"),
    (
        "K-09",
        {"grant_type": "urn:ietf:params:oauth:grant-type:device_code"},
        "unsupported_grant_type",
    ),
    ("K-15", {"resource": "https://evil.example/mcp"}, "invalid_target"),
    ("K-15", {"resource": "http://localhost/mcp"}, "invalid_target"),
    ("K-15", {"resource": "the resource and more"}, "invalid_target"),
]


@pytest.mark.parametrize(("requirement", "change", "error"), WRONG)
async def test_a_wrong_attempt_is_refused_and_uses_nothing_up(
    client: OAuthClient, code: str, requirement: str, change: dict[str, str | None], error: str
) -> None:
    """K-03 besides: neither before the redemption nor after it does it harm the grant."""
    known = {
        "the challenge": s256(client.verifier),
        "other case": client.verifier.swapcase(),
        "the resource and more": f"{client.url}/mcp/other",
    }
    wrong = {name: known.get(value or "", value) for name, value in change.items()}
    right: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": client.verifier,
    }
    assert error_of(await client.token(**(right | wrong))) == (400, error), requirement
    assert (await client.redeem(code)).status_code == 200
    assert error_of(await client.token(**(right | wrong))) == (400, error)
    assert await is_open(client)


async def test_a_code_is_for_its_own_client(
    client: OAuthClient, other_client: OAuthClient, code: str
) -> None:
    """K-05: before and after the redemption; the attempt harms nobody."""
    stolen = {"code_verifier": client.verifier}
    assert error_of(await other_client.redeem(code, **stolen)) == (400, "invalid_grant")
    assert (await client.redeem(code)).status_code == 200
    assert error_of(await other_client.redeem(code, **stolen)) == (400, "invalid_grant")
    assert await is_open(client)


@pytest.mark.parametrize("way", ["the same again", "without redirect_uri"])
async def test_a_code_that_comes_again_ends_all_tokens_of_its_grant(
    client: OAuthClient, code: str, server: ServerProcess, way: str
) -> None:
    """K-02, K-03: those that came by refresh too."""
    assert (await client.redeem(code)).status_code == 200
    first = client.tokens
    assert (await client.refresh()).status_code == 200
    again = {"redirect_uri": None} if way == "without redirect_uri" else {}
    assert error_of(await client.redeem(code, **again)) == (400, "invalid_grant")
    assert not await is_open(client)
    assert (await client.rpc("ping", token=first["access_token"])).status_code == 401
    assert error_of(await client.refresh()) == (400, "invalid_grant")
    reused = [event["client_id"] for event in server.events("code.reused")]
    assert reused.count(client.client_id) == 1


@pytest.mark.parametrize(
    ("requested", "sent", "status"),
    [
        ("33418", None, 200),
        ("33418", "33418", 200),
        ("50123", "50123", 200),
        ("50123", None, 200),
        ("50123", "33418", 400),
    ],
)
async def test_redirect_uri_is_left_out_or_the_one_of_the_request(
    browser: Browser, client: OAuthClient, requested: str, sent: str | None, status: int
) -> None:
    """K-06: a loopback client's port may differ from the registered one, not from the request."""
    code = await new_code(browser, client, redirect_uri=REDIRECT_URI.replace("33418", requested))
    uri = REDIRECT_URI.replace("33418", sent) if sent else None
    assert (await client.redeem(code, redirect_uri=uri)).status_code == status


@pytest.mark.parametrize("length", [43, 128])
async def test_verifiers_of_every_allowed_length_work(
    browser: Browser, client: OAuthClient, length: int
) -> None:
    """K-07."""
    client.verifier = ("aZ09-._~" * 16)[:length]
    assert (await client.redeem(await new_code(browser, client))).status_code == 200


@pytest.mark.parametrize("resource", ["{url}/mcp", "{url}/mcp/", "HTTP://LOCALHOST:{port}/mcp"])
async def test_our_own_resource_may_be_named(client: OAuthClient, code: str, resource: str) -> None:
    """K-15."""
    port = client.url.rpartition(":")[2]
    answer = await client.redeem(code, resource=resource.format(url=client.url, port=port))
    assert answer.status_code == 200


@pytest.mark.parametrize(("seconds", "status"), [(59, 200), (61, 400)])
async def test_a_code_lives_for_a_minute(local: LocalServer, seconds: float, status: int) -> None:
    """K-18."""
    client = await local.client()
    code = await new_code(local.browser(), client)
    local.clock.pass_seconds(seconds)
    answer = await client.redeem(code)
    assert answer.status_code == status
    assert status == 200 or error_of(answer) == (400, "invalid_grant")


async def test_codes_and_tokens_are_long_and_never_the_same(
    browser: Browser, client: OAuthClient
) -> None:
    """K-19: 256 random bits behind a prefix. That only digests are stored: test_grants.py."""
    codes = [await new_code(browser, client)]
    await browser.open(client.authorization_url())
    codes.append(browser.answer["code"])
    tokens = [(await client.redeem(code)).json()["access_token"] for code in codes]
    assert all(re.fullmatch(CODE + "[A-Za-z0-9_-]{43}", code) for code in codes)
    assert all(re.fullmatch(ACCESS_TOKEN + "[A-Za-z0-9_-]{43}", token) for token in tokens)
    assert len({*codes, *tokens}) == 4


async def test_a_dpop_proof_gets_a_plain_bearer_token(
    browser: Browser, client: OAuthClient
) -> None:
    """K-20: and DPoP is not advertised."""
    code = await new_code(browser, client, dpop_jkt="A" * 43)
    client.http.headers["DPoP"] = "eyJ0eXAiOiJkcG9wK2p3dCJ9.e30.x"
    answer = await client.redeem(code)
    assert (answer.status_code, answer.json()["token_type"]) == (200, "Bearer")
    metadata = await client.http.get(f"{client.url}/.well-known/oauth-authorization-server")
    assert not [name for name in metadata.json() if "dpop" in name]


# Who asks, and in which form.


@pytest.mark.parametrize("path", ["/oauth/token", "/token", "/oauth/revoke"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "TRACE"])
async def test_only_post_is_answered(client: OAuthClient, path: str, method: str) -> None:
    """K-10."""
    answer = await client.http.request(method, f"{client.url}{path}")
    assert answer.status_code == 405


@pytest.mark.parametrize("path", ["/oauth/token", "/token"])
async def test_parameters_in_the_url_are_not_looked_at(
    client: OAuthClient, code: str, path: str
) -> None:
    """K-10."""
    query = urlencode(
        {
            "grant_type": "authorization_code",
            "client_id": client.client_id,
            "code": code,
            "code_verifier": client.verifier,
        }
    )
    answer = await client.http.post(
        f"{client.url}{path}?{query}", headers={"content-type": FORM}, content=b""
    )
    assert error_of(answer) == (401, "invalid_client")
    assert (await client.redeem(code)).status_code == 200


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        f"{FORM}x",
        f"text/x, {FORM}",
        "",
        None,
    ],
)
async def test_only_a_form_is_read(client: OAuthClient, code: str, media_type: str | None) -> None:
    """K-11."""
    form = {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "code": code,
        "code_verifier": client.verifier,
    }
    headers = {} if media_type is None else {"content-type": media_type}
    answer = await client.http.post(
        f"{client.url}/oauth/token", content=urlencode(form).encode(), headers=headers
    )
    assert error_of(answer) == (415, "invalid_request")
    answer = await client.http.post(
        f"{client.url}/oauth/token",
        content=urlencode(form).encode(),
        headers={"content-type": f"{FORM.upper()} ; charset=utf-8"},
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "name",
    ["grant_type", "code", "code_verifier", "redirect_uri", "client_id", "scope", "unknown"],
)
async def test_a_repeated_parameter_is_refused(client: OAuthClient, code: str, name: str) -> None:
    """K-12: also where both values are the same, and for names that mean nothing."""
    form = {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "code": code,
        "code_verifier": client.verifier,
        "redirect_uri": REDIRECT_URI,
        "scope": "okta.users.read",
        "unknown": "x",
    }
    answer = await client.http.post(
        f"{client.url}/oauth/token",
        content=f"{urlencode(form)}&{urlencode({name: form[name]})}".encode(),
        headers={"content-type": FORM},
    )
    assert error_of(answer) == (400, "invalid_request")
    assert (await client.redeem(code)).status_code == 200


CREDENTIALS = [
    ("client_secret_post", {"form": "wrong"}, 401),
    ("client_secret_post", {"form": ""}, 401),
    ("client_secret_post", {}, 401),
    ("client_secret_post", {"header": "right"}, 401),
    ("client_secret_basic", {"header": "wrong"}, 401),
    ("client_secret_basic", {"header": ""}, 401),
    ("client_secret_basic", {}, 401),
    ("client_secret_basic", {"form": "right"}, 401),
    ("client_secret_basic", {"header": "right", "form": "right"}, 400),
    ("client_secret_post", {"header": "right", "form": "right"}, 400),
    ("client_secret_basic", {"header": "right", "id": "another"}, 400),
    ("none", {"form": "anything"}, 401),
    ("none", {"header": ""}, 401),
]


@pytest.mark.parametrize(("method", "shown", "status"), CREDENTIALS)
async def test_a_client_proves_itself_in_its_registered_way_only(
    browser: Browser, client: OAuthClient, method: str, shown: dict[str, str], status: int
) -> None:
    """K-13, K-14: and what it was refused with uses nothing up."""
    await client.register(token_endpoint_auth_method=method)
    code = await new_code(browser, client)
    secret = client.client_secret or ""
    sent: dict[str, str | None] = {"grant_type": "authorization_code", "code": code}
    sent |= {"code_verifier": client.verifier}
    if "form" in shown:
        sent["client_secret"] = shown["form"].replace("right", secret)
    if "header" in shown:
        header = basic(client.client_id, shown["header"].replace("right", secret))
        client.http.headers["authorization"] = header
        sent["client_id"] = shown.get("id")
    answer = await client.token(**sent)
    assert error_of(answer) == (status, "invalid_client" if status == 401 else "invalid_request")
    used_basic = status == 401 and "header" in shown
    assert answer.headers.get("www-authenticate", "").startswith("Basic ") is used_basic
    client.http.headers.pop("authorization", None)
    if method == "client_secret_basic":
        client.http.headers["authorization"] = basic(client.client_id, secret)
    proof = secret if method == "client_secret_post" else None
    assert (await client.redeem(code, client_secret=proof)).status_code == 200


@pytest.mark.parametrize(
    "client_id", [None, "", "unknown", "omcp_client_" + "A" * 22, "\x00", "' or 1=1 --"]
)
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
async def test_an_unknown_client_is_401(
    client: OAuthClient, path: str, client_id: str | None
) -> None:
    """K-13: after which clients register again."""
    form = {"grant_type": "authorization_code", "code": UNKNOWN_CODE, "token": "x"}
    if client_id is not None:
        form["client_id"] = client_id
    answer = await client.http.post(f"{client.url}{path}", data=form)
    assert error_of(answer) == (401, "invalid_client")
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Bearer x",
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
    ],
)
async def test_a_broken_authorization_header_is_401(client: OAuthClient, header: str) -> None:
    """K-13, K-16."""
    client.http.headers["authorization"] = header
    answer = await client.token(grant_type="authorization_code", code=UNKNOWN_CODE)
    assert error_of(answer) == (401, "invalid_client")


HOSTILE = "<script>alert('9731')</script>"


@pytest.mark.parametrize(
    "name",
    [
        "grant_type",
        "code",
        "code_verifier",
        "redirect_uri",
        "client_id",
        "client_secret",
        "resource",
        "scope",
        "refresh_token",
        "token",
    ],
)
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
async def test_nothing_that_was_sent_is_said_back(
    client: OAuthClient, path: str, name: str
) -> None:
    """K-16: no reflection, no trace of the inside."""
    form = {
        "grant_type": "refresh_token" if name == "refresh_token" else "authorization_code",
        "client_id": client.client_id,
        "code": UNKNOWN_CODE,
        "code_verifier": client.verifier,
    } | {name: HOSTILE}
    answer = await client.http.post(f"{client.url}{path}", data=form)
    assert answer.status_code in (200, 400, 401)
    for forbidden in ("9731", "<script", "Traceback", ".py", "okta_mcp."):
        assert forbidden not in answer.text


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"&" * 200, b"=" * 50, b"a=1&" * 101, b"%", b"grant_type=%ff", b"{}"]
)
async def test_no_body_breaks_the_endpoint(client: OAuthClient, body: bytes) -> None:
    """K-16."""
    answer = await client.http.post(
        f"{client.url}/oauth/token", content=body, headers={"content-type": FORM}
    )
    assert error_of(answer)[0] in (400, 401)


# Pages of other origins.

FOR_ANY_PAGE = {
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/oauth/register",
    "/register",
    "/oauth/token",
    "/token",
    "/oauth/revoke",
}
ELSEWHERE = "https://inspector.example"


def paths_of(server: LocalServer) -> set[str]:
    assert server.app is not None
    return {route.path for route in server.app.routes if isinstance(route, Route)}


async def preflight(client: OAuthClient, path: str, method: str, origin: str = ELSEWHERE) -> Any:
    return await client.http.options(
        f"{client.url}{path}",
        headers={
            "origin": origin,
            "access-control-request-method": method,
            "access-control-request-headers": "authorization,content-type,mcp-protocol-version",
        },
    )


async def test_every_page_may_use_what_has_no_cookies(local: LocalServer) -> None:
    """K-17: discovery, registration, token and revocation, without credentials."""
    client = await local.client()
    assert paths_of(local) >= FOR_ANY_PAGE
    for path in FOR_ANY_PAGE:
        method = "GET" if "well-known" in path else "POST"
        answer = await preflight(client, path, method)
        assert answer.status_code == 200, path
        answered = await client.http.request(
            method, f"{client.url}{path}", headers={"origin": ELSEWHERE, "cookie": "a=b"}
        )
        for headers in (answer.headers, answered.headers):
            assert headers["access-control-allow-origin"] == "*", path
            assert "access-control-allow-credentials" not in headers


async def test_no_page_may_read_what_has_cookies(local: LocalServer) -> None:
    """K-17: every other route there is, its preflight and its answer."""
    client = await local.client()
    rest = paths_of(local) - FOR_ANY_PAGE - {"/mcp"}
    assert {"/oauth/authorize", "/authorize", "/oauth/consent", "/oauth/callback"} <= rest
    assert {"/oauth/login", "/oauth/logout", "/oauth/connections"} <= rest
    for path in rest:
        answers = []
        for method in ("GET", "POST"):
            own = {"origin": ELSEWHERE}
            answers += [
                await preflight(client, path, method),
                await client.http.request(method, f"{client.url}{path}", headers=own),
            ]
        names = {name for answer in answers for name in answer.headers}
        assert not [name for name in names if name.startswith("access-control-")], path


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://localhost:1@evil.example", False),
        ("https://127.0.0.1.evil.example", False),
        ("http://192.168.0.1:6274", False),
        ("vscode-webview://abc", False),
        ("null", False),
        ("http://localhost:6274", True),
        ("https://127.0.0.1:6274", True),
        ("http://[::1]:6274", True),
        ("the server's own", True),
    ],
)
async def test_pages_of_this_computer_may_use_mcp(
    browser: Browser, client: OAuthClient, origin: str, is_allowed: bool
) -> None:
    """K-17: and may read the challenge; any other origin is 403, with a token and without."""
    await connected(browser, client, HANA)
    origin = client.url if origin == "the server's own" else origin
    checked = await preflight(client, "/mcp", "POST", origin)
    assert (checked.headers.get("access-control-allow-origin") == origin) is is_allowed
    for token, status in ((None, 200), ("unknown", 401)):
        answer = await client.rpc("ping", token=token, headers={"origin": origin})
        assert answer.status_code == (status if is_allowed else 403)
        assert (answer.headers.get("access-control-allow-origin") == origin) is is_allowed
        assert "access-control-allow-credentials" not in answer.headers
        exposed = answer.headers.get("access-control-expose-headers", "").lower()
        if is_allowed:
            assert {"www-authenticate", "mcp-session-id"} <= set(exposed.split(", "))
