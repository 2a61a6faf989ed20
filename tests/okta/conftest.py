"""A client of a made-up organisation, with a clock that only sleeping moves."""

from collections.abc import AsyncIterator
from email.utils import formatdate

import httpx
import pytest
import respx

from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.credentials import ApiToken

ORG = "https://acme.okta.example"
START = 1_800_000_000.0


class FakeTime:
    """Seconds since the epoch; `slept` keeps every wait in order."""

    def __init__(self) -> None:
        self.seconds = START
        self.slept: list[float] = []

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def clock() -> FakeTime:
    return FakeTime()


@pytest.fixture
async def api(clock: FakeTime) -> AsyncIterator[OktaApi]:
    # Nothing here speaks TLS, and reading the list of authorities takes 20 ms a test.
    async with httpx.AsyncClient(verify=False) as http:
        yield OktaApi(
            http,
            ORG,
            ApiToken("00secret"),
            concurrency=15,
            now=clock.now,
            sleep=clock.sleep,
            jitter=lambda: 0.5,
        )


@pytest.fixture
def okta() -> respx.MockRouter:
    with respx.mock(base_url=ORG, assert_all_called=False) as router:
        yield router


def rate_headers(
    *, limit: int, remaining: int, reset: float, date: float | None = None
) -> list[tuple[str, str]]:
    headers = [
        ("X-Rate-Limit-Limit", str(limit)),
        ("X-Rate-Limit-Remaining", str(remaining)),
        ("X-Rate-Limit-Reset", str(int(reset))),
    ]
    return headers if date is None else [*headers, ("Date", formatdate(date, usegmt=True))]
