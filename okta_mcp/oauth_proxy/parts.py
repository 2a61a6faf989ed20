"""The parts of the server, each made once from the settings and handed to those who need it.

With `routes.py` and `app.py` this is the composition root: the only place where settings, concrete
stores and libraries meet. Nothing is connected or started here.
"""

import contextlib
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from secrets import token_bytes
from urllib.parse import urlsplit

import httpx

from okta_mcp.audit.writer import Audit, AuditFileError
from okta_mcp.inventory import Inventory, inventory, policy_for
from okta_mcp.mcp_endpoint.report_shelf import StoredShelf
from okta_mcp.oauth_proxy.client_documents import ClientDocuments
from okta_mcp.oauth_proxy.clients import Clients
from okta_mcp.oauth_proxy.cookies import Cookies
from okta_mcp.oauth_proxy.forms import Forms
from okta_mcp.oauth_proxy.grants import Grants, Lifetimes
from okta_mcp.oauth_proxy.legs import Legs
from okta_mcp.oauth_proxy.metering import Unmetered, metering
from okta_mcp.oauth_proxy.okta_access import okta_access, okta_login, private_key
from okta_mcp.oauth_proxy.okta_counts import StoredCounts
from okta_mcp.oauth_proxy.pinned_fetch import SystemResolver
from okta_mcp.oauth_proxy.rates import Rates
from okta_mcp.oauth_proxy.refusals import Refusals
from okta_mcp.oauth_proxy.responses import Responses
from okta_mcp.oauth_proxy.sessions import Sessions
from okta_mcp.oauth_proxy.upstreams import Upstreams
from okta_mcp.oauth_proxy.workers import Worker
from okta_mcp.okta.directory import Directory
from okta_mcp.okta.oidc import OktaLogin
from okta_mcp.okta.sign_ins import SignIns
from okta_mcp.pages import Pages
from okta_mcp.rbac.policy import Policy, Role
from okta_mcp.rbac.policy_file import groups_by_role
from okta_mcp.rbac.principal import current_principal
from okta_mcp.rbac.roles import LiveRoles, RoleDecision, RoleMapping
from okta_mcp.settings import Settings
from okta_mcp.stores.interface import Store, StoreUnavailableError
from okta_mcp.stores.opening import opened_redis, opened_store
from okta_mcp.stores.records import Records
from okta_mcp.stores.sealing import Sealer, Secrets, derived_key, signing_keys
from okta_mcp.stores.watched import WatchedStore
from okta_mcp.tools.cursors import SealedCursors
from okta_mcp.tools.who import who_am_i

SANDBOX_NAME = "Northwind Bank (sandbox)"
_OKTA_TIMEOUT_SECONDS = 10.0

log = logging.getLogger("okta_mcp")


@dataclass(frozen=True, slots=True)
class Parts:
    """What endpoints are made of."""

    settings: Settings
    now: Callable[[], float]
    audit: Audit
    http: httpx.AsyncClient
    resolver: SystemResolver
    store: WatchedStore
    records: Records
    rates: Rates
    login: OktaLogin
    upstreams: Upstreams
    sign_ins: SignIns
    grants: Grants
    sessions: Sessions
    roles: LiveRoles
    policy: Policy
    offered: Inventory
    clients: Clients
    legs: Legs
    responses: Responses
    refusals: Refusals
    meter: Unmetered

    @property
    def resource_url(self) -> str:
        """The public URL of /mcp: what tokens are for."""
        return f"{self.settings.url}/mcp"


def assembled(
    settings: Settings,
    now: Callable[[], float],
    sandbox_url: str | None,
    worker: Worker | None = None,
) -> Parts:
    """All parts of one server process."""
    secrets = _secrets(settings)
    key = private_key(settings)
    sealer = Sealer(secrets, "sealing")
    cookies = Cookies(is_https=settings.is_https)
    audit = Audit(settings.audit_log, now, position=worker.audit_position if worker else None)
    meter = metering(settings, process=worker.number if worker else 1)
    opened = meter.store(opened_store(settings.store, settings.store_prefix, now))
    store = _watched_store(opened, audit)
    records = Records(store)
    rates = Rates(
        opened_redis(settings.store), settings.store_prefix, derived_key(secrets[0], "rates")
    )
    # A new client costs 20 ms for its TLS context: one for the life of the process.
    http = meter.client(now, timeout=_OKTA_TIMEOUT_SECONDS, follow_redirects=False)
    login = okta_login(settings, http, key, now)
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
        resource_url=f"{settings.url}/mcp",
        now=now,
    )
    # Other machines may use the same Redis; a file has no others than the workers of this one.
    has_others = settings.store.startswith("redis") or (worker is not None and worker.count > 1)
    counts = StoredCounts(store) if has_others else None
    okta = okta_access(settings, http, key, login, sign_ins, now, sleep=meter.sleep, counts=counts)
    organisation = SANDBOX_NAME if sandbox_url else urlsplit(settings.okta_org_url).netloc
    offered = inventory(
        okta.api,
        SealedCursors(*(derived_key(secret, "cursors") for secret in secrets)),
        now,
        shelf=StoredShelf(records, sealer, now),
        who=lambda: who_am_i(current_principal.get(), policy, organisation),
        who_may_use_what=lambda: policy.table(),
        role_groups=lambda: tuple(chain.from_iterable(mapped_groups.values())),
    )
    meter.watch(audit, offered.components["tools"])
    policy = policy_for(offered, settings.policy_file)
    mapped_groups = groups_by_role(policy, settings.groups_by_role)
    resolver = SystemResolver()
    redirect_hosts = _redirect_hosts(settings)
    documents = ClientDocuments(
        resolver,
        # A context of its own, because its application protocols are set for these fetches alone.
        ssl.create_default_context(),
        rates=rates,
        redirect_schemes=settings.redirect_schemes,
        redirect_hosts=redirect_hosts,
        now=now,
    )
    return Parts(
        settings=settings,
        now=now,
        audit=audit,
        http=http,
        resolver=resolver,
        store=store,
        records=records,
        rates=rates,
        login=login,
        upstreams=upstreams,
        sign_ins=sign_ins,
        grants=grants,
        sessions=sessions,
        roles=_live_roles(
            settings, mapped_groups, okta.directory, records, grants, sessions, audit, now
        ),
        policy=policy,
        offered=offered,
        clients=Clients(records, documents if settings.takes_client_documents else None),
        legs=Legs(records, sealer, signing_keys(secrets, "binding cookies"), cookies),
        responses=Responses(
            Pages(organisation, settings.consent_notice),
            Forms(sealer, signing_keys(secrets, "form cookies"), cookies, origin=settings.url),
            issuer=settings.url,
            known_hosts=redirect_hosts,
        ),
        refusals=Refusals(
            audit,
            rates.rate("refusals", settings.rate_token_failures),
            rates.rate("notices of refusals", "1/minute"),
        ),
        meter=meter,
    )


def _watched_store(store: Store, audit: Audit) -> WatchedStore:
    def away(error: StoreUnavailableError) -> None:
        log.error("the store is away: %s. What needs it is answered 503 until it is back.", error)
        # The disk that is full may be the trail's too; it is written later then.
        with contextlib.suppress(AuditFileError):
            audit.write("store.unavailable", "failure", reason=str(error))

    def back() -> None:
        log.warning("the store is back")
        with contextlib.suppress(AuditFileError):
            audit.write("store.available")

    return WatchedStore(store, away, back)


def _live_roles(
    settings: Settings,
    mapped_groups: dict[Role, tuple[str, ...]],
    directory: Directory,
    records: Records,
    grants: Grants,
    sessions: Sessions,
    audit: Audit,
    now: Callable[[], float],
) -> LiveRoles:
    async def end_person(user_id: str) -> None:
        await grants.end_all(user_id, "account_inactive")
        await sessions.end_all(user_id)

    def role_changed(user_id: str, before: RoleDecision, after: RoleDecision) -> None:
        audit.write(
            "role.changed",
            user_id=user_id,
            role_before=before.role,
            role=after.role,
            groups=after.groups,
            source=after.source,
        )

    mapping = RoleMapping(mapped_groups)
    return LiveRoles(
        directory,
        mapping,
        records,
        ttl_seconds=settings.role_ttl_seconds,
        now=now,
        on_inactive=end_person,
        on_change=role_changed,
    )


def _secrets(settings: Settings) -> Secrets:
    if settings.session_secrets:
        return settings.session_secrets
    log.warning(
        "SESSION_SECRET_KEY is not set: a random key is used, so a restart signs everybody out."
    )
    return (token_bytes(32),)


def _redirect_hosts(settings: Settings) -> tuple[str, ...]:
    return tuple(host.lower() for host in settings.redirect_hosts)
