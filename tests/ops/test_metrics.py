"""What Prometheus reads: the right figures, nothing of a caller, and only where it is asked for."""

import contextlib
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from okta_mcp.audit.catalogue import EVENTS
from okta_mcp.audit.writer import Audit
from okta_mcp.ops.measured import MeasuredAnswers, MeasuredClient, MeasuredStore, measured_sleep
from okta_mcp.ops.metrics import COUNTED, COUNTED_BY_ROLE, Metrics
from okta_mcp.ops.metrics_listener import metrics_socket
from okta_mcp.serving.metering import Metered
from okta_mcp.settings import Settings, SettingsError, host_and_port
from okta_mcp.stores.interface import Kind, StoreFullError, StoreUnavailableError
from okta_mcp.stores.memory import MemoryStore
from tests.vocabulary.browser import Browser
from tests.vocabulary.clock import Clock
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import CHECKOUT, free_port, running_sandbox, running_server

PAGE = (CHECKOUT / "docs" / "metrics.md").read_text(encoding="utf-8")
ENTRIES = Kind("entries", 2)
# Events that say nothing a graph would show, or that another one says as well.
UNCOUNTED = {
    "server.started",
    "server.stopped",
    "consent.forgotten",
    "tools.listed",
    "completion.given",
    "store.available",
    "store.unavailable",
}
LABELS = {"tool", "role", "server", "outcome", "store", "verb", "bucket", "version"}


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics()
    made.tools = frozenset({"list_okta_users"})
    return made


def instruments(metrics: Metrics) -> dict[str, Any]:
    """Every instrument of ours by the name under which Prometheus knows it."""
    found = {}
    for collector in metrics.registry._collector_to_names:
        if isinstance(collector, Counter | Gauge | Histogram):
            suffix = "_total" if isinstance(collector, Counter) else ""
            found[collector._name + suffix] = collector
    return found


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """The figures by name and values of labels; of histograms the counts and sums."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if "le" not in sample.labels
    }


def figures(metrics: Metrics) -> dict[tuple[str, ...], float]:
    return samples(metrics.text())


# --- names and labels ---


def test_no_label_can_hold_what_a_caller_chooses(metrics: Metrics) -> None:
    names = {label for each in instruments(metrics).values() for label in each._labelnames}
    assert names == LABELS


def test_the_page_lists_every_metric_with_its_labels(metrics: Metrics) -> None:
    told = {}
    for name, labels in re.findall(r"^\| `(okta_mcp_\w+)` \| ([^|]+) \|", PAGE, re.MULTILINE):
        told[name] = set(re.findall(r"`(\w+)`", labels))
    assert told == {name: set(each._labelnames) for name, each in instruments(metrics).items()}


def test_the_page_lists_every_outcome_that_an_event_counts_as() -> None:
    for counter, outcome in COUNTED.values():
        row = next(line for line in PAGE.splitlines() if f"`okta_mcp_{counter}_total`" in line)
        assert f"`{outcome}`" in row


def test_every_event_is_counted_or_named_here_as_one_that_is_not() -> None:
    assert {*COUNTED, *COUNTED_BY_ROLE} | UNCOUNTED == set(EVENTS)
    assert UNCOUNTED.isdisjoint({*COUNTED, *COUNTED_BY_ROLE})


# --- events ---

PERSON = {
    "user_id": "00uPERSON",
    "login": "hana@northwind.example",
    "client_id": "omcp_client_CALLER",
    "client_name": "name-of-a-caller",
    "grant": "grant-of-a-person",
    "ip": "203.0.113.77",
}
EVENTS_AND_FIGURES = [
    ("login.succeeded", "success", {}, ("logins_total", "succeeded")),
    ("login.refused", "refused", {}, ("logins_total", "refused")),
    ("login.refused", "failure", {}, ("logins_total", "failed")),
    ("consent.denied", "refused", {}, ("consents_total", "denied")),
    ("token.refreshed", "success", {}, ("tokens_total", "refreshed")),
    ("token.refused", "refused", {}, ("tokens_total", "refused")),
    ("refresh_token.reused", "refused", {}, ("tokens_total", "refresh_token_reused")),
    ("bearer.refused", "refused", {}, ("bearers_total", "refused")),
    (
        "tool.called",
        "success",
        {"subject": "list_okta_users", "role": "viewer"},
        ("tool_calls_total", "success", "viewer", "okta", "list_okta_users"),
    ),
    (
        "tool.called",
        "failure",
        {"subject": "list_okta_users", "role": "viewer", "reason": "rate_limited"},
        ("tool_calls_total", "rate_limited", "viewer", "okta", "list_okta_users"),
    ),
    (
        "tool.refused",
        "refused",
        {"subject": "name-of-a-caller"},
        ("tool_calls_total", "refused", "none", "okta", "unknown"),
    ),
    (
        "tool.refused",
        "refused",
        {"subject": "time_name-of-a-caller", "server": "time", "role": "viewer"},
        ("tool_calls_total", "refused", "viewer", "time", "unknown"),
    ),
    (
        "tool.called",
        "success",
        {"subject": "time_now", "server": "time", "role": "viewer"},
        ("tool_calls_total", "success", "viewer", "time", "time_now"),
    ),
    (
        "resource.refused",
        "refused",
        {"subject": "okta://name-of-a-caller", "role": "viewer"},
        ("resources_total", "refused", "viewer"),
    ),
    (
        "prompt.given",
        "success",
        {"subject": "name-of-a-caller", "role": "viewer"},
        ("prompts_total", "success", "viewer"),
    ),
]


@pytest.mark.parametrize(("event", "outcome", "fields", "figure"), EVENTS_AND_FIGURES)
def test_an_event_of_the_audit_trail_counts_once_and_names_nobody(
    tmp_path: Path,
    metrics: Metrics,
    event: str,
    outcome: str,
    fields: dict[str, Any],
    figure: tuple[str, ...],
) -> None:
    audit = Audit(str(tmp_path / "audit.jsonl"), Clock())
    audit.observe(metrics.count_event)
    before = figures(metrics)
    audit.write(event, outcome, **(PERSON | fields))
    audit.close()
    ours = {
        key: value
        for key, value in figures(metrics).items()
        if key[0].startswith("okta_mcp_") and before.get(key) != value
    }
    assert ours == {(f"okta_mcp_{figure[0]}", *figure[1:]): 1.0}
    assert not any(value.encode() in metrics.text() for value in PERSON.values())


def test_a_call_of_a_tool_is_timed(metrics: Metrics) -> None:
    metrics.count_event(
        {
            "event": "tool.called",
            "outcome": "success",
            "subject": "list_okta_users",
            "milliseconds": 250,
        }
    )
    assert figures(metrics)["okta_mcp_tool_call_seconds_sum", "okta", "list_okta_users"] == 0.25


def test_a_server_that_invents_tools_fills_no_memory(metrics: Metrics) -> None:
    for number in range(300):
        metrics.count_event(
            {
                "event": "tool.called",
                "outcome": "success",
                "role": "viewer",
                "server": "time",
                "subject": f"time_{number}",
            }
        )
    counted = {key[-1]: value for key, value in figures(metrics).items() if "time" in key}
    assert len(counted) == 101
    assert counted["unknown"] == 200


# --- the store ---


class AwayStore(MemoryStore):
    """A store that does not answer."""

    async def get(self, kind: Kind, key: str) -> bytes | None:
        raise StoreUnavailableError("away")

    async def scan(self, kind: Kind, prefix: str = "") -> AsyncIterator[tuple[str, bytes]]:
        raise StoreUnavailableError("away")
        yield "", b""


async def test_a_store_that_is_away_is_counted_and_still_raises(metrics: Metrics) -> None:
    store = MeasuredStore(AwayStore(Clock()), "redis", metrics)
    with pytest.raises(StoreUnavailableError):
        await store.get(ENTRIES, "a")
    with pytest.raises(StoreUnavailableError):
        [entry async for entry in store.scan(ENTRIES)]
    counted = figures(metrics)
    assert counted["okta_mcp_store_verbs_total", "unavailable", "redis", "get"] == 1
    assert counted["okta_mcp_store_verbs_total", "unavailable", "redis", "scan"] == 1


async def test_a_store_that_is_full_is_counted_and_still_raises(metrics: Metrics) -> None:
    store = MeasuredStore(MemoryStore(Clock()), "memory", metrics)
    for key in "ab":
        await store.put(ENTRIES, key, b"1", ttl_seconds=9)
    with pytest.raises(StoreFullError):
        await store.put(ENTRIES, "c", b"1", ttl_seconds=9)
    counted = figures(metrics)
    assert counted["okta_mcp_store_verbs_total", "full", "memory", "put"] == 1
    assert counted["okta_mcp_store_verbs_total", "success", "memory", "put"] == 2


async def test_every_verb_answers_as_the_store_does_and_is_counted(metrics: Metrics) -> None:
    clock = Clock()
    store = MeasuredStore(MemoryStore(clock), "memory", metrics)
    assert await store.put(ENTRIES, "a", b"1", ttl_seconds=9, if_absent=True)
    assert not await store.put(ENTRIES, "a", b"2", ttl_seconds=9, if_absent=True)
    assert await store.swap(ENTRIES, "a", expected=b"1", value=b"3", ttl_seconds=9)
    assert [entry async for entry in store.scan(ENTRIES)] == [("a", b"3")]
    assert await store.get(ENTRIES, "a") == b"3"
    assert await store.take(ENTRIES, "a") == b"3"
    assert not await store.delete(ENTRIES, "a")
    await store.put(ENTRIES, "b", b"1", ttl_seconds=9)
    clock.pass_seconds(10)
    assert await store.sweep() == 1
    await store.close()
    counted = figures(metrics)
    for verb in ("put", "swap", "scan", "get", "take", "delete", "sweep"):
        assert counted["okta_mcp_store_verbs_total", "success", "memory", verb] >= 1
        assert counted["okta_mcp_store_verb_seconds_count", "memory", verb] >= 1
    assert counted["okta_mcp_store_swept_total", "memory"] == 1


# --- Okta ---

RATE = {"X-Rate-Limit-Limit": "600", "X-Rate-Limit-Remaining": "42", "X-Rate-Limit-Reset": "9"}


def answer(request: httpx.Request) -> httpx.Response:
    """As the last part of the path says."""
    if request.url.path.endswith("/away"):
        raise httpx.ConnectError("away")
    return httpx.Response(int(request.url.path.rpartition("/")[2]), headers=RATE)


@pytest.mark.parametrize(
    ("path", "bucket", "outcome"),
    [
        ("/api/v1/logs/200", "logs", "success"),
        ("/api/v1/users/404", "users/{id}", "refused"),
        ("/api/v1/logs/429", "logs", "rate_limited"),
        ("/api/v1/logs/503", "logs", "unavailable"),
        ("/api/v1/logs/500", "logs", "failure"),
        ("/api/v1/logs/away", "logs", "unreachable"),
        ("/oauth2/v1/200", "sign-in", "success"),
    ],
)
async def test_a_request_to_okta_is_counted_in_its_bucket(
    metrics: Metrics, path: str, bucket: str, outcome: str
) -> None:
    transport = httpx.MockTransport(answer)
    async with MeasuredClient(metrics, Clock(), transport=transport) as okta:
        with contextlib.suppress(httpx.ConnectError):
            await okta.get(f"https://northwind.okta.com{path}")
    counted = figures(metrics)
    assert counted["okta_mcp_okta_requests_total", bucket, outcome] == 1
    assert counted["okta_mcp_okta_request_seconds_count", bucket] == 1
    if outcome != "unreachable":
        assert counted["okta_mcp_okta_limit", bucket] == 600
        assert counted["okta_mcp_okta_limit_remaining", bucket] == 42


async def test_a_wait_for_oktas_limits_is_counted(metrics: Metrics) -> None:
    await measured_sleep(metrics)(0.0)
    assert figures(metrics)["okta_mcp_okta_wait_seconds_count",] == 1


# --- answers ---


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (302, "success"),
        (401, "refused"),
        (429, "rate_limited"),
        (500, "failure"),
        (503, "unavailable"),
    ],
)
async def test_an_answer_is_counted_by_what_it_says(
    metrics: Metrics, status: int, outcome: str
) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    transport = httpx.ASGITransport(MeasuredAnswers(application, metrics))
    async with httpx.AsyncClient(transport=transport) as http:
        await http.get("http://server.example/a-path-of-a-caller")
    assert figures(metrics)["okta_mcp_http_answers_total", outcome] == 1
    assert b"a-path-of-a-caller" not in metrics.text()


# --- the port ---


@pytest.mark.parametrize(
    "address",
    ["9464", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", ":9464", "http://127.0.0.1:9464", ""],
)
def test_what_is_no_address_and_port_is_refused(address: str) -> None:
    with pytest.raises(ValueError):
        host_and_port(address)


@pytest.mark.parametrize(
    ("address", "host"), [("127.0.0.1:9464", "127.0.0.1"), ("[::1]:9464", "::1")]
)
def test_an_address_and_a_port_are_read(address: str, host: str) -> None:
    assert host_and_port(address) == (host, 9464)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield holder.getsockname()[1]


def test_a_port_that_is_in_use_is_refused_with_what_to_do(taken_port: int) -> None:
    with pytest.raises(SettingsError, match=r"METRICS_LISTEN: .* Example: METRICS_LISTEN="):
        metrics_socket("127.0.0.1", taken_port)


def first_of_two_free_ports() -> int:
    while True:
        port = free_port()
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
            return port


async def test_of_several_processes_each_has_the_next_port() -> None:
    port = first_of_two_free_ports()
    meters = [Metered(f"127.0.0.1:{port}", "memory", process) for process in (1, 2)]
    try:
        for taken in (port, port + 1):
            with pytest.raises(SettingsError):
                metrics_socket("127.0.0.1", taken)
    finally:
        for meter in meters:
            await meter.stop()


def test_an_address_that_others_reach_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    metrics_socket("0.0.0.0", free_port()).close()
    assert "have no login" in caplog.text
    caplog.clear()
    metrics_socket("127.0.0.1", free_port()).close()
    assert caplog.text == ""


def test_without_the_setting_prometheus_is_not_even_imported() -> None:
    assert Settings.model_fields["metrics_listen"].default is None
    program = "import sys, okta_mcp.oauth_proxy.app; sys.exit('prometheus_client' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, check=False).returncode == 0
    )


async def test_a_login_and_a_call_can_be_read_on_the_port_of_its_own_and_only_there(
    tmp_path: Path, browser: Browser
) -> None:
    port, metrics_port = free_port(), free_port()
    url = f"http://127.0.0.1:{metrics_port}"
    with running_sandbox(f"http://localhost:{port}") as sandbox:
        environment = sandbox.settings_for_server() | {
            "METRICS_LISTEN": url.removeprefix("http://")
        }
        with running_server(tmp_path, port, environment) as server:
            client = OAuthClient(server.url)
            await client.register()
            await connected(browser, client, "Hana Novak")
            await client.call("list_okta_users", q="ann")
            async with httpx.AsyncClient() as http:
                assert (await http.get(f"{server.url}/metrics")).status_code == 404
                assert (await http.get(f"{url}/")).status_code == 404
                assert (await http.post(f"{url}/metrics")).status_code == 405
                answered = await http.get(f"{url}/metrics")
            await client.close()
    assert answered.headers["content-type"].startswith("text/plain; version=0.0.4")
    read = samples(answered.content)
    assert read["okta_mcp_logins_total", "succeeded"] == 1
    assert read["okta_mcp_tokens_total", "issued"] == 1
    assert read["okta_mcp_tool_calls_total", "success", "viewer", "okta", "list_okta_users"] == 1
    assert read["okta_mcp_okta_requests_total", "users", "success"] >= 1
    assert read["okta_mcp_store_verbs_total", "success", "memory", "take"] >= 1
    assert read["okta_mcp_http_answers_total", "success"] >= 1
    assert read["process_resident_memory_bytes",] > 0
    for person in (b"Hana", b"hana.help", client.client_id.encode(), b"127.0.0.1"):
        assert person not in answered.content
    with socket.socket() as gone:
        assert gone.connect_ex(("127.0.0.1", metrics_port)) != 0
