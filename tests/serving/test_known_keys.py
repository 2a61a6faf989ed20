"""Okta's keys between processes: one asks, and nobody who writes to the store is believed."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from okta_mcp.okta.authorization_server import LoginUnavailableError
from okta_mcp.okta.keys import SigningKeys, UntrustedTokenError
from okta_mcp.serving.known_keys import StoredKeys
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import KnownKeys, Records
from okta_mcp.stores.sealing import Sealer
from tests.okta.issuer import jwks
from tests.vocabulary.clock import Clock

ISSUER, OTHER = "https://northwind.okta.com", "https://evil.example"
SECRET = b"a secret of at least thirty-two bytes"
HOUR = 3600


@dataclass
class Setting:
    """Processes with one store, and what the issuer publishes."""

    clock: Clock = field(default_factory=Clock)
    document: dict[str, Any] = field(default_factory=lambda: jwks("one"))
    is_away: bool = False
    fetches: int = 0

    def __post_init__(self) -> None:
        self.records = Records(MemoryStore(self.clock))
        self.sealer = Sealer((SECRET,), "sealing")

    async def fetch(self) -> dict[str, Any]:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise LoginUnavailableError("okta_unreachable")
        return self.document

    def process(self, secret: bytes = SECRET) -> SigningKeys:
        """One more of them."""
        stored = StoredKeys(self.records, Sealer((secret,), "sealing"), self.clock)
        return SigningKeys(self.fetch, self.clock, stored.of(ISSUER))

    async def plant(self, sealed: str) -> None:
        """What somebody does who can write to the store."""
        await self.records.known_keys.put(ISSUER, KnownKeys(sealed), HOUR)

    def sealed(self, *, issuer: str = ISSUER, asked_at: float | None = None) -> str:
        """Keys of the attacker's, as this server would have sealed them."""
        kept = {"document": jwks("two"), "asked_at": asked_at or self.clock()}
        return self.sealer.seal(json.dumps(kept), f"keys of {issuer}")


@pytest.fixture
def setting() -> Setting:
    return Setting()


PLANTED: dict[str, Callable[[Setting], str]] = {
    "not sealed": lambda setting: json.dumps({"document": jwks("two"), "asked_at": 0.0}),
    "sealed with another secret": lambda setting: Sealer((b"x" * 32,), "sealing").seal(
        json.dumps({"document": jwks("two"), "asked_at": setting.clock()}), f"keys of {ISSUER}"
    ),
    "the keys of another issuer": lambda setting: setting.sealed(issuer=OTHER),
    "sealed for another use": lambda setting: setting.sealer.seal("{}", "id token"),
    "an old set brought back": lambda setting: setting.sealed(asked_at=setting.clock() - HOUR - 1),
    "a set of the future": lambda setting: setting.sealed(asked_at=setting.clock() + 61),
    "of another form": lambda setting: setting.sealer.seal("[]", f"keys of {ISSUER}"),
}


@pytest.mark.parametrize("planted", PLANTED)
async def test_what_is_planted_in_the_store_is_not_believed(setting: Setting, planted: str) -> None:
    """U-04, S-03."""
    await setting.plant(PLANTED[planted](setting))
    keys = setting.process()
    with pytest.raises(UntrustedTokenError):
        await keys.key("two")
    assert (await keys.key("one")).key_id == "one"


async def test_the_planted_sets_would_be_believed_as_our_own(setting: Setting) -> None:
    """So that the cases above are about what they say."""
    await setting.plant(setting.sealed())
    assert (await setting.process().key("two")).key_id == "two"


async def test_one_process_asks_and_the_others_read(setting: Setting) -> None:
    everybody = [setting.process() for _ in range(5)]
    found = await asyncio.gather(*(each.key("one") for each in everybody))
    assert [key.key_id for key in found] == ["one"] * 5
    assert setting.fetches == 1


async def test_a_set_lives_an_hour_for_all_from_its_question(setting: Setting) -> None:
    await setting.process().ready()
    setting.clock.pass_seconds(HOUR - 60)
    late = setting.process()
    await late.ready()
    assert setting.fetches == 1
    setting.clock.pass_seconds(61)
    await late.ready()
    await setting.process().ready()
    assert setting.fetches == 2


async def test_a_rotation_is_picked_up_by_one_for_all(setting: Setting) -> None:
    """U-05."""
    first = setting.process()
    await first.ready()
    setting.clock.pass_seconds(60)
    setting.document = jwks("two")
    assert (await setting.process().key("two")).key_id == "two"
    assert (await first.key("two")).key_id == "two"
    assert setting.fetches == 2


async def test_made_up_key_ids_at_many_processes_are_one_fetch(setting: Setting) -> None:
    """U-05."""
    everybody = [setting.process() for _ in range(5)]
    for _ in range(4):
        for each in everybody:
            with pytest.raises(UntrustedTokenError):
                await each.key("made-up")
        setting.clock.pass_seconds(5)
    assert setting.fetches == 1


async def test_another_secret_means_another_question(setting: Setting) -> None:
    await setting.process().ready()
    await setting.process(b"another secret of at least 32 bytes").ready()
    assert setting.fetches == 2


async def test_a_failure_is_not_shared(setting: Setting) -> None:
    setting.is_away = True
    with pytest.raises(LoginUnavailableError):
        await setting.process().ready()
    setting.is_away = False
    await setting.process().ready()


async def test_a_full_store_keeps_nobody_from_the_keys(setting: Setting) -> None:
    known = setting.records.known_keys
    for number in range(known.kind.bound):
        await known.put(f"https://{number}.example", KnownKeys("sealed"), HOUR)
    assert (await setting.process().key("one")).key_id == "one"


async def test_a_set_that_is_too_large_is_not_kept(setting: Setting) -> None:
    setting.document = jwks("one") | {"more": "x" * 70_000}
    for _ in range(2):
        await setting.process().ready()
    assert setting.fetches == 2
