"""A stop that nobody notices: told first, then refusing, then gone; calls that run are finished."""

import asyncio
import signal
from pathlib import Path

import httpx

from tests.vocabulary.browser import PLAIN
from tests.vocabulary.in_process import Place
from tests.vocabulary.oauth_client import connected
from tests.vocabulary.processes import free_port, running_sandbox, running_server


async def test_a_stopping_server_is_left_alone_then_refuses_and_finishes_what_runs(
    tmp_path: Path,
) -> None:
    port = free_port()
    url = f"http://localhost:{port}"
    with (
        running_sandbox(url) as sandbox,
        running_server(tmp_path, port, sandbox.settings_for_server()) as server,
    ):
        place = Place(url, server.audit_file)
        client = await place.client()
        await connected(place.browser(), client, "Hana Novak")
        assert (await client.rpc("tools/list")).status_code == 200
        ready = f"{url}/health/ready"
        async with httpx.AsyncClient(timeout=60, verify=PLAIN) as http:
            assert (await http.get(ready)).status_code == 200
            sandbox.control("faults", {"match": "GET /api/v1/groups", "kind": "slow", "seconds": 5})
            call = asyncio.create_task(client.call("list_okta_groups"))
            async with asyncio.timeout(30):
                while not any("/api/v1/groups" in str(asked) for asked in sandbox.requests()):
                    # The call has its turn while this waits for an answer.
                    await http.get(f"{url}/health")
            server.process.send_signal(signal.SIGTERM)
            said = []
            async with asyncio.timeout(30):
                while (answer := await http.get(ready)).status_code == 200:
                    pass
                assert answer.json() == {"status": "not ready", "reason": "stopping"}
                # Still served, so that whoever asks for readiness has time to hear of it.
                while (served := await http.get(f"{url}/")).status_code == 200:
                    said.append(served.headers["connection"])
            assert said
            assert set(said) == {"close"}
            assert served.status_code == 503
            assert int(served.headers["retry-after"]) > 0
            assert served.headers["connection"] == "close"
            refused = await client.rpc("tools/list")
            assert (refused.status_code, "result" in refused.json()) == (503, False)
            assert int(refused.headers["retry-after"]) > 0
            assert not call.done()
            assert "result" in await call
        await place.close()
        await asyncio.to_thread(server.process.wait, 10)
        assert server.events("server.stopped")


def test_a_server_that_nobody_watches_stops_without_waiting(tmp_path: Path) -> None:
    environment = {
        "OKTA_ORG_URL": "http://127.0.0.1:9",
        "OKTA_CLIENT_ID": "0oa1",
        "OKTA_CLIENT_SECRET": "a-client-secret",
        "OKTA_API_TOKEN": "an-api-token",
        "GROUP_TO_ROLE_VIEWER": "staff",
    }
    with running_server(tmp_path, free_port(), environment) as server:
        server.process.terminate()
        server.process.wait(timeout=10)
        assert server.events("server.stopped")
