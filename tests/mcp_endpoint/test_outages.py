"""/mcp while a part of the server is away: a 503 with a time to come back, and no error page."""

from pathlib import Path

import httpx

from tests.vocabulary.in_process import local_server
from tests.vocabulary.processes import SandboxProcess
from tests.vocabulary.redis_server import running_redis


async def test_a_refusal_that_cannot_be_counted_is_an_outage_like_any_other(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> None:
    """R-23: the request is refused before it needs the store, and then only the count does."""
    url = f"http://localhost:{server_port}"
    with running_redis(tmp_path) as redis:
        environment = sandbox.settings_for_server() | {"STORE_URL": redis.url}
        async with local_server(tmp_path, url, environment) as local:
            assert redis.process is not None
            redis.process.kill()
            redis.process.wait()
            twice = [("authorization", "Bearer one"), ("authorization", "Bearer two")]
            async with httpx.AsyncClient(transport=httpx.ASGITransport(local.app)) as stranger:
                answer = await stranger.post(f"{url}/mcp", headers=twice, json={})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["error"]["message"].startswith("the server's store does not answer")
