"""How often something may happen: `120/minute`, `10 per second`, `5/2 hours`.

The notation of the package `limits`, which counts in Redis; read here, because a start should not
wait for the import of storages that it does not use.
"""

import re
from dataclasses import dataclass

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "month": 30 * 86_400}
_NOTATION = re.compile(
    rf"\s*([0-9]+)\s*(?:/|per)\s*([0-9]+)?\s*({'|'.join(_SECONDS)})s?\s*",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many in so many seconds; `notation` is how it was written."""

    amount: int
    seconds: int
    notation: str


def allowance(notation: str) -> Allowance:
    """Raises `ValueError`."""
    parts = _NOTATION.fullmatch(notation)
    if parts is None or not int(parts[2] or 1):
        raise ValueError("must be a rate such as 120/minute")
    return Allowance(int(parts[1]), int(parts[2] or 1) * _SECONDS[parts[3].lower()], notation)
