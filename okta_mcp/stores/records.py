"""The records that the store keeps, and the repositories that build their keys.

A grant is the centre: codes, access tokens and refresh tokens only point at it, so ending it ends
them all at once. Its key is `<user id>/<grant id>`, which lets one scan find everything that a
person has connected. Endpoints never build a key and never see bytes.

Secrets (tokens, codes, states, client secrets) are stored as SHA-256 only; what has to be read
back (a refresh answer that may be repeated, Okta's tokens) is sealed by the caller.
"""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from pydantic import TypeAdapter

from okta_mcp.stores.interface import Kind, Store

Record = TypeVar("Record")


def digest(secret: str) -> str:
    """SHA-256 of a token, code or state, in hex: how it is stored and looked up."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Client:
    """A registered MCP client (RFC 7591). All it says of itself is a claim."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]
    auth_method: str
    secret_digest: str | None
    scope: str | None
    created_at: float
    authorized: bool = False


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """An authorization request that has passed every check of `authorization_request.py`.

    `id` is made here and names the request on its forms and pages; it is never Okta's `state`.
    `fetch_site` is the `Sec-Fetch-Site` of the request's own GET.
    """

    id: str
    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    code_challenge: str
    state: str | None = None
    resource: str | None = None
    prompt: tuple[str, ...] = ()
    fetch_site: str | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """One trip of a browser to Okta; stored under the digest of Okta's `state`.

    `request` is None for a sign-in that no client asked for.
    """

    request: CheckedRequest | None
    nonce: str
    verifier_sealed: str
    binding_digest: str


@dataclass(frozen=True, slots=True)
class LatestLeg:
    """Which state the newest trip to Okta of one request has, so that a new one ends it."""

    state_digest: str


@dataclass(frozen=True, slots=True)
class Session:
    """A browser session of a person; stored under `<user id>:<digest of the session id>`."""

    key: str
    user_id: str
    login: str
    name: str
    expires_at: float
    id_token_sealed: str
    upstream_id: str | None


@dataclass(frozen=True, slots=True)
class Upstream:
    """Okta's refresh token of one sign-in; kept only where roles or calls depend on it."""

    refresh_token_sealed: str
    kept_at: float


@dataclass(frozen=True, slots=True)
class PendingConsent:
    """A checked request that waits for the answer of the person who has just signed in."""

    request: CheckedRequest
    user_id: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What one person allowed one client: every token hangs on it.

    `generation` counts refreshes; a refresh token of another generation is an old one.
    `answer_sealed` repeats the last refresh answer if it was lost; `rotated_at` is its time and
    `pair_used` whether anything of it has been seen in use.
    """

    key: str
    user_id: str
    login: str
    name: str
    client_id: str
    client_name: str
    redirect_uri: str
    scopes: tuple[str, ...]
    resource: str
    role: str
    created_at: float
    expires_at: float
    upstream_id: str | None = None
    generation: int = 0
    rotated_at: float = 0.0
    answer_sealed: str | None = None
    pair_used: bool = False
    redeemed: bool = False
    last_used_at: float | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code; once `used` it stays as the mark by which reuse is known."""

    grant_key: str
    client_id: str
    redirect_uri: str
    code_challenge: str
    resource: str | None
    used: bool = False


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A handle on a grant; `scopes` may be narrower than the grant's after a refresh."""

    grant_key: str
    scopes: tuple[str, ...]
    generation: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A handle on a grant at one generation; kept when used, so that reuse is known."""

    grant_key: str
    generation: int


@dataclass(frozen=True, slots=True)
class Mark:
    """The tombstone of something that works once."""

    at: float


@dataclass(frozen=True, slots=True)
class RememberedConsent:
    """That a person allowed this client, redirect URI and scopes until `expires_at`."""

    expires_at: float


@dataclass(frozen=True, slots=True)
class KeptReport:
    """The CSV of a report; stored under `<user id>/<report id>`."""

    kept_at: float
    sealed: str


class Repository(Generic[Record]):
    """One kind of record in the store: the verbs, with records in the place of bytes."""

    def __init__(self, store: Store, kind: Kind, record: type[Record]) -> None:
        self._store = store
        self._kind = kind
        self._adapter = TypeAdapter(record)

    async def get(self, key: str) -> Record | None:
        value = await self._store.get(self._kind, key)
        return None if value is None else self._adapter.validate_json(value)

    async def put(
        self, key: str, record: Record, ttl_seconds: float, *, if_absent: bool = False
    ) -> bool:
        value = self._adapter.dump_json(record)
        return await self._store.put(
            self._kind, key, value, ttl_seconds=ttl_seconds, if_absent=if_absent
        )

    async def take(self, key: str) -> Record | None:
        value = await self._store.take(self._kind, key)
        return None if value is None else self._adapter.validate_json(value)

    async def swap(self, key: str, expected: Record, record: Record, ttl_seconds: float) -> bool:
        return await self._store.swap(
            self._kind,
            key,
            expected=self._adapter.dump_json(expected),
            value=self._adapter.dump_json(record),
            ttl_seconds=ttl_seconds,
        )

    async def delete(self, key: str) -> bool:
        return await self._store.delete(self._kind, key)

    async def scan(self, prefix: str = "") -> AsyncIterator[tuple[str, Record]]:
        async for key, value in self._store.scan(self._kind, prefix):
            yield key, self._adapter.validate_json(value)


class Records:
    """Every repository of this server, each with the bound of its kind."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clients = Repository(store, Kind("clients", 10_000), Client)
        self.legs = Repository(store, Kind("legs", 10_000), Leg)
        self.used_states = Repository(store, Kind("used_states", 20_000), Mark)
        self.latest_legs = Repository(store, Kind("latest_legs", 10_000), LatestLeg)
        self.sessions = Repository(store, Kind("sessions", 50_000), Session)
        self.upstreams = Repository(store, Kind("upstreams", 100_000), Upstream)
        self.pending = Repository(store, Kind("pending", 10_000), PendingConsent)
        self.answered_forms = Repository(store, Kind("answered_forms", 20_000), Mark)
        self.consents = Repository(store, Kind("consents", 100_000), RememberedConsent)
        self.grants = Repository(store, Kind("grants", 100_000), Grant)
        self.codes = Repository(store, Kind("codes", 200_000), Code)
        self.refused_registrations = Repository(store, Kind("refused_registrations", 10_000), Mark)
        self.access_tokens = Repository(store, Kind("access_tokens", 400_000), AccessToken)
        self.refresh_tokens = Repository(store, Kind("refresh_tokens", 1_000_000), RefreshToken)
        # The largest values of all: a megabyte each at the most.
        self.reports = Repository(store, Kind("reports", 500), KeptReport)

    async def mark_used(self, key: str, code: Code, ttl_seconds: float) -> bool:
        """Use a code up; of any number of callers, one gets True."""
        return await self.codes.swap(key, code, replace(code, used=True), ttl_seconds)
