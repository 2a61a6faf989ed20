"""The reports over the sandbox organisation, which runs in the test's own process."""

from collections.abc import AsyncIterator

import pytest

from tests.vocabulary.northwind import Northwind


@pytest.fixture
async def northwind() -> AsyncIterator[Northwind]:
    opened = Northwind()
    yield opened
    await opened.close()
