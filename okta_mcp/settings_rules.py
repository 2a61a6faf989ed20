"""What is wrong between settings, each of which is right by itself.

Called by `load_settings` with what is known: a rule that needs a setting which is wrong itself has
no say. No line holds a secret.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from okta_mcp.settings_values import is_loopback, origin_of

if TYPE_CHECKING:
    from okta_mcp.settings import Settings

Rule = Callable[["Settings"], str | None]

MIN_SECRET_BYTES = 32
STORE_SCHEMES = ("memory:", "sqlite:///", "redis://", "rediss://")


class _WrongItselfError(Exception):
    """A rule asked for a setting that is wrong by itself."""


class _Known:
    """Settings of which some are wrong by themselves: whoever asks for one of them is stopped."""

    def __init__(self, settings: "Settings", wrong: frozenset[str]) -> None:
        self._settings = settings
        self._wrong = wrong

    def __getattr__(self, name: str) -> Any:
        if name in self._wrong:
            raise _WrongItselfError(name)
        found = getattr(type(self._settings), name, None)
        if isinstance(found, property) and found.fget is not None:
            # What is derived is derived here too, so that it is known what it depends on.
            return found.fget(self)
        return getattr(self._settings, name)


def contradictions(settings: "Settings", *, without: frozenset[str] = frozenset()) -> list[str]:
    """A line for each rule that is broken; `without` names the settings that are wrong."""
    known: Any = _Known(settings, without)
    return [line for rule in _rules() if (line := _said(rule, known))]


def _said(rule: Rule, known: Any) -> str | None:
    try:
        return rule(known)
    except _WrongItselfError:
        return None


def _rules() -> tuple[Rule, ...]:
    return (
        _wildcard_bind_without_public_url,
        _plain_http_beyond_loopback,
        _https_required_but_plain,
        _half_a_certificate,
        _callback_elsewhere,
        _ssws_without_token,
        _service_incomplete,
        _private_key_missing,
        _private_key_file,
        _delegated_elsewhere,
        _org_authorization_server,
        _no_audience,
        _delegated_resource_server,
        _unknown_store,
        _weak_session_secret,
        _no_group_mapped,
    )


def _wildcard_bind_without_public_url(settings: "Settings") -> str | None:
    if settings.public_url is None and settings.host in ("0.0.0.0", "::"):  # noqa: S104 - compared
        return (
            "PUBLIC_URL: is required when the server listens on every address, because links must"
            " not be built from what a caller claims. Example: PUBLIC_URL=https://mcp.example.com"
        )
    return None


def _plain_http_beyond_loopback(settings: "Settings") -> str | None:
    if not settings.is_https and not is_loopback(urlsplit(settings.url).hostname or ""):
        return (
            f"PUBLIC_URL: {settings.url} is plain http and not loopback; logins need https."
            " Put a TLS proxy in front and name its URL. Example: PUBLIC_URL=https://mcp.example.com"
        )
    return None


def _https_required_but_plain(settings: "Settings") -> str | None:
    if settings.oauth_require_https and not settings.is_https:
        return (
            f"OAUTH_REQUIRE_HTTPS: is true, but people reach this server at {settings.url}."
            " Set PUBLIC_URL to the https URL of your proxy, or TLS_CERT_FILE and TLS_KEY_FILE."
            " Example: PUBLIC_URL=https://mcp.example.com"
        )
    return None


def _half_a_certificate(settings: "Settings") -> str | None:
    if (settings.tls_cert_file is None) != (settings.tls_key_file is None):
        return (
            "TLS_CERT_FILE: needs TLS_KEY_FILE beside it, and the reverse."
            " Example: TLS_CERT_FILE=/etc/okta-mcp/tls.crt TLS_KEY_FILE=/etc/okta-mcp/tls.key"
        )
    for name in ("tls_cert_file", "tls_key_file"):
        path: Path | None = getattr(settings, name)
        if path is not None and not path.is_file():
            return (
                f"{name.upper()}: no such file: {path}. Example: {name.upper()}=/etc/okta-mcp/tls"
            )
    if settings.tls_key_file is not None and settings.tls_key_file.stat().st_mode & 0o077:
        return (
            "TLS_KEY_FILE: other users of this computer can read it;"
            f" run: chmod 600 {settings.tls_key_file}"
        )
    return None


def _callback_elsewhere(settings: "Settings") -> str | None:
    if origin_of(settings.redirect_uri) != origin_of(settings.url):
        return (
            f"OAUTH_REDIRECT_URI: must be on this server's own origin {settings.url}, or the"
            f" browser returns to another server. Example: OAUTH_REDIRECT_URI={settings.url}"
            "/oauth/callback"
        )
    if urlsplit(settings.redirect_uri).path != "/oauth/callback":
        return (
            "OAUTH_REDIRECT_URI: the path must be /oauth/callback, where this server listens."
            f" Example: OAUTH_REDIRECT_URI={settings.url}/oauth/callback"
        )
    return None


def _ssws_without_token(settings: "Settings") -> str | None:
    if settings.okta_api_auth == "ssws" and settings.okta_api_token is None:
        return (
            "OKTA_API_TOKEN: is required with OKTA_API_AUTH=ssws."
            " Example: OKTA_API_TOKEN=an Okta API token"
        )
    return None


def _service_incomplete(settings: "Settings") -> str | None:
    example = "Example: OKTA_API_CLIENT_ID=0oa9z8y7x6w5v4u3t2s1"
    if settings.api_auth == "service" and settings.okta_api_client_id is None:
        return (
            "OKTA_API_CLIENT_ID: is required with OKTA_API_AUTH=service, which a private key"
            " chooses by itself; if the key is for the sign-in only, say OKTA_API_AUTH=ssws,"
            f" delegated or claims. {example}"
        )
    if (
        settings.okta_api_auth is None
        and settings.okta_api_client_id is not None
        and settings.okta_api_private_key_file is None
    ):
        return (
            "OKTA_API_CLIENT_ID: has no use without OKTA_API_PRIVATE_KEY_FILE; set that too, or"
            f" take this away. {example}"
        )
    return None


def _private_key_missing(settings: "Settings") -> str | None:
    if settings.okta_api_private_key_file is not None:
        return None
    example = "Example: OKTA_API_PRIVATE_KEY_FILE=/etc/okta-mcp/okta-api.key"
    if settings.api_auth == "service":
        return f"OKTA_API_PRIVATE_KEY_FILE: is required with OKTA_API_AUTH=service. {example}"
    if settings.signs_in_with_key:
        return (
            "OKTA_API_PRIVATE_KEY_FILE: is required with"
            f" OKTA_TOKEN_ENDPOINT_AUTH_METHOD=private_key_jwt. {example}"
        )
    return None


def _private_key_file(settings: "Settings") -> str | None:
    path = settings.okta_api_private_key_file
    if path is None:
        return None
    if not path.is_file():
        return (
            f"OKTA_API_PRIVATE_KEY_FILE: no such file: {path}."
            " Example: OKTA_API_PRIVATE_KEY_FILE=/etc/okta-mcp/okta-api.key"
        )
    if path.stat().st_mode & 0o077:
        return (
            "OKTA_API_PRIVATE_KEY_FILE: other users of this computer can read it;"
            f" run: chmod 600 {path}"
        )
    return None


def _delegated_elsewhere(settings: "Settings") -> str | None:
    if settings.api_auth == "delegated" and urlsplit(settings.issuer).path:
        return (
            "OKTA_ISSUER: OKTA_API_AUTH=delegated needs the organisation's own authorization"
            f" server, and {settings.issuer} is another, which knows no okta.* scopes; take"
            " OKTA_ISSUER away, or use OKTA_API_AUTH=service."
            f" Example: OKTA_ISSUER={settings.okta_org_url}"
        )
    return None


def _org_authorization_server(settings: "Settings") -> str | None:
    if settings.is_resource_server and not urlsplit(settings.issuer).path:
        return (
            "OKTA_ISSUER: AUTH_MODE=resource-server needs a custom authorization server, and"
            f" {settings.issuer} is the organisation's own: its access tokens are made for Okta"
            " alone, so they cannot name this server as their audience and nobody else can read"
            " them. Take one under Security > API in Okta, or AUTH_MODE=proxy, which needs none."
            f" Example: OKTA_ISSUER={settings.okta_org_url}/oauth2/default"
        )
    return None


def _no_audience(settings: "Settings") -> str | None:
    if settings.is_resource_server and not settings.okta_oauth_audience:
        return (
            "OKTA_OAUTH_AUDIENCE: is required with AUTH_MODE=resource-server, or a token made for"
            " any other service would open this one; it stands in the settings of the"
            " authorization server in Okta. Example: OKTA_OAUTH_AUDIENCE=api://default"
        )
    return None


def _delegated_resource_server(settings: "Settings") -> str | None:
    if settings.is_resource_server and settings.okta_api_auth == "delegated":
        return (
            "OKTA_API_AUTH: delegated works with AUTH_MODE=proxy only; the tokens of a custom"
            " authorization server open no API of Okta's. Example: OKTA_API_AUTH=service"
        )
    return None


def _unknown_store(settings: "Settings") -> str | None:
    if settings.db_path is not None and settings.store_url != "memory:":
        return (
            "DB_PATH: names a file and STORE_URL another store; set one of them."
            " Example: DB_PATH=/var/lib/okta-mcp/store.db"
        )
    if not settings.store.startswith(STORE_SCHEMES):
        scheme = settings.store_url.partition(":")[0]
        return (
            f"STORE_URL: no store of the kind {scheme!r}; there are {', '.join(STORE_SCHEMES)}."
            " Example: STORE_URL=memory:"
        )
    return None


def _weak_session_secret(settings: "Settings") -> str | None:
    example = "Example: SESSION_SECRET_KEY=the output of: openssl rand -base64 48"
    for secret in settings.session_secrets:
        key = secret.decode()
        if len(secret) < MIN_SECRET_BYTES or len(set(key)) < 8:
            return (
                f"SESSION_SECRET_KEY: needs at least {MIN_SECRET_BYTES} random bytes, and each of"
                f" several, separated by commas, too. {example}"
            )
        client_secret = settings.okta_client_secret
        if client_secret is not None and key == client_secret.get_secret_value():
            return f"SESSION_SECRET_KEY: must not be the Okta client secret. {example}"
    if settings.session_secrets:
        return None
    if not is_loopback(urlsplit(settings.url).hostname or ""):
        return (
            "SESSION_SECRET_KEY: is required unless the server is reached on loopback only."
            f" {example}"
        )
    if settings.store != "memory:":
        return (
            "SESSION_SECRET_KEY: is required with a store that outlives the process, or nothing"
            f" in it could be read after a restart. {example}"
        )
    return None


def _no_group_mapped(settings: "Settings") -> str | None:
    # A policy file may map groups itself; whoever reads it checks the two together.
    if settings.policy_file is None and not any(settings.groups_by_role.values()):
        return (
            "GROUP_TO_ROLE_VIEWER: no group is mapped to any role, so nobody could use a tool;"
            " set at least one GROUP_TO_ROLE_* variable. Example: GROUP_TO_ROLE_VIEWER=staff"
        )
    return None
