"""Starts the sandbox organisation and says, in one line of JSON, how to use it."""

import ipaddress
import json
import os
import secrets
import socket
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import click
import jwt
import uvicorn

from okta_mcp.sandbox.app import build_app
from okta_mcp.sandbox.clients import public_keys
from okta_mcp.sandbox.directory import OWN_APP, ROLE_GROUPS, identifier
from okta_mcp.sandbox.state import SETTINGS, Registration, SandboxState, ServiceRegistration

EXIT_USAGE = 2
# Of the native application that people enter in Okta for their command line.
NATIVE_REDIRECT_URI = "http://localhost:3030/oauth/callback"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", default=3002, show_default=True, help="0 takes any free port.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, required=True)
@click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True)
@click.option("--id-token-style", type=click.Choice(SETTINGS["id_token_style"]), default="fat")
@click.option("--rate-profile", type=click.Choice(SETTINGS["rate_profile"]), default="workforce")
@click.option("--client-jwks", type=Path, help="The application has these public keys, no secret.")
@click.option("--service-client-id", help="There is an API Services application of this id.")
@click.option("--service-jwks", type=Path, help="Its public keys, a JSON Web Key Set.")
@click.option("--end-with-stdin", is_flag=True, help="End when standard input ends.")
def main(
    host: str,
    port: int,
    redirect_uris: tuple[str, ...],
    post_logout_redirect_uris: tuple[str, ...],
    id_token_style: str,
    rate_profile: str,
    client_jwks: Path | None,
    service_client_id: str | None,
    service_jwks: Path | None,
    end_with_stdin: bool,
) -> None:
    """Serve "Northwind Bank", an Okta organisation that exists only here."""
    if not _is_loopback(host):
        _refuse(f"--host: {host} is not loopback; the sandbox is for this computer")
    if (service_client_id is None) is not (service_jwks is None):
        _refuse("--service-client-id: goes together with --service-jwks")
    service = None
    if service_client_id is not None:
        service = ServiceRegistration(service_client_id, _keys("--service-jwks", service_jwks))
    try:
        listener = socket.create_server((host, port), backlog=256)
    except OSError as error:
        _refuse(f"--port: cannot listen on {host} port {port}: {error.strerror}")
    native = Registration(identifier("0oa", "Okta MCP command line"), "", (NATIVE_REDIRECT_URI,))
    checker = Registration(identifier("0oa", "Okta MCP resource server"), secrets.token_urlsafe(30))
    registration = Registration(
        client_id=identifier("0oa", OWN_APP),
        client_secret=secrets.token_urlsafe(30),
        redirect_uris=redirect_uris,
        post_logout_redirect_uris=post_logout_redirect_uris,
        keys=_keys("--client-jwks", client_jwks),
    )
    state = SandboxState(
        base_url=f"http://{host}:{listener.getsockname()[1]}",
        registration=registration,
        api_token=f"00{secrets.token_urlsafe(30)}",
        control_secret=secrets.token_urlsafe(30),
        wall_clock=time.time,
        id_token_style=id_token_style,
        rate_profile=rate_profile,
        service=service,
        others=(native, checker),
    )
    config = uvicorn.Config(
        build_app(state),
        log_level="warning",
        access_log=False,
        server_header=False,
        # The application sends its own: the sandbox's clock can be moved.
        date_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    if end_with_stdin:
        threading.Thread(target=_end_with_stdin, args=(server,), daemon=True).start()
    # The socket is bound and accepts: whoever reads this line may connect.
    click.echo(json.dumps(_ready(state)))
    sys.stdout.flush()
    server.run(sockets=[listener])


def _ready(state: SandboxState) -> dict[str, object]:
    native, checker = state.others
    return {
        "org_url": state.base_url,
        "custom": {
            "issuer": state.custom.issuer,
            "audience": state.custom.audience,
            "native_client_id": native.client_id,
            "client_id": checker.client_id,
            "client_secret": checker.client_secret,
        },
        "client_id": state.registration.client_id,
        "client_secret": state.registration.client_secret,
        "api_token": state.api_token,
        "control_secret": state.control_secret,
        "role_groups": {role.replace("-", "_"): name for role, name in ROLE_GROUPS.items()},
        "personas": [asdict(persona) for persona in state.organisation.personas],
    }


def _keys(option: str, path: Path | None) -> tuple[jwt.PyJWK, ...]:
    try:
        return public_keys(path.read_text()) if path is not None else ()
    except OSError as error:
        _refuse(f"{option}: {path} cannot be read: {error.strerror}")
    except ValueError as error:
        _refuse(f"{option}: {path} {error}")


def _refuse(reason: str) -> NoReturn:
    click.echo(reason, err=True)
    sys.exit(EXIT_USAGE)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _end_with_stdin(server: uvicorn.Server) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    server.should_exit = True


if __name__ == "__main__":
    main(prog_name="python -m okta_mcp.sandbox")
