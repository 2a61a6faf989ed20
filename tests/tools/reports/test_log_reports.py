"""The reports on the system log over the sandbox: windows, parts, what they cannot see."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from okta_mcp.tools.reports import events
from tests.sandbox.organisation import NOW, fresh
from tests.tools.reports.log_events import published, raw_event, target
from tests.vocabulary.northwind import RETRY_SECONDS, Northwind, Told, everything

DAY = 86_400
MONTH = {"since": "30 days ago"}
_ORG = fresh()
OFFICE = "198.51.100.20"
NORA = _ORG.person("nora.super")
A_SESSION = next(
    event["authenticationContext"]["rootSessionId"]
    for event in _ORG.events
    if event["actor"]["id"] == NORA["id"]
)


@dataclass(frozen=True)
class Case:
    """A report with arguments that give several small pages, and ones of which nothing is known."""

    tool: str
    arguments: dict[str, Any]
    nothing: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.tool} {' '.join(self.arguments)}"


QUIET = {"since": published(NOW - 80 * DAY), "until": published(NOW - 70 * DAY)}
CASES = [
    Case("investigate_login_activity", MONTH, QUIET),
    Case("investigate_login_activity", {"ip": "203.0.113.66"} | MONTH, {"ip": "2001:db8::1"}),
    Case("investigate_login_activity", {"user_id": "karel.olsen"} | MONTH,
         {"user_id": "karel.olsen"} | QUIET),
    Case("incident_timeline", {"user_id": "nora.super"} | MONTH, {"user_id": "nora.super"} | QUIET),
    Case("incident_timeline", {"ip": "203.0.113.140"} | MONTH, {"ip": "2001:db8::1"}),
    Case("incident_timeline", {"session_id": A_SESSION} | MONTH, {"session_id": "102nothing"}),
    Case("incident_timeline", {"transaction_id": "Y0Sunknown-1"} | MONTH,
         {"transaction_id": "W@nothing_-x"}),
    Case("admin_change_digest", MONTH, QUIET),
]  # fmt: skip
each = pytest.mark.parametrize("case", CASES, ids=str)
# A walk of one page has no middle.
WITH_PAGES = [case for case in CASES if not {"session_id", "transaction_id"} & set(case.arguments)]
each_with_pages = pytest.mark.parametrize("case", WITH_PAGES, ids=str)
TOOLS = {case.tool: case for case in CASES}
each_tool = pytest.mark.parametrize("case", TOOLS.values(), ids=TOOLS)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENTS_A_PAGE", 3)


@pytest.fixture
def one_read_a_call(small_pages: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("okta_mcp.tools.reports.report.READS_A_CALL", 1)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("investigate_login_activity", {"user_id": NORA["id"], "ip": OFFICE}),
        ("investigate_login_activity", {"ip": "office"}),
        ("investigate_login_activity", {"ip": "203.0.113.0/24"}),
        ("investigate_login_activity", {"ip": ""}),
        ("investigate_login_activity", {"user_id": ""}),
        ("investigate_login_activity", {"user_id": 'x" or eventType pr or "'}),
        ("investigate_login_activity", {"user_id": "me"}),
        ("incident_timeline", {}),
        ("incident_timeline", {"ip": OFFICE, "session_id": A_SESSION}),
        ("incident_timeline", {"session_id": 'x" or eventType pr or "'}),
        ("incident_timeline", {"transaction_id": "a b c d e f"}),
        ("incident_timeline", {"transaction_id": ""}),
        *((tool, TOOLS[tool].nothing | {"since": "soon", "until": None}) for tool in TOOLS),
        *((tool, TOOLS[tool].nothing | {"since": "now", "until": "2 days ago"}) for tool in TOOLS),
        *((tool, TOOLS[tool].arguments | {"since": "200 days ago"}) for tool in TOOLS),
    ],
)
async def test_bad_arguments_are_refused_before_the_log_is_asked(
    northwind: Northwind, tool: str, arguments: dict[str, Any]
) -> None:
    """I-01"""
    given = {name: value for name, value in arguments.items() if value is not None}
    told = await northwind.call(tool, **given)
    assert told.error["code"] == "invalid_argument"
    assert told.error["fix"]
    assert "logs" not in northwind.asked


@each_tool
async def test_a_window_longer_than_the_role_may_ask_for_is_refused(
    northwind: Northwind, case: Case
) -> None:
    told = await northwind.call(case.tool, longest_window_days=7, **case.arguments)
    assert told.error["code"] == "forbidden_parameter"
    assert "at most 7 days" in told.error["message"]
    assert "logs" not in northwind.asked


@each_tool
async def test_without_a_window_the_role_gets_what_it_may(northwind: Northwind, case: Case) -> None:
    asked = {name: value for name, value in case.arguments.items() if name != "since"}
    told = await northwind.call(case.tool, longest_window_days=2, **asked)
    assert told.summary["since"] == published(NOW - 2 * DAY)


@each_tool
async def test_a_cursor_does_not_outlive_the_window_that_the_role_may_ask_for(
    northwind: Northwind, case: Case, one_read_a_call: None
) -> None:
    first = await northwind.call(case.tool, **case.arguments)
    told = await northwind.call(
        case.tool, longest_window_days=7, **case.arguments, after=first.cursor
    )
    assert told.error["code"] == "forbidden_parameter"


@each_tool
@pytest.mark.parametrize(("status", "code"), [(403, "okta_forbidden"), (429, "rate_limited")])
async def test_a_log_that_okta_does_not_give_is_an_error(
    northwind: Northwind, case: Case, status: int, code: str
) -> None:
    northwind.stops_at("logs", status)
    assert (await northwind.call(case.tool, **case.arguments)).error["code"] == code


@each
async def test_where_nothing_happened_the_report_is_empty_and_whole(
    northwind: Northwind, case: Case
) -> None:
    told = await northwind.call(case.tool, **case.nothing)
    assert (told.rows, told.answer["findings"]) == ([], [])
    assert not told.answer["truncated"]


@each
async def test_every_read_of_the_log_is_bounded_and_in_order(
    northwind: Northwind, case: Case, small_pages: None
) -> None:
    queries: list[str] = []
    northwind.http.event_hooks["request"] = [_noted(queries)]
    await northwind.walk(case.tool, **case.arguments)
    assert queries
    assert all("until=" in query and "ASCENDING" in query for query in queries)
    # Only the first page of a walk names its beginning; the others are Okta's own next links.
    assert all(("since=" in query) != ("after=" in query) for query in queries)


def _noted(queries: list[str]) -> Any:
    async def note(request: Any) -> None:
        if request.url.path == "/api/v1/logs":
            queries.append(request.url.query.decode())

    return note


@each_with_pages
async def test_a_rate_limit_in_the_middle_gives_a_part_and_the_rest_follows(
    northwind: Northwind, case: Case, small_pages: None
) -> None:
    whole = (await northwind.walk(case.tool, **case.arguments))[-1]
    northwind.http.event_hooks["request"] = [_limited_at(northwind, 3)]
    first = await northwind.call(case.tool, **case.arguments)
    assert first.answer["retry_after_seconds"] >= RETRY_SECONDS
    parts = [first, *await northwind.walk(case.tool, first, **case.arguments)]
    assert parts[-1].summary == whole.summary
    rows = await northwind.csv(whole)
    assert await northwind.csv(parts[-1]) == rows


def _limited_at(northwind: Northwind, number: int) -> Any:
    """The log refuses the read of this number."""
    reads: list[str] = []

    async def limit(request: Any) -> None:
        if request.url.path == "/api/v1/logs":
            reads.append(request.url.path)
            if len(reads) == number:
                northwind.stops_at("logs")

    return limit


@each_with_pages
async def test_parts_together_say_what_one_call_says(
    northwind: Northwind, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await northwind.call(case.tool, **case.arguments)
    expected = await northwind.csv(whole)
    monkeypatch.setattr(events, "EVENTS_A_PAGE", 7)
    monkeypatch.setattr("okta_mcp.tools.reports.report.READS_A_CALL", 1)
    parts = await northwind.walk(case.tool, **case.arguments)
    assert len(parts) > 1
    assert parts[-1].summary == whole.summary
    assert await northwind.csv(parts[-1]) == expected
    assert [row["uuid"] for row in everything(parts)] == [row["uuid"] for row in expected]
    counted = Counter(finding["rule"] for finding in whole.answer["findings"])
    last = {_key(finding): finding for part in parts for finding in part.answer["findings"]}
    assert Counter(rule for rule, *_ in last) == counted


def _key(finding: dict[str, Any]) -> tuple[str, str, str]:
    # A spray that is still going on is shown in each part.
    return finding["rule"], finding["who"], finding.get("first", "")


@each_tool
async def test_a_report_says_what_okta_no_longer_or_not_yet_has(
    northwind: Northwind, case: Case
) -> None:
    told = await northwind.call(case.tool, **case.arguments | {"since": "100 days ago"})
    assert told.does_not_see("Okta keeps 90 days")
    assert told.does_not_see("may still be on its way")
    past = await northwind.call(case.tool, **case.arguments | QUIET)
    assert not past.does_not_see("Okta keeps 90 days")
    assert not past.does_not_see("may still be on its way")


def added(northwind: Northwind, *raw: dict[str, Any]) -> None:
    northwind.organisation.events.extend(raw)


@each_tool
async def test_texts_of_strangers_are_cleaned_and_no_formula_is_calculated(
    northwind: Northwind, case: Case
) -> None:
    """I-08"""
    hostile = "=cmd\u202e\u200b" + "x" * 2_000
    added(
        northwind,
        raw_event("user.account.lock", "FAILURE", at=NOW - 60, who=hostile, reason=hostile,
                  ip="203.0.113.140", targets=[target("User", NORA["id"], hostile)]),
        raw_event("zone.update", at=NOW - 50, who=hostile, ip="203.0.113.140"),
    )  # fmt: skip
    arguments = {"ip": "203.0.113.140"} if case.tool == "incident_timeline" else {}
    told = await northwind.call(case.tool, since="1 hour ago", **arguments)
    shown = [row for row in told.rows if row["who"].startswith("=cmd")]
    assert shown
    assert "\u202e" not in str(told.answer)
    assert max(len(row["who"]) for row in shown) < 600
    names = [row["who"] for row in await northwind.csv(told)]
    assert any(name.startswith("'=cmd") for name in names)
    assert not any(name.startswith("=") for name in names)


@each_tool
async def test_hostile_names_do_not_make_a_cursor_too_long(
    northwind: Northwind, case: Case, one_read_a_call: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cursor is refused beyond 20,000 characters."""
    monkeypatch.setattr(events, "EVENTS_A_PAGE", 500)
    kinds = ("user.session.start", "zone.update", "user.authentication.auth_via_mfa")
    for turn in range(1_200):
        kind, name = kinds[turn % 3], f"{turn}" + "ж🦊\ud800" * 150
        raw = raw_event(
            kind, "FAILURE", at=NOW - 2_400 + turn, who=name, reason=name, ip=f"2001:db8::{turn}",
            network=turn % 7, actor_id=f"00u{turn:017}", token=f"00T{turn % 90:017}",
            targets=[target("User", NORA["id"], name), target("Token", f"00T{turn:017}", name)],
        )  # fmt: skip
        raw["authenticationContext"] = {"rootSessionId": f"102{turn:020}"}
        # JSON cannot carry a lone surrogate over HTTP as UTF-8, but it can escape one.
        added(northwind, _without_surrogates(raw))
    arguments = {"user_id": "nora.super"} if case.tool == "incident_timeline" else {}
    parts = await northwind.walk(case.tool, since="1 day ago", **arguments)
    assert len(parts) > 1
    assert max(len(part.cursor) for part in parts[:-1]) < 20_000


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\ud800", "")
    if isinstance(value, dict):
        return {name: _without_surrogates(inner) for name, inner in value.items()}
    return [_without_surrogates(inner) for inner in value] if isinstance(value, list) else value


async def test_a_timeline_holds_what_its_sessions_did_from_elsewhere(northwind: Northwind) -> None:
    stolen = raw_event(at=NOW - 60, who="nora.super", actor_id=NORA["id"], ip="192.0.2.200")
    used = raw_event("user.authentication.sso", at=NOW - 30, who="x", ip="192.0.2.201",
                     actor_id="00uelse123456789012")  # fmt: skip
    added(northwind, stolen, used)
    told = await northwind.call("incident_timeline", ip="192.0.2.200")
    assert [(row["ip"], row["tied_by"]) for row in told.rows] == [
        ("192.0.2.200", "ip"),
        ("192.0.2.201", "session"),
    ]


async def test_access_after_the_account_was_given_back_is_no_finding(northwind: Northwind) -> None:
    nora = [target("User", NORA["id"], "nora.super")]
    more: dict[str, Any] = {"who": "nora.super", "actor_id": NORA["id"], "ip": "192.0.2.200"}
    added(
        northwind,
        raw_event("user.lifecycle.suspend", at=NOW - 90, who="hana.help", targets=nora),
        raw_event("user.session.start", "FAILURE", at=NOW - 80, **more),
        raw_event("user.lifecycle.unsuspend", at=NOW - 70, who="hana.help", targets=nora),
        raw_event("user.session.start", at=NOW - 60, **more),
    )
    told = await northwind.call("incident_timeline", user_id="nora.super", since="1 hour ago")
    assert len(told.rows) == 4
    assert told.answer["findings"] == []


def change(at: float, ip: str, network: int) -> dict[str, Any]:
    return raw_event("zone.update", at=at, who="zoe", actor_id="00uzoe12345678901234", ip=ip,
                     network=network)  # fmt: skip


def sign_in(at: float, network: int) -> dict[str, Any]:
    return raw_event(at=at, who="zoe", actor_id="00uzoe12345678901234", network=network)


@pytest.mark.parametrize(
    ("sign_ins", "is_new"),
    [
        ([sign_in(NOW - 3 * DAY, 1), sign_in(NOW - 7_200, 2)], True),
        ([sign_in(NOW - 3 * DAY, 1), sign_in(NOW - 2 * DAY, 2)], False),
    ],
    ids=["signed in from there just before", "known for two days"],
)
async def test_a_change_from_a_network_is_new_where_the_administrator_was_not_there_before(
    northwind: Northwind, sign_ins: list[dict[str, Any]], is_new: bool
) -> None:
    added(northwind, *sign_ins, change(NOW - 3_600, "192.0.2.200", 2))
    told = await northwind.call("admin_change_digest", since="4 days ago")
    found = [finding["rule"] for finding in told.answer["findings"]]
    assert found == (["change_from_new_network"] if is_new else [])


async def test_without_earlier_sign_ins_the_digest_says_that_it_cannot_tell(
    northwind: Northwind,
) -> None:
    added(northwind, change(NOW - 3_600, "192.0.2.200", 2))
    told = await northwind.call("admin_change_digest", since="2 days ago")
    assert told.answer["findings"] == []
    assert told.does_not_see("whether the network was new for 1 changes")


async def test_a_challenge_is_no_refusal(northwind: Northwind) -> None:
    challenge = raw_event("policy.evaluate_sign_on", "CHALLENGE", at=NOW - 60, ip="192.0.2.99")
    northwind.organisation.events.append(challenge)
    answer = (await northwind.call("investigate_login_activity", ip="192.0.2.99")).answer
    assert answer["summary"]["outcomes"] == {"policy.evaluate_sign_on CHALLENGE": 1}
    assert answer["summary"]["refused_accounts"] == {}
    assert answer["rows"] == []


async def test_login_activity_says_what_was_not_looked_at(northwind: Northwind) -> None:
    async def told(**asked: Any) -> Told:
        return await northwind.call("investigate_login_activity", **asked)

    assert (await told()).does_not_see("sign-ins that succeeded")
    assert (await told(ip=OFFICE)).does_not_see("impossible travel")
    assert (await told(user_id="nora.super")).does_not_see("password spray")
    assert (await told(user_id="lena.leaver")).does_not_see("whether a country")
