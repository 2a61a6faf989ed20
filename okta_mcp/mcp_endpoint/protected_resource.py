"""Protected-resource metadata (RFC 9728): where clients get the tokens that open /mcp."""

from typing import Any

PROTECTED_RESOURCE_PATH = "/.well-known/oauth-protected-resource"
# RFC 9728 section 3.1, and where clients look that append nothing.
PROTECTED_RESOURCE_PATHS = (PROTECTED_RESOURCE_PATH, f"{PROTECTED_RESOURCE_PATH}/mcp")


def protected_resource(
    resource_url: str, authorization_server: str, scopes: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """The document; without `scopes` clients ask for what the authorization server lists."""
    document: dict[str, Any] = {
        "resource": resource_url,
        "authorization_servers": [authorization_server],
        "bearer_methods_supported": ["header"],
        "resource_name": "Okta for AI assistants",
    }
    if scopes is not None:
        document["scopes_supported"] = list(scopes)
    return document
