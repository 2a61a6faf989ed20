"""Where the verbs of the client are mounted, for the command tree and for the short door.

`verbs` are mounted by the project's command tree as `okta-mcp VERB URL …`; `client_command` is the
short door `python -m okta_mcp.client URL [VERB …]`, whose verb is `tools` if none is given.
"""

import difflib

import click

from okta_mcp.client.bridge_verb import bridge
from okta_mcp.client.command_line import (
    EXIT_STATUS_LINE,
    URL_FIRST,
    WrongUsage,
    positions_of_words,
)
from okta_mcp.client.connect import connect
from okta_mcp.client.login_verbs import login, logout, status
from okta_mcp.client.server_verbs import call, prompts, resources, tools

verbs: tuple[click.Command, ...] = (
    *(login, tools, call, resources, prompts, status, logout),
    *(bridge, connect),
)

_NO_URL = "Give the URL of the MCP server first, for example http://localhost:3001/mcp."


class _ShortDoor(click.Group):
    """Takes the URL before the verb, where the command tree takes it after."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[URL_FIRST] = True
        if not set(args) & {"--help", "-h"} or positions_of_words(args):
            args = self._verb_first(ctx, args)
        return super().parse_args(ctx, args)

    def _verb_first(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = positions_of_words(args)
        if not words:
            raise WrongUsage(_NO_URL, ctx)
        first = args[words[0]]
        if first in self.commands:
            if not set(args) & {"--help", "-h"} and len(words) == 1:
                raise WrongUsage(_NO_URL, ctx)
            return [first, *args[: words[0]], *args[words[0] + 1 :]]
        if len(words) == 1:
            return ["tools", *args]
        verb = args[words[1]]
        if verb not in self.commands:
            raise WrongUsage(self._unknown(verb), ctx)
        return [verb, *args[: words[1]], *args[words[1] + 1 :]]

    def _unknown(self, verb: str) -> str:
        close = difflib.get_close_matches(verb, self.commands, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        return f"There is no verb {verb}.{hint} Verbs: {', '.join(self.commands)}."

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "URL [VERB] [OPTIONS] [ARGS]...")


client_command = _ShortDoor(
    name="client",
    commands=verbs,
    help="Log in at an MCP server, list what it offers and use it. Without a verb: tools.",
    epilog=EXIT_STATUS_LINE,
    subcommand_metavar="",
)
