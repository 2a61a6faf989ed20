"""Whole logins a second: our server against FastMCP's OIDCProxy.

A login is a registration, the authorization with its pages, the sign-in at Okta, the callback, the
consent, the token and one refresh, each time with a fresh client and a fresh browser. Each server
has a sandbox organisation of its own, whose rate limits are off; ours count, and one more server
shows that they refuse. Several people log in at once, at one server after the other. Afterwards
every token is used, what must be refused is asked for, and the audit trail is counted.
"""

import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from benchmarks import load, servers
from benchmarks.clients import UNKNOWN_TOKEN, Client, check_trail
from benchmarks.figures import Figure, Report, benchmark, ratio
from benchmarks.organisation import Organisation, organisation
from benchmarks.visitor import Authorization, RefusedError, Visitor

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
        if any(self.asked(each["access_token"]) != 200 for each in tokens):
            raise click.ClickException(f"{self.name}: a token of a login does not work")

    def _logins(self, visitor: Visitor, number: int, until: float) -> list[dict[str, Any]]:
        """Logins of one visitor, one at least; the tokens after the refresh of each."""
        tokens: list[dict[str, Any]] = []
        while not tokens or time.perf_counter() < until:
            tokens.append(visitor.refresh(visitor.log_in(self.presses(number), self.scope)))
        return tokens

    def asked(self, access_token: str) -> int:
        """The status of a `tools/list` with the access token."""
        return Client(self.server.port, access_token).asked("tools/list").status

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
            if self.asked(UNKNOWN_TOKEN) != 401:
                raise click.ClickException(f"{self.name}: an unknown token was not refused")
            if self.name == _OURS and self.asked(latest["access_token"]) != 401:
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


def check_all_recorded(trail: Path, logins: int, refreshes: int, people: set[str]) -> None:
    """Every login is in the trail, step by step, and what was refused. `ClickException`."""
    # One code was never redeemed: its verifier was wrong.
    wanted = dict.fromkeys(EVENTS, logins) | {"token.issued": logins - 1}
    wanted |= {"token.refreshed": refreshes, "token.refused": 2, "refresh_token.reused": 1}
    found = check_trail(trail, wanted)
    names = {login for event, login in found if event == "login.succeeded"}
    if names != people:
        raise click.ClickException(f"the audit trail names {names}")


def check_limited(okta: Organisation, folder: Path) -> None:
    """A server with a low rate refuses the registration that is one too many."""
    port = servers.free_port()
    with servers.ours(port, okta.environment(folder) | {"RATE_REGISTER": _FEW}):
        body = json.dumps({"client_name": "One", "redirect_uris": ["http://127.0.0.1/"]}).encode()
        headers = {"content-type": "application/json"}
        sent = load.request("/oauth/register", f"localhost:{port}", headers, body)
        statuses = [load.exchanged(port, sent).status for _ in range(4)]
    if statuses != [201, 201, 201, 429]:
        raise click.ClickException(f"a rate of {_FEW} answered {statuses}")


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[tuple[Contestant, Contestant, set[str]]]:
    """Both, each on an organisation of its own; the logins of those who visit."""
    with contextlib.ExitStack() as stack:
        ports = servers.free_port(), servers.free_port()
        okta, other = (stack.enter_context(organisation(port)) for port in ports)
        for each in (okta, other):
            each.lift_limits()
        (folder / "limited").mkdir()
        check_limited(okta, folder / "limited")
        ours = stack.enter_context(servers.ours(ports[0], okta.environment(folder)))
        peer = stack.enter_context(servers.peer("oidc", ports[1], other.environment(folder)))
        # One with a role for each visitor: questions about one person at one time are joined.
        people = [each for each in okta.ready["personas"] if each["role"]][:VISITORS]
        names = tuple(each["name"] for each in people)
        scope = "openid profile email offline_access"
        yield (
            Contestant(_OURS, ours, ("Sign in with Okta", "", "Allow"), names, None),
            Contestant(_PEER, peer, ("Allow Access", ""), names, scope),
            {each["login"] for each in people},
        )


@benchmark("login")
def main(short: bool) -> Report:
    """Log in at both, in turn; say how many times as many logins our server manages."""
    seconds, rounds = (0.1, 1) if short else (SECONDS_A_SLICE, ROUNDS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _running(folder) as (ours, peer, people):
            for each in (ours, peer):
                # Fills caches on all sides.
                each.measure(min(seconds, 1.0))
                each.rounds.clear()
            for _ in range(rounds):
                ours.measure(seconds)
                peer.measure(seconds)
            for each in (ours, peer):
                each.check_refusals()
        # The server has ended, and with it its audit.
        check_all_recorded(folder / "audit.jsonl", ours.logins, ours.refreshes, people)
    return _report(ours, peer)


def _report(ours: Contestant, peer: Contestant) -> Report:
    measures: tuple[tuple[str, Callable[[Round], float]], ...] = (
        ("whole logins a second", lambda each: each.a_second),
        ("whole logins a second of the server's processor", lambda each: each.a_cpu_second),
    )
    figures = [
        Figure(
            f"{measure} against OIDCProxy",
            LEAST_RATIO,
            ratio([figure(each) for each in ours.rounds], [figure(each) for each in peer.rounds]),
        )
        for measure, figure in measures
    ]
    sentences = []
    for each in (ours, peer):
        wall = statistics.median(one.a_second for one in each.rounds)
        cpu = statistics.median(1000 / one.a_cpu_second for one in each.rounds)
        busy = statistics.median(one.busy for one in each.rounds)
        sentences.append(
            f"{each.name}: {wall:.1f} logins a second, {cpu:.1f} ms of its processor each, which"
            f" was busy {busy:.0%} of the time."
        )
    return Report(
        figures,
        [
            "\n".join(sentences),
            f"Medians of {len(ours.rounds)} rounds in turn, {VISITORS} visitors at once. The"
            " second row decides: where our server's processor was less busy than the other's, it"
            " waited for the organisation and the visitors, and the first row is too low.",
            servers.surroundings(),
        ],
    )


if __name__ == "__main__":
    main()
