"""Client ID metadata documents: which URLs, which hosts, which answers, which documents."""

import asyncio
import gzip
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from okta_mcp.allowance import allowance
from okta_mcp.oauth_proxy import client_documents
from okta_mcp.oauth_proxy.client_documents import (
    ANSWER_SECONDS,
    FETCH_SECONDS,
    LONGEST_FRESH_SECONDS,
    RATE_PER_ADDRESS,
    RATE_PER_HOST,
    ClientDocumentError,
    ClientDocuments,
    document_host,
    is_document_url,
)
from okta_mcp.oauth_proxy.pinned_fetch import (
    DEFAULT_FRESH_SECONDS,
    LARGEST_DOCUMENT,
    Address,
    SystemResolver,
    is_public_address,
)
from okta_mcp.serving.rates import Rates
from okta_mcp.stores.records import Client
from tests.oauth_proxy.document_host import (
    HOST,
    LOOPBACK,
    PATH,
    Authority,
    DocumentHost,
    answer_of,
    serving,
)
from tests.vocabulary.clock import START, Clock

ASKER = "203.0.113.7"
ONE_TEXT = "the client ID metadata document cannot be used"


@dataclass
class Names:
    """A resolver: gives the answers in their order, the last one again, and counts."""

    answers: list[tuple[str, ...]] = field(default_factory=lambda: [(LOOPBACK,)])
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            raise socket.gaierror("no such name")
        return answer


class Pauses:
    """In the place of waiting: what would have been waited, in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def is_loopback_host(address: Address) -> bool:
    """The one hole that these tests need, and no wider."""
    return str(address) == LOOPBACK


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def host(authority: Authority) -> AsyncIterator[DocumentHost]:
    async with serving(authority.serving(HOST)) as started:
        yield started


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def make(
    names: Names, pauses: Pauses, authority: Authority, clock: Clock
) -> Callable[..., ClientDocuments]:
    def documents(**changes: Any) -> ClientDocuments:
        context = changes.pop("ssl_context", authority.trusting())
        parameters: dict[str, Any] = {
            "redirect_schemes": ("vscode", "cursor"),
            "redirect_hosts": (),
            "rates": Rates(),
            "now": clock,
            "is_allowed_address": is_loopback_host,
            "pause": pauses,
        }
        return ClientDocuments(names, context, **(parameters | changes))

    return documents


@pytest.fixture
def documents(make: Callable[..., ClientDocuments]) -> ClientDocuments:
    return make()


async def refusal(documents: ClientDocuments, client_id: str) -> str:
    """The reason for the log; what everybody may see is the same text each time."""
    with pytest.raises(ClientDocumentError) as caught:
        await documents.client(client_id, ASKER)
    assert str(caught.value) == ONE_TEXT
    return caught.value.reason


NOT_DOCUMENT_URLS = [
    "",
    "omcp_client_1",
    "client.example/oauth/client.json",
    "//client.example/oauth/client.json",
    "http://client.example/oauth/client.json",
    "HTTPS://client.example/oauth/client.json",
    "ftp://client.example/oauth/client.json",
    "https:client.example/oauth/client.json",
    "https:///oauth/client.json",
    "https://client.example",
    "https://client.example/",
    "https://client.example?x=/oauth",
    "https://client.example/oauth#",
    "https://client.example/oauth#part",
    "https://client.example/oauth?",
    "https://client.example/oauth?client=1",
    "https://ann@client.example/oauth",
    "https://ann:secret@client.example/oauth",
    "https://@client.example/oauth",
    "https://client.example@10.0.0.1/oauth",
    "https://client.example/.",
    "https://client.example/..",
    "https://client.example/./oauth",
    "https://client.example/oauth/../client.json",
    "https://client.example/oauth/%2e%2e/client.json",
    "https://client.example/oauth/.%2E/client.json",
    "https://client.example/oauth/..%2fclient.json",
    "https://client.example/oauth/..%5cclient.json",
    "https://client.example/oauth\\client.json",
    "https://client.example\\@10.0.0.1/oauth",
    "https://client.example/o auth",
    "https://client.example/oauth\n",
    "https://client.example/oauth\r\nHost: other.example",
    "https://client.example/\u00e4",
    "https://client.example/100%",
    "https://client.example/%zz",
    "https://client.example:0/oauth",
    "https://client.example:/oauth",
    "https://client.example:0443/oauth",
    "https://client.example:65536/oauth",
    "https://client.example:99999999/oauth",
    "https://client.example:\u0664\u0664\u0663/oauth",
    "https://Client.example/oauth",
    "https://client.example./oauth",
    "https://.client.example/oauth",
    "https://client..example/oauth",
    "https://-client.example/oauth",
    "https://client_1.example/oauth",
    "https://cl%69ent.example/oauth",
    "https://*.example/oauth",
    "https://\u0441lient.example/oauth",
    "https://localhost/oauth",
    "https://intranet/oauth",
    "https://127.0.0.1/oauth",
    "https://8.8.8.8/oauth",
    "https://127.1/oauth",
    "https://2130706433/oauth",
    "https://0x7f000001/oauth",
    "https://0x7f.0.0.1/oauth",
    "https://0177.0.0.1/oauth",
    "https://127.0.0.0x1/oauth",
    "https://[::1]/oauth",
    "https://[::1]:8443/oauth",
    "https://[::ffff:127.0.0.1]/oauth",
    "https://[2001:4860:4860::8888]/oauth",
    "https://[fe80::1%25eth0]/oauth",
    "https://client.example/" + "a" * 2048,
    "https://" + "a" * 64 + ".example/oauth",
    "https://" + "a.b." * 70 + "example/oauth",
]

DOCUMENT_URLS = [
    ("https://claude.ai/oauth/claude-code-client-metadata", "claude.ai"),
    ("https://client.example/oauth/client.json", "client.example"),
    ("https://client.example:8443/oauth/client.json", "client.example"),
    ("https://a-1.client.xn--p1ai/c", "a-1.client.xn--p1ai"),
    ("https://client.example/a/", "client.example"),
    ("https://client.example/.well-known/a...b/%C3%A4;v=1", "client.example"),
    ("https://1.2.3.4.example/c", "1.2.3.4.example"),
]


@pytest.mark.parametrize("client_id", NOT_DOCUMENT_URLS)
async def test_a_url_of_another_form_is_refused_without_asking_anybody(
    documents: ClientDocuments, names: Names, client_id: str
) -> None:
    """X-01."""
    assert not is_document_url(client_id)
    assert await refusal(documents, client_id) == "not the URL of a document"
    assert names.asked == []


@pytest.mark.parametrize(("client_id", "shown"), DOCUMENT_URLS)
def test_a_document_url_is_known_by_its_form_and_shown_by_its_host(
    client_id: str, shown: str
) -> None:
    """X-01, X-06."""
    assert is_document_url(client_id)
    assert document_host(client_id) == shown


def test_there_is_no_host_to_show_for_another_client_id() -> None:
    """X-06."""
    with pytest.raises(ValueError, match="not the URL"):
        document_host("omcp_client_1")


@given(st.one_of(st.text(), st.from_regex(r"https://[!-~]{1,40}/[!-~]{0,40}", fullmatch=True)))
@example("https://[/x")
def test_any_text_has_an_answer_on_which_parsers_agree(client_id: str) -> None:
    """X-01."""
    if is_document_url(client_id):
        parts = urlsplit(client_id)
        assert (parts.scheme, parts.username, parts.query, parts.fragment) == (
            "https",
            None,
            "",
            "",
        )
        assert parts.hostname == document_host(client_id)
        assert len(parts.path) > 1


NOT_PUBLIC = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::8.8.8.8",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:8.8.8.8",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:0:0:0:1:808:808",
    "64:ff9b:1::1",
    "64:ff9b:1::8.8.8.8",
    "64:ff9b:1:ffff::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:db8::1",
    "2002:a00:1::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_a_host_with_an_address_that_is_not_public_is_refused(
    make: Callable[..., ClientDocuments], names: Names, host: DocumentHost, address: str
) -> None:
    """X-01: with the real check, and beside a public address; nothing is connected to."""
    documents = make(is_allowed_address=is_public_address)
    names.answers = [("93.184.216.34", address)]
    assert await refusal(documents, host.url) == "an address of the host is not public"
    assert host.connections == 0


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "93.184.216.34",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ],
)
def test_a_public_address_is_allowed(address: str) -> None:
    """X-01: NAT64 included, or a network with IPv6 alone could fetch nothing."""
    assert is_public_address(ip_address(address))


def test_the_real_check_is_the_default() -> None:
    """X-01."""
    default = ClientDocuments.__init__.__kwdefaults__
    assert default["is_allowed_address"] is is_public_address
    assert default["pause"] is asyncio.sleep
    assert default["fetch_seconds"] == FETCH_SECONDS < ANSWER_SECONDS <= 5


async def test_one_bad_address_refuses_the_whole_host(
    documents: ClientDocuments, names: Names, host: DocumentHost
) -> None:
    """X-01."""
    names.answers = [(LOOPBACK, "10.0.0.1")]
    assert await refusal(documents, host.url) == "an address of the host is not public"
    assert host.connections == 0


@pytest.mark.parametrize("answer", [(), ("not an address",)])
async def test_a_name_that_does_not_resolve_is_refused(
    documents: ClientDocuments, names: Names, host: DocumentHost, answer: tuple[str, ...]
) -> None:
    """X-01."""
    names.answers = [answer]
    assert await refusal(documents, host.url) == "the host does not resolve"


async def test_the_name_is_resolved_once_and_the_connection_goes_there(
    documents: ClientDocuments,
    names: Names,
    host: DocumentHost,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """X-01: a second look-up, of ours or of a library, would be DNS rebinding's chance."""

    def asked_again(*_: Any, **__: Any) -> Any:
        raise AssertionError("the system was asked for a name")

    monkeypatch.setattr(socket, "getaddrinfo", asked_again)
    names.answers = [(LOOPBACK,), ("10.0.0.1",)]
    client = await documents.client(host.url, ASKER)
    assert client.client_id == host.url
    assert names.asked == [HOST]
    assert host.connections == 1


async def test_the_host_is_told_its_own_name(
    documents: ClientDocuments, host: DocumentHost
) -> None:
    """X-01: SNI and Host hold the name, not the pinned address."""
    await documents.client(host.url, ASKER)
    assert host.sni == [HOST]
    request_line, *headers = host.heads[0].strip().split("\r\n")
    assert request_line == f"GET {PATH} HTTP/1.1"
    assert [line for line in headers if line.lower().startswith("host:")] == [
        f"Host: {HOST}:{host.port}"
    ]
    assert "Accept-Encoding: identity" in headers
    assert not [line for line in headers if line.lower().startswith(("cookie", "authorization"))]


async def test_the_next_address_is_tried_where_the_first_refuses_connections(
    make: Callable[..., ClientDocuments], names: Names, host: DocumentHost
) -> None:
    """X-01: nobody listens on 127.0.0.2 at this port."""
    documents = make(is_allowed_address=lambda address: address.is_loopback)
    names.answers = [("127.0.0.2", LOOPBACK)]
    assert (await documents.client(host.url, ASKER)).client_id == host.url


@pytest.mark.parametrize("name", ["other.example", "sub.client.example", LOOPBACK])
async def test_a_certificate_of_another_name_is_refused(
    documents: ClientDocuments, authority: Authority, name: str
) -> None:
    """X-01."""
    async with serving(authority.serving(name)) as host:
        assert await refusal(documents, host.url) == "no answer over TLS: ConnectError"
        assert (host.connections, host.heads) == (1, [])


async def test_a_certificate_of_an_unknown_authority_is_refused(
    make: Callable[..., ClientDocuments], host: DocumentHost
) -> None:
    """X-01."""
    documents = make(ssl_context=None)
    assert await refusal(documents, host.url) == "no answer over TLS: ConnectError"
    assert host.heads == []


async def test_a_host_that_demands_a_certificate_of_ours_is_refused(
    documents: ClientDocuments, authority: Authority
) -> None:
    """X-02: its alert arrives after the handshake, and still is no crash."""
    context = authority.serving(HOST)
    context.verify_mode = ssl.CERT_REQUIRED
    async with serving(context) as host:
        assert (await refusal(documents, host.url)).startswith("no answer over TLS")


async def test_a_host_that_breaks_tls_is_refused(
    documents: ClientDocuments, host: DocumentHost
) -> None:
    """X-02: a record that cannot be decrypted."""

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        below_tls = writer.transport._ssl_protocol._transport  # type: ignore[attr-defined]
        below_tls.write(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        await reader.read()

    host.answer = break_off
    assert await refusal(documents, host.url) == "no answer over TLS: SSLError"


@pytest.mark.parametrize(
    "variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY"]
)
async def test_a_proxy_of_the_environment_is_not_used(
    documents: ClientDocuments,
    host: DocumentHost,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    """X-08: it would resolve the name again, so the pinned address would mean nothing."""
    reached: list[None] = []

    async def proxy(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(None)
        writer.close()

    async with await asyncio.start_server(proxy, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv(variable, f"http://{LOOPBACK}:{port}")
        assert (await documents.client(host.url, ASKER)).client_id == host.url
    assert reached == []


BODY = b'{"client_id": "x"}'
REFUSED_ANSWERS: list[tuple[bytes, str]] = [
    *(
        (answer_of(BODY, status=status, headers=("Location: https://client.example/b",)), reason)
        for status, reason in [
            ("301 Moved", "the status is 301"),
            ("302 Found", "the status is 302"),
            ("303 See Other", "the status is 303"),
            ("307 Temporary Redirect", "the status is 307"),
            ("308 Permanent Redirect", "the status is 308"),
            ("201 Created", "the status is 201"),
            ("203 Non-Authoritative", "the status is 203"),
            ("206 Partial Content", "the status is 206"),
            ("401 Unauthorized", "the status is 401"),
            ("404 Not Found", "the status is 404"),
            ("500 Internal Server Error", "the status is 500"),
        ]
    ),
    *(
        (answer_of(BODY, content_type=content_type), "the content type is not JSON")
        for content_type in [
            None,
            "",
            "text/html",
            "text/json",
            "text/plain; application/json",
            "application/octet-stream",
            "application/jsonp",
            "application/json, text/html",
            "image/svg+json",
        ]
    ),
    (
        answer_of(BODY, headers=("Content-Type: text/html",)),
        "the content type is not JSON",
    ),
    (answer_of(gzip.compress(BODY), headers=("Content-Encoding: gzip",)), "the body is encoded"),
    (answer_of(BODY, headers=("Content-Encoding: br",)), "the body is encoded"),
    (answer_of(BODY, headers=("Content-Encoding: identity, gzip",)), "the body is encoded"),
    (
        answer_of(b" " * (LARGEST_DOCUMENT + 1)),
        f"the body is larger than {LARGEST_DOCUMENT} bytes",
    ),
    (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b" " * 100_000,
        f"the body is larger than {LARGEST_DOCUMENT} bytes",
    ),
    (b"SSH-2.0-OpenSSH_9.9\r\n", "no answer over TLS: RemoteProtocolError"),
    (b"", "no answer over TLS: RemoteProtocolError"),
    (answer_of(BODY)[:-4], "no answer over TLS: RemoteProtocolError"),
    (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Long: " + b"a" * 300_000,
        "no answer over TLS: RemoteProtocolError",
    ),
]


@pytest.mark.parametrize(("answer", "reason"), REFUSED_ANSWERS)
async def test_an_answer_that_is_not_a_small_json_document_is_refused(
    documents: ClientDocuments, host: DocumentHost, answer: bytes, reason: str
) -> None:
    """X-03: and no redirect is followed."""
    host.answer = answer
    assert await refusal(documents, host.url) == reason
    assert host.connections == 1


async def test_a_body_without_end_is_left_at_the_limit(
    documents: ClientDocuments, host: DocumentHost
) -> None:
    """X-03."""
    left = asyncio.Event()

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        try:
            while True:
                writer.write(b" " * 1024)
                await writer.drain()
        finally:
            left.set()

    host.answer = endless
    assert "larger" in await refusal(documents, host.url)
    await asyncio.wait_for(left.wait(), timeout=5)


@pytest.mark.parametrize(
    "beginning",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"],
)
async def test_a_host_that_hangs_is_left_in_time(
    make: Callable[..., ClientDocuments], host: DocumentHost, beginning: bytes
) -> None:
    """X-03: one limit for the whole, so a byte now and then does not help."""
    left = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(beginning)
        await reader.read()
        left.set()

    host.answer = hang
    assert await refusal(make(fetch_seconds=0.1), host.url) == "it took too long"
    await asyncio.wait_for(left.wait(), timeout=5)


async def test_a_name_server_that_hangs_is_left_in_time(
    authority: Authority, clock: Clock, pauses: Pauses
) -> None:
    """X-03."""

    async def hang(_: str) -> tuple[str, ...]:
        return await asyncio.get_running_loop().create_future()

    documents = ClientDocuments(
        hang,
        authority.trusting(),
        redirect_schemes=(),
        redirect_hosts=(),
        rates=Rates(),
        now=clock,
        fetch_seconds=0.05,
        pause=pauses,
    )
    assert await refusal(documents, f"https://{HOST}{PATH}") == "it took too long"


async def test_an_address_that_asks_too_often_is_refused(
    documents: ClientDocuments, names: Names
) -> None:
    """X-03: by the network of 64 bits, over all hosts, with no look-up and no connection."""
    names.answers = [()]
    for number in range(allowance(RATE_PER_ADDRESS).amount):
        with pytest.raises(ClientDocumentError):
            await documents.client(f"https://h{number}.example/c", f"2001:4860:1:2::{number + 1}")
    with pytest.raises(ClientDocumentError) as caught:
        await documents.client("https://other.example/c", "2001:4860:1:2:3::4")
    assert caught.value.reason == "too many fetches for this address or host"
    assert "other.example" not in names.asked
    with pytest.raises(ClientDocumentError):
        await documents.client("https://other.example/c", "2001:4860:1:3::1")
    assert names.asked[-1] == "other.example"


async def test_a_host_is_not_asked_too_often(documents: ClientDocuments, names: Names) -> None:
    """X-03: whoever asks, and under whatever path; one address alone does not use it up."""
    names.answers = [()]
    most = allowance(RATE_PER_HOST).amount
    assert allowance(RATE_PER_ADDRESS).amount * 5 <= most
    for number in range(most + 1):
        with pytest.raises(ClientDocumentError) as caught:
            await documents.client(f"https://{HOST}/{number}", f"203.0.113.{number}")
    assert caught.value.reason == "too many fetches for this address or host"
    assert len(names.asked) == most


async def test_fetches_at_the_same_time_are_bounded(
    documents: ClientDocuments, host: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-03."""
    monkeypatch.setattr(client_documents, "MOST_FETCHES", 1)
    go_on = asyncio.Event()
    host.answer = held(host, go_on)
    first = asyncio.create_task(documents.client(host.url, ASKER))
    await host.asked.wait()
    reason = await refusal(documents, f"https://{HOST}/other")
    assert reason == "too many fetches at the same time"
    go_on.set()
    assert (await first).client_id == host.url


def held(host: DocumentHost, go_on: asyncio.Event) -> Any:
    """The accepted document, but not before `go_on`."""
    answer = answer_of(json.dumps(host.document()).encode())

    async def exchange(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        writer.write(answer)
        await writer.drain()

    return exchange


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"https://client.example/oauth/client.json"',
        b"{",
        b"{'client_id': 1}",
        b"\xff\xfe\xfd",
        b"[" * 5000,
        b'{"client_id": "\\ud800"}',
        b"9" * 5000,
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(
    documents: ClientDocuments, host: DocumentHost, body: bytes
) -> None:
    """X-03."""
    host.answer = answer_of(body)
    reason = await refusal(documents, host.url)
    assert reason in ("the body must be JSON", "the body must be a JSON object")


@pytest.mark.parametrize(
    "client_id",
    [
        None,
        "",
        1,
        ["https://client.example/oauth/client.json"],
        "https://other.example/oauth/client.json",
        "https://client.example/oauth/client.json",
    ],
)
async def test_a_document_of_another_client_id_is_refused(
    documents: ClientDocuments, host: DocumentHost, client_id: Any
) -> None:
    """X-04."""
    host.serves(client_id=client_id)
    assert await refusal(documents, host.url) == "its client_id is not its URL"


@pytest.mark.parametrize("change", ["/", "?", "#", " "])
async def test_the_client_id_is_compared_byte_for_byte(
    documents: ClientDocuments, host: DocumentHost, change: str
) -> None:
    """X-04."""
    host.serves(client_id=host.url + change)
    assert await refusal(documents, host.url) == "its client_id is not its URL"


NO_METHOD = "its token_endpoint_auth_method is not none"
SECRETS = "it holds a secret or keys"
REFUSED_DOCUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"client_secret": "shared"}, SECRETS),
    ({"client_secret": ""}, SECRETS),
    ({"client_secret_expires_at": 0}, SECRETS),
    ({"jwks": {"keys": [{"kty": "oct", "k": "c2hhcmVk"}]}}, SECRETS),
    ({"token_endpoint_auth_method": "client_secret_basic"}, NO_METHOD),
    ({"token_endpoint_auth_method": "client_secret_post"}, NO_METHOD),
    ({"token_endpoint_auth_method": "client_secret_jwt"}, NO_METHOD),
    ({"token_endpoint_auth_method": "private_key_jwt"}, NO_METHOD),
    ({"token_endpoint_auth_method": "tls_client_auth"}, NO_METHOD),
    ({"token_endpoint_auth_method": ""}, NO_METHOD),
    ({"token_endpoint_auth_method": ["none"]}, "must be text of at most 64 characters"),
    ({"redirect_uris": None}, "must be a list of 1 to 10 URIs"),
    ({"redirect_uris": []}, "must be a list of 1 to 10 URIs"),
    ({"redirect_uris": "https://client.example/cb"}, "must be a list of 1 to 10 URIs"),
    ({"redirect_uris": ["https://client.example/cb"] * 11}, "must be a list of 1 to 10 URIs"),
    ({"redirect_uris": [1]}, "must hold strings"),
    ({"redirect_uris": ["http://127.0.0.1/cb", "javascript:alert(1)"]}, "is not admitted"),
    ({"redirect_uris": ["http://client.example/cb"]}, "http is for 127.0.0.1"),
    ({"redirect_uris": ["https://client.example/cb#"]}, "must have no fragment"),
    ({"redirect_uris": ["https://*.client.example/cb"]}, "must have no wildcard"),
    ({"redirect_uris": ["https://localhost@evil.example/cb"]}, "must have no user information"),
    ({"redirect_uris": ["https://client.example/../cb"]}, "must have no dot segments"),
    ({"redirect_uris": ["https://client.example/cb?state=1"]}, "response parameter state"),
    ({"redirect_uris": ["windsurf://cb"]}, "is not admitted"),
    ({"client_name": "n" * 129}, "client_name must be text"),
    ({"client_name": {"en": "x"}}, "client_name must be text"),
    ({"logo_uri": "http://client.example/logo.png"}, "logo_uri must be https"),
    ({"logo_uri": "javascript:alert(1)"}, "logo_uri must be https"),
    ({"client_uri": "data:text/html,x"}, "client_uri must be https"),
    ({"tos_uri": "//client.example"}, "tos_uri must be https"),
    ({"policy_uri": 1}, "policy_uri must be text"),
    ({"jwks_uri": "http://10.0.0.1/keys"}, "jwks_uri must be https"),
    ({"contacts": ["ann@client.example"] * 11}, "contacts must be a list"),
    ({"grant_types": ["client_credentials"]}, "must hold authorization_code"),
    ({"grant_types": "authorization_code"}, "must hold authorization_code"),
    ({"response_types": ["token"]}, "must hold code"),
    ({"software_statement": "e30.e30."}, "software statements are not accepted"),
    ({"scope": "okta.users.read".ljust(4097, "x")}, "scope must be text"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED_DOCUMENTS)
async def test_a_document_that_could_not_register_is_refused(
    documents: ClientDocuments, host: DocumentHost, changes: dict[str, Any], reason: str
) -> None:
    """X-04: and nothing that it names is fetched."""
    host.serves(**changes)
    assert reason in await refusal(documents, host.url)
    assert host.connections == 1


async def test_a_redirect_to_a_host_that_is_not_listed_is_refused(
    make: Callable[..., ClientDocuments], host: DocumentHost
) -> None:
    """X-04, R-25."""
    host.serves(redirect_uris=["https://other.example/cb"])
    documents = make(redirect_hosts=(HOST,))
    assert "REDIRECT_HOSTS" in await refusal(documents, host.url)


async def test_a_failure_waits_until_all_failures_are_answered(
    make: Callable[..., ClientDocuments],
    host: DocumentHost,
    names: Names,
    pauses: Pauses,
) -> None:
    """X-02: a name that is unknown, internal, closed, silent or wrong takes the same time."""
    documents = make(fetch_seconds=0.1)
    loop = asyncio.get_running_loop()

    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    def give(answer: Any, *addresses: str) -> None:
        host.answer, names.answers = answer, [addresses]

    cases: list[tuple[Any, ...]] = [
        (b"",),
        (b"", "10.0.0.1"),
        (b"", LOOPBACK),
        (hang, LOOPBACK),
        (answer_of(b"", status="404 Not Found"), LOOPBACK),
        (answer_of(b"{}"), LOOPBACK),
    ]
    for answer, *addresses in cases:
        give(answer, *addresses)
        started = loop.time()
        await refusal(documents, host.url)
        passed = loop.time() - started
        assert pauses.seconds.pop() == pytest.approx(ANSWER_SECONDS - passed, abs=0.1)
    assert pauses.seconds == []


async def test_no_failure_is_answered_before_its_time(
    make: Callable[..., ClientDocuments], names: Names
) -> None:
    """X-02."""
    over = asyncio.Event()
    waiting = asyncio.Event()

    async def pause(_: float) -> None:
        waiting.set()
        await over.wait()

    names.answers = [()]
    asked = asyncio.create_task(refusal(make(pause=pause), f"https://{HOST}{PATH}"))
    await waiting.wait()
    assert not asked.done()
    over.set()
    assert await asked == "the host does not resolve"


async def test_claude_code_is_a_client(
    documents: ClientDocuments, host: DocumentHost, pauses: Pauses
) -> None:
    """X-04, R-07: port-less loopback redirects; what is not ours is cut; success does not wait."""
    host.serves(
        grant_types=["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:x"],
        scope="openid okta.groups.read okta.users.read offline_access",
        client_uri="https://client.example",
        jwks_uri="https://client.example/keys",
        something_else={"a": [1]},
    )
    assert await documents.client(host.url, ASKER) == Client(
        client_id=host.url,
        name="An assistant",
        redirect_uris=("http://localhost/callback", "http://127.0.0.1/callback"),
        grant_types=("authorization_code", "refresh_token"),
        auth_method="none",
        secret_digest=None,
        scope="okta.users.read okta.groups.read offline_access",
        created_at=START,
    )
    assert pauses.seconds == []
    assert host.connections == 1


async def test_what_a_document_leaves_out_has_a_default(
    documents: ClientDocuments, host: DocumentHost
) -> None:
    """X-04: RFC 7591's, except for the secret, which there is none of."""
    host.serves(
        client_name=None, grant_types=None, response_types=None, token_endpoint_auth_method=None
    )
    client = await documents.client(host.url, ASKER)
    assert (client.name, client.grant_types, client.auth_method, client.scope) == (
        "",
        ("authorization_code",),
        "none",
        None,
    )


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "Application/JSON", "application/client+json"],
)
async def test_json_under_each_of_its_types_is_taken(
    documents: ClientDocuments, host: DocumentHost, content_type: str
) -> None:
    """X-03."""
    host.answer = answer_of(json.dumps(host.document()).encode(), content_type=content_type)
    assert (await documents.client(host.url, ASKER)).client_id == host.url


async def test_a_document_of_the_largest_size_is_taken(
    documents: ClientDocuments, host: DocumentHost
) -> None:
    """X-03: one byte more is refused."""
    body = json.dumps(host.document()).encode().ljust(LARGEST_DOCUMENT)
    host.answer = answer_of(body)
    assert (await documents.client(host.url, ASKER)).client_id == host.url


async def test_a_failure_is_not_kept(documents: ClientDocuments, host: DocumentHost) -> None:
    """X-05: whatever its headers say."""
    host.answer = answer_of(
        b"{}", status="404 Not Found", headers=("Cache-Control: max-age=86400",)
    )
    await refusal(documents, host.url)
    host.serves("Cache-Control: max-age=86400", client_name=1)
    await refusal(documents, host.url)
    host.serves()
    assert (await documents.client(host.url, ASKER)).client_id == host.url
    assert host.connections == 3


FRESHNESS: list[tuple[tuple[str, ...], float]] = [
    ((), DEFAULT_FRESH_SECONDS),
    (("Cache-Control: public",), DEFAULT_FRESH_SECONDS),
    (("Cache-Control: max-age=600",), 600),
    (("cache-control: PUBLIC, Max-Age=600",), 600),
    (('Cache-Control: max-age="600"',), 600),
    (("Cache-Control: max-age=600", "Age: 100"), 500),
    (("Cache-Control: max-age=600, s-maxage=60",), 60),
    (("Cache-Control: max-age=31536000",), LONGEST_FRESH_SECONDS),
    (("Cache-Control: max-age=" + "9" * 40,), LONGEST_FRESH_SECONDS),
    (("Cache-Control: max-age=" + "9" * 400,), 0),
    (("Cache-Control: max-age=" + "9" * 5000,), 0),
    (("Cache-Control: no-store",), 0),
    (("Cache-Control: max-age=600", "Cache-Control: no-store"), 0),
    (("Cache-Control: max-age=600, no-cache",), 0),
    (('Cache-Control: private="set-cookie", max-age=600',), 0),
    (("Cache-Control: max-age=0",), 0),
    (("Cache-Control: max-age=-1",), 0),
    (("Cache-Control: max-age=soon",), 0),
    (("Cache-Control: max-age",), 0),
    (("Cache-Control: max-age=600, max-age=0",), 0),
    (("Cache-Control: max-age=600", "Age: 700"), 0),
    (("Cache-Control: max-age=600", "Age: old"), 0),
    (("Expires: Wed, 21 Oct 2099 07:28:00 GMT",), 0),
]


@pytest.mark.parametrize(("headers", "seconds"), FRESHNESS)
async def test_a_document_is_kept_as_long_as_its_host_says_and_a_day_at_most(
    documents: ClientDocuments,
    host: DocumentHost,
    clock: Clock,
    headers: tuple[str, ...],
    seconds: float,
) -> None:
    """X-05."""
    host.serves(*headers)
    first = await documents.client(host.url, ASKER)
    clock.pass_seconds(max(0, seconds - 1))
    again = await documents.client(host.url, ASKER)
    assert (host.connections, again is first) == ((1, True) if seconds else (2, False))
    clock.pass_seconds(1)
    await documents.client(host.url, ASKER)
    assert host.connections == (2 if seconds else 3)


async def test_a_kept_document_counts_for_no_rate(
    documents: ClientDocuments, host: DocumentHost
) -> None:
    """X-03, X-05."""
    for _ in range(allowance(RATE_PER_ADDRESS).amount + 1):
        await documents.client(host.url, ASKER)
    assert host.connections == 1


async def test_the_document_that_was_not_used_for_longest_makes_room(
    documents: ClientDocuments, host: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-05."""
    monkeypatch.setattr(client_documents, "MOST_DOCUMENTS", 2)
    urls = {name: host.url_of(HOST, f"/{name}") for name in "abc"}

    async def asked(name: str) -> bool:
        """Whether the host was asked for it."""
        before = host.connections
        host.serves(client_id=urls[name])
        await documents.client(urls[name], ASKER)
        return host.connections > before

    assert await asked("a")
    assert await asked("b")
    assert not await asked("a")
    assert await asked("c")
    assert not await asked("a")
    assert await asked("b")


async def test_requests_at_the_same_time_share_one_fetch(
    documents: ClientDocuments, host: DocumentHost, names: Names
) -> None:
    """X-03: fifty, and the one who asked first may leave."""
    go_on = asyncio.Event()
    host.answer = held(host, go_on)
    tasks = [asyncio.create_task(documents.client(host.url, ASKER)) for _ in range(50)]
    await host.asked.wait()
    tasks[0].cancel()
    go_on.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert {outcome.client_id for outcome in outcomes[1:] if isinstance(outcome, Client)} == {
        host.url
    }
    assert (len(names.asked), host.connections) == (1, 1)


async def test_a_shared_failure_is_forgotten_when_it_is_answered(
    documents: ClientDocuments, host: DocumentHost
) -> None:
    """X-05."""
    host.answer = answer_of(b"{}", status="500 Internal Server Error")
    outcomes = await asyncio.gather(
        *(documents.client(host.url, ASKER) for _ in range(3)), return_exceptions=True
    )
    assert [str(outcome) for outcome in outcomes] == [ONE_TEXT] * 3
    assert host.connections == 1
    host.serves()
    assert (await documents.client(host.url, ASKER)).client_id == host.url


async def test_the_resolver_of_the_system_gives_every_address_once() -> None:
    """X-01: a literal, so that no name server is asked."""
    resolver = SystemResolver()
    try:
        assert await resolver("127.0.0.1") == ("127.0.0.1",)
        with pytest.raises((OSError, ValueError)):
            await resolver("a" * 64 + ".example")
    finally:
        resolver.close()
