"""Okta's signing keys in the store: one of several processes asks Okta, the others read its answer.

Handed to `SigningKeys` by the composition root, where the store is shared. They decide whom to
believe, so they lie in the store sealed, with the time at which they were asked for: whoever can
write to the store can neither add a key nor bring back one that Okta withdrew longer ago than keys
are believed anyway. What is not as it should be counts as absent, and Okta is asked.
"""

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec

from okta_mcp.okta.keys import KeySet, Share
from okta_mcp.stores.interface import StoreFullError
from okta_mcp.stores.leases import Leases
from okta_mcp.stores.records import KnownKeys, Records
from okta_mcp.stores.sealing import NotSealedHereError, Sealer

_TTL_SECONDS = 3600
# Longer than an answer of Okta's may take; nobody waits as long for somebody else's.
_LEASE_SECONDS, _PATIENCE_SECONDS = 15.0, 5.0
_SKEW_SECONDS = 60
# Okta's own has two or three kilobytes.
_LARGEST_TEXT = 64 * 1024


class _Kept(msgspec.Struct, frozen=True):
    document: dict[str, Any]
    asked_at: float


class StoredKeys:
    """`now` is epoch seconds."""

    def __init__(self, records: Records, sealer: Sealer, now: Callable[[], float]) -> None:
        self._known = records.known_keys
        self._leases = Leases(records, now)
        self._sealer = sealer
        self._now = now

    def of(self, issuer: str) -> Share:
        """How the keys of `issuer` are shared; raises `StoreUnavailableError` when called."""
        return partial(self._shared, issuer)

    async def _shared(
        self, issuer: str, since: float, ask: Callable[[], Awaitable[KeySet]]
    ) -> KeySet:
        found = await self._read(issuer, since)
        if found is not None:
            return found
        lease = self._leases.held(
            f"keys of {issuer}", ttl_seconds=_LEASE_SECONDS, patience_seconds=_PATIENCE_SECONDS
        )
        async with lease:
            # Somebody else may have asked while this process waited.
            return await self._read(issuer, since) or await self._asked(issuer, ask)

    async def _read(self, issuer: str, since: float) -> KeySet | None:
        known = await self._known.get(issuer)
        if known is None:
            return None
        try:
            text = self._sealer.open(known.sealed, _purpose(issuer))
            kept = msgspec.json.decode(text, type=_Kept)
        except (NotSealedHereError, msgspec.DecodeError):
            return None
        is_usable = since <= kept.asked_at <= self._now() + _SKEW_SECONDS
        return KeySet(kept.document, kept.asked_at) if is_usable else None

    async def _asked(self, issuer: str, ask: Callable[[], Awaitable[KeySet]]) -> KeySet:
        found = await ask()
        text = msgspec.json.encode(_Kept(found.document, found.asked_at)).decode()
        if len(text) <= _LARGEST_TEXT:
            sealed = KnownKeys(self._sealer.seal(text, _purpose(issuer)))
            # Each process asks for itself then.
            with contextlib.suppress(StoreFullError):
                await self._known.put(issuer, sealed, _TTL_SECONDS)
        return found


def _purpose(issuer: str) -> str:
    return f"keys of {issuer}"
