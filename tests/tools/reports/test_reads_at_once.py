"""Reads of a report that do not need each other: how many at once, in which order, what stops."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from okta_mcp.okta.api import OktaPage
from okta_mcp.okta.errors import OktaError, OktaRateLimitedError, OktaRefusedError
from okta_mcp.tools.call import Call, current_call
from okta_mcp.tools.cursors import SealedCursors
from okta_mcp.tools.reports.report import READS_A_CALL, READS_AT_ONCE, Report, ReportTools

MANY = READS_AT_ONCE * 3


@dataclass
class Okta:
    """What stands in the place of the reader: later reads are answered first.

    `errors` is what a path is answered instead.
    """

    errors: dict[str, OktaError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def page(self, target: str) -> OktaPage:
        self.asked.append(target)
        self.begun.set()
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            for _ in range(2 * READS_AT_ONCE - len(self.asked) % READS_AT_ONCE):
                await asyncio.sleep(0)
        finally:
            self.under_way -= 1
        if target in self.errors:
            raise self.errors[target]
        return OktaPage([{"target": target}], None, None)


@pytest.fixture
def okta() -> Okta:
    return Okta()


@pytest.fixture
def report(okta: Okta) -> Report:
    current_call.set(Call("00u1ann", "a_report"))
    tools = ReportTools(okta, SealedCursors(bytes(32)), None, lambda: 0.0)  # type: ignore[arg-type]
    return tools.begun("a_report", ["target"], {}, None)


def reading(report: Report) -> Callable[[int], Awaitable[str]]:
    async def read(number: int) -> str:
        rows, _ = await report.reader.page(f"/{number}")
        return str(rows[0]["target"])

    return read


def limited() -> OktaRateLimitedError:
    return OktaRateLimitedError(30)


async def test_an_error_that_is_no_stop_of_oktas_is_raised(report: Report, okta: Okta) -> None:
    okta.errors["/2"] = OktaRefusedError("okta_forbidden", "no")
    with pytest.raises(OktaRefusedError):
        await report.of_first(range(4), reading(report))


async def test_a_stop_of_the_first_read_is_raised(report: Report, okta: Okta) -> None:
    okta.errors["/0"] = limited()
    with pytest.raises(OktaRateLimitedError):
        await report.of_first(range(4), reading(report))


async def test_of_several_errors_the_first_in_order_is_raised(report: Report, okta: Okta) -> None:
    okta.errors |= {"/1": OktaRefusedError("not_found", "1"), "/2": limited()}
    with pytest.raises(OktaRefusedError):
        await report.together(*map(reading(report), range(4)))
    assert okta.under_way == 0


async def test_what_stands_before_a_stop_is_given_and_the_step_is_the_last(
    report: Report, okta: Okta
) -> None:
    okta.errors["/2"] = limited()
    found: list[str] = []

    async def step() -> bool:
        found.extend(await report.of_first(range(4), reading(report)))
        return True

    assert not await report.work(step)
    assert found == ["/0", "/1"]
    answer = await report.answer({})
    assert (answer["truncated"], answer["retry_after_seconds"]) == (True, 30)


async def test_a_call_that_is_cancelled_leaves_no_read_under_way(
    report: Report, okta: Okta
) -> None:
    task = asyncio.create_task(report.together(*map(reading(report), range(MANY))))
    await okta.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert okta.under_way == 0


async def test_no_more_reads_than_the_bound_are_under_way(report: Report, okta: Okta) -> None:
    await report.together(*map(reading(report), range(MANY)))
    assert (okta.most_under_way, len(okta.asked)) == (READS_AT_ONCE, MANY)


async def test_answers_stand_in_the_order_of_the_questions(report: Report) -> None:
    found = await report.together(*map(reading(report), range(MANY)))
    assert found == [f"/{number}" for number in range(MANY)]


@pytest.mark.parametrize(("reads_a_call", "reads_each", "read"), [(2, 1, 2), (7, 3, 2), (1, 3, 1)])
async def test_no_more_is_asked_than_the_call_may_still_read(
    report: Report,
    okta: Okta,
    reads_a_call: int,
    reads_each: int,
    read: int,
) -> None:
    for _ in range(READS_A_CALL - reads_a_call):
        report.count_read()
    await report.of_first(range(MANY), reading(report), reads_each=reads_each)
    assert len(okta.asked) == read
