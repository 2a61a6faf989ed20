"""What each page is told: one frozen record a page, filled by the endpoint that answers with it.

Strings arrive as they are; the renderer escapes them and takes hidden characters out. Times are
epoch seconds in UTC. `form_token` is the value of the hidden input `form` and is never shown.
"""

from typing import Literal
from urllib.parse import urlsplit

import msgspec

from okta_mcp.rbac.behind import Behind

# A button may lead to a client's private scheme, but never to something that runs or reads a file.
_EXECUTABLE_SCHEMES = frozenset({"javascript", "data", "vbscript", "blob", "file", "about"})


class ClientView(msgspec.Struct, frozen=True):
    """The client that asks. `name` is its own claim; `redirect_host` is where the answer goes.

    `kind` says what the redirect URI is; `is_known_host` that the administrator listed the host;
    `document_host` is the host whose document describes the client, empty for one that registered.
    """

    name: str
    client_id: str
    redirect_uri: str
    redirect_host: str
    kind: Literal["loopback", "private-scheme", "web"]
    is_known_host: bool = False
    document_host: str = ""


class ServerView(msgspec.Struct, frozen=True):
    """A server behind the gateway, in the words of the configuration.

    `state` is up, starting or down, and `reason` why; empty where the page does not say.
    """

    name: str
    title: str
    purpose: str
    state: str = ""
    reason: str = ""
    tools: tuple[str, ...] = ()


def server_views(behind: Behind, scopes: tuple[str, ...]) -> tuple[ServerView, ...]:
    """The servers that there are among `scopes`."""
    return tuple(
        ServerView(server.name, server.title, server.purpose)
        for server in behind.servers
        if server.scope in scopes
    )


class SignIn(msgspec.Struct, frozen=True):
    """Before Okta: who asks, where the answer goes, what it asks for.

    `client` is None for somebody who signs in to this server's own pages.
    """

    client: ClientView | None
    scopes: tuple[str, ...]
    form_token: str
    reference: str = ""
    servers: tuple[ServerView, ...] = ()


class Consent(msgspec.Struct, frozen=True):
    """The decision. `scopes` and `tools` are what is left after cutting with the role.

    `tools` pairs a family's title with its tool names. `access_ends_at` is the end of the access,
    `remembered_seconds` how long the same request is answered without this page (0: never).
    """

    client: ClientView
    person_name: str
    person_login: str
    role: str
    scopes: tuple[str, ...]
    tools: tuple[tuple[str, tuple[str, ...]], ...]
    access_ends_at: float
    now: float
    stays_connected: bool
    remembered_seconds: int
    form_token: str
    reference: str = ""
    servers: tuple[ServerView, ...] = ()


class Button(msgspec.Struct, frozen=True):
    """The way on: a link (`href`) or a POST form (`form_action`, own path) with `form` in it.

    `decision`, if given, is sent as the button's own value. Raises `ValueError` for neither or
    both targets, for a form that leaves this server, and for a link that would run something.
    """

    label: str
    href: str = ""
    form_action: str = ""
    form_token: str = ""
    decision: str = ""

    def __post_init__(self) -> None:
        if bool(self.href) == bool(self.form_action):
            raise ValueError("a button has either href or form_action")
        if self.form_action and not _is_own_path(self.form_action):
            raise ValueError("form_action must be a path of this server")
        if urlsplit(self.href).scheme.lower() in _EXECUTABLE_SCHEMES:
            raise ValueError("href must not run anything")


class Problem(msgspec.Struct, frozen=True):
    """An error in words; most come from `problems.PROBLEMS`. Without a button: the start page.

    `checks` are ids of `okta-mcp doctor`, for the administrator.
    """

    title: str
    heading: str
    explanation: str
    advice: str
    nothing_lost: bool = True
    ask: str = ""
    reference: str = ""
    checks: tuple[str, ...] = ()
    button: Button | None = None


class SignOut(msgspec.Struct, frozen=True):
    """The question before signing out."""

    person_login: str
    form_token: str


class SignedOut(msgspec.Struct, frozen=True):
    """After signing out. `disconnected`: whether the person's clients were too; None: unknown."""

    okta_sign_in_url: str = ""
    disconnected: bool | None = None


class Connection(msgspec.Struct, frozen=True):
    """One connected client; `id` names its grant in the page's form."""

    id: str
    client_name: str
    redirect_host: str
    scopes: tuple[str, ...]
    since: float
    last_used_at: float | None
    ends_at: float
    servers: tuple[ServerView, ...] = ()


class Connections(msgspec.Struct, frozen=True):
    """What a person has connected, and how many answers of theirs are remembered."""

    person_login: str
    connections: tuple[Connection, ...]
    remembered_answers: int
    now: float
    form_token: str


class Tools(msgspec.Struct, frozen=True):
    """What a person may use, whatever a client was given of it.

    `families` pairs a family's title with its tool names; `servers` are those behind the gateway.
    """

    person_login: str
    role: str
    families: tuple[tuple[str, tuple[str, ...]], ...]
    servers: tuple[ServerView, ...]


class Home(msgspec.Struct, frozen=True):
    """The start page. `mcp_url` is what people paste; `vscode_url` installs it in VS Code."""

    mcp_url: str
    vscode_url: str
    is_public_https: bool
    is_sandbox: bool
    version: str
    sandbox_url: str = ""


def _is_own_path(path: str) -> bool:
    return path.startswith("/") and not path.startswith(("//", "/\\"))
