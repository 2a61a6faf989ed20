"""Which fields of the records are sealed, for which purpose, and how they get the current key.

The one list of them: `okta-mcp keys rotate` re-seals what stands here, `store check` opens it. The
purposes are those of the modules that seal: `legs`, `sessions`, `upstreams`, `grants`,
`report_shelf` and `known_keys`. A sealed value is replaced by `swap`, so servers may run: what they
change meanwhile is looked at again, and what they end stays ended.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from okta_mcp.stores.interface import Store
from okta_mcp.stores.records import Records
from okta_mcp.stores.sealing import NotSealedHereError, Sealer
from okta_mcp.stores.upkeep import Entry, Upkeep

# The digests of a grant's refresh tokens, by its key and their generation.
RefreshTokens = Mapping[tuple[str, int], Collection[str]]
Purposes = Callable[[str, Mapping[str, Any], RefreshTokens], Collection[str]]

# More rounds than one only where servers change the same values meanwhile.
_MOST_ROUNDS = 5


def _always(purpose: str) -> Purposes:
    return lambda _key, _record, _tokens: (purpose,)


def _refresh_answer(key: str, record: Mapping[str, Any], tokens: RefreshTokens) -> Collection[str]:
    """It is bound to the refresh token that it answers, which is of the generation before."""
    earlier = tokens.get((key, int(record.get("generation", 0)) - 1), ())
    return [f"refresh answer {digest}" for digest in earlier]


# Kind, field, and what it may have been sealed for.
SEALED_FIELDS: tuple[tuple[str, str, Purposes], ...] = (
    ("legs", "verifier_sealed", _always("okta code verifier")),
    ("sessions", "id_token_sealed", _always("id token")),
    ("upstreams", "refresh_token_sealed", _always("okta refresh token")),
    ("grants", "answer_sealed", _refresh_answer),
    ("reports", "sealed", lambda key, _record, _tokens: (f"report {key}",)),
    ("known_keys", "sealed", lambda key, _record, _tokens: (f"keys of {key}",)),
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """One sealed value and where it stands; `record` is the JSON object around it."""

    entry: Entry
    field: str
    text: str
    record: Mapping[str, Any]
    purposes: Purposes

    def opened(self, sealer: Sealer, tokens: RefreshTokens) -> tuple[str, str]:
        """What was sealed, and for which purpose; raises `NotSealedHereError`."""
        for purpose in self.purposes(self.entry.key, self.record, tokens):
            try:
                return sealer.open(self.text, purpose), purpose
            except NotSealedHereError:
                continue
        raise NotSealedHereError("opens with none of the secrets for any known purpose")


@dataclass(slots=True)
class Tally:
    """How many sealed values there were, by what became of them."""

    resealed: int = 0
    current: int = 0
    unreadable: int = 0
    left: int = 0


def sealed_values(entry: Entry) -> list[Sealed]:
    """The sealed values of one entry; none in a value that is no JSON object."""
    fields = [(field, purposes) for kind, field, purposes in SEALED_FIELDS if kind == entry.kind]
    record = _members(entry) if fields else {}
    return [
        Sealed(entry, field, record[field], record, purposes)
        for field, purposes in fields
        if isinstance(record.get(field), str)
    ]


def _members(entry: Entry) -> dict[str, Any]:
    """Those of the JSON object; none where the value is something else."""
    try:
        value = json.loads(entry.value)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


async def refresh_tokens_of(upkeep: Upkeep, grants: Collection[str]) -> RefreshTokens:
    """The digests of the refresh tokens of these grants."""
    found: dict[tuple[str, int], list[str]] = {}
    if not grants:
        return found
    async for entry in upkeep.entries():
        token = _members(entry) if entry.kind == "refresh_tokens" else {}
        if token.get("grant_key") in grants:
            found.setdefault((token["grant_key"], token["generation"]), []).append(entry.key)
    return found


async def resealed(store: Store, upkeep: Upkeep, sealer: Sealer, now: Callable[[], float]) -> Tally:
    """Seal with the current key whatever is sealed with an earlier one."""
    resealing = _Resealing(store, upkeep, sealer, now)
    tally = await resealing.round()
    for _ in range(_MOST_ROUNDS - 1):
        if not tally.left:
            break
        again = await resealing.round()
        tally.resealed += again.resealed
        tally.unreadable, tally.left = again.unreadable, again.left
    return tally


class _Resealing:
    def __init__(
        self, store: Store, upkeep: Upkeep, sealer: Sealer, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._upkeep = upkeep
        self._sealer = sealer
        self._now = now
        self._repositories = Records(store).repositories

    async def round(self) -> Tally:
        """Look at every value once."""
        tally, waiting = Tally(), list[Sealed]()
        async for entry in self._upkeep.entries():
            for sealed in sealed_values(entry) if entry.expires_at > self._now() else ():
                if self._sealer.is_current(sealed.text):
                    tally.current += 1
                elif entry.kind == "grants":
                    waiting.append(sealed)
                else:
                    await self._reseal(sealed, {}, tally)
        tokens = await refresh_tokens_of(self._upkeep, {each.entry.key for each in waiting})
        for sealed in waiting:
            await self._reseal(sealed, tokens, tally)
        return tally

    async def _reseal(self, sealed: Sealed, tokens: RefreshTokens, tally: Tally) -> None:
        try:
            text, purpose = sealed.opened(self._sealer, tokens)
        except NotSealedHereError:
            tally.unreadable += 1
            return
        entry = sealed.entry
        record = {**sealed.record, sealed.field: self._sealer.seal(text, purpose)}
        is_swapped = await self._store.swap(
            self._repositories[entry.kind].kind,
            entry.key,
            expected=entry.value,
            value=json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(),
            ttl_seconds=entry.expires_at - self._now(),
        )
        tally.resealed += is_swapped
        tally.left += not is_swapped
