"""What the store costs: bytes for each client and grant, start, memory, and a token check.

Fills each backend, then opens it in a process of its own as a server would; `--write` puts the
table into docs/operations.md. Redis is a process of its own (redis-server must be installed). The
figures of time are those of one caller without others; memory is read from /proc (Linux).
"""

import asyncio
import os
import platform
import random
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast

import click

from okta_mcp.oauth_proxy.grants import Grants, Lifetimes
from okta_mcp.oauth_proxy.tokens import ACCESS_TOKEN
from okta_mcp.stores.interface import Store
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.opening import opened_redis, opened_store, opened_upkeep
from okta_mcp.stores.records import AccessToken, Client, Grant, Records, RefreshToken, digest
from okta_mcp.stores.upkeep import Entry

Put = Callable[[Records, Iterable[int]], Awaitable[None]]

PAGE = Path(__file__).parents[1] / "docs" / "operations.md"
PREFIX = "benchmark"
RESOURCE = "https://mcp.acme.example/mcp"
SCOPES = ("okta.users.read", "okta.groups.read", "okta.logs.read", "offline_access")
DAY = 86_400.0
MEGABYTE = 1024 * 1024
# A kind is bounded at 10,000 clients and 100,000 grants.
CLIENTS_OF_GRANTS = 10
# Tokens whose owners are at work at the same moment.
AT_WORK = 1_000
ENTRIES_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one backend; bytes are each one's, times are seconds."""

    backend: str
    client_bytes: float
    grant_bytes: float
    login_bytes: float
    grants_bytes: float
    start_seconds: float
    resident_bytes: float
    check: tuple[float, float]
    busy_check: tuple[float, float]
    round_trip: tuple[float, float] | None = None


def token_of(number: int) -> str:
    return f"{ACCESS_TOKEN}{number:043}"


def client_record(number: int, now: float) -> tuple[str, Client]:
    id_ = f"client{number:026}"
    uris = ("http://127.0.0.1:33418/callback", "http://localhost:33418/callback")
    grant_types = ("authorization_code", "refresh_token")
    return id_, Client(id_, "Claude Code", uris, grant_types, "none", None, " ".join(SCOPES), now)


def grant_record(number: int, now: float) -> Grant:
    user_id = f"00u{number:017}"
    return Grant(
        key=f"{user_id}/{number:022}",
        user_id=user_id,
        login=f"person{number:06}@acme.example",
        name=f"Person {number:06}",
        client_id=client_record(number // CLIENTS_OF_GRANTS, now)[0],
        client_name="Claude Code",
        redirect_uri="http://127.0.0.1:33418/callback",
        scopes=SCOPES,
        resource=RESOURCE,
        role="admin",
        created_at=now,
        expires_at=now + DAY,
        redeemed=True,
        # So that no check notes the use, which is one write a minute.
        last_used_at=now + DAY,
    )


async def put_clients(records: Records, numbers: Iterable[int]) -> None:
    for number in numbers:
        await records.clients.put(*client_record(number, time.time()), DAY)


async def put_grants(records: Records, numbers: Iterable[int]) -> None:
    for number in numbers:
        grant = grant_record(number, time.time())
        await records.grants.put(grant.key, grant, DAY)


async def put_tokens(records: Records, numbers: Iterable[int]) -> None:
    for number in numbers:
        now = time.time()
        key = grant_record(number, now).key
        token, digested = AccessToken(key, SCOPES, 0, now + DAY), digest(token_of(number))
        await records.access_tokens.put(digested, token, DAY)
        await records.refresh_tokens.put(digest(digested), RefreshToken(key, 0), DAY)


async def filled(
    grants: int,
    written: Callable[[Put, range], Awaitable[None]],
    size: Callable[[], Awaitable[float]],
) -> tuple[float, float, float, float]:
    """Bytes for a client, a grant, a grant with its first tokens, and all grants with theirs."""
    clients = grants // CLIENTS_OF_GRANTS
    sizes = [await size()]
    for put, number in ((put_clients, clients), (put_grants, grants), (put_tokens, grants)):
        await written(put, range(number))
        sizes.append(await size())
    empty, with_clients, with_grants, full = sizes
    return (
        (with_clients - empty) / clients,
        (with_grants - with_clients) / grants,
        (full - with_clients) / grants,
        full - with_clients,
    )


async def checks(store: Store, of: int, times: int) -> tuple[float, float]:
    """Median and 99th percentile of the check of an access token, any of so many."""
    nothing = cast(Any, None)
    guard = Grants(
        *(Records(store), nothing, nothing, nothing),
        lifetimes=Lifetimes(60, 3600, 86_400),
        resource_url=RESOURCE,
        now=time.time,
    )
    tokens = [token_of(random.randrange(of)) for _ in range(times)]  # noqa: S311

    async def check(number: int) -> None:
        if await guard.by_access_token(tokens[number]) is None:
            raise click.ClickException("a token that was put is not found")

    return await timed(check, times)


async def timed(step: Callable[[int], Awaitable[object]], times: int) -> tuple[float, float]:
    taken = []
    for number in range(times):
        began_at = time.perf_counter()
        await step(number)
        taken.append(time.perf_counter() - began_at)
    taken.sort()
    return statistics.median(taken), taken[int(times * 0.99)]


def resident_bytes() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def in_memory(grants: int, times: int) -> Figures:
    began_at = time.perf_counter()
    store = MemoryStore(time.time)
    start_seconds = time.perf_counter() - began_at
    records = Records(store)

    async def written(put: Put, numbers: range) -> None:
        await put(records, numbers)

    async def size() -> float:
        return resident_bytes()

    sizes = await filled(grants, written, size)
    check = await checks(store, grants, times)
    busy = await checks(store, AT_WORK, times)
    return Figures("memory", *sizes, start_seconds, resident_bytes(), check, busy)


async def fill(url: str, grants: int) -> tuple[float, float, float, float]:
    """Fills by whole batches: one by one, each safe on the disk, would take many minutes."""
    first = opened_store(url, PREFIX, time.time)
    await first.close()
    upkeep = opened_upkeep(url, PREFIX, time.time)

    async def written(put: Put, numbers: range) -> None:
        for start in range(0, len(numbers), ENTRIES_AT_ONCE):
            batch = Records(MemoryStore(time.time))
            await put(batch, numbers[start : start + ENTRIES_AT_ONCE])
            end = time.time() + DAY
            for each in batch.repositories.values():
                name = each.kind.name
                entries = [
                    Entry(name, key, value, end) async for key, value in batch.store.scan(each.kind)
                ]
                await upkeep.load(entries, replace=False)

    async def size() -> float:
        redis = opened_redis(url)
        if redis is not None:
            async with redis:
                return float((await redis.info("memory"))["used_memory"])
        database = sqlite3.connect(url.removeprefix("sqlite:///"))
        ask = (database.execute(f"PRAGMA {name}") for name in ("page_count", "page_size"))
        pages, page_bytes = (each.fetchone()[0] for each in ask)
        database.close()
        return float(pages * page_bytes)

    try:
        return await filled(grants, written, size)
    finally:
        await upkeep.close()


async def kept(
    backend: str, url: str, sizes: tuple[float, float, float, float], grants: int, times: int
) -> Figures:
    """What a server sees that opens the full store."""
    began_at = time.perf_counter()
    store = opened_store(url, PREFIX, time.time)
    await Records(store).grants.get("nobody")
    start_seconds = time.perf_counter() - began_at
    round_trip = None
    redis = opened_redis(url)
    if redis is not None:
        async with redis:
            await timed(lambda _: redis.get("benchmark"), times // 10)
            round_trip = await timed(lambda _: redis.get("benchmark"), times)
    check = await checks(store, grants, times)
    busy = await checks(store, AT_WORK, times)
    resident = resident_bytes()
    await store.close()
    return Figures(backend, *sizes, start_seconds, resident, check, busy, round_trip)


@contextmanager
def running_redis(directory: str) -> Iterator[str]:
    """The URL of a Redis on a free loopback port that keeps nothing on the disk."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise click.ClickException("redis-server is not installed; run: apt-get install redis")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = ("--port", str(port), "--bind", "127.0.0.1", "--dir", directory)
    process = subprocess.Popen([program, *where, "--save", "", "--logfile", "redis.log"])  # noqa: S603
    try:
        for _ in range(1000):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


def _run(measure: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
    async def main() -> Any:
        return await measure(*arguments)

    return asyncio.run(main())


def _alone(measure: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
    """In a process of its own, which has nothing of an earlier measurement in its memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_run, measure, *arguments).result()


def _measured(grants: int, times: int) -> list[Figures]:
    figures = [_alone(in_memory, grants, times)]
    with tempfile.TemporaryDirectory() as directory, running_redis(directory) as redis:
        urls = {"SQLite": f"sqlite:///{directory}/store/store.db", "Redis": redis}
        for backend, url in urls.items():
            sizes = _alone(fill, url, grants)
            figures.append(_alone(kept, backend, url, sizes, grants, times))
    return figures


def _microseconds(median_and_p99: tuple[float, float]) -> str:
    median, p99 = (each * 1e6 for each in median_and_p99)
    return f"{median:.1f} µs, {p99:.1f} µs"


def _table(figures: list[Figures], grants: int) -> list[str]:
    rows: tuple[tuple[str, Callable[[Figures], str]], ...] = (
        ("bytes for a registered client", lambda each: f"{each.client_bytes:,.0f}"),
        ("bytes for a grant", lambda each: f"{each.grant_bytes:,.0f}"),
        ("bytes for a grant with its first tokens", lambda each: f"{each.login_bytes:,.0f}"),
        (
            f"{grants:,} grants with their tokens",
            lambda each: f"{each.grants_bytes / MEGABYTE:,.0f} MB",
        ),
        ("opening the full store", lambda each: f"{each.start_seconds * 1000:.1f} ms"),
        ("memory of the process", lambda each: f"{each.resident_bytes / MEGABYTE:,.0f} MB"),
        (
            f"check of an access token, one of {AT_WORK:,} at work: median, p99",
            lambda each: _microseconds(each.busy_check),
        ),
        (
            "check of an access token, any of all: median, p99",
            lambda each: _microseconds(each.check),
        ),
        (
            "one bare question to Redis: median, p99",
            lambda each: _microseconds(each.round_trip) if each.round_trip else "",
        ),
    )
    return [
        f"| | {' | '.join(each.backend for each in figures)} |",
        f"|---|{'---|' * len(figures)}",
        *(f"| {what} | {' | '.join(show(each) for each in figures)} |" for what, show in rows),
        "",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
        f" {platform.system()} on {platform.machine()}, {os.cpu_count()} processors.",
    ]


@click.command()
@click.option("--short", is_flag=True, help="5,000 grants instead of 100,000.")
@click.option("--write", is_flag=True, help="Put the table into docs/operations.md.")
def main(short: bool, write: bool) -> None:
    """Measure what the store costs on each backend."""
    grants, times = (5_000, 2_000) if short else (100_000, 20_000)
    table = "\n".join(_table(_measured(grants, times), grants))
    click.echo(table)
    if write:
        page = PAGE.read_text(encoding="utf-8")
        between = re.compile("(?<=<!-- figures -->\n).*(?=\n<!-- end of figures -->)", re.DOTALL)
        PAGE.write_text(between.sub(lambda _: table, page, count=1), encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.stores")
