"""Who may read what at the Management API: each credential by its scopes and its role."""

from typing import Any

import httpx
import pytest

from okta_mcp.sandbox.access import API_SCOPES
from okta_mcp.sandbox.state import SandboxState
from tests.sandbox.identity import Person, claims_of
from tests.sandbox.organisation import ORG, TOKEN
from tests.sandbox.service import asked, bound_token, called

SSWS = {"Authorization": f"SSWS {TOKEN}"}
# One path for each scope.
PATHS = {
    "okta.users.read": "/api/v1/users",
    "okta.groups.read": "/api/v1/groups",
    "okta.apps.read": "/api/v1/apps",
    "okta.logs.read": "/api/v1/logs",
    "okta.policies.read": "/api/v1/policies?type=PASSWORD",
    "okta.networkZones.read": "/api/v1/zones",
    "okta.devices.read": "/api/v1/devices",
    "okta.roles.read": "/api/v1/iam/assignees/users",
    "okta.apiTokens.read": "/api/v1/api-tokens",
}
FOR_SUPER_ADMINS = ("okta.roles.read", "okta.apiTokens.read")
FOR_A_CUSTOM_ROLE = ("okta.users.read", "okta.groups.read", "okta.apps.read", "okta.logs.read")
ROLES = {
    "none": (),
    "CUSTOM": FOR_A_CUSTOM_ROLE,
    "READ_ONLY_ADMIN": tuple(scope for scope in API_SCOPES if scope not in FOR_SUPER_ADMINS),
    "SUPER_ADMIN": API_SCOPES,
}


async def readable(http: httpx.AsyncClient, headers: dict[str, str]) -> set[str]:
    """The scopes whose path answers; every other answers that the permission is missing."""
    seen = set()
    for scope, path in PATHS.items():
        answer = await http.get(path, headers=headers)
        if answer.status_code == 200:
            seen.add(scope)
        else:
            assert (answer.status_code, answer.json()["errorCode"]) == (403, "E0000006")
    return seen


@pytest.fixture
def bearer(state: SandboxState) -> SandboxState:
    """The service application's tokens are bound to nothing."""
    state.settings["service_dpop"] = "off"
    return state


async def bearer_headers(person: Person, *scopes: str) -> dict[str, str]:
    token = (await asked(person, " ".join(scopes or API_SCOPES))).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def test_every_scope_has_its_path_here() -> None:
    assert set(PATHS) == set(API_SCOPES)


@pytest.mark.parametrize("role", ROLES)
async def test_an_api_token_reads_what_its_owners_role_allows(
    person: Person, state: SandboxState, role: str
) -> None:
    state.settings["api_token_role"] = role
    assert await readable(person, SSWS) == set(ROLES[role])


@pytest.mark.parametrize("how", ["switch", "owner"])
async def test_an_api_token_ends(person: Person, state: SandboxState, how: str) -> None:
    if how == "switch":
        state.settings["api_token_active"] = False
    else:
        state.organisation.set_status(
            state.organisation.person("nora.super")["id"], "DEPROVISIONED"
        )
    answer = await person.get("/api/v1/users", headers=SSWS)
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "E0000011")
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("role", ROLES)
async def test_the_service_application_reads_what_its_role_allows(
    person: Person, bearer: SandboxState, role: str
) -> None:
    headers = await bearer_headers(person)
    bearer.settings["service_role"] = role
    assert await readable(person, headers) == set(ROLES[role])


async def test_the_service_application_reads_nothing_beyond_its_scopes(
    person: Person, bearer: SandboxState
) -> None:
    headers = await bearer_headers(person, "okta.groups.read", "okta.roles.read")
    assert await readable(person, headers) == {"okta.groups.read", "okta.roles.read"}


@pytest.mark.parametrize("scheme", ["Bearer", "DPoP"])
async def test_a_missing_scope_is_named_in_a_challenge(
    person: Person, state: SandboxState, scheme: str
) -> None:
    if scheme == "Bearer":
        state.settings["service_dpop"] = "off"
        headers = await bearer_headers(person, "okta.groups.read")
        answer = await person.get("/api/v1/users", headers=headers)
    else:
        answer = await called(person, await bound_token(person, "okta.groups.read"))
    assert (answer.status_code, answer.json()["errorCode"]) == (403, "E0000006")
    said = answer.headers["WWW-Authenticate"]
    assert said.startswith(f"{scheme} ")
    assert 'scope="okta.users.read", error="insufficient_scope"' in said


async def test_a_missing_role_is_no_matter_of_scopes(person: Person, bearer: SandboxState) -> None:
    bearer.settings["service_role"] = "none"
    answer = await person.get("/api/v1/users", headers=await bearer_headers(person))
    assert answer.status_code == 403
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("token", ["", "unknown", "é"])
@pytest.mark.parametrize("scheme", ["Bearer", "DPoP"])
async def test_an_unknown_access_token_is_refused_with_a_challenge(
    person: Person, scheme: str, token: str
) -> None:
    headers = {"Authorization": f"{scheme} {token}".encode("latin-1")}
    answer = await person.get("/api/v1/users/é%22", headers=headers)
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "E0000011")
    said = answer.headers["WWW-Authenticate"]
    assert said.startswith(f"{scheme} ")
    assert 'error="invalid_token"' in said
    assert said.endswith('resource="/api/v1/users/%C3%A9%22"')


@pytest.mark.parametrize(
    ("login", "role"),
    [
        ("cole.contractor", "none"),
        ("hana.help", "READ_ONLY_ADMIN"),
        ("sami.soc", "READ_ONLY_ADMIN"),
        ("nora.super", "SUPER_ADMIN"),
    ],
)
async def test_a_persons_token_reads_what_that_persons_role_allows(
    person: Person, login: str, role: str
) -> None:
    tokens = await person.signed_in(login, scope=" ".join(("openid", *API_SCOPES)))
    # Silent downscoping: the answer names scopes that the role does not carry.
    assert set(API_SCOPES) < set(tokens["scope"].split())
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert await readable(person, headers) == set(ROLES[role])


async def test_a_role_ends_with_the_group_that_carries_it(
    person: Person, state: SandboxState
) -> None:
    tokens = await person.signed_in("sami.soc", scope="openid okta.users.read")
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    organisation = state.organisation
    group = organisation.group_named("sso-security-admins")
    assert group is not None
    organisation.remove_member(group["id"], claims_of(tokens["id_token"])["sub"])
    assert await readable(person, headers) == set()


@pytest.mark.parametrize("status", ["SUSPENDED", "DEPROVISIONED"])
async def test_a_token_of_somebody_who_is_gone_is_worth_nothing(
    person: Person, state: SandboxState, status: str
) -> None:
    tokens = await person.signed_in(scope="openid okta.users.read")
    state.organisation.set_status(claims_of(tokens["id_token"])["sub"], status)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await person.get("/api/v1/users/me", headers=headers)).status_code == 401


async def test_a_resource_set_looks_as_if_there_were_no_other_groups(
    person: Person, state: SandboxState
) -> None:
    state.settings["api_token_role"] = "CUSTOM"
    hana = state.organisation.person("hana.help")["id"]

    async def names(path: str) -> set[str]:
        rows = (await person.get(path, headers=SSWS)).json()
        return {row["profile"]["name"] for row in rows}

    assert await names(f"/api/v1/users/{hana}/groups") == {"dept-it", "site-prague"}
    assert all(name.startswith(("dept-", "site-")) for name in await names("/api/v1/groups"))
    viewers = state.organisation.group_named("sso-viewers")
    assert viewers is not None
    for path in ("", "/users"):
        answer = await person.get(f"/api/v1/groups/{viewers['id']}{path}", headers=SSWS)
        assert (answer.status_code, answer.json()["errorCode"]) == (404, "E0000007")
    assert len((await person.get("/api/v1/users?limit=2", headers=SSWS)).json()) == 2


async def test_the_service_application_is_nobody(person: Person, bearer: SandboxState) -> None:
    answer = await person.get("/api/v1/users/me", headers=await bearer_headers(person))
    assert answer.status_code == 404


async def test_limits_count_an_application_and_not_its_tokens(
    person: Person, bearer: SandboxState
) -> None:
    bearer.settings["rate_profile"] = "workforce"

    async def remaining(headers: dict[str, str]) -> int:
        answer = await person.get("/api/v1/logs", headers=headers)
        return int(answer.headers["X-Rate-Limit-Remaining"])

    tokens: list[dict[str, str]] = [await bearer_headers(person) for _ in range(2)]
    assert [await remaining(headers) for headers in (*tokens, SSWS)] == [59, 58, 59]


async def test_the_journal_tells_the_kind_of_credential_and_never_its_value(
    person: Person, state: SandboxState
) -> None:
    bound: Any = await bound_token(person)
    state.journal.clear()
    await called(person, bound)
    await called(person, bound, scheme="Bearer")
    await person.get("/api/v1/users", headers=SSWS)
    await person.get("/api/v1/users", headers={"Authorization": "Basic eA=="})
    await person.get("/api/v1/users")
    kinds = [entry["credential"] for entry in state.journal]
    assert kinds == ["dpop", "bearer", "ssws", None, None]
    assert not any(secret in str(state.journal) for secret in (bound, TOKEN))
    assert ORG not in str(state.journal)
