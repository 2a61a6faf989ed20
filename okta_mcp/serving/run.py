"""What the command that serves does, in either mode.

Reads the settings, starts the sandbox organisation where it is asked for, says on standard error
where everything is, and serves. A configuration that cannot work ends the process at once with
exit status 2 and a line for each problem.
"""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from starlette.applications import Starlette

from okta_mcp.ops.logging import set_up_logging
from okta_mcp.ops.stopping import Stopping
from okta_mcp.serving.cold_start import uncollected
from okta_mcp.serving.gateway_configuration import configured_servers
from okta_mcp.serving.greeting import greeting
from okta_mcp.serving.listening import listeners_of, serve_app
from okta_mcp.serving.sandbox_process import Sandbox, running_sandbox
from okta_mcp.serving.start_errors import explained
from okta_mcp.serving.workers import Worker, can_fork, run_workers
from okta_mcp.settings import (
    AuthMode,
    Settings,
    SettingsError,
    is_loopback,
    load_auth_mode,
    load_settings,
)


def run(
    auth_mode: AuthMode | None,
    *,
    host: str,
    port: int,
    with_sandbox: bool,
    workers: int,
    env_file: Path,
    mcp_config: Path | None,
) -> None:
    """Serve until the process is told to stop. `auth_mode` None is what the settings say."""
    overrides: dict[str, Any] = {"host": host, "port": port}
    if auth_mode is not None:
        overrides["auth_mode"] = auth_mode
    if mcp_config is not None:
        overrides["mcp_config"] = mcp_config
    with explained(), _sandbox_if(with_sandbox, host, port, env_file, auth_mode) as sandbox:
        settings = load_settings(
            env_file=env_file, overrides=overrides | (sandbox.settings if sandbox else {})
        )
        set_up_logging(settings.log_level)
        if settings.mcp_config is not None:
            # Until the gateway knows what to do with it; the file is still to be read.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        _serve(settings, sandbox, workers)


@contextlib.contextmanager
def _sandbox_if(
    wanted: bool, host: str, port: int, env_file: Path, auth_mode: AuthMode | None
) -> Iterator[Sandbox | None]:
    if not wanted:
        yield None
        return
    if not is_loopback(host):
        raise SettingsError(
            [f"--sandbox: works on loopback only, not on {host}. Example: --host localhost"]
        )
    mode = auth_mode or load_auth_mode(env_file)
    with running_sandbox(host, port, env_file, mode) as sandbox:
        yield sandbox


def _serve(settings: Settings, sandbox: Sandbox | None, workers: int) -> None:
    if workers > 1:
        _check_workers(settings, workers)
    with uncollected():
        build_app = _builder(settings)
    sandbox_url = sandbox.org_url if sandbox else None
    listeners = listeners_of(settings)

    def greet() -> None:
        click.echo(greeting(settings, sandbox), err=True)

    if workers == 1:
        stopping = Stopping()
        with uncollected():
            app = build_app(settings, sandbox_url=sandbox_url, stopping=stopping)
        greet()
        serve_app(settings, app, listeners, stopping)
        return

    def serve_as(worker: Worker) -> None:
        with explained():
            stopping = Stopping()
            with uncollected():
                app = build_app(settings, sandbox_url=sandbox_url, worker=worker, stopping=stopping)
            worker.is_ready()
            serve_app(settings, app, listeners, stopping)

    can_reload = settings.mcp_config is not None
    sys.exit(run_workers(workers, serve_as, greet, can_reload=can_reload))


def _builder(settings: Settings) -> Callable[..., Starlette]:
    """The `build_app` of the mode; the other mode is not even imported."""
    if settings.auth_mode == "resource-server":
        from okta_mcp.resource_server.app import build_app

        return build_app
    from okta_mcp.oauth_proxy.app import build_app as build_proxy

    return build_proxy


def _check_workers(settings: Settings, workers: int) -> None:
    if settings.store.startswith("memory:"):
        raise SettingsError(
            [
                "--workers: several processes cannot share a store in memory."
                " Example: STORE_URL=sqlite:////var/lib/okta-mcp/store.db"
            ]
        )
    if not can_fork():
        raise SettingsError(["--workers: this system cannot start several; leave it out"])
    if settings.mcp_config is not None:
        from okta_mcp.inventory import named_only

        configured_servers(settings, named_only(), workers=workers)
