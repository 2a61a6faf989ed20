"""The verb `bridge`: the command that a client starts which only speaks stdio.

Mounted by `commands`. Its stdin and stdout belong to that client; whatever is said to the person
goes to stderr, which most clients keep in a log file.
"""

from pathlib import Path
from typing import Any

import click

from okta_mcp.client import command_line


@click.command(cls=command_line.Verb)
@command_line.logs_in
def bridge(url: str, store_dir: Path | None, **options: Any) -> None:
    """Be a stdio server that relays to URL, for clients that cannot log in at one themselves.

    Clients start it; see docs/bridge.md for what to enter there. Typed by hand, it reads JSON-RPC
    messages, one a line.
    """
    from okta_mcp.client.bridge import serve

    store = command_line.login_store(store_dir)
    session = command_line.open_session(url, store, **options)
    command_line.run(serve(url, session, _say))


def _say(text: str) -> None:
    from okta_mcp.client.output import clean

    click.echo(f"okta-mcp bridge: {clean(text, keep_lines=False)}", err=True)
