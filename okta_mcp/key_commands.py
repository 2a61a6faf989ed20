"""`okta-mcp keys rotate`: seals anew, with the first secret of SESSION_SECRET_KEY, what the store
holds sealed with a later one.

Servers may run. Exit status: 0 the earlier secrets have nothing left to open, 1 something was left
or opens with none of the secrets, 2 nothing could be done.
"""

import asyncio
import time
from pathlib import Path

import click

from okta_mcp.settings import Settings, SettingsError, load_settings
from okta_mcp.stores.interface import StoreUnavailableError
from okta_mcp.stores.opening import opened_store, opened_upkeep
from okta_mcp.stores.resealing import Tally, resealed
from okta_mcp.stores.sealing import Sealer

DONE, LEFT, NOTHING_DONE = 0, 1, 2


def rotate(env_file: Path) -> int:
    """Re-seal and print what was done; the exit status."""
    try:
        settings = load_settings(env_file=env_file)
        tally = asyncio.run(_rotated(settings))
    except SettingsError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        return NOTHING_DONE
    except StoreUnavailableError as error:
        click.echo(str(error), err=True)
        return NOTHING_DONE
    click.echo(f"re-sealed   {tally.resealed}")
    click.echo(f"current     {tally.current}")
    click.echo(f"unreadable  {tally.unreadable}")
    if tally.left:
        click.echo(f"left        {tally.left}")
    click.echo("")
    for line in _advice(tally, settings):
        click.echo(line)
    return LEFT if tally.left or tally.unreadable else DONE


async def _rotated(settings: Settings) -> Tally:
    upkeep = opened_upkeep(settings.store, settings.store_prefix, time.time)
    try:
        store = opened_store(settings.store, settings.store_prefix, time.time)
        try:
            sealer = Sealer(settings.session_secrets, "sealing")
            return await resealed(store, upkeep, sealer, time.time)
        finally:
            await store.close()
    finally:
        await upkeep.close()


def _advice(tally: Tally, settings: Settings) -> list[str]:
    if tally.left:
        return [
            "Servers changed some values again and again while they were sealed anew. Keep the"
            " earlier secrets and run this once more."
        ]
    lines = []
    if tally.unreadable:
        lines.append(
            f"{tally.unreadable} values open with none of the secrets; whoever needs them signs in"
            " again. If a secret was dropped too early, put it back at the end of"
            " SESSION_SECRET_KEY and run this again."
        )
    if len(settings.session_secrets) == 1:
        return [*lines, "SESSION_SECRET_KEY holds one secret; there is none to drop."]
    hours = settings.session_ttl_seconds / 3600
    return [
        *lines,
        "No value in the store needs the earlier secrets. Cookies of browsers do: drop the earlier"
        f" secrets {hours:g} hours (SESSION_TTL_SECONDS) after the last server was started with"
        " the new one in the first place. Sooner, some people sign in once more.",
    ]
