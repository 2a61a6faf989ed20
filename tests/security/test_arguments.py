"""Arguments that want to become another request, and answers that carry more than was asked for.

Over HTTP against the sandbox where it can be seen there. What needs an Okta that misbehaves is
shown by tests/okta and tests/tools; each id here names them.
"""

import json
import time
from typing import Any

import pytest

from tests.vocabulary.browser import Browser
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import SandboxProcess, ServerProcess

LARGEST_ANSWER = 2_000_000


@pytest.fixture
async def admin(browser: Browser, client: OAuthClient) -> OAuthClient:
    """A client of a super administrator, whose role is known, so that Okta is not asked for it."""
    await connected(browser, client, "Nora Lind")
    await client.rpc("tools/list")
    return client


def asked_of_okta(sandbox: SandboxProcess) -> list[dict[str, Any]]:
    return [asked for asked in sandbox.requests() if asked["path"].startswith("/api/")]


async def result_of(client: OAuthClient, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.rpc("tools/call", {"name": tool, "arguments": arguments})
    assert answer.status_code == 200
    result: dict[str, Any] = answer.json()["result"]
    return result


async def assert_refused(
    client: OAuthClient, sandbox: SandboxProcess, tool: str, **arguments: Any
) -> str:
    """An error of ours, and nothing was asked of Okta."""
    before = len(asked_of_okta(sandbox))
    result = await result_of(client, tool, **arguments)
    assert result["isError"] is True
    assert len(asked_of_okta(sandbox)) == before
    return str(result["content"][0]["text"])


BY_ID = {
    "get_okta_user": "user_id",
    "list_okta_user_groups": "user_id",
    "list_okta_user_applications": "user_id",
    "list_okta_user_factors": "user_id",
    "get_okta_group": "group_id",
    "list_okta_group_users": "group_id",
    "get_okta_application": "app_id",
    "list_okta_application_users": "app_id",
    "list_okta_application_groups": "app_id",
    "list_okta_policy_rules": "policy_id",
}
NO_IDS = (
    *("", ".", "..", "...", "/", "\\", "%", "?", "#", ";", " "),
    *("../apps", "..%2Fapps", "%2e%2e", "%2E%2E/apps", "..;/apps", "00u1/../../apps"),
    *("00uabcdefghij/groups", "00uabcdefghij?limit=1", "00uabcdefghij#x", "00uabcdefghij;x=1"),
    *(
        "00uabcdefghij\n",
        "00uabcdefghij\x00",
        "00uabcdefghij\r\nX: y",
        "\u2024\u2024",
        "00uabcdefghij\u202e",
    ),
    *("http://127.0.0.1/", "//evil.example", "a" * 4096),
)


@pytest.mark.parametrize("tool", BY_ID)
async def test_what_is_no_id_never_becomes_a_path(
    admin: OAuthClient, sandbox: SandboxProcess, tool: str
) -> None:
    """I-01: an empty id would be the list of all, `..` another endpoint."""
    for text in NO_IDS:
        said = await assert_refused(admin, sandbox, tool, **{BY_ID[tool]: text})
        assert BY_ID[tool] in said
    for other in (None, 1, True, ["00uabcdefghij"], {"id": "00uabcdefghij"}):
        await assert_refused(admin, sandbox, tool, **{BY_ID[tool]: other})


@pytest.mark.parametrize("part", ["policy_id", "rule_id"])
@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "00pabcdefghij?x", "a" * 65, "me"])
async def test_each_of_two_ids_is_checked(
    admin: OAuthClient, sandbox: SandboxProcess, part: str, text: str
) -> None:
    """I-01."""
    good = {"policy_id": "00pabcdefghij", "rule_id": "0prabcdefghij"}
    await assert_refused(admin, sandbox, "get_okta_policy_rule", **good | {part: text})


@pytest.mark.parametrize(
    ("parameter", "form"),
    [("q", '{}"'), ("search", 'profile.login eq "{}"'), ("filter", 'profile.login eq "{}"')],
)
async def test_a_query_is_one_parameter_whatever_stands_in_it(
    admin: OAuthClient, sandbox: SandboxProcess, parameter: str, form: str
) -> None:
    """I-02: no second parameter, no fragment, no other path."""
    text = form.format("x&limit=1000#frag?a=b%26after=1/../apps;+\u00e9")
    await result_of(admin, "list_okta_users", **{parameter: text})
    [asked] = [one for one in asked_of_okta(sandbox) if parameter in one["query"]][-1:]
    assert asked["path"] == "/api/v1/users"
    assert asked["query"] == {parameter: text, "limit": "50"}


@pytest.mark.parametrize("parameter", ["q", "search", "filter", "sortBy"])
async def test_a_query_beyond_one_kibibyte_is_refused(
    admin: OAuthClient, sandbox: SandboxProcess, parameter: str
) -> None:
    """I-02, I-07."""
    await assert_refused(admin, sandbox, "list_okta_users", **{parameter: "a" * 1025})


@pytest.mark.parametrize("limit", [0, -1, 201, 10_000, 2**63, 1.5, "200; drop", "all"])
async def test_a_limit_beyond_the_endpoints_is_not_passed_on(
    admin: OAuthClient, sandbox: SandboxProcess, limit: object
) -> None:
    """I-03."""
    await assert_refused(admin, sandbox, "list_okta_users", limit=limit)


@pytest.mark.parametrize(
    "name", ["offset", "expand", "after_", "url", "path", "headers", "__proto__"]
)
async def test_a_parameter_that_the_tool_does_not_have_is_refused(
    admin: OAuthClient, sandbox: SandboxProcess, name: str
) -> None:
    """I-02, I-03: nothing unnamed is handed through to Okta."""
    await assert_refused(admin, sandbox, "list_okta_users", **{name: "x"})


CURSORS = (
    "https://evil.example/api/v1/users?after=1",
    "//evil.example/api/v1/users",
    "/api/v1/users?after=1",
    "/api/v1/apps",
    "00uabcdefghij",
    "eyJhbGciOiJub25lIn0.e30.",
    "..",
    "a" * 20_000,
)


@pytest.mark.parametrize("after", CURSORS, ids=lambda text: text[:24])
async def test_a_made_up_cursor_leads_nowhere(
    admin: OAuthClient, sandbox: SandboxProcess, after: str
) -> None:
    """I-04; links of Okta itself: tests/okta/test_paging.py, redirects: tests/okta/test_api.py."""
    await assert_refused(admin, sandbox, "list_okta_users", after=after)


async def test_a_cursor_of_one_list_does_not_open_another(
    admin: OAuthClient, sandbox: SandboxProcess
) -> None:
    """I-04: nor the list of another object."""
    first = (await result_of(admin, "list_okta_users", limit=1))["structuredContent"]
    await assert_refused(admin, sandbox, "list_okta_groups", after=first["next_cursor"])
    [group, other] = (await result_of(admin, "list_okta_groups", limit=2))["structuredContent"][
        "items"
    ]
    before = {"group_id": group["id"], "limit": 1}
    page = (await result_of(admin, "list_okta_group_users", **before))["structuredContent"]
    cursor = page["next_cursor"] or first["next_cursor"]
    await assert_refused(
        admin, sandbox, "list_okta_group_users", group_id=other["id"], after=cursor
    )


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 502])
@pytest.mark.parametrize("tool", ["list_okta_users", "list_okta_applications"])
async def test_an_error_of_okta_is_told_in_our_words(
    admin: OAuthClient, sandbox: SandboxProcess, tool: str, status: int
) -> None:
    """I-05: a stable code and nothing of Okta's body or headers but its error code."""
    path = {"list_okta_users": "users", "list_okta_applications": "apps"}[tool]
    fault = {"match": f"GET /api/v1/{path}", "status": status, "times": 2}
    sandbox.control("faults", fault)
    result = await result_of(admin, tool)
    said = json.dumps(result)
    assert result["isError"] is True
    for theirs in ("errorSummary", "errorLink", "errorId", "x-rate-limit", "Traceback", "httpx"):
        assert theirs.lower() not in said.lower()
    assert sandbox.url not in said


@pytest.mark.parametrize("kind", ["truncate", "not_json"])
async def test_an_answer_that_is_no_answer_is_told_in_our_words(
    admin: OAuthClient, sandbox: SandboxProcess, kind: str
) -> None:
    """I-05, I-08."""
    sandbox.control("faults", {"match": "GET /api/v1/groups", "kind": kind})
    result = await result_of(admin, "list_okta_groups")
    assert result["isError"] is True
    assert "upstream_malformed" in json.dumps(result)
    assert "proxy's page" not in json.dumps(result)


async def test_text_of_users_arrives_as_data(admin: OAuthClient) -> None:
    """I-06: as a JSON value, cleaned; cleaning itself: tests/okta/test_text.py."""
    search = 'profile.login sw "mallory.hostile"'
    result = await result_of(admin, "list_okta_users", search=search, fields="full")
    [person] = result["structuredContent"]["items"]
    assert "Ignore previous instructions" in json.dumps(person)
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    said = json.dumps(result, ensure_ascii=False)
    assert said.replace("\n", "").isprintable()


async def test_descriptions_warn_and_quote_no_data(admin: OAuthClient) -> None:
    """I-06: they are the same before and after somebody was called anything."""
    listed = (await admin.rpc("tools/list")).json()["result"]["tools"]
    await result_of(admin, "get_okta_user", user_id="mallory.hostile@northwind.example")
    assert (await admin.rpc("tools/list")).json()["result"]["tools"] == listed
    assert "northwind" not in json.dumps(listed)
    assert "Ignore previous" not in json.dumps(listed)


@pytest.mark.parametrize(
    ("tool", "parameter", "text"),
    [
        ("parse_relative_time", "time_expression", "last " * 200_000),
        ("parse_relative_time", "time_expression", "1" * 900_000),
        ("list_okta_users", "search", "(" * 900_000),
        ("list_okta_users", "filter", 'a eq "' + "\\" * 400_000),
        ("get_okta_user", "user_id", "a." * 400_000),
        ("get_okta_event_logs", "since", "0" * 900_000),
    ],
    ids=lambda value: value[:16],
)
async def test_a_long_input_is_refused_before_it_is_parsed(
    admin: OAuthClient, sandbox: SandboxProcess, tool: str, parameter: str, text: str
) -> None:
    """I-07: linear parsers: tests/tools/test_phrases.py, tests/okta/test_paging.py."""
    [schema] = [
        one["inputSchema"]["properties"]
        for one in (await admin.rpc("tools/list")).json()["result"]["tools"]
        if one["name"] == tool
    ]
    assert parameter in schema
    started = time.monotonic()
    said = await assert_refused(admin, sandbox, tool, **{parameter: text})
    assert time.monotonic() - started < 2
    assert len(said) < 2000


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("list_okta_users", {"limit": 200, "fields": "full"}),
        ("list_okta_groups", {"fields": "full"}),
        ("list_okta_applications", {"fields": "full"}),
        ("get_okta_event_logs", {"since": "last 7 days", "limit": 500, "fields": "full"}),
    ],
)
async def test_the_largest_answers_stay_bounded(
    admin: OAuthClient, tool: str, arguments: dict[str, Any]
) -> None:
    """I-08, I-03: with a count and a flag; cuts: tests/tools/test_every_tool.py."""
    answer = await admin.rpc("tools/call", {"name": tool, "arguments": arguments})
    shown = answer.json()["result"]["structuredContent"]
    assert len(answer.content) < LARGEST_ANSWER
    assert shown["count"] == len(shown["items"]) > 0
    assert shown["truncated"] == (shown["next_cursor"] is not None)


NEVER_SHOWN = (
    *("credentials", "sharedSecret", "JBTWY3DPEHPK3PNP", "recovery_question", "recoveryQuestion"),
    *("client_secret", "clientSecret", "signing", "privateKey", "password", "activation", "SSWS"),
)


async def test_no_tool_shows_a_secret_of_the_organisation(
    admin: OAuthClient, sandbox: SandboxProcess, server: ServerProcess
) -> None:
    """I-09: every tool in its fullest form, over objects that hold secrets in Okta."""

    async def items(tool: str, **arguments: Any) -> list[dict[str, Any]]:
        result = await result_of(admin, tool, **arguments)
        assert result["isError"] is False, result
        shown.append(json.dumps(result["structuredContent"]))
        found: list[dict[str, Any]] = result["structuredContent"].get("items", [])
        return found

    # Sixty calls of one person in a minute are more than a person's share of Okta's limits.
    sandbox.control("settings", {"rate_profile": "off"})
    shown: list[str] = []
    newcomer = "nils.newjoiner@northwind.example"
    await items("list_okta_users", fields="full", limit=200)
    await items("get_okta_user", user_id=newcomer, fields="full")
    for tool in ("groups", "applications", "factors"):
        await items(f"list_okta_user_{tool}", user_id=newcomer, fields="full")
    for app in await items("list_okta_applications", fields="full"):
        await items("get_okta_application", app_id=app["id"], fields="full")
        await items("list_okta_application_users", app_id=app["id"], fields="full")
    await items("list_okta_groups", fields="full")
    await items("get_okta_event_logs", since="last 7 days", limit=200, fields="full")
    values = " ".join(shown)
    keys = {key for text in shown for key in keys_of(json.loads(text))}
    assert len(shown) > 20
    assert not [name for name in NEVER_SHOWN if name in keys]
    for secret in ("JBTWY3DPEHPK3PNP", sandbox.ready["api_token"], sandbox.ready["client_secret"]):
        assert secret not in values
    assert server.environment["SESSION_SECRET_KEY"] not in values


def keys_of(value: Any) -> set[str]:
    """Every key at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    return set()
