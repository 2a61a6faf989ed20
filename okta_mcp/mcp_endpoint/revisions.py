"""The revision of MCP that a request names, and what differs by it."""

from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request

VERSION_HEADER = "mcp-protocol-version"


def is_modern(request: Request) -> bool:
    """Whether the request names a revision without a handshake, 2026-07-28 or later."""
    return request.headers.get(VERSION_HEADER) in MODERN_PROTOCOL_VERSIONS
