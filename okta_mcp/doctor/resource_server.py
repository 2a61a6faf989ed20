"""What a resource server has in place of a sign-in: introspection, required scopes, metadata."""

from okta_mcp.doctor.application import refusal
from okta_mcp.doctor.public_url import judged_metadata
from okta_mcp.doctor.subject import Subject
from okta_mcp.doctor.verdict import Verdict, failed, ok, skipped, warning
from okta_mcp.mcp_endpoint.protected_resource import PROTECTED_RESOURCE_PATHS
from okta_mcp.okta.authorization_server import OktaLoginError, json_object
from okta_mcp.okta.oidc import Refused
from okta_mcp.serving.okta_access import authentication


async def introspection(subject: Subject) -> list[Verdict]:
    """Whether Okta lets this server ask what a token is worth: by a token that never was."""
    settings = subject.settings
    if settings.okta_token_check == "jwks":  # noqa: S105 - the name of a check
        return [skipped("not used: tokens are verified with the published keys, see okta.keys")]
    shown = authentication(settings, subject.key, subject.now)
    try:
        url = (await subject.server.endpoints()).introspection
        if url is None:
            return [
                failed(
                    "the authorization server offers no introspection",
                    "set OKTA_TOKEN_CHECK=jwks, or correct OKTA_ISSUER",
                )
            ]
        form = {"token": "none", "token_type_hint": "access_token"}
        answer = await subject.server.post(url, form | shown.fields(url), shown.headers())
    except OktaLoginError:
        return [warning("Okta gave no usable answer", "ask again later")]
    body = json_object(answer) or {}
    if answer.status_code == 200 and body.get("active") is False:
        return [ok(f"Okta lets {settings.okta_client_id} introspect tokens")]
    error, description = body.get("error"), body.get("error_description")
    return [refusal(subject, Refused(answer.status_code, str(error or ""), str(description or "")))]


async def required_scopes(subject: Subject) -> list[Verdict]:
    """Whether the authorization server publishes the scopes that a token must have here."""
    wanted = subject.settings.mcp_required_scopes
    listed = subject.discovered.get("scopes_supported")
    missing = [scope for scope in wanted if not isinstance(listed, list) or scope not in listed]
    if not missing:
        return [ok(f"the authorization server has {' '.join(wanted)}")]
    return [
        warning(
            f"the authorization server does not publish {' '.join(missing)}, so clients cannot"
            " learn of it",
            "add the scope there (Security, API, Scopes), included in public metadata, or correct"
            " MCP_REQUIRED_SCOPES",
        )
    ]


async def nobody_signs_in(subject: Subject) -> list[Verdict]:  # noqa: ARG001 - a check
    """Of what belongs to a sign-in through this server."""
    return [skipped("not used: with AUTH_MODE=resource-server nobody signs in through this server")]


async def groups_of_tokens(subject: Subject) -> list[Verdict]:
    """Where the groups of a person come from."""
    if subject.api is not None:
        return [skipped("not used: groups come from Okta's API")]
    return [
        skipped(
            "only a token shows whether it carries groups, from which roles come here",
            "add the claim groups to access tokens of the authorization server (Security, API,"
            " Claims)",
        )
    ]


async def public_metadata(subject: Subject) -> list[Verdict]:
    """Whether what answers is a resource server with these settings."""
    return await judged_metadata(
        subject, PROTECTED_RESOURCE_PATHS[1], "resource", f"{subject.settings.url}/mcp"
    )
