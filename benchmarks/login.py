"""Whole logins a second: our server against FastMCP's OIDCProxy.

A login is a registration, the authorization with its pages, the sign-in at Okta, the callback, the
consent, the token and one refresh, each time with a fresh client and a fresh browser. Each server
has a sandbox organisation of its own, whose rate limits are off; ours count, and one more server
shows that they refuse. Several people log in at once, at one server after the other. Afterwards
every token is used, what must be refused is asked for, and the audit trail is counted.
"""

import contextlib
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from benchmarks import load, servers
from benchmarks.okta import Organisation, organisation
from benchmarks.visitor import Authorization, RefusedError, Visitor

PAGE = servers.ROOT / "docs" / "performance.md"
LEAST_RATIO = 3.0
ROUNDS = 5
SECONDS_A_SLICE = 6.0
VISITORS = 4
# Those of a login, each once; the refresh is counted with the checks.
EVENTS = (
    *("client.registered", "login.started", "login.succeeded", "consent.granted"),
    "token.issued",
)
_OURS, _PEER = "okta_mcp", "OIDCProxy"
_FEW = "3/minute"


@dataclass(frozen=True, slots=True)
class Round:
    """So many logins, in so much time by the clock and of the server's processor."""

    logins: int
    seconds: float
    cpu_seconds: float

    @property
    def a_second(self) -> float:
        return self.logins / self.seconds

    @property
    def a_cpu_second(self) -> float:
        return self.logins / self.cpu_seconds

    @property
    def busy(self) -> float:
        """The share of the time in which the server's core worked for it."""
        return self.cpu_seconds / self.seconds


@dataclass(slots=True)
class Contestant:
    """One of the two servers. `logins` and `refreshes` are all that were made, as is the audit."""

    name: str
    server: servers.Server
    press: tuple[str, ...]
    people: tuple[str, ...]
    scope: str | None
    rounds: list[Round] = field(default_factory=list)
    logins: int = 0
    refreshes: int = 0

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.port}"

    def presses(self, number: int) -> list[str]:
        """The buttons of one visitor, each of whom is somebody else."""
        person = self.people[number % len(self.people)]
        return [button or person for button in self.press]

    def measure(self, seconds: float) -> None:
        """One round: logins for so long, then a call of /mcp with every token."""
        visitors = [Visitor(self.url) for _ in range(VISITORS)]
        for each in visitors:
            each.discover()
        used, began_at = self.server.cpu_seconds, time.perf_counter()
        with ThreadPoolExecutor(VISITORS) as pool:
            until = [began_at + seconds] * VISITORS
            found = pool.map(self._logins, visitors, range(VISITORS), until)
            tokens = [each for of_one in found for each in of_one]
        taken, used = time.perf_counter() - began_at, self.server.cpu_seconds - used
        self.rounds.append(Round(len(tokens), taken, used))
        self.logins += len(tokens)
        self.refreshes += len(tokens)
        for visitor in visitors:
            visitor.close()
        if any(self.asked(each) != 200 for each in tokens):
            raise click.ClickException(f"{self.name}: a token of a login does not work")

    def _logins(self, visitor: Visitor, number: int, until: float) -> list[dict[str, Any]]:
        """Logins of one visitor, one at least; the tokens after the refresh of each."""
        tokens: list[dict[str, Any]] = []
        while not tokens or time.perf_counter() < until:
            tokens.append(visitor.refresh(visitor.log_in(self.presses(number), self.scope)))
        return tokens

    def asked(self, tokens: Mapping[str, Any]) -> int:
        """The status of a `tools/list` with the access token."""
        headers = {
            "authorization": f"Bearer {tokens['access_token']}",
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            "mcp-protocol-version": "2025-06-18",
        }
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        host = f"localhost:{self.server.port}"
        sent = load.request("/mcp", host, headers, json.dumps(message).encode())
        return load.exchanged(self.server.port, sent).status

    def check_refusals(self) -> None:
        """A wrong verifier and an old refresh token are refused; so is what then has ended."""
        visitor = Visitor(self.url)
        with contextlib.closing(visitor):
            asked = visitor.authorize(self.presses(0), self.scope)
            wrong = Authorization(asked.client_id, asked.code, "w" * 64)
            self._check_invalid_grant("a wrong code_verifier", lambda: visitor.redeem(wrong))
            first = visitor.redeem(visitor.authorize(self.presses(0), self.scope))
            # Twice: the answer to the latest request would be repeated, as if it had been lost.
            latest = visitor.refresh(visitor.refresh(first))
            self._check_invalid_grant("an old refresh token", lambda: visitor.refresh(first))
            if self.asked({"access_token": "unknown"}) != 401:
                raise click.ClickException(f"{self.name}: an unknown token was not refused")
            if self.name == _OURS and self.asked(latest) != 401:
                raise click.ClickException("a grant outlived the reuse of its refresh token")
        self.logins += 2
        self.refreshes += 2

    def _check_invalid_grant(self, what: str, ask: Callable[[], object]) -> None:
        try:
            ask()
        except RefusedError as refused:
            if refused.error == "invalid_grant":
                return
            raise
        raise click.ClickException(f"{self.name}: {what} was not refused")


def check_trail(trail: Path, logins: int, refreshes: int, people: set[str]) -> None:
    """Every login is in the trail, step by step, and what was refused. `ClickException`."""
    lines = [json.loads(line) for line in trail.read_text(encoding="utf-8").splitlines()]
    found = Counter(line["event"] for line in lines)
    # One code was never redeemed: its verifier was wrong.
    wanted = dict.fromkeys(EVENTS, logins) | {"token.issued": logins - 1}
    wanted |= {"token.refreshed": refreshes, "token.refused": 2, "refresh_token.reused": 1}
    wrong = {event: found[event] for event, count in wanted.items() if found[event] != count}
    if wrong:
        raise click.ClickException(f"{logins} logins, and the audit trail has {wrong}")
    names = {line["login"] for line in lines if line["event"] == "login.succeeded"}
    if names != people:
        raise click.ClickException(f"the audit trail names {names}")


def check_limited(folder: Path) -> None:
    """A server with a low rate refuses the registration that is one too many."""
    port = servers.free_port()
    settings = {
        "OKTA_ORG_URL": "http://127.0.0.1:9",
        "OKTA_CLIENT_ID": "0oaBenchmark",
        "OKTA_CLIENT_SECRET": "of-nobody",
        "GROUP_TO_ROLE_VIEWER": "none",
        "OAUTH_REQUIRE_HTTPS": "false",
        "SESSION_SECRET_KEY": os.urandom(32).hex(),
        "AUDIT_LOG": str(folder / "limited.jsonl"),
        "RATE_REGISTER": _FEW,
    }
    with _ours(port, settings):
        body = json.dumps({"client_name": "One", "redirect_uris": ["http://127.0.0.1/"]}).encode()
        headers = {"content-type": "application/json"}
        sent = load.request("/oauth/register", f"localhost:{port}", headers, body)
        statuses = [load.exchanged(port, sent).status for _ in range(4)]
    if statuses != [201, 201, 201, 429]:
        raise click.ClickException(f"a rate of {_FEW} answered {statuses}")


def _ours(port: int, environment: Mapping[str, str]) -> AbstractContextManager[servers.Server]:
    arguments = ("--host", "localhost", "--port", str(port))
    return servers.started(
        "okta_mcp.oauth_proxy.server", *arguments, port=port, environment=environment
    )


@contextlib.contextmanager
def _running(name: str, folder: Path) -> Iterator[tuple[Contestant, Organisation]]:
    """One of the two on an organisation of its own."""
    port = servers.free_port()
    with organisation(port) as okta:
        okta.control("POST", "settings", {"rate_profile": "off"})
        names = tuple(each["name"] for each in _people(okta))
        if name == _OURS:
            with _ours(port, okta.settings(folder)) as server:
                press = ("Sign in with Okta", "", "Allow")
                yield Contestant(name, server, press, names, None), okta
        else:
            arguments = ("benchmarks.peers", "oidc", str(port))
            with servers.started(
                *arguments, port=port, environment=okta.settings(folder)
            ) as server:
                scope = "openid profile email offline_access"
                yield Contestant(name, server, ("Allow Access", ""), names, scope), okta


def _people(okta: Organisation) -> list[dict[str, Any]]:
    """One with a role for each visitor: questions about one person at one time are joined."""
    return [each for each in okta.ready["personas"] if each["role"]][:VISITORS]


def measured(seconds: float, rounds: int) -> tuple[Contestant, Contestant]:
    """Both, in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # First: from the first server on, what is started elsewhere stays on the callers' core.
        check_limited(folder)
        with _running(_OURS, folder) as (ours, okta), _running(_PEER, folder) as (peer, _):
            for each in (ours, peer):
                # Fills caches on all sides.
                each.measure(min(seconds, 1.0))
                each.rounds.clear()
            for _ in range(rounds):
                ours.measure(seconds)
                peer.measure(seconds)
            for each in (ours, peer):
                each.check_refusals()
            people = {each["login"] for each in _people(okta)}
        # The server has ended, and with it its audit.
        check_trail(folder / "audit.jsonl", ours.logins, ours.refreshes, people)
    return ours, peer


def report(ours: Contestant, peer: Contestant) -> tuple[str, list[str]]:
    """The table with what surrounds it, and a line for each target that was missed."""
    rows, missed = [], []
    measures: tuple[tuple[str, Callable[[Round], float]], ...] = (
        ("whole logins a second", lambda each: each.a_second),
        ("whole logins a second of the server's processor", lambda each: each.a_cpu_second),
    )
    for measure, figure in measures:
        pairs = zip(ours.rounds, peer.rounds, strict=True)
        ratio = statistics.median(figure(mine) / figure(theirs) for mine, theirs in pairs)
        rows.append(
            f"| {measure} against OIDCProxy | at least {LEAST_RATIO:g} times | {ratio:.2f} times |"
        )
        if ratio < LEAST_RATIO:
            missed.append(f"MISSED {measure}: {ratio:.2f} times, at least {LEAST_RATIO:g}")
    sentences = []
    for each in (ours, peer):
        wall = statistics.median(one.a_second for one in each.rounds)
        cpu = statistics.median(1000 / one.a_cpu_second for one in each.rounds)
        busy = statistics.median(one.busy for one in each.rounds)
        sentences.append(
            f"{each.name}: {wall:.1f} logins a second, {cpu:.1f} ms of its processor each, which"
            f" was busy {busy:.0%} of the time."
        )
    return "\n".join(
        [
            "| measure | target | measured |",
            "|---|---|---|",
            *rows,
            "",
            *sentences,
            f"Medians of {len(ours.rounds)} rounds in turn, {VISITORS} visitors at once. The"
            " second row decides: where our server's processor was less busy than the other's, it"
            " waited for the organisation and the visitors, and the first row is too low.",
            servers.surroundings(),
        ]
    ), missed


@click.command()
@click.option("--short", is_flag=True, help="One round of a moment: to see that it works.")
@click.option("--write", is_flag=True, help="Put the table into docs/performance.md.")
def main(*, short: bool, write: bool) -> None:
    """Log in at both, in turn; say how many times as many logins our server manages."""
    text, missed = report(*(measured(0.1, 1) if short else measured(SECONDS_A_SLICE, ROUNDS)))
    click.echo(text)
    for line in [] if short else missed:
        click.echo(line)
    if write:
        servers.written(PAGE, "login", text)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.login")
