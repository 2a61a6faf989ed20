"""Servers behind the gateway: a file that cannot be used is a fault, a server away is not."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.doctor.conftest import Examine
from tests.vocabulary.behind import SCRIPT
from tests.vocabulary.service import policy_file

WELL = {"command": sys.executable, "args": ["-I", "-S", SCRIPT, "well"]}
CRASHING = {"command": sys.executable, "args": ["-I", "-S", SCRIPT, "crashing"]}
AWAY = {"url": "http://127.0.0.1:9/mcp"}


@pytest.fixture
def configured(tmp_path: Path) -> Any:
    """Settings with these servers, and a policy that gives each."""

    def write(**servers: Any) -> dict[str, str]:
        path = tmp_path / "mcp.json"
        path.write_text(json.dumps({"mcpServers": servers}))
        path.chmod(0o600)
        rules = "".join(f'[servers.{name}]\nrole = "viewer"\n' for name in servers if name != "new")
        return {"MCP_CONFIG": str(path), "POLICY_FILE": str(policy_file(tmp_path, rules))}

    return write


async def test_a_file_that_cannot_be_used_is_a_failure_at_its_place(
    examine: Examine, configured: Any
) -> None:
    found = await examine("gateway", **configured(time={"command": "no-such-program-x"}))
    assert found.status("gateway") == "failed"
    assert "mcpServers.time.command" in found.text


async def test_without_a_file_there_is_nothing_to_look_at(examine: Examine) -> None:
    assert (await examine("gateway")).status("gateway") == "ok"


async def test_each_server_is_started_and_told(examine: Examine, configured: Any) -> None:
    found = await examine("gateway", **configured(well=WELL, crashing=CRASHING, away=AWAY))
    told = {each.seen.partition(":")[0]: each for each in found.of("gateway")}
    assert {name: each.status for name, each in told.items()} == {
        "well": "ok",
        "crashing": "warning",
        "away": "warning",
    }
    assert "up, " in told["well"].seen
    assert "down: " in told["crashing"].seen


async def test_a_server_that_nobody_was_given_is_a_warning(
    examine: Examine, configured: Any
) -> None:
    found = await examine("gateway", **configured(new=WELL))
    assert {each.status for each in found.of("gateway")} == {"ok", "warning"}
    assert "nobody may use it" in found.text
