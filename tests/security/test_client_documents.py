"""Clients that are known by a document (section 4), seen from the authorization endpoint.

What is fetched and how is proven in tests/oauth_proxy/test_client_documents.py, on the same code;
here stands what a person and a client see of it.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.oauth_proxy.document_host import (
    HOST,
    Authority,
    DocumentHost,
    answer_of,
    reading_documents,
    serving,
)
from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import SandboxProcess
from tests.vocabulary.roles import VIEWER_TOOLS

LOOPBACK_URI = "http://127.0.0.1/client-callback"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def host(authority: Authority) -> AsyncIterator[DocumentHost]:
    async with serving(authority.serving(HOST)) as started:
        started.answer = answer_of(document(started))
        yield started


def document(host: DocumentHost) -> bytes:
    return json.dumps(
        host.document(client_name="Claude Code", redirect_uris=[LOOPBACK_URI])
    ).encode()


@pytest.fixture
async def documented(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path, authority: Authority
) -> AsyncIterator[LocalServer]:
    """The application with the documents of `host`."""
    environment = sandbox.settings_for_server()
    url = f"http://localhost:{server_port}"
    async with reading_documents(tmp_path, url, environment, authority) as running:
        yield running


def known_as(place: LocalServer, client_id: str) -> OAuthClient:
    """A client that never registered."""
    return OAuthClient(place.url, place.browser().client, client_id=client_id)


@pytest.mark.parametrize(
    "client_id",
    ["https://client.example/oauth/client.json", "https://127.0.0.1/client.json"],
    ids=["X-07 a document", "X-01 an address"],
)
async def test_switched_off_a_url_is_an_unknown_client_and_nothing_is_fetched(
    sandbox: SandboxProcess,
    server_port: int,
    tmp_path: Path,
    host: DocumentHost,
    client_id: str,
) -> None:
    environment = sandbox.settings_for_server() | {"CIMD_ENABLED": "false"}
    url = f"http://localhost:{server_port}"
    async with local_server(tmp_path, url, environment) as place:
        browser = place.browser()
        await browser.open(known_as(place, client_id).authorization_url())
        assert (browser.status, browser.landed) == (400, None)
        metadata = await browser.client.get(f"{url}/.well-known/oauth-authorization-server")
        assert metadata.json()["client_id_metadata_document_supported"] is False
        assert host.connections == 0


async def test_it_is_advertised_while_it_works(documented: LocalServer) -> None:
    """D-16."""
    answer = await documented.browser().client.get(
        f"{documented.url}/.well-known/oauth-authorization-server"
    )
    assert answer.json()["client_id_metadata_document_supported"] is True


async def test_a_document_that_cannot_be_used_is_an_unknown_client(
    documented: LocalServer, host: DocumentHost
) -> None:
    """X-02, X-03, X-04: the page of an unknown client, whatever is wrong."""
    host.answer = answer_of(document(host), status="404 Not Found")
    browser = documented.browser()
    await browser.open(known_as(documented, host.url).authorization_url())
    assert (browser.status, browser.landed) == (400, None)
    assert "does not know that application" in browser.page.text


async def test_the_page_names_the_host_that_vouches(
    documented: LocalServer, host: DocumentHost
) -> None:
    """X-06: the host of the client_id and of the redirect, and the warning for loopback."""
    browser = documented.browser()
    await browser.open(known_as(documented, host.url).authorization_url())
    assert browser.status == 200
    for words in ("Claude Code", HOST, "127.0.0.1:33418", "not verified", "Any program here"):
        assert words in browser.page.text


async def test_a_redirect_uri_outside_the_document_is_refused(
    documented: LocalServer, host: DocumentHost
) -> None:
    """X-04."""
    client = known_as(documented, host.url)
    browser = documented.browser()
    await browser.open(client.authorization_url(redirect_uri="http://127.0.0.1:1/elsewhere"))
    assert (browser.status, browser.landed) == (400, None)


async def test_the_whole_way_without_a_registration(
    documented: LocalServer, host: DocumentHost
) -> None:
    """One fetch serves the login; the token endpoint needs none."""
    client = known_as(documented, host.url)
    await connected(documented.browser(), client, "Hana Novak")
    assert len((await client.rpc("tools/list")).json()["result"]["tools"]) == VIEWER_TOOLS
    host.answer = answer_of(b"", status="500 Gone")
    assert (await client.refresh()).status_code == 200
    assert host.connections == 1
