"""What an identity provider can try: whatever it answers, a bad sign-in makes no session and no
code, the person gets a clear page, and the next good sign-in works."""

import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, urlsplit

import httpx
import jwt
import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response

from tests.okta.issuer import CLIENT_ID, CLIENT_SECRET, REMOVED, jwk, private_key, public_pem
from tests.vocabulary.browser import Browser
from tests.vocabulary.hostile_issuer import (
    DISCOVERY_PATH,
    ELSEWHERE,
    GROUP,
    KEYS_PATH,
    SUBJECT,
    TOKEN_PATH,
    USERINFO_PATH,
    HostileIssuer,
    SignIn,
    base64url,
    breaking_off,
    changed_after_signing,
    dripping,
    endless,
    hanging,
    hmac_signed,
    hostile_issuer,
    rsa_signed,
    unsigned,
)
from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import OAuthClient, s256
from tests.vocabulary.processes import ServerProcess, free_port, running_server

NOT_VERIFIED = "could not verify"
UNREACHABLE = "cannot reach Okta"
MODULUS = private_key("one").public_key().public_numbers().n.to_bytes(256, "big")
HTTPX_READ_SECONDS = 10


@pytest.fixture(scope="module")
def shared_issuer() -> Iterator[HostileIssuer]:
    with hostile_issuer() as running:
        yield running


@pytest.fixture
def issuer(shared_issuer: HostileIssuer) -> Iterator[HostileIssuer]:
    yield shared_issuer
    shared_issuer.reset()


@pytest.fixture(scope="module")
def server(
    shared_issuer: HostileIssuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    environment = shared_issuer.settings_for_server()
    folder = tmp_path_factory.mktemp("upstream")
    with running_server(folder, free_port(), environment) as running:
        yield running


@pytest.fixture
async def local(issuer: HostileIssuer, tmp_path: Path) -> AsyncIterator[LocalServer]:
    """A fresh application, which has asked the issuer for nothing yet, and whose time moves."""
    environment = issuer.settings_for_server()
    async with local_server(tmp_path, f"http://localhost:{free_port()}", environment) as running:
        issuer.now = running.clock
        yield running
        issuer.now = time.time


async def signs_in(browser: Browser, client: OAuthClient, **changes: str | None) -> None:
    await browser.open(client.authorization_url(**changes))
    await browser.press("Sign in with Okta")


def has_session(browser: Browser) -> bool:
    return any("session" in cookie.name for cookie in browser.client.cookies.jar)


async def assert_refused(browser: Browser, words: str) -> None:
    """A page that says why, no session, and a button that ends the request without a code."""
    assert browser.landed is None
    assert browser.status == 502
    assert words in browser.page.text
    assert not has_session(browser)
    await browser.press("Back to the application")
    assert browser.answer.keys() == {"error", "error_description", "state", "iss"}
    assert browser.answer["error"] == "server_error"


async def assert_works(browser: Browser, client: OAuthClient) -> None:
    """The next person is not hurt by what happened before."""
    await signs_in(browser, client)
    await browser.press("Allow")
    assert (await client.redeem(browser.answer["code"])).status_code == 200


FORGERIES = {
    "U-01 no algorithm": SignIn(sign=unsigned("none")),
    "U-01 no algorithm, in capitals": SignIn(sign=unsigned("NONE")),
    "U-01 an empty signature under RS256": SignIn(sign=unsigned("RS256")),
    "U-02 HS256 with the public key": SignIn(sign=hmac_signed(public_pem("one"))),
    "U-02 HS256 with the modulus": SignIn(sign=hmac_signed(MODULUS)),
    "U-02 HS256 with the key set's n": SignIn(sign=hmac_signed(jwk("one")["n"].encode())),
    "U-02 HS256 with the client secret": SignIn(sign=hmac_signed(CLIENT_SECRET.encode())),
    "U-03 an algorithm that is not configured": SignIn(
        sign=rsa_signed(algorithm="RS512"), header={"alg": "RS512"}
    ),
    "U-03 another padding": SignIn(sign=rsa_signed(algorithm="PS256"), header={"alg": "PS256"}),
    "U-04 claims changed after signing": SignIn(sign=changed_after_signing),
    "U-04 another key under the known key id": SignIn(sign=rsa_signed("two")),
    "U-05 a key id that is not published": SignIn(sign=rsa_signed("two"), header={"kid": "two"}),
    "U-05 no key id": SignIn(header={"kid": REMOVED}),
    "U-06 a key id that is a path": SignIn(
        sign=rsa_signed("two"), header={"kid": "../../../../dev/null"}
    ),
    "U-06 a key id that is a list": SignIn(header={"kid": ["one"]}),
    "U-07 a key in the header": SignIn(
        sign=rsa_signed("two"), header={"kid": "two", "jwk": jwk("two")}
    ),
    "U-08 a certificate in the header": SignIn(
        sign=rsa_signed("two"), header={"kid": "two", "x5c": [base64url(public_pem("two"))]}
    ),
    "U-09 another issuer": SignIn(claims={"iss": "https://evil.example"}),
    "U-09 an issuer that begins alike": SignIn(claims={"iss": lambda it: f"{it.url}.evil.example"}),
    "U-09 an issuer below": SignIn(claims={"iss": lambda it: f"{it.url}/oauth2/default"}),
    "U-09 no issuer": SignIn(claims={"iss": REMOVED}),
    "U-10 another audience": SignIn(claims={"aud": "0oasomebodyelse00000"}),
    "U-10 an audience that begins alike": SignIn(claims={"aud": f"{CLIENT_ID}1"}),
    "U-10 no audience": SignIn(claims={"aud": REMOVED}),
    "U-10 no audience in the list": SignIn(claims={"aud": []}),
    "U-11 several audiences without azp": SignIn(claims={"aud": [CLIENT_ID, "other"]}),
    "U-11 several audiences, azp another": SignIn(
        claims={"aud": [CLIENT_ID, "other"], "azp": "other"}
    ),
    "U-11 one audience, azp another": SignIn(claims={"azp": "other"}),
    "U-12 no expiry": SignIn(claims={"exp": REMOVED}),
    "U-12 expired": SignIn(claims={"exp": lambda it: it.now() - 61}),
    "U-12 an expiry that is text": SignIn(claims={"exp": "never"}),
    "U-13 issued in the future": SignIn(claims={"iat": lambda it: it.now() + 90}),
    "U-13 not valid yet": SignIn(claims={"nbf": lambda it: it.now() + 90}),
    "U-14 issued eleven minutes ago": SignIn(claims={"iat": lambda it: it.now() - 660}),
    "U-14 no time of issue": SignIn(claims={"iat": REMOVED}),
    "U-15 no nonce": SignIn(claims={"nonce": REMOVED}),
    "U-16 the nonce of another sign-in": SignIn(claims={"nonce": "another"}),
    "U-17 the hash of another access token": SignIn(claims={"at_hash": base64url(b"0" * 16)}),
    "U-18 no ID token": SignIn(tokens={"id_token": REMOVED}),
    "U-18 an ID token that is no text": SignIn(tokens={"id_token": {"sub": SUBJECT}}),
    "U-18 an ID token that is no JWT": SignIn(tokens={"id_token": "a.b.c"}),
    "U-19 an empty subject": SignIn(claims={"sub": ""}),
    "U-19 a subject of spaces": SignIn(claims={"sub": "  "}),
    "U-19 no subject": SignIn(claims={"sub": REMOVED}),
    "U-19 a subject that is a number": SignIn(claims={"sub": 0}),
    "U-20 userinfo of another person": SignIn(
        claims={"groups": REMOVED}, userinfo={"sub": "00uanother", "groups": [GROUP]}
    ),
    "U-20 userinfo of nobody": SignIn(
        claims={"groups": REMOVED}, userinfo={"sub": REMOVED, "groups": [GROUP]}
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_sign_in_that_fails_a_check_makes_no_code(
    browser: Browser,
    client: OAuthClient,
    server: ServerProcess,
    issuer: HostileIssuer,
    name: str,
) -> None:
    """C-22 too: the page explains and its button ends the client's request."""
    issuer.coming.append(FORGERIES[name])
    await signs_in(browser, client)
    refused = server.events("login.refused")[-1]
    await assert_refused(browser, NOT_VERIFIED)
    assert refused["reason"] == "id_token_refused"
    await assert_works(browser, client)


@pytest.mark.parametrize("name", ["U-07 jku", "U-08 x5u"])
async def test_a_url_in_a_token_is_never_fetched(
    browser: Browser, client: OAuthClient, issuer: HostileIssuer, name: str
) -> None:
    header = {"kid": "two", name[5:]: f"{issuer.url}{ELSEWHERE}"}
    issuer.coming.append(SignIn(sign=rsa_signed("two"), header=header))
    await signs_in(browser, client)
    await assert_refused(browser, NOT_VERIFIED)
    assert not issuer.asked(ELSEWHERE)


async def unknown_key(local: LocalServer, issuer: HostileIssuer, number: int) -> None:
    browser, client = local.browser(), await local.client()
    name = f"unknown {number}"
    issuer.coming.append(SignIn(sign=rsa_signed("two"), header={"kid": name}))
    await signs_in(browser, client)
    await assert_refused(browser, NOT_VERIFIED)


@pytest.mark.parametrize("at_once", [True, False])
async def test_ten_bad_logins_fetch_the_keys_at_most_three_times(
    local: LocalServer, issuer: HostileIssuer, at_once: bool
) -> None:
    """U-05, U-22: a flood of bad logins is no flood of fetches."""
    logins = [unknown_key(local, issuer, number) for number in range(10)]
    if at_once:
        await asyncio.gather(*logins)
    else:
        for login in logins:
            await login
    assert 1 <= len(issuer.asked(KEYS_PATH)) <= 3
    await assert_works(local.browser(), await local.client())


async def test_a_rotated_key_works_within_a_minute_and_without_a_restart(
    local: LocalServer, issuer: HostileIssuer
) -> None:
    """U-23."""
    await assert_works(local.browser(), await local.client())
    issuer.published = ("two", "one")
    issuer.default = SignIn(sign=rsa_signed("two"), header={"kid": "two"})
    local.clock.pass_seconds(31)
    await assert_works(local.browser(), await local.client())


def nested(depth: int) -> Response:
    return Response("[" * depth + "]" * depth, media_type="application/json")


OUTAGES: dict[str, Callable[[], Response]] = {
    "500": lambda: Response("<h1>down</h1>", status_code=500),
    "429": lambda: Response(status_code=429),
    "redirect": lambda: RedirectResponse(ELSEWHERE, status_code=307),
    "redirect to another host": lambda: RedirectResponse("http://127.0.0.1:9/", status_code=302),
    "not JSON": lambda: Response("<h1>a proxy</h1>", media_type="text/html"),
    "a list": lambda: JSONResponse([]),
    "nested": lambda: nested(100_000),
    "empty": lambda: Response(b""),
    "huge": lambda: Response(b'{"access_token": "' + b"a" * 2**21 + b'"}'),
    "endless": endless,
    "breaks off": breaking_off,
}


@pytest.mark.parametrize("outage", OUTAGES)
async def test_an_outage_of_the_token_endpoint_is_a_clear_page_and_passes(
    browser: Browser, client: OAuthClient, issuer: HostileIssuer, outage: str
) -> None:
    """U-24: bounded, no redirect followed, no trace, and it recovers."""
    issuer.coming.append(SignIn(answer=OUTAGES[outage]))
    await signs_in(browser, client)
    await assert_refused(browser, UNREACHABLE)
    assert not issuer.asked(ELSEWHERE)
    await assert_works(browser, client)


@pytest.mark.parametrize("outage", OUTAGES)
async def test_an_outage_of_userinfo_is_a_clear_page_and_passes(
    browser: Browser, client: OAuthClient, issuer: HostileIssuer, outage: str
) -> None:
    """U-24: groups that cannot be read are not an empty list of groups."""
    issuer.faults[USERINFO_PATH] = OUTAGES[outage]
    issuer.coming.append(SignIn(claims={"groups": REMOVED}))
    await signs_in(browser, client)
    await assert_refused(browser, "without them we share nothing")
    issuer.faults.clear()
    await assert_works(browser, client)


@pytest.mark.parametrize("outage", OUTAGES)
async def test_an_outage_of_the_keys_is_a_clear_page_and_passes(
    local: LocalServer, issuer: HostileIssuer, outage: str
) -> None:
    """U-24."""
    browser, client = local.browser(), await local.client()
    issuer.faults[KEYS_PATH] = OUTAGES[outage]
    await signs_in(browser, client)
    await assert_refused(browser, UNREACHABLE)
    issuer.faults.clear()
    local.clock.pass_seconds(6)
    await assert_works(browser, client)


@pytest.mark.parametrize("outage", OUTAGES)
async def test_an_outage_of_discovery_is_a_clear_page_and_passes(
    issuer: HostileIssuer, tmp_path: Path, outage: str
) -> None:
    """U-24: also from the start, when nothing is known of the issuer yet."""
    issuer.faults[DISCOVERY_PATH] = OUTAGES[outage]
    url = f"http://localhost:{free_port()}"
    async with local_server(tmp_path, url, issuer.settings_for_server()) as local:
        issuer.now = local.clock
        browser, client = local.browser(), await local.client()
        await signs_in(browser, client)
        await assert_refused(browser, UNREACHABLE)
        issuer.faults.clear()
        local.clock.pass_seconds(6)
        await assert_works(browser, client)
    issuer.now = time.time


async def test_an_issuer_that_hangs_or_drips_ends_the_login_in_time(
    server: ServerProcess, issuer: HostileIssuer
) -> None:
    """U-24: 5 to 10 seconds for an answer as a whole; a byte now and then does not win more."""

    async def seconds_until_refused(answer: Callable[[], Response]) -> float:
        issuer.coming.append(SignIn(answer=answer))
        browser, client = Browser(httpx.AsyncClient(timeout=20)), OAuthClient(server.url)
        await client.register()
        started = time.monotonic()
        try:
            await signs_in(browser, client)
        except httpx.ReadTimeout:
            return time.monotonic() - started
        seconds = time.monotonic() - started
        await assert_refused(browser, UNREACHABLE)
        await browser.close()
        await client.close()
        return seconds

    hung, dripped = await asyncio.gather(
        seconds_until_refused(hanging), seconds_until_refused(dripping)
    )
    assert hung < HTTPX_READ_SECONDS + 2
    assert dripped < HTTPX_READ_SECONDS + 2


async def test_a_login_that_hangs_holds_up_nobody_else(
    server: ServerProcess, browser: Browser, client: OAuthClient, issuer: HostileIssuer
) -> None:
    """U-24."""
    stuck = Browser()
    is_hanging = threading.Event()

    def hanging_now() -> Response:
        is_hanging.set()
        return hanging()

    issuer.coming.append(SignIn(answer=hanging_now))
    waiting = asyncio.create_task(signs_in(stuck, client))
    assert await asyncio.to_thread(is_hanging.wait, timeout=10)
    await assert_works(browser, client)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await stuck.close()


SMUGGLED = {
    "nonce": "evil-nonce",
    "login_hint": "evil-login-hint",
    "sessionToken": "evil-session-token",
    "idp": "evil-idp",
    "acr_values": "evil-acr",
    "response_mode": "query",
    "max_age": "0",
    "id_token_hint": "evil-hint",
    "claims": '{"evil":1}',
    "display": "evil-display",
    "ui_locales": "evil-locale",
    "scopes": "evil-scope",
}
OURS = {
    *("client_id", "response_type", "scope", "redirect_uri", "state", "nonce"),
    *("code_challenge", "code_challenge_method"),
}


@pytest.mark.parametrize(
    ("sent", "more"),
    [
        pytest.param({}, {}, id="U-21 nothing smuggled"),
        *(pytest.param({name: value}, {}, id=f"A-18 {name}") for name, value in SMUGGLED.items()),
        pytest.param(SMUGGLED, {}, id="A-18 all of them"),
        pytest.param({"prompt": "consent"}, {}, id="A-18 a prompt that is not for Okta"),
        pytest.param({"prompt": "login"}, {"prompt": "login"}, id="A-18 a prompt in our own words"),
    ],
)
async def test_okta_is_sent_exactly_our_parameters_with_our_values(
    browser: Browser,
    client: OAuthClient,
    server: ServerProcess,
    issuer: HostileIssuer,
    sent: dict[str, str],
    more: dict[str, str],
) -> None:
    """U-21: own PKCE, nonce and state of at least 128 bits, and the fixed redirect URI."""
    await signs_in(browser, client, **sent)
    [asked] = issuer.asked("/oauth2/v1/authorize")
    query = dict(asked.query)
    assert len(asked.query) == len(query)
    assert query.keys() == OURS | more.keys()
    assert query.items() >= more.items()
    assert query["client_id"] == CLIENT_ID
    assert query["response_type"] == "code"
    assert query["redirect_uri"] == f"{server.url}/oauth/callback"
    assert query["code_challenge_method"] == "S256"
    assert query["code_challenge"] != s256(client.verifier)
    assert query["scope"].split() == ["openid", "profile", "email", "groups", "offline_access"]
    assert len(query["state"]) >= 86
    assert len(query["nonce"]) >= 22
    assert query["nonce"] != query["state"] != "client+state/="
    values = " ".join(query.values())
    assert not [value for value in sent.values() if "evil" in value and value in values]


@pytest.mark.parametrize(
    "sent",
    [
        {"response_mode": "fragment"},
        {"response_mode": "okta_post_message"},
        {"request": "evil-request"},
        {"request_uri": "https://evil.example/request"},
        {"prompt": "login evil"},
        {"prompt": "none"},
    ],
    ids=str,
)
async def test_what_asks_for_another_protocol_never_gets_to_okta(
    browser: Browser, client: OAuthClient, issuer: HostileIssuer, sent: dict[str, str]
) -> None:
    """A-18: ended at the client, without a page that could send anybody on."""
    await browser.open(client.authorization_url(**sent))
    assert "error" in browser.answer
    assert "code" not in browser.answer
    assert not issuer.asked("/oauth2/v1/authorize")


async def test_each_sign_in_has_values_of_its_own(
    browser: Browser, client: OAuthClient, issuer: HostileIssuer
) -> None:
    """U-16, U-21: nothing is used for a second trip."""
    for _ in range(3):
        await signs_in(browser, client, prompt="login")
    trips = [dict(asked.query) for asked in issuer.asked("/oauth2/v1/authorize")]
    for name in ("state", "nonce", "code_challenge"):
        assert len({trip[name] for trip in trips}) == 3


async def test_the_code_is_redeemed_by_the_server_alone(
    browser: Browser, client: OAuthClient, server: ServerProcess, issuer: HostileIssuer
) -> None:
    """U-21, U-25: the secret goes by Basic, in no URL, and the verifier fits the challenge."""
    await signs_in(browser, client)
    [trip], [asked] = issuer.asked("/oauth2/v1/authorize"), issuer.asked(TOKEN_PATH)
    assert asked.method == "POST"
    assert asked.query == ()
    assert asked.form.keys() == {"grant_type", "code", "redirect_uri", "code_verifier"}
    assert asked.form["redirect_uri"] == f"{server.url}/oauth/callback"
    assert s256(asked.form["code_verifier"]) == dict(trip.query)["code_challenge"]
    assert len(asked.form["code_verifier"]) >= 86
    scheme, _, pair = asked.headers["authorization"].partition(" ")
    # RFC 6749 section 2.3.1: each half is form-encoded.
    halves = [unquote_plus(half) for half in base64.b64decode(pair).decode().split(":")]
    assert (scheme, halves) == ("Basic", [CLIENT_ID, CLIENT_SECRET])
    urls = " ".join(str(one.query) for one in issuer.journal)
    assert CLIENT_SECRET not in urls


async def test_no_secret_of_okta_reaches_a_browser_a_client_or_a_log(
    browser: Browser, client: OAuthClient, server: ServerProcess, issuer: HostileIssuer
) -> None:
    """U-26, K-01, T-16: not in any answer of ours, in no URL, in no log.

    The one URL that carries an ID token is the one that leaves through Okta's own end-session
    endpoint, which knows by it whom to sign out (OIDC RP-Initiated Logout section 2).
    """
    seen: list[str] = []

    async def keep(answer: httpx.Response) -> None:
        if str(answer.request.url).startswith(server.url):
            await answer.aread()
            seen.append(f"{answer.status_code} {answer.headers} {answer.text}")

    for http in (browser.client, client.http):
        http.event_hooks["response"].append(keep)
    issuer.coming.append(FORGERIES["U-16 the nonce of another sign-in"])
    await signs_in(browser, client)
    await assert_works(browser, client)
    assert (await client.refresh()).status_code == 200
    for tool in ("get_current_time", "list_okta_users"):
        await client.call(tool)
    await client.rpc("resources/read", {"uri": "user://me"})
    await browser.open(f"{server.url}/oauth/connections")
    await browser.open(f"{server.url}/oauth/logout")
    await browser.press("Sign out")
    await client.revoke(client.tokens["refresh_token"])

    [leaving] = [text for text in seen if "id_token_hint" in text]
    written = server.audit_file.read_text() + server.log_file.read_text()
    told = [text for text in seen if text is not leaving] + [written]
    assert len(issuer.secrets) >= 6
    assert not [secret for secret in issuer.secrets if any(secret in text for text in told)]
    assert not [secret for secret in issuer.secrets if secret in leaving and "." not in secret]
    assert CLIENT_SECRET not in "".join([*seen, written])


NO_GROUP = {
    "missing": REMOVED,
    "null": None,
    "text": GROUP,
    "text with commas": f"other,{GROUP}",
    "an object": {GROUP: True},
    "a list in a list": [[GROUP]],
    "a list of objects": [{"name": GROUP}],
    "in capitals": [GROUP.upper()],
    "with a space": [f" {GROUP}"],
    "a part of it": [GROUP[:-1]],
    "one letter from another script": [GROUP.replace("o", "о")],
    "empty": [],
}


@pytest.mark.parametrize("case", NO_GROUP)
async def test_a_groups_claim_that_is_no_list_with_the_exact_name_gives_no_role(
    browser: Browser, client: OAuthClient, issuer: HostileIssuer, case: str
) -> None:
    """U-27."""
    issuer.coming.append(SignIn(claims={"groups": NO_GROUP[case]}))
    await signs_in(browser, client)
    assert browser.status == 403
    assert "none of your groups gives access" in browser.page.text
    await browser.press("Back to the application")
    assert browser.answer["error"] == "access_denied"


async def test_more_groups_than_an_answer_holds_give_no_role(
    browser: Browser, client: OAuthClient, issuer: HostileIssuer
) -> None:
    """U-27: bounded by the size of the token answer, 1 MiB."""
    many = [f"group {number:06}" for number in range(90_000)]
    issuer.coming.append(SignIn(claims={"groups": [GROUP, *many]}))
    await signs_in(browser, client)
    await assert_refused(browser, UNREACHABLE)


ENDPOINTS = (
    *("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"),
    *("revocation_endpoint", "end_session_endpoint"),
)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    "elsewhere",
    ["http://127.0.0.1:9/x", "http://localhost:{port}/x", "http://127.0.0.1:{port}@evil.example/x"],
)
async def test_an_endpoint_on_another_host_is_refused(
    issuer: HostileIssuer, tmp_path: Path, endpoint: str, elsewhere: str
) -> None:
    """U-28: nobody is sent there, and nothing is asked or given there."""
    issuer.discovery[endpoint] = elsewhere.format(port=urlsplit(issuer.url).port)
    url = f"http://localhost:{free_port()}"
    async with local_server(tmp_path, url, issuer.settings_for_server()) as local:
        browser, client = local.browser(), await local.client()
        await signs_in(browser, client)
        await assert_refused(browser, UNREACHABLE)
    assert {asked.path for asked in issuer.journal} == {DISCOVERY_PATH}


@pytest.mark.parametrize(
    "access_token",
    [
        pytest.param("an opaque value", id="U-29 opaque"),
        pytest.param(
            jwt.encode({"sub": "somebody", "exp": 0, "aud": "x"}, "k" * 32), id="U-29 a bad JWT"
        ),
    ],
)
async def test_an_access_token_of_okta_is_not_read(
    browser: Browser, client: OAuthClient, issuer: HostileIssuer, access_token: str
) -> None:
    """It is Okta's own business; who the person is, the ID token says."""
    issuer.coming.append(SignIn(tokens={"access_token": access_token}))
    await assert_works(browser, client)
    me = (await client.rpc("resources/read", {"uri": "user://me"})).json()
    person: dict[str, Any] = json.loads(me["result"]["contents"][0]["text"])["person"]
    assert person["id"] == SUBJECT
