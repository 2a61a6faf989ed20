"""Keeps the CSV of reports in the store: for one person each, compressed, sealed, for an hour.

The reports put theirs here through `tools.reports.shelf.Shelf`, and whoever serves the resource
`okta://reports/...` reads it with the id of the person who asks: another person's report is as if
it did not exist. The store bounds their number and sweeps what has expired.
"""

import base64
import zlib
from collections.abc import Callable

from okta_mcp.stores.interface import StoreFullError
from okta_mcp.stores.records import KeptReport, Records
from okta_mcp.stores.sealing import NotSealedHereError, Sealer

TTL_SECONDS = 3600
MOST_A_PERSON = 5
# About thirty thousand rows.
MAX_CHARS = 5_000_000


class StoredShelf:
    """Implements `Shelf`; `now` is epoch seconds."""

    def __init__(self, records: Records, sealer: Sealer, now: Callable[[], float]) -> None:
        self._reports = records.reports
        self._sealer = sealer
        self._now = now

    async def put(self, person: str, report_id: str, text: str) -> bool:
        """Keep it for an hour; of too many reports of one person the oldest goes."""
        key = _key(person, report_id)
        if len(text) > MAX_CHARS:
            await self._reports.delete(key)
            return False
        others = [
            (report.kept_at, other)
            async for other, report in self._reports.scan(_key(person, ""))
            if other != key
        ]
        for _, oldest in sorted(others)[: max(0, len(others) - MOST_A_PERSON + 1)]:
            await self._reports.delete(oldest)
        packed = base64.b64encode(zlib.compress(text.encode())).decode()
        report = KeptReport(self._now(), self._sealer.seal(packed, f"report {key}"))
        try:
            return await self._reports.put(key, report, TTL_SECONDS)
        except StoreFullError:
            return False

    async def get(self, person: str, report_id: str) -> str | None:
        """What is kept for this very person, or None."""
        key = _key(person, report_id)
        report = await self._reports.get(key)
        if report is None:
            return None
        try:
            packed = self._sealer.open(report.sealed, f"report {key}")
        except NotSealedHereError:
            # Kept before the server's secret was changed.
            return None
        return zlib.decompress(base64.b64decode(packed)).decode()


def _key(person: str, report_id: str) -> str:
    return f"{person}/{report_id}"
