"""Drives the Python SDK of 2025-03-26: `python_sdk_1_9.py URL METHOD`, see driving.py."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator

from driving import ARGUMENTS, TOOL, Callback, Storage, Use, drive, registration, say
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamablehttp_client
from mcp.shared.auth import OAuthClientMetadata


async def main(url: str, method: str) -> None:
    callback = await Callback().listen()

    async def opened(authorization_url: str) -> None:
        say(open=authorization_url)

    async def answered() -> tuple[str, str | None]:
        answer = await callback.answer()
        return answer["code"], answer.get("state")

    provider = OAuthClientProvider(
        url,
        OAuthClientMetadata.model_validate(registration("Python SDK 1.9", callback.url, method)),
        Storage(),
        opened,
        answered,
    )

    @contextlib.asynccontextmanager
    async def connected() -> AsyncIterator[Use]:
        async with (
            streamablehttp_client(url, auth=provider) as (incoming, outgoing, _),
            ClientSession(incoming, outgoing) as session,
        ):
            await session.initialize()

            async def use() -> dict[str, int]:
                tools = (await session.list_tools()).tools
                answer = await session.call_tool(TOOL, ARGUMENTS)
                return {"tools": len(tools), "found": json.loads(answer.content[0].text)["count"]}

            yield use

    # A request that is refused with 401 is never answered to the caller by this version.
    await drive(connected, patience_seconds=8)


asyncio.run(main(*sys.argv[1:]))
