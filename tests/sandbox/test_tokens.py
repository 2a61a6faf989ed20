"""Token, userinfo and revoke: refusals in Okta's words, rotation, reuse, and the claims."""

import jwt
import pytest

from okta_mcp.sandbox.state import SandboxState
from tests.sandbox.identity import CALLBACK, CLIENT, VERIFIER, Person, claims_of
from tests.sandbox.organisation import ORG

THIN = {"sub", "iss", "aud", "iat", "exp", "jti", "amr", "idp", "nonce", "auth_time", "at_hash"}


@pytest.mark.parametrize(
    ("auth", "form", "status", "words"),
    [
        (("0oaother", "client-secret"), {}, 401, "Invalid value for 'client_id' parameter."),
        (None, {}, 401, "Invalid value for 'client_id' parameter."),
        ((CLIENT[0], "wrong"), {}, 401, "The client secret supplied"),
        (None, {"client_id": CLIENT[0], "client_secret": "é"}, 401, "The client secret supplied"),
        (CLIENT, {"client_secret": CLIENT[1]}, 400, "multiple client credentials"),
    ],
)
@pytest.mark.parametrize("path", ["token", "revoke"])
async def test_a_client_that_does_not_prove_itself_is_refused(
    person: Person,
    path: str,
    auth: tuple[str, str] | None,
    form: dict[str, str],
    status: int,
    words: str,
) -> None:
    answer = await person.post(f"/oauth2/v1/{path}", data={"token": "t"} | form, auth=auth)
    assert answer.status_code == status
    assert answer.json()["error"] == ("invalid_client" if status == 401 else "invalid_request")
    assert words in answer.json()["error_description"]


@pytest.mark.parametrize("header", ["Basic é", "Basic !!", "Bearer x", "Basic"])
async def test_a_header_that_cannot_be_read_is_a_refusal(person: Person, header: str) -> None:
    sent = {"Authorization": header.encode("latin-1")}
    answer = await person.post("/oauth2/v1/token", data={"grant_type": "x"}, headers=sent)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_other_grant_types_are_refused(person: Person) -> None:
    answer = await person.token(grant_type="password")
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"code": "unknown"}, "invalid or has expired"),
        ({"code_verifier": "w" * 64}, "PKCE verification failed."),
        ({"code_verifier": ""}, "PKCE verification failed."),
        ({"redirect_uri": f"{CALLBACK}/"}, "does not match"),
    ],
)
async def test_a_code_is_refused_and_stays_good_for_its_owner(
    person: Person, change: dict[str, str], words: str
) -> None:
    code = await person.code()
    answer = await person.redeem(**{"code": code} | change)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert words in answer.json()["error_description"]
    assert (await person.redeem(code)).status_code == 200


async def test_a_code_is_refused_after_five_minutes(person: Person, state: SandboxState) -> None:
    code = await person.code()
    state.clock_offset += 300
    assert (await person.redeem(code)).json()["error"] == "invalid_grant"


async def test_a_code_used_twice_ends_the_tokens_of_its_login(person: Person) -> None:
    code = await person.code()
    tokens = (await person.redeem(code)).json()
    other = await person.signed_in(prompt="login")
    assert (await person.redeem(code)).json()["error"] == "invalid_grant"
    assert (await person.userinfo(tokens["access_token"])).status_code == 401
    assert (await person.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await person.userinfo(other["access_token"])).status_code == 200


async def test_a_static_refresh_token_stays_the_same(person: Person) -> None:
    first = await person.signed_in()
    second = (await person.refresh(first["refresh_token"])).json()
    assert second["refresh_token"] == first["refresh_token"]
    assert second["access_token"] != first["access_token"]


async def test_a_rotated_refresh_token_is_good_for_the_leeway_and_its_reuse_ends_all(
    person: Person, state: SandboxState
) -> None:
    state.settings["refresh_rotation"] = "ROTATE"
    first = await person.signed_in()
    second = (await person.refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    state.clock_offset += 20
    assert (await person.refresh(first["refresh_token"])).status_code == 200
    state.clock_offset += 20
    assert (await person.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await person.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await person.userinfo(second["access_token"])).status_code == 401


async def test_a_refresh_never_widens_the_scope(person: Person) -> None:
    tokens = await person.signed_in(scope="openid offline_access")
    refused = await person.refresh(tokens["refresh_token"], scope="openid groups")
    assert refused.json()["error"] == "access_denied"
    narrowed = await person.refresh(tokens["refresh_token"], scope="openid")
    assert narrowed.json()["scope"] == "openid"


async def test_a_suspended_person_cannot_refresh(person: Person, state: SandboxState) -> None:
    tokens = await person.signed_in()
    state.organisation.set_status(claims_of(tokens["id_token"])["sub"], "SUSPENDED")
    assert (await person.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(("scope", "absent"), [("openid", "refresh_token"), ("groups", "id_token")])
async def test_each_token_comes_by_its_scope(person: Person, scope: str, absent: str) -> None:
    assert absent not in await person.signed_in(scope=scope)


async def test_a_fat_id_token_says_who_it_is_and_the_groups(person: Person) -> None:
    claims = claims_of((await person.signed_in())["id_token"])
    assert claims["nonce"] == "a-nonce"
    assert claims["name"] == "Hana Novak"
    assert claims["preferred_username"] == claims["email"] == "hana.help@northwind.example"
    assert claims["groups"] == ["sso-viewers"]


@pytest.mark.parametrize(
    ("asked", "granted", "acr", "method"),
    [
        ("urn:okta:loa:1fa:any", "asked", "urn:okta:loa:1fa:any", "pwd"),
        ("urn:okta:loa:2fa:any", "asked", "urn:okta:loa:2fa:any", "otp"),
        ("phr", "asked", "phr", "swk"),
        ("phrh phr", "asked", "phrh", "hwk"),
        ("phrh", "weaker", "phr", "swk"),
        ("phr", "weaker", "urn:okta:loa:2fa:any", "otp"),
        ("urn:okta:loa:2fa:any", "weaker", "urn:okta:loa:1fa:any", "pwd"),
        ("urn:okta:loa:1fa:any", "weaker", None, "pwd"),
        ("phr", "none", None, "otp"),
        (None, "weaker", None, "otp"),
    ],
)
async def test_the_id_token_says_how_strong_the_login_was(
    person: Person,
    state: SandboxState,
    asked: str | None,
    granted: str,
    acr: str | None,
    method: str,
) -> None:
    state.settings["acr_granted"] = granted
    tokens = await person.signed_in(acr_values=asked)
    renewed = (await person.refresh(tokens["refresh_token"])).json()
    for answer in (tokens, renewed):
        claims = claims_of(answer["id_token"])
        assert claims.get("acr") == acr
        assert method in claims["amr"]
        assert ("mfa" in claims["amr"]) is (method != "pwd" or acr is None)


async def test_a_thin_id_token_says_nothing_but_who_signed_in(
    person: Person, state: SandboxState
) -> None:
    state.settings["id_token_style"] = "thin"
    tokens = await person.signed_in()
    assert claims_of(tokens["id_token"]).keys() == THIN | {"ver"}
    userinfo = (await person.userinfo(tokens["access_token"])).json()
    assert userinfo["name"] == "Hana Novak"
    assert userinfo["groups"] == ["sso-viewers"]


@pytest.mark.parametrize(
    ("login", "setting", "scope"),
    [
        ("hana.help", "off", "openid groups"),
        ("hana.help", "on", "openid profile"),
        # An imported group of the same name is not Okta's own.
        ("cole.contractor", "on", "openid groups"),
    ],
)
async def test_where_nothing_matches_there_is_no_groups_claim(
    person: Person, state: SandboxState, login: str, setting: str, scope: str
) -> None:
    state.settings["groups_claim"] = setting
    tokens = await person.signed_in(login, scope=scope)
    assert "groups" not in claims_of(tokens["id_token"])
    assert "groups" not in (await person.userinfo(tokens["access_token"])).json()


async def test_a_wide_filter_gives_all_names_to_who_has_few(
    person: Person, state: SandboxState
) -> None:
    state.settings["groups_claim"] = "too_many"
    groups = claims_of((await person.signed_in())["id_token"])["groups"]
    assert {"sso-viewers", "dept-it", "employees"} <= set(groups)
    assert not {"Everyone", "AD-Domain-Users"} & set(groups)


async def test_an_id_token_verifies_by_the_published_keys_and_an_access_token_never(
    person: Person,
) -> None:
    tokens = await person.signed_in()
    published = jwt.PyJWKSet.from_dict((await person.get("/oauth2/v1/keys")).json())
    assert len(published.keys) == 2
    header = jwt.get_unverified_header(tokens["id_token"])
    key = published[header["kid"]]
    checks = {"algorithms": ["RS256"], "options": {"verify_exp": False, "verify_iat": False}}
    assert jwt.decode(tokens["id_token"], key, audience=CLIENT[0], issuer=ORG, **checks)
    for each in published.keys:
        with pytest.raises(jwt.InvalidSignatureError):
            jwt.decode(tokens["access_token"], each, audience=ORG, **checks)


@pytest.mark.parametrize("token", ["", "unknown"])
async def test_userinfo_refuses_with_a_challenge(person: Person, token: str) -> None:
    answer = await person.userinfo(token)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_userinfo_ends_with_the_access_token(person: Person, state: SandboxState) -> None:
    token = (await person.signed_in())["access_token"]
    state.clock_offset += 3600
    assert (await person.userinfo(token)).status_code == 401


@pytest.mark.parametrize(
    ("revoked", "access_status", "refresh_status"),
    [("access_token", 401, 200), ("refresh_token", 401, 400)],
)
async def test_revoking_a_refresh_token_takes_the_access_token_along(
    person: Person, revoked: str, access_status: int, refresh_status: int
) -> None:
    tokens = await person.signed_in()
    for _ in range(2):
        form = {"token": tokens[revoked]}
        answer = await person.post("/oauth2/v1/revoke", data=form, auth=CLIENT)
        assert answer.status_code == 200
    assert (await person.userinfo(tokens["access_token"])).status_code == access_status
    assert (await person.refresh(tokens["refresh_token"])).status_code == refresh_status


async def test_a_client_may_send_its_secret_in_the_form(person: Person) -> None:
    code = await person.code()
    answer = await person.token(
        auth=None,
        client_id=CLIENT[0],
        client_secret=CLIENT[1],
        grant_type="authorization_code",
        code=code,
        redirect_uri=CALLBACK,
        code_verifier=VERIFIER,
    )
    assert answer.status_code == 200
