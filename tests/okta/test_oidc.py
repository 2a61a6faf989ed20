"""The OAuth client towards Okta: refusals first, then what it sends."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import httpx
import jwt
import pytest
import respx

from okta_mcp.okta.authorization_server import LoginRefusedError, LoginUnavailableError
from okta_mcp.okta.client_authentication import SecretInForm, SignedAssertion
from okta_mcp.okta.client_key import ClientKey
from okta_mcp.okta.oidc import OktaLogin, callback_refusal, new_verifier, s256
from tests.okta.conftest import ORG, START, FakeTime
from tests.okta.issuer import (
    ACCESS_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    ENDPOINTS,
    NONCE,
    REDIRECT_URI,
    REMOVED,
    SUBJECT,
    id_token,
    jwks,
    login_at,
    private_key,
    public_pem,
    serve,
    token_answer,
)

TOKEN = "/oauth2/v1/token"
USERINFO = "/oauth2/v1/userinfo"
DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(verify=False) as client:
        yield client


@pytest.fixture
def login(http: httpx.AsyncClient, clock: FakeTime) -> OktaLogin:
    return login_at(http, clock)


def form_of(route: respx.Route) -> dict[str, str]:
    return dict(parse_qsl(route.calls.last.request.content.decode()))


class Body(httpx.AsyncByteStream):
    """Bytes in pieces, as from a wire."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), 65_536):
            yield self._content[start : start + 65_536]


ELSEWHERE = {"Location": "https://evil.example/"}
HOSTILE_ANSWERS: dict[str, Exception | tuple[int, dict[str, str], bytes]] = {
    "hangs while connecting": httpx.ConnectTimeout("slow"),
    "hangs while answering": httpx.ReadTimeout("slow"),
    "hangs up": httpx.RemoteProtocolError("gone"),
    "cannot be reached": httpx.ConnectError("no route"),
    "500": (500, {}, b"<html>oops</html>"),
    "503 with JSON": (503, {}, b'{"error": "temporarily_unavailable"}'),
    "429": (429, {}, b'{"errorCode": "E0000047"}'),
    "redirect": (302, ELSEWHERE, b""),
    "permanent redirect": (308, ELSEWHERE, b""),
    "no JSON": (200, {}, b"<html>a captive portal</html>"),
    "empty": (200, {}, b""),
    "a list": (200, {}, b'[{"access_token": "x"}]'),
    "nothing in it": (200, {}, b"{}"),
    "huge": (200, {}, b'{"a":"' + b"x" * (1024 * 1024) + b'"}'),
    "deep": (200, {}, b"[" * 200_000),
    "not UTF-8": (200, {}, b'{"a":"\xff"}'),
    "broken gzip": (200, {"Content-Encoding": "gzip"}, b"no gzip"),
}


def hostile(route: respx.Route, case: str) -> None:
    answer = HOSTILE_ANSWERS[case]
    if isinstance(answer, Exception):
        route.mock(side_effect=answer)
    else:
        status, headers, content = answer
        route.mock(
            side_effect=lambda _: httpx.Response(status, headers=headers, stream=Body(content))
        )


CASES = pytest.mark.parametrize("case", HOSTILE_ANSWERS)


@CASES
async def test_a_bad_answer_to_discovery_is_okta_unreachable(
    case: str, login: OktaLogin, okta: respx.MockRouter
) -> None:
    """U-24."""
    hostile(okta.get(DISCOVERY), case)
    with pytest.raises(LoginUnavailableError) as caught:
        await login.endpoints()
    assert caught.value.reason == "okta_unreachable"
    assert len(okta.calls) == 1


@CASES
async def test_a_bad_answer_of_the_token_endpoint_is_okta_unreachable(
    case: str, login: OktaLogin, okta: respx.MockRouter
) -> None:
    """U-24."""
    serve(okta)
    hostile(okta.post(TOKEN), case)
    with pytest.raises(LoginUnavailableError) as caught:
        await login.exchanged("code", "verifier", NONCE)
    assert caught.value.reason == "okta_unreachable"


@pytest.mark.parametrize("case", [case for case in HOSTILE_ANSWERS if case != "nothing in it"])
async def test_a_bad_answer_to_the_keys_is_okta_unreachable(
    case: str, login: OktaLogin, okta: respx.MockRouter
) -> None:
    """U-24."""
    serve(okta)
    hostile(okta.get("/oauth2/v1/keys"), case)
    okta.post(TOKEN).mock(return_value=token_answer())
    with pytest.raises(LoginUnavailableError):
        await login.exchanged("code", "verifier", NONCE)


@CASES
async def test_a_bad_answer_of_userinfo_is_an_error_and_no_empty_answer(
    case: str, login: OktaLogin, okta: respx.MockRouter
) -> None:
    """U-20, U-24."""
    serve(okta)
    hostile(okta.get(USERINFO), case)
    with pytest.raises((LoginUnavailableError, LoginRefusedError)):
        await login.userinfo(ACCESS_TOKEN, SUBJECT)


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/oauth2/v1/x",
        "http://acme.okta.example/oauth2/v1/x",
        "https://acme.okta.example.evil.example/x",
        "https://acme.okta.example@evil.example/x",
        "https://acme.okta.example:8443/x",
        "https://evil.acme.okta.example/x",
        "https://[evil",
        "//acme.okta.example/x",
        "/oauth2/v1/x",
        "",
        7,
        {"url": "x"},
    ],
    ids=str,
)
async def test_an_endpoint_on_another_host_is_refused(
    name: str, url: Any, login: OktaLogin, okta: respx.MockRouter
) -> None:
    """U-28: it would be sent our client secret."""
    serve(okta, **{name: url})
    with pytest.raises(LoginUnavailableError):
        await login.endpoints()


@pytest.mark.parametrize(
    "name", ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"]
)
async def test_a_document_without_a_needed_endpoint_is_refused(
    name: str, login: OktaLogin, okta: respx.MockRouter
) -> None:
    serve(okta, **{name: REMOVED})
    with pytest.raises(LoginUnavailableError):
        await login.endpoints()


@pytest.mark.parametrize(
    "issuer",
    ["https://evil.example", f"{ORG}/oauth2/default", f"{ORG}.evil.example", "", None, [ORG]],
    ids=str,
)
async def test_a_document_of_another_issuer_is_refused(
    issuer: Any, login: OktaLogin, okta: respx.MockRouter
) -> None:
    """U-09, U-28."""
    serve(okta, issuer=issuer)
    with pytest.raises(LoginUnavailableError):
        await login.endpoints()


async def test_discovery_that_failed_is_tried_again_after_five_seconds(
    login: OktaLogin, okta: respx.MockRouter, clock: FakeTime
) -> None:
    """U-24: recovers, and does not storm."""
    route = okta.get(DISCOVERY).respond(500)
    for _ in range(5):
        with pytest.raises(LoginUnavailableError):
            await login.endpoints()
    assert route.call_count == 1
    serve(okta)
    clock.seconds += 5
    assert (await login.endpoints()).token == f"{ORG}{TOKEN}"


async def test_while_okta_is_away_the_known_endpoints_are_used(
    login: OktaLogin, okta: respx.MockRouter, clock: FakeTime
) -> None:
    serve(okta)
    known = await login.endpoints()
    okta.get(DISCOVERY).respond(500)
    clock.seconds += 3600
    assert await login.endpoints() == known
    assert await login.endpoints() == known
    assert okta.get(DISCOVERY).call_count == 2


async def test_discovery_is_asked_once_an_hour(
    login: OktaLogin, okta: respx.MockRouter, clock: FakeTime
) -> None:
    serve(okta)
    await login.endpoints()
    clock.seconds += 3599
    await login.endpoints()
    assert okta["discovery"].call_count == 1
    clock.seconds += 1
    await login.endpoints()
    assert okta["discovery"].call_count == 2


async def test_optional_endpoints_may_be_absent(login: OktaLogin, okta: respx.MockRouter) -> None:
    serve(okta, revocation_endpoint=REMOVED, end_session_endpoint=REMOVED)
    endpoints = await login.endpoints()
    assert (endpoints.revocation, endpoints.end_session) == (None, None)
    assert await login.end_session_url("id", "http://localhost/") is None
    await login.revoke("okta-refresh")


@pytest.mark.parametrize(
    ("status", "body", "error", "reason"),
    [
        (401, {"error": "invalid_client"}, LoginRefusedError, "wrong_client_secret"),
        (400, {"error": "invalid_client"}, LoginRefusedError, "wrong_client_secret"),
        (400, {"error": "unauthorized_client"}, LoginRefusedError, "wrong_client_secret"),
        (
            401,
            {"error": "invalid_token_endpoint_auth_method"},
            LoginRefusedError,
            "wrong_client_secret",
        ),
        (400, {"error": "invalid_grant"}, LoginRefusedError, "okta_refused"),
        (400, {"error": "invalid_request"}, LoginRefusedError, "okta_refused"),
        (400, {"error": ["invalid_client"]}, LoginRefusedError, "okta_refused"),
        (403, {"errorCode": "E0000006"}, LoginRefusedError, "okta_refused"),
        (400, None, LoginUnavailableError, "okta_unreachable"),
        (429, {"error": "too_many_requests"}, LoginUnavailableError, "okta_unreachable"),
        (500, {"error": "invalid_client"}, LoginUnavailableError, "okta_unreachable"),
    ],
)
async def test_an_error_of_the_token_endpoint_becomes_one_of_our_reasons(
    status: int,
    body: Any,
    error: type[Exception],
    reason: str,
    login: OktaLogin,
    okta: respx.MockRouter,
) -> None:
    """C-20, C-22."""
    serve(okta)
    okta.post(TOKEN).respond(status, json=body, text=None if body else "<html>")
    with pytest.raises(error) as caught:
        await login.exchanged("code", "verifier", NONCE)
    assert caught.value.reason == reason  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"id_token": REMOVED}, LoginRefusedError),
        ({"id_token": None}, LoginRefusedError),
        ({"id_token": {"sub": SUBJECT}}, LoginRefusedError),
        ({"id_token": id_token(nonce="another")}, LoginRefusedError),
        ({"id_token": id_token("two")}, LoginRefusedError),
        ({"id_token": id_token("two", headers={"kid": "one"})}, LoginRefusedError),
        ({"access_token": "another"}, LoginRefusedError),
        ({"access_token": REMOVED}, LoginUnavailableError),
        ({"access_token": 7}, LoginUnavailableError),
    ],
    ids=[
        "U-18 no ID token",
        "U-18 ID token null",
        "U-18 ID token an object",
        "U-16 nonce of another sign-in",
        "U-05 unknown key",
        "U-04 bad signature",
        "U-17 access token of another answer",
        "no access token",
        "access token a number",
    ],
)
async def test_an_answer_whose_id_token_does_not_fit_is_refused(
    changes: dict[str, Any],
    error: type[Exception],
    login: OktaLogin,
    okta: respx.MockRouter,
) -> None:
    serve(okta)
    okta.post(TOKEN).mock(return_value=token_answer(**changes))
    with pytest.raises(error) as caught:
        await login.exchanged("code", "verifier", NONCE)
    expected = "id_token_refused" if error is LoginRefusedError else "okta_unreachable"
    assert caught.value.reason == expected  # type: ignore[attr-defined]


async def test_ten_bad_logins_fetch_the_keys_at_most_three_times(
    login: OktaLogin, okta: respx.MockRouter
) -> None:
    """U-05, U-22."""
    serve(okta)
    okta.post(TOKEN).mock(side_effect=lambda _: token_answer(id_token=id_token("two")))
    answers = await asyncio.gather(
        *(login.exchanged("code", "verifier", NONCE) for _ in range(10)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {LoginRefusedError}
    assert okta["keys"].call_count <= 3


async def test_a_rotated_key_is_picked_up_within_a_minute(
    login: OktaLogin, okta: respx.MockRouter, clock: FakeTime
) -> None:
    """U-23."""
    serve(okta)
    okta.post(TOKEN).mock(return_value=token_answer())
    await login.exchanged("code", "verifier", NONCE)
    okta.get("/oauth2/v1/keys").respond(json=jwks("two"))
    okta.post(TOKEN).mock(return_value=token_answer(id_token=id_token("two")))
    clock.seconds += 30
    assert (await login.exchanged("code", "verifier", NONCE)).claims["sub"] == SUBJECT


@pytest.mark.parametrize("subject", ["00uother", SUBJECT.upper(), "", None, REMOVED])
async def test_userinfo_of_another_person_is_refused(
    subject: Any, login: OktaLogin, okta: respx.MockRouter
) -> None:
    """U-20."""
    serve(okta)
    body = {"groups": ["owners"]} | ({} if subject is REMOVED else {"sub": subject})
    okta.get(USERINFO).respond(json=body)
    with pytest.raises(LoginRefusedError) as caught:
        await login.userinfo(ACCESS_TOKEN, SUBJECT)
    assert caught.value.reason == "id_token_refused"


async def test_revoking_while_okta_is_away_is_an_error_of_ours(
    login: OktaLogin, okta: respx.MockRouter
) -> None:
    serve(okta)
    okta.post("/oauth2/v1/revoke").mock(side_effect=httpx.ConnectError("no route"))
    with pytest.raises(LoginUnavailableError):
        await login.revoke("okta-refresh")


@pytest.mark.parametrize(
    ("error", "description", "reason"),
    [
        ("access_denied", "User is not assigned to the client application.", "not_assigned"),
        ("access_denied", "USER IS NOT ASSIGNED TO THE CLIENT APPLICATION", "not_assigned"),
        ("access_denied", "Policy evaluation failed for this request.", "okta_refused"),
        ("access_denied", "", "okta_refused"),
        ("invalid_request", "User is not assigned to the client application.", "okta_refused"),
        ("server_error", "", "okta_unreachable"),
        ("temporarily_unavailable", "", "okta_unreachable"),
        ("server_error", "The groups claim is over its limit.", "too_many_groups"),
        ("login_required", "", "okta_refused"),
        ("consent_required", "You are not allowed any of them.", "scopes_not_granted"),
        ("invalid_scope", "One or more scopes are not configured.", "scopes_not_granted"),
        ("unmet_authentication_requirements", "", "sign_in_too_weak"),
        ("unheard_of", "<script>alert(1)</script>", "okta_refused"),
        ("", "", "okta_refused"),
    ],
)
def test_an_error_at_the_callback_becomes_one_of_our_reasons(
    error: str, description: str, reason: str
) -> None:
    """C-22: nothing of Okta's text is shown."""
    refusal = callback_refusal(error, description)
    assert refusal.reason == reason
    assert not description or description not in str(refusal)


async def test_the_code_is_exchanged_with_secret_verifier_and_redirect_uri(
    login: OktaLogin, okta: respx.MockRouter
) -> None:
    """U-21, U-25: Basic, both halves form-encoded."""
    serve(okta)
    route = okta.post(TOKEN).mock(return_value=token_answer())
    tokens = await login.exchanged("the code", "the verifier", NONCE)
    assert form_of(route) == {
        "grant_type": "authorization_code",
        "code": "the code",
        "redirect_uri": REDIRECT_URI,
        "code_verifier": "the verifier",
    }
    scheme, _, value = route.calls.last.request.headers["authorization"].partition(" ")
    client_id, _, secret = base64.b64decode(value).decode("ascii").partition(":")
    assert (scheme, unquote(client_id), unquote(secret)) == ("Basic", CLIENT_ID, CLIENT_SECRET)
    assert (tokens.claims["sub"], tokens.refresh_token) == (SUBJECT, "okta-refresh-2")


async def test_client_secret_post_sends_the_secret_in_the_form_only(
    http: httpx.AsyncClient, okta: respx.MockRouter, clock: FakeTime
) -> None:
    """U-25."""
    serve(okta)
    route = okta.post(TOKEN).mock(return_value=token_answer())
    in_form = SecretInForm(CLIENT_ID, CLIENT_SECRET)
    await login_at(http, clock, authentication=in_form).exchanged("c", "v", NONCE)
    assert form_of(route)["client_id"] == CLIENT_ID
    assert form_of(route)["client_secret"] == CLIENT_SECRET
    assert "authorization" not in route.calls.last.request.headers


async def test_private_key_jwt_sends_an_assertion_and_no_secret(
    http: httpx.AsyncClient, okta: respx.MockRouter, clock: FakeTime
) -> None:
    """U-25, okta-facts 1.3: for the endpoint that is called, short, and new each time."""
    serve(okta)
    token = okta.post(TOKEN).mock(return_value=token_answer())
    revoke = okta.post("/oauth2/v1/revoke").respond(200)
    signed = SignedAssertion(CLIENT_ID, ClientKey(private_key("ours"), "our-key"), clock.now)
    login = login_at(http, clock, authentication=signed)
    await login.exchanged("c", "v", NONCE)
    await login.revoke("okta-refresh")
    identifiers = set()
    for route, endpoint in ((token, "token_endpoint"), (revoke, "revocation_endpoint")):
        form = form_of(route)
        assert form["client_assertion_type"].endswith(":client-assertion-type:jwt-bearer")
        claims = jwt.decode(
            form["client_assertion"],
            public_pem("ours"),
            ["RS256"],
            audience=ENDPOINTS[endpoint],
            options={"verify_exp": False, "verify_iat": False},
        )
        assert (claims["iss"], claims["sub"]) == (CLIENT_ID, CLIENT_ID)
        assert (claims["iat"], claims["exp"]) == (START, START + 300)
        assert jwt.get_unverified_header(form["client_assertion"])["kid"] == "our-key"
        assert "client_secret" not in form
        assert "authorization" not in route.calls.last.request.headers
        identifiers.add(claims["jti"])
    assert len(identifiers) == 2


@pytest.mark.parametrize("acr", ["urn:okta:loa:1fa:any", "", None, 7, ["phr"], REMOVED], ids=str)
async def test_a_sign_in_weaker_than_asked_is_refused_and_given_back(
    acr: Any, http: httpx.AsyncClient, okta: respx.MockRouter, clock: FakeTime
) -> None:
    serve(okta)
    okta.post(TOKEN).mock(return_value=token_answer(id_token=id_token(acr=acr)))
    revoke = okta.post("/oauth2/v1/revoke").respond(200)
    with pytest.raises(LoginRefusedError) as caught:
        await login_at(http, clock, acr_values=("phr", "phrh")).exchanged("c", "v", NONCE)
    assert caught.value.reason == "sign_in_too_weak"
    assert form_of(revoke)["token"] == "okta-refresh-2"


async def test_a_weak_sign_in_is_refused_even_if_okta_cannot_take_it_back(
    http: httpx.AsyncClient, okta: respx.MockRouter, clock: FakeTime
) -> None:
    serve(okta)
    okta.post(TOKEN).mock(return_value=token_answer())
    okta.post("/oauth2/v1/revoke").mock(side_effect=httpx.ConnectError("gone"))
    with pytest.raises(LoginRefusedError):
        await login_at(http, clock, acr_values=("phr",)).exchanged("c", "v", NONCE)


async def test_a_sign_in_as_strong_as_one_of_the_asked_is_taken(
    http: httpx.AsyncClient, okta: respx.MockRouter, clock: FakeTime
) -> None:
    serve(okta)
    okta.post(TOKEN).mock(return_value=token_answer(id_token=id_token(acr="phrh")))
    login = login_at(http, clock, acr_values=("phr", "phrh"))
    assert (await login.exchanged("c", "v", NONCE)).claims["acr"] == "phrh"


async def test_strength_is_not_asked_again_at_a_refresh(
    http: httpx.AsyncClient, okta: respx.MockRouter, clock: FakeTime
) -> None:
    """Okta need not repeat `acr`; the sign-in is the same."""
    serve(okta)
    okta.post(TOKEN).mock(return_value=token_answer(id_token=id_token(nonce=REMOVED)))
    tokens = await login_at(http, clock, acr_values=("phr",)).refreshed("okta-refresh-1")
    assert "acr" not in tokens.claims


async def test_acr_values_are_asked_in_their_order(
    http: httpx.AsyncClient, okta: respx.MockRouter, clock: FakeTime
) -> None:
    serve(okta)
    url = await login_at(http, clock, acr_values=("phrh", "phr")).authorization_url(
        state="s", nonce=NONCE, verifier="v", scopes=("openid",), force_login=False
    )
    assert parse_qs(urlsplit(url).query)["acr_values"] == ["phrh phr"]


async def test_a_refresh_sends_the_token_and_needs_no_nonce(
    login: OktaLogin, okta: respx.MockRouter
) -> None:
    serve(okta)
    route = okta.post(TOKEN).mock(
        return_value=token_answer(id_token=id_token(nonce=REMOVED), refresh_token=REMOVED)
    )
    tokens = await login.refreshed("okta-refresh-1")
    assert form_of(route) == {"grant_type": "refresh_token", "refresh_token": "okta-refresh-1"}
    assert tokens.refresh_token is None


async def test_revoking_sends_the_refresh_token_with_our_credentials(
    login: OktaLogin, okta: respx.MockRouter
) -> None:
    """T-09."""
    serve(okta)
    route = okta.post("/oauth2/v1/revoke").respond(200)
    await login.revoke("okta-refresh")
    assert form_of(route) == {"token": "okta-refresh", "token_type_hint": "refresh_token"}
    assert route.calls.last.request.headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize("force_login", [True, False])
async def test_the_authorization_url_holds_our_values_and_no_others(
    force_login: bool, login: OktaLogin, okta: respx.MockRouter
) -> None:
    """A-18, U-21."""
    serve(okta)
    url = await login.authorization_url(
        state="the state",
        nonce=NONCE,
        verifier="the verifier",
        scopes=("openid", "profile"),
        force_login=force_login,
    )
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == ENDPOINTS["authorization_endpoint"]
    expected = {
        "client_id": [CLIENT_ID],
        "response_type": ["code"],
        "scope": ["openid profile"],
        "redirect_uri": [REDIRECT_URI],
        "state": ["the state"],
        "nonce": [NONCE],
        "code_challenge": [s256("the verifier")],
        "code_challenge_method": ["S256"],
    }
    assert parse_qs(parts.query) == expected | ({"prompt": ["login"]} if force_login else {})


@pytest.mark.parametrize(("status", "is_registered"), [(400, False), (302, True)])
async def test_okta_shows_whether_the_redirect_uri_is_registered(
    status: int, is_registered: bool, login: OktaLogin, okta: respx.MockRouter
) -> None:
    serve(okta)
    okta.get("/oauth2/v1/authorize").respond(
        status, headers={"Location": f"{REDIRECT_URI}?error=login_required"}
    )
    assert await login.redirect_uri_is_registered() is is_registered


def test_a_verifier_is_long_random_and_of_the_allowed_characters() -> None:
    """U-21, RFC 7636 appendix B for the challenge."""
    verifiers = {new_verifier() for _ in range(50)}
    assert len(verifiers) == 50
    assert {len(verifier) for verifier in verifiers} == {86}
    assert s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == (
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


async def test_tokens_do_not_show_in_their_representation(
    login: OktaLogin, okta: respx.MockRouter
) -> None:
    """U-26, S-07."""
    serve(okta)
    okta.post(TOKEN).mock(return_value=token_answer())
    tokens = await login.exchanged("code", "verifier", NONCE)
    shown = repr(tokens)
    assert ACCESS_TOKEN not in shown
    assert tokens.id_token not in shown
    assert "okta-refresh-2" not in shown
    assert CLIENT_SECRET not in repr(login)
