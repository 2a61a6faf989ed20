"""The custom authorization server `default`: other keys, scopes and audience, the same people."""

from typing import Any

import httpx
import jwt
import pytest

from okta_mcp.sandbox.state import SandboxState
from tests.sandbox.identity import (
    CALLBACK,
    CHALLENGE,
    CHECKER,
    CLIENT,
    NATIVE,
    NATIVE_CALLBACK,
    VERIFIER,
    Person,
    claims_of,
)
from tests.sandbox.organisation import ORG

SERVER = "/oauth2/default"
ISSUER = f"{ORG}{SERVER}"
SCOPE = "openid profile mcp:access offline_access"


async def authorized(person: Person, **changes: str | None) -> httpx.Response:
    parameters: dict[str, str | None] = {
        "client_id": NATIVE,
        "redirect_uri": NATIVE_CALLBACK,
        "response_type": "code",
        "scope": SCOPE,
        "state": "a-state",
        "code_challenge": CHALLENGE.decode(),
        "code_challenge_method": "S256",
        **changes,
    }
    given = {name: value for name, value in parameters.items() if value is not None}
    return await person.get(f"{SERVER}/v1/authorize", params=given)


async def code(person: Person, login: str = "hana.help") -> str:
    answer = await person.press(await authorized(person, prompt="login"), login=login)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"].partition("code=")[2].partition("&")[0]


async def redeemed(
    person: Person, given: str, *, server: str = SERVER, **changes: str
) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "client_id": NATIVE,
        "code": given,
        "redirect_uri": NATIVE_CALLBACK,
        "code_verifier": VERIFIER,
    }
    return await person.post(f"{server}/v1/token", data=form | changes)


async def tokens(person: Person, login: str = "hana.help") -> dict[str, Any]:
    return dict((await redeemed(person, await code(person, login))).json())


async def introspected(
    person: Person, token: str, auth: tuple[str, str] = CHECKER, server: str = SERVER
) -> dict[str, Any]:
    answer = await person.post(f"{server}/v1/introspect", data={"token": token}, auth=auth)
    return dict(answer.json())


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "openid okta.users.read"}, "invalid_scope"),
        ({"scope": "openid groups"}, "invalid_scope"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ],
)
async def test_what_the_server_or_the_application_does_not_allow_is_redirected_back(
    person: Person, changes: dict[str, str | None], error: str
) -> None:
    answer = await authorized(person, **changes)
    assert answer.status_code == 302
    assert f"error={error}" in answer.headers["location"]


async def test_a_redirect_uri_of_another_application_is_a_page(person: Person) -> None:
    assert (await authorized(person, redirect_uri=CALLBACK)).status_code == 400


async def test_a_code_works_only_at_its_server_and_for_its_application(person: Person) -> None:
    elsewhere = await redeemed(person, await code(person), server="/oauth2")
    assert elsewhere.json()["error"] == "invalid_grant"
    form = {"grant_type": "authorization_code", "code": await code(person)}
    by_other = await person.post(f"{SERVER}/v1/token", data=form, auth=CLIENT)
    assert by_other.json()["error"] == "invalid_grant"


async def test_a_native_application_that_sends_a_secret_is_refused(person: Person) -> None:
    answer = await redeemed(person, await code(person), client_secret="made-up")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("auth", [(CHECKER[0], "wrong"), ("0oanobody", "x")])
async def test_introspection_is_for_applications_that_show_who_they_are(
    person: Person, auth: tuple[str, str]
) -> None:
    answer = await introspected(person, "whatever", auth)
    assert answer["error"] == "invalid_client"


async def test_the_management_api_takes_no_token_of_the_custom_server(person: Person) -> None:
    token = (await tokens(person))["access_token"]
    answer = await person.get("/api/v1/users", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


async def test_a_service_gets_a_token_without_a_person_and_none_at_the_organisation(
    person: Person,
) -> None:
    form = {"grant_type": "client_credentials", "scope": "mcp:access"}
    answer = await person.post(f"{SERVER}/v1/token", data=form, auth=CHECKER)
    claims = claims_of(answer.json()["access_token"])
    assert (claims["cid"], claims["sub"], claims.get("uid")) == (CHECKER[0], CHECKER[0], None)
    refused = await person.post("/oauth2/v1/token", data=form, auth=CHECKER)
    assert "private_key_jwt" in refused.json()["error_description"]


async def test_the_access_token_says_what_those_of_okta_say(person: Person) -> None:
    answer = await tokens(person)
    token = answer["access_token"]
    published = jwt.PyJWKSet.from_dict((await person.get(f"{SERVER}/v1/keys")).json())
    header = jwt.get_unverified_header(token)
    assert header.keys() == {"alg", "kid"}
    verified = jwt.decode(
        token,
        published[header["kid"]],
        algorithms=["RS256"],
        audience="api://default",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert verified.keys() == {
        *("ver", "jti", "iss", "aud", "iat", "exp", "cid", "uid", "scp", "auth_time", "sub"),
    }
    assert (verified["iss"], verified["cid"]) == (ISSUER, NATIVE)
    assert verified["scp"] == SCOPE.split()
    assert verified["sub"] == "hana.help@northwind.example"
    assert verified["uid"].startswith("00u")
    assert (claims_of(answer["id_token"])["iss"], claims_of(answer["id_token"])["aud"]) == (
        ISSUER,
        NATIVE,
    )


async def test_introspection_of_a_good_token(person: Person) -> None:
    token = (await tokens(person))["access_token"]
    claims, answer = claims_of(token), await introspected(person, token)
    assert answer == {
        "active": True,
        "scope": SCOPE,
        "username": claims["sub"],
        "token_type": "Bearer",
        "client_id": NATIVE,
        **{name: claims[name] for name in ("exp", "iat", "sub", "aud", "iss", "jti", "uid")},
    }


async def test_a_token_is_inactive_elsewhere_and_after_its_end(
    person: Person, state: SandboxState
) -> None:
    token = (await tokens(person))["access_token"]
    assert await introspected(person, token, server="/oauth2") == {"active": False}
    state.organisation.set_status(claims_of(token)["uid"], "SUSPENDED")
    assert await introspected(person, token) == {"active": False}
    state.organisation.set_status(claims_of(token)["uid"], "ACTIVE")
    await person.post(f"{SERVER}/v1/revoke", data={"token": token, "client_id": NATIVE})
    assert await introspected(person, token) == {"active": False}


async def test_refresh(person: Person) -> None:
    first = await tokens(person)
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    answer = await person.post(f"{SERVER}/v1/token", data=form | {"client_id": NATIVE})
    assert claims_of(answer.json()["access_token"])["uid"]
    elsewhere = await person.post("/oauth2/v1/token", data=form | {"client_id": NATIVE})
    assert elsewhere.json()["error"] == "invalid_grant"


async def test_groups_stand_in_the_access_token_only_where_a_claim_says_so(
    person: Person, state: SandboxState
) -> None:
    assert "groups" not in claims_of((await tokens(person))["access_token"])
    state.settings["custom_groups_claim"] = "on"
    claims = claims_of((await tokens(person))["access_token"])
    assert claims["groups"] == ["sso-viewers"]
    state.settings["groups_claim"] = "too_many"
    answer = await person.press(await authorized(person, prompt="login"), login="greta.groups")
    assert "too+many+groups" in answer.headers["location"]


@pytest.mark.parametrize(
    "path",
    [
        f"{SERVER}/.well-known/openid-configuration",
        f"{SERVER}/.well-known/oauth-authorization-server",
        f"/.well-known/oauth-authorization-server{SERVER}",
    ],
)
async def test_metadata(person: Person, path: str) -> None:
    document = (await person.get(path)).json()
    assert document["issuer"] == ISSUER
    assert document["introspection_endpoint"] == f"{ISSUER}/v1/introspect"
    assert "mcp:access" in document["scopes_supported"]
    assert not any(scope.startswith("okta.") for scope in document["scopes_supported"])
    assert "registration_endpoint" not in document
