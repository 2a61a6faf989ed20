"""Names and certificates, over TLS on loopback with an authority of the tests' own."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from okta_mcp.doctor.connection import certificate_verdict, name_verdict
from okta_mcp.doctor.verdict import skipped
from tests.oauth_proxy.document_host import Authority
from tests.vocabulary.processes import free_port

CENTURY_END = 4_102_444_800.0  # when the authority's certificates end: 2100-01-01


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def trusted(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """As an administrator makes this machine trust it."""
    pem = authority._certificate.public_bytes(serialization.Encoding.PEM)
    (tmp_path / "authority.pem").write_bytes(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


@contextlib.asynccontextmanager
async def listening(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """The port of a server that says the same to everybody."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def verdict_of(context: ssl.SSLContext | None, now: float | None = None) -> tuple[str, str]:
    async with listening(context) as port:
        verdict = await certificate_verdict(
            f"https://localhost:{port}", now or time.time(), unreachable=None
        )
    return verdict.status, f"{verdict.seen} {verdict.fix}"


async def test_an_authority_that_nobody_trusts_is_named_as_the_reason(authority: Authority) -> None:
    status, text = await verdict_of(authority.serving("localhost"))
    assert status == "failed"
    assert "SSL_CERT_FILE" in text


async def test_a_certificate_for_another_name_is_refused(trusted: Authority) -> None:
    status, text = await verdict_of(trusted.serving("other.example"))
    assert status == "failed"
    assert "another name" in text


async def test_what_speaks_no_tls_is_refused() -> None:
    status, text = await verdict_of(None)
    assert status == "failed"
    assert "https" in text


@pytest.mark.parametrize(
    ("days_before", "status"), [(365, "ok"), (15, "ok"), (13, "warning"), (1, "warning")]
)
async def test_a_certificate_that_ends_soon_is_warned_about(
    trusted: Authority, days_before: int, status: str
) -> None:
    now = CENTURY_END - days_before * 86_400
    found, text = await verdict_of(trusted.serving("localhost"), now)
    assert found == status
    assert "2100-01-01" in text


async def test_where_nothing_listens_is_no_fault_of_a_server_that_does_not_run() -> None:
    url = f"https://127.0.0.1:{free_port()}"
    not_running = skipped("not running")
    assert await certificate_verdict(url, 0.0, unreachable=not_running) == not_running
    assert (await certificate_verdict(url, 0.0, unreachable=None)).status == "failed"


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
async def test_behind_a_web_proxy_names_and_certificates_are_not_for_this_machine_to_see(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    url = "https://northwind.okta.example"
    assert (await name_verdict(url, "")).status == "skipped"
    assert (await certificate_verdict(url, 0.0, unreachable=None)).status == "skipped"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
async def test_an_address_needs_no_name_server(host: str) -> None:
    assert (await name_verdict(f"http://{host}:3001", "")).status == "ok"
