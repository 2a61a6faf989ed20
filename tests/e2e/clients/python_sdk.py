"""Drives the Python SDK 2: `python_sdk.py URL METHOD auto|legacy`, see driving.py."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import httpx2
from driving import ARGUMENTS, TOOL, Callback, Storage, Use, drive, registration, say
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata


async def main(url: str, method: str, mode: str) -> None:
    callback = await Callback().listen()

    async def opened(authorization_url: str) -> None:
        say(open=authorization_url)

    async def answered() -> AuthorizationCodeResult:
        answer = await callback.answer()
        return AuthorizationCodeResult(
            code=answer["code"], state=answer.get("state"), iss=answer.get("iss")
        )

    provider = OAuthClientProvider(
        url,
        OAuthClientMetadata.model_validate(registration("Python SDK", callback.url, method)),
        Storage(),
        opened,
        answered,
    )

    @contextlib.asynccontextmanager
    async def connected() -> AsyncIterator[Use]:
        async with (
            httpx2.AsyncClient(auth=provider, timeout=30) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):

            async def use() -> dict[str, int]:
                tools = (await client.list_tools()).tools
                found = (await client.call_tool(TOOL, ARGUMENTS)).structured_content
                return {"tools": len(tools), "found": found["count"]}

            yield use

    await drive(connected)


asyncio.run(main(*sys.argv[1:]))
