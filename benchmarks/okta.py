"""What a tool asks of Okta, and what a call costs beyond Okta's own answer.

A sandbox organisation and our server in front of it, with a person who has really signed in. Every
tool is called once and the journal of the organisation says how often it was asked; the lookup of
the caller's role stands apart. Then the same read is made directly and through a tool, in turn, on
one kept connection each. The organisation's own rate limits are off for the times; ours count.
"""

import contextlib
import json
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from benchmarks import load, servers
from benchmarks.visitor import Visitor

PAGE = servers.ROOT / "docs" / "performance.md"
MOST_ADDED_MILLISECONDS = 1.5
VERSION = "2025-06-18"
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
class Organisation:
    """A running sandbox, by what it said when it was ready."""

    ready: dict[str, Any]

    @property
    def port(self) -> int:
        return int(urlsplit(self.ready["org_url"]).port or 0)

    def settings(self, folder: Path) -> dict[str, str]:
        """The environment of a server that asks it with an API token."""
        names = ("client_id", "client_secret", "api_token")
        return {
            "OKTA_ORG_URL": self.ready["org_url"],
            **{f"OKTA_{name.upper()}": self.ready[name] for name in names},
            **{
                f"GROUP_TO_ROLE_{role.upper()}": group
                for role, group in self.ready["role_groups"].items()
            },
            **servers.HIGH_RATES,
            "SESSION_SECRET_KEY": secrets.token_urlsafe(48),
            "OAUTH_REQUIRE_HTTPS": "false",
            "AUDIT_LOG": str(folder / "audit.jsonl"),
        }

    def control(self, method: str, verb: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call of its control plane, which is in no journal."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port)) as connection:
            headers = {"X-Sandbox-Control": self.ready["control_secret"]}
            connection.request(method, f"/__sandbox/{verb}", json.dumps(body or {}), headers)
            return json.loads(connection.getresponse().read())

    def asked(self) -> list[str]:
        """The paths of the Management API that were asked so far."""
        paths = (each["path"] for each in self.control("GET", "requests"))
        return [path for path in paths if path.startswith("/api/v1/")]

    def read(self, target: str) -> bytes:
        """A read of the Management API as raw bytes, with the server's own credentials."""
        headers = {
            "authorization": f"SSWS {self.ready['api_token']}",
            "accept": "application/json",
            "content-type": "application/json; okta-response=omitCredentials,omitCredentialsLinks",
        }
        return load.request(target, f"127.0.0.1:{self.port}", headers, method="GET")


@dataclass(slots=True)
class Person:
    """Somebody who has signed in at the server on `port`; `made` counts the calls."""

    port: int
    token: str
    made: int = 0

    def request(self, tool: str, arguments: Mapping[str, Any]) -> bytes:
        """The call as raw bytes."""
        params = {"name": tool, "arguments": arguments}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {
            "authorization": f"Bearer {self.token}",
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            "mcp-protocol-version": VERSION,
        }
        host = f"localhost:{self.port}"
        return load.request("/mcp", host, headers, json.dumps(message).encode())

    def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The structured answer; raises `ClickException` for any other."""
        answer = load.exchanged(self.port, self.request(tool, arguments))
        self.made += 1
        found = structured(answer)
        if found is None:
            raise click.ClickException(f"{tool} failed: {answer.body[:300].decode()}")
        return found


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


def structured(answer: load.Answer) -> dict[str, Any] | None:
    """What a successful call answered; None for a refusal or an error."""
    result = json.loads(answer.body).get("result") if answer.status == 200 else None
    if not result or result.get("isError"):
        return None
    return dict(result["structuredContent"])


@contextlib.contextmanager
def organisation(port: int) -> Iterator[Organisation]:
    """A sandbox for a server on `port`, which ends on leaving."""
    url = f"http://localhost:{port}"
    command = [
        *(sys.executable, "-m", "okta_mcp.sandbox", "--port", "0", "--end-with-stdin"),
        *("--redirect-uri", f"{url}/oauth/callback"),
        *("--post-logout-redirect-uri", f"{url}/oauth/signed-out"),
    ]
    with subprocess.Popen(  # noqa: S603 - our own module, no shell
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=servers.ROOT
    ) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise click.ClickException("the sandbox did not start")
        yield Organisation(json.loads(line))
        if process.stdin:
            process.stdin.close()


def signed_in(port: int, name: str) -> Person:
    """A persona of the sandbox after a whole login."""
    visitor = Visitor(f"http://localhost:{port}")
    try:
        tokens = visitor.log_in(["Sign in with Okta", name, "Allow"])
    finally:
        visitor.close()
    return Person(port, tokens["access_token"])


def ids(nora: Person) -> dict[str, str]:
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
    okta: Organisation, nora: Person, tools: Mapping[str, Mapping[str, Any]], known: dict[str, str]
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
    okta: Organisation,
    nora: Person,
    server: servers.Server,
    user_id: str,
    seconds: float,
    rounds: int,
) -> list[Added]:
    """What a tool adds to one person, and to a page of people."""
    reads = (
        ("one person", f"/api/v1/users/{user_id}", "get_okta_user", {"user_id": user_id}),
        (f"{ROWS} people", f"/api/v1/users?limit={ROWS}", "list_okta_users", {"limit": ROWS}),
    )
    found = []
    for what, target, tool, arguments in reads:
        raw = json.loads(load.exchanged(okta.port, okta.read(target)).body)
        wanted = _ids(raw)
        direct, through, cpu = [], [], []
        for number in range(-1, rounds):
            at_okta = load.Stream(okta.read(target), lambda each: each.status == 200, 1)
            call = load.Stream(
                nora.request(tool, arguments),
                lambda each, wanted=wanted: _ids(structured(each)) == wanted,  # type: ignore[misc]
                1,
            )
            load.loaded(okta.port, [at_okta], seconds)
            used = server.cpu_seconds
            load.loaded(nora.port, [call], seconds)
            nora.made += len(call.seconds_taken)
            # The first round fills caches on both sides.
            if number >= 0:
                direct.append(at_okta.median_milliseconds)
                through.append(call.median_milliseconds)
                cpu.append((server.cpu_seconds - used) / len(call.seconds_taken) * 1000)
        medians = (statistics.median(each) for each in (direct, through, cpu))
        found.append(Added(what, *medians))
    return found


def _ids(answer: Any) -> list[str]:
    rows = answer.get("items", [answer]) if isinstance(answer, dict) else answer or []
    return [row.get("id") for row in rows]


def check_refused(okta: Organisation, viewer: Person) -> None:
    """A tool beyond the role is unknown, and the organisation hears nothing of it."""
    viewer.call("list_okta_groups", {"limit": 1})
    before = len(okta.asked())
    answer = load.exchanged(viewer.port, viewer.request(REFUSED, {}))
    error = json.loads(answer.body).get("error", {})
    if f"Unknown tool: {REFUSED}" != error.get("message") or len(okta.asked()) != before:
        raise click.ClickException(f"a viewer was not refused: {answer.body[:300].decode()}")


def check_audit(folder: Path, called: int) -> None:
    """One line for each call, and one for the refusal."""
    lines = (folder / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line)["event"] for line in lines]
    found = events.count("tool.called"), events.count("tool.refused")
    if found != (called, 1):
        raise click.ClickException(f"the audit has {found} lines for {called} calls, 1 refused")


def measured(seconds: float, rounds: int) -> str:
    """Everything in one run, as the text for the page."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), servers.free_port()
        with (
            organisation(port) as okta,
            servers.started(
                "okta_mcp.oauth_proxy.server",
                *("--host", "localhost", "--port", str(port)),
                port=port,
                environment=okta.settings(folder),
            ) as server,
        ):
            nora, viewer = (signed_in(port, who) for who in ("Nora Lind", "Hana Novak"))
            known = ids(nora)
            plain, lookups = calls_of(okta, nora, PLAIN | LOCAL, known)
            others, more = calls_of(okta, nora, OTHERS, known)
            check_refused(okta, viewer)
            okta.control("POST", "settings", {"rate_profile": "off"})
            times = added(okta, nora, server, known["user"], seconds, rounds)
        # The server has ended, and with it its audit.
        check_audit(folder, nora.made + viewer.made)
    return "\n".join(_page(plain, others, lookups + more, times))


def _page(
    plain: Mapping[str, int], others: Mapping[str, int], lookups: int, times: list[Added]
) -> list[str]:
    asking = [plain[tool] for tool in PLAIN]
    shown = str(asking[0]) if len(set(asking)) == 1 else f"{min(asking)} to {max(asking)}"
    local = max(plain[tool] for tool in LOCAL)
    person = times[0]
    missed = [
        *([f"calls to Okta: {shown}"] if set(asking) != {1} or local else []),
        *(
            [f"time added: {person.milliseconds:.2f} ms"]
            if person.milliseconds >= MOST_ADDED_MILLISECONDS
            else []
        ),
    ]
    return [
        "| measure | target | measured |",
        "|---|---|---|",
        f"| calls to Okta for each of the 18 tools, one page ({len(LOCAL)} of them ask nothing:"
        f" {local}) | 1 | {shown} |",
        f"| time added to {person.what} beyond Okta's own answer, median"
        f" | under {MOST_ADDED_MILLISECONDS} ms | {person.milliseconds:.2f} ms |",
        *(f"| time added to {each.what} | | {each.milliseconds:.2f} ms |" for each in times[1:]),
        *(f"\nMISSED {each}" for each in missed),
        "",
        "| read | directly | by the tool | processor time of the server a call |",
        "|---|---|---|---|",
        *(
            f"| {each.what} | {each.direct:.2f} ms | {each.through:.2f} ms | {each.cpu:.2f} ms |"
            for each in times
        ),
        "",
        "| tool | calls |",
        "|---|---|",
        *(f"| `{tool}` | {calls} |" for tool, calls in (plain | dict(others)).items()),
        "",
        f"Counted in the journal of the organisation; {lookups} lookups of the caller's role aside."
        " The reads, one person and one page, were made directly and through the server in turn,"
        " on one kept connection each, by a server that did nothing else. A viewer was refused"
        f" `{REFUSED}` in the same run, and the audit had one line for each call.",
        "",
        servers.surroundings(),
    ]


@click.command()
@click.option("--short", is_flag=True, help="One round of a moment: to see that it works.")
@click.option("--write", is_flag=True, help="Put the table into docs/performance.md.")
def main(*, short: bool, write: bool) -> None:
    """Count what each tool asks of Okta, and measure what a call adds to Okta's own answer."""
    text = measured(0.1, 1) if short else measured(SECONDS_A_SLICE, ROUNDS)
    click.echo(text)
    if write:
        servers.written(PAGE, "okta", text)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.okta")
