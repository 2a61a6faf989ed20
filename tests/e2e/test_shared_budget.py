"""Three servers with one API token and one Redis keep Okta's limits together, over real sockets.

One server alone never makes Okta answer 429 where nobody else uses its token: it counts before it
sends, lets one call go first until an answer has told the limit, and waits for a window's end as
Okta tells it. Three that keep one count must do as well, so the bound is none at all. Before that
first answer each of the three may have two calls under way (one of the server's own, one of
people's), six in all, which is less than the smallest bucket has.
"""

import asyncio
from collections import Counter
from pathlib import Path

from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import SandboxProcess, free_port, running_sandbox
from tests.vocabulary.redis_server import RedisServer
from tests.vocabulary.replicas import Replicas, running_replicas
from tests.vocabulary.size import how_many

PEOPLE = ("Hana Novak", "Sami Korhonen", "Nora Lind")
# The tool, what it asks of Okta, and how often a minute that may be asked with one token.
BUCKETS = [
    ("list_okta_groups", "/api/v1/groups", 50),
    ("list_okta_applications", "/api/v1/apps", 10),
]
WINDOW_SECONDS = 60
# What is left of the first window when everybody begins, and how long they go on.
LEFT_SECONDS = 5
SECONDS = how_many(person=10, full=60)


def asked(okta: SandboxProcess) -> dict[str, Counter[int]]:
    """How often the organisation was asked, by path and status."""
    paths = {path: Counter[int]() for _, path, _ in BUCKETS}
    for entry in okta.requests():
        if entry["path"] in paths and "status" in entry:
            paths[entry["path"]][entry["status"]] += 1
    return paths


async def hammer(client: OAuthClient, tool: str) -> None:
    """Calls without a pause, whatever the answer."""
    while True:
        await client.call(tool)


async def test_three_servers_cause_no_429_at_okta(redis: RedisServer, tmp_path: Path) -> None:
    url = f"http://localhost:{free_port()}"
    rates = dict.fromkeys(("RATE_TOOL_CALLS", "RATE_TOOL_CALLS_PER_TOOL"), "100000/minute")
    with running_sandbox(url) as okta:
        okta.control("settings", {"rate_profile": "integrator"})
        environment = okta.settings_for_server() | rates
        environment |= {"STORE_URL": redis.url, "STORE_PREFIX": "budget"}
        with running_replicas(tmp_path, url, 3, environment) as servers:
            replicas = Replicas(url, servers)
            everybody = []
            for number in range(3):
                for name in PEOPLE:
                    client = await replicas.client(number)
                    await connected(replicas.browser(number), client, name)
                    everybody.append(client)
            # One answer begins each window, and the next tells that it is nearly over: the change
            # of windows is the moment at which most can go wrong.
            okta.control("clock", {"advance_seconds": WINDOW_SECONDS})
            for tool, _, _ in BUCKETS:
                await everybody[0].call(tool)
            okta.control("clock", {"advance_seconds": WINDOW_SECONDS - LEFT_SECONDS})
            # Slow answers: more is under way at once, also when the window changes.
            for _, path, _ in BUCKETS:
                fault = {"match": f"GET {path}", "kind": "slow", "seconds": 0.2, "times": 9999}
                okta.control("faults", fault)
            tasks = [
                asyncio.create_task(hammer(client, tool))
                for client in everybody
                for tool, _, _ in BUCKETS
            ]
            done, _ = await asyncio.wait(tasks, timeout=SECONDS, return_when="FIRST_EXCEPTION")
            assert not [await task for task in done]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            found = asked(okta)
            await replicas.close()
            given = [
                Counter(
                    event["subject"]
                    for event in server.events("tool.called")
                    if event["outcome"] == "success"
                )
                for server in servers
            ]
    for tool, path, limit in BUCKETS:
        assert found[path][429] == 0, found
        # More than one window's places were used: the servers wait for the end and not for ever.
        assert found[path][200] > limit, found
        assert all(counts[tool] > 0 for counts in given), given
