"""Ways to a Redis: with a password, with TLS, behind Sentinel; and what is no way to one."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from okta_mcp.stores.interface import Kind, Store, StoreUnavailableError
from okta_mcp.stores.opening import opened_store
from tests.oauth_proxy.document_host import Authority
from tests.vocabulary.clock import Clock
from tests.vocabulary.processes import free_port
from tests.vocabulary.redis_server import PROGRAM, RedisServer, running_redis

THINGS = Kind("things", 10)
MASTER, PASSWORD = "northwind", "a pass@word"
MOST_SECONDS = 60.0


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:a-port/0",
        "redis://127.0.0.1:99999/0",
        "redis://127.0.0.1/0?sentinel",
        "redis://127.0.0.1/a-name?sentinel=northwind",
        "redis://127.0.0.1:a-port/0?sentinel=northwind",
        # What would change how the store asks, or whom it believes.
        "redis://127.0.0.1/0?decode_responses=true",
        "redis://127.0.0.1/0?socket_timeout=60",
        "redis://127.0.0.1/0?nonsense=1",
        "rediss://127.0.0.1/0?ssl_cert_reqs=none",
        "rediss://127.0.0.1/0?ssl_check_hostname=false&sentinel=northwind",
        # Nobody who says whom to trust wants no TLS.
        "redis://127.0.0.1/0?ssl_ca_certs=/etc/ssl/own.pem",
    ],
)
def test_what_is_no_url_of_redis_is_refused_with_an_example(url: str, clock: Clock) -> None:
    with pytest.raises(StoreUnavailableError, match="Example: STORE_URL=redis://") as caught:
        opened_store(url.replace("://", "://ann:a-password@"), "here", clock)
    assert "a-password" not in str(caught.value)


@pytest.fixture
async def opened(clock: Clock) -> AsyncIterator[Callable[[str], Store]]:
    """Opens the store of a URL; at the end it is closed."""
    async with contextlib.AsyncExitStack() as stack:

        def open_store(url: str) -> Store:
            store = opened_store(url, "here", clock)
            stack.push_async_callback(store.close)
            return store

        yield open_store


async def keep(store: Store, value: bytes) -> None:
    await store.put(THINGS, "k", value, ttl_seconds=60)
    assert await store.get(THINGS, "k") == value


async def test_a_redis_with_a_password_lets_nobody_in_without_it(
    tmp_path: Path, opened: Callable[[str], Store]
) -> None:
    with running_redis(tmp_path, "--requirepass", PASSWORD) as server:
        with pytest.raises(StoreUnavailableError, match="asks for a password"):
            await opened(server.url).get(THINGS, "k")
        await keep(opened(server.url.replace("://", "://:a%20pass%40word@")), b"one")


def options_for_tls(folder: Path) -> list[str]:
    """Of a Redis of the name localhost; who has signed its certificate is in `signer.pem`."""
    authority = Authority(folder)
    authority.serving("localhost")
    [signer] = authority.trusting().get_ca_certs(binary_form=True)
    (folder / "signer.pem").write_text(ssl.DER_cert_to_PEM_cert(signer))
    own, signer_file = str(folder / "localhost.pem"), str(folder / "signer.pem")
    return [
        *("--tls-cert-file", own, "--tls-key-file", own, "--tls-ca-cert-file", signer_file),
        *("--tls-auth-clients", "no", "--tls-replication", "yes"),
    ]


async def test_with_tls_nobody_is_asked_whom_we_do_not_trust_under_that_name(
    tmp_path: Path, opened: Callable[[str], Store]
) -> None:
    with running_redis(tmp_path, *options_for_tls(tmp_path), speaks_tls=True) as server:
        url, trust = f"rediss://localhost:{server.port}/0", f"?ssl_ca_certs={tmp_path}/signer.pem"
        for refused in (url, url.replace("localhost", "127.0.0.1") + trust):
            with pytest.raises(StoreUnavailableError, match="does not answer"):
                await opened(refused).get(THINGS, "k")
        await keep(opened(url + trust), b"one")


@contextlib.contextmanager
def running_sentinel(folder: Path, master: int, *options: str, speaks_tls: bool) -> Iterator[int]:
    """The port of one Sentinel that watches the master on that port."""
    assert PROGRAM is not None
    port = free_port()
    file = folder / "sentinel.conf"
    file.write_text(
        f"port {0 if speaks_tls else port}\n"
        f"tls-port {port if speaks_tls else 0}\n"
        "bind 127.0.0.1\n"
        f"dir {folder}\n"
        f"logfile {folder}/sentinel.log\n"
        "sentinel resolve-hostnames yes\n"
        "sentinel announce-hostnames yes\n"
        f"sentinel monitor {MASTER} localhost {master} 1\n"
        f'sentinel auth-pass {MASTER} "{PASSWORD}"\n'
    )
    with subprocess.Popen([PROGRAM, str(file), "--sentinel", *options]) as process:
        try:
            yield port
        finally:
            process.terminate()


async def becomes_true(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Waits for what others do when they come to it."""
    until = time.monotonic() + MOST_SECONDS
    while not await is_so():
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
async def test_behind_sentinel_the_store_goes_on_where_another_machine_becomes_the_master(
    tmp_path: Path, opened: Callable[[str], Store], scheme: str
) -> None:
    speaks_tls = scheme == "rediss"
    tls = options_for_tls(tmp_path) if speaks_tls else []
    machines: list[RedisServer] = []
    with contextlib.ExitStack() as stack:
        for name in ("first", "second"):
            options = [*tls, "--requirepass", PASSWORD, "--masterauth", PASSWORD]
            options += ["--replica-announce-ip", "localhost"]
            if machines:
                options += ["--replicaof", "localhost", str(machines[0].port)]
            (tmp_path / name).mkdir()
            running = running_redis(tmp_path / name, *options, speaks_tls=speaks_tls)
            machines.append(stack.enter_context(running))
        first, second = machines
        sentinel = running_sentinel(tmp_path, first.port, *tls, speaks_tls=speaks_tls)
        port = stack.enter_context(sentinel)
        # The first Sentinel of the list takes connections and never answers.
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        sentinels = f"localhost:{silent.getsockname()[1]},localhost:{port}"
        url = f"{scheme}://:a%20pass%40word@{sentinels}/0?sentinel={MASTER}"
        trust = f"ssl_ca_certs={tmp_path}/signer.pem"
        store = opened(f"{url}&{trust}" if speaks_tls else url)
        direct = f"{scheme}://localhost:{{}}/0?{trust if speaks_tls else ''}"

        async def works() -> bool:
            with contextlib.suppress(StoreUnavailableError):
                await keep(store, b"one")
                return True
            return False

        await becomes_true(works)
        async with (
            Redis.from_url(direct.format(port)) as watch,
            Redis.from_url(direct.format(second.port), password=PASSWORD) as next_master,
        ):

            async def has_failed_over() -> bool:
                with contextlib.suppress(RedisError):
                    if (await next_master.info("replication"))["role"] == "master":
                        return True
                    # Refused until Sentinel has found the replica, and while it is at work.
                    await watch.execute_command("SENTINEL", "FAILOVER", MASTER)
                return False

            await becomes_true(has_failed_over)
            first.stop()
            await becomes_true(works)
            assert await next_master.exists("{here}:things:k")
