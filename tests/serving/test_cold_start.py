"""What the start of a server loads, and what it does about the garbage collector."""

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from okta_mcp.serving.cold_start import not_installed, uncollected
from okta_mcp.tools.answers import AnswerTool
from tests.vocabulary.in_process import local_server
from tests.vocabulary.oauth_client import connected
from tests.vocabulary.processes import CHECKOUT, SandboxProcess
from tests.vocabulary.revisions import WHOLE_WAY, ask
from tests.vocabulary.roles import SUPER_ADMIN_TOOLS

# Of each the reason why no server with default settings has it at its start.
NOT_LOADED = (
    "griffe",  # FastMCP's parser of docstrings; our tools have descriptions instead
    "jinja2",  # the first page
    "keyring",  # the client
    "okta_mcp.client",
    "okta_mcp.doctor",
    "okta_mcp.gateway",  # MCP_CONFIG
    "okta_mcp.sandbox",
    "prometheus_client",  # METRICS_LISTEN
    "pygments",  # httpx's command line
    "redis",  # STORE_URL
    "sqlite3",
    "trio",  # httpcore, where tests have installed it
)


@pytest.mark.parametrize(
    ("mode", "other"), [("oauth_proxy", "resource_server"), ("resource_server", "oauth_proxy")]
)
def test_a_default_server_loads_nothing_that_only_some_need(mode: str, other: str) -> None:
    program = (
        "import sys; from okta_mcp.serving.cold_start import load_http_client; load_http_client();"
        f"import okta_mcp.serving.run, okta_mcp.{mode}.app; print(*sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    loaded = set(ended.stdout.split())
    assert f"okta_mcp.{mode}.app" in loaded
    assert loaded.isdisjoint({*NOT_LOADED, f"okta_mcp.{other}.app"})


def test_wrong_usage_is_answered_without_loading_the_server() -> None:
    program = (
        "import sys; from okta_mcp.serving.command import serve\n"
        "try: serve(['--workers', '0'])\n"
        "except SystemExit as end: print(end.code, 'fastmcp' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == ["2", "False"]
    assert "Invalid value for '--workers'" in ended.stderr


async def test_a_tool_is_made_once_when_somebody_calls_or_lists_it(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = AnswerTool.from_function

    def noting(method: Any, **given: Any) -> Any:
        made.append(method.__name__)
        return make(method, **given)

    monkeypatch.setattr(AnswerTool, "from_function", noting)
    url = f"http://localhost:{server_port}"
    async with local_server(tmp_path, url, sandbox.settings_for_server()) as local:
        client = await local.client()
        await connected(local.browser(), client, "Nora Lind")
        assert made == []
        call = {"name": "get_current_time", "arguments": {}}
        for headers in ({}, WHOLE_WAY, {}):
            answer = await ask(client, "2025-06-18", "tools/call", call, headers=headers)
            assert answer.json()["result"]["isError"] is False
        assert made == ["get_current_time"]
        for headers in (WHOLE_WAY, {}, {}):
            answer = await ask(client, "2025-06-18", "tools/list", headers=headers)
            listed = [tool["name"] for tool in answer.json()["result"]["tools"]]
            assert len(listed) == SUPER_ADMIN_TOOLS
        assert sorted(made) == sorted(listed)


def test_what_a_start_makes_is_not_looked_at_by_the_garbage_collector() -> None:
    before = gc.get_freeze_count()
    try:
        with uncollected():
            assert not gc.isenabled()
            made = [[each] for each in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(made)
    finally:
        gc.unfreeze()


def test_a_start_that_fails_leaves_the_garbage_collector_on() -> None:
    try:
        with pytest.raises(ValueError, match="no"), uncollected():
            raise ValueError("no")
        assert gc.isenabled()
    finally:
        gc.unfreeze()


def test_a_module_that_counts_as_not_installed_can_be_imported_afterwards() -> None:
    sys.modules.pop("this", None)
    with not_installed("this"), pytest.raises(ImportError):
        __import__("this")
    assert "this" not in sys.modules


def test_a_module_that_is_loaded_already_is_left_alone() -> None:
    with not_installed("gc"):
        assert sys.modules["gc"] is gc
