"""The application in Okta through which people sign in: credentials, redirect URI, scopes, groups.

Nobody signs in for this. What Okta says to a code that never was, and to an authorization request
that may show no page (`prompt=none`), tells right from wrong; each leaves a failure in Okta's
system log.
"""

import asyncio
from urllib.parse import urlsplit

from okta_mcp.doctor.subject import Subject
from okta_mcp.doctor.verdict import Verdict, failed, ok, skipped, warning
from okta_mcp.okta.authorization_server import OktaLoginError
from okta_mcp.okta.oidc import Refused
from okta_mcp.okta.text import clean_text
from okta_mcp.serving.okta_access import okta_scopes

_AWAY = warning("Okta gave no usable answer", "ask again later")
_WHERE = "in Okta, Applications, General"
# What Okta sends back to a request that is good but may not ask anybody.
_GOOD = frozenset({"login_required", "interaction_required", ""})


async def okta_client(subject: Subject) -> list[Verdict]:
    """Whether Okta accepts this server as the application it says it is."""
    settings = subject.settings
    try:
        refused = await subject.login.refused_grant("authorization_code")
        if refused.error == "invalid_grant" and settings.keeps_sign_ins:
            refused = await subject.login.refused_grant("refresh_token")
            if refused.error == "unauthorized_client":
                return [
                    failed(
                        "the application may not use refresh tokens, which roles depend on",
                        f"tick the grant type Refresh Token {_WHERE}, or set OKTA_API_AUTH to"
                        " service or ssws",
                    )
                ]
    except OktaLoginError:
        return [_AWAY]
    if refused.error == "invalid_grant":
        method = settings.okta_token_endpoint_auth_method
        return [ok(f"Okta accepts {settings.okta_client_id} by {method}")]
    return [refusal(subject, refused)]


def refusal(subject: Subject, refused: Refused) -> Verdict:
    """Why Okta does not accept this server's application."""
    settings = subject.settings
    said = refused.description.lower()
    if refused.status >= 500 or refused.status == 429:
        return _AWAY
    if "authentication method" in said or "auth_method" in f"{refused.error} {said}":
        return failed(
            f"the application does not sign in by {settings.okta_token_endpoint_auth_method}",
            f"set OKTA_TOKEN_ENDPOINT_AUTH_METHOD to the method under Client Credentials {_WHERE}",
        )
    if refused.error == "unauthorized_client":
        return failed(
            f"the application {settings.okta_client_id} is not for people who sign in",
            "set OKTA_CLIENT_ID to an OIDC web application with the grant type Authorization Code",
        )
    if refused.error != "invalid_client":
        error = clean_text(refused.error, 60) or f"HTTP {refused.status}"
        return warning(f"Okta answered unexpectedly ({error})", "check OKTA_ISSUER; ask again")
    if "client_id" in said and "assertion" not in said:
        return failed(
            f"Okta knows no application {settings.okta_client_id}",
            f"copy OKTA_CLIENT_ID from Client Credentials {_WHERE}; it must be active, and of this"
            " organisation",
        )
    if settings.signs_in_with_key:
        return failed(
            "Okta does not accept the signature of this server",
            f"add the public key of OKTA_API_PRIVATE_KEY_FILE to the application {_WHERE}, with"
            " the same key id, and activate it",
        )
    return failed(
        "Okta does not accept OKTA_CLIENT_SECRET",
        f"copy the client secret again from Client Credentials {_WHERE}; it must be active",
    )


async def okta_redirect_uri(subject: Subject) -> list[Verdict]:
    """Whether Okta will send people back here."""
    uri = subject.settings.redirect_uri
    try:
        is_registered = await subject.login.redirect_uri_is_registered()
    except OktaLoginError:
        return [_AWAY]
    if is_registered:
        return [ok(f"{uri} is registered")]
    return [
        failed(
            f"Okta does not know {uri}",
            f"enter it under Sign-in redirect URIs {_WHERE}, exactly so; if people reach this"
            " server elsewhere, correct PUBLIC_URL, --host or --port",
        )
    ]


async def okta_scopes_of_sign_in(subject: Subject) -> list[Verdict]:
    """Whether the application may ask for what this server asks for at a sign-in."""
    wanted = okta_scopes(subject.settings)
    try:
        if (await subject.login.silent_error(wanted)) in _GOOD:
            return [_granted(subject, wanted)]
        asked = [scope for scope in wanted if scope != "openid"]
        errors = await asyncio.gather(
            *(subject.login.silent_error(("openid", scope)) for scope in asked)
        )
    except OktaLoginError:
        return [_AWAY]
    missing = [scope for scope, error in zip(asked, errors, strict=True) if error not in _GOOD]
    if not missing:
        return [warning("Okta refuses the scopes together, and none alone", "ask again")]
    return [failed(f"Okta does not grant: {' '.join(missing)}", _grants(subject, missing))]


def _granted(subject: Subject, wanted: tuple[str, ...]) -> Verdict:
    if subject.settings.api_auth == "delegated":
        return ok(
            f"Okta takes the request for {' '.join(wanted)}; what a person's own rights leave of"
            " them, only a sign-in shows"
        )
    return ok(f"Okta takes the request for {' '.join(wanted)}")


def _grants(subject: Subject, missing: list[str]) -> str:
    fixes = []
    if any(scope.startswith("okta.") for scope in missing):
        fixes.append(
            "grant them to the application under Okta API Scopes, or set another OKTA_API_AUTH"
        )
    if "offline_access" in missing:
        fixes.append(f"tick the grant type Refresh Token {_WHERE}")
    if set(missing) & {"groups", "profile", "email"}:
        where = urlsplit(subject.settings.issuer).path
        fixes.append(
            f"add the scope to the authorization server {where} (Security, API, Scopes)"
            if where
            else "allow the scope for the application"
        )
    return "; ".join(fixes)


async def okta_groups_claim(subject: Subject) -> list[Verdict]:
    """Where the groups of a person come from; a claim can be seen in a sign-in only."""
    if not subject.settings.keeps_sign_ins:
        return [skipped("not used: groups come from Okta's API")]
    claims = subject.discovered.get("claims_supported")
    is_named = isinstance(claims, list) and "groups" in claims
    named = "names" if is_named else "does not name"
    return [
        skipped(
            f"only a sign-in shows whether tokens carry groups; Okta's metadata {named} the claim,"
            " which proves nothing",
            "sign in once; without a role, set a groups claim under Sign On of the application",
        )
    ]
