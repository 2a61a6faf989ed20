"""Names and certificates as this machine sees them, for Okta and for this server's own URL.

The trust is that of the server's own requests (httpx): the certificates that come with Python's
`certifi`, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from datetime import UTC, datetime
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from okta_mcp.doctor.verdict import Verdict, failed, ok, skipped, warning

_CONNECT_SECONDS = 5.0
_SOON_SECONDS = 14 * 86_400
# OpenSSL's codes of a certificate that does not lead to a trusted one.
_UNTRUSTED = frozenset({2, 18, 19, 20, 21})
_EXPIRED, _OTHER_NAME = 10, 62


def is_proxied(url: str) -> bool:
    """Whether requests to `url` go through a web proxy, which then asks for names and connects."""
    parts = urlsplit(url)
    proxies = getproxies()
    return (parts.scheme in proxies or "all" in proxies) and not proxy_bypass(parts.hostname or "")


async def name_verdict(url: str, fix: str) -> Verdict:
    """Whether the name in `url` has an address here; `fix` is for one that has none."""
    host, port = _endpoint(url)
    if is_proxied(url):
        return skipped(f"{host}: a web proxy stands between and asks for the name")
    with contextlib.suppress(ValueError):
        return ok(f"{ipaddress.ip_address(host)} is an address")
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
    except TimeoutError:
        return failed(f"{host}: the name servers do not answer", "check the DNS of this machine")
    except (OSError, UnicodeError):
        return failed(f"{host}: no address here for this name", fix)
    addresses = sorted({str(entry[4][0]) for entry in found})
    return ok(f"{host} is {', '.join(addresses[:3])}")


async def certificate_verdict(url: str, now: float, *, unreachable: Verdict | None) -> Verdict:
    """Whether `url` can be connected to, and its certificate is good for at least two weeks.

    `unreachable` is the verdict where nothing listens, if that is no failure.
    """
    host, port = _endpoint(url)
    is_tls = url.startswith("https://")
    if is_proxied(url):
        return skipped(
            f"{host}: a web proxy stands between and connects in the place of this machine"
        )
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            ends_at = await _certificate_end(host, port, is_tls=is_tls)
    except ssl.SSLCertVerificationError as error:
        return _refused(host, error)
    except ssl.SSLError:
        return failed(
            f"{host} port {port} does not speak TLS as expected",
            f"check that {url} is the https address, and what stands between",
        )
    except (OSError, TimeoutError):
        return unreachable or failed(
            f"{host} port {port}: no connection",
            "let this machine connect there, or name the web proxy in HTTPS_PROXY",
        )
    if ends_at is None:
        return ok(f"{host} port {port} connects; plain http, which is for loopback only")
    return _lasting(host, ends_at, now)


def _lasting(host: str, ends_at: float, now: float) -> Verdict:
    day = datetime.fromtimestamp(ends_at, UTC).strftime("%Y-%m-%d")
    if ends_at - now < _SOON_SECONDS:
        return warning(f"{host}: the certificate ends on {day}", "renew it before that day")
    return ok(f"{host}: the certificate is trusted here and ends on {day}")


async def _certificate_end(host: str, port: int, *, is_tls: bool) -> float | None:
    """The end of the certificate in epoch seconds; None without TLS. Raises `OSError`."""
    context = httpx.create_ssl_context() if is_tls else None
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        certificate = writer.get_extra_info("peercert") if is_tls else None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return ssl.cert_time_to_seconds(certificate["notAfter"]) if certificate else None


def _refused(host: str, error: ssl.SSLCertVerificationError) -> Verdict:
    if error.verify_code == _EXPIRED:
        return failed(f"{host}: the certificate has expired", "renew it, or set this clock right")
    if error.verify_code == _OTHER_NAME:
        return failed(
            f"{host}: the certificate is for another name",
            "use the name that the certificate has, or get one for this name",
        )
    if error.verify_code in _UNTRUSTED:
        return failed(
            f"{host}: the certificate does not lead to an authority that is trusted here",
            "send the intermediate certificates too; where a proxy of yours opens TLS, set"
            " SSL_CERT_FILE to a file with its authority",
        )
    return failed(
        f"{host}: the certificate is refused ({error.verify_message})", "replace the certificate"
    )


def _endpoint(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
