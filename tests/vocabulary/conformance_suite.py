"""The published conformance suite of MCP, as programs that are run, and its table in our docs.

docs/conformance.md says of each scenario whether it applies; the tests run those that do, and the
suite's own list is compared with the table.
"""

import asyncio
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.vocabulary.client_environments import Environments
from tests.vocabulary.pinned_clients import SUITES
from tests.vocabulary.processes import CHECKOUT

Side = Literal["server", "client", "authorization"]
VERSIONS = tuple(package.rpartition("@")[2] for package in SUITES.values())
SECONDS = 300

_HEADINGS: dict[Side, str] = {
    "server": "Scenarios for servers",
    "client": "Scenarios for clients",
    "authorization": "Scenarios for authorization servers",
}
# How the suite's `list` begins the part of each side.
_LISTED: dict[Side, str] = {
    "server": "Server scenarios",
    "client": "Client scenarios",
    "authorization": "Authorization server scenarios",
}
_PASSES, _EXCEPT, _NOT = "passes", "passes except", "does not apply"


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario of one version; `excused` are the ids of its checks that do not apply."""

    side: Side
    version: str
    scenario: str
    verdict: str
    remark: str

    @property
    def applies(self) -> bool:
        return self.verdict in (_PASSES, _EXCEPT)

    @property
    def excused(self) -> frozenset[str]:
        return frozenset(re.findall(r"`(\w[\w-]+)`", self.remark if self._has_exceptions else ""))

    @property
    def _has_exceptions(self) -> bool:
        return self.verdict == _EXCEPT

    def __str__(self) -> str:
        return f"{self.version} {self.scenario}"


def rows(side: Side) -> list[Row]:
    """The table of one side: `| scenario | 0.1.16 | 0.2.0… | remark |`."""
    text = (CHECKOUT / "docs" / "conformance.md").read_text()
    section = text.partition(f"### {_HEADINGS[side]}\n")[2].partition("\n#")[0]
    found = []
    for line in section.splitlines():
        if not line.startswith("| `"):
            continue
        scenario, *verdicts, remark = (cell.strip() for cell in line.strip("|").split("|"))
        for version, verdict in zip(VERSIONS, verdicts, strict=True):
            assert verdict in (_PASSES, _EXCEPT, _NOT, ""), line
            assert remark or verdict in (_PASSES, ""), f"no reason: {line}"
            if verdict:
                found.append(Row(side, version, scenario.strip("`"), verdict, remark))
    return found


class Suite:
    """One version of the suite, in the environment of the real clients."""

    def __init__(self, environments: Environments, version: str) -> None:
        self._node = environments.node
        package = next(name for name, pin in SUITES.items() if pin.endswith(f"@{version}"))
        self._program = environments.suites / "node_modules" / package / "dist" / "index.js"

    async def run(self, *words: str, home: Path) -> tuple[int, str]:
        """The status with which it ended, and all that it said."""
        async with self.started(*words, home=home) as process:
            said, _ = await asyncio.wait_for(process.communicate(), SECONDS)
        return process.returncode or 0, said.decode(errors="replace")

    def started(self, *words: str, home: Path) -> "_Started":
        """The suite as a running process; `home` takes its files."""
        return _Started(str(self._node), str(self._program), *words, home=home)

    async def listed(self, side: Side, home: Path) -> set[str]:
        """The scenarios that it has for `side`."""
        said = (await self.run("list", home=home))[1]
        part = said.partition(_LISTED[side])[2].partition("\n\n")[0]
        return set(re.findall(r"^  - (\S+)", part, re.MULTILINE))


class _Started:
    def __init__(self, *command: str, home: Path) -> None:
        self._command, self._home = command, home

    async def __aenter__(self) -> asyncio.subprocess.Process:
        node = str(Path(self._command[0]).parent)
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=CHECKOUT,
            env={
                "PATH": f"{node}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(self._home),
                "PYTHONPATH": str(CHECKOUT),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        return self._process

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


def checks(folder: Path, prefix: str = "") -> dict[str, list[dict[str, Any]]]:
    """What a run left in `folder`: the checks of each scenario."""
    left = {}
    for file in folder.rglob("checks.json"):
        name = str(file.parent.relative_to(folder)).removeprefix(prefix)
        left[re.sub(r"-\d{4}-\d\d-\d\dT[\d-]+Z$", "", name)] = json.loads(file.read_text())
    return left


def shortcomings(row: Row, made: list[dict[str, Any]]) -> list[str]:
    """What in a run speaks against its row: a check that failed, or an excuse without a cause."""
    assert any(check["status"] == "SUCCESS" for check in made), f"{row} checked nothing"
    failed = {check["id"] for check in made if check["status"] in ("FAILURE", "WARNING")}
    against = [
        f"{check['id']}: {check.get('errorMessage') or check.get('description')}"
        for check in made
        if check["id"] in failed - row.excused and check["status"] in ("FAILURE", "WARNING")
    ]
    return against + [f"{check} is excused and does not fail" for check in row.excused - failed]
