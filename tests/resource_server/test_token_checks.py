"""Which access tokens are believed: the same table for both checks, and what only one can meet."""

import asyncio
import contextlib
from typing import Any

import httpx
import jwt
import pytest

from okta_mcp.okta import introspection
from okta_mcp.okta.access_tokens import AccessTokenError, CheckUnavailableError, TokenCheck
from okta_mcp.okta.introspection import REFUSAL_KEPT_SECONDS
from tests.okta.issuer import REMOVED, public_pem
from tests.resource_server.custom_issuer import ANN, ISSUER, ORG, CustomIssuer, access_token, claims
from tests.vocabulary.clock import START

BAD: list[tuple[dict[str, Any], str]] = [
    ({"aud": "api://other"}, "another audience"),
    ({"aud": ["api://other", "api://third"]}, "another audience"),
    ({"aud": "0oanative"}, "another audience"),
    ({"aud": REMOVED}, "lacks a claim"),
    ({"iss": ORG}, "another issuer"),
    ({"iss": f"{ISSUER}x"}, "another issuer"),
    ({"iss": "https://evil.example/oauth2/default"}, "another issuer"),
    ({"iss": REMOVED}, "lacks a claim"),
    ({"exp": START}, "expired"),
    ({"exp": START - 3600}, "expired"),
    ({"exp": REMOVED}, "lacks a claim"),
    ({"exp": "tomorrow"}, "not a time"),
    ({"exp": True}, "not a time"),
    ({"iat": START + 120}, "future"),
    ({"iat": REMOVED}, "lacks a claim"),
    ({"nbf": START + 120}, "future"),
    ({"nbf": "now"}, "not a time"),
    ({"cid": REMOVED}, "cid"),
    ({"cid": ""}, "cid"),
    ({"cid": ["0oanative"]}, "cid"),
    ({"uid": REMOVED}, "no person"),
    ({"uid": REMOVED, "sub": "0oaservice"}, "no person"),
    ({"uid": ""}, "no person"),
    ({"uid": "ann@example.com"}, "no person"),
    ({"uid": "../../00uann1234567890"}, "no person"),
    ({"scp": REMOVED}, "scp"),
]
CHECKS = ["introspection", "jwks"]
HALF_A_MINUTE = 30


async def unasked() -> None:
    """Nothing keeps this server from asking."""


async def refusal(check: TokenCheck, token: str) -> str:
    with pytest.raises(AccessTokenError) as caught:
        await check.access(token, unasked)
    return caught.value.reason


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.parametrize(("changes", "reason"), BAD)
async def test_a_token_with_a_fault_is_refused(
    issuer: CustomIssuer, kind: str, changes: dict[str, Any], reason: str
) -> None:
    assert reason in await refusal(issuer.check(kind), access_token(**changes))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "a.b.c",
        access_token("two"),
        access_token("two", headers={"kid": "one"}),
        access_token(headers={"kid": None}),
        access_token(headers={"alg": "none"}).rpartition(".")[0] + ".",
        access_token(headers={"alg": "HS256"}),
        access_token(headers={"typ": "application/okta-internal-at+jwt"}),
        access_token(headers={"typ": "dpop+jwt"}),
        access_token()[:-4] + "AAAA",
        jwt.encode(claims(), public_pem("one").decode()[:64], "HS256", headers={"kid": "one"}),
    ],
)
async def test_a_token_that_the_server_did_not_sign_so_is_refused(
    issuer: CustomIssuer, token: str
) -> None:
    await refusal(issuer.check("jwks"), token)
    assert "v1/introspection" not in issuer.asked


@pytest.mark.parametrize("body", [{"active": False}, {"active": True, "token_type": "N_A"}])
async def test_what_okta_calls_inactive_is_refused(
    issuer: CustomIssuer, body: dict[str, Any]
) -> None:
    issuer.answer = httpx.Response(200, json=body)
    await refusal(issuer.check("introspection"), access_token())


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=["active"]),
        httpx.Response(200, json={}),
        httpx.Response(200, json=claims() | {"active": "true"}),
        httpx.Response(302, headers={"location": "https://evil.example"}),
        httpx.Response(401, json={"error": "invalid_client"}),
        httpx.Response(429, json={}),
        httpx.Response(503),
    ],
)
async def test_without_an_answer_nobody_can_tell(
    issuer: CustomIssuer, answer: httpx.Response
) -> None:
    issuer.answer = answer
    with pytest.raises(CheckUnavailableError):
        await issuer.check("introspection").access(access_token(), unasked)


@pytest.mark.parametrize("kind", CHECKS)
async def test_while_okta_is_away_nobody_can_tell(issuer: CustomIssuer, kind: str) -> None:
    issuer.is_away = True
    with pytest.raises(CheckUnavailableError):
        await issuer.check(kind).access(access_token(), unasked)


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": ["api://other", "api://default"]},
        {"iat": START + 30, "nbf": START + 30},
        {"exp": START + 1},
    ],
)
async def test_a_good_token_says_who_it_is(
    issuer: CustomIssuer, kind: str, changes: dict[str, Any]
) -> None:
    """The person is `uid`; `sub` is a name to show."""
    access = await issuer.check(kind).access(access_token(**changes), unasked)
    assert (access.user_id, access.login, access.client_id) == (ANN, "ann@example.com", "0oanative")
    assert access.scopes == {"openid", "mcp:access"}
    assert access.groups is None


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.parametrize(
    ("claimed", "groups"),
    [(["staff", "soc"], ("staff", "soc")), ([], ()), ("staff", ()), (["soc", 7], ("soc",))],
)
async def test_groups_are_a_list_of_names_or_none(
    issuer: CustomIssuer, kind: str, claimed: object, groups: tuple[str, ...]
) -> None:
    token = access_token(groups=claimed)
    assert (await issuer.check(kind).access(token, unasked)).groups == groups


async def test_groups_are_read_from_the_token_where_the_answer_has_none(
    issuer: CustomIssuer,
) -> None:
    body = claims(scope="mcp:access", client_id="0oanative", active=True, token_type="Bearer")
    issuer.answer = httpx.Response(200, json=body)
    token = access_token(groups=["staff"])
    assert (await issuer.check("introspection").access(token, unasked)).groups == ("staff",)


async def questions(issuer: CustomIssuer, check: TokenCheck, token: str) -> int:
    before = issuer.asked.count("v1/introspection")
    with contextlib.suppress(AccessTokenError):
        await check.access(token, unasked)
    return issuer.asked.count("v1/introspection") - before


async def test_an_answer_is_kept_for_half_a_minute(issuer: CustomIssuer) -> None:
    check, token = issuer.check("introspection"), access_token()
    assert [await questions(issuer, check, token) for _ in range(2)] == [1, 0]
    issuer.clock.pass_seconds(HALF_A_MINUTE - 1)
    assert await questions(issuer, check, token) == 0
    issuer.clock.pass_seconds(1)
    assert await questions(issuer, check, token) == 1


async def test_an_answer_is_never_kept_past_the_end_of_the_token(issuer: CustomIssuer) -> None:
    check, token = issuer.check("introspection"), access_token(exp=START + 10)
    assert await questions(issuer, check, token) == 1
    issuer.clock.pass_seconds(10)
    assert "expired" in await refusal(check, token)


async def test_a_refusal_is_kept_for_less(issuer: CustomIssuer) -> None:
    check, token = issuer.check("introspection"), access_token(aud="api://other")
    assert [await questions(issuer, check, token) for _ in range(2)] == [1, 0]
    issuer.clock.pass_seconds(REFUSAL_KEPT_SECONDS)
    assert await questions(issuer, check, token) == 1


async def test_a_revocation_counts_within_half_a_minute(issuer: CustomIssuer) -> None:
    check, token = issuer.check("introspection"), access_token()
    assert await questions(issuer, check, token) == 1
    issuer.answer = httpx.Response(200, json={"active": False})
    issuer.clock.pass_seconds(HALF_A_MINUTE)
    assert "revoked" in await refusal(check, token)


async def test_no_more_than_a_number_of_answers_is_kept(
    issuer: CustomIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert introspection.MOST_KEPT <= 10_000
    monkeypatch.setattr(introspection, "MOST_KEPT", 2)
    check = issuer.check("introspection")
    several = [access_token(jti=f"AT.{number}") for number in range(3)]
    assert [await questions(issuer, check, token) for token in several] == [1, 1, 1]
    assert [await questions(issuer, check, token) for token in reversed(several)] == [0, 0, 1]


async def test_equal_questions_at_the_same_time_are_one(issuer: CustomIssuer) -> None:
    """Also when whoever asked first has gone away."""
    issuer.gate = asyncio.Event()
    check, token = issuer.check("introspection"), access_token()
    first, *others = [asyncio.create_task(check.access(token, unasked)) for _ in range(5)]
    await issuer.is_asked.wait()
    first.cancel()
    issuer.gate.set()
    assert {access.user_id for access in await asyncio.gather(*others)} == {ANN}
    assert issuer.asked.count("v1/introspection") == 1


async def test_a_flood_of_tokens_asks_about_few_at_once_and_counts_before_the_next(
    issuer: CustomIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspection, "MOST_ASKED_AT_ONCE", 2)
    issuer.gate = asyncio.Event()
    may_ask = True

    async def while_allowed() -> None:
        if not may_ask:
            raise PermissionError

    check = issuer.check("introspection")
    flood = [
        asyncio.create_task(check.access(access_token(jti=f"AT.{number}"), while_allowed))
        for number in range(9)
    ]
    await issuer.is_asked.wait()
    may_ask = False
    issuer.gate.set()
    ends = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(isinstance(end, PermissionError) for end in ends) == 7
    assert issuer.asked.count("v1/introspection") == 2


async def test_nobody_waits_for_long_behind_a_flood(
    issuer: CustomIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspection, "MOST_ASKED_AT_ONCE", 1)
    monkeypatch.setattr(introspection, "LONGEST_WAIT_SECONDS", 0)
    issuer.gate = asyncio.Event()
    check = issuer.check("introspection")
    first = asyncio.create_task(check.access(access_token(), unasked))
    await issuer.is_asked.wait()
    with pytest.raises(CheckUnavailableError):
        await check.access(access_token(jti="AT.two"), unasked)
    issuer.gate.set()
    assert (await first).user_id == ANN


async def test_okta_is_not_asked_where_it_must_not_be(issuer: CustomIssuer) -> None:
    async def forbidden() -> None:
        raise PermissionError

    with pytest.raises(PermissionError):
        await issuer.check("introspection").access(access_token(), forbidden)
    assert issuer.asked == []


async def test_okta_hears_of_no_token_that_is_checked_by_its_signature(
    issuer: CustomIssuer,
) -> None:
    check = issuer.check("jwks")
    for number in range(3):
        await check.access(access_token(jti=f"AT.{number}"), unasked)
    assert issuer.asked == [".well-known/openid-configuration", "v1/keys"]
