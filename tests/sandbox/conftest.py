"""The whole organisation, fresh for each test that asks."""

from collections.abc import AsyncIterator, Iterator

import pytest

from okta_mcp.sandbox.state import SandboxState
from tests.sandbox.identity import Person, fresh_state


@pytest.fixture
def state() -> Iterator[SandboxState]:
    with fresh_state() as fresh:
        yield fresh


@pytest.fixture
async def person(state: SandboxState) -> AsyncIterator[Person]:
    async with Person(state) as opened:
        yield opened
