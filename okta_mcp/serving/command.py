"""The command that serves, in either mode: `okta-mcp serve` and its short doors.

Options only: what serves is loaded when they have been understood, by `run.py`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from okta_mcp.serving.cold_start import load_http_client, uncollected

if TYPE_CHECKING:
    from okta_mcp.settings import AuthMode


@click.command(name="serve")
@click.option(
    "--host", default="localhost", show_default=True, help="Name or address to listen at."
)
@click.option("--port", default=3001, show_default=True, help="Port to listen on.")
@click.option(
    "--sandbox", "with_sandbox", is_flag=True, help="Start a stand-in Okta organisation; no tenant."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that serve; more than one needs a store that they can share.",
)
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(".env"),
    show_default=True,
    help="File with the settings.",
)
@click.option(
    "--mcp-config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with other MCP servers to put behind the same login (MCP_CONFIG).",
)
@click.pass_obj
def serve(
    auth_mode: "AuthMode | None",
    host: str,
    port: int,
    with_sandbox: bool,
    workers: int,
    env_file: Path,
    mcp_config: Path | None,
) -> None:
    """Serve MCP at /mcp and, unless AUTH_MODE says otherwise, the login beside it."""
    with uncollected():
        load_http_client()
        from okta_mcp.serving.run import run
    run(
        auth_mode,
        host=host,
        port=port,
        with_sandbox=with_sandbox,
        workers=workers,
        env_file=env_file,
        mcp_config=mcp_config,
    )
