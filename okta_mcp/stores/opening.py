"""Opens the store that `STORE_URL` names. Called by the composition root and the store commands.

    memory:                          forgets at a restart
    sqlite:///relative.db            a file; sqlite:////absolute/path.db
    redis://[user:password@]host:port/0, rediss://…    Redis 7 or Valkey, with TLS for rediss
    redis://host:26379,host:26379/0?sentinel=name    the same behind Sentinel, by the master's name

A wrong URL is a `StoreUnavailableError` whose text never holds the password.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from okta_mcp.stores.interface import Store, StoreUnavailableError
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.upkeep import Upkeep

if TYPE_CHECKING:
    from redis.asyncio import Redis

_CONNECT_SECONDS = 1.0
_ANSWER_SECONDS = 1.5
_CONNECTIONS = 64
_SENTINEL_PORT = 26379


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
        from redis.asyncio import Redis, Sentinel
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise StoreUnavailableError(
            "STORE_URL names Redis, and its client is not installed; run: pip install"
            " 'okta-mcp[redis]'"
        ) from None
    options: dict[str, Any] = {
        "socket_connect_timeout": _CONNECT_SECONDS,
        "socket_timeout": _ANSWER_SECONDS,
        # One more attempt at once: a kept connection that Redis has closed fails like this.
        "retry": Retry(NoBackoff(), 1),
        "health_check_interval": 30,
        "max_connections": _CONNECTIONS,
        # With protocol 3 the client lets Redis push messages, and so cannot tell a connection that
        # still holds the answer to another question; with 2 it never uses one again.
        "protocol": 2,
    }
    try:
        parts = urlsplit(url)
        names = parse_qs(parts.query).get("sentinel")
        if not names:
            return Redis.from_url(url, **options)
        sentinels = [_address(each) for each in parts.netloc.rpartition("@")[2].split(",")]
    except ValueError as error:
        raise StoreUnavailableError(
            "STORE_URL: not a Redis URL. Example: STORE_URL=redis://127.0.0.1:6379/0"
        ) from error
    sentinel = Sentinel(sentinels, sentinel_kwargs=options)  # type: ignore[no-untyped-call]
    found: Redis = sentinel.master_for(
        names[0],
        db=int(parts.path.strip("/") or 0),
        ssl=parts.scheme == "rediss",
        **_credentials(parts),
        **options,
    )
    return found


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host else (text, _SENTINEL_PORT)


def _credentials(parts: SplitResult) -> dict[str, Any]:
    named = parts.netloc.rpartition("@")[0]
    user, _, password = named.partition(":")
    given = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in given.items() if value}
