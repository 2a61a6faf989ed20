"""What holds for each report: refusals, the rate limit, cursors, CSV, progress."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from okta_mcp.tools import okta_tools
from okta_mcp.tools.cursors import SealedCursors
from okta_mcp.tools.reports.report import READS_AT_ONCE, Report
from tests.sandbox.organisation import fresh
from tests.vocabulary.northwind import ANN, BOB, RETRY_SECONDS, Northwind, everything

_ORG = fresh()
LEAVER, HELPER = (_ORG.person(name)["id"] for name in ("lena.leaver", "hana.help"))
APP = next(key for key, app in _ORG.apps.items() if app["label"] == "Payroll")
OTHER_APP = next(key for key, app in _ORG.apps.items() if app["label"] == "Ledger")
GROUP = _ORG.group_named("dept-security")["id"]
OTHER_GROUP = _ORG.group_named("dept-finance")["id"]
NOBODY, NOTHING = "00u0000000000000000", "0oa0000000000000000"


@dataclass(frozen=True)
class Case:
    """A report with good arguments, bad ones, and ones of another question.

    `first` is the path of its first read, `later` of one that comes after a step is done.
    """

    tool: str
    arguments: dict[str, Any]
    first: str
    later: str
    bad: dict[str, Any]
    other: dict[str, Any]
    missing: dict[str, Any] | None = None
    needed: set[str] = field(default_factory=lambda: {"okta.users.read"})

    def __str__(self) -> str:
        return self.tool


CASES = [
    Case("inactive_users_report", {"days": 100}, "users", "", {"days": 0}, {"days": 101}),
    Case("app_access_report", {"app_id": APP}, f"apps/{APP}", f"apps/{APP}/groups",
         {"app_id": "Payroll"}, {"app_id": OTHER_APP}, {"app_id": NOTHING},
         {"okta.apps.read", "okta.users.read", "okta.groups.read"}),
    Case("mfa_posture_report", {"group_id": GROUP}, "iam/assignees/users", "users/",
         {"group_id": GROUP, "search": 'status eq "ACTIVE"'}, {"group_id": OTHER_GROUP},
         {"group_id": "00g0000000000000000"}, {"okta.users.read", "okta.groups.read"}),
    Case("offboarding_check", {"user_id": LEAVER}, f"users/{LEAVER}", f"users/{LEAVER}/factors",
         {"user_id": "me"}, {"user_id": "hana.help"}, {"user_id": NOBODY}),
    Case("explain_user_app_access", {"user_id": LEAVER, "app_id": APP}, f"users/{LEAVER}",
         f"users/{LEAVER}/groups", {"user_id": LEAVER, "app_id": "Pay roll"},
         {"user_id": LEAVER, "app_id": OTHER_APP}, {"user_id": NOBODY, "app_id": APP},
         {"okta.users.read", "okta.apps.read", "okta.policies.read"}),
    Case("investigate_login_activity", {"user_id": HELPER}, f"users/{HELPER}", "",
         {"user_id": HELPER, "ip": "192.0.2.7"}, {"user_id": LEAVER}, {"user_id": NOBODY},
         {"okta.logs.read", "okta.users.read"}),
    Case("incident_timeline", {"user_id": HELPER}, f"users/{HELPER}", "", {},
         {"user_id": LEAVER}, {"user_id": NOBODY}, {"okta.logs.read", "okta.users.read"}),
    Case("admin_change_digest", {"since": "9 days ago"}, "logs", "", {"since": "soon"},
         {"since": "8 days ago"}, needed={"okta.logs.read"}),
]  # fmt: skip
# The report of inactive people has a second read only where there is a second page.
WITH_STEPS = [case for case in CASES if case.later]

each = pytest.mark.parametrize("case", CASES, ids=str)
each_with_steps = pytest.mark.parametrize("case", WITH_STEPS, ids=str)


@each
async def test_bad_arguments_are_refused_before_okta_is_asked(
    northwind: Northwind, case: Case
) -> None:
    told = await northwind.call(case.tool, **case.bad)
    assert told.error["code"] == "invalid_argument"
    assert told.error["fix"]
    assert not northwind.asked


@pytest.mark.parametrize("case", [case for case in CASES if case.missing], ids=str)
async def test_what_does_not_exist_is_not_found(northwind: Northwind, case: Case) -> None:
    told = await northwind.call(case.tool, **case.missing)
    assert told.error["code"] == "not_found"


@each
async def test_a_report_that_okta_forbids_is_an_error(northwind: Northwind, case: Case) -> None:
    first = "groups/" if case.tool == "mfa_posture_report" else case.first
    northwind.stops_at(first, status=403)
    told = await northwind.call(case.tool, **case.arguments)
    assert told.error["code"] == "okta_forbidden"


@each
async def test_a_rate_limit_at_the_start_is_an_error_with_the_wait(
    northwind: Northwind, case: Case
) -> None:
    northwind.stops_at(case.first)
    told = await northwind.call(case.tool, **case.arguments)
    assert told.error["code"] == "rate_limited"
    assert told.error["retry_after_seconds"] >= RETRY_SECONDS
    northwind.pass_seconds(told.error["retry_after_seconds"])
    assert not (await northwind.call(case.tool, **case.arguments)).error


@each_with_steps
@pytest.mark.parametrize("status", [429, 500])
async def test_a_stop_in_the_middle_gives_a_part_and_the_rest_follows_once(
    northwind: Northwind, case: Case, status: int
) -> None:
    whole = (await northwind.walk(case.tool, **case.arguments))[-1]
    expected = await northwind.csv(whole)
    northwind.stops_at(case.later, status)
    first = await northwind.call(case.tool, **case.arguments)
    assert first.answer["truncated"]
    assert ("retry_after_seconds" in first.answer) == (status == 429)
    assert first.does_not_see("the rest")
    parts = [first, *await northwind.walk(case.tool, first, **case.arguments)]
    assert parts[-1].summary == whole.summary
    assert await northwind.csv(parts[-1]) == expected
    if len(expected) <= 100:
        assert len(everything(parts)) == len(expected)


@each_with_steps
async def test_a_part_that_is_asked_for_twice_stands_in_the_csv_once(
    northwind: Northwind, case: Case
) -> None:
    expected = await northwind.csv((await northwind.walk(case.tool, **case.arguments))[-1])
    northwind.stops_at(case.later)
    first = await northwind.call(case.tool, **case.arguments)
    northwind.pass_seconds(RETRY_SECONDS * 2)
    for _ in range(2):
        last = (await northwind.walk(case.tool, first, **case.arguments))[-1]
        assert await northwind.csv(last) == expected


@each_with_steps
@pytest.mark.parametrize("of", ["another person", "another question", "another tool", "nobody"])
async def test_a_cursor_of_something_else_is_refused(
    northwind: Northwind, case: Case, of: str
) -> None:
    """I-04"""
    northwind.stops_at(case.later)
    cursor = (await northwind.call(case.tool, **case.arguments)).cursor
    tool, arguments, person = case.tool, case.arguments, ANN
    match of:
        case "another person":
            person = BOB
        case "another question":
            arguments = case.other
        case "another tool":
            tool, arguments = "inactive_users_report", {}
        case "nobody":
            cursor = "x" * 40
    northwind.asked.clear()
    told = await northwind.call(tool, person=person, **arguments, after=cursor)
    assert told.error["code"] == "invalid_argument"
    assert "next_cursor" in told.error["fix"]
    assert not northwind.asked


async def test_a_cursor_goes_on_with_its_own_question_where_none_is_given(
    northwind: Northwind,
) -> None:
    northwind.stops_at("users/")
    first = await northwind.call("mfa_posture_report", group_id=GROUP)
    northwind.pass_seconds(RETRY_SECONDS * 2)
    rest = await northwind.call("mfa_posture_report", after=first.cursor)
    assert (
        rest.summary["looked_at"]
        == (await northwind.call("mfa_posture_report", group_id=GROUP)).summary["looked_at"]
    )


@each
async def test_a_report_says_how_far_it_is(northwind: Northwind, case: Case) -> None:
    progress = (await northwind.call(case.tool, **case.arguments)).call.progress
    assert progress.doing != "reading from Okta"
    assert progress.done > 0


@each
async def test_a_call_reads_okta_a_bounded_number_of_times(
    northwind: Northwind, case: Case
) -> None:
    await northwind.call(case.tool, **case.arguments)
    assert 0 < len(northwind.asked) <= 65


@each
def test_a_report_needs_the_families_that_it_cannot_do_without(case: Case) -> None:
    tools = {each.name: each for each in okta_tools(None, SealedCursors(b"k" * 32), lambda: 0)}
    assert set(tools[case.tool].scopes) == case.needed


async def test_the_csv_keeps_a_formula_from_being_calculated(northwind: Northwind) -> None:
    user = northwind.organisation.person("hana.help")
    user["profile"] |= {"firstName": "=HYPERLINK(1)", "lastName": ""}
    user["lastLogin"] = "2020-01-01T00:00:00.000Z"
    told = await northwind.call("inactive_users_report")
    names = [row["name"] for row in await northwind.csv(told)]
    assert "'=HYPERLINK(1)" in names
    assert "=HYPERLINK(1)" not in names


async def test_a_table_longer_than_an_answer_is_whole_in_the_csv(northwind: Northwind) -> None:
    wiki = next(key for key, app in _ORG.apps.items() if app["label"] == "Wiki")
    told = await northwind.call("app_access_report", app_id=wiki)
    assert (len(told.rows), told.answer["count"] > 200) == (100, True)
    assert "the csv has all" in told.answer["hint"]
    assert len(await northwind.csv(told)) == told.answer["count"]


async def test_a_csv_that_has_expired_is_said_and_begun_again(northwind: Northwind) -> None:
    case = CASES[3]
    northwind.stops_at(case.later)
    first = await northwind.call(case.tool, **case.arguments)
    northwind.pass_seconds(3601)
    last = await northwind.call(case.tool, **case.arguments, after=first.cursor)
    assert last.does_not_see("which has expired")
    assert len(await northwind.csv(last)) == last.answer["count"] < 8


async def test_a_csv_that_is_not_kept_is_said(
    northwind: Northwind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("okta_mcp.mcp_endpoint.report_shelf.MAX_CHARS", 100)
    told = await northwind.call("inactive_users_report")
    assert "csv" not in told.answer
    assert told.does_not_see("the CSV")


@pytest.mark.parametrize("seconds", [0.0, 7.0])
async def test_a_call_ends_after_its_reads_or_its_time(
    northwind: Northwind, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    if seconds:
        monkeypatch.setattr(Report, "count_read", lambda _: northwind.pass_seconds(seconds))
    parts = await northwind.walk("mfa_posture_report")
    longest = max(len(part.rows) for part in parts)
    assert longest <= (READS_AT_ONCE if seconds else 60)
    ids = [row["user_id"] for row in everything(parts)]
    assert len(ids) == len(set(ids)) == 205


async def test_cursors_stay_short_enough_to_be_accepted(northwind: Northwind) -> None:
    """A cursor is refused beyond 20,000 characters: long names of many people must not reach it."""
    for user in northwind.organisation.users.values():
        user["profile"] |= {"firstName": "ぁ" * 50, "lastName": "ぁ" * 50}
    search = f'status eq "ACTIVE" and profile.login gt "{" " * 200}"'
    parts = await northwind.walk("mfa_posture_report", search=search)
    assert max(len(part.cursor) for part in parts[:-1]) < 15_000
