"""Which reads that are under way at the same time are one request, and what each reader gets."""

import asyncio

import httpx
import pytest

from okta_mcp.okta.api import OktaApi, OktaPage
from okta_mcp.okta.credentials import ApiToken, Caller
from okta_mcp.okta.errors import OktaError
from tests.okta.conftest import ORG, FakeTime, rate_headers

USERS = "/api/v1/users"
ANN = Caller("00u1ann", "her sign-in")


class Organisation:
    """Answers when it is let; `asked` are the requests in order, `ended` those that came to an end.

    `status` is what every request is answered.
    """

    def __init__(self, clock: FakeTime) -> None:
        self.may_answer = asyncio.Event()
        self.asked: list[str] = []
        self.ended = 0
        self.status = 200
        self.breaks: Exception | None = None
        self.api = OktaApi(
            httpx.AsyncClient(transport=httpx.MockTransport(self._answer)),
            ORG,
            ApiToken("x"),
            concurrency=15,
            now=clock.now,
            sleep=clock.sleep,
            jitter=lambda: 0.5,
        )

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        number = len(self.asked)
        self.asked.append(request.url.raw_path.decode())
        try:
            await self.may_answer.wait()
        finally:
            # A connection does not close in a moment.
            await settled()
            self.ended += 1
        if self.breaks:
            raise self.breaks
        headers = rate_headers(limit=1000, remaining=999 - number, reset=1_800_000_060)
        headers.append(("X-Okta-Request-Id", f"req-{number}"))
        return httpx.Response(self.status, json=[{"number": number}], headers=headers)

    async def knows_its_limit(self) -> None:
        """As after the first call: until then one call waits for the other anyway."""
        self.may_answer.set()
        await self.api.get(USERS)
        self.may_answer.clear()
        self.asked.clear()
        self.ended = 0

    async def reads(self, *wanted: tuple[str, Caller | None]) -> list[asyncio.Task[OktaPage]]:
        """So many reads, of which each has got as far as it can without an answer."""
        tasks = [
            asyncio.create_task(self.api.follow(target, caller=caller)) for target, caller in wanted
        ]
        await settled()
        return tasks


@pytest.fixture
async def organisation(clock: FakeTime) -> Organisation:
    found = Organisation(clock)
    await found.knows_its_limit()
    return found


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def cancelled(task: asyncio.Task[OktaPage]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def refusals(tasks: list[asyncio.Task[OktaPage]]) -> list[OktaError]:
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, OktaError) for each in ended)
    return [each for each in ended if isinstance(each, OktaError)]


@pytest.mark.parametrize(
    ("other_target", "other_caller"),
    [
        (USERS, Caller("00u2bob", "his sign-in")),
        (USERS, Caller("00u2bob", "her sign-in")),
        (USERS, Caller("00u1ann", "another sign-in of hers")),
        (USERS, Caller("00u1ann", None)),
        (USERS, Caller("00u1ann", "her sign-in", is_service=True)),
        (USERS, None),
        (f"{USERS}?limit=1", ANN),
        (f"{USERS}/00u1ann", ANN),
    ],
)
async def test_reads_that_differ_in_anything_are_not_joined(
    organisation: Organisation, other_target: str, other_caller: Caller | None
) -> None:
    tasks = await organisation.reads((USERS, ANN), (other_target, other_caller))
    assert len(organisation.asked) == 2
    organisation.may_answer.set()
    pages = await asyncio.gather(*tasks)
    assert {page.request_id for page in pages} == {"req-0", "req-1"}


async def test_reads_of_the_server_itself_are_never_joined(organisation: Organisation) -> None:
    """A role is looked up by a question that is put now."""
    tasks = await organisation.reads((USERS, None), (USERS, None))
    organisation.may_answer.set()
    await asyncio.gather(*tasks)
    assert organisation.asked == [USERS, USERS]


async def test_the_next_read_after_an_answer_asks_again(organisation: Organisation) -> None:
    organisation.may_answer.set()
    pages = [await organisation.api.get(USERS, caller=ANN) for _ in range(2)]
    assert [page.request_id for page in pages] == ["req-0", "req-1"]


@pytest.mark.parametrize("readers", [2, 50])
async def test_identical_reads_of_one_person_are_one_request(
    organisation: Organisation, readers: int
) -> None:
    tasks = await organisation.reads(*[(USERS, ANN)] * readers)
    organisation.may_answer.set()
    pages = await asyncio.gather(*tasks)
    assert organisation.asked == [USERS]
    assert [page.request_id for page in pages] == ["req-0"] * readers


async def test_what_one_reader_does_with_its_rows_no_other_sees(organisation: Organisation) -> None:
    tasks = await organisation.reads((USERS, ANN), (USERS, ANN))
    organisation.may_answer.set()
    one, other = await asyncio.gather(*tasks)
    one.body.clear()
    assert other.body == [{"number": 0}]


@pytest.mark.parametrize("gone", [0, 1])
async def test_a_reader_who_is_cancelled_leaves_the_answer_to_the_others(
    organisation: Organisation, gone: int
) -> None:
    tasks = await organisation.reads((USERS, ANN), (USERS, ANN))
    await cancelled(tasks.pop(gone))
    organisation.may_answer.set()
    assert (await tasks[0]).request_id == "req-0"


async def test_the_last_reader_who_is_cancelled_ends_the_request(
    organisation: Organisation,
) -> None:
    ended = []

    async def read() -> None:
        try:
            await organisation.api.get(USERS, caller=ANN)
        finally:
            ended.append(organisation.ended)

    readers = [asyncio.create_task(read()) for _ in range(2)]
    await settled()
    for reader in readers:
        reader.cancel()
        await asyncio.wait({reader})
    assert ended == [0, 1]
    tasks = await organisation.reads((USERS, ANN))
    organisation.may_answer.set()
    assert (await tasks[0]).request_id == "req-1"


@pytest.mark.parametrize("leave", [1, 15])
async def test_readers_who_have_gone_hold_no_slot(organisation: Organisation, leave: int) -> None:
    for _ in range(leave):
        for task in await organisation.reads((USERS, ANN), (USERS, ANN)):
            await cancelled(task)
    organisation.may_answer.set()
    tasks = await organisation.reads(*[(f"{USERS}?limit={n}", ANN) for n in range(15)])
    assert len(await asyncio.gather(*tasks)) == 15


@pytest.mark.parametrize(
    ("status", "breaks", "code", "requests"),
    [
        (404, None, "not_found", 1),
        (429, None, "rate_limited", 1),
        (200, httpx.ReadTimeout("late"), "upstream_timeout", 1),
        (200, httpx.ConnectError("gone"), "okta_unavailable", 2),
        (503, None, "okta_unavailable", 2),
    ],
)
async def test_a_failure_is_told_to_all_and_asked_about_no_more_often_than_for_one(
    organisation: Organisation,
    clock: FakeTime,
    status: int,
    breaks: Exception | None,
    code: str,
    requests: int,
) -> None:
    organisation.status, organisation.breaks = status, breaks
    tasks = await organisation.reads(*[(USERS, ANN)] * 5)
    organisation.may_answer.set()
    errors = await refusals(tasks)
    assert [error.code for error in errors] == [code] * 5
    assert len(organisation.asked) == requests


async def test_what_one_reader_adds_to_its_error_no_other_sees(organisation: Organisation) -> None:
    organisation.status = 404
    tasks = await organisation.reads((USERS, ANN), (USERS, ANN))
    organisation.may_answer.set()
    one, other = await refusals(tasks)
    one.details["fix"] = "mine alone"
    assert other.details.get("fix") != "mine alone"
    assert (type(one), str(one), one.status, one.request_id) == (
        *(type(other), str(other), other.status, other.request_id),
    )
