"""What is special about single tools: logins, windows of the log, names of groups, orders."""

import httpx
import pytest
import respx

from tests.tools.conftest import USER, Caller

GROUP, APP = "00g1234567890abcdefg", "0oa1234567890abcdefg"


def sent(okta: respx.MockRouter) -> dict[str, str]:
    return dict(okta.calls.last.request.url.params)


async def test_me_is_refused_because_it_would_be_the_token_owner(
    call: Caller, okta: respx.MockRouter
) -> None:
    answer = await call("get_okta_user", user_id="me")
    assert answer.error["code"] == "invalid_argument"
    assert not okta.calls


async def test_factors_of_a_login_are_asked_by_the_id_behind_it(
    call: Caller, okta: respx.MockRouter
) -> None:
    okta.get("/api/v1/users/ann%40example.com").respond(200, json={"id": USER})
    factors = okta.get(f"/api/v1/users/{USER}/factors").respond(200, json=[{"id": "f"}])
    answer = await call("list_okta_user_factors", user_id="ann@example.com")
    assert answer.structured["count"] == 1
    assert (factors.call_count, len(okta.calls)) == (1, 2)


@pytest.mark.parametrize("body", [{}, [], {"id": "../apps"}, {"id": 7}])
async def test_factors_of_a_login_whose_id_is_no_id_are_not_asked(
    call: Caller, okta: respx.MockRouter, body: object
) -> None:
    """I-01"""
    okta.get("/api/v1/users/ann%40example.com").respond(200, json=body)
    answer = await call("list_okta_user_factors", user_id="ann@example.com")
    assert answer.is_error
    assert len(okta.calls) == 1


async def test_the_next_page_of_a_login_may_carry_the_id(
    call: Caller, okta: respx.MockRouter
) -> None:
    link = f'<https://acme.okta.example/api/v1/users/{USER}/groups?after=1>; rel="next"'
    okta.get("/api/v1/users/ann%40example.com/groups").respond(
        200, json=[{"id": "g1"}], headers={"Link": link}
    )
    okta.get(f"/api/v1/users/{USER}/groups").respond(200, json=[{"id": "g2"}])
    first = await call("list_okta_user_groups", user_id="ann@example.com")
    cursor = first.structured["next_cursor"]
    second = await call("list_okta_user_groups", user_id="ann@example.com", after=cursor)
    assert second.structured["items"] == [{"id": "g2"}]


@pytest.mark.parametrize("tool", ["list_okta_users", "list_okta_groups"])
async def test_an_order_without_search_is_refused(
    call: Caller, okta: respx.MockRouter, tool: str
) -> None:
    answer = await call(tool, q="a", sortBy="created")
    assert answer.error["code"] == "invalid_argument"
    assert not okta.calls


@pytest.mark.parametrize("tool", ["list_okta_users", "list_okta_groups"])
@pytest.mark.parametrize("expression", ["search", "filter"])
async def test_q_beside_an_expression_is_refused(
    call: Caller, okta: respx.MockRouter, tool: str, expression: str
) -> None:
    answer = await call(tool, q="a", **{expression: 'id eq "00g1234567890abcdefg"'})
    assert answer.error["code"] == "invalid_argument"
    assert f"leave {expression} out" in answer.error["fix"]
    assert not okta.calls


@pytest.mark.parametrize(
    ("tool", "path"), [("list_okta_users", "/users"), ("list_okta_groups", "/groups")]
)
async def test_a_search_is_sent_in_oktas_spelling_and_marked_eventual(
    call: Caller, okta: respx.MockRouter, tool: str, path: str
) -> None:
    okta.get(f"/api/v1{path}").respond(200, json=[])
    search = 'profile.department eq "R&D"'
    answer = await call(tool, search=search, sortBy="created", sortOrder="desc", limit=7)
    assert answer.structured["consistency"] == "eventual"
    assert sent(okta) == {
        "search": search,
        "sortBy": "created",
        "sortOrder": "desc",
        "limit": "7",
    }
    assert "consistency" not in (await call(tool, q="a")).structured


@pytest.mark.parametrize(
    ("tool", "path"), [("list_okta_users", "/users"), ("list_okta_groups", "/groups")]
)
async def test_a_full_page_of_q_says_that_there_may_be_more(
    call: Caller, okta: respx.MockRouter, tool: str, path: str
) -> None:
    okta.get(f"/api/v1{path}").respond(200, json=[{"id": "1"}, {"id": "2"}])
    full = (await call(tool, q="a", limit=2)).structured
    assert (full["truncated"], full["next_cursor"]) == (True, None)
    assert "search" in full["hint"]
    assert "hint" not in (await call(tool, q="a", limit=3)).structured


@pytest.mark.parametrize(
    ("tool", "path", "arguments"),
    [
        ("list_okta_users", "/users", {"search": 'profile.shoes eq "x"'}),
        ("list_okta_users", "/users", {"filter": 'status eq "x"'}),
        ("list_okta_groups", "/groups", {"search": 'type eq "x"'}),
        ("list_okta_groups", "/groups", {"filter": 'type eq "x"'}),
        ("list_okta_applications", "/apps", {"filter": 'name eq "x"'}),
        ("list_okta_network_zones", "/zones", {"filter": 'usage eq "x"'}),
        ("list_okta_devices", "/devices", {"search": 'profile.shoes eq "x"'}),
        ("get_okta_event_logs", "/logs", {"filter": 'eventType eq "x"'}),
    ],
)
async def test_a_refused_filter_shows_oktas_cause_and_a_correct_example(
    call: Caller, okta: respx.MockRouter, tool: str, path: str, arguments: dict[str, str]
) -> None:
    cause = "Unrecognized attribute operator 'eqq' at position 16."
    okta.get(f"/api/v1{path}").respond(
        400, json={"errorCode": "E0000053", "errorCauses": [{"errorSummary": cause}]}
    )
    error = (await call(tool, **arguments)).error
    assert (error["code"], error["okta_error_code"]) == ("bad_filter", "E0000053")
    assert error["okta_causes"] == [cause]
    assert " eq " in error["fix"]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("list_okta_users", {"search": 'status ne "ACTIVE"'}),
        ("list_okta_users", {"filter": "status eq ACTIVE"}),
        ("list_okta_groups", {"search": 'name eq "x"'}),
        ("list_okta_groups", {"filter": 'profile.name eq "x"'}),
        ("list_okta_applications", {"filter": 'label eq "x"'}),
        ("list_okta_network_zones", {"filter": 'type eq "IP"'}),
        ("list_okta_devices", {"search": "laptop"}),
        ("get_okta_event_logs", {"filter": 'published gt "2026-01-01"'}),
    ],
)
async def test_a_wrong_expression_is_not_sent(
    call: Caller, okta: respx.MockRouter, tool: str, arguments: dict[str, str]
) -> None:
    """I-02"""
    error = (await call(tool, **arguments)).error
    assert error["code"] == "bad_filter"
    assert f"column {error['column']}" in error["message"]
    assert error["fragment"] in next(iter(arguments.values()))
    assert "a correct example: " in error["fix"]
    assert not okta.calls


async def test_a_doubtful_name_is_explained_where_nothing_is_found(
    call: Caller, okta: respx.MockRouter
) -> None:
    okta.get("/api/v1/users").respond(200, json=[])
    answer = (await call("list_okta_users", search='profile.firstname eq "Ann"')).structured
    assert "spelled profile.firstName" in answer["hint"]
    okta.get("/api/v1/users").respond(200, json=[{"id": USER}])
    answer = (await call("list_okta_users", search='profile.firstname eq "Ann"')).structured
    assert "hint" not in answer


async def test_of_the_organisations_own_attributes_only_the_names_are_shown(
    call: Caller, okta: respx.MockRouter
) -> None:
    """I-09"""
    profile = {
        "login": "a@example.com",
        "riskTier": "high",
        "teams": ["x", "y"],
        "vaultPassword": "p",
        "recoveryAnswer": "p",
        "primaryPhone": "+49 30 123456",
        "nested": {"a": 1},
        "empty": "",
        "evil\u202e": "p",
    }
    okta.get(f"/api/v1/users/{USER}").respond(200, json={"id": USER, "profile": profile})
    default = (await call("get_okta_user", user_id=USER)).structured["profile"]
    full = (await call("get_okta_user", user_id=USER, fields="full")).structured
    assert default == {"login": "a@example.com", "primaryPhone": "•••56"}
    assert full["profile"] == default
    assert full["customAttributes"] == [
        *("evil", "nested", "recoveryAnswer", "riskTier", "teams", "vaultPassword")
    ]


async def test_text_of_users_is_cleaned_and_bounded(call: Caller, okta: respx.MockRouter) -> None:
    """I-06"""
    profile = {
        "login": "a@example.com",
        "firstName": "A\u202en\x1b[31mn\u200b",
        "title": "x" * 9000,
    }
    okta.get(f"/api/v1/users/{USER}").respond(200, json={"id": USER, "profile": profile})
    shown = (await call("get_okta_user", user_id=USER)).structured["profile"]
    assert shown["firstName"] == "Ann"
    assert len(shown["title"]) < 1100


async def test_200_long_people_fit_in_one_default_answer(
    call: Caller, okta: respx.MockRouter
) -> None:
    """I-08"""
    names = ("login", "email", "firstName", "lastName", "title", "department")
    person = {"id": USER, "status": "ACTIVE", "profile": dict.fromkeys(names, "ü" * 128)}
    okta.get("/api/v1/users").respond(200, json=[person] * 200)
    answer = await call("list_okta_users", limit=200)
    assert answer.structured["count"] == 200
    assert answer.structured["next_cursor"] is None


async def test_a_zones_addresses_and_a_rules_conditions_are_shown_cleaned(
    call: Caller, okta: respx.MockRouter
) -> None:
    zone = {
        "id": "nzo1",
        "gateways": [{"type": "CIDR", "value": "192.0.2.0/24\u202e"}],
        "asns": {"include": ["1"], "exclude": []},
        "_links": {"self": {}},
    }
    okta.get("/api/v1/zones").respond(200, json=[zone])
    shown = (await call("list_okta_network_zones")).structured["items"][0]
    assert shown == {
        "id": "nzo1",
        "gateways": [{"type": "CIDR", "value": "192.0.2.0/24"}],
        "asns": {"include": ["1"], "exclude": []},
    }


async def test_a_group_of_an_application_has_its_name(call: Caller, okta: respx.MockRouter) -> None:
    row = {"id": GROUP, "priority": 1, "_embedded": {"group": {"profile": {"name": "Sales"}}}}
    okta.get(f"/api/v1/apps/{APP}/groups").respond(200, json=[row])
    answer = await call("list_okta_application_groups", app_id=APP)
    assert answer.structured["items"] == [{"id": GROUP, "priority": 1, "group": {"name": "Sales"}}]
    assert sent(okta) == {"limit": "50", "expand": "group"}


async def test_a_person_of_an_application_has_a_login(call: Caller, okta: respx.MockRouter) -> None:
    user = {"profile": {"login": "ann@example.com", "mobilePhone": "1"}}
    row = {"id": USER, "scope": "USER", "_embedded": {"user": user}}
    okta.get(f"/api/v1/apps/{APP}/users").respond(200, json=[row])
    answer = await call("list_okta_application_users", app_id=APP, q="ann", limit=500)
    assert answer.structured["items"] == [
        {"id": USER, "scope": "USER", "user": {"login": "ann@example.com"}}
    ]
    assert sent(okta) == {"q": "ann", "limit": "500", "expand": "user"}


async def test_an_application_names_its_access_policy(call: Caller, okta: respx.MockRouter) -> None:
    link = {"accessPolicy": {"href": "https://acme.okta.example/api/v1/policies/rst123"}}
    okta.get(f"/api/v1/apps/{APP}").respond(200, json={"id": APP, "_links": link})
    answer = await call("get_okta_application", app_id=APP)
    assert answer.structured == {"id": APP, "accessPolicyId": "rst123"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"since": "whenever"},
        {"until": "next week"},
        {"since": "2026-11-20T00:00:00Z", "until": "2026-11-19T00:00:00Z"},
        {"since": "now"},
        {"since": "2026-01-01"},
        {"q": "a b c d e f g h i j k"},
        {"q": "x" * 41},
        {"sortOrder": "asc"},
        {"limit": 501},
    ],
)
async def test_a_log_query_that_okta_would_refuse_or_never_end_is_not_sent(
    call: Caller, okta: respx.MockRouter, arguments: dict[str, object]
) -> None:
    answer = await call("get_okta_event_logs", **arguments)
    assert answer.error["code"] == "invalid_argument"
    assert not okta.calls


@pytest.mark.parametrize(
    ("arguments", "since", "until"),
    [
        ({}, "2026-11-14T09:30:15.123Z", "2026-11-21T09:30:15.123Z"),
        ({"since": "24 hours ago"}, "2026-11-20T09:30:15.123Z", "2026-11-21T09:30:15.123Z"),
        ({"since": "yesterday"}, "2026-11-20T00:00:00.000Z", "2026-11-21T09:30:15.123Z"),
        ({"until": "yesterday"}, "2026-11-13T23:59:59.999Z", "2026-11-20T23:59:59.999Z"),
        (
            {"since": "2026-11-01T00:00:00+02:00", "until": "2026-11-02"},
            "2026-10-31T22:00:00.000Z",
            "2026-11-02T23:59:59.999Z",
        ),
    ],
)
async def test_the_log_window_has_both_ends_and_is_told(
    call: Caller, okta: respx.MockRouter, arguments: dict[str, str], since: str, until: str
) -> None:
    okta.get("/api/v1/logs").respond(200, json=[])
    answer = (await call("get_okta_event_logs", **arguments)).structured
    assert (answer["since"], answer["until"]) == (since, until)
    assert sent(okta) == {
        "since": since,
        "until": until,
        "sortOrder": "DESCENDING",
        "limit": "50",
    }


@pytest.mark.parametrize(
    ("since", "is_told"),
    [("91 days ago", True), ("179 days ago", True), ("90 days ago", False), (None, False)],
)
@pytest.mark.parametrize("rows", [[], [{"uuid": "1"}]], ids=["none", "some"])
async def test_a_window_that_begins_before_okta_keeps_events_is_told(
    call: Caller,
    okta: respx.MockRouter,
    since: str | None,
    is_told: bool,
    rows: list[dict[str, str]],
) -> None:
    okta.get("/api/v1/logs").respond(200, json=rows)
    answer = (await call("get_okta_event_logs", since=since)).structured
    told = "Okta keeps 90 days: there is nothing before 2026-08-23T09:30:15.123Z"
    assert answer.get("hint") == (told if is_told else None)


async def test_a_log_cursor_keeps_the_window_of_its_first_page_and_an_empty_page_ends_it(
    call: Caller, okta: respx.MockRouter
) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        more = request.url.copy_merge_params({"after": "x"})
        rows = [] if "after" in request.url.params else [{"uuid": "1"}]
        return httpx.Response(200, json=rows, headers={"Link": f'<{more}>; rel="next"'})

    okta.get("/api/v1/logs").mock(side_effect=page)
    first = (await call("get_okta_event_logs", since="2026-11-20", until="2026-11-20")).structured
    second = (await call("get_okta_event_logs", after=first["next_cursor"])).structured
    assert (second["since"], second["until"]) == (first["since"], first["until"])
    assert (second["items"], second["truncated"], second["next_cursor"]) == ([], False, None)
