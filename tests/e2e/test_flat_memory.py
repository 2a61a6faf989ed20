"""A server that is called and called keeps nothing of it: its memory stays where it was.

A person who has signed in calls a local tool and lists, in an old and in the newest revision, by
the shorter way and through FastMCP, over raw sockets that are opened anew again and again. How many
times is said by `tests.vocabulary.size`.
"""

import asyncio
import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks.load import Answer, Stream, exchanged, loaded, request
from okta_mcp.audit.writer import verified_lines
from tests.vocabulary.in_process import Place
from tests.vocabulary.oauth_client import connected
from tests.vocabulary.processes import (
    SandboxProcess,
    ServerProcess,
    free_port,
    running_sandbox,
    running_server,
)
from tests.vocabulary.revisions import REVISIONS, WHOLE_WAY, message
from tests.vocabulary.size import how_many

CALL = {"name": "parse_relative_time", "arguments": {"time_expression": "2026-01-01T00:00:00Z"}}
CALLS = how_many(person=10_000, full=1_000_000)
# What is made once: the first list of each kind, the threads, the buffers of the sockets.
WARM_UP_SHARE = 0.2
# Short, so that each quarter of the calls has several looks on a fast machine too.
SLICE_SECONDS = 0.05
MOST_GROWTH_MEGABYTES = 3.0
# Method, parameters, headers besides, connections, and the event that each answer leaves.
KINDS: tuple[tuple[str, Mapping[str, Any], Mapping[str, str], int, str], ...] = (
    ("tools/call", CALL, {}, 6, "tool.called"),
    ("tools/list", {}, {}, 1, "tools.listed"),
    ("tools/call", CALL, WHOLE_WAY, 1, "tool.called"),
)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def organisation(port: int) -> Iterator[SandboxProcess]:
    with running_sandbox(f"http://localhost:{port}") as sandbox:
        yield sandbox


@pytest.fixture
def called_server(
    organisation: SandboxProcess, port: int, tmp_path: Path
) -> Iterator[ServerProcess]:
    with running_server(tmp_path, port, organisation.settings_for_server()) as server:
        yield server


def _same(first: Answer) -> Callable[[Answer], bool]:
    result = json.loads(first.body)["result"]
    assert first.status == 200
    assert not result.get("isError", False)
    return lambda answer: answer.status == 200 and answer.body == first.body


def _requests(url: str, token: str) -> Iterator[tuple[bytes, int, str]]:
    for revision in (REVISIONS[1], REVISIONS[-1]):
        for method, params, more, connections, event in KINDS:
            body, headers = message(revision, method, dict(params))
            sent = headers | {"authorization": f"Bearer {token}"} | more
            host = urlsplit(url).netloc
            yield request("/mcp", host, sent, json.dumps(body).encode()), connections, event


async def test_the_memory_of_a_server_stays_flat_and_every_call_is_on_the_record(
    called_server: ServerProcess, port: int
) -> None:
    place = Place(called_server.url, called_server.audit_file)
    client = await place.client()
    await connected(place.browser(), client, "Nora Lind")
    await place.close()
    # The caller is one thread of this process; nothing else of it has anything to do meanwhile.
    await asyncio.to_thread(_call_and_look, called_server, port, client.tokens["access_token"])


def _call_and_look(server: ServerProcess, port: int, token: str) -> None:
    answered: Counter[str] = Counter()
    kinds = []
    for sent, connections, event in _requests(server.url, token):
        kinds.append((sent, connections, event, _same(exchanged(port, sent))))
        answered[event] += 1
    samples: list[tuple[int, float]] = []
    while answered["tool.called"] < CALLS:
        streams = [Stream(sent, is_right, number) for sent, number, _, is_right in kinds]
        loaded(port, streams, SLICE_SECONDS)
        for stream, (_, _, event, _) in zip(streams, kinds, strict=True):
            answered[event] += len(stream.seconds_taken)
        samples.append((answered["tool.called"], server.resident_megabytes))
    with server.audit_file.open(encoding="utf-8") as lines:
        written = Counter(line["event"] for line in verified_lines(lines))
    assert {event: written[event] for event in answered} == answered

    def resident(begin: float, end: float) -> float:
        """The median between two shares of what came after the warm-up."""
        first, all_ = WARM_UP_SHARE * CALLS, (1 - WARM_UP_SHARE) * CALLS
        return statistics.median(
            size for calls, size in samples if first + begin * all_ < calls <= first + end * all_
        )

    # The last slice may go beyond the number.
    growth = resident(0.75, 2) - resident(0.25, 0.5)
    assert growth <= MOST_GROWTH_MEGABYTES, samples
