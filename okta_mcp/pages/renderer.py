"""`Pages`, the one place where a view record becomes HTML.

Built once by the composition root and handed to the endpoints. Every value that a template prints
is freed of hidden characters and escaped; a missing one is an error, never an empty space.
"""

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from okta_mcp.pages import text
from okta_mcp.pages.problems import problem_of
from okta_mcp.pages.views import (
    Button,
    Connections,
    Consent,
    Home,
    Problem,
    ServerView,
    SignedOut,
    SignIn,
    SignOut,
    Tools,
)
from okta_mcp.rbac.behind import SCOPE_PREFIX, is_server_scope
from okta_mcp.rbac.families import FAMILIES, OFFLINE_ACCESS, Family

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent
_START_PAGE = Button("Go to the start page", href="/")


class Pages:
    """The pages of one server. `assets` maps a path to its media type and body.

    `organisation` is the name on every page, `notice` the company's own line on the consent page.
    An asset's path holds a hash of its content, so it may be cached for ever.
    """

    def __init__(self, organisation: str, notice: str = "") -> None:
        self.stylesheet = (_HERE / "static" / "okta-mcp.css").read_bytes()
        self.stylesheet_path = _hashed_path(self.stylesheet, "css")
        favicon = (_HERE / "static" / "favicon.svg").read_bytes()
        self._favicon_path = _hashed_path(favicon, "svg")
        self.assets: Mapping[str, tuple[str, bytes]] = MappingProxyType(
            {
                self.stylesheet_path: ("text/css; charset=utf-8", self.stylesheet),
                self._favicon_path: ("image/svg+xml", favicon),
            }
        )
        self._organisation = organisation
        self._notice = notice

    @functools.cached_property
    def _environment(self) -> "Environment":
        # At the first page, which some servers never show, and not at every start.
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_printed,
        )
        environment.filters.update(
            claimed_name=text.claimed_name,
            family_titles=_family_titles,
            machine_moment=text.machine_moment,
            moment=text.moment,
            series=text.series,
            span=text.span,
            visible=text.visible,
        )
        environment.globals.update(
            organisation=self._organisation,
            notice=self._notice,
            stylesheet_path=self.stylesheet_path,
            favicon_path=self._favicon_path,
        )
        return environment

    def sign_in(self, view: SignIn) -> str:
        """Who asks for what, before anything goes to Okta."""
        return self._render("sign_in.html", view, families=_families(view.scopes, view.servers))

    def consent(self, view: Consent) -> str:
        """The decision of a signed-in person."""
        return self._render("consent.html", view, families=_families(view.scopes, view.servers))

    def error(self, view: Problem) -> str:
        """A problem in words; a problem without a button gets one to the start page."""
        return self._render("problem.html", view, button=view.button or _START_PAGE)

    def problem(
        self, reason: str, *, reference: str = "", button: Button | None = None, **values: str
    ) -> str:
        """The page for a reason of `PROBLEMS`; `values` fill its fields, such as `person`.

        Raises `KeyError` for a reason that is not in the table.
        """
        values.setdefault("organisation", self._organisation)
        return self.error(problem_of(reason, reference=reference, button=button, values=values))

    def sign_out(self, view: SignOut) -> str:
        """The question before signing out."""
        return self._render("sign_out.html", view)

    def signed_out(self, view: SignedOut) -> str:
        """What is over and what is not."""
        return self._render("signed_out.html", view)

    def connections(self, view: Connections) -> str:
        """What a person has connected, each with its end."""
        return self._render("connections.html", view)

    def tools(self, view: Tools) -> str:
        """What a person may use, by server."""
        return self._render("tools.html", view)

    def home(self, view: Home) -> str:
        """What this server is and how to connect to it."""
        return self._render("home.html", view)

    def _render(self, template: str, view: object, **more: object) -> str:
        return self._environment.get_template(template).render(view=view, **more)


def _hashed_path(body: bytes, extension: str) -> str:
    return f"/static/okta-mcp.{hashlib.sha256(body).hexdigest()[:12]}.{extension}"


def _printed(value: object) -> object:
    """What a template prints in place of `value`; markup of our own macros stays as it is."""
    return text.visible(value) if type(value) is str else value


def _family_titles(scopes: tuple[str, ...]) -> list[str]:
    # A server that was taken away is reached by nothing any more; the others are named apart.
    return [
        family.title.lower() for family in _families(scopes) if not is_server_scope(family.scope)
    ]


def _families(scopes: tuple[str, ...], servers: tuple[ServerView, ...] = ()) -> list[Family]:
    """The families among `scopes` in the table's order, then scopes that are in no table.

    Not those of `servers`, which the page names apart.
    """
    known = [family for family in FAMILIES if family.scope in scopes]
    of_servers = (f"{SCOPE_PREFIX}{server.name}" for server in servers)
    listed = {OFFLINE_ACCESS, *(family.scope for family in known), *of_servers}
    return known + [
        Family(scope, scope, f"use what {scope} covers") for scope in scopes if scope not in listed
    ]
