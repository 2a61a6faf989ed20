"""The entry point of the server: `python -m okta_mcp.oauth_proxy.server`.

Reads the settings, starts the sandbox organisation where it is asked for, says on standard error
where everything is, and serves. A configuration that cannot work ends the process at once with
exit status 2 and a line for each problem.
"""

import contextlib
import errno
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import uvicorn
from starlette.applications import Starlette

from okta_mcp.audit.writer import AuditFileError, BrokenChainError
from okta_mcp.oauth_proxy.app import build_app
from okta_mcp.oauth_proxy.sandbox_process import Sandbox, running_sandbox
from okta_mcp.oauth_proxy.workers import Worker, can_fork, run_workers
from okta_mcp.ops.http_protocol import http_protocol
from okta_mcp.ops.logging import set_up_logging
from okta_mcp.ops.stopping import Stopping, StoppingServer
from okta_mcp.rbac.policy_file import PolicyError
from okta_mcp.settings import Settings, SettingsError, is_loopback, load_settings
from okta_mcp.stores.interface import StoreUnavailableError

EXIT_CONFIGURATION = 2
# Calls have had their time when the connections are closed (see ops/stopping.py).
_CLOSE_SECONDS = 1
_IDLE_SECONDS = 15


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
def serve(host: str, port: int, with_sandbox: bool, workers: int, env_file: Path) -> None:
    """Serve MCP at /mcp and the login beside it."""
    with _explained(), _sandbox_if(with_sandbox, host, port, env_file) as sandbox:
        overrides: dict[str, Any] = {"host": host, "port": port}
        settings = load_settings(
            env_file=env_file, overrides=overrides | (sandbox.settings if sandbox else {})
        )
        set_up_logging(settings.log_level)
        _run(settings, sandbox, workers)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """What cannot work is said in a line each, and ends the process."""
    try:
        yield
    except SettingsError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        sys.exit(EXIT_CONFIGURATION)
    except PolicyError as error:
        for problem in error.problems:
            of_file = "" if problem.startswith("GROUP_TO_ROLE_") else "POLICY_FILE: "
            click.echo(f"{of_file}{problem}", err=True)
        sys.exit(EXIT_CONFIGURATION)
    except AuditFileError as error:
        example = "Example: AUDIT_LOG=/var/log/okta-mcp/audit.jsonl (the folder must exist)"
        click.echo(f"AUDIT_LOG: {error}. {example}", err=True)
        sys.exit(EXIT_CONFIGURATION)
    except StoreUnavailableError as error:
        click.echo(f"STORE_URL: {error}. Example: STORE_URL=sqlite:///okta-mcp.db", err=True)
        sys.exit(EXIT_CONFIGURATION)
    except BrokenChainError as error:
        click.echo(f"AUDIT_LOG: {error}. Move the file away, keep it, and start again.", err=True)
        sys.exit(EXIT_CONFIGURATION)


@contextlib.contextmanager
def _sandbox_if(wanted: bool, host: str, port: int, env_file: Path) -> Iterator[Sandbox | None]:
    if not wanted:
        yield None
        return
    if not is_loopback(host):
        raise SettingsError(
            [f"--sandbox: works on loopback only, not on {host}. Example: --host localhost"]
        )
    with running_sandbox(host, port, env_file) as sandbox:
        yield sandbox


def _run(settings: Settings, sandbox: Sandbox | None, workers: int) -> None:
    if workers > 1:
        _check_workers(settings)
    sandbox_url = sandbox.org_url if sandbox else None
    listeners = _listeners(settings)

    def greet() -> None:
        click.echo(_greeting(settings, sandbox), err=True)

    if workers == 1:
        stopping = Stopping()
        app = build_app(settings, sandbox_url=sandbox_url, stopping=stopping)
        greet()
        _serve(settings, app, listeners, stopping)
        return

    def serve_as(worker: Worker) -> None:
        with _explained():
            stopping = Stopping()
            app = build_app(settings, sandbox_url=sandbox_url, worker=worker, stopping=stopping)
            worker.is_ready()
            _serve(settings, app, listeners, stopping)

    sys.exit(run_workers(workers, serve_as, greet))


def _check_workers(settings: Settings) -> None:
    if settings.store.startswith("memory:"):
        raise SettingsError(
            [
                "--workers: several processes cannot share a store in memory."
                " Example: STORE_URL=sqlite:////var/lib/okta-mcp/store.db"
            ]
        )
    if not can_fork():
        raise SettingsError(["--workers: this system cannot start several; leave it out"])


def _serve(
    settings: Settings, app: Starlette, listeners: list[socket.socket], stopping: Stopping
) -> None:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        # Whose address a request has is not for strangers to say.
        proxy_headers=False,
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        timeout_graceful_shutdown=_CLOSE_SECONDS,
        timeout_keep_alive=_IDLE_SECONDS,
        http=http_protocol(),
        ws="none",
    )
    StoppingServer(config, stopping).run(sockets=listeners)


def _listeners(settings: Settings) -> list[socket.socket]:
    """A socket for each address of the host: `localhost` is 127.0.0.1 and, where it exists, ::1."""
    found = {
        (family, address[0])
        for family, _, _, _, address in socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    }
    listeners: list[socket.socket] = []
    refused = ""
    for family, address in sorted(found):
        try:
            listener = socket.create_server(
                (str(address), settings.port), family=family, backlog=1024
            )
            # asyncio sets this only on sockets that name their protocol, which these do not;
            # without it each small answer on a kept connection waits for the peer's next packet.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listeners.append(listener)
        except OSError as error:
            # A name may stand for an address that this machine does not have (::1); a port that
            # another program has on one of them would send people there.
            if error.errno != errno.EADDRNOTAVAIL:
                refused = error.strerror or "refused"
    if refused or not listeners:
        for listener in listeners:
            listener.close()
        raise SettingsError(
            [
                f"--port: cannot listen on {settings.host} port {settings.port}:"
                f" {refused or 'no such address here'}. Example: --port 3011"
            ]
        )
    return listeners


def _greeting(settings: Settings, sandbox: Sandbox | None) -> str:
    """What a person who starts the server wants to know first."""
    lines = ["", f"  MCP URL         {settings.url}/mcp"]
    if sandbox is not None:
        lines.append(
            f"  Sandbox login   {sandbox.org_url}  (a stand-in for Okta: no tenant needed)"
        )
        lines += ["", "  Log in as", *_persona_lines(sandbox.personas)]
        if sandbox.set_aside:
            lines += [
                "",
                f"  Set aside, because the sandbox sets it: {', '.join(sandbox.set_aside)}",
            ]
    if settings.okta_oauth_audience:
        lines += ["", "  OKTA_OAUTH_AUDIENCE has no effect here; it is for resource-server mode."]
    lines += ["", f"  Try it now      python -m okta_mcp.client {settings.url}/mcp", ""]
    return "\n".join(lines)


def _persona_lines(personas: list[dict[str, Any]]) -> list[str]:
    """Login, role and note in columns."""
    width = max(len(person["login"]) for person in personas)
    columns = f"    {{login:<{width}}}  {{role:<14}}  {{note}}"
    return [
        columns.format(**(person | {"role": person["role"] or "no role"})).rstrip()
        for person in personas
    ]


def main() -> None:
    """`python -m okta_mcp.oauth_proxy.server`, the short door to `okta-mcp serve`."""
    serve(prog_name="python -m okta_mcp.oauth_proxy.server")


if __name__ == "__main__":
    main()
