"""Places promised in windows to come."""

from collections import Counter

import pytest

from okta_mcp.okta.promises import Promise, Promises


@pytest.fixture
def promises() -> Promises:
    return Promises()


def book(promises: Promises, person: str, *, share: int = 2, places: int = 3) -> Promise:
    return promises.book(person, 0.0, first_due_at=30.0, places=places, share=share)


def test_a_place_in_the_earliest_round_that_has_one(promises: Promises) -> None:
    due_at = [book(promises, f"person {n}").due_at for n in range(7)]
    assert due_at == [30.0] * 3 + [95.0] * 3 + [160.0]


def test_who_asks_for_more_than_a_share_is_told_the_promise_that_stands(
    promises: Promises,
) -> None:
    assert [book(promises, "ann").due_at for _ in range(100)] == [30.0] * 100
    assert promises.due_before(1000.0) == Counter(ann=2)


def test_who_comes_back_shortly_before_the_time_gets_no_second_promise(promises: Promises) -> None:
    book(promises, "ann")
    again = promises.book("ann", 21.0, first_due_at=30.0, places=3, share=2)
    assert (again.due_at, promises.due_before(1000.0)) == (30.0, Counter(ann=1))


def test_the_horizon_is_bounded(promises: Promises) -> None:
    due_at = [book(promises, f"person {n}", places=1).due_at for n in range(40)]
    assert (due_at[29], due_at[39]) == (30.0 + 29 * 65, 30.0 + 29 * 65)
    assert promises.due_before(1e9).total() == 30


def test_a_promise_is_redeemed_once_and_not_before_it_falls_due(promises: Promises) -> None:
    book(promises, "ann")
    assert promises.redeem("ann", 29.0, opens_at=29.0) is None
    assert promises.redeem("bob", 30.0, opens_at=30.0) is None
    assert promises.redeem("ann", 30.0, opens_at=30.0) is not None
    assert promises.redeem("ann", 30.0, opens_at=30.0) is None


def test_a_promise_stands_when_the_window_opens_a_little_later(promises: Promises) -> None:
    book(promises, "ann")
    later = promises.redeem("ann", 30.0, opens_at=34.0)
    assert later is not None
    assert later.due_at == 34.0
    assert promises.redeem("ann", 34.0, opens_at=34.0) is not None


def test_a_promise_that_a_window_outlasts_is_none(promises: Promises) -> None:
    book(promises, "ann")
    assert promises.redeem("ann", 30.0, opens_at=90.0) is None
    assert promises.people() == set()


def test_a_place_that_a_call_waits_for_is_not_redeemed_by_another_call(promises: Promises) -> None:
    promise = book(promises, "ann")
    promises.hold(promise)
    assert promises.redeem("ann", 30.0, opens_at=30.0) is None
    promises.release(promise)
    assert promises.redeem("ann", 30.0, opens_at=30.0) is not None


def test_a_call_that_gives_up_leaves_no_promise(promises: Promises) -> None:
    promise = book(promises, "ann")
    promises.hold(promise)
    promises.drop(promise)
    assert promises.people() == set()


def test_a_promise_lapses(promises: Promises) -> None:
    book(promises, "ann")
    promises.expire(79.0)
    assert promises.people() == {"ann"}
    promises.expire(80.0)
    assert promises.people() == set()
