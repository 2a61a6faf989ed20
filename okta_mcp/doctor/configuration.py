"""The first check: the settings, each by itself, between them, and the files that they name."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from okta_mcp.doctor.verdict import Verdict, failed, ok, warning
from okta_mcp.okta.client_key import ClientKey
from okta_mcp.serving.okta_access import private_key
from okta_mcp.settings import Settings, SettingsError, host_and_port, load_settings

_EXAMPLE = " Example: "


class Unusable(Exception):  # noqa: N818 - what it says is the verdicts
    """The configuration cannot be used; a failed verdict for each reason."""

    def __init__(self, verdicts: list[Verdict]) -> None:
        super().__init__()
        self.verdicts = verdicts


def usable_settings(
    env_file: Path, overrides: Mapping[str, Any]
) -> tuple[Settings, ClientKey | None]:
    """The settings and the private key that they name; raises `Unusable`."""
    try:
        settings = load_settings(env_file=env_file, overrides=overrides)
        return settings, private_key(settings)
    except SettingsError as error:
        raise Unusable([_of_line(problem) for problem in error.problems]) from None


def settings_verdicts(settings: Settings) -> list[Verdict]:
    """What is to be said of settings that can be used."""
    notes = [
        warning(
            f"{name} in the env file is no setting of this server and has no effect",
            f"name it {meant}, if that is meant",
        )
        for name, meant in settings.misspelt().items()
    ]
    if not settings.session_secrets and not settings.is_resource_server:
        notes.append(
            warning(
                "SESSION_SECRET_KEY is not set: a restart signs everybody out",
                "set it to the output of: openssl rand -base64 48",
            )
        )
    if settings.metrics_listen and not _is_of_this_machine(host_and_port(settings.metrics_listen)):
        notes.append(
            failed(
                f"METRICS_LISTEN: {settings.metrics_listen} is no address of this machine",
                "for example METRICS_LISTEN=127.0.0.1:9464",
            )
        )
    return notes or [ok(f"in order; people reach this server at {settings.url}")]


def _is_of_this_machine(address: tuple[str, int]) -> bool:
    """On any port: the one that is named may be in use, by the server itself."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        socket.create_server((address[0], 0), family=family).close()
    except OSError:
        return False
    return True


def _of_line(problem: str) -> Verdict:
    """A line of `SettingsError` as what is wrong and what would be right."""
    seen, _, example = problem.partition(_EXAMPLE)
    if example:
        return failed(seen.rstrip("."), f"for example {example}")
    seen, _, fix = problem.partition("; ")
    return failed(seen, fix or "correct it as it says")
