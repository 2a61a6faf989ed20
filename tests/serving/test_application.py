"""How what runs beside the requests ends."""

import asyncio
import contextlib

import pytest

from okta_mcp.serving.application import ended


async def goes_on(swallowed: int) -> None:
    """As a library does that takes a cancellation for a failure of its own."""
    for _ in range(swallowed):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def fails() -> None:
    await asyncio.sleep(0)
    raise RuntimeError("of no interest at the end")


@pytest.mark.parametrize("swallowed", [0, 1, 3])
async def test_a_task_ends_however_many_cancellations_it_swallows(swallowed: int) -> None:
    tasks = [asyncio.create_task(goes_on(swallowed)), asyncio.create_task(goes_on(0))]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await ended(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_a_task_that_has_failed_keeps_nobody_from_ending() -> None:
    tasks = [asyncio.create_task(fails()), asyncio.create_task(goes_on(0))]
    await asyncio.sleep(0.01)
    await ended(tasks)
    assert all(task.done() for task in tasks)


async def test_nothing_to_end_takes_no_time() -> None:
    await ended([])
