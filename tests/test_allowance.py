"""The notation of rates: what is refused, and what it means, the same here and in Redis."""

import pytest
from limits import parse

from okta_mcp.allowance import allowance

REFUSED = [
    "",
    "120",
    "minute",
    "/minute",
    "-1/minute",
    "1.5/minute",
    "120/fortnight",
    "120/0 minutes",
    "120/minute;5/second",
    "120 minutes",
    "120/minute x",
    "١٢/minute",
]
READ = [
    "120/minute",
    "1 per second",
    "10/2 hours",
    "5 PER DAY",
    " 7 / 3days ",
    "0/minute",
    "100000000/minute",
    "3 per 1 month",
]


@pytest.mark.parametrize("notation", REFUSED)
def test_what_is_no_rate_is_refused(notation: str) -> None:
    with pytest.raises(ValueError, match="such as 120/minute"):
        allowance(notation)


@pytest.mark.parametrize("notation", READ)
def test_a_rate_means_the_same_where_redis_counts(notation: str) -> None:
    read, theirs = allowance(notation), parse(notation)
    assert (read.amount, read.seconds) == (theirs.amount, theirs.get_expiry())
