"""The Management API alone, with a clock that only tests move and people's tokens by hand."""

import pickle
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from starlette.applications import Starlette

from okta_mcp.sandbox.access import Bearer
from okta_mcp.sandbox.directory import Organisation
from okta_mcp.sandbox.dpop import Proofs
from okta_mcp.sandbox.management import management_routes
from okta_mcp.sandbox.rates import Rates
from okta_mcp.sandbox.seed import seeded
from okta_mcp.sandbox.state import SETTINGS

NOW = 1_800_000_000.0
ORG = "http://127.0.0.1:9000"
TOKEN = "00sandboxtoken"


@cache
def _frozen() -> bytes:
    return pickle.dumps(seeded(NOW))


def fresh() -> Organisation:
    """An organisation of its own for each test, without seeding it again."""
    return pickle.loads(_frozen())


@dataclass
class Context:
    organisation: Organisation = field(default_factory=fresh)
    seconds: float = NOW
    profile: str = "off"
    api_token: str = TOKEN
    base_url: str = ORG
    bearers: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    rates: Rates = field(init=False)
    proofs: Proofs = field(init=False)
    settings: dict[str, Any] = field(
        default_factory=lambda: {name: values[0] for name, values in SETTINGS.items()}
    )

    def __post_init__(self) -> None:
        self.rates = Rates(self.now, lambda: self.profile)
        self.proofs = Proofs(self.base_url, self.now)

    def now(self) -> float:
        return self.seconds

    def bearer(self, access_token: str) -> Bearer | None:
        known = self.bearers.get(access_token)
        return Bearer(*known) if known else None

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(Starlette(routes=[*management_routes(self)])),
            base_url=f"{ORG}/api/v1/",
            headers={"Authorization": f"SSWS {TOKEN}"},
        )


def next_link(response: httpx.Response) -> str | None:
    for line in response.headers.get_list("link"):
        if line.endswith('rel="next"'):
            return line[1 : line.index(">")]
    return None


async def walk(http: httpx.AsyncClient, path: str, most: int = 400) -> list[dict]:
    rows: list[dict] = []
    url: str | None = path
    for _ in range(most):
        response = await http.get(url)
        assert response.status_code == 200, response.text
        rows += response.json()
        url = next_link(response)
        if url is None:
            return rows
    raise AssertionError("the walk did not end")
