"""One custom authorization server for a test."""

from collections.abc import AsyncIterator

import pytest

from tests.resource_server.custom_issuer import CustomIssuer


@pytest.fixture
async def issuer() -> AsyncIterator[CustomIssuer]:
    made = CustomIssuer()
    yield made
    await made.http.aclose()
