"""`okta-mcp connect URL --client NAME`: an assistant's configuration, printed or written.

Nothing is asked of the server: the configuration holds its URL and no secret. The assistant logs
in by itself when it is used first.
"""

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

import okta_mcp
from okta_mcp.client.assistants import ASSISTANTS, Machine
from okta_mcp.client.command_line import Verb, reported, server_url
from okta_mcp.client.configuration_file import snippet, write_entry

NAME = "okta"


def this_machine() -> Machine:
    """The machine that this runs on."""
    return Machine(
        home=Path.home(),
        # Where click would put our own settings, the assistants' are too.
        settings=Path(click.get_app_dir(NAME)).parent,
        folder=Path.cwd(),
        # By its full path: an assistant starts it with another PATH than a terminal has.
        bridge=(sys.executable, "-m", "okta_mcp"),
        checkout=_checkout(),
    )


def _checkout() -> Path | None:
    try:
        distribution("okta-mcp")
    except PackageNotFoundError:
        return Path(okta_mcp.__file__).parent.parent
    return None


@click.command(cls=Verb)
@click.argument("url", callback=server_url)
@click.option(
    "--client", "client", required=True, type=click.Choice(list(ASSISTANTS)), help="The assistant."
)
@click.option("--name", default=NAME, show_default=True, help="What the assistant calls it.")
@click.option("--write", is_flag=True, help="Write it into the assistant's file.")
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Another file than the assistant's own, for example a project's .vscode/mcp.json.",
)
@click.option("--replace", is_flag=True, help="With --write: replace another entry of that name.")
def connect(url: str, client: str, path: Path | None, **options: Any) -> None:
    """Print the configuration that connects an assistant, or write it (--write).

    A file that is written keeps all its other entries, and the old one stays beside it.
    """
    if not urlsplit(url).path.strip("/"):
        # Nobody is asked here, and assistants do not try another path.
        click.echo(f"Most servers, this project's too, are at {url.rstrip('/')}/mcp.\n", err=True)
    machine = click.get_current_context().find_object(Machine) or this_machine()
    assistant, name = ASSISTANTS[client], str(options["name"])
    entry, path = assistant.entry(url, machine), path or assistant.file(machine)
    if options["write"]:
        with reported():
            written = write_entry(path, assistant.section, name, entry, replace=options["replace"])
        click.echo(f"Wrote {name} into {path}." if written.changed else f"{path} has it already.")
        if written.backup:
            click.echo(f"The file as it was: {written.backup}")
        click.echo(assistant.afterwards)
        return
    # The configuration alone goes to stdout, so that it can be sent into a file.
    click.echo(f"For {assistant.title}, in {path}:\n", err=True)
    click.echo(snippet(assistant.section, name, entry))
    other = assistant.other_way(name, url, entry)
    said = [other] if other else []
    said += [f"Or let it be written: add --write. {assistant.afterwards}"]
    click.echo("\n" + "\n".join(said), err=True)
