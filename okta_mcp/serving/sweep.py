"""What has expired is cleaned in intervals; a read refuses it long before."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from okta_mcp.serving.core import Core
from okta_mcp.stores.interface import StoreUnavailableError
from okta_mcp.stores.leases import Leases

SWEEP_SECONDS = 300


async def swept(core: Core, afterwards: Callable[[], Awaitable[None]] | None = None) -> None:
    """Sweep for ever; `afterwards` is what the mode cleans itself, after each sweep of this one."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        # The store's being away is said elsewhere; the next round is soon enough.
        with contextlib.suppress(StoreUnavailableError):
            if await sweep_in_turn(core) and afterwards is not None:
                await afterwards()


async def sweep_in_turn(core: Core) -> bool:
    """Sweep, unless another process with this store has swept in this interval; whether it did."""
    # A little less than the interval, so that whoever swept last finds its lease over.
    if not await Leases(core.records, core.now).taken("sweep", SWEEP_SECONDS * 0.9):
        return False
    await core.store.sweep()
    return True
