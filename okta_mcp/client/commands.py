"""The verbs of the client for the command tree: `login`, `tools`, `call`, `logout`.

`verbs` are mounted by the project's command tree as `okta-mcp VERB URL …`; `client_command` is the
short door `python -m okta_mcp.client URL [VERB …]`, whose verb is `tools` if none is given. Exit
status: 0 done, 1 the tool failed, 2 the log-in failed, 3 no connection, 64 wrong usage. Results go
to stdout, everything said to the person to stderr. The MCP SDK takes half a second to import, so it
is imported when a verb runs and not for `--help`.
"""

import asyncio
import logging
import time
import webbrowser
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from okta_mcp.client.errors import USAGE_STATUS, ClientError

if TYPE_CHECKING:
    from okta_mcp.client.session import Session

Command = TypeVar("Command", bound=Callable[..., None])
Result = TypeVar("Result")


def open_browser(url: str) -> object:
    """Start the person's browser; a machine without one is fine, the URL is printed anyway."""
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a verb takes from the machine; a test gives its own as click's context object."""

    open_browser: Callable[[str], object] = open_browser
    now: Callable[[], float] = time.time


class _WrongUsage(click.UsageError):
    """Click's own status for wrong usage is 2, which means a failed log-in here."""

    exit_code = USAGE_STATUS


class _Verb(click.Command):
    """A command that answers wrong usage with our status, and knows both places of its URL."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise _WrongUsage(error.format_message(), error.ctx) from error

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        pieces = self.collect_usage_pieces(ctx)
        if ctx.parent is None or not isinstance(ctx.parent.command, _ShortDoor):
            formatter.write_usage(ctx.command_path, " ".join(pieces))
            return
        pieces.remove("URL")
        formatter.write_usage(ctx.parent.command_path, " ".join(["URL", self.name or "", *pieces]))


class _ShortDoor(click.Group):
    """Takes the URL before the verb, where the command tree takes it after."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not set(args) & {"--help", "-h"} or any("://" in text for text in args):
            args = self._verb_first(ctx, args)
        return super().parse_args(ctx, args)

    def _verb_first(self, ctx: click.Context, args: list[str]) -> list[str]:
        position = next((index for index, text in enumerate(args) if "://" in text), None)
        if position is None:
            raise _WrongUsage(
                "Give the URL of the MCP server first, for example http://localhost:3001/mcp.", ctx
            )
        before, url, rest = args[:position], args[position], args[position + 1 :]
        words = [index for index, text in enumerate(rest) if not text.startswith("-")]
        verb = "tools"
        if words and rest[words[0]] in self.commands:
            verb = rest.pop(words[0])
        return [verb, *before, url, *rest]

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "URL [VERB] [OPTIONS] [ARGS]...")


def _server_url(_ctx: click.Context, _parameter: click.Parameter, text: str) -> str:
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        usable = False
    if not usable or url.username is not None:
        raise click.BadParameter(f"{text!r} is not the URL of an MCP server.")
    if url.scheme == "http" and url.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise click.BadParameter("tokens travel over https; http is for this computer only.")
    return text


def _common(command: Command) -> Command:
    decorators = (
        click.argument("url", callback=_server_url),
        click.option("--no-browser", is_flag=True, help="Print the log-in URL, open nothing."),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
        click.option(
            "--callback-port",
            type=click.IntRange(0, 65535),
            default=0,
            help="Port of 127.0.0.1 for the browser's answer (default: any free one).",
        ),
        click.option(
            "--store-dir",
            type=click.Path(file_okay=False, path_type=Path),
            default=None,
            help="Where log-ins are kept (default: this user's application directory).",
        ),
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


@click.command(cls=_Verb)
@_common
def login(as_json: bool, **options: Any) -> None:
    """Log in, unless you are, and show who you are."""
    from okta_mcp.client import calls, output

    me = _run(_session(**options).run(calls.identity))
    if as_json:
        click.echo(output.as_json(me))
    else:
        click.echo(output.identity_lines(me) if me else "Connected.")


@click.command(cls=_Verb)
@_common
def tools(as_json: bool, **options: Any) -> None:
    """Log in if need be; show person, role and tools."""
    from mcp.client.client import Client
    from mcp_types import Tool

    from okta_mcp.client import calls, output

    async def work(client: Client) -> tuple[dict[str, Any] | None, list[Tool]]:
        return await calls.identity(client), await calls.list_tools(client)

    me, found = _run(_session(**options).run(work))
    if as_json:
        listed = [
            {"name": tool.name, "title": tool.title, "description": tool.description}
            for tool in found
        ]
        click.echo(output.as_json({**(me or {}), "tools": listed}))
        return
    if me:
        click.echo(output.identity_lines(me) + "\n")
    click.echo(output.tools_table(found))


@click.command(cls=_Verb)
@_common
@click.argument("tool")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
def call(as_json: bool, tool: str, arguments: Sequence[str], **options: Any) -> None:
    """Call one tool. Values are read as the tool declares them; lists and objects are JSON."""
    from mcp.client.client import Client
    from mcp_types import CallToolResult

    from okta_mcp.client import calls, output

    async def work(client: Client) -> CallToolResult:
        return await calls.call_tool(client, tool, arguments)

    result = _run(_session(**options).run(work))
    click.echo(
        output.as_json(output.result_value(result)) if as_json else output.result_text(result)
    )


@click.command(cls=_Verb)
@_common
def logout(as_json: bool, **options: Any) -> None:
    """Revoke the tokens at the server and delete them here."""
    from okta_mcp.client import output

    outcome = _run(_session(**options).log_out())
    click.echo(output.as_json({"outcome": outcome}) if as_json else outcome)


verbs: tuple[click.Command, ...] = (login, tools, call, logout)

client_command = _ShortDoor(
    name="client",
    commands=verbs,
    help=(
        "Log in at an MCP server, list your tools and call them. Without a verb: tools.\n\n"
        "Exit status: 0 done, 1 the tool failed, 2 the log-in failed, 3 no connection, "
        "64 wrong usage."
    ),
    subcommand_metavar="",
)


def _session(url: str, no_browser: bool, callback_port: int, store_dir: Path | None) -> "Session":
    from okta_mcp.client.login import Browser
    from okta_mcp.client.session import Session
    from okta_mcp.client.store import LoginStore

    # The SDK logs what it also raises, with tracebacks; the person gets one line from us.
    logging.getLogger("mcp").addHandler(logging.NullHandler())
    surroundings = click.get_current_context().find_object(Surroundings) or Surroundings()
    browser = Browser(
        announce=_announce_unopened if no_browser else _announce,
        open=None if no_browser else surroundings.open_browser,
        callback_port=callback_port,
    )
    directory = store_dir or Path(click.get_app_dir("okta-mcp"))
    return Session(url, LoginStore(directory), browser, surroundings.now)


def _announce(url: str) -> None:
    click.echo(
        f"Opening your browser to log in. If it does not open, visit:\n\n  {url}\n", err=True
    )


def _announce_unopened(url: str) -> None:
    click.echo(f"Visit this page in a browser on this computer to log in:\n\n  {url}\n", err=True)


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    from okta_mcp.client.output import clean

    try:
        return asyncio.run(work)
    except ClientError as error:
        click.echo(f"Error: {clean(str(error))}", err=True)
        click.get_current_context().exit(error.exit_status)
