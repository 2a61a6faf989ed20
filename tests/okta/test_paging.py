"""Next links as they come, and where they may lead."""

import pytest

from okta_mcp.okta.paging import next_target, same_list, target_of

USERS = "/api/v1/users"
SELF = f'<https://acme.okta.example{USERS}?limit=2>; rel="self"'
NEXT = f'<https://acme.okta.example{USERS}?after=x%3D%3D&limit=2>; rel="next"'
FOUND = f"{USERS}?after=x%3D%3D&limit=2"


@pytest.mark.parametrize(
    "link",
    [
        "<https://acme.okta.example/api/v1/apps?after=1>",
        "<https://acme.okta.example/oauth2/v1/token>",
        "<https://acme.okta.example/api/v1/users/../apps>",
        "<https://acme.okta.example/api/v1/users/00u1234567890>",
        "<//evil.example>",
        "<https://evil.example>",
        "<file:///etc/passwd>",
        "<>",
        "<https://[evil/api/v1/users>",
    ],
)
def test_a_next_link_that_leads_elsewhere_is_refused(link: str) -> None:
    """I-04"""
    with pytest.raises(ValueError):
        next_target([f'{link}; rel="next"'], USERS)


@pytest.mark.parametrize(
    "lines",
    [
        [SELF, NEXT],
        [NEXT, SELF],
        [f"{SELF}, {NEXT}"],
        [f"{NEXT},{SELF}"],
        [NEXT.replace('"next"', "next")],
        [NEXT.replace("rel", "REL").replace('"next"', '"NEXT"')],
        [NEXT.replace('"next"', '"last next"')],
        [NEXT.replace('; rel="next"', ' ; title="a, b; c" ;rel = "next"')],
        [NEXT.replace("acme.okta.example", "login.acme.example")],
    ],
)
def test_the_next_link_is_found_in_separate_and_folded_lines(lines: list[str]) -> None:
    assert next_target(lines, USERS) == FOUND


@pytest.mark.parametrize("lines", [[], [SELF], ["garbage"], [NEXT.replace("next", "nextish")]])
def test_without_a_next_link_the_list_ends(lines: list[str]) -> None:
    assert next_target(lines, USERS) is None


def test_the_query_is_taken_over_as_it_is() -> None:
    query = "filter=a%20eq%20%22b,c%22&after=200u,1;x&limit=2"
    link = f'<https://acme.okta.example{USERS}?{query}>; rel="next"'
    assert next_target([SELF, link], USERS) == f"{USERS}?{query}"


def test_a_long_line_that_never_closes_is_read_in_linear_time() -> None:
    """I-07"""
    assert next_target(["<" * 50_000 + '>; rel="x' * 20_000], USERS) is None


def test_an_id_in_place_of_the_login_that_was_asked_is_the_same_list() -> None:
    asked = "/api/v1/users/ann%40example.com/groups"
    assert same_list(asked, "/api/v1/users/00u1234567890/groups")
    assert not same_list(asked, "/api/v1/users/00u1234567890/factors")
    assert not same_list("/api/v1/users/00u1234567890/groups", asked)


def test_parameters_that_are_absent_or_empty_are_left_out() -> None:
    params = {"q": "a&b=c", "after": None, "filter": "", "hidden": True, "limit": 0}
    assert target_of(USERS, params) == f"{USERS}?q=a%26b%3Dc&hidden=true&limit=0"
    assert target_of(USERS, {}) == USERS
