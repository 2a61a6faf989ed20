"""A program that speaks MCP by stdio to a bridge: `stdio_program.py COMMAND...`, see driving.py.

The bridge says on standard error which URL the person has to visit.
"""

import asyncio
import contextlib
import os
import re
import sys
import threading
from collections.abc import AsyncIterator

from driving import ARGUMENTS, TOOL, Use, drive, say
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

_AUTHORIZATION_URL = re.compile(r"https?://\S+/authorize\?\S+")


def _announce(errors: int) -> None:
    with os.fdopen(errors, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            sys.stderr.write(line)
            if url := _AUTHORIZATION_URL.search(line):
                say(open=url.group())


async def main(command: str, *arguments: str) -> None:
    bridge = StdioServerParameters(command=command, args=list(arguments), env=dict(os.environ))

    @contextlib.asynccontextmanager
    async def connected() -> AsyncIterator[Use]:
        reading, writing = os.pipe()
        threading.Thread(target=_announce, args=(reading,), daemon=True).start()
        with os.fdopen(writing, "w") as errors:
            async with Client(stdio_client(bridge, errlog=errors), mode="legacy") as client:

                async def use() -> dict[str, int]:
                    tools = (await client.list_tools()).tools
                    found = (await client.call_tool(TOOL, ARGUMENTS)).structured_content
                    return {"tools": len(tools), "found": found["count"]}

                yield use

    await drive(connected)


asyncio.run(main(*sys.argv[1:]))
