"""Opens the store that `STORE_URL` names. Called by the composition root and the store commands.

    memory:                          forgets at a restart
    sqlite:///relative.db            a file; sqlite:////absolute/path.db
    redis://[user:password@]host:port/0, rediss://…    Redis 7 or Valkey, with TLS for rediss
    redis://host:26379,host:26379/0?sentinel=name    the same behind Sentinel, by the master's name
    rediss://…?ssl_ca_certs=FILE     whom to trust; without it whom the system trusts

A wrong URL is a `StoreUnavailableError` whose text never holds the password.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from okta_mcp.stores.interface import Store, StoreUnavailableError
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.upkeep import Upkeep

if TYPE_CHECKING:
    from redis.asyncio import Redis


def opened_store(url: str, prefix: str, now: Callable[[], float]) -> Store:
    """The store at `url`; `prefix` keeps servers apart in one Redis. `now` is epoch seconds.

    Raises `StoreUnavailableError` for a file that cannot be used; Redis is asked at the first verb.
    """
    if url.startswith("sqlite:///"):
        # Only where it is used: the default store needs neither of the two.
        from okta_mcp.stores.sqlite import SqliteStore

        return SqliteStore(Path(url.removeprefix("sqlite:///")), now)
    if url.startswith(("redis://", "rediss://")):
        from okta_mcp.stores.redis import RedisStore

        return RedisStore(_redis(url), prefix, now)
    return MemoryStore(now)


def opened_redis(url: str) -> "Redis | None":
    """The Redis at `url` for what is counted there beside the store; None with another store."""
    return _redis(url) if url.startswith(("redis://", "rediss://")) else None


def opened_upkeep(url: str, prefix: str, now: Callable[[], float]) -> Upkeep:
    """The same store for what is done to it as a whole; a file must exist.

    Raises `StoreUnavailableError`, for the memory store always.
    """
    if url.startswith("sqlite:///"):
        from okta_mcp.stores.sqlite_upkeep import SqliteUpkeep

        return SqliteUpkeep(Path(url.removeprefix("sqlite:///")), now)
    if url.startswith(("redis://", "rediss://")):
        from okta_mcp.stores.redis_upkeep import RedisUpkeep

        return RedisUpkeep(_redis(url), prefix, now)
    raise StoreUnavailableError(
        "STORE_URL is memory: what is kept lives in the server's own process, ends with it, and"
        " cannot be reached from here. Example: STORE_URL=sqlite:////var/lib/okta-mcp/store.db"
    )


def _redis(url: str) -> "Redis":
    try:
        from okta_mcp.stores.redis_client import TLS_FILES, redis_client
    except ImportError:
        raise StoreUnavailableError(
            "STORE_URL names Redis, and its client is not installed; run: pip install"
            " 'okta-mcp[redis]'"
        ) from None
    try:
        return redis_client(url)
    except ValueError as error:
        raise StoreUnavailableError(
            "STORE_URL: not a Redis URL; after ? may stand sentinel and, with rediss,"
            f" {', '.join(sorted(TLS_FILES))}."
            " Example: STORE_URL=redis://127.0.0.1:6379/0"
        ) from error
