"""Which redirect URIs may be registered, and when a requested one is a registered one.

Registered strings are stored and compared raw (RFC 6749 section 3.1.2.3, RFC 9700 section 2.1): no
normalisation anywhere, so no two parsers can disagree. What could make them disagree (controls,
backslashes, dot segments, userinfo) is refused before a URL parser sees it. The one exception is
RFC 8252 section 7.3: the port of a loopback URI may differ, nothing else.
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

MOST_REDIRECT_URIS = 10
LONGEST_URI = 2048

Kind = Literal["loopback", "private-scheme", "web"]

_LOOPBACK = re.compile(
    r"http://(?P<host>127\.0\.0\.1|\[::1\]|localhost)(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?].*)?",
    re.ASCII,
)
_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*):", re.ASCII | re.IGNORECASE)
_HTTPS_HOST = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.?"
    r"|\[[0-9a-f:]+\]",
    re.ASCII | re.IGNORECASE,
)
_DOT_SEGMENT = re.compile(r"(?:^|[/\\])(?:\.|%2e){1,2}(?:[/\\?]|$)", re.IGNORECASE)
# Schemes that the browser or the system acts on by itself, whatever a list may say.
_DANGEROUS_SCHEMES = frozenset(
    "javascript data vbscript file about blob view-source ws wss ftp ftps mailto tel sms intent"
    " chrome chrome-extension resource jar shell http".split()
)
_SYSTEM_SCHEMES = ("ms-", "x-apple")
# RFC 6749 section 3.1: a response parameter must not stand there twice.
_RESPONSE_PARAMETERS = frozenset("code state iss error error_description access_token".split())


class RedirectUriError(Exception):
    """Why a redirect URI is refused, in words for the developer of the client."""


@dataclass(frozen=True, slots=True)
class RedirectTarget:
    """Where a redirect URI leads, as a person may be told: `host` is a host or a scheme."""

    kind: Kind
    host: str


def check_redirect_uri(
    uri: str, private_schemes: tuple[str, ...], web_hosts: tuple[str, ...] = ()
) -> None:
    """Raises `RedirectUriError` unless `uri` may be registered.

    `private_schemes` lists schemes without a dot that are admitted (RFC 8252 section 7.1 wants
    one); a scheme with a dot is the reverse domain name of its owner and needs no entry.
    `web_hosts`, where given, lists the only hosts that https may lead to.
    """
    if not uri or len(uri) > LONGEST_URI:
        raise RedirectUriError(f"must have 1 to {LONGEST_URI} characters")
    if any(not "!" <= character <= "~" for character in uri) or "\\" in uri:
        raise RedirectUriError("must be printable ASCII without spaces and backslashes")
    if "#" in uri:
        raise RedirectUriError("must have no fragment")
    if "*" in uri:
        raise RedirectUriError("must have no wildcard")
    match = _SCHEME.match(uri)
    if match is None:
        raise RedirectUriError("must be absolute")
    _check_path_and_query(uri)
    scheme = match["scheme"].lower()
    if scheme == "https":
        _check_https(uri)
        if web_hosts and urlsplit(uri).netloc.lower() not in web_hosts:
            raise RedirectUriError("leads to a host that is not in REDIRECT_HOSTS")
    elif scheme == "http":
        _check_loopback(uri)
    else:
        _check_private_scheme(uri, scheme, private_schemes)


def matches_registered(requested: str, registered: tuple[str, ...]) -> bool:
    """Whether `requested` is one of `registered`, apart from the port of a loopback URI."""
    if requested in registered:
        return True
    wanted = _without_port(requested)
    return wanted is not None and any(wanted == _without_port(uri) for uri in registered)


def redirect_target(uri: str) -> RedirectTarget:
    """What to tell a person of a URI that `check_redirect_uri` has passed."""
    parts = urlsplit(uri)
    if parts.scheme == "https":
        return RedirectTarget("web", parts.netloc)
    if _LOOPBACK.fullmatch(uri):
        return RedirectTarget("loopback", parts.netloc)
    return RedirectTarget("private-scheme", f"{parts.scheme}:")


def _without_port(uri: str) -> tuple[str, str] | None:
    """Host and rest of a loopback URI with a possible port; None for everything else."""
    match = _LOOPBACK.fullmatch(uri)
    if match is None or not _port_is_possible(match["port"]) or len(uri) > LONGEST_URI:
        return None
    if any(not "!" <= character <= "~" for character in uri):
        return None
    return match["host"], match["rest"] or ""


def _port_is_possible(port: str | None) -> bool:
    return port is None or (1 <= int(port) <= 65535 and not port.startswith("0"))


def _check_path_and_query(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    except ValueError:
        raise RedirectUriError("must be a URL") from None
    if _DOT_SEGMENT.search(parts.path):
        raise RedirectUriError("must have no dot segments")
    clash = _RESPONSE_PARAMETERS.intersection(names)
    if clash:
        raise RedirectUriError(f"must not hold the response parameter {min(clash)}")


def _check_https(uri: str) -> None:
    parts = urlsplit(uri)
    host, _, port = parts.netloc.rpartition(":")
    if not host or not port.isascii() or not port.isdigit():
        host, port = parts.netloc, "443"
    if "@" in parts.netloc:
        raise RedirectUriError("must have no user information")
    if not uri.lower().startswith("https://") or not _HTTPS_HOST.fullmatch(host):
        raise RedirectUriError("must have a host name")
    if len(port) > 5 or not _port_is_possible(port):
        raise RedirectUriError("must have a port between 1 and 65535")


def _check_loopback(uri: str) -> None:
    match = _LOOPBACK.fullmatch(uri)
    if match is None:
        raise RedirectUriError("http is for 127.0.0.1, [::1] and localhost only; use https")
    if not _port_is_possible(match["port"]):
        raise RedirectUriError("must have a port between 1 and 65535")


def _check_private_scheme(uri: str, scheme: str, private_schemes: tuple[str, ...]) -> None:
    admitted = "." in scheme.strip(".") or scheme in private_schemes
    if scheme in _DANGEROUS_SCHEMES or scheme.startswith(_SYSTEM_SCHEMES) or not admitted:
        listed = ", ".join(private_schemes) or "none"
        raise RedirectUriError(
            f"the scheme {scheme} is not admitted; use https, loopback http, a reverse domain"
            f" name, or one of: {listed} (setting REDIRECT_SCHEMES)"
        )
    if "@" in urlsplit(uri).netloc:
        raise RedirectUriError("must have no user information")
    if len(uri) <= len(scheme) + 1:
        raise RedirectUriError("must name more than a scheme")
