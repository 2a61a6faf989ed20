"""Drives the Inspector's command line: `inspector_command.py COMMAND...`, see driving.py.

Each use is two runs of the command, which keeps its login in files. It asks for a browser only
where a terminal is, so its standard input is one.
"""

import asyncio
import json
import os
import re
import sys

from driving import ARGUMENTS, TOOL, commands, say

_AUTHORIZATION_URL = re.compile(r"https?://\S+/authorize\?\S+")


async def _run(command: list[str]) -> dict:
    terminal, its_end = os.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            # Where it finds no keyring it may forget the tokens at the end of each run.
            env=os.environ | {"MCP_INSPECTOR_SECRET_STORE": "file"},
            stdin=its_end,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        errors = asyncio.create_task(_announced(process.stderr))
        output = (await process.stdout.read()).decode()
        said = await errors
        if await process.wait() != 0:
            raise RuntimeError(f"exit code {process.returncode}: {said[-800:]}")
    finally:
        os.close(terminal)
        os.close(its_end)
    return json.loads(output)["result"]


async def _announced(errors: asyncio.StreamReader) -> str:
    said = ""
    while line := (await errors.readline()).decode():
        said += line
        sys.stderr.write(line)
        if url := _AUTHORIZATION_URL.search(line):
            say(open=url.group())
    return said


async def main(*command: str) -> None:
    asked = [f"{name}={value}" for name, value in ARGUMENTS.items()]
    async for _ in commands():
        try:
            listed = await _run([*command, "--method", "tools/list"])
            called = await _run(
                [*command, "--method", "tools/call", "--tool-name", TOOL, "--tool-arg", *asked]
            )
        except RuntimeError as error:
            say(failed=str(error))
        else:
            found = called["structuredContent"]["count"]
            say(tools=len(listed["tools"]), found=found)


asyncio.run(main(*sys.argv[1:]))
