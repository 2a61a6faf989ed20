"""Every setting, read once from the environment and an env file, validated, secrets masked.

Only the composition root (`oauth_proxy/app.py`) and the commands read this module; everything
else is handed the values it needs. A wrong value ends the process before anything is served:
`load_settings` raises `SettingsError` with one line a problem, and no line ever holds a secret.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dotenv import dotenv_values
from pydantic import (
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from okta_mcp.settings_rules import contradictions
from okta_mcp.settings_values import (
    LOOPBACK_NAMES,
    PLACEHOLDER_MARKS,
    AcrValues,
    BaseUrl,
    CidrList,
    ClientId,
    HeaderSecret,
    ListenAddress,
    NameList,
    OktaOrigin,
    OktaUrl,
    Rate,
    ScopeList,
    Secret,
    Text,
    Url,
    comma_list,
    host_and_port,
    is_loopback,
    origin_of,
)

__all__ = [
    "LOOPBACK_NAMES",
    "PLACEHOLDER_MARKS",
    "RoleSettings",
    "Settings",
    "SettingsError",
    "comma_list",
    "host_and_port",
    "is_loopback",
    "load_role_settings",
    "load_settings",
    "origin_of",
]

# What is read where no file was named; it need not be there.
DEFAULT_ENV_FILE = Path(".env")
# LOGLEVEL and OKTA_AUDIENCE are found, GITHUB_CLIENT_SECRET is let be.
_LIKENESS = 0.8

ApiAuth = Literal["service", "ssws", "delegated", "claims"]
AuthMode = Literal["proxy", "resource-server"]


class SettingsError(Exception):
    """The configuration cannot be used; `problems` holds one printable line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


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


class GatewaySettings(BaseSettings):
    """Which other servers stand behind this one; `policy check` needs no more than this."""

    model_config = SettingsConfigDict(
        extra="ignore", env_ignore_empty=True, hide_input_in_errors=True, frozen=True
    )

    mcp_config: Path | None = Field(default=None, examples=["/etc/okta-mcp/mcp.json"])
    _read_from: Path | None = PrivateAttr(default=None)

    def variables(self) -> dict[str, str]:
        """What `${VAR}` in the file of MCP_CONFIG may name: the env file, and the environment."""
        return self._in_file() | dict(os.environ)

    def misspelt(self) -> dict[str, str]:
        """Names in the env file that nearly are a setting's, each with the setting's.

        Other names are nobody's mistake: `variables` may be what they are for.
        """
        known = [name.upper() for name in type(self).model_fields]
        near = {
            name: difflib.get_close_matches(name.upper(), known, n=1, cutoff=_LIKENESS)
            for name in self._in_file()
        }
        return {
            name: found[0] for name, found in near.items() if found and name.upper() not in known
        }

    def _in_file(self) -> dict[str, str]:
        path = self._read_from
        in_file = dotenv_values(path) if path is not None and path.exists() else {}
        return {name: value for name, value in in_file.items() if value}


class ModeSettings(BaseSettings):
    """Who issues the tokens that open /mcp: this server, or an authorization server of Okta's."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, frozen=True)

    auth_mode: AuthMode = Field(default="proxy", examples=["resource-server"])


class Settings(RoleSettings, GatewaySettings, ModeSettings):
    """The variables of README "Configuration", each under its name in lower case."""

    host: str = "localhost"
    port: int = Field(default=3001, ge=0, le=65535)

    okta_org_url: OktaOrigin = Field(examples=["https://northwind.okta.com"])
    okta_issuer: OktaUrl | None = Field(
        default=None, examples=["https://northwind.okta.com/oauth2/default"]
    )
    okta_token_check: Literal["introspection", "jwks"] = Field(
        default="introspection", examples=["introspection"]
    )
    mcp_required_scopes: ScopeList = Field(default=("mcp:access",), examples=["mcp:access"])
    okta_client_id: ClientId = Field(
        default="", validate_default=True, examples=["0oa1b2c3d4e5f6g7h8i9"]
    )
    okta_token_endpoint_auth_method: Literal[
        "client_secret_basic", "client_secret_post", "private_key_jwt"
    ] = Field(default="client_secret_basic", examples=["client_secret_basic"])
    okta_client_secret: Secret | None = Field(
        default=None, validate_default=True, examples=["the client secret of the Okta app"]
    )
    okta_acr_values: AcrValues = Field(default=(), examples=["urn:okta:loa:2fa:any"])
    okta_api_auth: ApiAuth | None = Field(default=None, examples=["ssws"])
    okta_api_token: HeaderSecret | None = Field(default=None, examples=["an Okta API token"])
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

    @field_validator("okta_client_id")
    @classmethod
    def _client_unless_keys(cls, value: str, info: ValidationInfo) -> str:
        if not value and not _checks_alone(info.data):
            raise ValueError("is required")
        return value

    @field_validator("okta_client_secret")
    @classmethod
    def _secret_unless_key(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        has_key = info.data.get("okta_token_endpoint_auth_method") == "private_key_jwt"
        if value is None and not has_key and not _checks_alone(info.data):
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
    def is_resource_server(self) -> bool:
        """Whether tokens of a custom authorization server of Okta's open /mcp, and none of ours."""
        return self.auth_mode == "resource-server"

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


def _checks_alone(known: Mapping[str, Any]) -> bool:
    """Whether this server is no application at Okta: it verifies tokens with public keys."""
    return known.get("auth_mode") == "resource-server" and known.get("okta_token_check") == "jwks"


def load_settings(
    *,
    env_file: Path | None = DEFAULT_ENV_FILE,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from `overrides` (field names), then the environment, then `env_file`.

    Raises `SettingsError` with a line for each problem: of single values, and of those that are
    right by themselves between them.
    """
    problems = _problems_of_file(env_file)
    given = dict(overrides or {})
    try:
        settings = Settings(_env_file=env_file, **given)  # type: ignore[call-arg]
        wrong: frozenset[str] = frozenset()
    except ValidationError as error:
        problems += [_line(problem) for problem in error.errors()]
        wrong = frozenset(str(problem["loc"][0]) for problem in error.errors())
        settings = Settings(_env_file=env_file, **given | _stand_ins(wrong))  # type: ignore[call-arg]
    problems += contradictions(settings, without=wrong)
    if problems:
        raise SettingsError(problems)
    settings._read_from = env_file  # noqa: SLF001 - a class of this module
    return settings


def load_auth_mode(env_file: Path | None) -> AuthMode:
    """The mode alone, before anything else is known; raises `SettingsError`."""
    try:
        return ModeSettings(_env_file=env_file).auth_mode  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError([_line(problem) for problem in error.errors()]) from None


def load_role_settings(env_file: Path | None) -> RoleSettings:
    """The settings that decide roles, where the others may be missing; raises `SettingsError`."""
    problems = _problems_of_file(env_file)
    if problems:
        raise SettingsError(problems)
    try:
        return RoleSettings(_env_file=env_file)  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError([_line(problem) for problem in error.errors()]) from None


def load_gateway_settings(
    env_file: Path | None, overrides: Mapping[str, Any] | None = None
) -> GatewaySettings:
    """Where the other servers stand, where all else may be missing; raises `SettingsError`."""
    problems = _problems_of_file(env_file)
    if problems:
        raise SettingsError(problems)
    settings = GatewaySettings(_env_file=env_file, **(overrides or {}))  # type: ignore[call-arg]
    settings._read_from = env_file  # noqa: SLF001 - a class of this module
    return settings


def _problems_of_file(env_file: Path | None) -> list[str]:
    if env_file is None:
        return []
    if not env_file.exists():
        # With a file that somebody named and that is not there, everything else would be wrong.
        missing = f"--env-file: no such file: {env_file}. Example: --env-file {DEFAULT_ENV_FILE}"
        return [] if env_file == DEFAULT_ENV_FILE else [missing]
    if env_file.stat().st_mode & 0o077:
        return [f"{env_file}: other users of this computer can read it; run: chmod 600 {env_file}"]
    return []


def _stand_ins(wrong: frozenset[str]) -> dict[str, Any]:
    """Values in the place of wrong ones, with which the others can be looked at."""
    fields = {name: Settings.model_fields[name] for name in wrong}
    return {
        name: field.examples[0]
        if field.examples and (field.is_required() or field.validate_default)
        else field.get_default()
        for name, field in fields.items()
    }


def _line(problem: Any) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else "settings"
    field = Settings.model_fields.get(name)
    example = f" Example: {name.upper()}={field.examples[0]}" if field and field.examples else ""
    what = "is required" if problem["type"] == "missing" else problem["msg"]
    what = what.removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{name.upper()}: {what}.{example}"
