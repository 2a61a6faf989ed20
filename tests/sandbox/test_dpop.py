"""Proofs of possession at both ends: what a proof must say, and the dance for a nonce."""

from typing import Any

import httpx
import pytest

from okta_mcp.sandbox.state import SandboxState
from tests.sandbox.identity import Person, claims_of
from tests.sandbox.organisation import NOW, ORG
from tests.sandbox.service import (
    GONE,
    JWT_BEARER,
    TOKEN_URL,
    ServiceKey,
    asked,
    bound_token,
    called,
    nonce_of,
    other_payload,
)

DAY = 86_400
KEY = ServiceKey.shared()
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"htm": "PUT"}, "'htm' claim"),
    ({"htm": GONE}, "'htm' claim"),
    ({"htu": ORG}, "'htu' claim"),
    ({"htu": f"{TOKEN_URL}?x=1"}, "'htu' claim"),
    ({"iat": GONE}, "'iat' claim"),
    ({"iat": "now"}, "'iat' claim"),
    ({"iat": NOW - 301}, "more than five minutes in the past"),
    ({"iat": NOW + 301}, "in the future"),
    ({"jti": GONE}, "'jti' claim"),
    ({"jti": 7}, "'jti' claim"),
    ({"headers": {"typ": "JWT"}}, "header is invalid"),
    ({"headers": {"jwk": GONE}}, "'jwk' header"),
    ({"headers": {"jwk": "key"}}, "'jwk' header"),
    ({"headers": {"jwk": KEY.public | {"d": "secret"}}}, "'jwk' header"),
    ({"headers": {"jwk": {"kty": "oct", "k": "c2VjcmV0"}}}, "'jwk' header"),
    ({"headers": {"jwk": {"kty": "EC", "crv": "P-256"}}}, "JWT is invalid"),
    ({"headers": {"jwk": ServiceKey().public}}, "JWT is invalid"),
]


def challenge(answer: httpx.Response) -> str:
    """What Okta answers a bad proof at the Management API: a challenge and no body."""
    assert (answer.status_code, answer.content) == (400, b"")
    said = answer.headers["WWW-Authenticate"]
    assert said.startswith('DPoP algs="RS256 RS384 RS512 ES256 ES384 ES512", authorization_uri="')
    assert 'error="invalid_dpop_proof"' in said
    return str(said)


@pytest.mark.parametrize(("changes", "words"), FAULTS, ids=lambda value: str(value)[:50])
async def test_the_token_endpoint_refuses_a_proof(
    person: Person, changes: dict[str, Any], words: str
) -> None:
    changes = {"nonce": await nonce_of(person)} | changes
    answer = await asked(person, proof=KEY.proof("POST", TOKEN_URL, **changes))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert words in answer.json()["error_description"]
    assert "dpop-nonce" not in answer.headers


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        (None, "The DPoP proof JWT header is missing."),
        ("no-proof", "JWT is invalid"),
        (other_payload(KEY.proof("POST", TOKEN_URL), ["no", "claims"]), "JWT is invalid"),
    ],
    ids=["none", "no jwt", "other payload"],
)
async def test_the_token_endpoint_refuses_what_is_no_proof(
    person: Person, proof: str | None, words: str
) -> None:
    answer = await asked(person, proof=proof)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert words in answer.json()["error_description"]


async def test_a_second_proof_header_is_refused(person: Person) -> None:
    proof = KEY.proof("POST", TOKEN_URL, nonce=await nonce_of(person))
    form = {"grant_type": "client_credentials", "scope": "okta.users.read"}
    form |= {"client_assertion_type": JWT_BEARER, "client_assertion": KEY.assertion()}
    headers = [("DPoP", proof), ("DPoP", proof)]
    answer = await person.post("/oauth2/v1/token", data=form, headers=headers)
    assert answer.json()["error"] == "invalid_dpop_proof"


@pytest.mark.parametrize(
    "nonce", [GONE, "", "made up", 7], ids=["none", "empty", "other", "number"]
)
async def test_a_proof_needs_the_nonce_that_okta_gave(person: Person, nonce: Any) -> None:
    given = await nonce_of(person)
    answer = await asked(person, proof=KEY.proof("POST", TOKEN_URL, nonce=nonce))
    assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
    assert answer.json()["error_description"] == (
        "Authorization server requires nonce in DPoP proof."
    )
    assert answer.headers["dpop-nonce"] == given


async def test_the_request_with_the_nonce_needs_a_new_assertion(person: Person) -> None:
    assertion = KEY.assertion()
    first = await asked(person, assertion=assertion, proof=KEY.proof("POST", TOKEN_URL))
    proof = KEY.proof("POST", TOKEN_URL, nonce=first.headers["dpop-nonce"])
    answer = await asked(person, assertion=assertion, proof=proof)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_proof_works_once(person: Person) -> None:
    proof = KEY.proof("POST", TOKEN_URL, nonce=await nonce_of(person))
    assert (await asked(person, proof=proof)).status_code == 200
    answer = await asked(person, proof=proof)
    assert answer.json()["error_description"] == "The DPoP proof JWT has already been used."


@pytest.mark.parametrize(("later", "status"), [(DAY, 200), (3 * DAY, 200), (3 * DAY + 1, 400)])
async def test_a_nonce_is_renewed_each_day_and_good_for_three(
    person: Person, state: SandboxState, later: int, status: int
) -> None:
    nonce = await nonce_of(person)
    state.clock_offset += later
    assertion = KEY.assertion(exp=NOW + later + 60)
    proof = KEY.proof("POST", TOKEN_URL, nonce=nonce, iat=NOW + later)
    assert (await asked(person, assertion=assertion, proof=proof)).status_code == status
    assert state.proofs.nonce() != nonce


async def test_the_token_is_bound_to_the_key_of_the_proof(person: Person) -> None:
    proof = KEY.proof("POST", TOKEN_URL, nonce=await nonce_of(person))
    answer = (await asked(person, proof=proof)).json()
    assert answer["token_type"] == "DPoP"
    assert claims_of(answer["access_token"])["cnf"] == {"jkt": KEY.thumbprint}


@pytest.mark.parametrize(
    ("mode", "with_proof", "outcome"),
    [
        ("required", False, "invalid_dpop_proof"),
        ("required", True, "use_dpop_nonce"),
        ("optional", False, "Bearer"),
        ("optional", True, "use_dpop_nonce"),
        ("off", False, "Bearer"),
        ("off", True, "Bearer"),
    ],
)
async def test_the_switch_says_whether_a_proof_is_asked_for(
    person: Person, state: SandboxState, mode: str, with_proof: bool, outcome: str
) -> None:
    state.settings["service_dpop"] = mode
    proof = KEY.proof("POST", TOKEN_URL) if with_proof else None
    answer = (await asked(person, proof=proof)).json()
    assert (answer.get("error") or answer["token_type"]) == outcome


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        *((changes, words) for changes, words in FAULTS if "?" not in str(changes)),
        ({"htu": f"{ORG}/api/v1/users?limit=1"}, "'htu' claim"),
        ({"ath": "other"}, "'ath' claim"),
        ({"ath": GONE}, "'ath' claim"),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_the_management_api_refuses_a_proof(
    person: Person, changes: dict[str, Any], words: str
) -> None:
    answer = await called(person, await bound_token(person), **changes)
    assert words in challenge(answer)


async def test_a_proof_of_another_key_is_refused(person: Person) -> None:
    token = await bound_token(person)
    stranger = ServiceKey()
    proof = stranger.proof("GET", f"{ORG}/api/v1/users", ath=KEY.ath(token))
    assert "not signed by the key" in challenge(await called(person, token, proof=proof))


async def test_a_call_without_a_proof_is_refused(person: Person) -> None:
    headers = {"Authorization": f"DPoP {await bound_token(person)}"}
    answer = await person.get("/api/v1/users", headers=headers)
    assert "header is missing" in challenge(answer)


async def test_a_bound_token_is_no_bearer_token(person: Person) -> None:
    answer = await called(person, await bound_token(person), scheme="Bearer")
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "E0000011")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_a_bearer_token_gains_nothing_by_a_proof(person: Person, state: SandboxState) -> None:
    state.settings["service_dpop"] = "off"
    token = (await asked(person)).json()["access_token"]
    answer = await called(person, token)
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "E0000011")


async def test_a_call_needs_a_proof_of_its_own_and_no_nonce(person: Person) -> None:
    token = await bound_token(person)
    proof = KEY.proof("GET", f"{ORG}/api/v1/users", ath=KEY.ath(token))
    assert (await called(person, token, proof=proof)).status_code == 200
    assert "has already been used" in challenge(await called(person, token, proof=proof))
    assert (await called(person, token)).status_code == 200


@pytest.mark.parametrize(("shown", "status"), [("@", 200), ("%40", 400)])
async def test_okta_compares_with_the_decoded_path(person: Person, shown: str, status: int) -> None:
    path = "/api/v1/users/hana.help%40northwind.example"
    htu = f"{ORG}/api/v1/users/hana.help{shown}northwind.example"
    answer = await called(person, await bound_token(person), path, query="", htu=htu)
    assert answer.status_code == status
