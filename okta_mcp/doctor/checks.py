"""The checks in their order, and what each needs: the one list that all others follow.

Called by `running`. A check that needs one that failed is skipped with that reason.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from okta_mcp.doctor.api import okta_api_rights, okta_api_scopes, okta_api_token
from okta_mcp.doctor.application import (
    okta_client,
    okta_groups_claim,
    okta_redirect_uri,
    okta_scopes_of_sign_in,
)
from okta_mcp.doctor.configuration import settings_verdicts
from okta_mcp.doctor.gateway import gateway
from okta_mcp.doctor.issuer import okta_discovery, okta_issuer, okta_keys
from okta_mcp.doctor.public_url import public_url_dns, public_url_metadata, public_url_tls
from okta_mcp.doctor.reaching_okta import clock, okta_dns, okta_tls
from okta_mcp.doctor.resource_server import (
    groups_of_tokens,
    introspection,
    nobody_signs_in,
    public_metadata,
    required_scopes,
)
from okta_mcp.doctor.roles import policy, roles_mapping
from okta_mcp.doctor.storage import audit, store
from okta_mcp.doctor.subject import Subject
from okta_mcp.doctor.verdict import Verdict

SETTINGS = "settings"


Run: TypeAlias = Callable[[Subject], Awaitable[list[Verdict]]]


@dataclass(frozen=True, slots=True)
class Check:
    """`id` is stable; `needs` are ids of checks that stand earlier in the list."""

    id: str
    run: Run
    needs: tuple[str, ...] = ()


async def _settings(subject: Subject) -> list[Verdict]:
    return settings_verdicts(subject.settings)


def _by_mode(proxy: Run, resource_server: Run) -> Run:
    """The one of two that AUTH_MODE calls for."""

    async def run(subject: Subject) -> list[Verdict]:
        chosen = resource_server if subject.settings.is_resource_server else proxy
        return await chosen(subject)

    return run


_scopes_of_mode = _by_mode(okta_scopes_of_sign_in, required_scopes)


async def _scopes(subject: Subject) -> list[Verdict]:
    return [*await _scopes_of_mode(subject), *await okta_api_scopes(subject)]


CHECKS: tuple[Check, ...] = (
    Check(SETTINGS, _settings),
    Check("policy", policy),
    Check("gateway", gateway, ("policy",)),
    Check("store", store),
    Check("audit", audit),
    Check("okta.dns", okta_dns),
    Check("okta.tls", okta_tls, ("okta.dns",)),
    Check("clock", clock, ("okta.tls",)),
    Check("okta.discovery", okta_discovery, ("okta.tls",)),
    Check("okta.issuer", okta_issuer, ("okta.discovery",)),
    Check("okta.keys", okta_keys, ("okta.discovery",)),
    Check("okta.client", _by_mode(okta_client, introspection), ("okta.issuer",)),
    Check("okta.redirect_uri", _by_mode(okta_redirect_uri, nobody_signs_in), ("okta.client",)),
    Check("okta.scopes", _scopes, ("okta.redirect_uri",)),
    Check("okta.groups_claim", _by_mode(okta_groups_claim, groups_of_tokens), ("okta.discovery",)),
    Check("okta.api_token", okta_api_token, ("okta.tls",)),
    Check("okta.api_rights", okta_api_rights, ("okta.api_token",)),
    Check("roles.mapping", roles_mapping, ("policy", "okta.api_rights")),
    Check("public_url.dns", public_url_dns),
    Check("public_url.tls", public_url_tls, ("public_url.dns",)),
    Check(
        "public_url.metadata", _by_mode(public_url_metadata, public_metadata), ("public_url.tls",)
    ),
)
IDS: tuple[str, ...] = tuple(check.id for check in CHECKS)
