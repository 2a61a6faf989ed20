"""What the organisation publishes about its authorization server: metadata and signing keys."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from okta_mcp.sandbox.dpop import ALGORITHMS
from okta_mcp.sandbox.state import ACR_VALUES, SCOPES, SandboxState


def discovery_routes(state: SandboxState) -> list[Route]:
    """OpenID Connect Discovery, as the organisation authorization server answers it."""

    async def metadata(_: Request) -> Response:
        base = state.base_url
        endpoints = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "userinfo_endpoint": "userinfo",
            "jwks_uri": "keys",
            "revocation_endpoint": "revoke",
            "end_session_endpoint": "logout",
        }
        document = {
            "issuer": base,
            **{name: f"{base}/oauth2/v1/{path}" for name, path in endpoints.items()},
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": list(SCOPES),
            "token_endpoint_auth_methods_supported": [
                *("client_secret_basic", "client_secret_post", "private_key_jwt"),
            ],
            "dpop_signing_alg_values_supported": list(ALGORITHMS),
            "acr_values_supported": list(ACR_VALUES),
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "name", "email"],
        }
        return JSONResponse(document, headers={"Cache-Control": "max-age=86400, must-revalidate"})

    async def keys(_: Request) -> Response:
        published = [key.public_jwk() for key in state.keys]
        return JSONResponse({"keys": published}, headers={"Cache-Control": "max-age=3600"})

    return [Route("/.well-known/openid-configuration", metadata), Route("/oauth2/v1/keys", keys)]
