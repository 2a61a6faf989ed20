"""Where the MCP server is, for a URL as a person types it: `/mcp` may be missing.

Called by the verbs. It sends one request without a token to each place and reads the status only.
"""

from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import httpx2
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
)

from okta_mcp import __version__
from okta_mcp.client.errors import UnreachableError
from okta_mcp.client.registration import CLIENT_NAME

USUAL_PATH = "/mcp"
PROBE_TIMEOUT_SECONDS = 10
# The first message of a revision without a handshake; an older server answers it with an error.
_REVISION, _METHOD = "2026-07-28", "server/discover"
_META = {
    PROTOCOL_VERSION_META_KEY: _REVISION,
    CLIENT_INFO_META_KEY: {"name": CLIENT_NAME, "version": __version__},
    CLIENT_CAPABILITIES_META_KEY: {},
}
_PROBE = {"jsonrpc": "2.0", "id": 1, "method": _METHOD, "params": {"_meta": _META}}
_HEADERS = {
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": _REVISION,
    "Mcp-Method": _METHOD,
}


async def complete_url(url: str, has_login: Callable[[str], bool]) -> str:
    """`url`, or `url` with `/mcp` if it has no path and only that place answers.

    A place with a stored log-in is taken without asking.
    """
    parts = urlsplit(url)
    if parts.path.strip("/") or has_login(url):
        return url
    completed = urlunsplit(parts._replace(path=USUAL_PATH))
    if has_login(completed):
        return completed
    try:
        if not await answers_mcp(url) and await answers_mcp(completed):
            return completed
    except UnreachableError:
        # The verb will meet the same and say it in its own words.
        pass
    return url


async def answers_mcp(url: str) -> bool:
    """Whether a POST to `url` is taken as a message of MCP: answered, or refused for its token.

    Raises:
        UnreachableError: no answer at all, or the server is in trouble.
    """
    try:
        async with (
            httpx2.AsyncClient(timeout=PROBE_TIMEOUT_SECONDS) as http,
            http.stream("POST", url, json=_PROBE, headers=_HEADERS) as response,
        ):
            # Status and headers only: whatever answers there may go on for ever.
            pass
    except httpx2.HTTPError as error:
        raise UnreachableError(f"Cannot reach {url}: {error or type(error).__name__}") from error
    if response.status_code >= 500 or response.status_code == 429:
        raise UnreachableError(f"{url} answered HTTP {response.status_code}.")
    kind = response.headers.get("content-type", "")
    speaks = "json" in kind or "event-stream" in kind or "www-authenticate" in response.headers
    return speaks and response.status_code not in (403, 404, 405)
