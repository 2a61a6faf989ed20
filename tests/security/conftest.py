"""Who attacks, and the application where time and races are the test's own."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.vocabulary.browser import PLAIN, Browser
from tests.vocabulary.oauth_client import OAuthClient
from tests.vocabulary.processes import ServerProcess


@pytest.fixture
def stranger() -> Iterator[httpx.Client]:
    """Anybody, with nothing in hand."""
    with httpx.Client(timeout=15, verify=PLAIN) as client:
        yield client


@pytest.fixture
async def attacker() -> AsyncIterator[Browser]:
    """A second browser, somebody else's."""
    opened = Browser()
    yield opened
    await opened.close()


@pytest.fixture
async def other_client(server: ServerProcess) -> AsyncIterator[OAuthClient]:
    """A second client of the shared server, registered by anybody."""
    registered = OAuthClient(server.url)
    answer = await registered.register(client_name="Another client")
    assert answer.status_code == 201
    yield registered
    await registered.close()
