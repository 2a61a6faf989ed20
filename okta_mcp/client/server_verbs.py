"""The verbs about what a server offers: `tools`, `call`, `resources`, `prompts`.

Mounted by `commands`. Each logs the person in first if the server asks for it.
"""

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from okta_mcp.client.command_line import (
    Verb,
    WrongUsage,
    completed,
    form_of,
    login_store,
    logs_in,
    open_session,
    positions_of_words,
    prints,
    run,
    spoken,
)

if TYPE_CHECKING:
    from mcp.client.client import Client
    from mcp_types import CallToolResult, Tool

Result = TypeVar("Result")
_HELP = ("--help", "-h")


class _Call(Verb):
    """`--help` behind a tool's name asks for that tool, which only the server knows."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = [args[index] for index in positions_of_words(args)]
        if len(words) >= 2 and set(args) & set(_HELP):
            args = [*(text for text in args if text not in _HELP), "--tool-help"]
        return super().parse_args(ctx, args)


@click.command(cls=Verb)
@logs_in
@prints
def tools(as_json: bool, as_csv: bool, **options: Any) -> None:
    """Show person, role and tools."""
    from okta_mcp.client import calls, output
    from okta_mcp.client.csv_output import csv_lines

    form = form_of(as_json=as_json, as_csv=as_csv)

    async def work(client: "Client") -> "tuple[dict[str, Any] | None, list[Tool]]":
        return await calls.identity(client), await calls.list_tools(client)

    me, found = _connected(work, **options)
    if form == "csv":
        rows = [(tool.name, output.about(tool), tool.description) for tool in found]
        click.echo(csv_lines(("name", "title", "description"), rows), nl=False)
    elif form == "json":
        listed = [
            {"name": tool.name, "title": tool.title, "description": tool.description}
            for tool in found
        ]
        click.echo(output.as_json({**(me or {}), "tools": listed}))
    else:
        if me:
            click.echo(output.identity_lines(me) + "\n")
        click.echo(output.tools_table(found, calls.servers_behind(me)))
    if not found:
        click.echo(output.WITHOUT_TOOLS, err=True)


@click.command(cls=_Call)
@logs_in
@prints
@click.option("--tool-help", is_flag=True, hidden=True)
@click.argument("tool")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
def call(
    url: str,
    tool: str,
    arguments: Sequence[str],
    tool_help: bool,
    as_json: bool,
    as_csv: bool,
    **options: Any,
) -> None:
    """Call one tool. Values are read as the tool declares them; lists and objects are JSON.

    `call TOOL --help` shows what the tool takes.
    """
    from okta_mcp.client import calls, output
    from okta_mcp.client.csv_output import result_csv
    from okta_mcp.client.progress import ProgressLine
    from okta_mcp.client.tool_help import tool_help as help_of

    form = form_of(as_json=as_json, as_csv=as_csv)
    if tool_help:
        found = _connected(lambda client: calls.find_tool(client, tool), url=url, **options)
        click.echo(help_of(found, spoken(url=url)))
        return
    progress = ProgressLine(sys.stderr)

    async def work(client: "Client") -> "CallToolResult":
        try:
            return await calls.call_tool(client, tool, arguments, progress)
        finally:
            progress.clear()

    result = _connected(work, url=url, **options)
    if form == "json":
        click.echo(output.as_json(output.result_value(result)))
    elif form == "table":
        click.echo(output.result_text(result))
    else:
        rows, beside = _shaped(lambda: result_csv(result))
        click.echo(rows, nl=False)
        if beside:
            # A count or a cursor is no row, and must not be lost.
            click.echo(output.fields(beside), err=True)


@click.command(cls=Verb)
@logs_in
@prints
@click.argument("uri", required=False)
def resources(uri: str | None, as_json: bool, as_csv: bool, **options: Any) -> None:
    """List what can be read, or read the resource URI."""
    from okta_mcp.client import calls, output
    from okta_mcp.client.csv_output import csv_lines, resource_csv

    form = form_of(as_json=as_json, as_csv=as_csv)
    if uri is not None:
        wanted = uri
        read = _connected(lambda client: calls.read_resource(client, wanted), **options)
        if form == "csv":
            click.echo(_shaped(lambda: resource_csv(read)), nl=False)
        else:
            as_table = form == "table"
            contents = {"contents": [output.as_written(part) for part in read.contents]}
            click.echo(output.resource_text(read) if as_table else output.as_json(contents))
        return
    found = _connected(calls.list_resources, **options)
    if form == "csv":
        rows = [(output.resource_uri(one), output.about(one), one.mime_type) for one in found]
        click.echo(csv_lines(("uri", "title", "type"), rows), nl=False)
    elif form == "json":
        click.echo(output.as_json({"resources": [output.as_written(one) for one in found]}))
    else:
        click.echo(output.resources_table(found))


@click.command(cls=Verb)
@logs_in
@prints
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
def prompts(
    name: str | None, arguments: Sequence[str], as_json: bool, as_csv: bool, **options: Any
) -> None:
    """List the prompts, or fill in the prompt NAME."""
    from okta_mcp.client import calls, output
    from okta_mcp.client.csv_output import csv_lines

    form = form_of(as_json=as_json, as_csv=as_csv)
    if name is not None:
        wanted = name
        filled = _connected(lambda client: calls.get_prompt(client, wanted, arguments), **options)
        if form == "csv":
            click.echo(csv_lines(("role", "text"), output.prompt_messages(filled)), nl=False)
        else:
            as_table = form == "table"
            written = output.as_json(output.as_written(filled))
            click.echo(output.prompt_text(filled) if as_table else written)
        return
    found = _connected(calls.list_prompts, **options)
    if form == "csv":
        rows = [
            (one.name, output.about(one), " ".join(each.name for each in one.arguments or ()))
            for one in found
        ]
        click.echo(csv_lines(("name", "title", "arguments"), rows), nl=False)
    elif form == "json":
        click.echo(output.as_json({"prompts": [output.as_written(one) for one in found]}))
    else:
        click.echo(output.prompts_table(found))


def _connected(
    work: "Callable[[Client], Awaitable[Result]]",
    *,
    url: str,
    store_dir: Path | None,
    **options: Any,
) -> Result:
    store = login_store(store_dir)

    async def connected() -> Result:
        return await open_session(await completed(url, store), store, **options).run(work)

    return run(connected())


def _shaped(shape: Callable[[], Result]) -> Result:
    """What `shape` makes; that something has no rows is wrong usage."""
    from okta_mcp.client.errors import WrongUsageError

    try:
        return shape()
    except WrongUsageError as error:
        raise WrongUsage(str(error), click.get_current_context()) from error
