"""What Okta's headers say, and the bucket of a path."""

import httpx
import pytest

from okta_mcp.okta.limits import bucket_of, rate_headers
from tests.okta.conftest import START


@pytest.mark.parametrize(
    ("path", "bucket"),
    [
        ("/api/v1/users", "users"),
        ("/api/v1/users/00u1", "users/{id}"),
        ("/api/v1/users/00u1/groups", "other"),
        ("/api/v1/groups", "groups"),
        ("/api/v1/groups/00g1", "groups/{id}"),
        ("/api/v1/groups/00g1/users", "other"),
        ("/api/v1/apps", "apps"),
        ("/api/v1/apps/0oa1", "apps/{id}"),
        ("/api/v1/apps/0oa1/users", "apps"),
        ("/api/v1/logs", "logs"),
        ("/api/v1/policies/00p1/rules", "other"),
    ],
)
def test_bucket_of_a_path(path: str, bucket: str) -> None:
    assert bucket_of(path) == bucket


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Rate-Limit-Limit": "10", "X-Rate-Limit-Remaining": "1"},
        {"X-Rate-Limit-Limit": "10", "X-Rate-Limit-Remaining": "1", "X-Rate-Limit-Reset": "-4"},
        {"X-Rate-Limit-Limit": "x", "X-Rate-Limit-Remaining": "1", "X-Rate-Limit-Reset": "4"},
        {
            "X-Rate-Limit-Limit": "9" * 5000,
            "X-Rate-Limit-Remaining": "1",
            "X-Rate-Limit-Reset": "4",
        },
    ],
)
def test_headers_that_are_missing_or_no_numbers_say_nothing(headers: dict[str, str]) -> None:
    assert rate_headers(httpx.Headers(headers), START) is None


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Foo 2026 99:99:99 GMT"])
def test_without_a_date_the_own_clock_counts(date: str) -> None:
    headers = httpx.Headers(
        {
            "X-Rate-Limit-Limit": "10",
            "X-Rate-Limit-Remaining": "0",
            "X-Rate-Limit-Reset": str(int(START) + 7),
            "Date": date,
        }
    )
    said = rate_headers(headers, START)
    assert said is not None
    assert said.resets_in_seconds == 8.0


def test_a_reset_in_the_past_is_a_second_and_one_far_away_an_hour() -> None:
    def seconds(reset: int) -> float:
        names = ("X-Rate-Limit-Limit", "X-Rate-Limit-Remaining")
        headers = {**dict.fromkeys(names, "0"), "X-Rate-Limit-Reset": str(reset)}
        said = rate_headers(httpx.Headers(headers), START)
        assert said is not None
        return said.resets_in_seconds

    assert seconds(int(START) - 100) == 1.0
    assert seconds(int(START) + 10**7) == 3600.0
