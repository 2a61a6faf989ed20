"""Records go through the store unchanged, and no secret stands in it."""

import pytest
from msgspec.structs import replace

from okta_mcp.stores.interface import Kind
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import CheckedRequest, Client, Code, Leg, Records, digest
from tests.vocabulary.clock import Clock

CLIENT = Client(
    client_id="omcp_client_1",
    name="Ünïcode \N{GRINNING FACE}\u202e",
    redirect_uris=("http://127.0.0.1/cb", "vscode://x/y"),
    grant_types=("authorization_code",),
    auth_method="none",
    secret_digest=None,
    scope=None,
    created_at=1.5,
)
REQUEST = CheckedRequest("id", "omcp_client_1", "vscode://x/y", ("a", "b"), "c" * 43, state="s\n")
LEG = Leg(REQUEST, "nonce", "sealed", "digest")
CODE = Code("00u1/grant", "omcp_client_1", "vscode://x/y", "c" * 43, None)


@pytest.fixture
def records() -> Records:
    return Records(MemoryStore(Clock()))


async def test_a_record_comes_back_equal(records: Records) -> None:
    await records.clients.put("k", CLIENT, 60)
    await records.legs.put("k", LEG, 60)
    await records.legs.put("own", replace(LEG, request=None), 60)
    assert await records.clients.get("k") == CLIENT
    assert await records.legs.take("k") == LEG
    assert await records.legs.get("own") == replace(LEG, request=None)


async def test_swap_of_records_compares_the_whole_record(records: Records) -> None:
    await records.clients.put("k", CLIENT, 60)
    known = replace(CLIENT, authorized=True)
    assert not await records.clients.swap("k", replace(CLIENT, name="other"), known, 60)
    assert await records.clients.swap("k", CLIENT, known, 60)
    assert not await records.clients.swap("k", CLIENT, known, 60)
    assert await records.clients.get("k") == known


async def test_a_code_is_marked_used_once(records: Records) -> None:
    """K-02."""
    await records.codes.put("k", CODE, 60)
    assert await records.mark_used("k", CODE, 3600)
    assert not await records.mark_used("k", CODE, 3600)
    kept = await records.codes.get("k")
    assert kept is not None
    assert kept.used


def test_every_kind_has_a_name_of_its_own_and_a_bound(records: Records) -> None:
    """L-10: everything that can be written is bounded."""
    kinds = [
        value._kind
        for name, value in vars(records).items()
        if name != "store" and isinstance(value._kind, Kind)
    ]
    assert len({kind.name for kind in kinds}) == len(kinds) == len(vars(records)) - 1
    assert all(0 < kind.bound <= 1_000_000 for kind in kinds)


def test_a_digest_is_sha_256_in_hex() -> None:
    assert digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
