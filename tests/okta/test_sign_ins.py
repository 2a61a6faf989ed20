"""People's own tokens: one refresh at a time, stored before it is used, and never one too many."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import httpx
import pytest
import respx

from okta_mcp.okta.authorization_server import LoginRefusedError, LoginUnavailableError
from okta_mcp.okta.credentials import Caller
from okta_mcp.okta.delegated import PersonalTokens
from okta_mcp.okta.directory import SignInAgainError
from okta_mcp.okta.errors import OktaError
from okta_mcp.okta.oidc import UpstreamTokens
from okta_mcp.okta.sign_ins import SignIns
from tests.okta.conftest import START, FakeTime
from tests.okta.issuer import REMOVED, SUBJECT, id_token, jwks, login_at, serve

USERS = "https://acme.okta.example/api/v1/users"
ANN = Caller(SUBJECT, "sign-in")


class Kept:
    """The store of refresh tokens, which another process may write to as well."""

    def __init__(self) -> None:
        self.tokens = {"sign-in": "refresh-1"}

    async def read(self, upstream_id: str) -> str | None:
        await asyncio.sleep(0)
        return self.tokens.get(upstream_id)

    def in_turn(self, upstream_id: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def replace(self, upstream_id: str, old: str, new: str) -> None:
        await asyncio.sleep(0)
        if self.tokens.get(upstream_id) == old:
            self.tokens[upstream_id] = new


class Rotating:
    """Okta with ROTATE and no leeway: the newest refresh token works, all others do not."""

    def __init__(self, okta: respx.MockRouter) -> None:
        serve(okta)
        self.newest = 1
        self.answers = 0
        self.rotates = True
        self.rotated = asyncio.Event()
        self.at_once = 0
        self.most_at_once = 0
        self.subject = SUBJECT
        self.route = okta.post("/oauth2/v1/token").mock(side_effect=self._answer)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if f"refresh_token=refresh-{self.newest}" not in request.content.decode().split("&"):
            return httpx.Response(400, json={"error": "invalid_grant"})
        self.newest += self.rotates
        self.answers += 1
        self.rotated.set()
        body: dict[str, Any] = {
            "access_token": f"access-{self.answers}",
            "id_token": id_token(nonce=REMOVED, at_hash=REMOVED, sub=self.subject),
            "expires_in": 3600,
        }
        return httpx.Response(200, json=body | {"refresh_token": f"refresh-{self.newest}"})


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def rotating(okta: respx.MockRouter) -> Rotating:
    return Rotating(okta)


@pytest.fixture
async def sign_ins(kept: Kept, clock: FakeTime, rotating: Rotating) -> AsyncIterator[SignIns]:
    async with httpx.AsyncClient(verify=False) as http:
        yield SignIns(login_at(http, clock), kept, clock.now)


@pytest.fixture
def personal(sign_ins: SignIns) -> PersonalTokens:
    return PersonalTokens(sign_ins)


async def test_a_sign_in_that_is_gone_is_begun_anew(sign_ins: SignIns, rotating: Rotating) -> None:
    with pytest.raises(SignInAgainError):
        await sign_ins.access_token(SUBJECT, "another")
    assert not rotating.route.called


async def test_a_refresh_token_that_okta_refuses_ends_the_sign_in(
    sign_ins: SignIns, rotating: Rotating
) -> None:
    rotating.newest = 7
    with pytest.raises(SignInAgainError):
        await sign_ins.refreshed(SUBJECT, "sign-in")


async def test_tokens_of_another_person_are_never_used(
    sign_ins: SignIns, rotating: Rotating, kept: Kept
) -> None:
    rotating.subject = "00uother"
    with pytest.raises(SignInAgainError):
        await sign_ins.access_token(SUBJECT, "sign-in")
    assert kept.tokens == {"sign-in": "refresh-1"}


@pytest.mark.parametrize(
    ("status", "error", "raised"),
    [
        (401, "invalid_client", LoginRefusedError),
        (503, "", LoginUnavailableError),
    ],
)
async def test_a_fault_that_is_not_the_persons_does_not_end_the_sign_in(
    status: int, error: str, raised: type[Exception], sign_ins: SignIns, rotating: Rotating
) -> None:
    rotating.route.mock(return_value=httpx.Response(status, json={"error": error}))
    with pytest.raises(raised):
        await sign_ins.refreshed(SUBJECT, "sign-in")


@pytest.mark.parametrize("seconds", [0, 1, 6], ids=["at once", "not asked again", "asked again"])
async def test_without_okta_s_keys_the_sign_in_goes_on_and_its_refresh_token_is_not_used(
    seconds: int, sign_ins: SignIns, rotating: Rotating, okta: respx.MockRouter, clock: FakeTime
) -> None:
    okta.routes["keys"].respond(503)
    with pytest.raises(LoginUnavailableError):
        await sign_ins.refreshed(SUBJECT, "sign-in")
    clock.seconds += seconds
    with pytest.raises(LoginUnavailableError):
        await sign_ins.refreshed(SUBJECT, "sign-in")
    assert not rotating.route.called


async def test_an_id_token_of_a_key_that_okta_does_not_publish_ends_the_sign_in(
    sign_ins: SignIns, rotating: Rotating, okta: respx.MockRouter
) -> None:
    okta.routes["keys"].respond(json=jwks("two"))
    with pytest.raises(SignInAgainError):
        await sign_ins.refreshed(SUBJECT, "sign-in")


async def test_one_refresh_is_in_flight_and_serves_all_calls(
    sign_ins: SignIns, rotating: Rotating
) -> None:
    tokens = await asyncio.gather(*(sign_ins.access_token(SUBJECT, "sign-in") for _ in range(20)))
    assert set(tokens) == {"access-1"}
    assert rotating.route.call_count == 1


async def test_questions_about_roles_and_calls_do_not_refresh_at_the_same_time(
    sign_ins: SignIns, rotating: Rotating, kept: Kept
) -> None:
    """1.5: two refreshes with one token look like theft to Okta."""
    await asyncio.gather(
        *(sign_ins.refreshed(SUBJECT, "sign-in") for _ in range(5)),
        *(sign_ins.access_token(SUBJECT, "sign-in") for _ in range(5)),
    )
    assert rotating.most_at_once == 1
    assert kept.tokens["sign-in"] == f"refresh-{rotating.newest}"


async def test_a_new_refresh_token_is_stored_even_if_the_caller_goes_away(
    sign_ins: SignIns, rotating: Rotating, kept: Kept
) -> None:
    call = asyncio.create_task(sign_ins.access_token(SUBJECT, "sign-in"))
    await rotating.rotated.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await sign_ins.access_token(SUBJECT, "sign-in") == "access-1"
    assert kept.tokens == {"sign-in": "refresh-2"}


async def test_what_another_process_has_refreshed_is_used(
    sign_ins: SignIns, rotating: Rotating, kept: Kept
) -> None:
    """The token that this process read was just replaced; the newer one counts and stays."""
    rotating.newest = 2
    read = kept.read

    async def read_before_the_other_wrote(upstream_id: str) -> str | None:
        token = await read(upstream_id)
        kept.tokens["sign-in"] = "refresh-2"
        return token

    kept.read = read_before_the_other_wrote  # type: ignore[method-assign]
    assert await sign_ins.access_token(SUBJECT, "sign-in") == "access-1"
    assert kept.tokens == {"sign-in": "refresh-3"}


async def test_a_refresh_token_that_stays_is_not_written_again(
    sign_ins: SignIns, rotating: Rotating, kept: Kept
) -> None:
    rotating.rotates = False
    await sign_ins.refreshed(SUBJECT, "sign-in")
    assert kept.tokens == {"sign-in": "refresh-1"}


@pytest.mark.parametrize(("after_seconds", "asked"), [(3539, 1), (3541, 2)])
async def test_an_access_token_is_used_until_a_minute_before_its_end(
    after_seconds: int, asked: int, sign_ins: SignIns, rotating: Rotating, clock: FakeTime
) -> None:
    await sign_ins.access_token(SUBJECT, "sign-in")
    clock.seconds += after_seconds
    rotating.route.mock(
        return_value=httpx.Response(
            200,
            json={
                "access_token": "next",
                "id_token": id_token(
                    nonce=REMOVED, at_hash=REMOVED, iat=clock.seconds, exp=clock.seconds + 3600
                ),
            },
        )
    )
    await sign_ins.access_token(SUBJECT, "sign-in")
    assert rotating.route.call_count == asked


async def test_the_access_token_of_the_sign_in_itself_is_used(
    sign_ins: SignIns, rotating: Rotating
) -> None:
    signed_in = UpstreamTokens({"sub": SUBJECT}, "id", "first", "refresh-1", START + 3600)
    sign_ins.learned("sign-in", signed_in)
    assert await sign_ins.access_token(SUBJECT, "sign-in") == "first"
    assert not rotating.route.called


# --- as credentials of the API ---


@pytest.mark.parametrize("caller", [None, Caller(SUBJECT), Caller(SUBJECT, "another")], ids=str)
async def test_nobody_is_asked_for_without_a_sign_in(
    caller: Caller | None, personal: PersonalTokens
) -> None:
    with pytest.raises(OktaError) as caught:
        await personal.headers("GET", USERS, caller)
    assert caught.value.code == "okta_unauthorized"
    assert "sign in" in caught.value.details["fix"]


async def test_okta_away_is_no_reason_to_sign_in_again(
    personal: PersonalTokens, rotating: Rotating
) -> None:
    rotating.route.mock(side_effect=httpx.ConnectError("gone"))
    with pytest.raises(OktaError) as caught:
        await personal.headers("GET", USERS, ANN)
    assert caught.value.code == "okta_unavailable"


async def test_the_api_is_asked_with_the_persons_own_token(personal: PersonalTokens) -> None:
    assert await personal.headers("GET", USERS, ANN) == {"Authorization": "Bearer access-1"}


async def test_a_token_that_okta_no_longer_takes_is_renewed_once_for_all(
    personal: PersonalTokens, rotating: Rotating, clock: FakeTime
) -> None:
    refused = httpx.Headers({"WWW-Authenticate": 'Bearer error="invalid_token"'})
    await personal.headers("GET", USERS, ANN)
    clock.seconds += 60
    for _ in range(3):
        assert await personal.refused(401, refused, ANN)
    await personal.headers("GET", USERS, ANN)
    for _ in range(3):
        assert await personal.refused(401, refused, ANN)
    assert (await personal.headers("GET", USERS, ANN))["Authorization"] == "Bearer access-2"
    assert rotating.route.call_count == 2


@pytest.mark.parametrize(
    ("status", "line"),
    [(401, ""), (403, 'Bearer error="insufficient_scope"'), (400, 'Bearer error="invalid_token"')],
)
async def test_another_refusal_is_not_tried_again(
    status: int, line: str, personal: PersonalTokens
) -> None:
    assert not await personal.refused(status, httpx.Headers({"WWW-Authenticate": line}), ANN)


async def test_nothing_shows_a_token(sign_ins: SignIns) -> None:
    await sign_ins.access_token(SUBJECT, "sign-in")
    assert "access-1" not in repr(vars(sign_ins))
