"""What all verbs of the client share: their URL and options, the session, and how a run ends.

Used by `login_verbs`, `server_verbs`, and the modules of further verbs. Results go to stdout,
everything said to the person to stderr. The MCP SDK takes half a second to import, so everything
that needs it is imported when a verb runs and not for `--help`.
"""

import asyncio
import logging
import os
import shlex
import time
import webbrowser
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

import click

from okta_mcp.client.errors import (
    EXIT_STATUSES,
    INTERRUPTED_STATUS,
    USAGE_STATUS,
    ClientError,
)

if TYPE_CHECKING:
    from okta_mcp.client.session import Session
    from okta_mcp.client.store import LoginStore

Command = TypeVar("Command", bound=Callable[..., None])
Result = TypeVar("Result")
Form = Literal["table", "json", "csv"]
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
EXIT_STATUS_LINE = (
    "Exit status: " + ", ".join(f"{status} {what}" for status, what in EXIT_STATUSES.items()) + "."
)
_OPTIONS_WITH_VALUE = ("--callback-port", "--client-id", "--store-dir")


def open_browser(url: str) -> object:
    """Start the person's browser; whether there is one."""
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a verb takes from the machine; a test gives its own as click's context object."""

    open_browser: Callable[[str], object] = open_browser
    now: Callable[[], float] = time.time
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)


def surroundings() -> Surroundings:
    """Those of the running command."""
    return click.get_current_context().find_object(Surroundings) or Surroundings()


class WrongUsage(click.UsageError):
    """Click's own status for wrong usage is 2, which means not logged in here."""

    exit_code = USAGE_STATUS


class Verb(click.Command):
    """A command that answers wrong usage with our status, and knows both places of its URL."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"epilog": EXIT_STATUS_LINE, **options})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise WrongUsage(error.format_message(), error.ctx) from error

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        pieces = self.collect_usage_pieces(ctx)
        if ctx.parent is None or not ctx.parent.meta.get(URL_FIRST):
            formatter.write_usage(ctx.command_path, " ".join(pieces))
            return
        pieces.remove("URL")
        formatter.write_usage(ctx.parent.command_path, " ".join(["URL", self.name or "", *pieces]))


# In a context's meta: the URL stands before the verb there.
URL_FIRST = "okta_mcp.client.url_first"


def spoken(*words: str, url: str) -> str:
    """The command as the person would type it, from the verb on: `okta-mcp call URL …`."""
    ctx, url = click.get_current_context(), shlex.quote(url)
    verb = ctx.info_name or ""
    if ctx.parent is not None and ctx.parent.meta.get(URL_FIRST):
        return " ".join([ctx.parent.command_path, url, verb, *words])
    return " ".join([ctx.command_path, url, *words])


def positions_of_words(args: list[str]) -> list[int]:
    """Where in `args` the words stand that are neither options nor their values."""
    return [
        index
        for index, text in enumerate(args)
        if not text.startswith("-") and (index == 0 or args[index - 1] not in _OPTIONS_WITH_VALUE)
    ]


def server_url(_ctx: click.Context, _parameter: click.Parameter, text: str) -> str:
    """Click's callback for the argument URL.

    Raises:
        click.BadParameter: it is no URL of an MCP server, or tokens would travel in the clear.
    """
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        usable = False
    if not usable or url.username is not None:
        raise click.BadParameter(f"{text!r} is not the URL of an MCP server.{_meant(text)}")
    if url.scheme == "http" and url.hostname not in LOOPBACK_HOSTS:
        raise click.BadParameter("tokens travel over https; http is for this computer only.")
    return text


def _meant(text: str) -> str:
    """The URL to type, for one that lacks its scheme only."""
    try:
        host = urlsplit(f"//{text}").hostname or ""
    except ValueError:
        return ""
    if "://" in text or "@" in text or ("." not in host and host not in LOOPBACK_HOSTS):
        return ""
    return f" Type {'http' if host in LOOPBACK_HOSTS else 'https'}://{text}"


def keeps_logins(command: Command) -> Command:
    """The argument URL, and the option that says where log-ins are."""
    return _with(
        command,
        click.argument("url", callback=server_url),
        click.option(
            "--store-dir",
            type=click.Path(file_okay=False, path_type=Path),
            default=None,
            help="Keep log-ins in files of this folder (default: the system keyring, else files of"
            " this user's application folder).",
        ),
    )


def logs_in(command: Command) -> Command:
    """Also the options of a verb that may send the person to the browser."""
    return _with(
        keeps_logins(command),
        click.option("--no-browser", is_flag=True, help="Print the log-in URL, open nothing."),
        click.option(
            "--callback-port",
            type=click.IntRange(0, 65535),
            default=0,
            help="Port of this computer for the browser's answer (default: any free one; 3030 with"
            " --client-id).",
        ),
        click.option(
            "--client-id",
            default="",
            help="An application entered at the authorization server, where it takes no"
            " registrations, with the redirect URI http://localhost:3030/oauth/callback. Its"
            " secret, if any, is read from OKTA_MCP_CLIENT_SECRET.",
        ),
    )


def prints(command: Command) -> Command:
    """The options for the form of the result; `form_of` reads them."""
    return _with(
        command,
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
        click.option("--csv", "as_csv", is_flag=True, help="Print the rows as CSV."),
    )


def form_of(*, as_json: bool, as_csv: bool) -> Form:
    """The form that was asked for, a table by default."""
    if as_json and as_csv:
        raise WrongUsage("Choose one of --json and --csv.", click.get_current_context())
    return "json" if as_json else "csv" if as_csv else "table"


def _with(command: Command, *decorators: Callable[[Command], Command]) -> Command:
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def login_store(store_dir: Path | None) -> "LoginStore":
    """Where this user's log-ins are."""
    from okta_mcp.client.keyring_access import installed_keyring
    from okta_mcp.client.store import LoginStore

    if store_dir is not None:
        return LoginStore(store_dir)
    return LoginStore(Path(click.get_app_dir("okta-mcp")), installed_keyring())


def open_session(
    url: str,
    store: "LoginStore",
    *,
    no_browser: bool = False,
    callback_port: int = 0,
    client_id: str = "",
) -> "Session":
    """The session for `url`, as the options say."""
    from okta_mcp.client.login import Browser
    from okta_mcp.client.registration import SECRET_VARIABLE, EnteredClient
    from okta_mcp.client.session import Session

    # The SDK logs what it also raises, with tracebacks; the person gets one line from us.
    logging.getLogger("mcp").addHandler(logging.NullHandler())
    machine = surroundings()
    browser = Browser(
        announce=_announce_unopened if no_browser else _announce,
        open=None if no_browser else machine.open_browser,
        callback_port=callback_port,
        unopened=_say_how_to_reach,
    )
    client = EnteredClient(client_id, machine.environment.get(SECRET_VARIABLE) or None)
    return Session(url, store, browser, machine.now, client)


async def completed(url: str, store: "LoginStore") -> str:
    """`url`, with `/mcp` if that is where the server is; the person is told."""
    from okta_mcp.client.address import complete_url

    found = await complete_url(url, lambda place: store.path(place).exists())
    if found != url:
        click.echo(f"{url} is not an MCP server, but {found} is; using that.", err=True)
    return found


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Do it, and end the command with the status and text of its error.

    Ctrl-C closes the request that runs, which is how MCP cancels a call.
    """
    with reported():
        return asyncio.run(work)


@contextmanager
def reported() -> Iterator[None]:
    """Turn the client's errors into one line on stderr and an exit status."""
    try:
        yield
    except ClientError as error:
        say_error(error)
        click.get_current_context().exit(error.exit_status)
    except KeyboardInterrupt:
        click.echo("\nStopped.", err=True)
        click.get_current_context().exit(INTERRUPTED_STATUS)


def say_error(error: ClientError) -> None:
    """One error on stderr; what others wrote in it is cleaned."""
    from okta_mcp.client.output import clean

    click.echo(f"Error: {clean(str(error))}", err=True)


def _announce(url: str) -> None:
    click.echo(
        f"Opening your browser to log in. If it does not open, visit:\n\n  {url}\n", err=True
    )


def _announce_unopened(url: str) -> None:
    click.echo(f"Visit this page in a browser on this computer to log in:\n\n  {url}\n", err=True)
    _say_other_computer(url)


def _say_how_to_reach(url: str) -> None:
    click.echo("No browser could be opened here; open the page above yourself.", err=True)
    _say_other_computer(url)


def _say_other_computer(url: str) -> None:
    """For a person who sits elsewhere: the ports that their browser must reach through ssh."""
    page, more = urlsplit(url), ""
    (redirect_uri,) = parse_qs(page.query).get("redirect_uri", [""])
    places = [urlsplit(redirect_uri)]
    if page.hostname in LOOPBACK_HOSTS:
        places.append(page)
        more = (
            "If the server was started with --sandbox, the port in its line `Sandbox login` must be"
            " among them.\n"
        )
    forwards = " ".join(f"-L {place.port}:127.0.0.1:{place.port}" for place in places if place.port)
    click.echo(
        "If your browser is on another computer, run this there first, then open the page:\n\n"
        f"  ssh {forwards} THIS-COMPUTER\n{more}",
        err=True,
    )
