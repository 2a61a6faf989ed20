"""Counts in a process's own memory: their windows, and how many of them are kept."""

import pytest

from okta_mcp.allowance import allowance
from okta_mcp.serving.memory_counts import MemoryCounts
from tests.vocabulary.clock import Clock

FEW = allowance("2/minute")


def used(counts: MemoryCounts, slot: str = "7", what: str = "calls") -> float:
    return counts.wait_seconds(what, FEW, slot, counts=True)


def test_one_too_many_waits_for_the_rest_of_the_window() -> None:
    clock = Clock()
    counts = MemoryCounts(clock)
    assert [used(counts), used(counts)] == [0.0, 0.0]
    clock.pass_seconds(20)
    assert used(counts) == pytest.approx(40)
    clock.pass_seconds(40)
    assert [used(counts), used(counts), used(counts)] == [0.0, 0.0, 60.0]


def test_who_only_looks_uses_nothing_up() -> None:
    counts = MemoryCounts(Clock())
    for _ in range(5):
        assert counts.wait_seconds("calls", FEW, "7", counts=False) == 0.0
    assert [used(counts), used(counts)] == [0.0, 0.0]
    assert counts.wait_seconds("calls", FEW, "7", counts=False) == 60.0


def test_what_is_counted_and_for_whom_have_counts_of_their_own() -> None:
    counts = MemoryCounts(Clock())
    each = [(counts, "7", "calls"), (counts, "8", "calls"), (counts, "7", "logins")]
    assert [used(*one) for one in each * 2] == [0.0] * 6


def test_windows_that_have_ended_are_not_kept_for_ever() -> None:
    """L-10: with a flood of ever new addresses, as many as two windows have at the most."""
    clock = Clock()
    counts = MemoryCounts(clock)
    most = 0
    for minute in range(10):
        for number in range(3000):
            used(counts, f"{minute}-{number}")
            most = max(most, len(counts._windows))
        clock.pass_seconds(60)
    assert most <= 2 * 3000


def test_a_window_that_has_not_ended_outlives_every_sweep() -> None:
    """R-23: nobody gets a new window by making others count."""
    counts = MemoryCounts(Clock())
    used(counts)
    used(counts)
    for number in range(5000):
        used(counts, f"other {number}")
    assert used(counts) == 60.0
