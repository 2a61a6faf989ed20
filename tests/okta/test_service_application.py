"""The service application: what Okta refuses and what is said then; one token for all; DPoP."""

import asyncio
import logging
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any

import httpx
import pytest
import respx

from okta_mcp.okta.authorization_server import AuthorizationServer
from okta_mcp.okta.client_key import ClientKey
from okta_mcp.okta.errors import OktaError, OktaRateLimitedError
from okta_mcp.okta.service_application import ServiceApplication
from tests.okta.conftest import ORG, START, FakeTime
from tests.okta.issuer import private_key
from tests.okta.token_endpoint import KEY, SCOPES, SERVICE_ID, TokenEndpoint, api_url

USERS = api_url("users")
BODIES_OF_OKTA = "a text of Okta's"


@pytest.fixture
def endpoint(okta: respx.MockRouter, clock: FakeTime) -> TokenEndpoint:
    return TokenEndpoint(okta, clock)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(verify=False) as client:
        yield client


def application(
    http: httpx.AsyncClient, clock: FakeTime, *, key: str = KEY, client_id: str = SERVICE_ID
) -> ServiceApplication:
    server = AuthorizationServer(http, issuer=ORG, client_id=client_id, now=clock.now)
    return ServiceApplication(server, ClientKey(private_key(key)), scopes=SCOPES, now=clock.now)


@pytest.fixture
def service(
    http: httpx.AsyncClient, clock: FakeTime, endpoint: TokenEndpoint
) -> ServiceApplication:
    return application(http, clock)


async def asked(service: ServiceApplication, url: str = USERS) -> dict[str, str]:
    return await service.headers("GET", url, None)


def challenge(error: str, **headers: str) -> httpx.Headers:
    return httpx.Headers({"WWW-Authenticate": f'DPoP realm="x", error="{error}"'} | headers)


async def refusal(service: ServiceApplication) -> OktaError:
    with pytest.raises(OktaError) as caught:
        await asked(service)
    return caught.value


@pytest.mark.parametrize(
    ("status", "error", "code", "fix"),
    [
        (401, "invalid_client", "okta_unauthorized", "OKTA_API_PRIVATE_KEY_FILE"),
        (400, "unauthorized_client", "okta_unauthorized", "OKTA_API_CLIENT_ID"),
        (400, "invalid_request", "okta_unauthorized", "OKTA_API_CLIENT_ID"),
        (400, "invalid_scope", "okta_forbidden", "okta.users.read okta.groups.read"),
        (400, "consent_required", "okta_forbidden", "okta.users.read okta.groups.read"),
        (400, "invalid_dpop_proof", "okta_unauthorized", "clock"),
        (400, "use_dpop_nonce", "okta_unauthorized", "OKTA_API_CLIENT_ID"),
        (500, "server_error", "okta_unavailable", "later"),
        (503, "", "okta_unavailable", "later"),
    ],
)
async def test_a_refusal_becomes_an_error_that_names_its_fix(
    status: int,
    error: str,
    code: str,
    fix: str,
    service: ServiceApplication,
    endpoint: TokenEndpoint,
) -> None:
    endpoint.route.mock(
        return_value=httpx.Response(
            status, json={"error": error, "error_description": BODIES_OF_OKTA}
        )
    )
    found = await refusal(service)
    assert (found.code, fix in found.details["fix"]) == (code, True)
    assert BODIES_OF_OKTA not in f"{found} {found.details}"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("gone"),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"access_token": 7, "token_type": "Bearer"}),
        httpx.Response(200, json={"access_token": "x", "token_type": "mac"}),
        httpx.Response(200, json={"access_token": "x"}),
        httpx.Response(302, headers={"Location": "https://evil.example/"}),
    ],
    ids=str,
)
async def test_an_answer_that_is_none_is_okta_unavailable(
    answer: Any, service: ServiceApplication, endpoint: TokenEndpoint
) -> None:
    endpoint.route.mock(side_effect=[answer])
    assert (await refusal(service)).code == "okta_unavailable"


async def test_too_many_requests_for_tokens_are_rate_limited(
    service: ServiceApplication, endpoint: TokenEndpoint
) -> None:
    endpoint.route.mock(return_value=httpx.Response(429, json={}))
    assert isinstance(await refusal(service), OktaRateLimitedError)


async def test_a_discovery_document_that_leads_elsewhere_gets_no_assertion(
    http: httpx.AsyncClient, clock: FakeTime, okta: respx.MockRouter, endpoint: TokenEndpoint
) -> None:
    okta.get("/.well-known/openid-configuration").respond(
        json={"issuer": ORG, "token_endpoint": "https://evil.example/token"}
    )
    assert (await refusal(application(http, clock))).code == "okta_unavailable"
    assert not endpoint.route.called


@pytest.mark.parametrize(
    "changes", [{"key": "another"}, {"client_id": "0oaanother0000000000"}], ids=str
)
async def test_another_key_or_application_is_refused(
    changes: dict[str, str], http: httpx.AsyncClient, clock: FakeTime, endpoint: TokenEndpoint
) -> None:
    assert (await refusal(application(http, clock, **changes))).code == "okta_unauthorized"


async def test_while_the_set_up_is_wrong_okta_is_asked_every_five_seconds_at_most(
    service: ServiceApplication,
    endpoint: TokenEndpoint,
    clock: FakeTime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And the log says it once."""
    endpoint.granted = ()
    with caplog.at_level(logging.WARNING, "okta_mcp"):
        for _ in range(5):
            await refusal(service)
        asked_before = endpoint.route.call_count
        clock.seconds += 5.0
        await refusal(service)
    assert endpoint.route.call_count > asked_before
    assert asked_before == 2, "the nonce, and the answer"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "okta.users.read okta.groups.read" in caplog.text


async def test_a_set_up_that_is_mended_works_without_a_restart(
    service: ServiceApplication, endpoint: TokenEndpoint, clock: FakeTime
) -> None:
    endpoint.granted = ()
    await refusal(service)
    endpoint.granted = SCOPES
    clock.seconds += 5.0
    assert "service-token-1" in (await asked(service))["Authorization"]


async def test_scopes_that_okta_leaves_out_are_named_in_the_log(
    service: ServiceApplication, endpoint: TokenEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.granted = SCOPES[:1]
    with caplog.at_level(logging.WARNING, "okta_mcp"):
        await asked(service)
    assert "okta.groups.read" in caplog.text
    assert "okta.users.read" not in caplog.text


async def test_the_dance_for_a_nonce_signs_everything_anew(
    service: ServiceApplication, endpoint: TokenEndpoint
) -> None:
    """1.10: the endpoint takes each assertion and each proof once."""
    headers = await asked(service)
    assert headers["Authorization"] == "DPoP service-token-1"
    assert endpoint.route.call_count == 2
    assert endpoint.answered[0]["scope"] == " ".join(SCOPES)


async def test_okta_decides_whether_the_token_is_bound(
    service: ServiceApplication, endpoint: TokenEndpoint
) -> None:
    endpoint.requires_dpop = False
    assert await asked(service) == {"Authorization": "Bearer service-token-1"}


async def test_each_call_has_a_proof_of_its_own_for_its_url_without_the_query(
    service: ServiceApplication, endpoint: TokenEndpoint
) -> None:
    for _ in range(3):
        headers = await asked(service, f"{USERS}?search=x&after=%2F#y")
        claims = endpoint.proof_claims(
            headers["DPoP"], "GET", USERS, access_token="service-token-1"
        )
        assert "nonce" not in claims


async def test_a_proof_names_the_decoded_path(
    service: ServiceApplication, endpoint: TokenEndpoint
) -> None:
    """Okta compares with the decoded path, against the RFC: okta-sdk-python issue 541."""
    headers = await asked(service, f"{USERS}/ann%40example.com/groups?limit=1")
    decoded = f"{USERS}/ann@example.com/groups"
    endpoint.proof_claims(headers["DPoP"], "GET", decoded, access_token="service-token-1")


async def test_one_token_serves_all_who_ask_at_once(
    service: ServiceApplication, endpoint: TokenEndpoint
) -> None:
    answers = await asyncio.gather(*(asked(service) for _ in range(50)))
    assert len({answer["DPoP"] for answer in answers}) == 50
    assert len(endpoint.answered) == 1


async def test_a_caller_that_goes_away_does_not_end_the_question_of_the_others(
    service: ServiceApplication, endpoint: TokenEndpoint
) -> None:
    first = asyncio.create_task(asked(service))
    second = asyncio.create_task(asked(service))
    await asyncio.sleep(0)
    first.cancel()
    assert "service-token-1" in (await second)["Authorization"]
    assert len(endpoint.answered) == 1


@pytest.mark.parametrize(("after_seconds", "tokens"), [(3539, 1), (3541, 2)])
async def test_a_token_is_used_until_a_minute_before_its_end(
    after_seconds: int,
    tokens: int,
    service: ServiceApplication,
    endpoint: TokenEndpoint,
    clock: FakeTime,
) -> None:
    await asked(service)
    clock.seconds += after_seconds
    await asked(service)
    assert len(endpoint.answered) == tokens


async def test_the_nonce_is_remembered_and_a_new_one_followed(
    service: ServiceApplication, endpoint: TokenEndpoint, clock: FakeTime
) -> None:
    await asked(service)
    clock.seconds += 3600
    await asked(service)
    assert endpoint.route.call_count == 3
    endpoint.nonce = "nonce-2"
    clock.seconds += 3600
    await asked(service)
    assert endpoint.route.call_count == 5


@pytest.mark.parametrize("ahead_seconds", [-7200.0, -400.0, 400.0, 7200.0])
@pytest.mark.parametrize("requires_dpop", [True, False])
async def test_a_clock_that_differs_from_oktas_is_corrected_by_its_date(
    ahead_seconds: float,
    requires_dpop: bool,
    service: ServiceApplication,
    endpoint: TokenEndpoint,
) -> None:
    endpoint.ahead_seconds, endpoint.requires_dpop = ahead_seconds, requires_dpop
    headers = await asked(service)
    if requires_dpop:
        endpoint.proof_claims(headers["DPoP"], "GET", USERS, access_token="service-token-1")


async def test_a_token_that_okta_no_longer_takes_is_renewed_once_for_all(
    service: ServiceApplication, endpoint: TokenEndpoint, clock: FakeTime
) -> None:
    await asked(service)
    clock.seconds += 60
    for _ in range(5):
        assert await service.refused(401, challenge("invalid_token"), None)
    await asyncio.gather(*(asked(service) for _ in range(5)))
    for _ in range(5):
        assert await service.refused(401, challenge("invalid_token"), None)
    await asked(service)
    assert len(endpoint.answered) == 2


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, httpx.Headers()),
        (403, challenge("insufficient_scope")),
        (400, challenge("invalid_request")),
        (401, challenge("invalid_dpop_proof")),
        (401, challenge("invalid_dpop_proof", Date="yesterday")),
        (401, challenge("invalid_dpop_proof", Date=formatdate(START, usegmt=True))),
    ],
)
async def test_another_refusal_of_the_api_is_not_tried_again(
    status: int, headers: httpx.Headers, service: ServiceApplication
) -> None:
    await asked(service)
    assert not await service.refused(status, headers, None)


async def test_a_nonce_that_the_api_wants_is_in_the_next_proof(
    service: ServiceApplication, endpoint: TokenEndpoint
) -> None:
    await asked(service)
    wanted = challenge("use_dpop_nonce", **{"DPoP-Nonce": "api-nonce"})
    assert await service.refused(401, wanted, None)
    proof = (await asked(service))["DPoP"]
    claims = endpoint.proof_claims(proof, "GET", USERS, access_token="service-token-1")
    assert claims["nonce"] == "api-nonce"


async def test_a_proof_that_the_api_refuses_for_its_time_is_made_by_oktas_clock(
    service: ServiceApplication, endpoint: TokenEndpoint
) -> None:
    await asked(service)
    endpoint.ahead_seconds = 900.0
    late = challenge("invalid_dpop_proof", Date=formatdate(START + 900, usegmt=True))
    assert await service.refused(401, late, None)
    proof = (await asked(service))["DPoP"]
    endpoint.proof_claims(proof, "GET", USERS, access_token="service-token-1")


async def test_nothing_shows_the_token(service: ServiceApplication) -> None:
    await asked(service)
    assert "service-token" not in repr(vars(service))
