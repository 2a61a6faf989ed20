"""Requests to /mcp in the form of each revision, by the shorter ways or the whole way."""

from typing import Any

import httpx
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from tests.vocabulary.oauth_client import JSON_RPC, OAuthClient

REVISIONS = tuple(KNOWN_PROTOCOL_VERSIONS)
# FastMCP takes the space before the parameter; what answers without FastMCP is asked without it.
WHOLE_WAY = {"content-type": "application/json ; charset=utf-8"}
_META = "io.modelcontextprotocol"


def message(
    revision: str, method: str, params: dict[str, Any] | None = None, *, id_: Any = 1
) -> tuple[dict[str, Any], dict[str, str]]:
    """A request of the revision: its body, and its headers."""
    given, headers = dict(params or {}), JSON_RPC | {"mcp-protocol-version": revision}
    if revision in MODERN_PROTOCOL_VERSIONS:
        given["_meta"] = {
            f"{_META}/protocolVersion": revision,
            f"{_META}/clientInfo": {"name": "a test", "version": "1"},
            f"{_META}/clientCapabilities": {},
        } | given.get("_meta", {})
        headers["mcp-method"] = method
        if "name" in given:
            headers["mcp-name"] = str(given["name"])
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": given}, headers


async def ask(
    client: OAuthClient,
    revision: str,
    method: str,
    params: dict[str, Any] | None = None,
    *,
    id_: Any = 1,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """The answer to such a request of somebody who has tokens; `headers` replace its own."""
    body, own = message(revision, method, params, id_=id_)
    bearer = {"authorization": f"Bearer {client.tokens['access_token']}"}
    sent = own | bearer | (headers or {})
    return await client.http.post(f"{client.url}/mcp", json=body, headers=sent)
