"""Scope arithmetic (RFC 6749 section 3.3): a request never gets more than it names.

Which scopes exist can change while the server runs, with the servers behind the gateway: whoever
calls says which there are now.
"""

from okta_mcp.rbac.behind import is_server_scope
from okta_mcp.rbac.families import OFFLINE_ACCESS, SUPPORTED_SCOPES
from okta_mcp.stores.records import Client

# Room for one of each server that a gateway can have.
LONGEST_SCOPE = 4096


class NoScopeLeftError(Exception):
    """Nothing that was asked for exists here; the text lists what does."""

    def __init__(self, existing: tuple[str, ...]) -> None:
        super().__init__(f"no supported scope; supported are: {' '.join(existing)}")


def requested_scopes(
    scope: str | None, client: Client, existing: tuple[str, ...] = SUPPORTED_SCOPES
) -> tuple[str, ...]:
    """What an authorization request asks for, cut with what exists and what the client registered.

    Without `scope`: everything that exists, but `offline_access` only if the client registered the
    `refresh_token` grant. Raises `NoScopeLeftError`.
    """
    if scope is None:
        may_refresh = "refresh_token" in client.grant_types
        wanted = tuple(name for name in existing if may_refresh or name != OFFLINE_ACCESS)
    else:
        wanted = still_existing(scope.split(), existing)
    if client.scope is not None:
        wanted = tuple(name for name in wanted if name in client.scope.split())
    if all(name == OFFLINE_ACCESS for name in wanted):
        raise NoScopeLeftError(existing)
    return wanted


def registered(scope: str) -> tuple[str, ...]:
    """The scopes of a space-separated list that a registration keeps, each once.

    Those of servers are kept whether there is such a server now or not: a registration lives longer
    than a configuration, and each authorization is cut with what exists then.
    """
    servers = tuple(dict.fromkeys(name for name in scope.split() if is_server_scope(name)))
    return (*still_existing(scope.split(), SUPPORTED_SCOPES), *servers)


def still_existing(
    scopes: list[str] | tuple[str, ...], existing: tuple[str, ...]
) -> tuple[str, ...]:
    """Those of `scopes` that exist, each once, in the order of `existing`."""
    names = frozenset(scopes)
    return tuple(name for name in existing if name in names)


def cut_with_role(scopes: tuple[str, ...], families: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes that mean something for a role; `families` are those it has something in.

    Raises `NoScopeLeftError` where no family is left.
    """
    left = tuple(name for name in scopes if name in families or name == OFFLINE_ACCESS)
    if not any(name in families for name in left):
        raise NoScopeLeftError(families)
    return left
