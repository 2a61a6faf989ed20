"""A host on loopback that serves one answer over TLS, and the authority that vouches for it.

The name of the host is `HOST` whatever its port; it resolves through the resolver of a test alone.
"""

import asyncio
import datetime
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from okta_mcp.oauth_proxy import parts
from okta_mcp.oauth_proxy.client_documents import ClientDocuments
from tests.vocabulary.in_process import LocalServer, local_server

HOST = "client.example"
PATH = "/oauth/client.json"
LOOPBACK = "127.0.0.1"

Exchange = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_BEGIN = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_END = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)


class Authority:
    """A certificate authority that only its own tests trust."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of the tests")])
        self._certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def trusting(self) -> ssl.SSLContext:
        """The context of a client that trusts this authority and no other."""
        pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def serving(self, host: str) -> ssl.SSLContext:
        """The context of a server with a certificate for `host`."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = (
            self._builder(name, key)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .add_extension(_usage(signs=False), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        file = self._directory / f"{host}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_BEGIN)
            .not_valid_after(_END)
            .add_extension(own, critical=False)
            .add_extension(issuer, critical=False)
        )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def answer_of(
    body: bytes,
    *,
    status: str = "200 OK",
    content_type: str | None = "application/json",
    headers: tuple[str, ...] = (),
) -> bytes:
    """One answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


@dataclass
class DocumentHost:
    """What the host was asked, and what it answers: bytes, or an exchange of its own."""

    port: int = 0
    answer: bytes | Exchange = b""
    connections: int = 0
    sni: list[str | None] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return self.url_of(HOST)

    def url_of(self, host: str, path: str = PATH) -> str:
        return f"https://{host}:{self.port}{path}"

    def document(self, **changes: Any) -> dict[str, Any]:
        """A document that is accepted, with changes; a change to None leaves the member out."""
        members: dict[str, Any] = {
            "client_id": self.url,
            "client_name": "An assistant",
            "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
        return {name: value for name, value in (members | changes).items() if value is not None}

    def serves(self, *headers: str, **changes: Any) -> None:
        """From now on answer with `document(**changes)`."""
        self.answer = answer_of(json.dumps(self.document(**changes)).encode(), headers=headers)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            self.asked.set()
            if isinstance(self.answer, bytes):
                writer.write(self.answer)
                await writer.drain()
            else:
                await self.answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[DocumentHost]:
    """The host, listening on loopback until the end of the block."""
    host = DocumentHost()

    def note_name(_: ssl.SSLObject | ssl.SSLSocket, name: str | None, __: ssl.SSLContext) -> None:
        host.connections += 1
        host.sni.append(name)

    context.sni_callback = note_name
    server = await asyncio.start_server(host.handle, LOOPBACK, 0, ssl=context)
    host.port = server.sockets[0].getsockname()[1]
    host.serves()
    try:
        yield host
    finally:
        server.close()


@asynccontextmanager
async def reading_documents(
    folder: Path, url: str, environment: dict[str, str], authority: Authority
) -> AsyncIterator[LocalServer]:
    """The application, whose resolver and authority are the test's; the rest is the real code."""

    async def here(_: str) -> tuple[str, ...]:
        return (LOOPBACK,)

    def documents(_: object, __: object, **settings: Any) -> ClientDocuments:
        settings["is_allowed_address"] = lambda address: str(address) == LOOPBACK
        return ClientDocuments(here, authority.trusting(), **settings)

    with patch.object(parts, "ClientDocuments", documents):
        async with local_server(folder, url, environment | {"CIMD_ENABLED": "true"}) as running:
            yield running
