"""The parts of the proxy, each made once from the settings and handed to those who need it.

With `routes.py`, `app.py` and the shared half in `serving/` this is the composition root: the only
place where settings, concrete stores and libraries meet. Nothing is connected or started here.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from okta_mcp.inventory import Inventory
from okta_mcp.oauth_proxy.client_documents import ClientDocuments
from okta_mcp.oauth_proxy.clients import Clients
from okta_mcp.oauth_proxy.cookies import Cookies
from okta_mcp.oauth_proxy.forms import Forms
from okta_mcp.oauth_proxy.grants import Grants, Lifetimes
from okta_mcp.oauth_proxy.legs import Legs
from okta_mcp.oauth_proxy.pinned_fetch import SystemResolver
from okta_mcp.oauth_proxy.responses import Responses
from okta_mcp.oauth_proxy.sessions import Sessions
from okta_mcp.oauth_proxy.upstreams import Upstreams
from okta_mcp.okta.oidc import OktaLogin
from okta_mcp.okta.sign_ins import SignIns
from okta_mcp.pages import Pages
from okta_mcp.rbac.policy import Policy
from okta_mcp.rbac.roles import LiveRoles
from okta_mcp.serving.core import Core, core, live_roles, offer
from okta_mcp.serving.okta_access import okta_access, okta_login
from okta_mcp.serving.workers import Worker
from okta_mcp.settings import Settings
from okta_mcp.stores.sealing import signing_keys

if TYPE_CHECKING:
    from okta_mcp.gateway.servers import Server

log = logging.getLogger("okta_mcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts(Core):
    """What endpoints are made of."""

    resolver: SystemResolver
    login: OktaLogin
    upstreams: Upstreams
    sign_ins: SignIns
    grants: Grants
    sessions: Sessions
    roles: LiveRoles
    policy: Policy
    offered: Inventory
    servers: "tuple[Server, ...]"
    clients: Clients
    legs: Legs
    responses: Responses


def assembled(
    settings: Settings,
    now: Callable[[], float],
    sandbox_url: str | None,
    worker: Worker | None = None,
) -> Parts:
    """All parts of one server process."""
    shared = core(settings, now, sandbox_url, worker)
    secrets, sealer, records, rates = shared.secrets, shared.sealer, shared.records, shared.rates
    audit, http, key = shared.audit, shared.http, shared.key
    cookies = Cookies(is_https=settings.is_https)
    known_keys = shared.known_keys
    login = okta_login(
        settings, http, key, now, known_keys.of(settings.issuer) if known_keys else None
    )
    # A grant can begin at the end of a session, and still needs it at its own end.
    upstream_ttl_seconds = settings.session_ttl_seconds + settings.grant_ttl_seconds
    upstreams = Upstreams(records, sealer, login, ttl_seconds=upstream_ttl_seconds, now=now)
    sign_ins = SignIns(login, upstreams, now)
    sessions = Sessions(records, sealer, cookies, ttl_seconds=settings.session_ttl_seconds, now=now)
    grants = Grants(
        records,
        sealer,
        upstreams,
        audit,
        lifetimes=Lifetimes(
            code=settings.code_ttl_seconds,
            access_token=settings.access_token_ttl_seconds,
            grant=settings.grant_ttl_seconds,
        ),
        resource_url=shared.resource_url,
        now=now,
    )
    okta = okta_access(
        settings,
        http,
        key,
        login,
        sign_ins,
        now,
        sleep=shared.meter.sleep,
        counts=shared.counts,
    )
    on_offer = offer(shared, okta.api)
    if on_offer.policy.services and settings.keeps_sign_ins:
        log.warning(
            "OKTA_API_AUTH=%s works with the sign-in of a person, which services do not have: their"
            " tools that ask Okta will refuse. Set OKTA_API_TOKEN or a service application.",
            settings.api_auth,
        )

    async def end_person(user_id: str) -> None:
        await grants.end_all(user_id, "account_inactive")
        await sessions.end_all(user_id)

    resolver = SystemResolver()
    redirect_hosts = _redirect_hosts(settings)
    documents = ClientDocuments(
        resolver,
        None,
        rates=rates,
        redirect_schemes=settings.redirect_schemes,
        redirect_hosts=redirect_hosts,
        now=now,
    )
    return Parts(
        settings=settings,
        now=now,
        secrets=secrets,
        key=key,
        sealer=sealer,
        audit=audit,
        meter=shared.meter,
        http=http,
        store=shared.store,
        records=records,
        rates=rates,
        refusals=shared.refusals,
        counts=shared.counts,
        known_keys=known_keys,
        organisation=shared.organisation,
        resolver=resolver,
        login=login,
        upstreams=upstreams,
        sign_ins=sign_ins,
        grants=grants,
        sessions=sessions,
        roles=live_roles(shared, on_offer.mapping, okta.directory, end_person),
        policy=on_offer.policy,
        offered=on_offer.offered,
        servers=on_offer.servers,
        clients=Clients(records, documents if settings.takes_client_documents else None),
        legs=Legs(records, sealer, signing_keys(secrets, "binding cookies"), cookies),
        responses=Responses(
            Pages(shared.organisation, settings.consent_notice),
            Forms(sealer, signing_keys(secrets, "form cookies"), cookies, origin=settings.url),
            issuer=settings.url,
            known_hosts=redirect_hosts,
        ),
    )


def _redirect_hosts(settings: Settings) -> tuple[str, ...]:
    return tuple(host.lower() for host in settings.redirect_hosts)
