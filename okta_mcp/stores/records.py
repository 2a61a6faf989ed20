"""The records that the store keeps, and the repositories that build their keys.

A grant is the centre: codes, access tokens and refresh tokens only point at it, so ending it ends
them all at once. Its key is `<user id>/<grant id>`, which lets one scan find everything that a
person has connected. Endpoints never build a key and never see bytes.

Secrets (tokens, codes, states, client secrets) are stored as SHA-256 only; what has to be read
back (a refresh answer that may be repeated, Okta's tokens) is sealed by the caller, in a field that
`resealing.py` knows.

While servers are updated one after the other, an older and a newer version read each other's
records. So a new field has a default, and a field is never taken away or given another meaning
(otherwise it is a new layout); what this version does not know of a record it leaves in it.

They are structs of msgspec, made from JSON in half the time that a dataclass takes. Of a grant and
an access token, which are read at every request, what is as by default is not written, so a default
of theirs is never changed either.
"""

import hashlib
import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from okta_mcp.stores.interface import Kind, Store

Record = TypeVar("Record")

# What is no JSON, not UTF-8, nested without end, or JSON of another form.
_NO_RECORD = (ValueError, RecursionError)

log = logging.getLogger("okta_mcp")


def digest(secret: str) -> str:
    """SHA-256 of a token, code or state, in hex: how it is stored and looked up."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Client(msgspec.Struct, frozen=True):
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


class CheckedRequest(msgspec.Struct, frozen=True):
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


class Leg(msgspec.Struct, frozen=True):
    """One trip of a browser to Okta; stored under the digest of Okta's `state`.

    `request` is None for a sign-in that no client asked for.
    """

    request: CheckedRequest | None
    nonce: str
    verifier_sealed: str
    binding_digest: str


class LatestLeg(msgspec.Struct, frozen=True):
    """Which state the newest trip to Okta of one request has, so that a new one ends it."""

    state_digest: str


class Session(msgspec.Struct, frozen=True):
    """A browser session of a person; stored under `<user id>:<digest of the session id>`."""

    key: str
    user_id: str
    login: str
    name: str
    expires_at: float
    id_token_sealed: str
    upstream_id: str | None


class Upstream(msgspec.Struct, frozen=True):
    """Okta's refresh token of one sign-in; kept only where roles or calls depend on it."""

    refresh_token_sealed: str
    kept_at: float


class PendingConsent(msgspec.Struct, frozen=True):
    """A checked request that waits for the answer of the person who has just signed in."""

    request: CheckedRequest
    user_id: str


class Grant(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What one person allowed one client: every token hangs on it.

    `generation` counts refreshes; a refresh token of another generation is an old one.
    `answer_sealed` repeats the last refresh answer if it was lost; `rotated_at` is its time and
    `pair_used` whether anything of it has been seen in use. `service` names a service of the policy
    file that acts without a person, `service_key` the thumbprint of the key that it used.
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
    service: str | None = None
    service_key: str | None = None


class Code(msgspec.Struct, frozen=True):
    """An authorization code; once `used` it stays as the mark by which reuse is known."""

    grant_key: str
    client_id: str
    redirect_uri: str
    code_challenge: str
    resource: str | None
    used: bool = False


class AccessToken(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A handle on a grant; `scopes` may be narrower than the grant's after a refresh."""

    grant_key: str
    scopes: tuple[str, ...]
    generation: int
    expires_at: float


class RefreshToken(msgspec.Struct, frozen=True):
    """A handle on a grant at one generation; kept when used, so that reuse is known."""

    grant_key: str
    generation: int


class Mark(msgspec.Struct, frozen=True):
    """The tombstone of something that works once."""

    at: float


class RememberedConsent(msgspec.Struct, frozen=True):
    """That a person allowed this client, redirect URI and scopes until `expires_at`."""

    expires_at: float


class KeptReport(msgspec.Struct, frozen=True):
    """The CSV of a report; stored under `<user id>/<report id>`."""

    kept_at: float
    sealed: str


class KnownRole(msgspec.Struct, frozen=True):
    """Which role Okta's groups gave a person, by a question that was put at `asked_at`.

    Stored under `<user id>/<sign-in id>`, the latter empty where roles need none.
    """

    role: str | None
    groups: tuple[str, ...]
    source: str
    asked_at: float
    member_of: tuple[str, ...] = ()


class KnownKeys(msgspec.Struct, frozen=True):
    """An issuer's signing keys, as one of several processes has read them.

    Stored under the issuer; sealed, because who can write to a store shall not say whom to believe.
    """

    sealed: str


class Repository(Generic[Record]):
    """One kind of record in the store: the verbs, with records in the place of bytes.

    A value that is no such record counts as absent, which everywhere means a refusal, so that one
    bad value stops neither a scan nor its person for good; `store check` counts them.
    """

    def __init__(self, store: Store, kind: Kind, record: type[Record]) -> None:
        self._store = store
        self._kind = kind
        self._decoded = msgspec.json.Decoder(record).decode
        form: Any = msgspec.inspect.type_info(record)
        self._fields = frozenset(field.name for field in form.fields)
        self.record = record

    @property
    def kind(self) -> Kind:
        """The name under which the store keeps these, and how many."""
        return self._kind

    async def get(self, key: str) -> Record | None:
        return self.read(await self._store.get(self._kind, key))

    async def put(
        self, key: str, record: Record, ttl_seconds: float, *, if_absent: bool = False
    ) -> bool:
        value = self._encoded(record)
        return await self._store.put(
            self._kind, key, value, ttl_seconds=ttl_seconds, if_absent=if_absent
        )

    async def take(self, key: str) -> Record | None:
        return self.read(await self._store.take(self._kind, key))

    async def swap(self, key: str, expected: Record, record: Record, ttl_seconds: float) -> bool:
        """Replace `expected` in one step; False where something else is there by now."""
        before, after = self._encoded(expected), self._encoded(record)
        swap = self._store.swap
        if await swap(self._kind, key, expected=before, value=after, ttl_seconds=ttl_seconds):
            return True
        # The same record may stand there in another version's spelling: with fields that this
        # version does not know, or without some that it does. What is compared is then that.
        kept = await self._store.get(self._kind, key)
        if kept is None or kept == before or self.read(kept) != expected:
            return False
        merged = self._with_unknown_fields(after, kept)
        return await swap(self._kind, key, expected=kept, value=merged, ttl_seconds=ttl_seconds)

    async def delete(self, key: str) -> bool:
        return await self._store.delete(self._kind, key)

    async def scan(self, prefix: str = "") -> AsyncIterator[tuple[str, Record]]:
        async for key, value in self._store.scan(self._kind, prefix):
            record = self.read(value)
            if record is not None:
                yield key, record

    def is_readable(self, value: bytes) -> bool:
        """Whether the bytes are a record of this kind."""
        try:
            self._decoded(value)
        except _NO_RECORD:
            return False
        return True

    def read(self, value: bytes | None) -> Record | None:
        """The record that the bytes are; None without bytes, or where they are no such record."""
        if value is None:
            return None
        try:
            return self._decoded(value)
        except _NO_RECORD:
            # Without the exception, whose text shows the value.
            log.warning(
                "a value of %s in the store cannot be read and counts as absent;"
                " run: okta-mcp store check",
                self._kind.name,
            )
            return None

    def _encoded(self, record: Record) -> bytes:
        return msgspec.json.encode(record)

    def _with_unknown_fields(self, value: bytes, kept: bytes) -> bytes:
        """The JSON object `value` with those members of `kept` that this version does not know."""
        members: dict[str, Any] = json.loads(kept)
        unknown = {name: each for name, each in members.items() if name not in self._fields}
        return msgspec.json.encode(unknown | json.loads(value))


# What a backup brings back unless everything is asked for: the registrations of clients, which
# alone open nothing, and the marks of what was used up or refused. All else could give access that
# was ended after the backup was made. A new kind is not among them before somebody has thought.
SAFE_TO_BRING_BACK = frozenset(
    {"clients", "used_states", "used_assertions", "answered_forms", "refused_registrations"}
)


class AccessTokens(Repository[AccessToken]):
    """Access tokens; each is read together with the grant that it names."""

    def __init__(self, store: Store, kind: Kind, grants: Repository[Grant]) -> None:
        super().__init__(store, kind, AccessToken)
        self._grants = grants

    async def with_grant(self, key: str) -> tuple[AccessToken, Grant] | None:
        """The token and its grant, if both live."""
        found = await self._store.follow(self._kind, key, "grant_key", self._grants.kind)
        if found is None:
            return None
        token, grant = self.read(found[0]), self._grants.read(found[1])
        return (token, grant) if token is not None and grant is not None else None


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
        self.used_assertions = Repository(store, Kind("used_assertions", 50_000), Mark)
        self.refused_registrations = Repository(store, Kind("refused_registrations", 10_000), Mark)
        self.access_tokens = AccessTokens(store, Kind("access_tokens", 400_000), self.grants)
        self.refresh_tokens = Repository(store, Kind("refresh_tokens", 1_000_000), RefreshToken)
        # The largest values of all: a megabyte each at the most.
        self.reports = Repository(store, Kind("reports", 500), KeptReport)
        self.roles = Repository(store, Kind("roles", 100_000), KnownRole)
        self.known_keys = Repository(store, Kind("known_keys", 10), KnownKeys)
        self.leases = Repository(store, Kind("leases", 10_000), Mark)

    async def mark_used(self, key: str, code: Code, ttl_seconds: float) -> bool:
        """Use a code up; of any number of callers, one gets True."""
        return await self.codes.swap(key, code, replace(code, used=True), ttl_seconds)

    @property
    def repositories(self) -> Mapping[str, Repository[Any]]:
        """Every repository by the name of its kind, for what is done to the store as a whole."""
        every = (each for each in vars(self).values() if isinstance(each, Repository))
        return {each.kind.name: each for each in every}
