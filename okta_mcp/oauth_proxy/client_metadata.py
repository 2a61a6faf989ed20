"""The metadata that an MCP client states of itself (RFC 7591 section 2), checked.

One set of rules for both ways in: a registration and a client ID metadata document. Nothing that
the metadata names is fetched, and what is not in `ClientMetadata` is not kept.
"""

import json
from dataclasses import dataclass
from typing import Any

from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.redirect_uris import (
    LONGEST_URI,
    MOST_REDIRECT_URIS,
    RedirectUriError,
    check_redirect_uri,
)
from okta_mcp.oauth_proxy.scopes import LONGEST_SCOPE, registered

LONGEST_NAME = 128
GRANT_TYPES = ("authorization_code", "refresh_token")
APPLICATION_TYPES = ("web", "native")

_WEB_URIS = ("logo_uri", "client_uri", "tos_uri", "policy_uri", "jwks_uri")
_MOST_CONTACTS = 10


@dataclass(frozen=True, slots=True)
class ClientMetadata:
    """What is kept; `auth_method` is what was stated, None where nothing was."""

    name: str
    redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]
    auth_method: str | None
    scope: str | None


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is; raises `TokenError`."""
    try:
        metadata = json.loads(body)
        # Half a surrogate pair passes as JSON, but can be neither stored nor answered.
        json.dumps(metadata, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise _bad("the body must be JSON") from None
    if not isinstance(metadata, dict):
        raise _bad("the body must be a JSON object")
    return metadata


def checked_metadata(
    metadata: dict[str, Any],
    *,
    redirect_schemes: tuple[str, ...],
    redirect_hosts: tuple[str, ...],
) -> ClientMetadata:
    """Raises `TokenError` with a code of RFC 7591 section 3.2.2; one bad value refuses all."""
    name = _text(metadata, "client_name", LONGEST_NAME) or ""
    redirect_uris = _redirect_uris(metadata, redirect_schemes, redirect_hosts)
    _check_web_uris(metadata)
    _check_contacts(metadata)
    _check_response_types(metadata)
    _check_application_type(metadata)
    if metadata.get("software_statement") is not None:
        raise TokenError("invalid_software_statement", "software statements are not accepted")
    scope = _text(metadata, "scope", LONGEST_SCOPE)
    return ClientMetadata(
        name=name,
        redirect_uris=redirect_uris,
        grant_types=_grant_types(metadata),
        auth_method=_text(metadata, "token_endpoint_auth_method", 64),
        scope=" ".join(registered(scope)) or None if scope else None,
    )


def _redirect_uris(
    metadata: dict[str, Any], schemes: tuple[str, ...], hosts: tuple[str, ...]
) -> tuple[str, ...]:
    uris = metadata.get("redirect_uris")
    if not isinstance(uris, list) or not 1 <= len(uris) <= MOST_REDIRECT_URIS:
        raise _bad_redirect(f"redirect_uris must be a list of 1 to {MOST_REDIRECT_URIS} URIs")
    for uri in uris:
        if not isinstance(uri, str):
            raise _bad_redirect("redirect_uris must hold strings")
        try:
            check_redirect_uri(uri, schemes, hosts)
        except RedirectUriError as error:
            raise _bad_redirect(f"a redirect URI {error}") from None
    return tuple(dict.fromkeys(uris))


def _text(metadata: dict[str, Any], name: str, longest: int) -> str | None:
    value = metadata.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > longest:
        raise _bad(f"{name} must be text of at most {longest} characters")
    return value


def _check_web_uris(metadata: dict[str, Any]) -> None:
    for name in _WEB_URIS:
        uri = _text(metadata, name, LONGEST_URI)
        if uri and not uri.startswith("https://"):
            raise _bad(f"{name} must be https")


def _check_contacts(metadata: dict[str, Any]) -> None:
    contacts = metadata.get("contacts")
    if contacts is not None and (not isinstance(contacts, list) or len(contacts) > _MOST_CONTACTS):
        raise _bad(f"contacts must be a list of at most {_MOST_CONTACTS} entries")


def _check_response_types(metadata: dict[str, Any]) -> None:
    response_types = metadata.get("response_types", ["code"])
    if not isinstance(response_types, list) or "code" not in response_types:
        raise _bad("response_types must hold code, the only one supported")


def _check_application_type(metadata: dict[str, Any]) -> None:
    """OpenID Connect Registration section 2: one of two words, which decides nothing here.

    Its rules for redirect URIs would refuse VS Code, which is native and has https ones, and every
    client on loopback that says nothing and so counts as `web`. The rules of this server hold for
    both kinds.
    """
    if _text(metadata, "application_type", 64) not in (None, *APPLICATION_TYPES):
        raise _bad(f"application_type must be one of {', '.join(APPLICATION_TYPES)}")


def _grant_types(metadata: dict[str, Any]) -> tuple[str, ...]:
    """Those of ours that were asked for; RFC 7591's default is `authorization_code` alone."""
    asked = metadata.get("grant_types")
    if asked is None:
        return ("authorization_code",)
    if not isinstance(asked, list) or "authorization_code" not in asked:
        raise _bad("grant_types must hold authorization_code")
    return tuple(name for name in GRANT_TYPES if name in asked)


def _bad(description: str) -> TokenError:
    return TokenError("invalid_client_metadata", description)


def _bad_redirect(description: str) -> TokenError:
    return TokenError("invalid_redirect_uri", description)
