"""Scope arithmetic (RFC 6749 section 3.3): a request never gets more than it names."""

from okta_mcp.rbac.families import FAMILY_SCOPES, OFFLINE_ACCESS, SUPPORTED_SCOPES
from okta_mcp.stores.records import Client

LONGEST_SCOPE = 1024


class NoScopeLeftError(Exception):
    """Nothing that was asked for exists here; the text lists what does."""

    def __init__(self) -> None:
        super().__init__(f"no supported scope; supported are: {' '.join(SUPPORTED_SCOPES)}")


def requested_scopes(scope: str | None, client: Client) -> tuple[str, ...]:
    """What an authorization request asks for, cut with what exists and what the client registered.

    Without `scope`: every data family, and `offline_access` if the client registered the
    `refresh_token` grant. Raises `NoScopeLeftError`.
    """
    if scope is None:
        may_refresh = "refresh_token" in client.grant_types
        wanted = FAMILY_SCOPES + ((OFFLINE_ACCESS,) if may_refresh else ())
    else:
        wanted = supported(scope)
    if client.scope is not None:
        wanted = tuple(name for name in wanted if name in client.scope.split())
    if not any(name in FAMILY_SCOPES for name in wanted):
        raise NoScopeLeftError
    return wanted


def supported(scope: str) -> tuple[str, ...]:
    """The scopes of a space-separated list that exist here, each once, in this server's order."""
    names = frozenset(scope.split())
    return tuple(name for name in SUPPORTED_SCOPES if name in names)


def cut_with_role(scopes: tuple[str, ...], families: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes that mean something for a role; `families` are those it has a tool in.

    Raises `NoScopeLeftError` where no data family is left.
    """
    left = tuple(name for name in scopes if name in families or name == OFFLINE_ACCESS)
    if not any(name in families for name in left):
        raise NoScopeLeftError
    return left
