"""Who a person is to Okta: one source, and never an empty answer where there was none."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import httpx
import pytest
import respx

from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.authorization_server import LoginRefusedError
from okta_mcp.okta.directory import (
    ClaimsDirectory,
    DirectoryUnavailableError,
    Group,
    ManagementDirectory,
    Membership,
    PersonInactiveError,
    SignInAgainError,
)
from okta_mcp.okta.oidc import UpstreamTokens
from okta_mcp.okta.sign_ins import SignIns
from tests.okta.conftest import ORG, FakeTime
from tests.okta.issuer import (
    ACCESS_TOKEN,
    REMOVED,
    SUBJECT,
    id_token,
    login_at,
    serve,
    token_answer,
)

USER = f"/api/v1/users/{SUBJECT}"
GROUPS = f"{USER}/groups"
TOKEN = "/oauth2/v1/token"
USERINFO = "/oauth2/v1/userinfo"
NOT_FOUND = {"errorCode": "E0000007", "errorSummary": "Not found"}


def tokens(**claims: Any) -> UpstreamTokens:
    return UpstreamTokens({"sub": SUBJECT} | claims, "id", ACCESS_TOKEN, None)


def group(name: str, kind: str = "OKTA_GROUP") -> dict[str, Any]:
    return {"id": f"00g{name}", "type": kind, "profile": {"name": name}}


@pytest.fixture
def management(api: OktaApi) -> ManagementDirectory:
    return ManagementDirectory(api)


@pytest.mark.parametrize("status", ["SUSPENDED", "DEPROVISIONED", "STAGED", "PROVISIONED"])
async def test_an_account_that_may_not_act_is_inactive(
    status: str, management: ManagementDirectory, okta: respx.MockRouter
) -> None:
    """B-09: groups are not even asked for."""
    okta.get(USER).respond(json={"id": SUBJECT, "status": status})
    with pytest.raises(PersonInactiveError):
        await management.now(SUBJECT, None)
    with pytest.raises(PersonInactiveError):
        await management.at_sign_in(SUBJECT, tokens(groups=["owners"]))


@pytest.mark.parametrize("path", [USER, GROUPS])
async def test_a_person_who_is_gone_is_inactive(
    path: str, management: ManagementDirectory, okta: respx.MockRouter
) -> None:
    """B-09."""
    okta.get(USER).respond(json={"id": SUBJECT, "status": "ACTIVE"})
    okta.get(path).respond(404, json=NOT_FOUND)
    with pytest.raises(PersonInactiveError):
        await management.now(SUBJECT, None)


FAILURES: dict[str, Any] = {
    "500": httpx.Response(500),
    "503": httpx.Response(503),
    "401": httpx.Response(401, json={"errorCode": "E0000011"}),
    "403": httpx.Response(403, json={"errorCode": "E0000006"}),
    "redirect": httpx.Response(302, headers={"Location": "https://evil.example/"}),
    "no JSON": httpx.Response(200, text="<html>a captive portal</html>"),
    "away": httpx.ConnectError("no route"),
    "hangs": httpx.ReadTimeout("slow"),
}


@pytest.mark.parametrize("path", [USER, GROUPS])
@pytest.mark.parametrize("case", FAILURES)
async def test_okta_that_does_not_say_is_unavailable(
    case: str, path: str, management: ManagementDirectory, okta: respx.MockRouter
) -> None:
    """B-10: an outage neither ends nor empties anything."""
    okta.get(USER).respond(json={"id": SUBJECT, "status": "ACTIVE"})
    okta.get(GROUPS).respond(json=[group("owners")])
    answer = FAILURES[case]
    if isinstance(answer, httpx.Response):
        okta.get(path).mock(return_value=answer)
    else:
        okta.get(path).mock(side_effect=answer)
    with pytest.raises(DirectoryUnavailableError):
        await management.now(SUBJECT, None)


@pytest.mark.parametrize("body", [[], "x", 7, True])
async def test_a_user_in_a_form_that_is_not_oktas_is_unavailable_and_not_inactive(
    body: Any, management: ManagementDirectory, okta: respx.MockRouter
) -> None:
    """B-10: a proxy in between must not end everybody's grants."""
    okta.get(USER).respond(json=body)
    with pytest.raises(DirectoryUnavailableError):
        await management.now(SUBJECT, None)


@pytest.mark.parametrize(
    "body",
    [
        [7],
        [{}],
        [{"profile": None}],
        [{"id": "00g", "profile": []}],
        [{"id": "00g", "profile": {"name": "owners"}}],
        [{"id": "00g", "type": None, "profile": {"name": "owners"}}],
        [{"id": "00g", "type": {}, "profile": {"name": "owners"}}],
        [{"id": ["00g"], "type": "OKTA_GROUP", "profile": {"name": "owners"}}],
        [{"id": "00g", "type": "OKTA_GROUP", "profile": {"name": None}}],
    ],
)
async def test_a_group_in_a_form_that_is_not_oktas_is_unavailable(
    body: Any, management: ManagementDirectory, okta: respx.MockRouter
) -> None:
    okta.get(USER).respond(json={"id": SUBJECT, "status": "ACTIVE"})
    okta.get(GROUPS).respond(json=body)
    with pytest.raises(DirectoryUnavailableError):
        await management.now(SUBJECT, None)


@pytest.mark.parametrize("user_id", ["..", ".", "", "a/b", "../groups", "x?y=1", "00u\n", "ü"])
async def test_a_subject_that_is_no_okta_id_never_becomes_a_path(
    user_id: str, management: ManagementDirectory, okta: respx.MockRouter
) -> None:
    """I-01: an error that the callers know, and nothing sent."""
    route = okta.get(url__regex=".*").respond(json={"id": "x", "status": "ACTIVE"})
    with pytest.raises((DirectoryUnavailableError, PersonInactiveError)):
        await management.now(user_id, None)
    assert not route.called


@pytest.mark.parametrize("status", ["ACTIVE", "LOCKED_OUT", "PASSWORD_EXPIRED", "RECOVERY"])
async def test_an_account_that_cannot_sign_in_anew_keeps_what_runs(
    status: str, management: ManagementDirectory, okta: respx.MockRouter
) -> None:
    """okta-facts 1.7: who guesses passwords must not cut off the person."""
    okta.get(USER).respond(json={"id": SUBJECT, "status": status})
    okta.get(GROUPS).respond(json=[group("staff"), group("app", "APP_GROUP")])
    assert await management.now(SUBJECT, None) == Membership(
        (Group("staff", "00gstaff", "OKTA_GROUP"), Group("app", "00gapp", "APP_GROUP")),
        "management_api",
    )


async def test_groups_are_read_to_the_last_page(
    management: ManagementDirectory, okta: respx.MockRouter
) -> None:
    okta.get(USER).respond(json={"id": SUBJECT, "status": "ACTIVE"})
    okta.get(GROUPS, params={"after": "2"}).respond(json=[group("owners")])
    okta.get(GROUPS, params={}).respond(
        json=[group("staff")], headers={"Link": f'<{ORG}{GROUPS}?after=2>; rel="next"'}
    )
    membership = await management.now(SUBJECT, None)
    assert [each.name for each in membership.groups] == ["staff", "owners"]


async def test_a_person_without_groups_has_none(
    management: ManagementDirectory, okta: respx.MockRouter
) -> None:
    okta.get(USER).respond(json={"id": SUBJECT, "status": "ACTIVE"})
    okta.get(GROUPS).respond(json=[])
    assert await management.now(SUBJECT, None) == Membership((), "management_api")


async def test_the_management_api_alone_counts_where_it_is_configured(
    management: ManagementDirectory, okta: respx.MockRouter
) -> None:
    """okta-facts 1.7: sources are never united."""
    okta.get(USER).respond(json={"id": SUBJECT, "status": "ACTIVE"})
    okta.get(GROUPS).respond(json=[group("staff")])
    membership = await management.at_sign_in(SUBJECT, tokens(groups=["owners"]))
    assert [each.name for each in membership.groups] == ["staff"]


class Kept:
    """The refresh tokens that are kept of sign-ins."""

    def __init__(self) -> None:
        self.tokens = {"sign-in": "okta-refresh-1"}

    async def read(self, upstream_id: str) -> str | None:
        return self.tokens.get(upstream_id)

    def in_turn(self, upstream_id: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def replace(self, upstream_id: str, old: str, new: str) -> None:
        assert self.tokens[upstream_id] == old
        self.tokens[upstream_id] = new


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
async def claimed(
    kept: Kept, clock: FakeTime, okta: respx.MockRouter
) -> AsyncIterator[ClaimsDirectory]:
    serve(okta)
    async with httpx.AsyncClient(verify=False) as http:
        login = login_at(http, clock)
        yield ClaimsDirectory(login, SignIns(login, kept, clock.now).refreshed)


@pytest.mark.parametrize(
    "groups", [None, "owners", {"owners": True}, 7, True, [], [None], [7, ["owners"]]], ids=repr
)
async def test_a_groups_claim_that_is_no_list_of_names_is_no_group(
    groups: Any, claimed: ClaimsDirectory, okta: respx.MockRouter
) -> None:
    """U-27: and userinfo is not asked for a second opinion."""
    membership = await claimed.at_sign_in(SUBJECT, tokens(groups=groups))
    assert membership == Membership((), "id_token")
    assert not okta.calls


@pytest.mark.parametrize("body", [{}, {"groups": None}, {"groups": "owners"}], ids=str)
async def test_groups_absent_from_both_sources_are_no_group_and_no_error(
    body: dict[str, Any], claimed: ClaimsDirectory, okta: respx.MockRouter
) -> None:
    """U-27, B-06."""
    okta.get(USERINFO).respond(json={"sub": SUBJECT} | body)
    assert await claimed.at_sign_in(SUBJECT, tokens()) == Membership((), "userinfo")


async def test_userinfo_of_another_person_is_refused_at_sign_in(
    claimed: ClaimsDirectory, okta: respx.MockRouter
) -> None:
    """U-20."""
    okta.get(USERINFO).respond(json={"sub": "00uother", "groups": ["owners"]})
    with pytest.raises(LoginRefusedError):
        await claimed.at_sign_in(SUBJECT, tokens())


@pytest.mark.parametrize("case", FAILURES)
async def test_userinfo_that_does_not_answer_is_unavailable(
    case: str, claimed: ClaimsDirectory, okta: respx.MockRouter
) -> None:
    answer = FAILURES[case]
    if isinstance(answer, httpx.Response):
        okta.get(USERINFO).mock(return_value=answer)
    else:
        okta.get(USERINFO).mock(side_effect=answer)
    with pytest.raises(DirectoryUnavailableError):
        await claimed.at_sign_in(SUBJECT, tokens())


async def test_the_claim_of_the_id_token_counts_before_userinfo(
    claimed: ClaimsDirectory, okta: respx.MockRouter
) -> None:
    membership = await claimed.at_sign_in(SUBJECT, tokens(groups=["staff", "soc"]))
    assert membership == Membership((Group("staff"), Group("soc")), "id_token")
    assert not okta.calls


async def test_a_thin_id_token_sends_to_userinfo(
    claimed: ClaimsDirectory, okta: respx.MockRouter
) -> None:
    route = okta.get(USERINFO).respond(json={"sub": SUBJECT, "groups": ["staff"]})
    membership = await claimed.at_sign_in(SUBJECT, tokens())
    assert membership == Membership((Group("staff"),), "userinfo")
    assert route.calls.last.request.headers["authorization"] == f"Bearer {ACCESS_TOKEN}"


@pytest.mark.parametrize("upstream_id", [None, "unknown"])
async def test_without_a_kept_sign_in_the_person_signs_in_again(
    upstream_id: str | None, claimed: ClaimsDirectory, okta: respx.MockRouter
) -> None:
    with pytest.raises(SignInAgainError):
        await claimed.now(SUBJECT, upstream_id)
    assert not okta.calls


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": "invalid_grant"}, SignInAgainError),
        (400, {"error": "invalid_request"}, SignInAgainError),
        (401, {"error": "invalid_client"}, DirectoryUnavailableError),
        (429, {"error": "slow_down"}, DirectoryUnavailableError),
        (500, {"error": "server_error"}, DirectoryUnavailableError),
        (503, {}, DirectoryUnavailableError),
    ],
)
async def test_a_refused_refresh_ends_the_sign_in_and_an_outage_does_not(
    status: int,
    body: dict[str, str],
    error: type[Exception],
    claimed: ClaimsDirectory,
    kept: Kept,
    okta: respx.MockRouter,
) -> None:
    """B-09, B-10."""
    okta.post(TOKEN).respond(status, json=body)
    with pytest.raises(error):
        await claimed.now(SUBJECT, "sign-in")
    assert kept.tokens == {"sign-in": "okta-refresh-1"}


async def test_a_refresh_that_answers_for_another_person_ends_the_sign_in(
    claimed: ClaimsDirectory, kept: Kept, okta: respx.MockRouter
) -> None:
    okta.post(TOKEN).mock(
        return_value=token_answer(id_token=id_token(sub="00uother", groups=["owners"]))
    )
    with pytest.raises(SignInAgainError):
        await claimed.now(SUBJECT, "sign-in")
    assert kept.tokens == {"sign-in": "okta-refresh-1"}


async def test_userinfo_of_another_person_between_sign_ins_is_an_error_that_callers_know(
    claimed: ClaimsDirectory, okta: respx.MockRouter
) -> None:
    """U-20: `LiveRoles.current` and the token endpoint catch these two."""
    okta.post(TOKEN).mock(return_value=token_answer())
    okta.get(USERINFO).respond(json={"sub": "00uother", "groups": ["owners"]})
    with pytest.raises((SignInAgainError, DirectoryUnavailableError)):
        await claimed.now(SUBJECT, "sign-in")


async def test_the_rotated_refresh_token_is_kept(
    claimed: ClaimsDirectory, kept: Kept, okta: respx.MockRouter
) -> None:
    okta.post(TOKEN).mock(
        return_value=token_answer(id_token=id_token(nonce=REMOVED, groups=["staff"]))
    )
    membership = await claimed.now(SUBJECT, "sign-in")
    assert membership == Membership((Group("staff"),), "id_token")
    assert kept.tokens == {"sign-in": "okta-refresh-2"}


async def test_the_rotated_refresh_token_is_kept_even_if_userinfo_fails(
    claimed: ClaimsDirectory, kept: Kept, okta: respx.MockRouter
) -> None:
    okta.post(TOKEN).mock(return_value=token_answer())
    okta.get(USERINFO).respond(500)
    with pytest.raises(DirectoryUnavailableError):
        await claimed.now(SUBJECT, "sign-in")
    assert kept.tokens == {"sign-in": "okta-refresh-2"}


async def test_without_rotation_the_old_refresh_token_stays(
    claimed: ClaimsDirectory, kept: Kept, okta: respx.MockRouter
) -> None:
    okta.post(TOKEN).mock(
        return_value=token_answer(id_token=id_token(groups=[]), refresh_token=REMOVED)
    )
    assert (await claimed.now(SUBJECT, "sign-in")).groups == ()
    assert kept.tokens == {"sign-in": "okta-refresh-1"}
