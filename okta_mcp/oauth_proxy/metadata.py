"""The two discovery documents: who issues tokens (RFC 8414) and what they are for (RFC 9728).

Both are written once, from the public URL; the first one anew when the scopes of the servers behind
the gateway have changed. Nothing of a request enters them. The issuer is the bare origin, byte for
byte the same everywhere. The protected resource names no scopes, so that clients ask for what the
authorization server lists (design 15).
"""

from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.compact_json import compact_json
from okta_mcp.mcp_endpoint.protected_resource import protected_resource
from okta_mcp.oauth_proxy.client_metadata import GRANT_TYPES
from okta_mcp.oauth_proxy.register import AUTH_METHODS
from okta_mcp.rbac.behind import Behind

AUTHORIZATION_SERVER_PATH = "/.well-known/oauth-authorization-server"


class MetadataEndpoint:
    """`issuer` is this server's public origin, `resource_url` that of /mcp."""

    def __init__(
        self, *, issuer: str, resource_url: str, takes_client_documents: bool, behind: Behind
    ) -> None:
        self._behind = behind
        self._authorization_server = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/oauth/authorize",
            "token_endpoint": f"{issuer}/oauth/token",
            "registration_endpoint": f"{issuer}/oauth/register",
            "revocation_endpoint": f"{issuer}/oauth/revoke",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(GRANT_TYPES),
            "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
            "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "client_id_metadata_document_supported": takes_client_documents,
        }
        self._written_scopes: tuple[str, ...] | None = None
        self._written = b""
        self._protected_resource = compact_json(protected_resource(resource_url, issuer))

    async def authorization_server(self, request: Request) -> Response:  # noqa: ARG002
        """RFC 8414."""
        scopes = self._behind.supported_scopes
        if scopes != self._written_scopes:
            document = self._authorization_server | {"scopes_supported": list(scopes)}
            self._written_scopes, self._written = scopes, compact_json(document)
        return Response(self._written, media_type="application/json")

    async def protected_resource(self, request: Request) -> Response:  # noqa: ARG002
        """RFC 9728."""
        return Response(self._protected_resource, media_type="application/json")
