"""Grants: codes and refresh tokens work once, reuse ends everything, a lost answer is repeated."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.grants import Grants
from okta_mcp.oauth_proxy.tokens import ACCESS_TOKEN, CODE, REFRESH_TOKEN
from okta_mcp.oauth_proxy.upstreams import Upstreams
from okta_mcp.okta.oidc import s256
from okta_mcp.rbac.policy import VIEWER
from okta_mcp.stores.interface import Kind, StoreFullError
from okta_mcp.stores.records import CheckedRequest, Client, Records, Session, digest
from tests.oauth_proxy.conftest import (
    OTHER,
    OURS,
    REDIRECT_URI,
    RESOURCE_URL,
    RevokingLogin,
    Trail,
)
from tests.vocabulary.clock import Clock

VERIFIER = "a-code-verifier-of-at-least-43-characters-0000"
SCOPES = ("okta.users.read", "okta.logs.read", "offline_access")
WITHOUT_OFFLINE = ("okta.users.read",)
ANN = "00uann1234567890abcd"
UNKNOWN = "A" * 43

Answer = dict[str, Any]


@dataclass
class Setting:
    """The steps of a client and its person, over grants whose store lets races happen."""

    grants: Grants
    records: Records
    clock: Clock
    trail: Trail

    async def code(
        self,
        scopes: tuple[str, ...] = SCOPES,
        *,
        user_id: str = ANN,
        client: Client = OURS,
        upstream_id: str | None = None,
    ) -> str:
        session = Session("k", user_id, "ann@example.com", "Ann", 0.0, "sealed", upstream_id)
        request = CheckedRequest("id", client.client_id, REDIRECT_URI, scopes, s256(VERIFIER))
        return await self.grants.open(session, client, request, scopes, VIEWER)

    async def redeem(
        self,
        code: str,
        *,
        client: Client = OURS,
        verifier: str = VERIFIER,
        redirect_uri: str | None = REDIRECT_URI,
    ) -> Answer:
        _, answer = await self.grants.redeemed(
            client, code, verifier=verifier, redirect_uri=redirect_uri
        )
        return answer

    async def tokens(self, scopes: tuple[str, ...] = SCOPES, **changes: Any) -> Answer:
        return await self.redeem(await self.code(scopes, **changes))

    async def refresh(
        self, refresh_token: str, *, client: Client = OURS, scopes: tuple[str, ...] | None = None
    ) -> Answer:
        token, grant = await self.grants.refresh_token_grant(client, refresh_token)
        answer, _ = await self.grants.refreshed(
            token, grant, refresh_token, grant.scopes if scopes is None else scopes
        )
        return answer

    async def works(self, answer: Answer) -> bool:
        return await self.grants.by_access_token(answer["access_token"]) is not None

    async def use(self, answer: Answer) -> None:
        assert await self.works(answer)

    async def grant_count(self) -> int:
        return len([key async for key, _ in self.records.grants.scan()])


@pytest.fixture
def setting(grants: Grants, records: Records, clock: Clock, trail: Trail) -> Setting:
    return Setting(grants, records, clock, trail)


async def refused(attempt: Any) -> str:
    """The reason of a 400 `invalid_grant`."""
    with pytest.raises(TokenError) as caught:
        await attempt
    assert (caught.value.status, caught.value.code) == (400, "invalid_grant")
    return caught.value.reason


@pytest.mark.parametrize("code", ["", "x", CODE, f"{CODE}{UNKNOWN}", f"{REFRESH_TOKEN}{UNKNOWN}"])
async def test_an_unknown_code_is_refused(setting: Setting, code: str) -> None:
    assert await refused(setting.redeem(code)) == "code_unknown"


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        ({"client": OTHER}, "code_of_other_client"),
        ({"verifier": VERIFIER + "x"}, "verifier_wrong"),
        ({"verifier": VERIFIER.upper()}, "verifier_wrong"),
        ({"verifier": s256(VERIFIER)}, "verifier_wrong"),
        ({"redirect_uri": REDIRECT_URI + "/"}, "redirect_uri_differs"),
        ({"redirect_uri": "http://127.0.0.1:33419/cb"}, "redirect_uri_differs"),
        ({"redirect_uri": ""}, "redirect_uri_differs"),
    ],
    ids=str,
)
async def test_a_wrong_attempt_is_refused_and_harms_nobody(
    setting: Setting, attempt: dict[str, Any], reason: str
) -> None:
    """K-02, K-05, K-06, K-07: before the redemption and after it."""
    code = await setting.code()
    assert await refused(setting.redeem(code, **attempt)) == reason
    answer = await setting.redeem(code)
    assert await refused(setting.redeem(code, **attempt)) == reason
    assert await setting.works(answer)
    assert await setting.refresh(answer["refresh_token"])


async def test_a_code_expires(setting: Setting) -> None:
    """K-18: and its grant with it."""
    code = await setting.code()
    setting.clock.pass_seconds(60)
    assert await refused(setting.redeem(code)) == "code_unknown"
    assert await setting.grant_count() == 0


async def test_a_code_works_until_its_time_is_over(setting: Setting) -> None:
    code = await setting.code()
    setting.clock.pass_seconds(59.9)
    assert await setting.works(await setting.redeem(code))


@pytest.mark.parametrize("seconds", [0, 61, 3599, 86_399])
async def test_a_code_that_comes_again_ends_the_grant(setting: Setting, seconds: float) -> None:
    """K-02, K-03: as long as the grant lives, also long after the code's own time."""
    code = await setting.code()
    answer = await setting.redeem(code)
    setting.clock.pass_seconds(seconds)
    assert await refused(setting.redeem(code)) == "code_reused"
    assert not await setting.works(answer)
    assert await refused(setting.refresh(answer["refresh_token"])) == "refresh_token_unknown"
    assert setting.trail.names == ["grant.ended", "code.reused"]
    assert await setting.grant_count() == 0


async def test_a_code_that_comes_again_ends_also_what_was_refreshed(setting: Setting) -> None:
    """K-03."""
    code = await setting.code()
    second = await setting.refresh((await setting.redeem(code))["refresh_token"])
    await refused(setting.redeem(code))
    assert not await setting.works(second)
    await refused(setting.refresh(second["refresh_token"]))


async def test_a_code_of_an_ended_grant_is_refused(setting: Setting) -> None:
    code = await setting.code()
    assert await setting.grants.end_all(ANN, "person_revoked") == 1
    assert await refused(setting.redeem(code)) == "grant_ended"


async def test_of_fifty_redemptions_at_once_at_most_one_succeeds_and_the_grant_ends(
    setting: Setting,
) -> None:
    """K-04."""
    code = await setting.code()
    answers = await asyncio.gather(
        *(setting.redeem(code) for _ in range(50)), return_exceptions=True
    )
    won = [answer for answer in answers if isinstance(answer, dict)]
    lost = [answer for answer in answers if isinstance(answer, TokenError)]
    assert len(won) <= 1
    assert len(won) + len(lost) == 50
    assert {error.code for error in lost} == {"invalid_grant"}
    assert await setting.grant_count() == 0
    assert not any([await setting.works(answer) for answer in won])
    assert setting.trail.names.count("grant.ended") == 1


async def test_a_code_becomes_an_answer_in_the_form_of_the_rfc(setting: Setting) -> None:
    """K-01: no ID token, nothing of Okta's."""
    answer = await setting.tokens()
    access_token, refresh_token = answer.pop("access_token"), answer.pop("refresh_token")
    assert access_token.startswith(ACCESS_TOKEN)
    assert refresh_token.startswith(REFRESH_TOKEN)
    assert answer == {"token_type": "Bearer", "expires_in": 3600, "scope": " ".join(SCOPES)}


async def test_without_offline_access_there_is_no_refresh_token(setting: Setting) -> None:
    """T-01."""
    answer = await setting.tokens(WITHOUT_OFFLINE)
    assert "refresh_token" not in answer
    assert answer["scope"] == "okta.users.read"


async def test_redirect_uri_may_be_left_out(setting: Setting) -> None:
    """K-06: as OAuth 2.1 allows."""
    assert await setting.works(await setting.redeem(await setting.code(), redirect_uri=None))


async def test_the_store_holds_no_token_in_the_clear(setting: Setting, records: Records) -> None:
    """K-19, S-03: also not in the refresh answer that is kept for repetition."""
    code = await setting.code()
    first = await setting.redeem(code)
    second = await setting.refresh(first["refresh_token"])
    kept = [
        f"{key} {record!r}"
        for repository in vars(records).values()
        if hasattr(repository, "scan") and repository is not records.store
        async for key, record in repository.scan()
    ]
    assert len(kept) >= 5
    for secret in (
        code,
        first["access_token"],
        first["refresh_token"],
        second["access_token"],
        second["refresh_token"],
    ):
        assert not any(secret in each for each in kept)


@pytest.mark.parametrize(
    "token",
    ["", "x", ACCESS_TOKEN, f"{ACCESS_TOKEN}{UNKNOWN}", f"{REFRESH_TOKEN}{UNKNOWN}", "eyJ.e30."],
)
async def test_a_token_that_is_not_ours_opens_nothing(setting: Setting, token: str) -> None:
    """T-14."""
    await setting.tokens()
    assert await setting.grants.by_access_token(token) is None


async def test_a_token_of_one_type_does_not_serve_as_another(setting: Setting) -> None:
    """T-07."""
    code = await setting.code()
    assert await setting.grants.by_access_token(code) is None
    answer = await setting.redeem(code)
    assert await setting.grants.by_access_token(answer["refresh_token"]) is None
    assert await refused(setting.refresh(answer["access_token"])) == "refresh_token_unknown"
    assert await refused(setting.refresh(code)) == "refresh_token_unknown"
    assert await refused(setting.redeem(answer["refresh_token"])) == "code_unknown"


async def test_an_access_token_expires(setting: Setting) -> None:
    """T-15."""
    answer = await setting.tokens()
    setting.clock.pass_seconds(3599.9)
    assert await setting.works(answer)
    setting.clock.pass_seconds(0.1)
    assert not await setting.works(answer)


async def test_a_grant_without_offline_access_ends_with_its_access_token(
    setting: Setting,
) -> None:
    await setting.tokens(WITHOUT_OFFLINE)
    setting.clock.pass_seconds(3600)
    assert await setting.grant_count() == 0


async def test_nothing_outlives_its_grant(setting: Setting) -> None:
    """T-15: not by refreshing, however late."""
    answer = await setting.tokens()
    for _ in range(23):
        setting.clock.pass_seconds(3600)
        answer = await setting.refresh(answer["refresh_token"])
    setting.clock.pass_seconds(1800)
    answer = await setting.refresh(answer["refresh_token"])
    assert answer["expires_in"] == 1800
    setting.clock.pass_seconds(1800)
    assert not await setting.works(answer)
    assert await refused(setting.refresh(answer["refresh_token"])) == "refresh_token_unknown"
    assert await setting.grant_count() == 0


async def test_an_access_token_stands_for_person_client_and_scopes(setting: Setting) -> None:
    answer = await setting.tokens()
    bearer = await setting.grants.by_access_token(answer["access_token"])
    assert bearer is not None
    assert bearer.scopes == SCOPES
    grant = bearer.grant
    assert (grant.user_id, grant.client_id, grant.resource) == (ANN, OURS.client_id, RESOURCE_URL)


@pytest.mark.parametrize("token", ["", "x", REFRESH_TOKEN, f"{REFRESH_TOKEN}{UNKNOWN}"])
async def test_an_unknown_refresh_token_is_refused(setting: Setting, token: str) -> None:
    assert await refused(setting.refresh(token)) == "refresh_token_unknown"


async def test_another_client_cannot_refresh_and_does_not_burn_the_token(
    setting: Setting,
) -> None:
    """T-04."""
    answer = await setting.tokens()
    token = answer["refresh_token"]
    assert await refused(setting.refresh(token, client=OTHER)) == "refresh_token_of_other_client"
    second = await setting.refresh(token)
    assert await refused(setting.refresh(token, client=OTHER)) == "refresh_token_of_other_client"
    assert await setting.works(second)


async def test_each_refresh_makes_a_new_pair(setting: Setting) -> None:
    """T-02."""
    answers = [await setting.tokens()]
    for _ in range(5):
        await setting.use(answers[-1])
        answers.append(await setting.refresh(answers[-1]["refresh_token"]))
    assert len({answer["refresh_token"] for answer in answers}) == 6
    assert len({answer["access_token"] for answer in answers}) == 6
    assert all([await setting.works(answer) for answer in answers])


@pytest.mark.parametrize("is_used", [False, True], ids=["unused", "used"])
@pytest.mark.parametrize("seconds", [0, 10])
async def test_within_ten_seconds_the_same_answer_comes_again(
    setting: Setting, seconds: float, is_used: bool
) -> None:
    """T-02."""
    token = (await setting.tokens())["refresh_token"]
    answer = await setting.refresh(token)
    if is_used:
        await setting.use(answer)
    setting.clock.pass_seconds(seconds)
    assert await setting.refresh(token) == answer
    assert await setting.refresh(token) == answer
    assert await setting.works(answer)


@pytest.mark.parametrize("seconds", [11, 600])
async def test_an_answer_that_was_lost_comes_again_for_ten_minutes(
    setting: Setting, seconds: float
) -> None:
    """T-02: the use of the pair before it does not count."""
    first = await setting.tokens()
    answer = await setting.refresh(first["refresh_token"])
    setting.clock.pass_seconds(seconds)
    await setting.use(first)
    assert await setting.refresh(first["refresh_token"]) == answer


@pytest.mark.parametrize(
    ("seconds", "is_used"), [(601, False), (3600, False), (11, True), (600, True)]
)
async def test_after_that_an_old_refresh_token_ends_the_grant(
    setting: Setting, seconds: float, is_used: bool
) -> None:
    """T-03."""
    token = (await setting.tokens())["refresh_token"]
    answer = await setting.refresh(token)
    if is_used:
        await setting.use(answer)
    setting.clock.pass_seconds(seconds)
    assert await refused(setting.refresh(token)) == "refresh_token_reused"
    assert not await setting.works(answer)
    assert await refused(setting.refresh(answer["refresh_token"])) == "refresh_token_unknown"
    assert setting.trail.names == ["grant.ended", "refresh_token.reused"]


async def test_a_refresh_token_of_an_older_generation_ends_the_grant_at_once(
    setting: Setting,
) -> None:
    """T-03: its answer cannot have been lost, the next one was used."""
    first = await setting.tokens()
    second = await setting.refresh(first["refresh_token"])
    third = await setting.refresh(second["refresh_token"])
    assert await refused(setting.refresh(first["refresh_token"])) == "refresh_token_reused"
    assert not await setting.works(third)


async def test_the_same_token_with_other_scopes_is_no_repetition(setting: Setting) -> None:
    """T-03: the same answer is for the same parameters only."""
    token = (await setting.tokens())["refresh_token"]
    answer = await setting.refresh(token)
    attempt = setting.refresh(token, scopes=("okta.users.read",))
    assert await refused(attempt) == "refresh_token_reused"
    assert not await setting.works(answer)


async def test_of_fifty_refreshes_at_once_all_get_one_answer(setting: Setting) -> None:
    """T-06: one new pair, and nothing else is left in the store."""
    first = await setting.tokens()
    before = len([key async for key, _ in setting.records.access_tokens.scan()])
    answers = await asyncio.gather(*(setting.refresh(first["refresh_token"]) for _ in range(50)))
    assert len({answer["access_token"] for answer in answers}) == 1
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert await setting.works(answers[0])
    access = [key async for key, _ in setting.records.access_tokens.scan()]
    refresh = [key async for key, _ in setting.records.refresh_tokens.scan()]
    assert (len(access) - before, len(refresh)) == (1, 2)
    assert setting.trail.names == []
    assert await setting.refresh(answers[0]["refresh_token"])


async def test_refreshes_and_calls_at_once_do_not_disturb_each_other(setting: Setting) -> None:
    """T-06: a call marks the pair as used while the next refresh is under way."""
    first = await setting.tokens()
    second = await setting.refresh(first["refresh_token"])
    answers = await asyncio.gather(
        *(setting.refresh(second["refresh_token"]) for _ in range(10)),
        *(setting.works(second) for _ in range(10)),
    )
    refreshed, worked = answers[:10], answers[10:]
    assert len({answer["access_token"] for answer in refreshed}) == 1
    assert all(worked)


async def test_a_refresh_that_meets_the_end_of_its_grant_makes_no_working_token(
    setting: Setting,
) -> None:
    first = await setting.tokens()
    answers = await asyncio.gather(
        *(setting.refresh(first["refresh_token"]) for _ in range(10)),
        setting.grants.end_all(ANN, "person_revoked"),
        return_exceptions=True,
    )
    assert await setting.grant_count() == 0
    kinds = Counter(type(answer) for answer in answers)
    assert set(kinds) <= {dict, TokenError, int}
    assert not any([await setting.works(each) for each in answers if isinstance(each, dict)])


async def test_scopes_may_be_narrowed_for_one_pair_and_come_back_with_the_next(
    setting: Setting,
) -> None:
    """T-05: RFC 6749 section 6 narrows the access token, not the grant."""
    first = await setting.tokens()
    narrow = await setting.refresh(first["refresh_token"], scopes=("okta.users.read",))
    bearer = await setting.grants.by_access_token(narrow["access_token"])
    assert bearer is not None
    assert bearer.scopes == ("okta.users.read",)
    assert narrow["scope"] == "okta.users.read"
    wide = await setting.refresh(narrow["refresh_token"])
    assert wide["scope"] == " ".join(SCOPES)


async def test_another_client_revokes_nothing(setting: Setting) -> None:
    """T-11."""
    answer = await setting.tokens()
    assert await setting.grants.revoke(OTHER.client_id, answer["access_token"]) is None
    assert await setting.grants.revoke(OTHER.client_id, answer["refresh_token"]) is None
    assert await setting.works(answer)
    assert await setting.refresh(answer["refresh_token"])


@pytest.mark.parametrize(
    "token", ["", "x", f"{ACCESS_TOKEN}{UNKNOWN}", f"{REFRESH_TOKEN}{UNKNOWN}"]
)
async def test_revoking_an_unknown_token_is_no_error(setting: Setting, token: str) -> None:
    """T-10."""
    answer = await setting.tokens()
    assert await setting.grants.revoke(OURS.client_id, token) is None
    assert await setting.works(answer)


async def test_revoking_an_access_token_ends_it_alone_and_at_once(setting: Setting) -> None:
    """T-08."""
    first = await setting.tokens()
    second = await setting.refresh(first["refresh_token"])
    assert await setting.grants.revoke(OURS.client_id, first["access_token"]) is not None
    assert not await setting.works(first)
    assert await setting.works(second)
    assert await setting.refresh(second["refresh_token"])


@pytest.mark.parametrize("generation", [0, 1], ids=["an old one", "the current one"])
async def test_revoking_a_refresh_token_ends_everything(setting: Setting, generation: int) -> None:
    """T-09."""
    answers = [await setting.tokens()]
    answers.append(await setting.refresh(answers[0]["refresh_token"]))
    grant = await setting.grants.revoke(OURS.client_id, answers[generation]["refresh_token"])
    assert grant is not None
    assert not any([await setting.works(answer) for answer in answers])
    await refused(setting.refresh(answers[1]["refresh_token"]))
    assert setting.trail.names == ["grant.ended"]


async def test_ending_all_of_a_person_leaves_others(setting: Setting) -> None:
    """B-09."""
    first, second = await setting.tokens(), await setting.tokens(client=OURS)
    others = await setting.tokens(user_id=f"{ANN}x")
    assert await setting.grants.end_all(ANN, "account_inactive") == 2
    assert not await setting.works(first)
    assert not await setting.works(second)
    assert await setting.works(others)
    assert [event["reason"] for event in setting.trail.events] == ["account_inactive"] * 2


async def test_a_grant_that_is_ended_twice_is_recorded_once(setting: Setting) -> None:
    answer = await setting.tokens()
    bearer = await setting.grants.by_access_token(answer["access_token"])
    assert bearer is not None
    await asyncio.gather(*(setting.grants.end(bearer.grant, "revoked_by_client") for _ in range(5)))
    assert setting.trail.names == ["grant.ended"]


@pytest.mark.parametrize("is_away", [False, True], ids=["Okta there", "Okta away"])
async def test_oktas_refresh_token_goes_back_with_the_last_grant_of_its_sign_in(
    setting: Setting, upstreams: Upstreams, okta_login: RevokingLogin, is_away: bool
) -> None:
    """T-09: and is gone here even if Okta does not answer."""
    okta_login.is_away = is_away
    upstream_id = await upstreams.keep("okta-refresh")
    first = await setting.tokens(upstream_id=upstream_id)
    second = await setting.tokens(upstream_id=upstream_id)
    await setting.grants.revoke(OURS.client_id, first["refresh_token"])
    assert await upstreams.read(upstream_id) == "okta-refresh"
    await setting.grants.revoke(OURS.client_id, second["refresh_token"])
    assert await upstreams.read(upstream_id) is None
    assert okta_login.revoked == ([] if is_away else ["okta-refresh"])


async def test_oktas_refresh_token_stays_while_a_session_needs_it(
    setting: Setting, upstreams: Upstreams, okta_login: RevokingLogin
) -> None:
    upstream_id = await upstreams.keep("okta-refresh")
    session = Session(f"{ANN}:s", ANN, "ann@example.com", "Ann", 0.0, "sealed", upstream_id)
    await setting.records.sessions.put(session.key, session, 7200)
    answer = await setting.tokens(upstream_id=upstream_id)
    await setting.grants.revoke(OURS.client_id, answer["refresh_token"])
    assert await upstreams.read(upstream_id) == "okta-refresh"
    assert okta_login.revoked == []


async def test_oktas_refresh_token_is_stored_sealed(upstreams: Upstreams, records: Records) -> None:
    """S-03."""
    upstream_id = await upstreams.keep("okta-refresh")
    kept = await records.upstreams.get(upstream_id)
    assert "okta-refresh" not in repr(kept)
    await upstreams.replace(upstream_id, "okta-refresh", "okta-refresh-2")
    assert await upstreams.read(upstream_id) == "okta-refresh-2"


async def test_the_trail_names_grant_person_and_client_and_no_token(setting: Setting) -> None:
    """S-01, S-02."""
    answer = await setting.tokens()
    await setting.grants.revoke(OURS.client_id, answer["refresh_token"])
    (event,) = setting.trail.events
    assert (event["user_id"], event["client_id"]) == (ANN, OURS.client_id)
    assert event["reason"] == "revoked_by_client"
    text = str(setting.trail.events)
    assert answer["refresh_token"] not in text
    assert digest(answer["refresh_token"]) not in text


@pytest.mark.parametrize("kind", ["access_tokens", "refresh_tokens"])
async def test_a_full_store_uses_no_code_up_and_keeps_no_half_of_a_pair(
    setting: Setting, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K-02: the client was told to try again, and that is no reuse."""
    code = await setting.code()
    repository = getattr(setting.records, kind)

    async def full(*_: object, **__: object) -> bool:
        raise StoreFullError(Kind(kind, 0))

    with monkeypatch.context() as patched:
        patched.setattr(repository, "put", full)
        with pytest.raises(StoreFullError):
            await setting.redeem(code)
    assert [key async for key, _ in setting.records.access_tokens.scan()] == []
    assert await setting.works(await setting.redeem(code))


async def test_a_token_for_another_server_opens_nothing_here(setting: Setting) -> None:
    """T-12: a store may be shared by servers with different public URLs."""
    answer = await setting.tokens()
    ((key, grant),) = [entry async for entry in setting.records.grants.scan()]
    await setting.records.grants.put(
        key, replace(grant, resource="https://other.example/mcp"), 3600
    )
    assert not await setting.works(answer)
    assert await refused(setting.refresh(answer["refresh_token"])) == "refresh_token_unknown"
