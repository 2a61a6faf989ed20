"""The client of Okta's Management API: GET, JSON, pages by next link, waits by Okta's own headers.

One object for the whole process, made by the composition root around the one `httpx.AsyncClient`;
the tools and the group lookup call it. It sends GET only, never follows a redirect, never leaves
the configured organisation and never shows a body or a header of Okta in an error.
"""

import asyncio
import json
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx

from okta_mcp import __version__
from okta_mcp.okta.credentials import Caller, Credentials
from okta_mcp.okta.errors import (
    OktaError,
    OktaRateLimitedError,
    OktaUnavailableError,
    error_of,
    request_id_of,
)
from okta_mcp.okta.limits import Limits, bucket_of, rate_headers
from okta_mcp.okta.paging import Parameter, next_target, path_of, target_of

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_WAIT_SECONDS = 10.0
# A log search may take Okta 30 seconds; a body that drips is bounded by the second number.
_TIMEOUT = httpx.Timeout(connect=5.0, read=35.0, write=5.0, pool=10.0)
_ATTEMPT_SECONDS = 45.0
_CONCURRENCY_RETRIES = 5
_USERS = "/api/v1/users"
_WITHOUT_CREDENTIALS = "application/json; okta-response=omitCredentials,omitCredentialsLinks"


@dataclass(frozen=True, slots=True)
class OktaPage:
    """One answer: `body` is parsed JSON, `next_path` path and query of the next page or None."""

    body: Any
    next_path: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes


class _Patience:
    """How long one call may still wait, over all its retries."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._sleep = sleep
        self._left_seconds = MAX_WAIT_SECONDS
        self.request_id: str | None = None

    async def wait(self, seconds: float) -> None:
        if seconds > self._left_seconds:
            self.give_up(seconds)
        self._left_seconds -= seconds
        await self._sleep(seconds)

    def give_up(self, seconds: float) -> NoReturn:
        raise OktaRateLimitedError(max(math.ceil(seconds), 1), request_id=self.request_id)


class OktaApi:
    """Reads of one organisation.

    `now` is epoch seconds; `jitter` gives numbers from 0 to 1. A `caller` is the person for whom
    a request is made; without one the server asks for itself. Every method raises `OktaError`.
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
    ) -> None:
        self._http = http
        self._origin = org_url.rstrip("/")
        self._credentials = credentials
        self._slots = asyncio.Semaphore(concurrency)
        self._now = now
        self._sleep = sleep
        self._jitter = jitter
        self._limits = Limits(now)

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
        answer = await self._answer(next_path, bucket_of(path), caller)
        request_id = request_id_of(answer.headers)
        try:
            body = json.loads(answer.body, parse_constant=_no_constant)
            next_page = next_target(answer.headers.get_list("link"), path)
        except (ValueError, RecursionError) as reason:
            raise _malformed(answer.status, request_id) from reason
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

    async def _answer(self, target: str, bucket: str, caller: Caller | None) -> _Answer:
        """The 2xx answer to `target`, after as many waits and retries as are allowed."""
        patience = _Patience(self._sleep)
        second_chance = True
        retries = concurrency_retries = 0
        while True:
            while (seconds := self._limits.take(bucket)) > 0:
                await patience.wait(seconds)
            try:
                answer = await self._attempt(target, retries, patience.request_id, caller)
            except OktaUnavailableError as error:
                # A kept connection that Okta had closed fails like this; a timeout does not.
                if not second_chance or error.code != "okta_unavailable":
                    raise
                second_chance = False
                retries += 1
                await patience.wait(0.5 + 0.5 * self._jitter())
                continue
            finally:
                self._limits.give_back(bucket)
            said = rate_headers(answer.headers, self._now())
            patience.request_id = request_id_of(answer.headers)
            retries += 1
            if answer.status == 429 and said is not None and said.is_concurrency:
                seconds = min(0.5 * 2**concurrency_retries, 1.0) * (1 + self._jitter())
                concurrency_retries += 1
                if concurrency_retries > _CONCURRENCY_RETRIES:
                    patience.give_up(seconds)
                await patience.wait(seconds)
            elif answer.status == 429:
                self._limits.close(bucket, said)
            else:
                if said is not None:
                    self._limits.learn(bucket, said)
                if 200 <= answer.status < 300:
                    return answer
                if answer.status not in {503, 504} or not second_chance:
                    raise error_of(answer.status, answer.headers, answer.body)
                second_chance = False
                await patience.wait(0.5 + 0.5 * self._jitter())

    async def _attempt(
        self, target: str, retries: int, first_id: str | None, caller: Caller | None
    ) -> _Answer:
        url = self._origin + target
        headers = {
            "Accept": "application/json",
            "User-Agent": f"okta_mcp/{__version__}",
        }
        headers |= await self._credentials.headers("GET", url, caller)
        if target.startswith(_USERS):
            headers["Content-Type"] = _WITHOUT_CREDENTIALS
        if retries and first_id:
            headers |= {"X-Okta-Retry-For": first_id, "X-Okta-Retry-Count": str(retries)}
        request = self._http.build_request("GET", url, headers=headers, timeout=_TIMEOUT)
        # Okta sets session cookies that no API call needs and that the client would keep.
        request.headers.pop("Cookie", None)
        async with self._slots:
            try:
                async with asyncio.timeout(_ATTEMPT_SECONDS):
                    return await self._read(request)
            except (TimeoutError, httpx.TimeoutException) as reason:
                raise OktaUnavailableError(
                    "upstream_timeout",
                    "Okta did not answer in time",
                    details={"fix": "ask for less: a shorter time, a narrower filter"},
                ) from reason
            except httpx.TransportError as reason:
                raise OktaUnavailableError(
                    "okta_unavailable",
                    "Okta cannot be reached",
                    details={"fix": "ask again later; an administrator checks OKTA_ORG_URL"},
                ) from reason

    async def _read(self, request: httpx.Request) -> _Answer:
        response = await self._http.send(request, stream=True, follow_redirects=False)
        request_id = request_id_of(response.headers)
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise OktaUnavailableError(
                        "upstream_malformed",
                        "Okta's answer is larger than this server reads",
                        status=response.status_code,
                        request_id=request_id,
                        details={"fix": "ask for fewer rows with limit"},
                    )
        except (httpx.RemoteProtocolError, httpx.DecodingError) as reason:
            raise _malformed(response.status_code, request_id) from reason
        finally:
            await response.aclose()
        return _Answer(response.status_code, response.headers, bytes(body))


def _malformed(status: int, request_id: str | None) -> OktaError:
    return OktaUnavailableError(
        "upstream_malformed",
        "Okta's answer could not be read",
        status=status,
        request_id=request_id,
        details={"fix": "ask again; an administrator checks what stands between here and Okta"},
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
