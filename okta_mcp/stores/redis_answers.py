"""Redis's answer to one question; or why there is none, in words that name the fix.

Where Redis has refused for the moment and done nothing, it is asked again for half a second. What
else is refused or lost is not: it may have been done. Called by `redis` and `redis_upkeep`. A value
is never part of the words.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ReadOnlyError, RedisError

from okta_mcp.stores.interface import StoreUnavailableError

_ANSWER_SECONDS = 1.5
_PAUSES_SECONDS = (0.05, 0.15, 0.3)
_MOST_CHARACTERS = 100

# By the first word of Redis's error. After these nothing was done.
_NOT_NOW = {
    "LOADING": "is loading what it has kept; it comes back by itself",
    "BUSY": "is held up by a script that runs too long; see its log",
    "MASTERDOWN": "is a replica that has lost its master",
    "READONLY": "is a replica, which takes no writes; STORE_URL must lead to the master",
}
_REFUSED = _NOT_NOW | {
    "MISCONF": "takes no writes, because it cannot save to its disk; see its log",
    "NOREPLICAS": "takes no writes, because it has too few replicas (min-replicas-to-write)",
    "OOM": "takes no writes, because its memory is full (maxmemory)",
    "NOAUTH": "asks for a password; see STORE_URL",
    "WRONGPASS": "refuses the user or the password of STORE_URL",
    "NOPERM": "does not give its user the rights that docs/operations.md lists",
    "MOVED": "is a cluster, which this server cannot use",
    "CLUSTERDOWN": "is a cluster, which this server cannot use",
    "WRONGTYPE": "holds keys of another program under STORE_PREFIX; choose another one",
}


class Script:
    """A script in Lua that Redis runs in one step."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis, keys: list[str], arguments: list[Any]) -> Any:
        """Runs by its digest; as text where Redis has forgotten it, which then knows it again."""
        try:
            return await redis.evalsha(self._digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await redis.eval(self._text, len(keys), *keys, *arguments)


async def answered(redis: Redis, ask: Callable[[], Awaitable[Any]]) -> Any:
    """What Redis answers to `ask`; raises `StoreUnavailableError` where that is none in time."""
    refused: RedisError | None = None
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            for pause_seconds in _PAUSES_SECONDS:
                try:
                    return await ask()
                except RedisError as error:
                    if _code(error) not in _NOT_NOW:
                        raise
                    refused = error
                    if isinstance(error, ReadOnlyError):
                        # Another machine may be the master by now: its name is looked up anew.
                        await redis.connection_pool.disconnect(inuse_connections=False)
                await asyncio.sleep(pause_seconds)
            return await ask()
    except (RedisError, OSError, TimeoutError) as error:
        # A refusal says more than that there was no time to ask again.
        why = refused if isinstance(error, TimeoutError) and refused else error
        raise StoreUnavailableError(f"Redis {_words(why)}") from error


def _code(error: BaseException) -> str:
    """The first word of an error of Redis, as LOADING; the client takes it off some errors."""
    return getattr(error, "status_code", None) or str(error).partition(" ")[0]


def _words(error: BaseException) -> str:
    code = _code(error)
    if code in _REFUSED:
        return f"{_REFUSED[code]} ({code})"
    if code.isupper():
        # Redis quotes whatever it repeats of a question.
        said = re.split(r"['\"`]|script: ", str(error))[0][:_MOST_CHARACTERS].strip()
        return f"refuses a question ({said}); see its log"
    return f"does not answer ({type(error).__name__}); see STORE_URL"
