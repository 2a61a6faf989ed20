"""Drives FastMCP's client: `fastmcp_client.py URL METHOD`, see driving.py."""

import asyncio
import contextlib
import sys
import webbrowser
from collections.abc import AsyncIterator

from driving import ARGUMENTS, TOOL, Use, drive, say
from fastmcp import Client
from fastmcp.client.auth import OAuth


class Announced(webbrowser.BaseBrowser):
    """A browser that the test drives: it is told the URL."""

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        say(open=url)
        return True


async def main(url: str, method: str) -> None:
    webbrowser.register("announced", None, Announced(), preferred=True)
    login = OAuth(url, additional_client_metadata={"token_endpoint_auth_method": method})

    @contextlib.asynccontextmanager
    async def connected() -> AsyncIterator[Use]:
        async with Client(url, auth=login) as client:

            async def use() -> dict[str, int]:
                tools = await client.list_tools()
                found = (await client.call_tool(TOOL, ARGUMENTS)).structured_content
                return {"tools": len(tools), "found": found["count"]}

            yield use

    await drive(connected)


asyncio.run(main(*sys.argv[1:]))
