"""The client of Okta's Management API: GET, JSON, pages by next link, waits by Okta's own headers.

One object for the whole process, made by the composition root around the one `httpx.AsyncClient`;
the tools and the group lookup call it. When a request may go is decided in `turns`, how it is sent
in `exchange`, which reads are one request in `joining`; here stands what is asked, and what is
asked again. It sends GET only, never leaves the configured organisation and never shows a body or a
header of Okta in an error.
"""

import json
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx

from okta_mcp import __version__
from okta_mcp.okta.credentials import Caller, Credentials
from okta_mcp.okta.errors import OktaUnavailableError, error_of, request_id_of
from okta_mcp.okta.exchange import LONGEST_SECONDS, Answer, exchange, malformed
from okta_mcp.okta.joining import Joining
from okta_mcp.okta.limits import RateHeaders, bucket_of, rate_headers
from okta_mcp.okta.paging import Parameter, next_target, path_of, target_of
from okta_mcp.okta.sharing import Counts
from okta_mcp.okta.turns import Patience, Turns

_CONCURRENCY_RETRIES = 5
_USERS = "/api/v1/users"
_WITHOUT_CREDENTIALS = "application/json; okta-response=omitCredentials,omitCredentialsLinks"


@dataclass(frozen=True, slots=True)
class OktaPage:
    """One answer: `body` is parsed JSON, `next_path` path and query of the next page or None."""

    body: Any
    next_path: str | None
    request_id: str | None


@dataclass(slots=True)
class _Request:
    """One read with all its attempts, and what each kind of failure may still ask again."""

    target: str
    bucket: str
    caller: Caller | None
    attempts: int = 0
    concurrency_retries: int = 0
    may_repeat: bool = True
    may_renew: bool = True


class OktaApi:
    """Reads of one organisation.

    `now` is epoch seconds; `jitter` gives numbers from 0 to 1. A `caller` is the person for whom
    a request is made; without one the server asks for itself. Processes with the same `counts`
    share what Okta allows. Every method raises `OktaError`.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        org_url: str,
        credentials: Credentials,
        *,
        concurrency: int,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        jitter: Callable[[], float] = random.random,
        counts: Counts | None = None,
    ) -> None:
        self._http = http
        self._origin = org_url.rstrip("/")
        self._credentials = credentials
        self._now = now
        self._sleep = sleep
        self._jitter = jitter
        self._joining = Joining()
        self._turns = Turns(concurrency, now, longest_seconds=LONGEST_SECONDS, counts=counts)

    async def get(
        self,
        path: str,
        params: Mapping[str, Parameter] | None = None,
        *,
        caller: Caller | None = None,
    ) -> OktaPage:
        """One page of `path`, which begins with /api/v1/ and holds only checked segments."""
        return await self.follow(target_of(path, params), caller=caller)

    async def follow(self, next_path: str, *, caller: Caller | None = None) -> OktaPage:
        """The page at `next_path`, as an earlier page gave it; `ValueError` if it is no path."""
        path = path_of(next_path)
        answer = await self._joining.answer(
            next_path,
            caller,
            lambda: self._answer(_Request(next_path, bucket_of(path), caller)),
        )
        request_id = request_id_of(answer.headers)
        try:
            body = json.loads(answer.body, parse_constant=_no_constant, parse_float=_finite)
            next_page = next_target(answer.headers.get_list("link"), path)
        except (ValueError, RecursionError) as reason:
            raise malformed(answer.status, request_id) from reason
        return OktaPage(body, next_page, request_id)

    async def pages(
        self, path: str, params: Mapping[str, Parameter] | None = None, *, at_most_pages: int
    ) -> AsyncIterator[OktaPage]:
        """The pages of a list in order; if the last one has a `next_path`, there were more."""
        target: str | None = target_of(path, params)
        for _ in range(at_most_pages):
            if target is None:
                return
            page = await self.follow(target)
            yield page
            target = page.next_path

    async def _answer(self, request: _Request) -> Answer:
        """The 2xx answer, after as many waits and attempts as are allowed."""
        patience = Patience(self._now, self._sleep)
        while True:
            try:
                answer, said = await self._attempt(request, patience)
            except OktaUnavailableError as error:
                # A kept connection that Okta had closed fails like this; a timeout does not.
                if not request.may_repeat or error.code != "okta_unavailable":
                    raise
                request.may_repeat = False
                await patience.wait(0.5 + 0.5 * self._jitter())
                continue
            if 200 <= answer.status < 300:
                return answer
            patience.request_id = request_id_of(answer.headers)
            if answer.status == 429:
                # Any other 429 has closed the window: the next attempt waits until it ends.
                if said is not None and said.is_concurrency:
                    await self._back_off(request, patience)
            elif answer.status in {503, 504} and request.may_repeat:
                request.may_repeat = False
                await patience.wait(0.5 + 0.5 * self._jitter())
            elif not await self._renewed(request, answer):
                raise error_of(answer.status, answer.headers, answer.body)

    async def _attempt(
        self, request: _Request, patience: Patience
    ) -> tuple[Answer, RateHeaders | None]:
        url = self._origin + request.target
        headers = {
            "Accept": "application/json",
            "User-Agent": f"okta_mcp/{__version__}",
        }
        if request.target.startswith(_USERS):
            headers["Content-Type"] = _WITHOUT_CREDENTIALS
        if request.attempts and patience.request_id:
            headers["X-Okta-Retry-For"] = patience.request_id
            headers["X-Okta-Retry-Count"] = str(request.attempts)
        person = request.caller.user_id if request.caller else None
        async with self._turns.turn(request.bucket, person, patience) as turn:
            headers |= await self._credentials.headers("GET", url, request.caller)
            request.attempts += 1
            turn.sent()
            answer = await exchange(self._http, url, headers)
            said = rate_headers(answer.headers, self._now())
            turn.answered(said, too_many=answer.status == 429)
            return answer, said

    async def _back_off(self, request: _Request, patience: Patience) -> None:
        """Too many at the same time in the whole organisation: shortly, whatever the reset says."""
        seconds = min(0.5 * 2**request.concurrency_retries, 1.0) * (1 + self._jitter())
        request.concurrency_retries += 1
        if request.concurrency_retries > _CONCURRENCY_RETRIES:
            patience.give_up(seconds)
        await patience.wait(seconds)

    async def _renewed(self, request: _Request, answer: Answer) -> bool:
        """Whether the credentials were what Okta refused, and new ones are worth one attempt."""
        if answer.status not in {400, 401} or not request.may_renew:
            return False
        request.may_renew = False
        return await self._credentials.refused(answer.status, answer.headers, request.caller)


def _finite(text: str) -> float:
    """A number too large for a float would become infinite, which is no JSON when written."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
