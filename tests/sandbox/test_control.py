"""The control plane: invisible without its secret, plain about what it cannot do."""

from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from okta_mcp.sandbox import control as module
from okta_mcp.sandbox.access import API_SCOPES
from okta_mcp.sandbox.state import SETTINGS, SandboxState
from tests.sandbox.identity import CONTROL_SECRET, Person
from tests.sandbox.organisation import NOW, TOKEN
from tests.sandbox.service import TOKEN_URL, ServiceKey, asked, nonce_of

SSWS = {"Authorization": f"SSWS {TOKEN}"}


async def control(person: Person, verb: str, body: Any = None, **options: Any) -> httpx.Response:
    headers = {"X-Sandbox-Control": CONTROL_SECRET}
    sent = {"content": body} if isinstance(body, bytes) else {"json": body or {}}
    return await person.post(f"/__sandbox/{verb}", headers=headers, **sent, **options)


@pytest.mark.parametrize(("method", "verb"), [("POST", "reset"), ("GET", "requests"), ("PUT", "x")])
@pytest.mark.parametrize("secret", [None, "", "wrong", "é"])
async def test_without_the_secret_it_is_like_any_unknown_path(
    person: Person, method: str, verb: str, secret: str | None
) -> None:
    headers = {} if secret is None else {"X-Sandbox-Control": secret.encode("latin-1")}
    answer = await person.request(method, f"/__sandbox/{verb}", headers=headers)
    unknown = await person.request(method, "/no/such/path")
    assert answer.status_code == unknown.status_code == 404
    assert answer.content == unknown.content
    assert answer.headers["content-type"] == unknown.headers["content-type"]
    assert answer.headers.keys() == unknown.headers.keys()


@pytest.mark.parametrize(
    ("verb", "body", "words"),
    [
        ("settings", b"{", "not JSON"),
        ("settings", b"\xff", "not JSON"),
        ("settings", b"[]", "not a JSON object"),
        ("settings", {"speed": 3}, "no such switch: speed"),
        ("settings", {"id_token_style": "slim"}, "id_token_style"),
        ("settings", {"assigned": 1}, "assigned"),
        ("settings", {"groups_claim": ["on"]}, "groups_claim"),
        ("users/nobody", {"status": "ACTIVE"}, "no such user: nobody"),
        ("users/hana.help", {}, "status"),
        ("users/hana.help", {"status": "ASLEEP"}, "status"),
        ("groups/none/members", {"add": ["hana.help"]}, "no such group: none"),
        ("groups/sso-viewers/members", {"add": "hana.help"}, "list of logins"),
        ("groups/sso-viewers/members", {"remove": ["nobody"]}, "no such user: nobody"),
        ("settings", {"service_role": "ORG_ADMIN"}, "service_role"),
        ("scopes/other", {"granted": []}, "application is not one of"),
        ("scopes/web", {}, "list of okta.* scopes"),
        ("scopes/web", {"granted": "okta.users.read"}, "list of okta.* scopes"),
        ("scopes/service", {"granted": ["openid"]}, "granted is not one of"),
        ("clock", {}, "advance_seconds"),
        ("clock", {"advance_seconds": "1"}, "advance_seconds"),
        ("clock", {"advance_seconds": True}, "advance_seconds"),
        ("clock", b'{"advance_seconds": NaN}', "advance_seconds"),
        ("clock", {"advance_seconds": -1}, "advance_seconds"),
        ("faults", {}, "match"),
        ("faults", {"match": ""}, "match"),
        ("faults", {"match": "GET /", "when": 1}, "may have"),
        ("faults", {"match": "GET /", "kind": "explode"}, "kind"),
        ("faults", {"match": "GET /", "status": 200}, "status"),
        ("faults", {"match": "GET /", "times": 0}, "times"),
        ("faults", {"match": "GET /", "seconds": -1}, "seconds"),
    ],
)
async def test_a_bad_call_is_refused_with_a_text_and_changes_nothing(
    person: Person, state: SandboxState, verb: str, body: Any, words: str
) -> None:
    before = dict(state.settings), state.clock_offset, list(state.faults)
    answer = await control(person, verb, body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert (dict(state.settings), state.clock_offset, list(state.faults)) == before


@pytest.mark.parametrize("verb", ["nothing", "users", "groups/sso-viewers", "requests"])
async def test_a_verb_that_it_does_not_have_is_not_found(person: Person, verb: str) -> None:
    assert (await control(person, verb)).status_code == 404


async def test_settings_are_told_back_and_a_reset_undoes_all(
    person: Person, state: SandboxState
) -> None:
    told = (await control(person, "settings", {"assigned": False})).json()
    assert told == state.settings
    assert told["assigned"] is False
    await control(person, "clock", {"advance_seconds": 5})
    await control(person, "faults", {"match": "GET /"})
    assert (await control(person, "reset")).json() == {"done": True}
    assert (state.settings["assigned"], state.clock_offset, state.faults) == (True, 0.0, [])


async def test_people_and_memberships_change_at_once(person: Person) -> None:
    await control(person, "users/hana.help", {"status": "LOCKED_OUT"})
    user = (await person.get("/api/v1/users/hana.help", headers=SSWS)).json()
    assert user["status"] == "LOCKED_OUT"
    login = user["profile"]["login"]
    for verb, expected in (("add", True), ("remove", False)):
        await control(person, "groups/sso-super-admins/members", {verb: [login]})
        groups = (await person.get(f"/api/v1/users/{user['id']}/groups", headers=SSWS)).json()
        named = {row["profile"]["name"] for row in groups if row["type"] == "OKTA_GROUP"}
        assert ("sso-super-admins" in named) is expected


async def test_the_clock_takes_the_date_and_the_reset_along(
    person: Person, state: SandboxState
) -> None:
    state.settings["rate_profile"] = "workforce"
    await control(person, "clock", {"advance_seconds": 3600})
    answer = await person.get("/api/v1/users?limit=1", headers=SSWS)
    date = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    assert date == NOW + 3600
    assert int(answer.headers["X-Rate-Limit-Reset"]) - date == 60


async def test_a_new_key_signs_and_the_one_before_stays_published(person: Person) -> None:
    async def published() -> list[str]:
        keys = (await person.get("/oauth2/v1/keys")).json()["keys"]
        return [key["kid"] for key in keys]

    before = await published()
    await control(person, "rotate-keys")
    after = await published()
    assert after[1] == before[0]
    assert after[0] not in before


@pytest.mark.parametrize("application", ["web", "service"])
async def test_granted_scopes_change_until_a_reset(
    person: Person, state: SandboxState, application: str
) -> None:
    await control(person, f"scopes/{application}", {"granted": ["okta.logs.read"]})
    assert state.granted[application] == {"okta.logs.read"}
    await control(person, "reset")
    assert state.granted[application] == set(API_SCOPES)


async def test_a_new_nonce_ends_the_one_before_at_once(person: Person) -> None:
    nonce = await nonce_of(person)
    await control(person, "rotate-dpop-nonce")
    proof = ServiceKey.shared().proof("POST", TOKEN_URL, nonce=nonce)
    answer = await asked(person, proof=proof)
    assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
    assert answer.headers["dpop-nonce"] != nonce


def test_the_docstring_names_every_switch_with_its_values() -> None:
    described = " ".join((module.__doc__ or "").split())
    for name, values in SETTINGS.items():
        shown = (str(value).lower() if isinstance(value, bool) else value for value in values)
        assert f"{name} {' | '.join(shown)}" in described or (
            f"{name} the same for the owner of the API token" in described
        )


async def test_the_journal_names_what_was_asked_and_keeps_no_secret(person: Person) -> None:
    await person.get("/api/v1/users", params={"q": "ann"}, headers=SSWS)
    await person.authorize(client_id="0oaother")
    headers = {"X-Sandbox-Control": CONTROL_SECRET}
    first, second = (await person.get("/__sandbox/requests", headers=headers)).json()
    expected = {"method": "GET", "path": "/api/v1/users", "query": {"q": "ann"}, "status": 200}
    assert first == expected | {"credential": "ssws"}
    assert (second["path"], second["status"]) == ("/oauth2/v1/authorize", 400)
    assert set(second["query"].values()) == {"…"}
