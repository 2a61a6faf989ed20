"""One GET to Okta and its whole answer: no redirect, no cookie, a bounded body, a bounded time.

Used by `api` alone, which knows when to send and what to do with the answer. An error never shows a
body or a header of Okta.
"""

import asyncio
from dataclasses import dataclass

import httpx

from okta_mcp.okta.errors import OktaError, OktaUnavailableError, request_id_of

MAX_BODY_BYTES = 8 * 1024 * 1024
# A log search may take Okta 30 seconds; a body that drips is bounded by the second number.
_TIMEOUT = httpx.Timeout(connect=5.0, read=35.0, write=5.0, pool=10.0)
LONGEST_SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: bytes


async def exchange(http: httpx.AsyncClient, url: str, headers: dict[str, str]) -> Answer:
    """Any answer, whatever its status; raises `OktaUnavailableError` if there is none to read."""
    try:
        request = http.build_request("GET", url, headers=headers, timeout=_TIMEOUT)
    except httpx.InvalidURL as reason:
        # Our own paths are short and checked: Okta's next link was not.
        raise malformed(None, None) from reason
    # Okta sets session cookies that no API call needs and that the client would keep.
    request.headers.pop("Cookie", None)
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            return await _read(http, request)
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


def malformed(status: int | None, request_id: str | None) -> OktaError:
    return OktaUnavailableError(
        "upstream_malformed",
        "Okta's answer could not be read",
        status=status,
        request_id=request_id,
        details={"fix": "ask again; an administrator checks what stands between here and Okta"},
    )


async def _read(http: httpx.AsyncClient, request: httpx.Request) -> Answer:
    response = await http.send(request, stream=True, follow_redirects=False)
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
        raise malformed(response.status_code, request_id) from reason
    finally:
        await response.aclose()
    return Answer(response.status_code, response.headers, bytes(body))
