"""Access and refresh tokens: what they open, how long, for whom, and how they end."""

import base64
import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from okta_mcp.oauth_proxy.tokens import ACCESS_TOKEN, REFRESH_TOKEN
from tests.vocabulary.browser import Browser
from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import OAuthClient, connected, s256
from tests.vocabulary.processes import SECRET_KEY, SandboxProcess, ServerProcess

HANA = "Hana Novak"
HANA_LOGIN = "hana.help@northwind.example"
DEAD = (400, "invalid_grant")


def said(answer: Any) -> tuple[int, str]:
    """Status and error code."""
    return answer.status_code, answer.json()["error"]


async def status(client: OAuthClient, token: str | None = None) -> int:
    """What /mcp answers to an access token."""
    return (await client.rpc("tools/list", token=token)).status_code


# When there is a refresh token at all.


@pytest.mark.parametrize(
    ("registered", "scope", "expected"),
    [
        (["authorization_code", "refresh_token"], None, True),
        (["authorization_code"], None, False),
        (["authorization_code", "refresh_token"], "okta.users.read", False),
        (["authorization_code", "refresh_token"], "okta.users.read openid", False),
        (["authorization_code", "refresh_token"], "okta.users.read offline_access", True),
        (["authorization_code"], "okta.users.read offline_access", True),
    ],
)
async def test_a_refresh_token_comes_with_offline_access_only(
    browser: Browser,
    client: OAuthClient,
    registered: list[str],
    scope: str | None,
    expected: bool,
) -> None:
    """T-01."""
    await client.register(grant_types=registered)
    await connected(browser, client, HANA, scope=scope)
    granted = client.tokens["scope"].split()
    assert ("refresh_token" in client.tokens) is ("offline_access" in granted) is expected
    if scope is not None:
        assert set(granted) <= set(scope.split())


async def test_only_the_authorization_server_speaks_of_offline_access(client: OAuthClient) -> None:
    """T-01."""
    known = f"{client.url}/.well-known"
    server = (await client.http.get(f"{known}/oauth-authorization-server")).json()
    resource = (await client.http.get(f"{known}/oauth-protected-resource/mcp")).json()
    assert "offline_access" in server["scopes_supported"]
    assert "scopes_supported" not in resource


# Rotation.


async def test_a_lost_answer_comes_again_and_rings_no_alarm(
    browser: Browser, client: OAuthClient, server: ServerProcess
) -> None:
    """T-02: the same bytes, as often as asked, while nothing of the new pair is used."""
    await connected(browser, client, HANA)
    old = client.tokens["refresh_token"]
    answers = [(await client.refresh(refresh_token=old)).text for _ in range(3)]
    assert len(set(answers)) == 1
    assert client.tokens["refresh_token"] != old
    assert await status(client) == 200
    names = [
        event["event"]
        for event in server.events()
        if event.get("client_id") == client.client_id and "token" in event["event"]
    ]
    assert names == ["token.issued", "token.refreshed", "token.repeated", "token.repeated"]


@pytest.mark.parametrize(
    ("seconds", "is_used", "is_repeated"),
    [(9, True, True), (11, True, False), (599, False, True), (601, False, False)],
)
async def test_how_long_an_answer_is_repeated(
    local: LocalServer, seconds: float, is_used: bool, is_repeated: bool
) -> None:
    """T-02, T-03: 10 seconds, and 10 minutes while the new pair is unused; then reuse."""
    client = await local.client()
    await connected(local.browser(), client, HANA)
    old = client.tokens["refresh_token"]
    first = (await client.refresh(refresh_token=old)).json()
    if is_used:
        assert await status(client) == 200
    local.clock.pass_seconds(seconds)
    again = await client.refresh(refresh_token=old)
    if is_repeated:
        assert again.json() == first
        assert await status(client) == 200
        assert not local.events("refresh_token.reused")
    else:
        assert said(again) == DEAD
        assert await status(client) == 401
        assert len(local.events("refresh_token.reused")) == 1


@pytest.mark.parametrize("way", ["older", "narrower", "another client"])
async def test_an_old_refresh_token_ends_the_grant(
    browser: Browser, client: OAuthClient, other_client: OAuthClient, way: str
) -> None:
    """T-03, T-04: unless another client sends it, which is none of this grant's business."""
    await connected(browser, client, HANA)
    old = client.tokens["refresh_token"]
    assert (await client.refresh()).status_code == 200
    if way == "older":
        assert (await client.refresh()).status_code == 200
        assert said(await client.refresh(refresh_token=old)) == DEAD
    elif way == "narrower":
        narrower = await client.refresh(refresh_token=old, scope="okta.users.read")
        assert said(narrower) == DEAD
    else:
        assert said(await other_client.refresh(refresh_token=old)) == DEAD
    ends = way != "another client"
    assert await status(client) == (401 if ends else 200)
    assert (await client.refresh()).status_code == (400 if ends else 200)


async def test_a_refresh_token_is_for_its_own_client(
    browser: Browser, client: OAuthClient, other_client: OAuthClient
) -> None:
    """T-04: the foreign attempt does not use it up."""
    await connected(browser, client, HANA)
    token = client.tokens["refresh_token"]
    assert said(await other_client.refresh(refresh_token=token)) == DEAD
    assert (await client.refresh()).status_code == 200
    assert await status(client) == 200


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"scope": "okta.users.read okta.logs.read"}, "invalid_scope"),
        ({"scope": "okta.users.manage"}, "invalid_scope"),
        ({"scope": "openid"}, "invalid_scope"),
        ({"scope": " "}, "invalid_scope"),
        ({"scope": "okta.users.read " * 300}, "invalid_scope"),
        ({"resource": "https://evil.example/mcp"}, "invalid_target"),
        ({"refresh_token": None}, "invalid_request"),
        ({"refresh_token": REFRESH_TOKEN + "A" * 43}, "invalid_grant"),
        ({"refresh_token": "x" * 9000}, "invalid_grant"),
    ],
    ids=str,
)
async def test_a_wrong_refresh_is_refused_and_uses_nothing_up(
    browser: Browser, client: OAuthClient, change: dict[str, str | None], error: str
) -> None:
    """T-05."""
    await connected(browser, client, HANA, scope="okta.users.read offline_access")
    assert said(await client.refresh(**change)) == (400, error)
    assert (await client.refresh()).status_code == 200


async def test_narrowed_scopes_hold_at_mcp(browser: Browser, client: OAuthClient) -> None:
    """T-05."""
    await connected(browser, client, HANA)
    before = (await client.rpc("tools/list")).json()["result"]["tools"]
    assert (await client.refresh(scope="okta.groups.read")).json()["scope"] == "okta.groups.read"
    after = {tool["name"] for tool in (await client.rpc("tools/list")).json()["result"]["tools"]}
    assert "list_okta_groups" in after
    assert "list_okta_users" not in after
    assert len(after) < len(before)


@pytest.mark.parametrize(
    ("scope", "has_one"), [("okta.users.read offline_access", True), (None, False)]
)
async def test_a_client_that_registered_no_refresh_gets_it_by_naming_offline_access_only(
    browser: Browser, client: OAuthClient, scope: str | None, has_one: bool
) -> None:
    """T-01: what the person allowed by name works, whatever the registration left out."""
    await client.register(grant_types=["authorization_code"])
    await connected(browser, client, HANA, scope=scope)
    assert ("refresh_token" in client.tokens) is has_one
    if has_one:
        assert (await client.refresh()).status_code == 200


# What opens /mcp, and what does not.


@pytest.mark.parametrize("kind", ["refresh_token", "client_id", "code", "form", "session"])
async def test_only_an_access_token_opens_mcp(
    browser: Browser, client: OAuthClient, kind: str
) -> None:
    """T-07: nor does it serve as anything else."""
    await connected(browser, client, HANA)
    await browser.open(client.authorization_url(prompt="consent"))
    cookies = {cookie.name: cookie.value for cookie in browser.client.cookies.jar}
    other = {
        "refresh_token": client.tokens["refresh_token"],
        "client_id": client.client_id,
        "code": "",
        "form": dict(browser.button("Allow").fields)["form"],
        "session": cookies["okta_mcp_session"] or "",
    }
    await browser.press("Allow")
    other["code"] = browser.answer["code"]
    assert await status(client, other[kind]) == 401
    access = client.tokens["access_token"]
    for wrong in (access, ACCESS_TOKEN + client.tokens["refresh_token"][len(REFRESH_TOKEN) :]):
        assert said(await client.refresh(refresh_token=wrong)) == DEAD
    assert said(await client.redeem(access)) == DEAD
    assert await status(client) == 200


async def test_a_token_of_another_server_is_refused(
    browser: Browser, client: OAuthClient, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    """T-12: also one with the same secret, the same organisation, and another public URL."""
    await connected(browser, client, HANA)
    environment = sandbox.settings_for_server()
    assert environment["SESSION_SECRET_KEY"] == SECRET_KEY
    async with local_server(tmp_path, "http://localhost:1", environment) as elsewhere:
        stranger = await elsewhere.client()
        assert await status(stranger, client.tokens["access_token"]) == 401
    assert await status(client) == 200


def forged(client: OAuthClient, sandbox: SandboxProcess) -> dict[str, str]:
    """JWTs that some other verifier would take."""
    now = int(time.time())
    claims = {
        "iss": client.url,
        "aud": f"{client.url}/mcp",
        "sub": "00u1",
        "scope": "okta.users.read",
        "iat": now,
        "exp": now + 600,
    }
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    elsewhere = {"jku": f"{sandbox.url}/jwks", "x5u": f"{sandbox.url}/x5u", "kid": "../../dev/null"}
    return {
        "none": jwt.encode(claims, None, algorithm="none"),
        "session key": jwt.encode(claims, SECRET_KEY, algorithm="HS256"),
        "okta secret": jwt.encode(claims, sandbox.ready["client_secret"] * 3, algorithm="HS256"),
        "own key": jwt.encode(claims, key, algorithm="RS256", headers={"jwk": jwk}),
        "fetched key": jwt.encode(claims, key, algorithm="RS256", headers=elsewhere),
    }


KINDS = ["none", "session key", "okta secret", "own key", "fetched key"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_forged_jwt_is_refused_and_nothing_is_fetched_for_it(
    client: OAuthClient, sandbox: SandboxProcess, kind: str
) -> None:
    """T-13: tokens here are handles; no header of a token is ever looked at."""
    token = forged(client, sandbox)[kind]
    asked = len(sandbox.requests())
    assert await status(client, token) == 401
    assert await status(client, ACCESS_TOKEN + token) == 401
    assert len(sandbox.requests()) == asked


@pytest.mark.parametrize("length", [8 * 1024, 32 * 1024])
async def test_a_long_token_is_refused(client: OAuthClient, length: int) -> None:
    """T-13."""
    assert await status(client, ACCESS_TOKEN + "A" * length) == 401


async def test_no_token_of_okta_opens_mcp(
    browser: Browser, client: OAuthClient, sandbox: SandboxProcess
) -> None:
    """T-14: access, ID and refresh token of a person who is connected, and the API token."""
    await connected(browser, client, HANA)
    tokens = await tokens_of_okta(browser, client, sandbox)
    assert {"access_token", "id_token", "refresh_token"} <= set(tokens)
    for name in ("access_token", "id_token", "refresh_token"):
        assert await status(client, tokens[name]) == 401
        assert said(await client.refresh(refresh_token=tokens[name])) == DEAD
    assert await status(client, sandbox.ready["api_token"]) == 401


async def tokens_of_okta(
    browser: Browser, client: OAuthClient, sandbox: SandboxProcess
) -> dict[str, str]:
    """What Okta's own application gets for the person of the browser."""
    redirect_uri = f"{client.url}/oauth/callback"
    query = {
        "client_id": sandbox.ready["client_id"],
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": "openid profile email offline_access",
        "state": "x",
        "code_challenge": s256(client.verifier),
        "code_challenge_method": "S256",
    }
    sent = await browser.client.get(f"{sandbox.url}/oauth2/v1/authorize", params=query)
    answer = await browser.client.post(
        f"{sandbox.url}/oauth2/v1/token",
        data={
            "grant_type": "authorization_code",
            "code": dict(parse_qsl(urlsplit(sent.headers["location"]).query))["code"],
            "redirect_uri": redirect_uri,
            "code_verifier": client.verifier,
        },
        auth=(sandbox.ready["client_id"], sandbox.ready["client_secret"]),
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_tokens_end_in_time(local: LocalServer) -> None:
    """T-15: an access token after an hour at most, everything with the grant."""
    client = await local.client()
    await connected(local.browser(), client, HANA)
    assert client.tokens["expires_in"] == 3600
    local.clock.pass_seconds(3599)
    assert await status(client) == 200
    local.clock.pass_seconds(2)
    assert await status(client) == 401
    local.clock.pass_seconds(24 * 3600 - 3601 - 100)
    assert (await client.refresh()).status_code == 200
    assert client.tokens["expires_in"] <= 100
    local.clock.pass_seconds(101)
    assert await status(client) == 401
    assert said(await client.refresh()) == DEAD


async def test_a_token_says_nothing(
    browser: Browser, client: OAuthClient, sandbox: SandboxProcess
) -> None:
    """T-16: no person, no role and nothing of Okta in it."""
    await connected(browser, client, HANA)
    for name, prefix in (("access_token", ACCESS_TOKEN), ("refresh_token", REFRESH_TOKEN)):
        token = client.tokens[name]
        assert re.fullmatch(prefix + "[A-Za-z0-9_-]{43}", token)
        raw = base64.urlsafe_b64decode(token.removeprefix(prefix) + "=").lower()
        assert len(raw) == 32
        assert b"hana" not in raw
        assert b"00u" not in raw


@pytest.mark.parametrize("change", ["suspended", "no group"])
async def test_what_okta_says_of_the_person_counts_within_a_minute(
    local: LocalServer, sandbox: SandboxProcess, change: str
) -> None:
    """T-17: a suspended account ends everything, a lost group leaves no tool."""
    client = await local.client()
    await connected(local.browser(), client, HANA)
    assert await status(client) == 200
    if change == "suspended":
        sandbox.control(f"users/{HANA_LOGIN}", {"status": "SUSPENDED"})
    else:
        groups = str(sandbox.ready["role_groups"]["viewer"]).strip('"')
        sandbox.control(f"groups/{groups}/members", {"remove": [HANA_LOGIN]})
    local.clock.pass_seconds(61)
    if change == "suspended":
        assert await status(client) == 401
        assert said(await client.refresh()) == DEAD
    else:
        listed = (await client.rpc("tools/list")).json()["result"]["tools"]
        assert listed == []


# Giving tokens back.


@pytest.mark.parametrize("method", ["none", "client_secret_post"])
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "nonsense"])
async def test_an_access_token_that_is_given_back_is_dead_at_once(
    browser: Browser, client: OAuthClient, method: str, hint: str | None
) -> None:
    """T-08, T-10: for public clients too; the hint is only a hint."""
    await client.register(token_endpoint_auth_method=method)
    secret = client.client_secret
    await browser.open(client.authorization_url())
    await browser.press("Sign in with Okta")
    await browser.press(HANA)
    await browser.press("Allow")
    await client.redeem(browser.answer["code"], client_secret=secret)
    assert await status(client) == 200
    token = client.tokens["access_token"]
    answer = await client.revoke(token, client_secret=secret, token_type_hint=hint)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert await status(client) == 401
    assert (await client.refresh(client_secret=secret)).status_code == 200


@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token"])
@pytest.mark.parametrize("which", ["current", "old"])
async def test_a_refresh_token_that_is_given_back_ends_everything(
    browser: Browser, client: OAuthClient, which: str, hint: str | None
) -> None:
    """T-09: Okta's refresh token goes back too, see test_claims_mode.py."""
    await connected(browser, client, HANA)
    old = client.tokens["refresh_token"]
    assert (await client.refresh()).status_code == 200
    token = old if which == "old" else client.tokens["refresh_token"]
    assert (await client.revoke(token, token_type_hint=hint)).status_code == 200
    assert await status(client) == 401
    assert said(await client.refresh()) == DEAD


@pytest.mark.parametrize(
    "token", ["x", ACCESS_TOKEN + "A" * 43, REFRESH_TOKEN + "A" * 43, "\x00", "x" * 9000]
)
async def test_giving_back_an_unknown_token_is_no_error(client: OAuthClient, token: str) -> None:
    """T-10."""
    assert (await client.revoke(token)).status_code == 200


@pytest.mark.parametrize("changes", [{"token": None}, {"token": ""}])
async def test_giving_back_nothing_is_an_error(
    client: OAuthClient, changes: dict[str, str | None]
) -> None:
    """T-10."""
    form = {"client_id": client.client_id} | {k: v for k, v in changes.items() if v is not None}
    answer = await client.http.post(f"{client.url}/oauth/revoke", data=form)
    assert said(answer) == (400, "invalid_request")


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_only_its_owner_gives_a_token_back(
    browser: Browser, client: OAuthClient, other_client: OAuthClient, kind: str
) -> None:
    """T-11: the answer does not say whether there is such a token."""
    await connected(browser, client, HANA)
    known = await other_client.revoke(client.tokens[kind])
    unknown = await other_client.revoke("x")
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text) == (200, "")
    assert await status(client) == 200
    assert (await client.refresh()).status_code == 200
