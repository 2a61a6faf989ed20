"""What administrators changed: policies, zones, roles, API tokens, applications, sign-in methods.

Okta: /api/v1/logs; okta-facts 7 for the filter. Two passes: the changes of the window, and then
for each administrator the networks that they signed in from, to tell a change that came from a
network which is new for them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from okta_mcp.okta.ids import is_okta_id
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.reader import After
from okta_mcp.tools.reports.changes import changes_filter, flags_of, kind_of
from okta_mcp.tools.reports.events import (
    LogEvent,
    count_in,
    events_of,
    first_page,
    most_counted,
    note_what_is_not_there,
    short,
    window_of,
)
from okta_mcp.tools.reports.findings import FINDINGS_SCHEMA, Findings
from okta_mcp.tools.reports.report import Report, ReportTools, report_schema
from okta_mcp.tools.windows import Moment, Window

_DEFAULT_WINDOW = timedelta(days=7)
# A network is known for an administrator who first signed in from it this long before the change.
KNOWN_FOR_SECONDS = 86_400
_COLUMNS = (
    *("published", "kind", "event", "who", "what", "outcome", "flags", "ip", "place", "network"),
    *("api_token", "transaction", "uuid"),
)
# All of this stands in the state of a report, which has to fit into a cursor.
_MOST_NAMES = 30
_MOST_PEOPLE = 10
_MOST_ADMINS = 8
_MOST_NETWORKS = 3
_MOST_TOKENS = 6
_MAX_EVIDENCE = 4


class AdminChanges:
    """One tool of `okta.logs.read`; `role_groups` gives the groups, by name or id, that give roles
    and whose members are therefore changes too."""

    def __init__(
        self, tools: ReportTools, role_groups: Callable[[], tuple[str, ...]] = tuple
    ) -> None:
        self._tools = tools
        self._role_groups = role_groups

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.admin_change_digest,
                title="Digest of administrators' changes",
                description=(
                    "Changes to policies, zones, administrator roles, API tokens, applications,"
                    " identity providers and other people's factors between since (default: 7 days"
                    " before until) and until (default: now): counts by kind and person, a row"
                    " each, flags for what deserves a look, and findings: changes made with a new"
                    " API token or from a network that is new for the administrator."
                ),
                scopes=("okta.logs.read",),
                output_schema=report_schema(_COLUMNS, findings=FINDINGS_SCHEMA),
            )
        ]

    async def admin_change_digest(
        self, since: Moment = None, until: Moment = None, after: After = None
    ) -> dict[str, Any]:
        asked = {"since": since, "until": until}
        report = self._tools.begun("admin_change_digest", _COLUMNS, asked, after)
        period = window_of(report, self._tools.now(), _DEFAULT_WINDOW)
        state = report.state
        if "next" not in state:
            state |= {"next": first_page(changes_filter(self._role_groups()), period), "changes": 0}
            state |= {"kinds": {}, "events": {}, "people": {}, "flags": {}, "tokens": {}}
            state |= {"networks": {}, "unknown": [], "more_admins": False}

        async def step() -> bool:
            if state["next"] is not None:
                events, following = await events_of(report, state["next"])
                for event in events:
                    _take(report, event)
                state["next"] = following
            elif state["networks"]:
                await _compare_networks(report, period)
            report.doing("reading changes", state["changes"])
            return bool(state["next"] or state["networks"])

        await report.work(step)
        note_what_is_not_there(report, period, self._tools.now())
        _note_what_was_not_read(report, self._role_groups())
        findings = _findings(state)
        return await report.answer(_summary(state), findings=findings.listed)


def _take(report: Report, event: LogEvent) -> None:
    """Counts one change and makes its row."""
    state, kind = report.state, kind_of(event)
    if kind is None:
        return
    flags = flags_of(event)
    if event.type == "system.api_token.create":
        _remember_token(state["tokens"], event)
    token = state["tokens"].get(event.api_token)
    if token is not None:
        flags.append("by_new_api_token")
        token["changes"] += 1
        token["last"] = event.published
        token["evidence"] = [*token["evidence"], event.uuid][:_MAX_EVIDENCE]
        count_in(token["events"], event.type, _MAX_EVIDENCE)
    if event.actor.type == "User" and is_okta_id(event.actor.id):
        state["more_admins"] |= not _remember_network(state["networks"], event)
    state["changes"] += 1
    count_in(state["kinds"], kind, _MOST_NAMES)
    count_in(state["events"], event.type, _MOST_NAMES)
    count_in(state["people"], event.actor.shown, _MOST_PEOPLE)
    for flag in flags:
        count_in(state["flags"], flag, _MOST_NAMES)
    report.rows.append(
        {
            "published": event.published,
            "kind": kind,
            "event": event.type,
            "who": event.actor.shown,
            "what": [f"{target.type} {target.name or target.shown}" for target in event.targets],
            "outcome": event.result,
            "flags": flags,
            "ip": event.ip,
            "place": event.place,
            "network": f"{event.network} {event.as_org}".strip(),
            "api_token": event.api_token,
            "transaction": event.transaction,
            "uuid": event.uuid,
        }
    )


def _remember_token(tokens: dict[str, Any], event: LogEvent) -> None:
    made = next((target for target in event.targets if target.type == "Token"), None)
    if made is None or len(tokens) >= _MOST_TOKENS:
        return
    tokens[short(made.id)] = {
        "name": short(made.name), "who": short(event.actor.shown), "ip": short(event.ip),
        "changes": 0, "events": {}, "first": event.published, "last": event.published,
        "evidence": [event.uuid],
    }  # fmt: skip


def _remember_network(admins: dict[str, Any], event: LogEvent) -> bool:
    """The first change from each network of an administrator; False for one too many."""
    if event.actor.id not in admins and len(admins) >= _MOST_ADMINS:
        return False
    admin = admins.setdefault(event.actor.id, {"who": short(event.actor.shown), "changes": {}})
    changes = admin["changes"]
    if event.network and event.network not in changes and len(changes) < _MOST_NETWORKS:
        changes[short(event.network)] = {
            "at": event.at, "published": event.published, "ip": short(event.ip),
            "uuid": event.uuid, "place": short(f"{event.place} {event.as_org}"),
        }  # fmt: skip
    return True


async def _compare_networks(report: Report, period: Window) -> None:
    """The sign-ins of the next administrators: is each network of a change an old one?"""

    async def sign_ins_of(user_id: str) -> list[LogEvent]:
        expression = (
            f'eventType eq "user.session.start" and outcome.result eq "SUCCESS"'
            f' and actor.id eq "{user_id}"'
        )
        return (await events_of(report, first_page(expression, period)))[0]

    admins = list(report.state["networks"])
    found = await report.of_first(admins, sign_ins_of)
    for user_id, sign_ins in zip(admins, found, strict=False):
        _compare(report.state, report.state["networks"].pop(user_id), sign_ins)


def _compare(state: dict[str, Any], admin: dict[str, Any], sign_ins: list[LogEvent]) -> None:
    for network, change in admin["changes"].items():
        earlier = {
            event.network for event in sign_ins if event.at <= change["at"] - KNOWN_FOR_SECONDS
        }
        if not earlier:
            state["without_history"] = state.get("without_history", 0) + 1
        elif network not in earlier and len(state["unknown"]) < _MOST_ADMINS:
            known = sorted(earlier)[:_MOST_NETWORKS]
            state["unknown"].append(
                {"who": admin["who"], "network": network, "known": known} | change
            )


def _findings(state: dict[str, Any]) -> Findings:
    """Of the whole report so far: the state holds all that they need."""
    findings = Findings({})
    for token_id, token in state["tokens"].items():
        if not token["changes"]:
            continue
        reason = (
            f"{token['who']} made the API token {token['name']} at {token['first']}, and it made"
            f" {token['changes']} changes: {', '.join(token['events'])}"
        )
        findings.put("new_api_token_used", token["who"], reason, api_token=token_id,
                     count=token["changes"], first=token["first"], last=token["last"],
                     ip=token["ip"], evidence=token["evidence"])  # fmt: skip
    for each in state["unknown"]:
        reason = (
            f"a change from {each['network']} ({each['place']}); a day before it the sign-ins of"
            f" {each['who']} had come from {', '.join(each['known'])} only"
        )
        findings.put("change_from_new_network", f"{each['who']} {each['network']}", reason,
                     count=1, first=each["published"], last=each["published"], ip=each["ip"],
                     evidence=[each["uuid"]])  # fmt: skip
    return findings


def _summary(state: Mapping[str, Any]) -> dict[str, Any]:
    since, until = state["window"]
    days = datetime.fromisoformat(until) - datetime.fromisoformat(since)
    return {
        "since": since,
        "until": until,
        "days": round(days / timedelta(days=1), 1),
        "changes": state["changes"],
        "kinds": most_counted(state["kinds"], _MOST_NAMES),
        "events": most_counted(state["events"], _MOST_NAMES),
        "people": most_counted(state["people"], _MOST_PEOPLE + 1),
        "flags": most_counted(state["flags"], _MOST_NAMES),
    }


def _note_what_was_not_read(report: Report, role_groups: tuple[str, ...]) -> None:
    report.note_unseen("what a rule said before a change, unless Okta recorded it in the event")
    groups = ", ".join(role_groups)
    report.note_unseen(
        f"members of groups other than those that give roles here ({groups})"
        if groups
        else "members of groups: a group that holds an administrator role gives it to them"
    )
    without = report.state.get("without_history", 0)
    if without:
        report.note_unseen(
            f"whether the network was new for {without} changes: no sign-in of the administrator"
            " a day or more before in the window; give an earlier since"
        )
    if report.state["more_admins"]:
        report.note_unseen(
            f"networks of more than {_MOST_ADMINS} administrators: ask for a shorter window"
        )
    if len(report.state["tokens"]) >= _MOST_TOKENS:
        report.note_unseen(f"the changes of more than {_MOST_TOKENS} new API tokens")
    if report.state["next"] or report.state["networks"]:
        report.note_unseen("networks that are new for an administrator: the last part tells them")
