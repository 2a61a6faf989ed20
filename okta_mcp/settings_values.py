"""The kinds of values that settings have: how each is read from text, and when it is refused.

Used by `settings.py` for the fields and by `settings_rules.py`. A `ValueError` says what is wrong
with the value and never repeats it: it may be a secret.
"""

import ipaddress
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from okta_mcp.allowance import allowance

# The marks by which a value left over from .env.sample is known.
PLACEHOLDER_MARKS = ("replace-with-", "your-org.okta.com")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_SCOPE = re.compile(r"[!#-\[\]-~]+", re.ASCII)
# Okta's own domains, where the administrators' console of NAME is the host NAME-admin.
_OKTA_DOMAINS = ("okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com", "okta.mil")


def _not_a_placeholder(value: Any) -> Any:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(text, str) and any(mark in text for mark in PLACEHOLDER_MARKS):
        raise ValueError("still has the placeholder of .env.sample")
    return value


def comma_list(value: Any) -> Any:
    """A comma list; entries may be quoted, because group names hold spaces and commas."""
    if not isinstance(value, str):
        return value
    entries: list[str] = []
    entry, quote = "", ""
    for character in value:
        if quote:
            quote, entry = ("", entry) if character == quote else (quote, entry + character)
        elif character in "\"'" and not entry.strip():
            quote, entry = character, ""
        elif character == ",":
            entries.append(entry.strip())
            entry = ""
        else:
            entry += character
    entries.append(entry.strip())
    return tuple(entry for entry in entries if entry)


def _base_url(value: Any) -> Any:
    """An absolute http(s) URL without path, query, fragment or userinfo, kept without a slash."""
    if not isinstance(value, str):
        return value
    url = _absolute_url(value).rstrip("/")
    if urlsplit(url).path:
        raise ValueError("must be an origin: scheme and host, no path")
    return url


def _absolute_url(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid = False
    if (
        not port_is_valid
        or parts.scheme not in ("http", "https")
        or not parts.hostname
        or "?" in value
        or "#" in value
        or "@" in parts.netloc
        or any(character.isspace() for character in value)
    ):
        raise ValueError("must be an absolute http or https URL without query and fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https; plain http is for loopback only")
    return value


def _not_the_console(value: Any) -> Any:
    """Of the console no API answers and nobody signs in there."""
    if not isinstance(value, str):
        return value
    parts = urlsplit(value)
    name, _, domain = (parts.hostname or "").partition(".")
    if domain in _OKTA_DOMAINS and name.endswith("-admin"):
        organisation = f"{parts.scheme}://{name.removesuffix('-admin')}.{domain}{parts.path}"
        raise ValueError(
            f"is the address of the administrators' console; the organisation is {organisation}"
        )
    return value


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address, IPv6 without brackets) is this computer itself."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin_of(url: str) -> str:
    """Scheme, host and port of `url` as a browser writes an origin."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


NameList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(comma_list)]
BaseUrl = Annotated[str, BeforeValidator(_base_url), BeforeValidator(_not_a_placeholder)]
Url = Annotated[str, BeforeValidator(_absolute_url), BeforeValidator(_not_a_placeholder)]
OktaOrigin = Annotated[BaseUrl, BeforeValidator(_not_the_console)]
OktaUrl = Annotated[Url, BeforeValidator(_not_the_console)]
Text = Annotated[str, Field(min_length=1), BeforeValidator(_not_a_placeholder)]
ClientId = Annotated[str, BeforeValidator(_not_a_placeholder)]
Secret = Annotated[SecretStr, Field(min_length=1), BeforeValidator(_not_a_placeholder)]


def _header_text(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be one word in ASCII, as Okta showed it")
    return value


HeaderSecret = Annotated[Secret, AfterValidator(_header_text)]


def _rate(value: str) -> str:
    allowance(value)
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for entry in value:
        try:
            ipaddress.ip_network(entry)
        except ValueError:
            raise ValueError("must be addresses or networks (CIDR)") from None
    return value


def _listen_address(value: str) -> str:
    try:
        host_and_port(value)
    except ValueError:
        raise ValueError("must be an address and a port from 1 to 65535") from None
    return value


def host_and_port(address: str) -> tuple[str, int]:
    """Of `127.0.0.1:9464` or `[::1]:9464`; the host without brackets. Raises `ValueError`."""
    parts = urlsplit(f"//{address}")
    if not parts.hostname or not parts.port or parts.netloc != address or "@" in address:
        raise ValueError(address)
    return parts.hostname, parts.port


def _words(value: Any) -> Any:
    """Separated by spaces, as Okta writes them, or by commas, as all lists here."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _printable(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(entry.isascii() and entry.isprintable() for entry in value):
        raise ValueError("must be names such as urn:okta:loa:2fa:any")
    return value


def _scopes(value: tuple[str, ...]) -> tuple[str, ...]:
    # RFC 6749 section 3.3; they stand between quotes in a challenge.
    if not value or not all(_SCOPE.fullmatch(entry) for entry in value):
        raise ValueError("must be scopes such as mcp:access, separated by spaces")
    return value


AcrValues = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_words), AfterValidator(_printable)
]
ScopeList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words), AfterValidator(_scopes)]
Rate = Annotated[str, AfterValidator(_rate)]
CidrList = Annotated[NameList, AfterValidator(_networks)]
ListenAddress = Annotated[str, AfterValidator(_listen_address)]
