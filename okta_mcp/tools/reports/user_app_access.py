"""Can this person reach this application: through which assignment, under which rule, with what.

Okta: the person, the application, the assignment, the groups of both, the rules of the access
policy, the factors and, if the caller may see them, network zones. The rules are judged in
`access_rules`; what cannot be judged is said and never guessed.
"""

from dataclasses import dataclass
from typing import Any

from okta_mcp.okta.errors import OktaRefusedError
from okta_mcp.okta.ids import id_segment, is_okta_id, user_segment
from okta_mcp.okta.paging import target_of
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.reader import After
from okta_mcp.tools.reports.access_rules import Judged, Match, Outcome, Subject, judged, outcome
from okta_mcp.tools.reports.app_access import app_cells, read_app
from okta_mcp.tools.reports.factors import HIDDEN, PHISHING_RESISTANT, active_kinds
from okta_mcp.tools.reports.raw import at, person, text
from okta_mcp.tools.reports.report import Report, ReportTools, report_schema
from okta_mcp.tools.users import UserId

_COLUMNS = ("priority", "rule_id", "rule", "matches", "access", "requires", "conditions")
_VERDICTS = ("allowed", "denied", "conditional", "unknown")
_MORE: dict[str, dict[str, Any]] = {
    "verdict": {"type": "string", "enum": list(_VERDICTS)},
    "reasons": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"text": {"type": "string"}, "evidence": {"type": "array"}},
        },
    },
}
# People of these statuses sign in once they have done what Okta asks of them first.
_AFTER_A_STEP = {
    "PASSWORD_EXPIRED": "a new password is chosen",
    "RECOVERY": "the recovery of the password is finished",
}
_ZONES = "network zones"
_FACTORS = "the factors of the person"
# The rows of a list, the refusal, or None where the caller may not ask for it.
_Optional = list[dict[str, Any]] | OktaRefusedError | None
_NO_ASSIGNMENT = frozenset({"INACTIVE", "SUSPENDED", "REVOKED", "UNASSIGNED", "DEPROVISIONED"})
_NOT_LOOKED_AT = (
    "the global session policy, sign-in at another identity provider, and what the application"
    " itself decides"
)


@dataclass(slots=True)
class _Case:
    """The reasons so far; `denied` and `conditions` bend what the rules say."""

    reasons: list[dict[str, Any]]
    denied: bool = False
    conditional: bool = False

    def say(self, words: str, *evidence: str) -> None:
        self.reasons.append({"text": words, "evidence": [each for each in evidence if each]})


class UserAppAccessReport:
    """One tool that reads people, applications and policies."""

    def __init__(self, tools: ReportTools) -> None:
        self._tools = tools

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.explain_user_app_access,
                title="Explain a person's access to an application",
                description=(
                    "Whether a person can reach an application, through which assignment or"
                    " group, under which rule of its access policy and with which factors. rows"
                    " are the rules; verdict is allowed, denied, conditional or unknown."
                ),
                scopes=("okta.users.read", "okta.apps.read", "okta.policies.read"),
                output_schema=report_schema(_COLUMNS, **_MORE),
            )
        ]

    async def explain_user_app_access(
        self, user_id: UserId, app_id: str, after: After = None
    ) -> dict[str, Any]:
        asked = {"user": user_segment(user_id), "app_id": id_segment(app_id, "app_id")}
        report = self._tools.begun("explain_user_app_access", _COLUMNS, asked, after)
        await report.work(lambda: _step(report))
        state = report.state
        report.note_unseen(_NOT_LOOKED_AT)
        return await report.answer(
            {"user": state["user"], "app": state.get("app"), "groups": state.get("groups", [])},
            verdict=state.get("verdict", "unknown"),
            reasons=state.get("reasons", []),
        )


async def _step(report: Report) -> bool:
    """The person and the application, the assignment, and then the rest at once.

    Rules and groups would not fit into a cursor, so they are read together with the verdict.
    """
    state = report.state
    report.doing("reading assignments and rules", len(state), 4)
    if not state:
        user, app = await report.together(
            report.reader.raw(f"/api/v1/users/{report.question['user']}"), read_app(report)
        )
        state["user"] = {**person(user), "type_id": text(user, "type", "id")}
        policy_id = text(app, "_links", "accessPolicy", "href").rpartition("/")[2]
        state["app"] = {
            **app_cells(app),
            "policy_id": policy_id if is_okta_id(policy_id) else None,
            "needs_no_assignment": at(app, "settings", "implicitAssignment") is True,
        }
    elif "assignment" not in state:
        state["assignment"] = await _assignment(report)
    else:
        await _verdict(report)
        return False
    return True


async def _assignment(report: Report) -> dict[str, str] | None:
    user_id, app_id = report.state["user"]["user_id"], report.question["app_id"]
    try:
        found = await report.reader.raw(f"/api/v1/apps/{app_id}/users/{user_id}")
    except OktaRefusedError as error:
        if error.code != "not_found":
            raise
        return None
    return {name: text(found, name) for name in ("scope", "status")}


async def _verdict(report: Report) -> None:
    state = report.state
    user, app = state["user"], state["app"]
    path = f"/api/v1/users/{user['user_id']}"
    (own, _), assigned, zone_rows, rules, factors = await report.together(
        report.reader.all(f"{path}/groups"),
        report.reader.all(
            target_of(f"/api/v1/apps/{report.question['app_id']}/groups", {"limit": 200})
        ),
        _optional(report, "list_okta_network_zones", _ZONES, "/api/v1/zones"),
        _rules(report, app["policy_id"]),
        _optional(report, "list_okta_user_factors", _FACTORS, f"{path}/factors"),
    )
    shared = _shared_groups(report, own, *assigned)
    zones = _zones(report, zone_rows)
    kinds = _kinds(report, factors)
    groups = frozenset(text(group, "id") for group in own)
    subject = Subject(user["user_id"], user["type_id"], groups, zones)
    active = [rule for rule in rules if rule.get("status", "ACTIVE") == "ACTIVE"]
    in_order = sorted((judged(rule, subject) for rule in active), key=lambda each: each.priority)
    said = outcome(in_order)
    case = _Case([])
    _judge_account(case, user)
    _judge_assignment(case, state, shared)
    _judge_rules(case, app, said, kinds)
    state["groups"] = shared[:20]
    state["reasons"] = case.reasons
    state["verdict"] = _final(case, said.verdict)
    report.rows += [_row(rule, said) for rule in in_order]


def _final(case: _Case, by_rules: str) -> str:
    if case.denied:
        return "denied"
    return "conditional" if case.conditional and by_rules == "allowed" else by_rules


def _judge_account(case: _Case, user: dict[str, str]) -> None:
    status = user["status"]
    if status == "ACTIVE":
        case.say("the account is ACTIVE", user["user_id"])
    elif status in _AFTER_A_STEP:
        case.conditional = True
        case.say(f"the account is {status}: after {_AFTER_A_STEP[status]}", user["user_id"])
    else:
        case.denied = True
        case.say(f"the account is {status or 'of no known status'}: no sign-in", user["user_id"])


def _judge_assignment(case: _Case, state: dict[str, Any], shared: list[dict[str, str]]) -> None:
    app, assignment = state["app"], state["assignment"]
    if app["status"] != "ACTIVE":
        case.denied = True
        case.say(f"the application is {app['status'] or 'of no known status'}", app["id"])
    if assignment is None:
        if app["needs_no_assignment"]:
            case.say("the application needs no assignment", app["id"])
            return
        case.denied = True
        case.say("the person is not assigned to the application", state["user"]["user_id"])
        return
    if assignment["status"] in _NO_ASSIGNMENT:
        case.denied = True
        case.say(f"the assignment is {assignment['status']}", state["user"]["user_id"])
    if assignment["scope"] == "USER":
        case.say("assigned directly", state["user"]["user_id"])
    if shared:
        names = ", ".join(group["name"] for group in shared[:10])
        case.say(f"assigned through {names}", *(group["id"] for group in shared[:10]))
    elif assignment["scope"] == "GROUP":
        case.say("assigned through a group that was not found among the person's groups")


def _judge_rules(case: _Case, app: dict[str, Any], said: Outcome, kinds: list[str] | None) -> None:
    if not app["policy_id"]:
        case.say("the application names no access policy: its rules cannot be seen", app["id"])
        return
    for rule in said.rules:
        conditions = f" {'; '.join(rule.conditions)}" if rule.conditions else ""
        certainly = "applies" if rule.match is Match.YES else f"may apply,{conditions}"
        requires = f": {rule.requires}" if rule.access == "ALLOW" else ""
        case.say(f"rule {rule.name} {certainly}: {rule.access}{requires}", rule.rule_id)
    if not said.rules or said.rules[-1].match is not Match.YES:
        case.say("no rule was seen that applies for certain", app["policy_id"])
    allowing = [rule for rule in said.rules if rule.access == "ALLOW"]
    lacking = [rule for rule in allowing if kinds is not None and _lacks(rule, kinds)]
    for rule in lacking:
        kind = "phishing-resistant" if rule.needs_phishing_resistant else "second"
        case.say(f"the person has no {kind} factor, which rule {rule.name} needs", rule.rule_id)
    if allowing and lacking == allowing:
        case.conditional = True
        case.say("the person gets in only after enrolling a factor, if the policy lets them")


def _lacks(rule: Judged, kinds: list[str]) -> bool:
    """Whether the person has no factor for the rule; a question is no second factor beside a
    password."""
    if rule.needs_phishing_resistant:
        return not PHISHING_RESISTANT.intersection(kinds)
    return rule.needs_factor and not set(kinds) - {"question"}


def _row(rule: Judged, said: Outcome) -> dict[str, Any]:
    is_reached = rule in said.rules or rule.match is Match.NO
    return {
        "priority": rule.priority,
        "rule_id": rule.rule_id,
        "rule": rule.name,
        "matches": str(rule.match) if is_reached else "not reached",
        "access": rule.access,
        "requires": rule.requires,
        "conditions": list(rule.conditions),
    }


async def _rules(report: Report, policy_id: str | None) -> list[dict[str, Any]]:
    if not policy_id:
        return []
    target = target_of(f"/api/v1/policies/{policy_id}/rules", {"limit": 200})
    return (await report.reader.all(target))[0]


async def _optional(report: Report, tool: str, what: str, target: str) -> _Optional:
    """A list without which there is still an answer; None where the caller may not ask for it."""
    if not report.may(tool, what):
        return None
    try:
        return (await report.reader.all(target))[0]
    except OktaRefusedError as error:
        return error


def _shared_groups(
    report: Report, own: list[dict[str, Any]], assigned: list[dict[str, Any]], is_all: bool
) -> list[dict[str, str]]:
    """The groups of the person that are assigned to the application."""
    if not is_all:
        report.note_unseen("some of the many groups of the application")
    ids = {text(group, "id") for group in assigned}
    return [
        {"id": text(group, "id"), "name": text(group, "profile", "name")[:100]}
        for group in own
        if group.get("id") in ids
    ]


def _zones(report: Report, rows: _Optional) -> dict[str, str] | None:
    if isinstance(rows, OktaRefusedError):
        report.note_unseen(f"{_ZONES} ({rows.message})")
        return None
    return None if rows is None else {text(zone, "id"): text(zone, "name") for zone in rows}


def _kinds(report: Report, factors: _Optional) -> list[str] | None:
    if isinstance(factors, OktaRefusedError):
        report.note_unseen(f"{_FACTORS} ({factors.message})")
        return None
    if factors is None:
        return None
    report.note_unseen(HIDDEN)
    report.state["factors"] = active_kinds(factors)
    return active_kinds(factors)
