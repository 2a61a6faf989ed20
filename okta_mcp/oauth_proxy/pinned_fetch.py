"""One GET to a host that a stranger has named, without becoming the stranger's scanner (SSRF).

The name is resolved once, every address that came back must be public, and the connection goes to
those addresses and no others; the name stays in SNI, in `Host` and in the check of the
certificate. So a second DNS answer has nobody to be given to. No redirect is followed, no proxy
of the environment is asked (it would resolve the name again), nothing is decompressed, and size
and time are bounded. Called by `client_documents` alone; it must never say more than a reason for
the log.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpcore

# No more digits than any cache needs: a longer number is a number of somebody who tries us.
_SECONDS = re.compile(r"[0-9]{1,64}", re.ASCII)
LARGEST_DOCUMENT = 5 * 1024
# With no word of the server about caching.
DEFAULT_FRESH_SECONDS = 300.0

# One address that swallows packets must not use up the time of the next one.
_CONNECT_SECONDS = 2.0
_RESOLVER_THREADS = 8
_GLOBAL_UNICAST = ip_network("2000::/3")
_MAPPED = ip_network("::ffff:0:0/96")
_NAT64 = ip_network("64:ff9b::/96")
# Public for some versions of `ipaddress`, but a relay (RFC 7526), a tunnel to an IPv4 address of
# the sender's choice (RFC 4380, RFC 3056), or documentation (RFC 9637).
_NEVER = tuple(map(ip_network, ("192.88.99.0/24", "2001::/32", "2002::/16", "3fff::/20")))

# httpcore has no error of its own for a TLS record that is broken after the handshake.
_BROKEN = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError)

Address = IPv4Address | IPv6Address
Resolver = Callable[[str], Awaitable[tuple[str, ...]]]


class FetchError(Exception):
    """Why there is no document: a fixed text for the log, with nothing of the answer in it."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A body of at most `LARGEST_DOCUMENT` bytes, and for how long it may be used again."""

    body: bytes
    fresh_seconds: float


def is_public_address(address: Address) -> bool:
    """Whether everybody on the internet reaches the same host by `address`.

    An IPv4 address inside an IPv6 one is judged where a router delivers it (mapped, NAT64 by
    RFC 6052); tunnels and local-use translation (RFC 8215) are refused whole.
    """
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        address = IPv4Address(int(address) & 0xFFFFFFFF)
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    if any(address in network for network in _NEVER):
        return False
    # Multicast counts as global in `ipaddress`.
    return address.is_global and not address.is_multicast


class SystemResolver:
    """The system's `getaddrinfo`, on threads of its own.

    A stranger's name servers may answer as slowly as they like; on the event loop's own threads
    that would also hold up the look-ups for Okta.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolve")

    async def __call__(self, host: str) -> tuple[str, ...]:
        """Its addresses, best first; raises OSError."""
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(self._threads, _addresses_of, host)
        return tuple(dict.fromkeys(answers))

    def close(self) -> None:
        """Start no further look-up, and wait for none."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses_of(host: str) -> list[str]:
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in answers]


class PinnedFetch:
    """GETs JSON from hosts named by strangers.

    `ssl_context` verifies certificates and host names and belongs to this class alone: httpcore
    sets its ALPN. None is one with the system's authorities, made at the first fetch: many servers
    never fetch, and it would be a fiftieth of their start. `is_allowed_address` is a parameter so
    that tests may use loopback.
    """

    def __init__(
        self,
        resolver: Resolver,
        ssl_context: ssl.SSLContext | None,
        *,
        is_allowed_address: Callable[[Address], bool],
        fetch_seconds: float,
    ) -> None:
        self._resolver = resolver
        self._ssl_context = ssl_context
        self._is_allowed_address = is_allowed_address
        self._fetch_seconds = fetch_seconds

    async def get(self, host: str, port: int, path: str) -> Fetched:
        """The document; raises `FetchError` after `fetch_seconds` at the latest."""
        try:
            async with asyncio.timeout(self._fetch_seconds):
                return await self._exchange(await self._pinned(host), host, port, path)
        except TimeoutError:
            raise FetchError("it took too long") from None
        except _BROKEN as error:
            raise FetchError(f"no answer over TLS: {type(error).__name__}") from None

    async def _pinned(self, host: str) -> tuple[str, ...]:
        try:
            addresses = await self._resolver(host)
            allowed = [self._is_allowed_address(ip_address(address)) for address in addresses]
        except (OSError, ValueError):
            raise FetchError("the host does not resolve") from None
        if not addresses:
            raise FetchError("the host does not resolve")
        if not all(allowed):
            raise FetchError("an address of the host is not public")
        return addresses

    async def _exchange(
        self, addresses: tuple[str, ...], host: str, port: int, path: str
    ) -> Fetched:
        if self._ssl_context is None:
            self._ssl_context = await asyncio.to_thread(ssl.create_default_context)
        url = httpcore.URL(scheme="https", host=host, port=port, target=path)
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "User-Agent": "okta-mcp",
        }
        # A pool for each fetch: no connection, cookie or certificate check outlives its document.
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=self._ssl_context,
                network_backend=_PinnedBackend(addresses),
                max_keepalive_connections=0,
            ) as pool,
            pool.stream(
                "GET",
                url,
                headers=list({"Host": _authority(host, port), **headers}.items()),
                extensions={"timeout": {"connect": _CONNECT_SECONDS}},
            ) as answer,
        ):
            head = [
                (name.lower().decode(), value.decode("latin-1")) for name, value in answer.headers
            ]
            _check_head(answer.status, head)
            body = await _bounded(answer.aiter_stream())
            return Fetched(body, _fresh_seconds(head))


class _PinnedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the given addresses, in their order, whatever name it is asked for."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the name is for SNI and Host, never for the socket
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        for address in self._addresses[:-1]:
            try:
                return await self._sockets.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._sockets.connect_tcp(
            self._addresses[-1], port, timeout, local_address, socket_options
        )


def _authority(host: str, port: int) -> str:
    return host if port == 443 else f"{host}:{port}"


def _check_head(status: int, head: list[tuple[str, str]]) -> None:
    if status != 200:
        raise FetchError(f"the status is {status}")
    types = [
        value.partition(";")[0].strip().lower() for name, value in head if name == "content-type"
    ]
    if len(types) != 1 or not _is_json(types[0]):
        raise FetchError("the content type is not JSON")
    encodings = [value.strip().lower() for name, value in head if name == "content-encoding"]
    if any(encoding not in ("", "identity") for encoding in encodings):
        raise FetchError("the body is encoded")


def _is_json(media_type: str) -> bool:
    kind, _, subtype = media_type.partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))


async def _bounded(pieces: AsyncIterable[bytes]) -> bytes:
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > LARGEST_DOCUMENT:
            raise FetchError(f"the body is larger than {LARGEST_DOCUMENT} bytes")
    return bytes(body)


def _fresh_seconds(head: list[tuple[str, str]]) -> float:
    """What RFC 9111 lets a shared cache do; in doubt nothing, so 0 means do not keep it."""
    lines = [value.lower() for name, value in head if name == "cache-control"]
    directives = [part.strip() for line in lines for part in line.split(",")]
    names = {directive.partition("=")[0] for directive in directives}
    if names & {"no-store", "no-cache", "private"}:
        return 0.0
    if names & {"max-age", "s-maxage"}:
        stated = [
            part.partition("=") for part in directives if "max-age" in part or "s-maxage" in part
        ]
        ages = [age.strip('"') for _, _, age in stated]
        passed = [value.strip() for name, value in head if name == "age"] or ["0"]
        if not all(_SECONDS.fullmatch(text) for text in (*ages, *passed)):
            return 0.0
        return max(0.0, float(min(map(int, ages))) - float(max(map(int, passed))))
    # A date alone is a server's old way of saying "soon"; to fetch again is always right.
    return 0.0 if any(name == "expires" for name, _ in head) else DEFAULT_FRESH_SECONDS
