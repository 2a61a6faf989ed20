"""The command tree: `okta-mcp VERB ...`, or `python -m okta_mcp VERB ...` from a checkout."""

import difflib
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import click

from okta_mcp import __version__


class _UnknownVerbError(click.UsageError):
    """Wrong usage in the client's words (EX_USAGE), because most verbs are the client's."""

    exit_code = 64


class _Verbs(click.Group):
    """Imports a verb's module only when the verb is used: `--help` loads no web server."""

    # Module, and what the list of verbs says of the verb.
    _later: ClassVar = {
        "doctor": ("okta_mcp.doctor_commands", "Check everything that a server depends on."),
        "serve": ("okta_mcp.serving.command", "Serve MCP and the login."),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self._later])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._later:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(self._later[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        summaries = {name: summary for name, (_, summary) in self._later.items()}
        for name, command in self.commands.items():
            summaries[name] = command.get_short_help_str(limit=60)
        with formatter.section("Commands"):
            formatter.write_dl(sorted(summaries.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            verbs = ", ".join(self.list_commands(ctx))
            raise _UnknownVerbError(f"There is no verb {args[0]}.{hint} Verbs: {verbs}.", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_Verbs)
@click.version_option(__version__, prog_name="okta-mcp")
def main() -> None:
    """Okta for AI assistants: the server, its client, and the tools to run them."""


@main.command()
@click.argument("url", default="http://127.0.0.1:3001/health")
@click.option("--seconds", default=4.0, show_default=True, help="How long to wait for an answer.")
def health(url: str, seconds: float) -> None:
    """Ask the server at URL whether it lives; exit status 1 if it does not.

    Without URL it is the server of this machine. A path /health/ready asks whether it takes
    requests too.
    """
    from okta_mcp.ops.probe import UnhealthyError, ask_health

    try:
        click.echo(ask_health(url, timeout_seconds=seconds))
    except UnhealthyError as error:
        click.echo(error, err=True)
        sys.exit(1)


@main.group()
def audit() -> None:
    """Work with the audit trail."""


@audit.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def verify(file: Path) -> None:
    """Check that nothing in FILE was changed, removed or slipped in."""
    from okta_mcp.audit.writer import BrokenChainError, verified_lines

    events: list[dict[str, Any]] = []
    try:
        with file.open(encoding="utf-8") as lines:
            events.extend(verified_lines(lines))
    except BrokenChainError as error:
        click.echo(f"{file}: {error}", err=True)
        sys.exit(1)
    span = [events[0]["time"], events[-1]["time"]] if events else []
    click.echo(json.dumps({"lines": len(events), "unbroken": True, "from_to": span}))


_mcp_config = click.option(
    "--mcp-config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the servers behind the gateway, instead of MCP_CONFIG.",
)


@main.group()
def policy() -> None:
    """Check a policy file; say why somebody may or may not use a tool."""


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@_mcp_config
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(".env"),
    show_default=True,
    help="File with the variables that the file of --mcp-config names.",
)
def check(file: Path, mcp_config: Path | None, env_file: Path) -> None:
    """Say what is wrong with the policy FILE, or what it allows."""
    from okta_mcp import policy_commands

    sys.exit(policy_commands.check(file, mcp_config=mcp_config, env_file=env_file))


@policy.command()
@click.argument("person")
@click.argument("tool")
@click.option(
    "--policy", "policy_file", type=click.Path(path_type=Path), help="Instead of POLICY_FILE."
)
@click.option("--groups", help="The person's groups, by comma; then Okta is not asked.")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(".env"),
    show_default=True,
    help="File with the settings of the server.",
)
@_mcp_config
def explain(
    person: str,
    tool: str,
    policy_file: Path | None,
    groups: str | None,
    env_file: Path,
    mcp_config: Path | None,
) -> None:
    """Say why PERSON (login or id, or the name of a service) may or may not use TOOL.

    Exit status 0: may, 1: may not, 2: cannot tell.
    """
    from okta_mcp import policy_commands

    sys.exit(
        policy_commands.explain(
            person,
            tool,
            policy_file=policy_file,
            groups=groups,
            env_file=env_file,
            mcp_config=mcp_config,
        )
    )


_env_file = click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(".env"),
    show_default=True,
    help="File with the settings of the server.",
)


@main.group()
def store() -> None:
    """Check, count, copy and bring back what a server keeps."""


@store.command(name="check")
@_env_file
def check_store(env_file: Path) -> None:
    """Say whether the store is in order: structures, file modes, records, sealed values.

    Exit status 0: in order, 1: there are faults, 2: cannot be checked.
    """
    from okta_mcp import store_commands

    sys.exit(store_commands.check(env_file))


@store.command()
@_env_file
def stats(env_file: Path) -> None:
    """Say what the store holds, kind by kind."""
    from okta_mcp import store_commands

    sys.exit(store_commands.stats(env_file))


@store.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_env_file
def backup(file: Path, env_file: Path) -> None:
    """Write a copy of the store to the new FILE, while servers run; sealed values stay sealed."""
    from okta_mcp import store_commands

    sys.exit(store_commands.backup(env_file, file))


@store.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_env_file
@click.option("--replace", is_flag=True, help="Delete first what the store holds.")
@click.option(
    "--with-access",
    is_flag=True,
    help="Also sign-ins, grants and tokens. What was ended after the backup works again.",
)
def restore(file: Path, env_file: Path, replace: bool, with_access: bool) -> None:
    """Bring back from FILE the registrations of clients. Stop the servers first.

    Exit status 0: done, 1: refused because the store is not empty, 2: cannot be done.
    """
    from okta_mcp import store_commands

    sys.exit(store_commands.restore(env_file, file, replace=replace, with_access=with_access))


@main.group()
def keys() -> None:
    """Work with the secrets of SESSION_SECRET_KEY."""


@keys.command()
@_env_file
def rotate(env_file: Path) -> None:
    """Seal anew with the first secret what a later one has sealed. Servers may run.

    Exit status 0: the earlier secrets open nothing any more, 1: something was left, 2: not done.
    """
    from okta_mcp import key_commands

    sys.exit(key_commands.rotate(env_file))


def _add_client_verbs() -> None:
    from okta_mcp.client.commands import verbs

    for verb in verbs:
        main.add_command(verb)


_add_client_verbs()

if __name__ == "__main__":
    main(prog_name="okta-mcp")
