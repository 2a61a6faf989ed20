"""Authorize, the sign-in page and logout: what Okta refuses, in which form, and what it lets by."""

import httpx
import pytest

from okta_mcp.sandbox.state import SandboxState
from tests.sandbox.identity import CALLBACK, SIGNED_OUT, Person, answered


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"client_id": "0oaother"}, "client_id"),
        ({"client_id": None}, "client_id"),
        ({"redirect_uri": f"{CALLBACK}/"}, "must be a Login redirect URI"),
        ({"redirect_uri": CALLBACK.replace("http", "https")}, "must be a Login redirect URI"),
        ({"redirect_uri": None}, "must be a Login redirect URI"),
    ],
)
async def test_a_wrong_client_or_redirect_is_a_page_and_never_a_redirect(
    person: Person, change: dict[str, str | None], words: str
) -> None:
    page = await person.authorize(**change)
    assert page.status_code == 400
    assert page.headers["content-type"].startswith("text/html")
    assert "location" not in page.headers
    assert words in page.text


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"state": None}, "invalid_request"),
        ({"state": "has+plus"}, "invalid_request"),
        ({"scope": "openid okta.users.manage"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"acr_values": "urn:okta:loa:9fa"}, "invalid_request"),
        ({"acr_values": "phr urn:okta:loa:9fa"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_an_error_of_the_request_goes_to_the_redirect_uri(
    person: Person, change: dict[str, str | None], error: str
) -> None:
    answer = answered(await person.authorize(**change))
    assert (answer["error"], "code" in answer) == (error, False)
    assert answer["error_description"]
    assert answer.get("state") == {"state": "a-state", **change}["state"]


@pytest.mark.parametrize(
    ("mode", "granted", "asked", "given"),
    [
        ("refused", [], "openid okta.users.read", None),
        ("refused", ["okta.users.read"], "openid okta.users.read okta.logs.read", None),
        ("dropped", [], "okta.users.read", None),
        ("dropped", ["okta.users.read"], "openid okta.users.read okta.logs.read", 2),
        ("refused", [], "openid groups", 2),
    ],
)
async def test_okta_scopes_are_those_that_an_administrator_granted(
    person: Person,
    state: SandboxState,
    mode: str,
    granted: list[str],
    asked: str,
    given: int | None,
) -> None:
    state.settings["ungranted_scopes"] = mode
    state.granted["web"] = frozenset(granted)
    page = await person.authorize(scope=asked)
    if given is None:
        refusal = answered(page)
        assert (refusal["error"], refusal["state"]) == ("consent_required", "a-state")
        assert refusal["error_description"] == "You are not allowed any of the requested scopes."
    else:
        tokens = await person.signed_in(scope=asked)
        assert tokens["scope"].split() == asked.split()[:given]


@pytest.mark.parametrize("csrf", [None, "", "forged"])
async def test_the_sign_in_form_needs_its_csrf_token(person: Person, csrf: str | None) -> None:
    page = await person.authorize()
    if csrf is None:
        person.cookies.clear()
    answer = await person.post("/signin", data={"login": "hana.help", "csrf": csrf or ""})
    assert (answer.status_code, page.status_code) == (400, 200)
    assert "sid" not in answer.cookies


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ("lena.leaver", "suspended"),
        ("edgar.exec", "locked"),
        ("nobody.here", "Unable to sign in"),
    ],
)
async def test_who_cannot_sign_in_stays_on_the_page(person: Person, login: str, words: str) -> None:
    answer = await person.press(await person.authorize(), login=login)
    assert (answer.status_code, "sid" in answer.cookies) == (200, False)
    assert words in answer.text


async def test_declining_is_access_denied(person: Person) -> None:
    answer = answered(await person.press(await person.authorize(), deny="1"))
    assert (answer["error"], answer["state"]) == ("access_denied", "a-state")


async def test_somebody_whom_the_application_is_not_assigned_to_gets_no_code(
    person: Person, state: SandboxState
) -> None:
    state.settings["assigned"] = False
    answer = answered(await person.press(await person.authorize(), login="hana.help"))
    assert answer["error"] == "access_denied"
    assert answer["error_description"] == "User is not assigned to the client application."


async def test_too_many_groups_fail_only_the_person_who_has_them(
    person: Person, state: SandboxState
) -> None:
    state.settings["groups_claim"] = "too_many"
    answer = answered(await person.press(await person.authorize(), login="greta.groups"))
    assert answer["error"] == "server_error"
    assert "matched too many groups" in answer["error_description"]


async def test_who_is_signed_in_gets_a_code_at_once_unless_a_login_is_asked_for(
    person: Person,
) -> None:
    await person.code()
    assert "code" in answered(await person.authorize())
    assert "code" in answered(await person.authorize(prompt="none"))
    assert (await person.authorize(prompt="login")).status_code == 200


async def test_a_session_of_somebody_who_was_suspended_is_worth_nothing(
    person: Person, state: SandboxState
) -> None:
    await person.code()
    user = state.organisation.user("hana.help")
    assert user is not None
    state.organisation.set_status(user["id"], "SUSPENDED")
    assert answered(await person.authorize(prompt="none"))["error"] == "login_required"


async def test_the_page_shows_roles_and_finds_people_by_name(person: Person) -> None:
    page = await person.get("/signin")
    for badge in ("super-admin", "security-admin", "viewer", "no role"):
        assert f'class="badge">{badge}<' in page.text
    found = await person.press(await person.authorize(), search="1", q="ødegård")
    assert "soren.odegard" in found.text


async def test_signing_in_without_a_request_ends_on_a_page(person: Person) -> None:
    await person.get("/signin")
    csrf = person.cookies["sandbox_csrf"]
    answer = await person.post("/signin", data={"csrf": csrf, "login": "hana.help"})
    assert "signed in as Hana Novak" in answer.text


@pytest.mark.parametrize(
    ("hint", "target", "words"),
    [
        (None, SIGNED_OUT, "id_token_hint"),
        ("forged", SIGNED_OUT, "id_token_hint"),
        ("own", "http://localhost:3001/elsewhere", "must be a Logout redirect URI"),
    ],
)
async def test_logout_refuses_with_a_page(
    person: Person, hint: str | None, target: str, words: str
) -> None:
    id_token = (await person.signed_in())["id_token"]
    answer = await logout(person, id_token if hint == "own" else hint, target)
    assert answer.status_code == 400
    assert words in answer.text
    assert "code" in answered(await person.authorize())


async def test_logout_ends_the_session_and_returns_with_the_state(
    person: Person, state: SandboxState
) -> None:
    id_token = (await person.signed_in())["id_token"]
    state.clock_offset += 7200
    answer = await logout(person, id_token, SIGNED_OUT)
    assert answer.headers["location"] == f"{SIGNED_OUT}?state=bye"
    assert (await person.authorize()).status_code == 200


async def test_logout_without_a_target_ends_on_the_sign_in_page(person: Person) -> None:
    id_token = (await person.signed_in())["id_token"]
    answer = await logout(person, id_token, None)
    assert answer.headers["location"].startswith("http://127.0.0.1:9000/signin")


async def logout(person: Person, hint: str | None, target: str | None) -> httpx.Response:
    query = {"id_token_hint": hint, "post_logout_redirect_uri": target, "state": "bye"}
    given = {name: value for name, value in query.items() if value is not None}
    return await person.get("/oauth2/v1/logout", params=given)
