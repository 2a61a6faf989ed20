"""What the organisation publishes about its authorization server: metadata and signing keys."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from okta_mcp.sandbox.dpop import ALGORITHMS
from okta_mcp.sandbox.state import ACR_VALUES, AuthorizationServer, SandboxState

_Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


def discovery_routes(state: SandboxState) -> list[Route]:
    """OpenID Connect Discovery of both servers; RFC 8414 in both spellings of the custom one."""
    metadata, keys = _endpoints(state, state.org)
    custom_metadata, custom_keys = _endpoints(state, state.custom)
    path = state.custom.path
    return [
        Route("/.well-known/openid-configuration", metadata),
        Route("/oauth2/v1/keys", keys),
        Route(f"{path}/.well-known/openid-configuration", custom_metadata),
        Route(f"{path}/.well-known/oauth-authorization-server", custom_metadata),
        Route(f"/.well-known/oauth-authorization-server{path}", custom_metadata),
        Route(f"{path}/v1/keys", custom_keys),
    ]


def _endpoints(state: SandboxState, server: AuthorizationServer) -> tuple[_Endpoint, _Endpoint]:
    """The metadata and the keys of one server."""

    async def metadata(_: Request) -> Response:
        base = f"{state.base_url}{server.path}/v1"
        endpoints = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "userinfo_endpoint": "userinfo",
            "jwks_uri": "keys",
            "introspection_endpoint": "introspect",
            "revocation_endpoint": "revoke",
        }
        if not server.is_custom:
            endpoints["end_session_endpoint"] = "logout"
        document = {
            "issuer": server.issuer,
            **{name: f"{base}/{path}" for name, path in endpoints.items()},
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": list(server.scopes),
            "token_endpoint_auth_methods_supported": [
                *("client_secret_basic", "client_secret_post", "private_key_jwt", "none"),
            ],
            "dpop_signing_alg_values_supported": list(ALGORITHMS),
            "acr_values_supported": list(ACR_VALUES),
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "name", "email"],
        }
        return JSONResponse(document, headers={"Cache-Control": "max-age=86400, must-revalidate"})

    async def keys(_: Request) -> Response:
        published = [key.public_jwk() for key in state.keys_of(server)]
        return JSONResponse({"keys": published}, headers={"Cache-Control": "max-age=3600"})

    return metadata, keys
