"""The headers that say outside what a message says inside, for each protocol revision.

Called by `upstream`. Revisions that begin with `initialize`: `MCP-Protocol-Version` after it, as
negotiated (2025-06-18, transports). 2026-07-28: each request names its revision in `_meta`, and
`MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name` and the `Mcp-Param-…` that a tool's schema asks for
repeat what the body says; a server refuses a request that does not.
"""

from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
    find_invalid_x_mcp_header,
    mcp_param_headers,
    x_mcp_header_map,
)
from mcp_types import PROTOCOL_VERSION_META_KEY

from okta_mcp.client.jsonrpc import Message

SESSION_HEADER = "mcp-session-id"


def own_revision(message: Message) -> str | None:
    """The revision that the message itself names (2026-07-28), or None."""
    meta = message.params.get("_meta")
    revision = meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, dict) else None
    return revision if isinstance(revision, str) else None


class Routing:
    """The headers of each message to one server, and what was learnt for them on the way."""

    def __init__(self) -> None:
        self.negotiated: str | None = None
        self._parameters: dict[str, dict[tuple[str, ...], str]] = {}
        self._last_own: str | None = None

    def headers(self, message: Message) -> dict[str, str]:
        """What goes with `message`; a session's header is not among it."""
        if message.method == "initialize":
            # The negotiation itself comes before any revision, also when it follows a probe.
            self._last_own = None
            return {}
        revision = own_revision(message)
        if revision is None:
            revision = self._last_own or self.negotiated
            return _encoded({MCP_PROTOCOL_VERSION_HEADER: revision} if revision else {})
        self._last_own = revision
        method, params = message.method or "", message.params
        plain = {MCP_PROTOCOL_VERSION_HEADER: revision, MCP_METHOD_HEADER: method}
        name = params.get(NAME_BEARING_METHODS.get(method, ""))
        if isinstance(name, str):
            plain[MCP_NAME_HEADER] = name
        return _encoded(plain) | self._parameter_headers(message)

    def negotiated_header(self) -> dict[str, str]:
        """What goes with a stream of a session, which no message opens."""
        return _encoded({MCP_PROTOCOL_VERSION_HEADER: self.negotiated} if self.negotiated else {})

    def learn(self, request: Message, answer: Message) -> None:
        """Take from an answer what later requests need: the revision, the schemas of tools."""
        result = answer.result or {}
        if request.method == "initialize" and isinstance(result.get("protocolVersion"), str):
            self.negotiated = result["protocolVersion"]
        if request.method == "tools/list" and isinstance(result.get("tools"), list):
            for tool in result["tools"]:
                if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                    self._learn_tool(tool["name"], tool.get("inputSchema"))

    def _learn_tool(self, name: str, schema: object) -> None:
        self._parameters.pop(name, None)
        if find_invalid_x_mcp_header(schema) is None and (found := x_mcp_header_map(schema)):
            self._parameters[name] = found

    def _parameter_headers(self, message: Message) -> dict[str, str]:
        arguments = message.params.get("arguments")
        mirrored = self._parameters.get(str(message.params.get("name")))
        if message.method != "tools/call" or not mirrored or not isinstance(arguments, dict):
            return {}
        try:
            return mcp_param_headers(mirrored, arguments)
        except UnicodeEncodeError:
            return {}


def _encoded(plain: dict[str, str]) -> dict[str, str]:
    """Values that survive as headers; half a surrogate pair cannot, and the server will say so."""
    try:
        return {name: encode_header_value(value) for name, value in plain.items()}
    except UnicodeEncodeError:
        return {}
