"""Every setting, read once from the environment and an env file, validated, secrets masked.

Only the composition root (`oauth_proxy/app.py`) and the commands read this module; everything
else is handed the values it needs. A wrong value ends the process before anything is served:
`load_settings` raises `SettingsError` with one line a problem, and no line ever holds a secret.
"""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import limits
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# The marks by which a value left over from .env.sample is known.
PLACEHOLDER_MARKS = ("replace-with-", "your-org.okta.com")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
MIN_SECRET_BYTES = 32
STORE_SCHEMES = ("memory:", "sqlite:///", "redis://", "rediss://")


class SettingsError(Exception):
    """The configuration cannot be used; `problems` holds one printable line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _not_a_placeholder(value: Any) -> Any:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(text, str) and any(mark in text for mark in PLACEHOLDER_MARKS):
        raise ValueError("still has the placeholder of .env.sample")
    return value


def comma_list(value: Any) -> Any:
    """A comma list; entries may be quoted, because group names hold spaces and commas."""
    if not isinstance(value, str):
        return value
    entries: list[str] = []
    entry, quote = "", ""
    for character in value:
        if quote:
            quote, entry = ("", entry) if character == quote else (quote, entry + character)
        elif character in "\"'" and not entry.strip():
            quote, entry = character, ""
        elif character == ",":
            entries.append(entry.strip())
            entry = ""
        else:
            entry += character
    entries.append(entry.strip())
    return tuple(entry for entry in entries if entry)


def _base_url(value: Any) -> Any:
    """An absolute http(s) URL without path, query, fragment or userinfo, kept without a slash."""
    if not isinstance(value, str):
        return value
    url = _absolute_url(value).rstrip("/")
    if urlsplit(url).path:
        raise ValueError("must be an origin: scheme and host, no path")
    return url


def _absolute_url(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid = False
    if (
        not port_is_valid
        or parts.scheme not in ("http", "https")
        or not parts.hostname
        or "?" in value
        or "#" in value
        or "@" in parts.netloc
        or any(character.isspace() for character in value)
    ):
        raise ValueError("must be an absolute http or https URL without query and fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https; plain http is for loopback only")
    return value


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address, IPv6 without brackets) is this computer itself."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin_of(url: str) -> str:
    """Scheme, host and port of `url` as a browser writes an origin."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


NameList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(comma_list)]
BaseUrl = Annotated[str, BeforeValidator(_base_url), BeforeValidator(_not_a_placeholder)]
Url = Annotated[str, BeforeValidator(_absolute_url), BeforeValidator(_not_a_placeholder)]
Text = Annotated[str, Field(min_length=1), BeforeValidator(_not_a_placeholder)]
Secret = Annotated[SecretStr, Field(min_length=1), BeforeValidator(_not_a_placeholder)]


def _rate(value: str) -> str:
    try:
        limits.parse(value)
    except ValueError:
        raise ValueError("must be a rate such as 120/minute") from None
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for entry in value:
        try:
            ipaddress.ip_network(entry)
        except ValueError:
            raise ValueError("must be addresses or networks (CIDR)") from None
    return value


def _listen_address(value: str) -> str:
    try:
        host_and_port(value)
    except ValueError:
        raise ValueError("must be an address and a port from 1 to 65535") from None
    return value


def host_and_port(address: str) -> tuple[str, int]:
    """Of `127.0.0.1:9464` or `[::1]:9464`; the host without brackets. Raises `ValueError`."""
    parts = urlsplit(f"//{address}")
    if not parts.hostname or not parts.port or parts.netloc != address or "@" in address:
        raise ValueError(address)
    return parts.hostname, parts.port


def _acr_values(value: Any) -> Any:
    """Separated by spaces, as Okta writes them, or by commas, as all lists here."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _printable(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(entry.isascii() and entry.isprintable() for entry in value):
        raise ValueError("must be names such as urn:okta:loa:2fa:any")
    return value


ApiAuth = Literal["service", "ssws", "delegated", "claims"]
AcrValues = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_acr_values), AfterValidator(_printable)
]
Rate = Annotated[str, AfterValidator(_rate)]
CidrList = Annotated[NameList, AfterValidator(_networks)]
ListenAddress = Annotated[str, AfterValidator(_listen_address)]


def _seconds(default: int, most: int) -> Any:
    return Field(default=default, ge=1, le=most, examples=[str(default)])


class RoleSettings(BaseSettings):
    """What decides roles; `policy explain` needs no more than this, and no secret."""

    model_config = SettingsConfigDict(
        extra="ignore", env_ignore_empty=True, hide_input_in_errors=True, frozen=True
    )

    group_to_role_super_admin: NameList = Field(default=(), examples=["okta-mcp-super-admins"])
    group_to_role_security_admin: NameList = Field(
        default=(), examples=["soc, 00g1emaKYZTWRYYRRTSK"]
    )
    group_to_role_viewer: NameList = Field(default=(), examples=['"Help Desk, EMEA", staff'])
    policy_file: Path | None = Field(default=None, examples=["/etc/okta-mcp/policy.toml"])

    @property
    def groups_by_role(self) -> dict[str, tuple[str, ...]]:
        """The groups of the variables, by the names of the three roles."""
        return {
            "viewer": self.group_to_role_viewer,
            "security-admin": self.group_to_role_security_admin,
            "super-admin": self.group_to_role_super_admin,
        }


class Settings(RoleSettings):
    """The variables of README "Configuration", each under its name in lower case."""

    host: str = "localhost"
    port: int = Field(default=3001, ge=0, le=65535)

    okta_org_url: BaseUrl = Field(examples=["https://northwind.okta.com"])
    okta_issuer: Url | None = Field(
        default=None, examples=["https://northwind.okta.com/oauth2/default"]
    )
    okta_client_id: Text = Field(examples=["0oa1b2c3d4e5f6g7h8i9"])
    okta_token_endpoint_auth_method: Literal[
        "client_secret_basic", "client_secret_post", "private_key_jwt"
    ] = Field(default="client_secret_basic", examples=["client_secret_basic"])
    okta_client_secret: Secret | None = Field(
        default=None, validate_default=True, examples=["the client secret of the Okta app"]
    )
    okta_acr_values: AcrValues = Field(default=(), examples=["urn:okta:loa:2fa:any"])
    okta_api_auth: ApiAuth | None = Field(default=None, examples=["ssws"])
    okta_api_token: Secret | None = Field(default=None, examples=["an Okta API token"])
    okta_api_client_id: Text | None = Field(default=None, examples=["0oa9z8y7x6w5v4u3t2s1"])
    okta_api_private_key_file: Path | None = Field(
        default=None, examples=["/etc/okta-mcp/okta-api.key"]
    )
    okta_oauth_audience: str | None = Field(default=None, examples=["api://default"])
    okta_concurrent_limit: int = Field(default=15, ge=1, le=75, examples=["15"])

    public_url: BaseUrl | None = Field(default=None, examples=["https://mcp.example.com"])
    oauth_redirect_uri: Url | None = Field(
        default=None, examples=["https://mcp.example.com/oauth/callback"]
    )
    oauth_require_https: bool = Field(default=False, examples=["true"])
    tls_cert_file: Path | None = Field(default=None, examples=["/etc/okta-mcp/tls.crt"])
    tls_key_file: Path | None = Field(default=None, examples=["/etc/okta-mcp/tls.key"])
    cimd_enabled: bool | None = Field(default=None, examples=["true"])
    allowed_hosts: NameList = Field(default=(), examples=["mcp.internal,mcp.internal:8443"])
    allowed_origins: NameList = Field(default=(), examples=["https://inspector.example.com"])
    redirect_schemes: NameList = Field(
        default=("vscode", "vscode-insiders", "cursor", "windsurf", "claude"),
        examples=["vscode,cursor"],
    )

    redirect_hosts: NameList = Field(default=(), examples=["claude.ai,claude.com,vscode.dev"])

    session_secret_key: Secret | None = Field(
        default=None, examples=["the output of: openssl rand -base64 48"]
    )
    store_url: str = Field(
        default="memory:", examples=["sqlite:////var/lib/okta-mcp/store.db"], repr=False
    )
    store_prefix: str = Field(
        default="okta-mcp", pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["okta-mcp"]
    )
    db_path: Path | None = Field(default=None, examples=["/var/lib/okta-mcp/store.db"])

    role_ttl_seconds: int = _seconds(60, 60)
    consent_ttl_seconds: int = _seconds(3600, 86_400)
    session_ttl_seconds: int = _seconds(7200, 7200)
    code_ttl_seconds: int = _seconds(60, 600)
    access_token_ttl_seconds: int = _seconds(3600, 3600)
    grant_ttl_seconds: int = _seconds(86_400, 604_800)

    rate_register: Rate = Field(default="120/minute", examples=["120/minute"])
    rate_authorize: Rate = Field(default="300/minute", examples=["300/minute"])
    rate_token_failures: Rate = Field(default="100/minute", examples=["100/minute"])
    rate_tool_calls: Rate = Field(default="300/minute", examples=["300/minute"])
    rate_tool_calls_per_tool: Rate = Field(default="120/minute", examples=["120/minute"])
    trusted_proxies: CidrList = Field(default=(), examples=["10.0.0.0/8, 192.168.1.10"])

    audit_log: str = Field(default="-", examples=["/var/log/okta-mcp/audit.jsonl"])
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", examples=["INFO"]
    )
    metrics_listen: ListenAddress | None = Field(default=None, examples=["127.0.0.1:9464"])
    consent_notice: str = Field(
        default="", max_length=500, examples=["Use is logged. Questions: it-security@example.com"]
    )

    @field_validator("okta_client_secret")
    @classmethod
    def _secret_unless_key(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None and info.data.get("okta_token_endpoint_auth_method") != "private_key_jwt":
            raise ValueError("is required")
        return value

    @property
    def session_secrets(self) -> tuple[bytes, ...]:
        """The secrets of SESSION_SECRET_KEY: the current one, then earlier ones."""
        if self.session_secret_key is None:
            return ()
        given = self.session_secret_key.get_secret_value().split(",")
        return tuple(secret.strip().encode() for secret in given if secret.strip())

    @property
    def store(self) -> str:
        """Where state is kept, as a URL: STORE_URL, or the file of DB_PATH."""
        return f"sqlite:///{self.db_path}" if self.db_path else self.store_url

    @property
    def issuer(self) -> str:
        """Okta's issuer as the ID tokens name it, without a trailing slash."""
        return (self.okta_issuer or self.okta_org_url).rstrip("/")

    @property
    def url(self) -> str:
        """This server's own origin: `PUBLIC_URL`, or scheme, host and port of the socket."""
        if self.public_url:
            return self.public_url
        scheme = "https" if self.tls_cert_file else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        default_port = {"http": 80, "https": 443}[scheme]
        return f"{scheme}://{host}" + ("" if self.port == default_port else f":{self.port}")

    @property
    def redirect_uri(self) -> str:
        """Where Okta sends the browser back to; must stand in the Okta app."""
        return self.oauth_redirect_uri or f"{self.url}/oauth/callback"

    @property
    def api_auth(self) -> ApiAuth:
        """How Okta's API is called: in whose name, or not at all."""
        if self.okta_api_auth is not None:
            return self.okta_api_auth
        if self.okta_api_private_key_file is not None:
            return "service"
        return "ssws" if self.okta_api_token else "claims"

    @property
    def signs_in_with_key(self) -> bool:
        """Whether people are signed in by the private key in the place of the client secret."""
        return self.okta_token_endpoint_auth_method == "private_key_jwt"  # noqa: S105 - a method

    @property
    def keeps_sign_ins(self) -> bool:
        """Whether roles or calls depend on Okta's tokens of the person."""
        return self.api_auth in ("claims", "delegated")

    @property
    def takes_client_documents(self) -> bool:
        """Whether clients may be known by a document's URL; not by itself behind a web proxy,
        which alone could tell where a fetch really goes."""
        if self.cimd_enabled is not None:
            return self.cimd_enabled
        proxied = {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"}
        return not proxied.intersection(os.environ)

    @property
    def is_https(self) -> bool:
        """Whether people reach this server by https: decides cookie names and HSTS."""
        return self.url.startswith("https://")


def load_settings(
    *,
    env_file: Path | None = Path(".env"),
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from `overrides` (field names), then the environment, then `env_file`.

    Raises `SettingsError` with a line for each problem.
    """
    if env_file is not None and env_file.exists():
        _refuse_readable_by_others(env_file)
    try:
        settings = Settings(_env_file=env_file, **(overrides or {}))  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError([_line(problem) for problem in error.errors()]) from None
    problems = _contradictions(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def load_role_settings(env_file: Path | None) -> RoleSettings:
    """The settings that decide roles, where the others may be missing; raises `SettingsError`."""
    if env_file is not None and env_file.exists():
        _refuse_readable_by_others(env_file)
    try:
        return RoleSettings(_env_file=env_file)  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError([_line(problem) for problem in error.errors()]) from None


def _refuse_readable_by_others(env_file: Path) -> None:
    if env_file.stat().st_mode & 0o077:
        raise SettingsError(
            [f"{env_file}: other users of this computer can read it; run: chmod 600 {env_file}"]
        )


def _line(problem: Any) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else "settings"
    field = Settings.model_fields.get(name)
    example = f" Example: {name.upper()}={field.examples[0]}" if field and field.examples else ""
    what = "is required" if problem["type"] == "missing" else problem["msg"]
    what = what.removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{name.upper()}: {what}.{example}"


def _contradictions(settings: Settings) -> list[str]:
    """What is wrong between variables; each rule answers a line, or nothing."""
    rules = (
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
        _unknown_store,
        _weak_session_secret,
        _no_group_mapped,
    )
    return [line for rule in rules if (line := rule(settings))]


def _wildcard_bind_without_public_url(settings: Settings) -> str | None:
    if settings.public_url is None and settings.host in ("0.0.0.0", "::"):  # noqa: S104 - compared
        return (
            "PUBLIC_URL: is required when the server listens on every address, because links must"
            " not be built from what a caller claims. Example: PUBLIC_URL=https://mcp.example.com"
        )
    return None


def _plain_http_beyond_loopback(settings: Settings) -> str | None:
    if not settings.is_https and not is_loopback(urlsplit(settings.url).hostname or ""):
        return (
            f"PUBLIC_URL: {settings.url} is plain http and not loopback; logins need https."
            " Put a TLS proxy in front and name its URL. Example: PUBLIC_URL=https://mcp.example.com"
        )
    return None


def _https_required_but_plain(settings: Settings) -> str | None:
    if settings.oauth_require_https and not settings.is_https:
        return (
            f"OAUTH_REQUIRE_HTTPS: is true, but people reach this server at {settings.url}."
            " Set PUBLIC_URL to the https URL of your proxy, or TLS_CERT_FILE and TLS_KEY_FILE."
            " Example: PUBLIC_URL=https://mcp.example.com"
        )
    return None


def _half_a_certificate(settings: Settings) -> str | None:
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


def _callback_elsewhere(settings: Settings) -> str | None:
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


def _ssws_without_token(settings: Settings) -> str | None:
    if settings.okta_api_auth == "ssws" and settings.okta_api_token is None:
        return (
            "OKTA_API_TOKEN: is required with OKTA_API_AUTH=ssws."
            " Example: OKTA_API_TOKEN=an Okta API token"
        )
    return None


def _service_incomplete(settings: Settings) -> str | None:
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


def _private_key_missing(settings: Settings) -> str | None:
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


def _private_key_file(settings: Settings) -> str | None:
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


def _delegated_elsewhere(settings: Settings) -> str | None:
    if settings.api_auth == "delegated" and urlsplit(settings.issuer).path:
        return (
            "OKTA_ISSUER: OKTA_API_AUTH=delegated needs the organisation's own authorization"
            f" server, and {settings.issuer} is another, which knows no okta.* scopes; take"
            " OKTA_ISSUER away, or use OKTA_API_AUTH=service."
            f" Example: OKTA_ISSUER={settings.okta_org_url}"
        )
    return None


def _unknown_store(settings: Settings) -> str | None:
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


def _weak_session_secret(settings: Settings) -> str | None:
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


def _no_group_mapped(settings: Settings) -> str | None:
    # A policy file may map groups itself; whoever reads it checks the two together.
    if settings.policy_file is None and not any(settings.groups_by_role.values()):
        return (
            "GROUP_TO_ROLE_VIEWER: no group is mapped to any role, so nobody could use a tool;"
            " set at least one GROUP_TO_ROLE_* variable. Example: GROUP_TO_ROLE_VIEWER=staff"
        )
    return None
