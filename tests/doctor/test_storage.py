"""Store and audit trail: what a server left behind, and what it could not work with."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from okta_mcp.audit.writer import Audit
from okta_mcp.stores.interface import Kind
from okta_mcp.stores.opening import opened_store
from tests.doctor.conftest import Examine, Found
from tests.vocabulary.redis_server import RedisServer, running_redis

FAR_LAYOUT = 99


async def made(url: str) -> None:
    """A store that a server has used."""
    store = opened_store(url, "okta-mcp", time.time)
    await store.put(Kind("grants", 10), "one", b"{}", ttl_seconds=600)
    await store.close()


async def entries(url: str) -> list[str]:
    store = opened_store(url, "okta-mcp", time.time)
    found = []
    for kind in ("grants", "doctor"):
        found += [key async for key, _ in store.scan(Kind(kind, 10))]
    await store.close()
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def foreign_file(file: Path) -> Path:
    file.write_text("not a database, and long enough to be looked at as one" * 40)
    file.chmod(0o600)
    return file


async def of_store(examine: Examine, url: str) -> Found:
    return await examine("store", STORE_URL=url)


async def test_a_file_that_is_no_store_is_refused(examine: Examine, foreign_file: Path) -> None:
    assert (await of_store(examine, f"sqlite:///{foreign_file}")).status("store") == "failed"


async def test_a_store_of_a_later_version_is_refused(examine: Examine, file: Path) -> None:
    await made(f"sqlite:///{file}")
    with sqlite3.connect(file) as database:
        database.execute(f"PRAGMA user_version = {FAR_LAYOUT}")
    database.close()
    found = await of_store(examine, f"sqlite:///{file}")
    assert found.status("store") == "failed"
    assert str(FAR_LAYOUT) in found.text


async def test_a_counter_that_is_wrong_is_told(examine: Examine, file: Path) -> None:
    await made(f"sqlite:///{file}")
    with sqlite3.connect(file) as database:
        database.execute("UPDATE counts SET entries = 7 WHERE kind = 'grants'")
    database.close()
    found = await of_store(examine, f"sqlite:///{file}")
    assert found.status("store") == "failed"
    assert "the counter says 7" in found.text


async def test_a_store_that_is_used_is_left_as_it_is(examine: Examine, file: Path) -> None:
    url = f"sqlite:///{file}"
    await made(url)
    assert (await of_store(examine, url)).status("store") == "ok"
    assert await entries(url) == ["one"]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path) as running:
        yield running


async def test_a_redis_is_written_and_read(examine: Examine, redis: RedisServer) -> None:
    await made(redis.url)
    assert (await of_store(examine, redis.url)).status("store") == "ok"
    assert await entries(redis.url) == ["one"]


async def test_a_redis_that_is_gone_is_told(examine: Examine, redis: RedisServer) -> None:
    redis.stop()
    assert (await of_store(examine, redis.url)).status("store") == "failed"


async def test_a_trail_goes_on_and_gets_no_line(examine: Examine, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    trail = Audit(str(path), time.time)
    trail.write("store.available")
    trail.close()
    before = path.read_text()
    assert (await examine("audit", AUDIT_LOG=str(path))).status("audit") == "ok"
    assert path.read_text() == before
    path.chmod(0o644)
    found = await examine("audit", AUDIT_LOG=str(path))
    assert found.status("audit") == "warning"
    assert f"chmod 600 {path}" in found.text


async def test_a_file_that_is_no_trail_is_refused(examine: Examine, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text("a line of another program\n")
    found = await examine("audit", AUDIT_LOG=str(path))
    assert found.status("audit") == "failed"
    assert "move the file away" in found.text
