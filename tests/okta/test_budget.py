"""The count of a bucket: what answers do to it, and whose its places are."""

import pytest

from okta_mcp.okta.budget import Budget
from okta_mcp.okta.count import Place
from okta_mcp.okta.limits import RateHeaders
from tests.okta.conftest import START, FakeTime

THE_SERVER = None


def said(
    clock: FakeTime, limit: int, remaining: int, seconds: float, *, window: int = 0
) -> RateHeaders:
    """An answer of the window that ends in `seconds`; `window` counts from the first one on."""
    return RateHeaders(limit, remaining, seconds, reset_at=int(START) + 60 * window)


def sent(budget: Budget, person: str | None = THE_SERVER) -> Place:
    place = budget.take(person)
    assert isinstance(place, Place)
    budget.sent(place)
    return place


def answered(budget: Budget, what: RateHeaders, person: str | None = THE_SERVER) -> None:
    budget.answered(sent(budget, person), what, too_many=False)


def due_in(budget: Budget, clock: FakeTime, person: str | None = THE_SERVER) -> float:
    """0 if a call goes now, otherwise the seconds until its place."""
    found = budget.take(person)
    if not isinstance(found, Place):
        return found.due_at - clock.seconds
    budget.sent(found)
    return 0


@pytest.fixture
def budget(clock: FakeTime) -> Budget:
    return Budget(clock.now)


def test_no_call_goes_when_the_window_is_used_up(budget: Budget, clock: FakeTime) -> None:
    answered(budget, said(clock, 60, 1, 20.0))
    assert [due_in(budget, clock) for _ in range(2)] == [0, 20.0]


def test_a_429_closes_the_window_until_its_end(budget: Budget, clock: FakeTime) -> None:
    budget.answered(sent(budget), said(clock, 60, 30, 20.0), too_many=True)
    assert due_in(budget, clock) == 20.0
    clock.seconds += 20
    assert due_in(budget, clock) == 0


def test_a_concurrency_429_says_nothing_about_the_window(budget: Budget, clock: FakeTime) -> None:
    budget.answered(sent(budget), said(clock, 0, 0, 50.0), too_many=True)
    assert due_in(budget, clock) == 0


def test_a_new_window_is_as_large_as_the_last_one(budget: Budget, clock: FakeTime) -> None:
    answered(budget, said(clock, 3, 0, 10.0))
    clock.seconds += 10
    assert [due_in(budget, clock) for _ in range(4)] == [0, 0, 0, 60.0]


def test_answers_that_overtake_each_other_do_not_raise_the_count(
    budget: Budget, clock: FakeTime
) -> None:
    first, second = sent(budget), sent(budget)
    budget.answered(second, said(clock, 10, 1, 30.0), too_many=False)
    budget.answered(first, said(clock, 10, 8, 30.0), too_many=False)
    assert [due_in(budget, clock) for _ in range(2)] == [0, 30.0]


def test_a_late_answer_of_an_earlier_window_is_ignored(budget: Budget, clock: FakeTime) -> None:
    late = sent(budget)
    answered(budget, said(clock, 10, 9, 50.0, window=1))
    budget.answered(late, said(clock, 10, 0, 2.0, window=0), too_many=True)
    assert due_in(budget, clock) == 0


def test_oktas_own_new_window_opens_the_bucket_early(budget: Budget, clock: FakeTime) -> None:
    late = sent(budget)
    answered(budget, said(clock, 10, 0, 10.0))
    budget.answered(late, said(clock, 10, 9, 60.0, window=1), too_many=False)
    assert due_in(budget, clock) == 0


def test_a_call_under_way_at_the_end_of_a_window_counts_in_the_next_until_its_answer_tells(
    budget: Budget, clock: FakeTime
) -> None:
    answered(budget, said(clock, 3, 2, 4.0))
    late = sent(budget)
    clock.seconds += 4
    assert [due_in(budget, clock) for _ in range(3)] == [0, 0, 60.0]
    budget.answered(late, said(clock, 3, 1, 1.0), too_many=False)
    assert [due_in(budget, clock) for _ in range(2)] == [0, 60.0]


def test_a_place_that_waits_for_its_slot_goes_on_to_the_next_window(
    budget: Budget, clock: FakeTime
) -> None:
    answered(budget, said(clock, 3, 2, 30.0))
    budget.take(THE_SERVER)
    clock.seconds += 30
    assert [due_in(budget, clock) for _ in range(3)] == [0, 0, 60.0]


def test_a_place_that_was_not_sent_is_free_again_and_one_that_was_sent_is_not(
    budget: Budget, clock: FakeTime
) -> None:
    answered(budget, said(clock, 2, 1, 30.0))
    unsent = budget.take(THE_SERVER)
    assert isinstance(unsent, Place)
    budget.give_back(unsent)
    budget.give_back(sent(budget))
    assert due_in(budget, clock) == 30.0


def test_a_place_that_was_not_sent_does_not_count_in_the_persons_share(
    budget: Budget, clock: FakeTime
) -> None:
    answered(budget, said(clock, 4, 3, 30.0), "ann")
    for _ in range(5):
        unsent = budget.take("ann")
        assert isinstance(unsent, Place)
        budget.give_back(unsent)


def test_a_slow_answer_leaves_open_whether_the_window_has_ended_for_calls_sent_since(
    budget: Budget, clock: FakeTime
) -> None:
    slow = sent(budget)
    clock.seconds += 8
    budget.answered(slow, said(clock, 3, 2, 10.0), too_many=False)
    clock.seconds += 2
    sent(budget)
    clock.seconds += 8
    assert [due_in(budget, clock) for _ in range(3)] == [0, 0, 60.0]


def test_use_by_somebody_else_is_seen_and_expected_again(budget: Budget, clock: FakeTime) -> None:
    answered(budget, said(clock, 10, 2, 30.0), "ann")
    assert [due_in(budget, clock) for _ in range(3)] == [0, 0, 30.0]
    clock.seconds += 30
    taken = [due_in(budget, clock, f"person {n}") == 0 for n in range(9)]
    assert taken == [True] * 4 + [False] * 5


def test_a_person_alone_takes_half_of_the_window_until_its_last_ten_seconds(
    budget: Budget, clock: FakeTime
) -> None:
    answered(budget, said(clock, 10, 9, 30.0), "ann")
    assert [due_in(budget, clock, "ann") == 0 for _ in range(5)] == [True] * 4 + [False]
    assert due_in(budget, clock, "bob") == 0
    clock.seconds += 20
    assert [due_in(budget, clock, "bob") == 0 for _ in range(5)] == [True] * 4 + [False]


def test_what_is_left_goes_to_nobody_who_was_served_more_than_one_told_to_come_back(
    budget: Budget, clock: FakeTime
) -> None:
    answered(budget, said(clock, 10, 9, 30.0), "ann")
    for _ in range(3):
        assert due_in(budget, clock, "ann") == 0
    assert [due_in(budget, clock, "bob") == 0 for _ in range(4)] == [True] * 3 + [False]
    clock.seconds += 20
    assert due_in(budget, clock, "ann") == 10.0
    assert due_in(budget, clock, "bob") == 0


def test_the_servers_own_calls_are_held_back_by_no_share_and_find_a_place_kept(
    budget: Budget, clock: FakeTime
) -> None:
    answered(budget, said(clock, 10, 9, 30.0))
    assert [due_in(budget, clock, f"person {n}") == 0 for n in range(10)][-2:] == [True, False]
    clock.seconds += 30
    assert [due_in(budget, clock) for _ in range(11)] == [0] * 10 + [60.0]


def test_a_person_who_does_not_wait_finds_the_promised_place(
    budget: Budget, clock: FakeTime
) -> None:
    answered(budget, said(clock, 4, 3, 30.0))
    assert [due_in(budget, clock) for _ in range(3)] == [0, 0, 0]
    assert due_in(budget, clock, "ann") == 30.0
    clock.seconds += 31
    others = [due_in(budget, clock, f"person {n}") == 0 for n in range(5)]
    assert others == [True] * 2 + [False] * 3
    assert due_in(budget, clock, "ann") == 0


def test_who_is_refused_while_places_are_left_is_told_to_come_for_them(
    budget: Budget, clock: FakeTime
) -> None:
    answered(budget, said(clock, 2, 1, 30.0), "ann")
    promise = budget.take("ann")
    assert not isinstance(promise, Place)
    assert budget.come_at(promise) - clock.seconds == 22.0
    assert due_in(budget, clock, "bob") == 0
    assert budget.come_at(promise) - clock.seconds == 30.0
