"""What the start of a server loads, and what it does about the garbage collector."""

import gc
import subprocess
import sys

import pytest

from okta_mcp.serving.cold_start import not_installed, uncollected
from tests.vocabulary.processes import CHECKOUT

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
