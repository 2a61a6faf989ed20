"""What a tool asks of Okta, and what a call costs beyond Okta's own answer.

A sandbox organisation and our server in front of it, with a person who has really signed in. Every
tool is called once and the journal of the organisation says how often it was asked; the lookup of
the caller's role stands apart. Then the same read is made directly and through a tool, in turn, on
one kept connection each. The organisation's own rate limits are off for the times; ours count.
"""

import json
import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks import load, servers
from benchmarks.clients import Client, check_trail, signed_in, structured
from benchmarks.figures import Figure, Report, benchmark, table
from benchmarks.organisation import Organisation, organisation

MOST_ADDED_MILLISECONDS = 1.5
ROUNDS = 7
SECONDS_A_SLICE = 1.0
ROWS = 50
# Of the 18 tools those that ask Okta, with their arguments; {names} are ids of the organisation.
PLAIN: dict[str, dict[str, Any]] = {
    "get_okta_user": {"user_id": "{user}"},
    "list_okta_users": {},
    "list_okta_user_groups": {"user_id": "{user}"},
    "list_okta_user_applications": {"user_id": "{user}"},
    "list_okta_user_factors": {"user_id": "{user}"},
    "get_okta_group": {"group_id": "{group}"},
    "list_okta_groups": {},
    "list_okta_group_users": {"group_id": "{group}"},
    "get_okta_application": {"app_id": "{app}"},
    "list_okta_applications": {},
    "list_okta_application_users": {"app_id": "{app}"},
    "list_okta_application_groups": {"app_id": "{app}"},
    "get_okta_event_logs": {},
    "list_okta_policy_rules": {"policy_id": "{policy}"},
    "get_okta_policy_rule": {"policy_id": "{policy}", "rule_id": "{rule}"},
    "list_okta_network_zones": {},
}
LOCAL: dict[str, dict[str, Any]] = {
    "get_current_time": {},
    "parse_relative_time": {"time_expression": "last 7 days"},
}
# The other tools, which read as much as their answer needs.
OTHERS: dict[str, dict[str, Any]] = {
    "list_okta_group_applications": {"group_id": "{group}"},
    "list_okta_group_rules": {},
    "list_okta_policies": {},
    "get_okta_policy": {"policy_id": "{policy}"},
    "list_okta_devices": {},
    "list_okta_api_tokens": {},
    "list_okta_admins": {},
    "inactive_users_report": {},
    "app_access_report": {"app_id": "{app}"},
    "mfa_posture_report": {"group_id": "{group}"},
    "offboarding_check": {"user_id": "{user}"},
    "explain_user_app_access": {"user_id": "{user}", "app_id": "{app}"},
    "investigate_login_activity": {"user_id": "{user}"},
    "incident_timeline": {"user_id": "{user}"},
    "admin_change_digest": {},
}
REFUSED = "list_okta_network_zones"


@dataclass(frozen=True, slots=True)
class Added:
    """One read directly and by a tool: medians of the rounds in milliseconds."""

    what: str
    direct: float
    through: float
    cpu: float

    @property
    def milliseconds(self) -> float:
        return self.through - self.direct


def ids(nora: Client) -> dict[str, str]:
    """Ids for the arguments of the tools, found by tools."""
    found = {
        "user": nora.call("list_okta_users", {"search": 'profile.login sw "hana.help"'}),
        "group": nora.call("list_okta_groups", {"search": 'profile.name eq "dept-finance"'}),
        "app": nora.call("list_okta_applications", {"q": "Payroll"}),
    }
    first = {name: str(answer["items"][0]["id"]) for name, answer in found.items()}
    app = nora.call("get_okta_application", {"app_id": first["app"]})
    rules = nora.call("list_okta_policy_rules", {"policy_id": app["accessPolicyId"]})
    rule = str(rules["items"][0]["id"])
    return {**first, "policy": str(app["accessPolicyId"]), "rule": rule}


def calls_of(
    okta: Organisation, nora: Client, tools: Mapping[str, Mapping[str, Any]], known: dict[str, str]
) -> tuple[dict[str, int], int]:
    """How often the organisation is asked by each tool, and how often for the caller's role."""
    own = f"/api/v1/users/{nora.call('whoami', {})['person']['id']}"
    calls, lookups = {}, 0
    for tool, arguments in tools.items():
        before = len(okta.asked())
        nora.call(tool, {name: str(value).format(**known) for name, value in arguments.items()})
        asked = okta.asked()[before:]
        # The lookup is both; one of them alone is what the tool was asked for.
        is_lookup = {own, f"{own}/groups"} <= set(asked)
        calls[tool], lookups = len(asked) - 2 * is_lookup, lookups + is_lookup
    return calls, lookups


def added(
    okta: Organisation, nora: Client, server: servers.Server, user_id: str, *, short: bool
) -> list[Added]:
    """What a tool adds to one person, and to a page of people."""
    seconds, rounds = (0.1, 1) if short else (SECONDS_A_SLICE, ROUNDS)
    same_reads = (
        ("one person", f"/api/v1/users/{user_id}", "get_okta_user", {"user_id": user_id}),
        (f"{ROWS} people", f"/api/v1/users?limit={ROWS}", "list_okta_users", {"limit": ROWS}),
    )
    found = []
    for what, target, tool, arguments in same_reads:
        read = okta.read(target)
        call = nora.request("tools/call", {"name": tool, "arguments": arguments})
        has_all = _has_all(_ids(json.loads(load.exchanged(okta.port, read).body)))
        direct, through, cpu = [], [], []
        for number in range(-1, rounds):
            reads = load.Stream(read, lambda answer: answer.status == 200, connections=1)
            load.loaded(okta.port, [reads], seconds)
            calls = load.Stream(call, has_all, connections=1)
            used = server.cpu_seconds
            load.loaded(nora.port, [calls], seconds)
            nora.called += len(calls.seconds_taken)
            # The first round fills caches on both sides.
            if number >= 0:
                direct.append(reads.median_milliseconds)
                through.append(calls.median_milliseconds)
                cpu.append((server.cpu_seconds - used) / len(calls.seconds_taken) * 1000)
        medians = (statistics.median(each) for each in (direct, through, cpu))
        found.append(Added(what, *medians))
    return found


def _has_all(wanted: list[str]) -> Callable[[load.Answer], bool]:
    return lambda answer: _ids(structured(answer)) == wanted


def _ids(answer: Any) -> list[str]:
    rows = answer.get("items", [answer]) if isinstance(answer, dict) else answer or []
    return [row.get("id") for row in rows]


def check_refused(okta: Organisation, viewer: Client) -> None:
    """A tool beyond the role is unknown, and the organisation hears nothing of it."""
    viewer.call("list_okta_groups", {"limit": 1})
    before = len(okta.asked())
    answer = viewer.asked("tools/call", {"name": REFUSED, "arguments": {}})
    error = json.loads(answer.body).get("error", {})
    if f"Unknown tool: {REFUSED}" != error.get("message") or len(okta.asked()) != before:
        raise click.ClickException(f"a viewer was not refused: {answer.body[:300].decode()}")


@benchmark("okta")
def main(short: bool) -> Report:
    """Count what each tool asks of Okta, and measure what a call adds to Okta's own answer."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), servers.free_port()
        with (
            organisation(port) as okta,
            servers.ours(port, okta.environment(folder)) as server,
        ):
            nora, viewer = (signed_in(port, who) for who in ("Nora Lind", "Hana Novak"))
            known = ids(nora)
            calls, lookups = calls_of(okta, nora, PLAIN | LOCAL | OTHERS, known)
            check_refused(okta, viewer)
            okta.lift_limits()
            times = added(okta, nora, server, known["user"], short=short)
        # The server has ended, and with it its audit.
        check_trail(
            folder / "audit.jsonl",
            {"tool.called": nora.called + viewer.called, "tool.refused": 1},
        )
    if any(calls[tool] for tool in LOCAL) or not all(calls[tool] for tool in PLAIN):
        raise click.ClickException(f"a local tool asks Okta, or another does not: {calls}")
    return _report(calls, lookups, times)


def _report(calls: Mapping[str, int], lookups: int, times: list[Added]) -> Report:
    person, _ = times
    reads = [
        f"| {each.what} | {each.direct:.2f} ms | {each.through:.2f} ms"
        f" | {each.milliseconds:.2f} ms | {each.cpu:.2f} ms |"
        for each in times
    ]
    return Report(
        [
            Figure(
                f"calls to Okta for each of the 18 tools, one page ({len(LOCAL)} ask nothing)",
                1,
                max(calls[tool] for tool in PLAIN),
                "",
                is_most=True,
            ),
            Figure(
                f"time added to a tool call ({person.what}) beyond Okta's own answer, median",
                MOST_ADDED_MILLISECONDS,
                person.milliseconds,
                "ms",
                is_most=True,
            ),
        ],
        [
            table("read | directly | by the tool | added | processor time of a call", reads),
            table("tool | calls", [f"| `{tool}` | {count} |" for tool, count in calls.items()]),
            f"Counted in the journal of the organisation; {lookups} lookups of the caller's role"
            " aside. The reads, one person and one page, were made directly and through the server"
            " in turn, on one kept connection each, by a server that did nothing else. A viewer"
            f" was refused `{REFUSED}` in the same run, and the audit had one line for each call.",
            servers.surroundings(),
        ],
    )


if __name__ == "__main__":
    main()
