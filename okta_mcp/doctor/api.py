"""Okta's API as this server asks it in its own name: credentials, scopes, and what they reach."""

import asyncio
from datetime import UTC, datetime

from okta_mcp.doctor.subject import Subject
from okta_mcp.doctor.verdict import Verdict, failed, ok, skipped, warning
from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.authorization_server import AuthorizationServer
from okta_mcp.okta.client_key import ClientKey
from okta_mcp.okta.dpop import DpopKey
from okta_mcp.okta.errors import OktaError, OktaRateLimitedError
from okta_mcp.okta.service_token import OktaClock, ServiceTokens
from okta_mcp.rbac.families import FAMILY_SCOPES

# The cheapest read of each data family.
READS: dict[str, tuple[str, dict[str, str | int]]] = {
    "okta.users.read": ("/api/v1/users", {"limit": 1}),
    "okta.groups.read": ("/api/v1/groups", {"limit": 1}),
    "okta.apps.read": ("/api/v1/apps", {"limit": 1}),
    "okta.logs.read": ("/api/v1/logs", {"limit": 1}),
    "okta.policies.read": ("/api/v1/policies", {"type": "OKTA_SIGN_ON"}),
    "okta.networkZones.read": ("/api/v1/zones", {"limit": 1}),
    "okta.devices.read": ("/api/v1/devices", {"limit": 1}),
    "okta.roles.read": ("/api/v1/iam/assignees/users", {"limit": 1}),
    "okta.apiTokens.read": ("/api/v1/api-tokens", {}),
}
_LOG_SECONDS = 60
# Without these nobody has a role: a person's account and groups are read by them.
_NEEDED_FOR_ROLES = "okta.users.read"
_NEW_ONE = (
    "make a new API token in Okta (Security, API, Tokens) and set OKTA_API_TOKEN; one ends after 30"
    " days without use, with its owner's account, or outside of its network zone"
)
_APPLICATION = (
    "check that OKTA_API_CLIENT_ID is an active API Services application, and that the public key"
    " of OKTA_API_PRIVATE_KEY_FILE is active there"
)


async def okta_api_scopes(subject: Subject) -> list[Verdict]:
    """Which scopes the service application has."""
    key = subject.key
    if subject.settings.api_auth != "service" or key is None:
        return []
    try:
        token = await _service_tokens(subject, key, FAMILY_SCOPES).asked()
    except OktaError as error:
        if error.code != "okta_forbidden":
            return [_unanswered(error, _APPLICATION)]
        missing = await _refused_scopes(subject, key)
    else:
        missing = [scope for scope in FAMILY_SCOPES if scope not in token.scopes]
        if missing:
            return [warning(_lacking(subject, missing), _granting(missing))]
        return [ok(f"the service application has all {len(FAMILY_SCOPES)} okta.* scopes")]
    return [failed(f"no token at all: {_lacking(subject, missing)}", _granting(missing))]


async def okta_api_token(subject: Subject) -> list[Verdict]:
    """Whether Okta accepts the credentials for its API."""
    match subject.settings.api_auth:
        case "delegated":
            return [skipped("not used: each person's own token is; only a sign-in shows it")]
        case "claims" if subject.settings.okta_api_auth == "claims":
            return [skipped("not used: OKTA_API_AUTH=claims; tools that read Okta have no data")]
    if subject.api is None:
        return [
            warning(
                "no credentials for Okta's API: people can sign in, tools that read Okta cannot",
                "set OKTA_API_TOKEN, or better a service application (docs/okta-setup.md)",
            )
        ]
    is_service = subject.settings.api_auth == "service"
    named = "the service application" if is_service else "OKTA_API_TOKEN"
    error = await _error_of(subject.api, _NEEDED_FOR_ROLES, subject)
    if error is None:
        return [ok(f"Okta accepts {named}")]
    # Of the API: it was accepted, and lacks a right, which the next check tells. Of the token
    # endpoint (400) it means that there is no token.
    if error.code in ("okta_forbidden", "feature_unavailable") and error.status != 400:
        return [ok(f"Okta accepts {named}")]
    if error.code == "okta_unauthorized":
        return [failed(f"Okta does not accept {named}", _APPLICATION if is_service else _NEW_ONE)]
    return [_unanswered(error, error.details.get("fix", "ask again later"))]


async def okta_api_rights(subject: Subject) -> list[Verdict]:
    """Which data families the credentials reach, and which tools that stops."""
    if subject.api is None:
        return [skipped("not used: this server asks Okta's API in nobody's name but the person's")]
    api = subject.api
    errors = await asyncio.gather(*(_error_of(api, scope, subject) for scope in READS))
    found = dict(zip(READS, errors, strict=True))
    verdicts = [
        _of_family(subject, scope, error) for scope, error in found.items() if error is not None
    ]
    return verdicts or [ok(f"all {len(READS)} data families can be read")]


def _of_family(subject: Subject, scope: str, error: OktaError) -> Verdict:
    stopped = f"it stops {', '.join(subject.tools_reading(scope))}"
    if error.code == "feature_unavailable":
        return warning(
            f"{scope}: this organisation lacks the feature; {stopped}",
            "nothing to do without a licence, or Okta Identity Engine",
        )
    if error.code != "okta_forbidden":
        return _unanswered(error, "ask again later", of=f"{scope}: ")
    role = "a role such as Read-only Administrator"
    if scope in ("okta.roles.read", "okta.apiTokens.read"):
        role = "the role Super Administrator, or do without"
    if subject.settings.api_auth == "service":
        fix = f"grant {scope} under Okta API Scopes, and give the service application {role}"
    else:
        fix = f"give the owner of the API token {role}, under Security, Administrators"
    if scope == _NEEDED_FOR_ROLES:
        return failed(f"{scope}: Okta refuses it, so nobody has a role; {stopped}", fix)
    return warning(f"{scope}: Okta refuses it; {stopped}", fix)


async def _error_of(api: OktaApi, scope: str, subject: Subject) -> OktaError | None:
    path, parameters = READS[scope]
    if scope == "okta.logs.read":
        # Without an end the search is another kind, which never ends.
        until = subject.now()
        parameters = parameters | {"since": _iso(until - _LOG_SECONDS), "until": _iso(until)}
    try:
        await api.get(path, parameters)
    except OktaError as error:
        return error
    return None


async def _refused_scopes(subject: Subject, key: ClientKey) -> list[str]:
    """Those of which Okta gives none, each asked for alone."""
    missing = []
    for scope in FAMILY_SCOPES:
        try:
            await _service_tokens(subject, key, (scope,)).asked()
        except OktaError:
            missing.append(scope)
    return missing


def _service_tokens(subject: Subject, key: ClientKey, scopes: tuple[str, ...]) -> ServiceTokens:
    server = AuthorizationServer(
        subject.http,
        issuer=subject.settings.okta_org_url,
        client_id=subject.settings.okta_api_client_id or "",
        now=subject.now,
    )
    return ServiceTokens(server, key, DpopKey(), OktaClock(subject.now), scopes=scopes)


def _lacking(subject: Subject, missing: list[str]) -> str:
    tools = {tool for scope in missing for tool in subject.tools_reading(scope)}
    return (
        f"the service application lacks {' '.join(missing)}, which {len(tools)} tools need:"
        f" {', '.join(sorted(tools))}"
    )


def _granting(missing: list[str]) -> str:
    return f"grant it under Okta API Scopes: {' '.join(missing)}"


def _unanswered(error: OktaError, fix: str, of: str = "") -> Verdict:
    if isinstance(error, OktaRateLimitedError):
        return warning(f"{of}{error.message}", str(error.details["fix"]))
    return failed(f"{of}{error.message}", fix)


def _iso(epoch_seconds: float) -> str:
    moment = datetime.fromtimestamp(epoch_seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
