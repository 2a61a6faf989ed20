"""The service application at the token endpoint: what it must prove, and what it gets."""

import json
from typing import Any

import jwt
import pytest

from okta_mcp.sandbox.clients import public_keys
from okta_mcp.sandbox.state import Registration, SandboxState, ServiceRegistration
from tests.sandbox.identity import CALLBACK, CLIENT, Person
from tests.sandbox.organisation import NOW, ORG
from tests.sandbox.service import GONE, JWT_BEARER, SERVICE, ServiceKey, asked, other_payload

SCOPES = "okta.users.read okta.groups.read"


@pytest.fixture(autouse=True)
def without_proofs(state: SandboxState) -> None:
    state.settings["service_dpop"] = "off"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iss": "0oaother"}, "Invalid value for 'client_id' parameter."),
        ({"iss": GONE}, "Invalid value for 'client_id' parameter."),
        ({"sub": "0oaother"}, "must be the client_id"),
        ({"sub": GONE}, "must be the client_id"),
        ({"aud": ORG}, "must be the endpoint invoked"),
        ({"aud": f"{ORG}/oauth2/v1/revoke"}, "must be the endpoint invoked"),
        ({"aud": GONE}, "must be the endpoint invoked"),
        ({"exp": NOW}, "The client_assertion token is expired."),
        ({"exp": GONE}, "The client_assertion token is expired."),
        ({"exp": NOW + 3601}, "has an expiration too far into the future."),
        ({"kid": "k2"}, "The client_assertion JWT kid is invalid."),
    ],
    ids=str,
)
async def test_an_assertion_that_fails_one_check_is_refused(
    person: Person, changes: dict[str, Any], words: str
) -> None:
    answer = await asked(person, assertion=ServiceKey.shared().assertion(**changes))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert words in answer.json()["error_description"]


@pytest.mark.parametrize(
    ("assertion", "words"),
    [
        ("not-a-jwt", "is not a valid JWT"),
        ("a.b.c", "is not a valid JWT"),
        (ServiceKey().assertion(), "signature is invalid"),
        (ServiceKey(kind="RS256").assertion(), "signature is invalid"),
        (
            other_payload(ServiceKey.shared().assertion(), {"iss": SERVICE, "sub": SERVICE}),
            "signat",
        ),
        (
            jwt.encode(
                {"iss": SERVICE, "sub": SERVICE}, "s" * 32, algorithm="HS256", headers={"kid": "k1"}
            ),
            "signature is invalid",
        ),
    ],
    ids=["no jwt", "three parts", "other key", "other kind", "other payload", "shared secret"],
)
async def test_an_assertion_of_somebody_else_is_refused(
    person: Person, assertion: str, words: str
) -> None:
    answer = await asked(person, assertion=assertion)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert words in answer.json()["error_description"]


async def test_an_assertion_works_once_whatever_came_of_it(person: Person) -> None:
    assertion = ServiceKey.shared().assertion()
    assert (await asked(person, "okta.unknown", assertion=assertion)).status_code == 400
    answer = await asked(person, assertion=assertion)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.json()["error_description"] == (
        "The client_assertion token has already been used."
    )


async def test_an_assertion_without_an_id_of_its_own_works_again(person: Person) -> None:
    assertion = ServiceKey.shared().assertion(jti=GONE)
    for _ in range(2):
        assert (await asked(person, assertion=assertion)).status_code == 200


@pytest.mark.parametrize(
    ("form", "error", "words"),
    [
        ({"client_assertion_type": "jwt"}, "invalid_client", "client_assertion_type"),
        ({"client_id": CLIENT[0]}, "invalid_client", "must be the client_id"),
        ({"client_secret": "s"}, "invalid_request", "multiple client credentials"),
        ({"scope": ""}, "invalid_scope", "'scope' must be provided"),
        ({"scope": f"openid {SCOPES}"}, "invalid_scope", "'openid' scope is not allowed"),
        ({"scope": "okta.users.manage"}, "invalid_scope", "not configured"),
        ({"scope": f"{SCOPES} offline_access"}, "invalid_scope", "not configured"),
        ({"grant_type": "authorization_code"}, "unauthorized_client", "[client_credentials]"),
        ({"grant_type": "refresh_token"}, "unauthorized_client", "[client_credentials]"),
        ({"grant_type": "password"}, "unsupported_grant_type", "not supported"),
    ],
    ids=str,
)
async def test_a_request_that_okta_does_not_take_is_refused(
    person: Person, form: dict[str, str], error: str, words: str
) -> None:
    answer = await asked(person, **form)
    assert answer.status_code == (401 if error == "invalid_client" else 400)
    assert answer.json()["error"] == error
    assert words in answer.json()["error_description"]


@pytest.mark.parametrize("in_form", [True, False])
async def test_the_service_application_has_no_secret(person: Person, in_form: bool) -> None:
    secret = {"client_id": SERVICE, "client_secret": CLIENT[1]} if in_form else {}
    answer = await person.token(
        None if in_form else (SERVICE, CLIENT[1]), grant_type="client_credentials", **secret
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "must use the private_key_jwt" in answer.json()["error_description"]


async def test_the_web_application_has_no_client_credentials(person: Person) -> None:
    answer = await person.token(grant_type="client_credentials", scope=SCOPES)
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    assert "[authorization_code, refresh_token]" in answer.json()["error_description"]


@pytest.mark.parametrize(
    ("mode", "granted", "given"),
    [
        ("refused", ["okta.users.read"], None),
        ("dropped", ["okta.users.read"], "okta.users.read"),
        ("dropped", ["okta.logs.read"], None),
        ("refused", SCOPES.split(), SCOPES),
    ],
)
async def test_only_granted_scopes_are_given(
    person: Person, state: SandboxState, mode: str, granted: list[str], given: str | None
) -> None:
    state.settings["ungranted_scopes"] = mode
    state.granted["service"] = frozenset(granted)
    answer = await asked(person, SCOPES)
    assert answer.json().get("scope") == given
    if given is None:
        assert (answer.status_code, answer.json()["error"]) == (400, "consent_required")
        assert answer.json()["error_description"] == (
            "You are not allowed any of the requested scopes."
        )


async def test_a_token_lasts_an_hour_and_comes_alone(person: Person, state: SandboxState) -> None:
    answer = (await asked(person, SCOPES)).json()
    token = answer.pop("access_token")
    assert answer == {"token_type": "Bearer", "expires_in": 3600, "scope": SCOPES}
    headers = {"Authorization": f"Bearer {token}"}
    assert (await person.get("/api/v1/users?limit=1", headers=headers)).status_code == 200
    assert (await person.userinfo(token)).status_code == 401
    state.clock_offset += 3600
    assert (await person.get("/api/v1/users?limit=1", headers=headers)).status_code == 401


async def test_a_revoked_token_is_worth_nothing(person: Person) -> None:
    token = (await asked(person)).json()["access_token"]
    assertion = ServiceKey.shared().assertion(aud=f"{ORG}/oauth2/v1/revoke")
    form = {"client_assertion_type": JWT_BEARER, "client_assertion": assertion, "token": token}
    assert (await person.post("/oauth2/v1/revoke", data=form)).status_code == 200
    answer = await person.get("/api/v1/users", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


async def test_without_a_service_application_nobody_is_known(
    person: Person, state: SandboxState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "service", None)
    answer = await asked(person)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("kid", "signer", "status"), [(GONE, 0, 401), ("k2", 0, 401), ("k2", 1, 200), ("k1", 0, 200)]
)
async def test_with_two_keys_the_assertion_says_which(
    person: Person,
    state: SandboxState,
    monkeypatch: pytest.MonkeyPatch,
    kid: Any,
    signer: int,
    status: int,
) -> None:
    pair = (ServiceKey("k1"), ServiceKey("k2", "RS256"))
    document = {"keys": [key.jwks["keys"][0] for key in pair]}
    keys = public_keys(json.dumps(document))
    monkeypatch.setattr(state, "service", ServiceRegistration(SERVICE, keys))
    answer = await asked(person, assertion=pair[signer].assertion(kid=kid))
    assert answer.status_code == status


async def test_a_web_application_with_keys_proves_itself_by_them_alone(
    person: Person, state: SandboxState, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ServiceKey()
    keys = public_keys(json.dumps(key.jwks))
    monkeypatch.setattr(state, "registration", Registration(*CLIENT, (CALLBACK,), (), keys))
    code = await person.code()
    assert (await person.redeem(code)).status_code == 401
    assertion = key.assertion(iss=CLIENT[0], sub=CLIENT[0])
    proof = {"client_assertion_type": JWT_BEARER, "client_assertion": assertion}
    form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": "v" * 64}
    answer = await person.token(None, grant_type="authorization_code", **form, **proof)
    assert answer.status_code == 200
