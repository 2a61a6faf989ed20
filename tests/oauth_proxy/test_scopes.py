"""Scope arithmetic: never more than was named, registered, and known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okta_mcp.oauth_proxy.scopes import (
    NoScopeLeftError,
    cut_with_role,
    registered,
    requested_scopes,
    still_existing,
)
from okta_mcp.rbac.families import FAMILY_SCOPES, OFFLINE_ACCESS, SUPPORTED_SCOPES
from tests.oauth_proxy.conftest import client_of

ONLY_CODE = ("authorization_code",)
USERS, LOGS = "okta.users.read", "okta.logs.read"


@pytest.mark.parametrize(
    "scope",
    [
        "openid",
        "openid profile email groups",
        "OKTA.USERS.READ",
        "okta.users.read.x",
        "okta.users.manage",
        "okta.users.read,okta.logs.read",
        "*",
        " ",
    ],
)
def test_a_request_that_names_nothing_of_ours_is_refused(scope: str) -> None:
    """A-15, D-13."""
    with pytest.raises(NoScopeLeftError) as caught:
        requested_scopes(scope, client_of("c"))
    assert all(name in str(caught.value) for name in SUPPORTED_SCOPES)


def test_a_request_outside_what_the_client_registered_is_refused() -> None:
    """A-15, R-21."""
    with pytest.raises(NoScopeLeftError):
        requested_scopes(LOGS, client_of("c", scope=USERS))


@pytest.mark.parametrize(
    ("scope", "kept", "granted"),
    [
        (f"{LOGS} {USERS}", None, (USERS, LOGS)),
        (f"{USERS} {USERS}", None, (USERS,)),
        (f"openid {USERS} email", None, (USERS,)),
        (f"{USERS} {OFFLINE_ACCESS}", None, (USERS, OFFLINE_ACCESS)),
        (f"{USERS} {LOGS}", f"{LOGS} {OFFLINE_ACCESS}", (LOGS,)),
        (f"{USERS} {OFFLINE_ACCESS}", USERS, (USERS,)),
        (None, f"{LOGS} {USERS}", (USERS, LOGS)),
        (None, f"{LOGS} {OFFLINE_ACCESS}", (LOGS, OFFLINE_ACCESS)),
    ],
)
def test_a_request_gets_what_it_names_and_the_client_registered(
    scope: str | None, kept: str | None, granted: tuple[str, ...]
) -> None:
    """A-15, T-01."""
    assert requested_scopes(scope, client_of("c", scope=kept)) == granted


@pytest.mark.parametrize(
    ("grant_types", "granted"),
    [
        (ONLY_CODE, FAMILY_SCOPES),
        ((*ONLY_CODE, "refresh_token"), SUPPORTED_SCOPES),
    ],
)
def test_a_request_without_scope_gets_the_default(
    grant_types: tuple[str, ...], granted: tuple[str, ...]
) -> None:
    """T-01: offline_access only for a client that registered to refresh."""
    assert requested_scopes(None, client_of("c", grant_types=grant_types)) == granted


def test_a_request_with_scope_gets_no_offline_access_that_it_does_not_name() -> None:
    """T-01."""
    assert requested_scopes(USERS, client_of("c")) == (USERS,)


@given(st.lists(st.sampled_from([*SUPPORTED_SCOPES, "openid", "x.y"])))
def test_supported_scopes_come_once_and_in_one_order(names: list[str]) -> None:
    found = still_existing(names, SUPPORTED_SCOPES)
    assert found == tuple(name for name in SUPPORTED_SCOPES if name in names)


@pytest.mark.parametrize(
    ("scopes", "families"),
    [((LOGS,), (USERS,)), ((OFFLINE_ACCESS,), (USERS,)), ((USERS,), ()), ((), (USERS,))],
)
def test_nothing_left_for_a_role_is_refused(
    scopes: tuple[str, ...], families: tuple[str, ...]
) -> None:
    """A-15: offline_access alone opens nothing."""
    with pytest.raises(NoScopeLeftError):
        cut_with_role(scopes, families)


@pytest.mark.parametrize(
    ("scopes", "left"),
    [
        ((USERS, LOGS), (USERS,)),
        ((USERS, LOGS, OFFLINE_ACCESS), (USERS, OFFLINE_ACCESS)),
        ((USERS,), (USERS,)),
    ],
)
def test_scopes_are_cut_with_the_role(scopes: tuple[str, ...], left: tuple[str, ...]) -> None:
    """A-15."""
    assert cut_with_role(scopes, (USERS, "okta.groups.read")) == left


WITH_SERVERS = (*FAMILY_SCOPES, "mcp.time", "mcp.files", OFFLINE_ACCESS)


@pytest.mark.parametrize("scope", ["mcp.gone", "mcp.", "mcp.Time", "mcp.time_now", "mcp", "mcp.*"])
def test_a_server_that_there_is_not_is_no_scope(scope: str) -> None:
    """A-15."""
    with pytest.raises(NoScopeLeftError):
        requested_scopes(scope, client_of("c"), WITH_SERVERS)


@pytest.mark.parametrize(
    ("scope", "kept", "granted"),
    [
        ("mcp.time", None, ("mcp.time",)),
        (f"mcp.files mcp.gone {USERS}", None, (USERS, "mcp.files")),
        ("mcp.time mcp.files", "mcp.files", ("mcp.files",)),
        ("mcp.time", f"mcp.time {USERS}", ("mcp.time",)),
    ],
)
def test_a_request_gets_the_servers_that_it_names(
    scope: str, kept: str | None, granted: tuple[str, ...]
) -> None:
    assert requested_scopes(scope, client_of("c", scope=kept), WITH_SERVERS) == granted


def test_a_request_without_scope_gets_every_server() -> None:
    assert requested_scopes(None, client_of("c"), WITH_SERVERS) == tuple(
        name for name in WITH_SERVERS
    )


@pytest.mark.parametrize(
    ("scope", "kept"),
    [
        ("openid mcp.", ()),
        ("mcp.later mcp.later", ("mcp.later",)),
        (f"mcp.later {USERS} email", (USERS, "mcp.later")),
    ],
)
def test_a_registration_keeps_servers_that_may_come(scope: str, kept: tuple[str, ...]) -> None:
    """A registration lives longer than a configuration."""
    assert registered(scope) == kept


def test_the_scope_of_a_removed_server_is_narrowed_away() -> None:
    held = (USERS, "mcp.time", "mcp.removed", OFFLINE_ACCESS)
    assert still_existing(held, WITH_SERVERS) == (USERS, "mcp.time", OFFLINE_ACCESS)
