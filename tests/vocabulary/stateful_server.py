"""An MCP server that keeps sessions and talks back: `python -m tests.vocabulary.stateful_server`.

What is ours does neither; clients and the bridge meet both elsewhere. Nobody has to log in.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
from fastmcp import Context, FastMCP
from mcp_types import SamplingMessage, TextContent
from pydantic import BaseModel

from tests.vocabulary.processes import CHECKOUT


class Choice(BaseModel):
    """What the person is asked for."""

    colour: str


def build() -> FastMCP:
    """A tool, resource or prompt for each thing that travels."""
    mcp = FastMCP("stateful")

    @mcp.tool
    async def session(ctx: Context) -> str:
        return str(ctx.session_id)

    @mcp.tool
    async def count(ctx: Context, steps: int) -> int:
        for step in range(steps):
            await ctx.report_progress(step, steps, f"step {step}")
            await ctx.info(f"at {step}")
        return steps

    @mcp.tool
    async def ask(ctx: Context) -> str:
        answer = await ctx.elicit("Which colour?", Choice)
        return f"{answer.action} {answer.data.colour}"

    @mcp.tool
    async def think(ctx: Context) -> str:
        message = SamplingMessage(role="user", content=TextContent(type="text", text="Say it."))
        answer = await ctx.session.create_message([message], max_tokens=10)
        return str(answer.content.text)

    @mcp.tool
    async def look(ctx: Context) -> list[str]:
        return [str(root.uri) for root in (await ctx.session.list_roots()).roots]

    @mcp.tool
    async def change(ctx: Context) -> str:
        await ctx.session.send_tool_list_changed()
        return "changed"

    @mcp.resource("note://{name}")
    def note(name: str) -> str:
        return f"a note on {name}"

    @mcp.resource("note://first")
    def first() -> str:
        return "the first note"

    @mcp.prompt
    def greet(name: str) -> str:
        return f"Greet {name}."

    return mcp


@contextlib.contextmanager
def running_stateful_server(port: int) -> Iterator[str]:
    """The server as a process; its URL. Leaving kills it, and its sessions with it."""
    url = f"http://127.0.0.1:{port}/mcp"
    with subprocess.Popen(
        [sys.executable, "-m", "tests.vocabulary.stateful_server", str(port)],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            for _ in range(600):
                assert process.poll() is None
                with contextlib.suppress(httpx.TransportError):
                    httpx.get(f"{url}/nothing", trust_env=False)
                    break
                time.sleep(0.05)
            yield url
        finally:
            process.kill()
            process.wait(timeout=60)


if __name__ == "__main__":
    build().run(
        "http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False, log_level="CRITICAL"
    )
