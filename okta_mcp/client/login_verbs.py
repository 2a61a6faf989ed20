"""The verbs about the log-in itself: `login`, `status`, `logout`. Mounted by `commands`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from okta_mcp.client.command_line import (
    Form,
    Verb,
    completed,
    form_of,
    keeps_logins,
    login_store,
    logs_in,
    open_session,
    prints,
    run,
    surroundings,
)

if TYPE_CHECKING:
    from mcp.client.client import Client


@click.command(cls=Verb)
@logs_in
@prints
def login(url: str, store_dir: Path | None, as_json: bool, as_csv: bool, **options: Any) -> None:
    """Log in, unless you are, and show who you are."""
    from okta_mcp.client import calls, output

    form, store = form_of(as_json=as_json, as_csv=as_csv), login_store(store_dir)

    async def ask(client: "Client") -> tuple[dict[str, Any] | None, bool]:
        me = await calls.identity(client)
        return me, bool(me or await calls.list_tools(client))

    async def work() -> tuple[dict[str, Any] | None, bool]:
        session = open_session(await completed(url, store), store, **options)
        return await session.run(ask)

    me, has_tools = run(work())
    if not has_tools:
        click.echo(output.WITHOUT_TOOLS, err=True)
    if form == "table":
        click.echo(output.identity_lines(me) if me else "Connected.")
    else:
        _print_record(me or {}, form)


@click.command(cls=Verb)
@keeps_logins
@prints
def status(url: str, store_dir: Path | None, as_json: bool, as_csv: bool) -> None:
    """Say who is logged in, until when, where tokens are kept, and whether the server answers.

    Never opens a browser. Exit status 0 only if a call would work now.
    """
    from okta_mcp.client.status import status_of

    form, store = form_of(as_json=as_json, as_csv=as_csv), login_store(store_dir)

    async def work() -> tuple[dict[str, Any], str, int]:
        place = await completed(url, store)
        return await status_of(open_session(place, store), store, place, surroundings().now)

    found, text, exit_status = run(work())
    if form == "table":
        click.echo(text)
    else:
        _print_record(found, form)
    click.get_current_context().exit(exit_status)


@click.command(cls=Verb)
@keeps_logins
@prints
def logout(url: str, store_dir: Path | None, as_json: bool, as_csv: bool) -> None:
    """Revoke the tokens at the server and delete them here."""
    form, store = form_of(as_json=as_json, as_csv=as_csv), login_store(store_dir)

    async def work() -> str:
        return await open_session(await completed(url, store), store).log_out()

    outcome = run(work())
    if form == "table":
        click.echo(outcome)
    else:
        _print_record({"outcome": outcome}, form)


def _print_record(record: dict[str, Any], form: Form) -> None:
    from okta_mcp.client import output
    from okta_mcp.client.csv_output import records_csv

    if form == "json":
        click.echo(output.as_json(record))
    else:
        click.echo(records_csv([record]), nl=False)
