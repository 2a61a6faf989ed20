"""The client of the Redis that a URL names. Called by `opening`, and only where Redis is used.

What may stand after ? in the URL is listed here and nowhere else: any other option of the client's
would change how the store asks, how long it waits, or whom it believes.
"""

from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from redis.asyncio import Redis, Sentinel, SentinelConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 1.5
# One that is silent must leave time to ask another one, and the master.
_SENTINEL_SECONDS = 0.4
_SENTINEL_PORT = 26379
_CONNECTIONS = 64
# Whom to trust, and who we are where Redis asks for a certificate.
TLS_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})


def redis_client(url: str) -> Redis:
    """The client; nothing is connected. Raises `ValueError` where it is no such URL."""
    parts = urlsplit(url)
    named = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    name = named.pop("sentinel", None)
    tls: dict[str, Any] = named | {"ssl": True} if parts.scheme == "rediss" else {}
    if not (TLS_FILES if tls else frozenset()).issuperset(named):
        raise ValueError("an option that nobody may choose")
    # With protocol 3 the client lets Redis push messages, and so cannot tell a connection that
    # still holds the answer to another question; with 2 it never uses one again.
    options: dict[str, Any] = {"max_connections": _CONNECTIONS, "protocol": 2}
    master = options | {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        # One more attempt at once: a kept connection that Redis has closed fails like this.
        "retry": Retry(NoBackoff(), 1),
        "health_check_interval": 30,
    }
    if name is None:
        return Redis.from_url(url, **master)
    # Who names the master decides where everything goes, so Sentinel speaks TLS too.
    watchers = options | tls
    watchers |= {"socket_connect_timeout": _SENTINEL_SECONDS, "socket_timeout": _SENTINEL_SECONDS}
    watchers |= {"retry": Retry(NoBackoff(), 0)}
    addresses = [_address(each) for each in parts.netloc.rpartition("@")[2].split(",")]
    sentinel = Sentinel(addresses, sentinel_kwargs=watchers)  # type: ignore[no-untyped-call]
    found: Redis = sentinel.master_for(
        name,
        connection_pool_class=_WithItsSentinels,
        db=int(parts.path.strip("/") or 0),
        **_credentials(parts),
        **master,
        **tls,
    )
    return found


class _WithItsSentinels(SentinelConnectionPool):
    """The connections to a master; those to Sentinel, which nobody else holds, end with them."""

    async def aclose(self) -> None:
        await super().aclose()
        for each in self.sentinel_manager.sentinels:
            await each.aclose()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host else (text, _SENTINEL_PORT)


def _credentials(parts: SplitResult) -> dict[str, Any]:
    named = parts.netloc.rpartition("@")[0]
    user, _, password = named.partition(":")
    given = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in given.items() if value}
