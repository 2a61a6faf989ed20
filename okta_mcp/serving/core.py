"""The parts that every mode of the server has, each made once from the settings.

With `application.py` this is the shared half of the composition root; each mode adds its own parts
and its routes. Nothing is connected or started here.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import chain
from secrets import token_bytes
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from okta_mcp.audit.writer import Audit, AuditFileError
from okta_mcp.inventory import Inventory, inventory, policy_for
from okta_mcp.mcp_endpoint.report_shelf import StoredShelf
from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.client_key import ClientKey
from okta_mcp.okta.directory import Directory
from okta_mcp.rbac.policy import Policy
from okta_mcp.rbac.policy_file import groups_by_role
from okta_mcp.rbac.principal import current_principal
from okta_mcp.rbac.roles import LiveRoles, RoleDecision, RoleMapping
from okta_mcp.serving.gateway_configuration import behind_of, configured_servers, mismatches
from okta_mcp.serving.known_keys import StoredKeys
from okta_mcp.serving.metering import Unmetered, metering
from okta_mcp.serving.okta_access import private_key
from okta_mcp.serving.okta_counts import StoredCounts
from okta_mcp.serving.rates import Rates
from okta_mcp.serving.refusals import Refusals
from okta_mcp.serving.workers import Worker
from okta_mcp.settings import Settings
from okta_mcp.stores.interface import Store, StoreUnavailableError
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.opening import opened_redis, opened_store
from okta_mcp.stores.records import Records
from okta_mcp.stores.sealing import Sealer, Secrets, derived_key
from okta_mcp.stores.watched import WatchedStore
from okta_mcp.tools.cursors import SealedCursors
from okta_mcp.tools.who import who_am_i

if TYPE_CHECKING:
    from okta_mcp.gateway.servers import Server

SANDBOX_NAME = "Northwind Bank (sandbox)"
_OKTA_TIMEOUT_SECONDS = 10.0

log = logging.getLogger("okta_mcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What a mode builds on. `counts` and `known_keys` are there where other processes ask the same
    Okta."""

    settings: Settings
    now: Callable[[], float]
    secrets: Secrets
    key: ClientKey | None
    sealer: Sealer
    audit: Audit
    meter: Unmetered
    http: httpx.AsyncClient
    store: WatchedStore
    records: Records
    rates: Rates
    refusals: Refusals
    counts: StoredCounts | None
    known_keys: StoredKeys | None
    organisation: str

    @property
    def resource_url(self) -> str:
        """The public URL of /mcp: what tokens are for."""
        return f"{self.settings.url}/mcp"


@dataclass(frozen=True, slots=True)
class Offer:
    """What there is to use, who may use it, and the roles that say so.

    `servers` are those of `MCP_CONFIG` at the start; `policy.behind` knows those of now.
    """

    offered: Inventory
    policy: Policy
    mapping: RoleMapping
    servers: "tuple[Server, ...]" = ()


def core(
    settings: Settings,
    now: Callable[[], float],
    sandbox_url: str | None,
    worker: Worker | None = None,
) -> Core:
    """The shared parts of one server process."""
    # First, because a key that cannot be used ends the start: nothing has been opened by then.
    key = private_key(settings)
    secrets = _secrets(settings)
    audit = Audit(settings.audit_log, now, position=worker.audit_position if worker else None)
    meter = metering(settings, process=worker.number if worker else 1)
    opened = opened_store(settings.store, settings.store_prefix, now)
    kept = meter.store(opened)
    # In memory nothing waits and nothing is ever away: records need not ask through the watch.
    is_in_memory = type(opened) is MemoryStore
    store = _watched_store(kept, audit, answers_at_once=is_in_memory)
    sealer = Sealer(secrets, "sealing")
    records = Records(kept if is_in_memory else store)
    rates = Rates(
        opened_redis(settings.store), settings.store_prefix, derived_key(secrets[0], "rates")
    )
    # Other machines may use the same Redis; a file has no others than the workers of this one.
    has_others = settings.store.startswith("redis") or (worker is not None and worker.count > 1)
    return Core(
        settings=settings,
        now=now,
        secrets=secrets,
        key=key,
        sealer=sealer,
        audit=audit,
        meter=meter,
        # A new client costs 20 ms for its TLS context: one for the life of the process.
        http=meter.client(now, timeout=_OKTA_TIMEOUT_SECONDS, follow_redirects=False),
        store=store,
        records=records,
        rates=rates,
        refusals=Refusals(
            audit,
            rates.rate("refusals", settings.rate_token_failures),
            rates.rate("notices of refusals", "1/minute"),
        ),
        counts=StoredCounts(store) if has_others else None,
        known_keys=StoredKeys(records, sealer, now) if has_others else None,
        organisation=SANDBOX_NAME if sandbox_url else urlsplit(settings.okta_org_url).netloc,
    )


def offer(core: Core, api: OktaApi | None) -> Offer:
    """The tools, resources and prompts over `api`, under the policy, and the servers behind.

    Raises `PolicyError` and `McpConfigError`.
    """
    offered = inventory(
        api,
        SealedCursors(*(derived_key(secret, "cursors") for secret in core.secrets)),
        core.now,
        shelf=StoredShelf(core.records, core.sealer, core.now),
        who=lambda: who_am_i(current_principal.get(), policy, core.organisation),
        who_may_use_what=lambda: policy.table(),
        role_groups=lambda: tuple(chain.from_iterable(mapped_groups.values())),
    )
    core.meter.watch(core.audit, offered.components["tools"])
    policy = policy_for(offered, core.settings.policy_file)
    mapped_groups = groups_by_role(policy, core.settings.groups_by_role)
    servers = configured_servers(core.settings, offered)
    policy.behind.replace(behind_of(servers))
    if servers:
        for line in mismatches(policy):
            log.warning("%s", line)
    return Offer(offered, policy, RoleMapping(mapped_groups, policy.server_groups), servers)


def live_roles(
    core: Core,
    mapping: RoleMapping,
    directory: Directory,
    on_inactive: Callable[[str], Awaitable[None]],
) -> LiveRoles:
    """Roles by `directory`; `on_inactive` ends what a person has who may not act any more."""

    def role_changed(user_id: str, before: RoleDecision, after: RoleDecision) -> None:
        core.audit.write(
            "role.changed",
            user_id=user_id,
            role_before=before.role,
            role=after.role,
            groups=after.groups,
            source=after.source,
        )

    return LiveRoles(
        directory,
        mapping,
        core.records,
        ttl_seconds=core.settings.role_ttl_seconds,
        now=core.now,
        on_inactive=on_inactive,
        on_change=role_changed,
    )


def _watched_store(store: Store, audit: Audit, *, answers_at_once: bool) -> WatchedStore:
    def away(error: StoreUnavailableError) -> None:
        log.error("the store is away: %s. What needs it is answered 503 until it is back.", error)
        # The disk that is full may be the trail's too; it is written later then.
        with contextlib.suppress(AuditFileError):
            audit.write("store.unavailable", "failure", reason=str(error))

    def back() -> None:
        log.warning("the store is back")
        with contextlib.suppress(AuditFileError):
            audit.write("store.available")

    return WatchedStore(store, away, back, answers_at_once=answers_at_once)


def _secrets(settings: Settings) -> Secrets:
    if settings.session_secrets:
        return settings.session_secrets
    lost = "ends cursors and reports" if settings.is_resource_server else "signs everybody out"
    log.warning("SESSION_SECRET_KEY is not set: a random key is used, so a restart %s.", lost)
    return (token_bytes(32),)
