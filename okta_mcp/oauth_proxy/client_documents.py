"""Clients that are known by a URL: draft-ietf-oauth-client-id-metadata-document.

Such a client_id is the https address of a JSON document that says what a registration would say.
The authorization endpoint asks here for a client_id that `is_document_url`; everybody may make it
ask, so what is fetched, how often and how long is bounded, and whatever goes wrong looks and
takes the same from outside. Only documents that passed every check are kept.
"""

import asyncio
import re
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

from okta_mcp.allowance import allowance
from okta_mcp.oauth_proxy.client_metadata import checked_metadata, json_object
from okta_mcp.oauth_proxy.errors import TokenError
from okta_mcp.oauth_proxy.pinned_fetch import (
    Address,
    FetchError,
    PinnedFetch,
    Resolver,
    is_public_address,
)
from okta_mcp.oauth_proxy.redirect_uris import LONGEST_URI
from okta_mcp.serving.rates import Rates, TooManyRequestsError
from okta_mcp.stores.records import Client

# Every failure is answered after this time, so that its cause cannot be told by a clock; the
# fetch ends before, so that running out of time looks like the rest.
ANSWER_SECONDS = 5.0
FETCH_SECONDS = 4.5
LONGEST_FRESH_SECONDS = 24 * 3600.0
MOST_DOCUMENTS = 1_000
MOST_FETCHES = 100
# Several addresses together, never one alone, can use up what a host is asked in a minute:
# otherwise one stranger could keep a well-known client out.
RATE_PER_ADDRESS = "20/minute"
RATE_PER_HOST = "120/minute"

# The last label begins with a letter, so no spelling of an IPv4 address is a host (decimal,
# octal, hexadecimal); lower case and no dot at the end leave one spelling of a host.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOCUMENT_URL = re.compile(
    rf"https://(?P<host>(?:{_LABEL}\.)+(?=[a-z]){_LABEL})(?::(?P<port>[1-9][0-9]{{0,4}}))?"
    r"(?P<path>/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})+)",
    re.ASCII,
)
_LONGEST_HOST = 253
# A secret that everybody can read is none, and keys are not used here.
_REFUSED_MEMBERS = ("client_secret", "client_secret_expires_at", "jwks")


class ClientDocumentError(Exception):
    """The document cannot be used: one text for everybody, and the `reason` for log and audit."""

    def __init__(self, reason: str) -> None:
        super().__init__("the client ID metadata document cannot be used")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _DocumentUrl:
    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class _Kept:
    client: Client
    until: float


def is_document_url(client_id: str) -> bool:
    """Whether `client_id` has the form of section 3 of the draft, which is all this says.

    https, a host by name, perhaps a port, a path; no query, which the draft advises against and
    which would let a host that echoes its query speak for anybody.
    """
    return _parsed(client_id) is not None


def document_host(client_id: str) -> str:
    """The host that vouches for the client, for a page to show; raises ValueError."""
    url = _parsed(client_id)
    if url is None:
        raise ValueError("not the URL of a client ID metadata document")
    return url.host


class ClientDocuments:
    """Fetches, checks and keeps documents; one for the process.

    `ssl_context` is that of `PinnedFetch`. `redirect_schemes` and `redirect_hosts` are those of
    registrations; `now` is epoch seconds. `is_allowed_address`, `fetch_seconds` and `pause` are for
    tests, which have loopback only and do not wait.
    """

    def __init__(
        self,
        resolver: Resolver,
        ssl_context: ssl.SSLContext | None,
        *,
        redirect_schemes: tuple[str, ...],
        redirect_hosts: tuple[str, ...],
        rates: Rates,
        now: Callable[[], float],
        is_allowed_address: Callable[[Address], bool] = is_public_address,
        fetch_seconds: float = FETCH_SECONDS,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._fetch = PinnedFetch(
            resolver,
            ssl_context,
            is_allowed_address=is_allowed_address,
            fetch_seconds=fetch_seconds,
        )
        self._redirect_schemes = redirect_schemes
        self._redirect_hosts = redirect_hosts
        self._rates = rates
        self._now = now
        self._per_address = allowance(RATE_PER_ADDRESS)
        self._per_host = allowance(RATE_PER_HOST)
        self._pause = pause
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._fetches: dict[str, asyncio.Task[Client]] = {}

    async def client(self, client_id: str, address: str) -> Client:
        """The client of the document at `client_id`; raises `ClientDocumentError`.

        `address` is the IP address of who asks. A failure takes `ANSWER_SECONDS`, except for what
        is not a document URL, which can be seen without asking anybody.
        """
        url = _parsed(client_id)
        if url is None:
            raise ClientDocumentError("not the URL of a document")
        client = self._still_fresh(client_id)
        if client is not None:
            return client
        loop = asyncio.get_running_loop()
        answer_at = loop.time() + ANSWER_SECONDS
        try:
            return await self._fetched(client_id, url, address)
        except ClientDocumentError:
            await self._pause(max(0.0, answer_at - loop.time()))
            raise

    def _still_fresh(self, client_id: str) -> Client | None:
        kept = self._kept.get(client_id)
        if kept is None:
            return None
        if kept.until <= self._now():
            del self._kept[client_id]
            return None
        self._kept.move_to_end(client_id)
        return kept.client

    async def _fetched(self, client_id: str, url: _DocumentUrl, address: str) -> Client:
        """One fetch for all who ask at the same time; it outlives those of them who leave."""
        fetch = self._fetches.get(client_id)
        if fetch is None:
            if len(self._fetches) >= MOST_FETCHES:
                raise ClientDocumentError("too many fetches at the same time")
            fetch = asyncio.create_task(self._fetch_and_keep(client_id, url, address))
            self._fetches[client_id] = fetch
            fetch.add_done_callback(lambda done: self._forget(client_id, done))
        return await asyncio.shield(fetch)

    def _forget(self, client_id: str, done: asyncio.Task[Client]) -> None:
        del self._fetches[client_id]
        # Read the outcome for the case that nobody waits for it any more.
        if not done.cancelled():
            done.exception()

    async def _fetch_and_keep(self, client_id: str, url: _DocumentUrl, address: str) -> Client:
        try:
            # The address first: one that has used up its own rate must not use up the host's.
            await self._rates.hit("documents for an address", self._per_address, address)
            await self._rates.hit("documents from a host", self._per_host, url.host)
            fetched = await self._fetch.get(url.host, url.port, url.path)
            client = self._checked(client_id, fetched.body)
        except TooManyRequestsError:
            raise ClientDocumentError("too many fetches for this address or host") from None
        except FetchError as error:
            raise ClientDocumentError(str(error)) from None
        except TokenError as error:
            raise ClientDocumentError(error.description) from None
        fresh_seconds = min(fetched.fresh_seconds, LONGEST_FRESH_SECONDS)
        if fresh_seconds > 0:
            self._kept[client_id] = _Kept(client, self._now() + fresh_seconds)
            if len(self._kept) > MOST_DOCUMENTS:
                self._kept.popitem(last=False)
        return client

    def _checked(self, client_id: str, body: bytes) -> Client:
        document = json_object(body)
        if document.get("client_id") != client_id:
            raise ClientDocumentError("its client_id is not its URL")
        if any(name in document for name in _REFUSED_MEMBERS):
            raise ClientDocumentError("it holds a secret or keys")
        metadata = checked_metadata(
            document,
            redirect_schemes=self._redirect_schemes,
            redirect_hosts=self._redirect_hosts,
        )
        # RFC 7591's default is a secret, which cannot be meant here.
        if metadata.auth_method not in (None, "none"):
            raise ClientDocumentError("its token_endpoint_auth_method is not none")
        return Client(
            client_id=client_id,
            name=metadata.name,
            redirect_uris=metadata.redirect_uris,
            grant_types=metadata.grant_types,
            auth_method="none",
            secret_digest=None,
            scope=metadata.scope,
            created_at=self._now(),
        )


def _parsed(client_id: str) -> _DocumentUrl | None:
    match = _DOCUMENT_URL.fullmatch(client_id) if len(client_id) <= LONGEST_URI else None
    if match is None or len(match["host"]) > _LONGEST_HOST:
        return None
    port = int(match["port"] or 443)
    segments = re.split(r"[/\\]", unquote(match["path"]))
    if port > 65535 or "." in segments or ".." in segments:
        return None
    return _DocumentUrl(match["host"], port, match["path"])
