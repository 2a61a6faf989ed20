"""The list tools over the sandbox organisation: whole lists by cursor, choices, judgements."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from okta_mcp.tools.grammars import HELP
from okta_mcp.tools.policies import POLICY_TYPES
from okta_mcp.tools.reports.report import REPORT_URI
from tests.sandbox.organisation import fresh
from tests.vocabulary.northwind import BOB, Northwind

_ORG = fresh()
HANA = _ORG.person("hana.help")["id"]
PAYROLL = next(key for key, app in _ORG.apps.items() if app["label"] == "Payroll")
FINANCE = _ORG.group_named("dept-finance")["id"]
ADMINISTRATORS = next(
    key
    for key, policy in _ORG.policies.items()
    if (policy["type"], policy["name"]) == ("ACCESS_POLICY", "Administrators")
)
LICENSED = {"POST_AUTH_SESSION", "ENTITY_RISK", "SESSION_VIOLATION_DETECTION"}
EARLY = {"DEVICE_SIGNAL_COLLECTION", "IDENTITY_CLAIM_SOURCING"}


@pytest.fixture
async def northwind() -> AsyncIterator[Northwind]:
    opened = Northwind()
    yield opened
    await opened.close()


async def whole(northwind: Northwind, tool: str, **arguments: Any) -> list[dict[str, Any]]:
    """All rows of a list by its cursors; the arguments are given on the first page only."""
    told = await northwind.call(tool, **arguments)
    rows = list(told.answer["items"])
    limit = {name: arguments[name] for name in ("limit",) if name in arguments}
    while told.answer["truncated"]:
        again = {name: value for name, value in arguments.items() if name.endswith("_id")}
        told = await northwind.call(tool, **again, **limit, after=told.cursor)
        rows += told.answer["items"]
    return rows


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("list_okta_policies", {"limit": 3}, set(_ORG.policies)),
        ("list_okta_policies", {"limit": 1, "q": "ADMIN", "status": "ACTIVE"},
         {key for key, row in _ORG.policies.items()
          if "admin" in row["name"].casefold() and row["status"] == "ACTIVE"}),
        ("list_okta_policies", {"limit": 1, "type": "MFA_ENROLL"},
         {key for key, row in _ORG.policies.items() if row["type"] == "MFA_ENROLL"}),
        ("list_okta_group_rules", {"limit": 2}, set(_ORG.group_rules)),
        ("list_okta_group_applications", {"group_id": FINANCE, "limit": 1},
         {key for key, groups in _ORG.app_groups.items() if FINANCE in groups}),
        ("list_okta_devices", {"limit": 7}, set(_ORG.devices)),
        ("list_okta_devices", {"limit": 7, "search": 'status eq "ACTIVE"'},
         {key for key, row in _ORG.devices.items() if row["status"] == "ACTIVE"}),
        ("list_okta_devices", {"user_id": HANA, "limit": 1},
         {key for key, users in _ORG.device_users.items() if HANA in users}),
        ("list_okta_api_tokens", {"limit": 2}, set(_ORG.api_tokens)),
        ("list_okta_network_zones", {"type": "DYNAMIC", "limit": 1},
         {key for key, row in _ORG.zones.items() if row["type"] == "DYNAMIC"}),
        ("list_okta_network_zones", {"type": "IP", "status": "ACTIVE", "limit": 1},
         {key for key, row in _ORG.zones.items()
          if (row["type"], row["status"]) == ("IP", "ACTIVE")}),
        *(("list_okta_application_users", {"app_id": PAYROLL, "scope": scope, "limit": 3},
           {key for key, row in _ORG.assignments(PAYROLL).items() if row["scope"] == scope})
          for scope in ("USER", "GROUP")),
    ],
)  # fmt: skip
async def test_a_walk_gives_every_row_that_was_asked_for_once(
    northwind: Northwind, tool: str, arguments: dict[str, Any], expected: set[str]
) -> None:
    """I-04: also where the choice is made here, which the cursor keeps."""
    rows = ids(await whole(northwind, tool, **arguments))
    assert set(rows) == expected
    assert len(rows) == len(expected) > 0


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("list_okta_policies", {"q": "no such policy"}),
        ("list_okta_group_rules", {"search": "no such rule"}),
        ("list_okta_devices", {"search": 'profile.displayName eq "none"'}),
        ("list_okta_network_zones", {"type": "DYNAMIC_V2", "status": "ACTIVE"}),
        ("list_okta_applications", {"filter": 'name eq "none"'}),
    ],
)
async def test_nothing_that_fits_is_an_empty_list(
    northwind: Northwind, tool: str, arguments: dict[str, Any]
) -> None:
    answer = (await northwind.call(tool, **arguments)).answer
    assert (answer["items"], answer["truncated"], answer["next_cursor"]) == ([], False, None)


async def test_a_long_list_without_a_match_says_where_it_is(
    northwind: Northwind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("okta_mcp.tools.reader._READS_A_CALL", 2)
    answer = (await northwind.call("list_okta_policies", q="no such policy")).answer
    assert (answer["count"], answer["truncated"]) == (0, True)
    assert "next_cursor" in answer["hint"]
    assert len(northwind.asked) == 2


async def test_types_of_policies_that_the_organisation_lacks_are_named(
    northwind: Northwind,
) -> None:
    answer = (await northwind.call("list_okta_policies")).answer
    assert {each["type"]: each["code"] for each in answer["left_out"]} == {
        **dict.fromkeys(LICENSED, "feature_unavailable"),
        **dict.fromkeys(EARLY, "bad_request"),
    }
    assert len(northwind.asked) == len(POLICY_TYPES)


async def test_a_type_of_policy_that_was_asked_for_by_name_is_an_error_if_missing(
    northwind: Northwind,
) -> None:
    told = await northwind.call("list_okta_policies", type="ENTITY_RISK")
    assert told.error["code"] == "feature_unavailable"


async def test_all_types_refused_for_another_reason_are_an_error(northwind: Northwind) -> None:
    northwind.stops_at("policies", status=403)
    assert (await northwind.call("list_okta_policies")).error["code"] == "okta_forbidden"


async def test_a_policy_names_the_applications_that_it_guards(northwind: Northwind) -> None:
    told = await northwind.call("get_okta_policy", policy_id=ADMINISTRATORS)
    expected = {
        key: row["label"] for key, row in _ORG.apps.items() if row["accessPolicy"] == ADMINISTRATORS
    }
    assert {app["id"]: app["label"] for app in told.answer["applications"]} == expected
    assert "hint" not in told.answer


async def test_a_policy_names_no_application_to_somebody_who_may_not_see_one(
    northwind: Northwind,
) -> None:
    """B-12"""
    told = await northwind.call(
        "get_okta_policy", policy_id=ADMINISTRATORS, without=("get_okta_application",)
    )
    assert told.answer["applications"]
    assert all(app.keys() == {"id"} for app in told.answer["applications"])
    assert "get_okta_application" in told.answer["hint"]


async def test_a_group_rule_names_its_groups(northwind: Northwind) -> None:
    (rule,) = (await northwind.call("list_okta_group_rules", search="prague")).answer["items"]
    assert rule["groups"] == [{"id": _ORG.group_named("site-prague")["id"], "name": "site-prague"}]
    assert rule["expression"] == 'user.city=="Prague"'


async def test_counts_of_a_group_come_where_they_are_asked_for(northwind: Northwind) -> None:
    asked = {"search": 'profile.name eq "dept-finance"'}
    (group,) = (await northwind.call("list_okta_groups", **asked, expand="stats")).answer["items"]
    assert group["usersCount"] == len(_ORG.members[FINANCE])
    assert group["appsCount"] == 3
    assert group["hasAdminPrivilege"] is False
    (plain,) = (await northwind.call("list_okta_groups", **asked)).answer["items"]
    assert plain.keys() == {"id", "type", "profile"}


async def test_a_device_shows_its_people(northwind: Northwind) -> None:
    rows = await whole(northwind, "list_okta_devices")
    shown = {row["id"]: {user["id"] for user in row["users"]} for row in rows}
    assert shown == {key: set(users) for key, users in _ORG.device_users.items()}


@pytest.mark.parametrize("user", ["hana.help@northwind.example", HANA])
async def test_the_devices_of_a_person_are_found_by_login_and_by_id(
    northwind: Northwind, user: str
) -> None:
    (device,) = (await northwind.call("list_okta_devices", user_id=user)).answer["items"]
    assert device["profile"]["displayName"] == "Hana's MacBook Pro"


async def test_api_tokens_are_flagged_by_owner_use_and_network(northwind: Northwind) -> None:
    northwind.pass_seconds(5 * 86_400)
    northwind.organisation.users.pop(_ORG.person("karel.olsen")["id"])
    rows = await whole(northwind, "list_okta_api_tokens")
    assert {row["name"]: row["flags"] for row in rows if row["flags"]} == {
        "backup-script": ["no_network_restriction"],
        "month-end-report": ["owner_inactive"],
        "hr-import": ["owner_inactive"],
        "terraform-trial": ["owner_gone", "unused_30_days"],
    }
    by_name = {row["name"]: row for row in rows}
    assert by_name["siem-export"]["owner"] == {
        "login": "sami.soc@northwind.example",
        "status": "ACTIVE",
    }
    assert by_name["terraform-trial"]["owner"] is None


async def test_an_owner_that_okta_does_not_show_is_an_error_and_no_finding(
    northwind: Northwind,
) -> None:
    northwind.stops_at("users/", status=403)
    assert (await northwind.call("list_okta_api_tokens")).error["code"] == "okta_forbidden"


async def test_administrators_are_listed_with_role_group_and_factors(northwind: Northwind) -> None:
    parts = await northwind.walk("list_okta_admins")
    rows = [row for part in parts for row in part.rows]
    expected = [
        (key, role["type"], role["assignmentType"])
        for key in _ORG.users
        for role in _ORG.roles_of(key)
    ]
    kinds = {"direct": "USER", "by group": "GROUP"}
    told = [(row["user_id"], row["role"], kinds[row["assigned"]]) for row in rows]
    assert sorted(told) == sorted(expected)
    assert len(parts) > 1
    summary = parts[-1].summary
    assert summary["people"] == len({key for key, _, _ in expected})
    assert summary["assignments"] == len(expected)
    # The answer key of the organisation: two administrators without a second factor.
    assert summary["without_mfa"] == 2
    by_group = {row["group"] for row in rows if row["assigned"] == "by group"}
    assert "sso-super-admins" in by_group
    assert all(row["resource_set"] for row in rows if row["role"] == "CUSTOM")
    (leaver,) = {row["status"] for row in rows if row["login"].startswith("lena.leaver")}
    assert (leaver, summary["inactive_accounts"]) == ("SUSPENDED", 1)
    csv = await northwind.csv(parts[-1])
    assert [line["login"] for line in csv] == [row["login"] for row in rows]
    assert parts[-1].answer["csv"].startswith(REPORT_URI.partition("{")[0])


async def test_administrators_show_no_factors_to_somebody_who_may_not_see_them(
    northwind: Northwind,
) -> None:
    """B-12"""
    parts = await northwind.walk("list_okta_admins", without=("list_okta_user_factors",))
    assert not any(path.endswith("/factors") for path in northwind.asked)
    assert all(row["posture"] is None for part in parts for row in part.rows)
    assert parts[0].does_not_see("list_okta_user_factors")


async def test_many_administrators_come_page_by_page_by_the_link_in_the_body(
    northwind: Northwind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I-04"""
    monkeypatch.setattr("okta_mcp.tools.reports.admins._PAGE", 5)
    parts = await northwind.walk("list_okta_admins")
    people = {row["user_id"] for part in parts for row in part.rows}
    assert people == {key for key in _ORG.users if _ORG.roles_of(key)}


@pytest.mark.parametrize(("status", "code"), [(403, "okta_forbidden"), (429, "rate_limited")])
async def test_administrators_that_okta_does_not_give_are_an_error(
    northwind: Northwind, status: int, code: str
) -> None:
    northwind.stops_at("iam/assignees/users", status=status)
    assert (await northwind.call("list_okta_admins")).error["code"] == code


async def test_administrators_found_before_the_rate_limit_are_kept(northwind: Northwind) -> None:
    northwind.stops_at(f"users/{HANA}/roles", times=100)
    told = await northwind.call("list_okta_admins")
    northwind.faults.clear()
    rest = await northwind.walk("list_okta_admins", told)
    rows = [row for part in (told, *rest) for row in part.rows]
    assert told.answer["retry_after_seconds"] > 0
    assert len(rows) == sum(len(_ORG.roles_of(key)) for key in _ORG.users)


async def test_a_cursor_of_administrators_is_for_one_person(northwind: Northwind) -> None:
    """B-12"""
    cursor = (await northwind.call("list_okta_admins")).cursor
    told = await northwind.call("list_okta_admins", person=BOB, after=cursor)
    assert told.error["code"] == "invalid_argument"


@pytest.mark.parametrize(
    ("tool", "parameter", "expression"),
    [
        (page["tool"], parameter, example["expression"])
        for page in HELP.values()
        for parameter in ("search", "filter")
        if parameter in page and page["tool"] != "list_okta_devices"
        for example in page[parameter]["examples"]
    ],
)
async def test_every_example_of_the_help_works(
    northwind: Northwind, tool: str, parameter: str, expression: str
) -> None:
    told = await northwind.call(tool, **{parameter: expression})
    assert not told.error


async def test_200_people_are_at_most_a_quarter_of_oktas_bytes(northwind: Northwind) -> None:
    told = await northwind.call("list_okta_users", limit=200)
    okta = await northwind.http.get(
        "/api/v1/users?limit=200",
        headers={"Authorization": f"SSWS {northwind.context.api_token}"},
    )
    assert told.answer["count"] == len(okta.json()) == 200
    shown = told.answer["items"]
    assert len(compact(shown)) <= len(compact(okta.json())) / 4


def compact(rows: list[Any]) -> bytes:
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()
