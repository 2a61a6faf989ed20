"""A clock, a store in memory under it, clients, grants and the audit trail."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from okta_mcp.audit.writer import Audit
from okta_mcp.oauth_proxy.grants import Grants, Lifetimes
from okta_mcp.oauth_proxy.upstreams import Upstreams
from okta_mcp.okta.authorization_server import LoginUnavailableError
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import Client, Records, digest
from okta_mcp.stores.sealing import Sealer
from tests.stores.interleaved import Interleaved
from tests.vocabulary.clock import START, Clock

RESOURCE_URL = "http://localhost:3001/mcp"
REDIRECT_URI = "http://127.0.0.1:33418/cb"
SECRET = b"a secret of at least 32 bytes, made for tests"


def client_of(client_id: str, **changes: Any) -> Client:
    """A public client that may refresh."""
    fields: dict[str, Any] = {
        "client_id": client_id,
        "name": "An assistant",
        "redirect_uris": (REDIRECT_URI,),
        "grant_types": ("authorization_code", "refresh_token"),
        "auth_method": "none",
        "secret_digest": None,
        "scope": None,
        "created_at": START,
    }
    return Client(**(fields | changes))


OURS = client_of("omcp_client_ours")
OTHER = client_of("omcp_client_other")


class RevokingLogin:
    """Okta's revocation endpoint; keeps what was given back."""

    def __init__(self) -> None:
        self.revoked: list[str] = []
        self.is_away = False

    async def revoke(self, refresh_token: str) -> None:
        if self.is_away:
            raise LoginUnavailableError("okta_unreachable")
        self.revoked.append(refresh_token)


class Trail:
    """The audit trail of a test, as a file; `events` reads it back."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.audit = Audit(str(path), clock)
        self._path = path

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._path.read_text().splitlines()]

    @property
    def names(self) -> list[str]:
        return [event["event"] for event in self.events]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(clock: Clock) -> Records:
    return Records(Interleaved(MemoryStore(clock)))


@pytest.fixture
def sealer() -> Sealer:
    return Sealer((SECRET,), "kept")


@pytest.fixture
def okta_login() -> RevokingLogin:
    return RevokingLogin()


@pytest.fixture
def upstreams(
    records: Records, sealer: Sealer, okta_login: RevokingLogin, clock: Clock
) -> Upstreams:
    return Upstreams(records, sealer, okta_login, ttl_seconds=86_400, now=clock)  # type: ignore[arg-type]


@pytest.fixture
def trail(tmp_path: Path, clock: Clock) -> Iterator[Trail]:
    kept = Trail(tmp_path / "audit.jsonl", clock)
    yield kept
    kept.audit.close()


@pytest.fixture
def grants(
    records: Records, sealer: Sealer, upstreams: Upstreams, trail: Trail, clock: Clock
) -> Grants:
    return Grants(
        records,
        sealer,
        upstreams,
        trail.audit,
        lifetimes=Lifetimes(code=60, access_token=3600, grant=86_400),
        resource_url=RESOURCE_URL,
        now=clock,
    )


@pytest.fixture
async def known_clients(records: Records) -> Records:
    """The records with a public and two confidential clients in them."""
    for client in (
        OURS,
        client_of("post", auth_method="client_secret_post", secret_digest=digest("s3cret")),
        client_of("basic", auth_method="client_secret_basic", secret_digest=digest("s3&cret:+%é")),
    ):
        await records.clients.put(client.client_id, client, 3600)
    return records
