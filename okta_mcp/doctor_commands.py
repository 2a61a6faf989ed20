"""`okta-mcp doctor`: prints what the checks of `okta_mcp.doctor` found.

Exit status: 0 nothing failed, 1 a check failed, 2 the configuration cannot be used.
"""

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from okta_mcp.doctor.checks import IDS, SETTINGS
from okta_mcp.doctor.running import Finding, findings
from okta_mcp.settings import DEFAULT_ENV_FILE

IN_ORDER, FAILED, UNUSABLE = 0, 1, 2


@click.command()
@click.option(
    "--only", multiple=True, type=click.Choice(IDS), metavar="ID", help="This check; repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="A list of {id, status, seen, fix}.")
@click.option(
    "--host", default="localhost", show_default=True, help="As the server is started with."
)
@click.option("--port", default=3001, show_default=True, help="As the server is started with.")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_ENV_FILE,
    show_default=True,
    help="File with the settings of the server.",
)
@click.pass_context
def doctor(
    context: click.Context,
    only: tuple[str, ...],
    as_json: bool,
    host: str,
    port: int,
    env_file: Path,
) -> None:
    """Check everything that a server depends on; a line each, with the fix.

    Exit status 0: nothing failed, 1: something did, 2: the configuration cannot be used.
    """
    # What the server would log is said here by the checks, in their own words.
    logging.getLogger("okta_mcp").addHandler(logging.NullHandler())
    found = asyncio.run(findings(env_file, {"host": host, "port": port}, only, time.time))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        status = _exit_status(found)
        shown = [each for each in found if each.id == SETTINGS] if status == UNUSABLE else found
        for line in _lines(shown):
            click.echo(line)
        if shown != found:
            click.echo(f"The other {len(found) - len(shown)} checks wait until these are right.")
    context.exit(_exit_status(found))


def _lines(found: Sequence[Finding]) -> list[str]:
    width = max((len(finding.id) for finding in found), default=0)
    return [
        f"{each.status:<7}  {each.id:<{width}}  {each.seen}"
        + (f"  -> {each.fix}" if each.fix else "")
        for each in found
    ]


def _exit_status(found: Sequence[Finding]) -> int:
    failed = {finding.id for finding in found if finding.status == "failed"}
    if SETTINGS in failed:
        return UNUSABLE
    return FAILED if failed else IN_ORDER
