"""Buckets, windows and shares of the stand-in's rate limits."""

import pytest

from okta_mcp.sandbox.rates import Rates, bucket_of


class Clock:
    seconds = 1000.5

    def __call__(self) -> float:
        return self.seconds


def test_a_token_gets_half_of_a_bucket_and_then_nothing() -> None:
    rates = Rates(Clock(), lambda: "integrator")
    spent = [rates.spend("t", "/api/v1/apps") for _ in range(11)]
    assert [one.remaining for one in spent] == [*range(9, -1, -1), 0]
    assert [one.allowed for one in spent] == [True] * 10 + [False]
    assert rates.spend("other", "/api/v1/apps").allowed


def test_a_window_begins_with_its_first_request() -> None:
    clock = Clock()
    rates = Rates(clock, lambda: "integrator")
    assert rates.spend("t", "/api/v1/logs").reset == 1061
    clock.seconds += 59.9
    assert rates.spend("t", "/api/v1/logs").remaining == 8
    clock.seconds += 0.1
    assert rates.spend("t", "/api/v1/logs").remaining == 9


@pytest.mark.parametrize(
    ("path", "bucket", "limit"),
    [
        ("/api/v1/apps", "apps", 50),
        ("/api/v1/apps/0oa1", "apps/{id}", 250),
        ("/api/v1/apps/0oa1/users", "apps", 50),
        ("/api/v1/groups", "groups", 250),
        ("/api/v1/groups/00g1", "groups/{id}", 500),
        ("/api/v1/groups/00g1/users", "others", 600),
        ("/api/v1/users", "users", 300),
        ("/api/v1/users/00u1", "users/{id}", 1000),
        ("/api/v1/users/00u1/factors", "others", 600),
        ("/api/v1/logs", "logs", 60),
        ("/api/v1/policies", "others", 600),
        ("/api/v1/zones", "others", 600),
    ],
)
def test_a_path_is_counted_in_its_bucket(path: str, bucket: str, limit: int) -> None:
    assert bucket_of(path)[0] == bucket
    assert Rates(Clock(), lambda: "workforce").spend("t", path).limit == limit


def test_off_counts_nothing() -> None:
    rates = Rates(Clock(), lambda: "off")
    assert {rates.spend("t", "/api/v1/logs").remaining for _ in range(50)} == {9999}
