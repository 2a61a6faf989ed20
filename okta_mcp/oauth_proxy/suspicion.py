"""What is odd about a registration: not refused, but flagged in the audit trail.

Anybody may call itself anything, so a name proves nothing; but a name of a well-known product that
wants its answers sent somewhere else is how phishing of this kind looks. A reason is a stable word
for a SIEM's rule.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from okta_mcp.oauth_proxy.redirect_uris import redirect_target
from okta_mcp.serving.rates import Rate, TooManyRequestsError
from okta_mcp.stores.interface import StoreFullError
from okta_mcp.stores.records import Mark, Records, digest

_REFUSED_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class _Product:
    """A product that people know: how its name is recognised, and the hosts that are its own."""

    name: re.Pattern[str]
    hosts: tuple[str, ...]


def _product(name: str, *hosts: str) -> _Product:
    return _Product(re.compile(name), hosts)


_PRODUCTS = (
    _product(r"visualstudiocode|vscode", "vscode.dev"),
    _product(r"visualstudio|github|copilot", "vscode.dev", "github.com", "github.dev"),
    _product(r"claude|anthropic", "claude.ai", "claude.com", "anthropic.com"),
    _product(r"chatgpt|openai", "chatgpt.com", "openai.com"),
    _product(r"cursor|anysphere", "cursor.com", "cursor.sh"),
    _product(r"windsurf|codeium", "windsurf.com", "codeium.com"),
    _product(r"gemini|google", "google.com"),
    _product(
        r"microsoft|azure|powerautomate", "microsoft.com", "azure.com", "consent.azure-apim.net"
    ),
    _product(r"okta|auth0", "okta.com", "auth0.com"),
)


class Suspicion:
    """Remembers what was refused, and tells what is odd. `from_address`: ten in ten minutes."""

    def __init__(self, records: Records, from_address: Rate, now: Callable[[], float]) -> None:
        self._records = records
        self._from_address = from_address
        self._now = now

    async def reasons(
        self, request: Request, name: str, redirect_uris: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Stable words, none for an ordinary registration."""
        web_hosts = _web_hosts(redirect_uris)
        found = [
            word
            for word, is_so in (
                ("product_name_with_foreign_host", _is_foreign_product(name, web_hosts)),
                ("loopback_and_foreign_hosts", _mixes_loopback(name, redirect_uris, web_hosts)),
                ("look_alike_host", any(_is_look_alike(host) for host in web_hosts)),
                ("refused_before", await self._was_refused(name, redirect_uris)),
                ("many_from_one_address", await self._are_many(request)),
            )
            if is_so
        ]
        return tuple(found)

    async def remember_refused(self, name: object, redirect_uris: object) -> None:
        """Keep, for a day, what a refused registration called itself and where it pointed."""
        uris = redirect_uris if isinstance(redirect_uris, list) else []
        for text in (name, *uris[:10]):
            if isinstance(text, str) and text:
                try:
                    await self._records.refused_registrations.put(
                        digest(text), Mark(at=self._now()), _REFUSED_SECONDS
                    )
                except StoreFullError:
                    return

    async def _was_refused(self, name: str, redirect_uris: tuple[str, ...]) -> bool:
        for text in (name, *redirect_uris):
            if text and await self._records.refused_registrations.get(digest(text)) is not None:
                return True
        return False

    async def _are_many(self, request: Request) -> bool:
        try:
            await self._from_address.hit(request)
        except TooManyRequestsError:
            return True
        return False


def _web_hosts(redirect_uris: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        (urlsplit(uri).hostname or "").rstrip(".")
        for uri in redirect_uris
        if redirect_target(uri).kind == "web"
    )


def _is_foreign_product(name: str, web_hosts: tuple[str, ...]) -> bool:
    products = _products_named(name)
    return bool(products) and any(
        not any(_is_at(host, own) for product in products for own in product.hosts)
        for host in web_hosts
    )


def _mixes_loopback(name: str, redirect_uris: tuple[str, ...], web_hosts: tuple[str, ...]) -> bool:
    """Loopback and somebody else's host; products that do so with their own host are known."""
    is_local = any(redirect_target(uri).kind == "loopback" for uri in redirect_uris)
    own = [host for product in _products_named(name) for host in product.hosts]
    return is_local and any(not any(_is_at(host, one) for one in own) for host in web_hosts)


def _is_look_alike(host: str) -> bool:
    """A name in another script, or a product's host name inside somebody else's."""
    labels = host.split(".")
    if any(label.startswith("xn--") for label in labels):
        return True
    for product in _PRODUCTS:
        for own in product.hosts:
            inside = own in host or own.replace(".", "-") in host
            if inside and not _is_at(host, own):
                return True
    return False


def _products_named(name: str) -> tuple[_Product, ...]:
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    return tuple(product for product in _PRODUCTS if product.name.search(letters))


def _is_at(host: str, own: str) -> bool:
    return host == own or host.endswith(f".{own}")
