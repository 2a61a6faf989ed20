"""What an authorization server says, taken as it is meant; the rest is tested through its users."""

import pytest

from okta_mcp.okta.authorization_server import lifetime


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [(None, 0), ("3600", 0), (3600.5, 0), ([], 0), (3600, 3600), (10**400, 86_400)],
)
def test_a_lifetime_is_a_number_of_seconds_that_a_time_can_bear(
    expires_in: object, seconds: int
) -> None:
    assert lifetime(expires_in) == seconds
