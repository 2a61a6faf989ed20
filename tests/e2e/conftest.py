"""The server of these tests, twice: one process with the store in memory, and three behind nginx.

Every test that uses `server` or `client` runs with both, first all of them with the one. What is
about one process only uses `single_server`, or starts a server of its own.
"""

from collections.abc import Iterator

import httpx
import pytest

from tests.vocabulary.redis_server import RedisServer, running_redis
from tests.vocabulary.replicas import Server, ServerGroup, running_nginx, running_replicas


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="session")
def three(
    redis: RedisServer,
    server_environment: dict[str, str],
    group_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerGroup]:
    """Three servers with one Redis and one public URL, at which nobody listens yet."""
    environment = server_environment | {"STORE_URL": redis.url, "TRUSTED_PROXIES": "127.0.0.1"}
    url, folder = f"http://localhost:{group_port}", tmp_path_factory.mktemp("three")
    with running_replicas(folder, url, 3, environment) as servers:
        yield ServerGroup(url, servers)


@pytest.fixture(scope="session")
def three_behind_nginx(
    three: ServerGroup, group_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerGroup]:
    ports = [httpx.URL(server.url).port or 0 for server in three.servers]
    with running_nginx(tmp_path_factory.mktemp("nginx") / "nginx", group_port, ports):
        yield three


@pytest.fixture(scope="session", params=["single_server", "three_behind_nginx"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found
