"""What the store costs: bytes for each client and grant, start, memory, and a token check.

Fills each backend, then opens it in a process of its own as a server would; `--write` puts the
table into docs/operations.md. Redis is a process of its own (redis-server must be installed). The
figures of time are those of one caller without others; memory is read from /proc (Linux).
"""

import asyncio
import os
import platform
import random
import shutil
import socket
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, cast

import click

from benchmarks import servers
from benchmarks.figures import Report, benchmark, table
from okta_mcp.oauth_proxy.grants import Grants, Lifetimes
from okta_mcp.oauth_proxy.tokens import ACCESS_TOKEN
from okta_mcp.stores.interface import Store
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.opening import opened_redis, opened_store, opened_upkeep
from okta_mcp.stores.records import AccessToken, Client, Grant, Records, RefreshToken, digest
from okta_mcp.stores.upkeep import Entry

Put = Callable[[Records, Iterable[int]], Awaitable[None]]

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
class Sizes:
    """Bytes for a client, a grant, a grant with its first tokens, and all grants with theirs."""

    client: float
    grant: float
    login: float
    all_logins: float


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one backend; times are seconds: the median and the 99th percentile."""

    backend: str
    sizes: Sizes
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
) -> Sizes:
    """Puts so many grants, and what belongs to them; `size` is asked in between."""
    clients = grants // CLIENTS_OF_GRANTS
    sizes = [await size()]
    for put, number in ((put_clients, clients), (put_grants, grants), (put_tokens, grants)):
        await written(put, range(number))
        sizes.append(await size())
    empty, with_clients, with_grants, full = sizes
    return Sizes(
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

    if await guard.by_access_token(f"{ACCESS_TOKEN}{'x' * 43}") is not None:
        raise click.ClickException("a token that nobody has is found")
    return await timed(check, times)


async def timed(step: Callable[[int], Awaitable[object]], times: int) -> tuple[float, float]:
    taken = []
    for number in range(times):
        began_at = time.perf_counter()
        await step(number)
        taken.append(time.perf_counter() - began_at)
    taken.sort()
    return statistics.median(taken), taken[int(times * 0.99)]


async def in_memory(grants: int, times: int) -> Costs:
    began_at = time.perf_counter()
    store = MemoryStore(time.time)
    start_seconds = time.perf_counter() - began_at
    records = Records(store)

    async def written(put: Put, numbers: range) -> None:
        await put(records, numbers)

    async def size() -> float:
        return servers.resident_bytes(os.getpid())

    sizes = await filled(grants, written, size)
    check = await checks(store, grants, times)
    busy = await checks(store, AT_WORK, times)
    return Costs("memory", sizes, start_seconds, await size(), check, busy)


async def fill(url: str, grants: int) -> Sizes:
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


async def kept(backend: str, url: str, sizes: Sizes, grants: int, times: int) -> Costs:
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
    resident = servers.resident_bytes(os.getpid())
    await store.close()
    return Costs(backend, sizes, start_seconds, resident, check, busy, round_trip)


@contextmanager
def running_redis(directory: str) -> Iterator[str]:
    """The URL of a Redis on a free loopback port that keeps nothing on the disk."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise click.ClickException("redis-server is not installed; run: apt-get install redis")
    port = servers.free_port()
    where = ("--port", str(port), "--bind", "127.0.0.1", "--dir", directory)
    with servers.running(program, *where, "--save", "") as process:
        servers.wait_until(process, lambda: socket.create_connection(("127.0.0.1", port)).close())
        yield f"redis://127.0.0.1:{port}/0"


def _run(measure: Callable[..., Coroutine[Any, Any, Any]], *arguments: object) -> Any:
    return asyncio.run(measure(*arguments))


def _alone(measure: Callable[..., Coroutine[Any, Any, Any]], *arguments: object) -> Any:
    """In a process of its own, which has nothing of an earlier measurement in its memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_run, measure, *arguments).result()


def _measured(grants: int, times: int) -> list[Costs]:
    costs = [_alone(in_memory, grants, times)]
    with tempfile.TemporaryDirectory() as directory, running_redis(directory) as redis:
        urls = {"SQLite": f"sqlite:///{directory}/store/store.db", "Redis": redis}
        for backend, url in urls.items():
            sizes = _alone(fill, url, grants)
            costs.append(_alone(kept, backend, url, sizes, grants, times))
    return costs


def _microseconds(median_and_p99: tuple[float, float]) -> str:
    median, p99 = (each * 1e6 for each in median_and_p99)
    return f"{median:.1f} µs, {p99:.1f} µs"


@benchmark("stores", page="operations.md")
def main(short: bool) -> Report:
    """Measure what the store costs on each backend."""
    grants, times = (5_000, 2_000) if short else (100_000, 20_000)
    costs = _measured(grants, times)
    rows: tuple[tuple[str, Callable[[Costs], str]], ...] = (
        ("bytes for a registered client", lambda each: f"{each.sizes.client:,.0f}"),
        ("bytes for a grant", lambda each: f"{each.sizes.grant:,.0f}"),
        ("bytes for a grant with its first tokens", lambda each: f"{each.sizes.login:,.0f}"),
        (
            f"{grants:,} grants with their tokens",
            lambda each: f"{each.sizes.all_logins / MEGABYTE:,.0f} MB",
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
    shown = [f"| {what} | {' | '.join(show(each) for each in costs)} |" for what, show in rows]
    return Report(
        [],
        [
            table(f"| {' | '.join(each.backend for each in costs)}", shown),
            f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
            f" {platform.system()} on {platform.machine()}, {os.cpu_count()} processors.",
        ],
    )


if __name__ == "__main__":
    main()
