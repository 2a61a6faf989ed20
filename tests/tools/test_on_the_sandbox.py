"""Each tool against the sandbox organisation, for each role of the shipped policy.

`TABLE` has one line a tool: what makes it answer in each of the ways that it can. A new tool is a
new line. Who a role is refused is decided where the endpoint decides it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from okta_mcp.inventory import inventory
from okta_mcp.mcp_endpoint.decision import verdict
from okta_mcp.mcp_endpoint.messages import INVALID_PARAMS, error_body, parsed
from okta_mcp.rbac.families import FAMILY_SCOPES
from okta_mcp.rbac.policy import SHIPPED_ROLES, Role
from okta_mcp.rbac.policy_file import shipped_policy
from okta_mcp.rbac.principal import Principal
from okta_mcp.rbac.roles import RoleDecision
from okta_mcp.sandbox.directory import Row, identifier
from okta_mcp.tools.cursors import SealedCursors
from okta_mcp.tools.error_codes import ERROR_CODES
from okta_mcp.tools.who import who_am_i
from tests.sandbox.organisation import Context, fresh
from tests.vocabulary.northwind import ANN, RETRY_SECONDS, Northwind, Told

ORG = fresh()
HANA, LEAVER = (ORG.person(name)["id"] for name in ("hana.help", "lena.leaver"))
TWO_FACTORS = next(key for key, rows in ORG.factors.items() if len(rows) > 1)
FINANCE = ORG.group_named("dept-finance")["id"]
LEARNING, PAYROLL = (
    next(key for key, app in ORG.apps.items() if app["label"] == label)
    for label in ("Learning", "Payroll")
)
POLICY = ORG.apps[PAYROLL]["accessPolicy"]
RULE = ORG.rules[POLICY][0]["id"]
NO_USER, NO_GROUP, NO_APP, NO_POLICY, NO_RULE = (
    f"{prefix}00000000000000000" for prefix in ("00u", "00g", "0oa", "rst", "rul")
)
NO_ID = "00u/../groups"


def _with_nothing(table: dict[str, Row], key: str) -> str:
    """Another row like this one, to which nothing belongs yet."""
    empty = identifier(key[:3], f"nothing of {key}")
    table[empty] = table[key] | {"id": empty}
    return empty


EMPTY_POLICY = _with_nothing(ORG.policies, POLICY)
ORG.rules[EMPTY_POLICY] = []
EMPTY_GROUP = _with_nothing(ORG.groups, FINANCE)
ORG.members[EMPTY_GROUP] = set()
EMPTY_APP = _with_nothing(ORG.apps, PAYROLL)
ORG.apps[EMPTY_APP]["accessPolicy"] = EMPTY_POLICY
ORG.app_users[EMPTY_APP], ORG.app_groups[EMPTY_APP] = {}, {}
NEWCOMER = ORG.add_user("nia.new@northwind.example", "Nia", "New", "2027-01-01T00:00:00.000Z")["id"]
ORG.remove_member(ORG.group_named("Everyone")["id"], NEWCOMER)

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Cut:
    """A list that Okta gives in one piece ends where an answer would be larger than `at_bytes`; a
    report where the rate limit is used up after `reads`. `arguments` are otherwise those of a
    success."""

    at_bytes: int | None = None
    reads: int | None = None
    arguments: Arguments | None = None


@dataclass(frozen=True)
class Line:
    """What makes a tool answer in each way; None where it never can.

    `emptied` names tables of the organisation that have no rows for the empty answer.
    """

    success: Arguments
    bad: Arguments
    missing: Arguments | None = None
    empty: Arguments | None = None
    truncated: Arguments | Cut | None = None
    emptied: tuple[str, ...] = ()
    asks_okta: bool = True

    def kinds(self) -> list[str]:
        """The ways in which it answers."""
        told = [name.name for name in fields(self)[:5] if getattr(self, name.name) is not None]
        return told + ["forbidden", "rate_limited"] * self.asks_okta


def _of_all(empty: Arguments, **bad: Any) -> Line:
    """A list without an object of its own."""
    return Line({}, bad or {"limit": 0}, empty=empty, truncated={"limit": 1})


def _of(name: str, one: str, none: str, empty: str, least: int = 1, **chosen: Any) -> Line:
    """A list of what belongs to the object that the argument `name` says."""
    return Line(
        {name: one}, {name: NO_ID}, {name: none}, {name: empty}, {name: one, "limit": least}
    )


def _whole(at_bytes: int, user_id: str = HANA) -> Line:
    """A list of what one person has, which Okta gives in one piece."""
    one = {"user_id": user_id}
    return Line(
        one, {"user_id": NO_ID}, {"user_id": NO_USER}, {"user_id": NEWCOMER}, Cut(at_bytes=at_bytes)
    )


def _one(name: str, one: str, none: str, **more: str) -> Line:
    """One object, by its id."""
    return Line({name: one, **more}, {name: NO_ID, **more}, {name: none, **more})


# An address with more events than a page of the log holds.
SPRAYING, LONG = "192.0.2.77", {"since": "80 days ago"}
LAST_MINUTE = {"since": "1 minute ago"}
TABLE: dict[str, Line] = {
    "get_okta_user": _one("user_id", HANA, NO_USER),
    "list_okta_users": _of_all({"search": 'profile.login eq "none"'}),
    "list_okta_user_groups": _whole(400),
    "list_okta_user_applications": _whole(600),
    "list_okta_user_factors": _whole(300, TWO_FACTORS),
    "get_okta_group": _one("group_id", FINANCE, NO_GROUP),
    "list_okta_groups": _of_all({"search": 'profile.name eq "none"'}),
    "list_okta_group_users": _of("group_id", FINANCE, NO_GROUP, EMPTY_GROUP),
    "list_okta_group_applications": _of("group_id", FINANCE, NO_GROUP, EMPTY_GROUP),
    "list_okta_group_rules": _of_all({"search": "no such rule"}),
    "get_okta_application": _one("app_id", PAYROLL, NO_APP),
    "list_okta_applications": _of_all({"q": "no such application"}),
    "list_okta_application_users": _of("app_id", PAYROLL, NO_APP, EMPTY_APP),
    "list_okta_application_groups": _of("app_id", LEARNING, NO_APP, EMPTY_APP, least=20),
    "get_okta_event_logs": _of_all(LAST_MINUTE, since="soon"),
    "list_okta_policy_rules": _of("policy_id", POLICY, NO_POLICY, EMPTY_POLICY),
    "get_okta_policy_rule": _one("rule_id", RULE, NO_RULE, policy_id=POLICY),
    "list_okta_policies": _of_all({"q": "no such policy"}),
    "get_okta_policy": _one("policy_id", POLICY, NO_POLICY),
    "list_okta_network_zones": _of_all({"type": "DYNAMIC_V2", "status": "ACTIVE"}),
    "list_okta_admins": Line(
        {}, {"after": "none"}, empty={}, truncated=Cut(reads=5), emptied=("roles",)
    ),
    "list_okta_api_tokens": replace(_of_all({}), emptied=("api_tokens",)),
    "list_okta_devices": replace(
        _of_all({"search": 'profile.displayName eq "none"'}), missing={"user_id": NO_USER}
    ),
    "get_current_time": Line({}, {"zone": "CET"}, asks_okta=False),
    "parse_relative_time": Line(
        {"time_expression": "last 7 days"}, {"time_expression": "soon"}, asks_okta=False
    ),
    "whoami": Line({}, {"user_id": HANA}, asks_okta=False),
    "inactive_users_report": Line(
        {"days": 30}, {"days": 0}, empty={"days": 3650}, truncated=Cut(reads=1)
    ),
    "app_access_report": replace(
        _of("app_id", PAYROLL, NO_APP, EMPTY_APP), truncated=Cut(reads=2)
    ),
    "mfa_posture_report": replace(
        _of("group_id", FINANCE, NO_GROUP, EMPTY_GROUP), truncated=Cut(reads=3)
    ),
    "offboarding_check": replace(_one("user_id", LEAVER, NO_USER), truncated=Cut(reads=2)),
    "explain_user_app_access": Line(
        {"user_id": HANA, "app_id": PAYROLL},
        {"user_id": HANA, "app_id": NO_ID},
        {"user_id": HANA, "app_id": NO_APP},
        {"user_id": HANA, "app_id": EMPTY_APP},
        Cut(reads=2),
    ),
    "investigate_login_activity": Line(
        {"user_id": HANA},
        {"user_id": HANA, "ip": "192.0.2.7"},
        {"user_id": NO_USER},
        {"user_id": NEWCOMER},
        Cut(reads=1, arguments={"ip": SPRAYING, **LONG}),
    ),
    "incident_timeline": Line(
        {"user_id": HANA}, {}, {"user_id": NO_USER}, {"user_id": NEWCOMER}, Cut(reads=2)
    ),
    "admin_change_digest": Line(
        LONG, {"since": "soon"}, empty=LAST_MINUTE, truncated=Cut(reads=1)
    ),
}  # fmt: skip

TOOLS = inventory(None, SealedCursors(b"k" * 32), lambda: 0)
RULES = shipped_policy(TOOLS.components)
SCOPES = frozenset(FAMILY_SCOPES)


def person(role: Role) -> Principal:
    decision = RoleDecision(role, (), "management_api")
    return Principal(ANN, "ann@example.com", "Ann", "c", "Client", "g", SCOPES, decision)


class Desk:
    """Somebody of one role before the tools on an organisation that nobody changes."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.without = tuple(TABLE.keys() - set(RULES.allowed("tools", role, SCOPES)))
        self.northwind = self._opened()

    def _opened(self) -> Northwind:
        return Northwind(
            Context(organisation=ORG),
            who=lambda: who_am_i(person(self.role), RULES, "Northwind"),
        )

    def reopen(self) -> None:
        """As at first: no limit is known as used up."""
        self.northwind = self._opened()

    async def ask(self, tool: str, **arguments: Any) -> Told:
        assert _decided(tool, self.role) is None
        return await self.northwind.call(tool, without=self.without, **arguments)


def _decided(tool: str, role: Role) -> dict[str, Any] | None:
    """What the endpoint answers in the place of the tool."""
    params = {"name": tool, "arguments": TABLE[tool].success}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return verdict(parsed(json.dumps(body).encode()), person(role), RULES).answer


@pytest.fixture(scope="module")
def desks() -> dict[Role, Desk]:
    return {role: Desk(role) for role in SHIPPED_ROLES}


def _roles(tool: str, *, given: bool) -> Iterator[Role]:
    for role in SHIPPED_ROLES:
        if RULES.decision("tools", tool, role, SCOPES).allowed is given:
            yield role


def _fails(told: Told, code: str) -> None:
    assert told.error["code"] == told.call.error_code == code
    assert code in ERROR_CODES
    assert told.error["fix"]
    assert told.error["message"]


def _found(told: Told) -> list[Any] | None:
    """The rows of a list or a report; None for one object."""
    assert not told.error
    return told.answer.get("items", told.answer.get("rows"))


def test_every_tool_has_a_line() -> None:
    assert TABLE.keys() == {tool.name for tool in TOOLS.tools}


@pytest.mark.parametrize(
    ("tool", "role"), [(tool, role) for tool in TABLE for role in _roles(tool, given=False)]
)
def test_a_tool_that_the_role_does_not_have_is_unknown(tool: str, role: Role) -> None:
    assert _decided(tool, role) == error_body(INVALID_PARAMS, f"Unknown tool: {tool}", 1)


@pytest.mark.parametrize(
    ("tool", "role", "kind"),
    [
        (tool, role, kind)
        for tool, line in TABLE.items()
        for role in _roles(tool, given=True)
        for kind in line.kinds()
    ],
)
async def test_a_tool_answers_a_role_that_has_it(
    desks: dict[Role, Desk], monkeypatch: pytest.MonkeyPatch, tool: str, role: Role, kind: str
) -> None:
    """Each success is held against its output schema where it is made, in `Northwind.call`."""
    line, desk = TABLE[tool], desks[role]
    context = desk.northwind.context
    desk.northwind.asked.clear()
    match kind:
        case "success":
            rows = _found(await desk.ask(tool, **line.success))
            assert rows is None or rows
        case "empty":
            assert line.empty is not None
            bare: dict[str, Any] = {name: {} for name in line.emptied}
            monkeypatch.setattr(context, "organisation", replace(ORG, **bare))
            told = await desk.ask(tool, **line.empty)
            assert (_found(told), told.answer["count"]) == ([], 0)
            assert not told.answer["truncated"]
        case "bad":
            _fails(await desk.ask(tool, **line.bad), "invalid_argument")
            assert not desk.northwind.asked
        case "missing":
            assert line.missing is not None
            _fails(await desk.ask(tool, **line.missing), "not_found")
        case "forbidden":
            monkeypatch.setitem(context.settings, "api_token_role", "none")
            _fails(await desk.ask(tool, **line.success), "okta_forbidden")
        case "rate_limited":
            desk.reopen()
            desk.northwind.reads_left = 0
            told = await desk.ask(tool, **line.success)
            _fails(told, "rate_limited")
            assert told.error["retry_after_seconds"] >= RETRY_SECONDS
            await _goes_on(desk, tool, told.error["retry_after_seconds"], line.success)
        case "truncated":
            await _is_truncated(desk, monkeypatch, tool, line)


async def _is_truncated(desk: Desk, monkeypatch: pytest.MonkeyPatch, tool: str, line: Line) -> None:
    """A part of the rows, and a cursor with which the same question goes on."""
    cut = line.truncated if isinstance(line.truncated, Cut) else Cut(arguments=line.truncated)
    arguments = line.success if cut.arguments is None else cut.arguments
    if cut.at_bytes is not None:
        monkeypatch.setattr("okta_mcp.tools.reader.MAX_ANSWER_BYTES", cut.at_bytes)
    if cut.reads is not None:
        desk.reopen()
        desk.northwind.reads_left = cut.reads
    told = await desk.ask(tool, **arguments)
    assert _found(told) is not None
    assert told.answer["truncated"]
    seconds = told.answer.get("retry_after_seconds", 0)
    assert (seconds >= RETRY_SECONDS) == (cut.reads is not None)
    await _goes_on(desk, tool, seconds, {**arguments, "after": told.cursor})


async def _goes_on(desk: Desk, tool: str, seconds: float, arguments: Arguments) -> None:
    """A call that is made after the wait that was named succeeds."""
    desk.northwind.reads_left = None
    desk.northwind.pass_seconds(seconds)
    assert not (await desk.ask(tool, **arguments)).error
