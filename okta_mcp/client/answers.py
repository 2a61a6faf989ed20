"""What an authorization server answers, read up to a bound: it may be anybody's server.

Used by `discovery`, `registration` and `tokens`, for everything but MCP itself, whose messages
`transport` bounds. Redirects are not followed.
"""

from dataclasses import dataclass, field

import httpx2

# Real documents and token answers have a few kilobytes.
MAX_ANSWER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """The body is whole, and may hold tokens."""

    status_code: int
    content: bytes = field(repr=False)


async def answer_to(http: httpx2.AsyncClient, request: httpx2.Request) -> Answer:
    """Send `request` and read its answer.

    Raises:
        httpx2.HTTPError: there is none, or it is larger than `MAX_ANSWER_BYTES`.
    """
    response = await http.send(request, stream=True)
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise httpx2.ReadError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
    finally:
        await response.aclose()
    return Answer(response.status_code, bytes(body))
