"""The tools over the sandbox organisation, both in the test's own process."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import jsonschema
from fastmcp import Client, FastMCP
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from okta_mcp.mcp_endpoint.report_shelf import StoredShelf
from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.credentials import ApiToken
from okta_mcp.sandbox.directory import Organisation
from okta_mcp.sandbox.faults import Fault, broken, due
from okta_mcp.sandbox.management import management_routes
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import Records
from okta_mcp.stores.sealing import Sealer
from okta_mcp.tools import ArgumentErrors, okta_tools
from okta_mcp.tools.call import Call, current_call
from okta_mcp.tools.cursors import SealedCursors
from tests.sandbox.organisation import ORG, TOKEN, Context

ANN, BOB = "00uann1234567890", "00ubob1234567890"
# The end of the window that other answers name: Okta has one window for a bucket.
RETRY_SECONDS = 60


@dataclass
class Told:
    """What a client sees of one call; `error` is empty on success."""

    answer: dict[str, Any]
    error: dict[str, Any]
    call: Call

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.answer["rows"]

    @property
    def summary(self) -> dict[str, Any]:
        return self.answer["summary"]

    @property
    def cursor(self) -> str:
        assert self.answer["truncated"]
        return self.answer["next_cursor"]

    def does_not_see(self, text: str) -> bool:
        return any(text in line for line in self.answer["unseen"])


@dataclass
class Northwind:
    """The organisation and the tools on it; `faults` are what goes wrong next.

    `who` is what `whoami` answers. After `reads_left` more reads (None: no end) Okta's rate limit
    is used up.
    """

    context: Context = field(default_factory=Context)
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    who: Callable[[], Mapping[str, Any]] | None = None
    reads_left: int | None = None

    def __post_init__(self) -> None:
        self._sandbox = Starlette(routes=[*management_routes(self.context)])
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self._play), base_url=ORG)
        api = OktaApi(
            self.http,
            ORG,
            ApiToken(TOKEN),
            concurrency=15,
            now=self.context.now,
            sleep=self._sleep,
        )
        records = Records(MemoryStore(self.context.now))
        self.shelf = StoredShelf(records, Sealer((b"s" * 32,), "sealing"), self.context.now)
        cursors = SealedCursors(b"k" * 32)
        tools = okta_tools(api, cursors, self.context.now, self.shelf, self.who)
        self._schemas = {tool.name: tool.tool.output_schema for tool in tools}
        self._server: FastMCP = FastMCP(
            "test", tools=[tool.tool for tool in tools], middleware=[ArgumentErrors()]
        )

    async def close(self) -> None:
        """Let go of everything: FastMCP keeps every method that it has seen, and so all of this."""
        await self.http.aclose()
        vars(self.context).clear()
        vars(self).clear()

    @property
    def organisation(self) -> Organisation:
        return self.context.organisation

    def stops_at(self, path: str, status: int = 429, times: int = 1) -> None:
        """The next `times` reads of a path that begins like this are refused."""
        fault = Fault(f"GET /api/v1/{path}", status=status, times=times, seconds=RETRY_SECONDS)
        self.faults.append(fault)

    def pass_seconds(self, seconds: float) -> None:
        self.context.seconds += seconds

    async def call(
        self,
        tool: str,
        /,
        person: str = ANN,
        without: tuple[str, ...] = (),
        longest_window_days: float | None = None,
        **arguments: Any,
    ) -> Told:
        """One call by a person who may use every tool but those of `without`."""
        record = Call(
            user_id=person,
            tool=tool,
            may=lambda name: name not in without,
            longest_window_days=longest_window_days,
        )
        token = current_call.set(record)
        try:
            async with Client(self._server) as client:
                result = await client.call_tool_mcp(tool, arguments)
        finally:
            current_call.reset(token)
        if result.is_error:
            return Told({}, json.loads(result.content[0].text)["error"], record)
        answer = result.structured_content
        jsonschema.validate(answer, self._schemas[tool])
        assert answer.get("truncated", False) == bool(answer.get("next_cursor"))
        return Told(answer, {}, record)

    async def walk(self, tool: str, /, told: Told | None = None, **arguments: Any) -> list[Told]:
        """All parts of a report, from its beginning or after `told`, as a patient caller asks."""
        parts = [] if told else [await self.call(tool, **arguments)]
        last = told or parts[-1]
        while last.answer["truncated"]:
            self.pass_seconds(last.answer.get("retry_after_seconds", 0))
            last = await self.call(tool, **arguments, after=last.cursor)
            assert not last.error
            parts.append(last)
        return parts

    async def csv(self, told: Told, person: str = ANN) -> list[dict[str, str]]:
        """The rows of the CSV that an answer names."""
        text = await self.shelf.get(person, told.answer["csv"].removeprefix("okta://reports/"))
        assert text is not None
        return list(csv.DictReader(io.StringIO(text)))

    async def _play(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        self.asked.append(path.removeprefix("/api/v1/"))
        fault = due(self.faults, f"GET {path}") or self._spent()
        app = broken(fault, self.context.now()) if fault else self._sandbox
        await app(scope, receive, send)

    def _spent(self) -> Fault | None:
        if self.reads_left is None:
            return None
        self.reads_left -= 1
        return None if self.reads_left >= 0 else Fault("", status=429, seconds=RETRY_SECONDS)

    async def _sleep(self, seconds: float) -> None:
        self.pass_seconds(seconds)


def everything(parts: list[Told]) -> list[dict[str, Any]]:
    """The rows of all parts."""
    return [row for part in parts for row in part.rows]
