"""Finds the authorization server of an MCP server, starting from its 401.

Called by `login`. Order: the challenge's `resource_metadata`, else the well-known document with the
path, else without (RFC 9728 section 3); then the authorization server's metadata (RFC 8414 section
3, with OpenID Connect's places after it); without any metadata the endpoints of MCP 2025-03-26 at
the server's origin. Never accepts an endpoint that would send a code or token over plain http to
another computer, or that is no web address at all: the browser opens what stands there.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2
from mcp.client.auth.exceptions import OAuthFlowError
from mcp.client.auth.utils import (
    build_oauth_authorization_server_metadata_discovery_urls,
    build_protected_resource_metadata_discovery_urls,
    create_oauth_metadata_request,
    extract_resource_metadata_from_www_auth,
    extract_scope_from_www_auth,
    get_client_metadata_scopes,
    issuers_match,
    validate_metadata_issuer,
)
from mcp.shared.auth import OAuthMetadata, ProtectedResourceMetadata
from mcp.shared.auth_utils import check_resource_allowed, resource_url_from_server_url
from pydantic import BaseModel, ValidationError

from okta_mcp.client.answers import answer_to
from okta_mcp.client.errors import LoginError, UnreachableError
from okta_mcp.client.store import AuthorizationServer

GRANT_TYPES = ("authorization_code", "refresh_token")
_INSUFFICIENT_SCOPE = re.compile(r'\berror="?insufficient_scope\b')
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
Document = TypeVar("Document", bound=BaseModel)


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this computer, by its literal name only."""
    return urlsplit(url).hostname in _LOOPBACK_HOSTS


def is_safe_address(url: str, *, server_url: str) -> bool:
    """Whether `url` is https, or plain http on loopback while the MCP server is there too.

    A server on the internet may not point this client at a port of this computer. A name before
    the host would have the person take it for the host.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.username is not None:
        return False
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and is_loopback(url) and is_loopback(server_url)


def wants_more_scope(headers: Mapping[str, str]) -> bool:
    """Whether a 403 says that a token with more scopes would do (RFC 6750 section 3.1)."""
    return _INSUFFICIENT_SCOPE.search(headers.get("www-authenticate", "")) is not None


def named_scopes(headers: Mapping[str, str]) -> list[str]:
    """The scopes that a challenge names; none if it names none."""
    refusal = httpx2.Response(401, headers=dict(headers))
    return (extract_scope_from_www_auth(refusal) or "").split()


async def discover(
    http: httpx2.AsyncClient, server_url: str, challenge: Mapping[str, str]
) -> AuthorizationServer:
    """The authorization server for `server_url`; `challenge` are the headers of the 401.

    Raises:
        LoginError: the documents contradict each other or name an unsafe place.
        UnreachableError: a document could not be asked for, or the answer was 429 or 5xx.
    """
    # The SDK's readers of WWW-Authenticate take a response, of which they use status and headers.
    refusal = httpx2.Response(401, headers=dict(challenge))
    protected = await _protected_resource(http, server_url, refusal)
    advertised = str(protected.authorization_servers[0]) if protected else None
    metadata = await _server_metadata(http, server_url, advertised)
    if metadata is None and advertised is not None:
        raise LoginError(f"{advertised}, which the server names for log-ins, has no metadata.")

    requested = resource_url_from_server_url(server_url)
    scope = get_client_metadata_scopes(
        extract_scope_from_www_auth(refusal), protected, metadata, list(GRANT_TYPES)
    )
    server = _described(metadata, requested, scope) if metadata else _legacy(requested)
    if protected:
        server = _for_resource(server, str(protected.resource), requested)
    _check_addresses(server, server_url)
    return server


async def _protected_resource(
    http: httpx2.AsyncClient, server_url: str, refusal: httpx2.Response
) -> ProtectedResourceMetadata | None:
    named = extract_resource_metadata_from_www_auth(refusal)
    if named is not None and not is_safe_address(named, server_url=server_url):
        raise LoginError(f"The server names an unsafe address for its metadata: {named}")
    for url in build_protected_resource_metadata_discovery_urls(named, server_url):
        document = await _document(http, url, ProtectedResourceMetadata)
        if document is not None:
            return document
    return None


async def _server_metadata(
    http: httpx2.AsyncClient, server_url: str, advertised: str | None
) -> OAuthMetadata | None:
    if advertised is not None and not is_safe_address(advertised, server_url=server_url):
        raise LoginError(f"The server names an unsafe authorization server: {advertised}")
    stranger: LoginError | None = None
    for url in _metadata_places(advertised, server_url):
        metadata = await _document(http, url, OAuthMetadata)
        if metadata is None:
            continue
        expected = advertised or _origin(server_url)
        if advertised is None and issuers_match(str(metadata.issuer), expected):
            expected = str(metadata.issuer)
        try:
            validate_metadata_issuer(metadata, expected)
        except OAuthFlowError:
            # A host with several authorization servers may answer here for another one of them.
            stranger = stranger or LoginError(
                f"The authorization server calls itself {metadata.issuer}, "
                f"but was found as {expected}. Use the server's public URL."
            )
            continue
        if "S256" not in (metadata.code_challenge_methods_supported or []):
            raise LoginError(f"{metadata.issuer} does not offer PKCE with S256; not logging in.")
        return metadata
    if stranger is not None:
        raise stranger
    return None


def _metadata_places(advertised: str | None, server_url: str) -> list[str]:
    """The SDK's places, and for an issuer with a path Okta's own: below the path."""
    places = build_oauth_authorization_server_metadata_discovery_urls(advertised, server_url)
    if advertised is not None and urlsplit(advertised).path.strip("/"):
        places.append(f"{advertised.rstrip('/')}/.well-known/oauth-authorization-server")
    return places


async def _document(http: httpx2.AsyncClient, url: str, model: type[Document]) -> Document | None:
    request = create_oauth_metadata_request(url)
    try:
        response = await answer_to(http, request)
    except httpx2.HTTPError as error:
        raise UnreachableError(f"Cannot reach {url}: {error or type(error).__name__}") from error
    if response.status_code == 429 or response.status_code >= 500:
        # Says nothing about which documents exist, so it must not lead to the next place.
        raise UnreachableError(f"{url} answered HTTP {response.status_code}. Try again later.")
    if response.status_code != 200:
        return None
    try:
        return model.model_validate_json(response.content)
    except ValidationError:
        return None


def _described(metadata: OAuthMetadata, resource: str, scope: str | None) -> AuthorizationServer:
    registration, revocation = metadata.registration_endpoint, metadata.revocation_endpoint
    return AuthorizationServer(
        issuer=str(metadata.issuer),
        authorization_endpoint=str(metadata.authorization_endpoint),
        token_endpoint=str(metadata.token_endpoint),
        registration_endpoint=str(registration) if registration else None,
        revocation_endpoint=str(revocation) if revocation else None,
        iss_required=bool(metadata.authorization_response_iss_parameter_supported),
        resource=resource,
        scope=scope,
    )


def _legacy(resource: str) -> AuthorizationServer:
    origin = _origin(resource)
    return AuthorizationServer(
        issuer=origin,
        authorization_endpoint=f"{origin}/authorize",
        token_endpoint=f"{origin}/token",
        registration_endpoint=f"{origin}/register",
        revocation_endpoint=None,
        iss_required=False,
        resource=resource,
        scope=None,
    )


def _for_resource(
    server: AuthorizationServer, configured: str, requested: str
) -> AuthorizationServer:
    if not check_resource_allowed(requested_resource=requested, configured_resource=configured):
        raise LoginError(f"The server says that it is {configured}, not {requested}. Use that URL.")
    return replace(server, resource=configured)


def _check_addresses(server: AuthorizationServer, server_url: str) -> None:
    for endpoint in (
        server.authorization_endpoint,
        server.token_endpoint,
        server.registration_endpoint,
        server.revocation_endpoint,
    ):
        if endpoint is not None and not is_safe_address(endpoint, server_url=server_url):
            raise LoginError(f"The authorization server names an unsafe address: {endpoint}")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
