"""Identical reads of one person that are under way at the same time are one request to Okta.

Used by `api` alone. The key says everything that an answer depends on: what is asked, and for whom
with which sign-in. Reads of different people are therefore never joined, and neither are those that
the server makes for itself: a role is looked up by a question that is put now. This is no cache:
once the answer is there, or nobody waits for it any more, the next read asks again. Each reader
gets the bytes and parses them, so what one does with its rows no other sees.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from okta_mcp.okta.credentials import Caller
from okta_mcp.okta.errors import OktaError
from okta_mcp.okta.exchange import Answer

_Key = tuple[str, Caller]


@dataclass(slots=True, eq=False)
class _Read:
    task: asyncio.Task[Answer]
    readers: int = 0


class Joining:
    """The reads that are under way; one object for the process."""

    def __init__(self) -> None:
        self._reads: dict[_Key, _Read] = {}

    async def answer(
        self,
        target: str,
        caller: Caller | None,
        ask: Callable[[], Coroutine[Any, Any, Answer]],
    ) -> Answer:
        """What `ask` gives, which is called only where nobody is asking the same already.

        All readers are told of its error: nobody asks again by itself what has just failed. One who
        is cancelled leaves; the last one ends the request, and waits until it has ended.
        """
        if caller is None:
            return await ask()
        key = (target, caller)
        read = self._reads.get(key)
        if read is None:
            read = self._reads[key] = _Read(asyncio.create_task(ask()))
            read.task.add_done_callback(partial(self._ended, key))
        read.readers += 1
        try:
            return await asyncio.shield(read.task)
        except OktaError as error:
            # Each adds to its own what its asker should do.
            raise error.copied() from error
        finally:
            read.readers -= 1
            if not read.readers and not read.task.done():
                # Whoever comes from now on asks anew.
                self._reads.pop(key, None)
                read.task.cancel()
                await asyncio.wait({read.task})

    def _ended(self, key: _Key, task: asyncio.Task[Answer]) -> None:
        if key in self._reads and self._reads[key].task is task:
            del self._reads[key]
        if not task.cancelled():
            # Whoever waited may be gone: the failure is then nobody's to read.
            task.exception()
