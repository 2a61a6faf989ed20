"""The API client against oddities of the wire, one by one."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import respx

from okta_mcp import __version__
from okta_mcp.okta import exchange
from okta_mcp.okta.api import OktaApi, OktaPage
from okta_mcp.okta.credentials import ApiToken, Caller
from okta_mcp.okta.errors import OktaError, OktaRateLimitedError
from tests.okta.conftest import ORG, START, FakeTime, rate_headers

USERS = "/api/v1/users"
ANN = Caller("00u1ann")
LIMIT = {"errorCode": "E0000047", "errorSummary": "API call exceeded rate limit"}


def too_many(**said: float) -> httpx.Response:
    return httpx.Response(429, json=LIMIT, headers=rate_headers(**said))  # type: ignore[arg-type]


class Chunks(httpx.AsyncByteStream):
    """A body that comes in pieces and may break off."""

    def __init__(self, *chunks: bytes | Exception) -> None:
        self._chunks = chunks
        self.given = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            if isinstance(chunk, Exception):
                raise chunk
            self.given += 1
            yield chunk


async def refused(api: OktaApi, path: str = USERS) -> OktaError:
    with pytest.raises(OktaError) as caught:
        await api.get(path)
    return caught.value


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2/users",
        "/oauth2/v1/token",
        "/api/v1/../../oauth2/v1/token",
        "/api/v1/users/..",
        "/api/v1/users/%2e%2e/groups",
        "/api/v1/users//groups",
        "/api/v1/",
        "/api/v1/users#x",
        "/api/v1/us ers",
        "https://evil.example/api/v1/users",
    ],
)
async def test_a_path_outside_the_management_api_is_never_sent(
    api: OktaApi, okta: respx.MockRouter, path: str
) -> None:
    """I-01, I-04"""
    with pytest.raises(ValueError, match="not a path"):
        await api.get(path)
    assert not okta.calls


async def test_a_redirect_is_an_error_and_is_not_followed(
    api: OktaApi, okta: respx.MockRouter
) -> None:
    """I-04"""
    okta.get(USERS).respond(302, headers={"Location": "https://evil.example/"})
    error = await refused(api)
    assert (error.code, error.status, len(okta.calls)) == ("upstream_malformed", 302, 1)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'[{"id": ', b"[NaN]", b"[1e999]", b"\xff\xfe", b"[" * 200_000]
)
async def test_a_body_that_is_not_json_is_malformed(
    api: OktaApi, okta: respx.MockRouter, body: bytes
) -> None:
    okta.get(USERS).respond(200, content=body, headers={"X-Okta-Request-Id": "req-1"})
    error = await refused(api)
    assert (error.code, error.request_id) == ("upstream_malformed", "req-1")


async def test_a_body_that_breaks_off_is_malformed(api: OktaApi, okta: respx.MockRouter) -> None:
    broken = httpx.RemoteProtocolError("peer closed connection without sending complete message")
    okta.get(USERS).mock(httpx.Response(200, stream=Chunks(b'[{"id":', broken)))
    assert (await refused(api)).code == "upstream_malformed"


async def test_a_huge_body_is_not_read_to_its_end(api: OktaApi, okta: respx.MockRouter) -> None:
    """I-08"""
    stream = Chunks(*[b" " * 1024 * 1024] * 20)
    okta.get(USERS).mock(httpx.Response(200, stream=stream))
    error = await refused(api)
    assert error.code == "upstream_malformed"
    assert stream.given == 9


@pytest.mark.parametrize("reason", [httpx.ReadTimeout, httpx.ConnectTimeout, httpx.PoolTimeout])
async def test_a_timeout_is_told_and_not_repeated(
    api: OktaApi, okta: respx.MockRouter, reason: type[Exception]
) -> None:
    okta.get(USERS).mock(side_effect=reason)
    assert (await refused(api)).code == "upstream_timeout"
    assert len(okta.calls) == 1


async def test_a_body_that_drips_is_a_timeout(
    api: OktaApi, okta: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "LONGEST_SECONDS", 0.0)

    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    okta.get(USERS).mock(side_effect=never)
    assert (await refused(api)).code == "upstream_timeout"


async def test_an_unreachable_okta_is_asked_twice_and_then_unavailable(
    api: OktaApi, okta: respx.MockRouter, clock: FakeTime
) -> None:
    okta.get(USERS).mock(side_effect=httpx.ConnectError)
    assert (await refused(api)).code == "okta_unavailable"
    assert (len(okta.calls), clock.slept) == (2, [0.75])


@pytest.mark.parametrize(("status", "calls"), [(500, 1), (502, 1), (503, 2), (504, 2)])
async def test_a_server_error_is_unavailable_after_at_most_one_retry(
    api: OktaApi, okta: respx.MockRouter, status: int, calls: int
) -> None:
    okta.get(USERS).respond(status, json={"errorCode": "E0000009"})
    error = await refused(api)
    assert (error.code, error.status, len(okta.calls)) == ("okta_unavailable", status, calls)


async def test_a_503_that_passes_is_not_seen_by_the_caller(
    api: OktaApi, okta: respx.MockRouter
) -> None:
    okta.get(USERS).mock(
        side_effect=[
            httpx.Response(503, headers={"X-Okta-Request-Id": "first"}),
            httpx.Response(200, json=[]),
        ]
    )
    assert (await api.get(USERS)).body == []
    again = okta.calls.last.request.headers
    assert (again["X-Okta-Retry-For"], again["X-Okta-Retry-Count"]) == ("first", "1")


@pytest.mark.parametrize("skew", [-86_400.0, 0.0, 86_400.0])
async def test_a_429_waits_until_the_reset_by_oktas_own_clock(
    api: OktaApi, okta: respx.MockRouter, clock: FakeTime, skew: float
) -> None:
    """L-11"""
    theirs = START + skew
    okta.get(USERS).mock(
        side_effect=[
            too_many(limit=100, remaining=0, reset=theirs + 4, date=theirs),
            httpx.Response(200, json=[]),
        ]
    )
    await api.get(USERS)
    assert clock.slept == [5.0]


async def test_of_several_resets_the_first_counts(
    api: OktaApi, okta: respx.MockRouter, clock: FakeTime
) -> None:
    headers = [
        *rate_headers(limit=100, remaining=0, reset=START + 50, date=START),
        ("X-Rate-Limit-Reset", str(int(START + 3))),
    ]
    okta.get(USERS).mock(
        side_effect=[httpx.Response(429, headers=headers), httpx.Response(200, json=[])]
    )
    await api.get(USERS)
    assert clock.slept == [4.0]


async def test_a_wait_beyond_ten_seconds_is_answered_at_once(
    api: OktaApi, okta: respx.MockRouter, clock: FakeTime
) -> None:
    okta.get(USERS).mock(too_many(limit=100, remaining=0, reset=START + 30, date=START))
    with pytest.raises(OktaRateLimitedError) as caught:
        await api.get(USERS)
    assert (caught.value.retry_after_seconds, clock.slept, len(okta.calls)) == (31, [], 1)


async def test_nobody_asks_an_empty_bucket_and_a_call_after_the_wait_succeeds(
    api: OktaApi, okta: respx.MockRouter, clock: FakeTime
) -> None:
    """L-11"""
    okta.get(USERS).mock(too_many(limit=100, remaining=0, reset=START + 30, date=START))
    other = okta.get("/api/v1/groups").respond(200, json=[])
    await refused(api)
    clock.seconds += 11
    error = await refused(api)
    assert error.details["retry_after_seconds"] == 20
    assert len(okta.calls) == 1
    await api.get("/api/v1/groups")
    assert other.called
    clock.seconds += 20
    okta.get(USERS).respond(200, json=[])
    assert (await api.get(USERS)).body == []


@pytest.mark.parametrize("headers", [[], [("X-Rate-Limit-Reset", "soon")]])
async def test_a_429_that_says_nothing_closes_the_bucket_for_a_window(
    api: OktaApi, okta: respx.MockRouter, headers: list[tuple[str, str]]
) -> None:
    okta.get(USERS).mock(httpx.Response(429, headers=headers))
    error = await refused(api)
    assert (error.code, error.details["retry_after_seconds"]) == ("rate_limited", 60)


async def test_a_concurrency_429_backs_off_shortly_and_not_until_the_reset(
    api: OktaApi, okta: respx.MockRouter, clock: FakeTime
) -> None:
    full = too_many(limit=0, remaining=0, reset=START + 50, date=START)
    okta.get(USERS).mock(side_effect=[full, full, httpx.Response(200, json=[])])
    await api.get(USERS)
    assert clock.slept == [0.75, 1.5]


async def test_a_concurrency_429_that_stays_is_rate_limited_within_ten_seconds(
    api: OktaApi, okta: respx.MockRouter, clock: FakeTime
) -> None:
    okta.get(USERS).mock(too_many(limit=0, remaining=0, reset=START + 50, date=START))
    error = await refused(api)
    assert (error.code, error.details["retry_after_seconds"]) == ("rate_limited", 2)
    assert sum(clock.slept) <= 10
    assert len(okta.calls) == 6


async def test_waiters_of_one_bucket_do_not_overrun_the_new_window_together(
    api: OktaApi, okta: respx.MockRouter, clock: FakeTime
) -> None:
    """L-11: none of the retries meets a 429."""
    answers: list[int] = []
    ends, left = START + 4, 0

    def count(_: httpx.Request) -> httpx.Response:
        nonlocal ends, left
        if clock.seconds >= ends:
            ends, left = clock.seconds + 60, 10
        status = 200 if left > 0 else 429
        left = max(left - 1, 0)
        answers.append(status)
        headers = rate_headers(limit=10, remaining=left, reset=ends, date=clock.seconds)
        return httpx.Response(status, json=[], headers=headers)

    okta.get(USERS).mock(side_effect=count)
    await refused_or_not(api)
    callers = await asyncio.gather(*(refused_or_not(api) for _ in range(25)))
    assert answers == [429] + [200] * 10
    assert sorted(callers, key=str) == ["ok"] * 9 + ["rate_limited"] * 16


async def refused_or_not(api: OktaApi) -> str:
    try:
        await api.get(USERS)
    except OktaError as error:
        return error.code
    return "ok"


async def test_no_more_calls_are_in_flight_than_allowed(
    clock: FakeTime, okta: respx.MockRouter
) -> None:
    """L-11"""
    running = most = 0

    async def slow(_: httpx.Request) -> httpx.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return httpx.Response(200, json=[])

    okta.get(USERS).mock(side_effect=slow)
    async with httpx.AsyncClient() as http:
        api = OktaApi(http, ORG, ApiToken("x"), concurrency=3, now=clock.now, sleep=clock.sleep)
        await asyncio.gather(*(api.get(USERS) for _ in range(20)))
    assert most == 3


class Renewing:
    """Credentials that change after each refusal; `helps` is what they answer to one."""

    def __init__(self, *, helps: bool) -> None:
        self._helps = helps
        self.callers: list[Caller | None] = []
        self.refusals: list[int] = []

    async def headers(self, method: str, url: str, caller: Caller | None) -> dict[str, str]:
        self.callers.append(caller)
        return {"Authorization": f"{method} {url} {len(self.refusals)}"}

    async def refused(self, status: int, headers: httpx.Headers, caller: Caller | None) -> bool:
        self.refusals.append(status)
        return self._helps


async def with_credentials(credentials: Renewing, clock: FakeTime) -> OktaPage:
    async with httpx.AsyncClient(verify=False) as http:
        api = OktaApi(http, ORG, credentials, concurrency=2, now=clock.now, sleep=clock.sleep)
        return await api.get(USERS, caller=ANN)


@pytest.mark.parametrize("status", [400, 401])
async def test_refused_credentials_are_renewed_once(
    okta: respx.MockRouter, clock: FakeTime, status: int
) -> None:
    credentials = Renewing(helps=True)
    okta.get(USERS).mock(side_effect=[httpx.Response(status), httpx.Response(200, json=[])])
    await with_credentials(credentials, clock)
    assert [call.request.headers["Authorization"][-1] for call in okta.calls] == ["0", "1"]
    assert (credentials.callers, credentials.refusals) == ([ANN, ANN], [status])


@pytest.mark.parametrize(("helps", "calls"), [(False, 1), (True, 2)])
async def test_credentials_that_stay_refused_are_an_error(
    okta: respx.MockRouter, clock: FakeTime, helps: bool, calls: int
) -> None:
    credentials = Renewing(helps=helps)
    okta.get(USERS).respond(401, json={"errorCode": "E0000011"})
    with pytest.raises(OktaError, match="okta_unauthorized"):
        await with_credentials(credentials, clock)
    assert (len(okta.calls), credentials.refusals) == (calls, [401])


async def test_an_attempt_with_new_credentials_takes_a_place_too(
    okta: respx.MockRouter, clock: FakeTime
) -> None:
    said = rate_headers(limit=1, remaining=0, reset=START + 40, date=START)
    okta.get(USERS).mock(httpx.Response(401, headers=said))
    with pytest.raises(OktaRateLimitedError):
        await with_credentials(Renewing(helps=True), clock)
    assert len(okta.calls) == 1


@pytest.mark.parametrize("status", [403, 404, 429, 500])
async def test_credentials_hear_of_no_other_refusal(
    okta: respx.MockRouter, clock: FakeTime, status: int
) -> None:
    credentials = Renewing(helps=True)
    okta.get(USERS).respond(status)
    with pytest.raises(OktaError):
        await with_credentials(credentials, clock)
    assert credentials.refusals == []


async def test_what_is_sent(api: OktaApi, okta: respx.MockRouter) -> None:
    okta.get("/api/v1/groups").respond(200, json=[], headers={"Set-Cookie": "sid=1; Path=/"})
    await api.get("/api/v1/groups", {"q": "a b&c", "limit": 5, "filter": None, "search": ""})
    await api.get("/api/v1/groups")
    first, second = (call.request for call in okta.calls)
    assert str(first.url) == f"{ORG}/api/v1/groups?q=a%20b%26c&limit=5"
    assert first.headers["Accept"] == "application/json"
    assert first.headers["User-Agent"] == f"okta_mcp/{__version__}"
    assert first.headers["Authorization"] == "SSWS 00secret"
    assert "Cookie" not in second.headers


async def test_lists_of_people_are_asked_without_credentials(
    api: OktaApi, okta: respx.MockRouter
) -> None:
    """I-09"""
    okta.get(USERS).respond(200, json=[])
    await api.get(USERS)
    assert "omitCredentials" in okta.calls.last.request.headers["Content-Type"]


async def test_pages_follow_the_next_links_until_there_is_none(
    api: OktaApi, okta: respx.MockRouter
) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("after", "0"))
        link = f'<https://alias.example{USERS}?after={number + 1}&limit=2>; rel="next"'
        headers = {"Link": link, "X-Okta-Request-Id": f"r{number}"} if number < 3 else {}
        return httpx.Response(200, json=[number], headers=headers)

    okta.get(USERS).mock(side_effect=page)
    walked = [page async for page in api.pages(USERS, {"limit": 2}, at_most_pages=10)]
    assert [page.body for page in walked] == [[0], [1], [2], [3]]
    assert [page.request_id for page in walked] == ["r0", "r1", "r2", None]
    cut = [page async for page in api.pages(USERS, at_most_pages=2)]
    assert (len(cut), cut[-1].next_path) == (2, f"{USERS}?after=2&limit=2")


async def test_a_next_link_to_another_list_is_malformed(
    api: OktaApi, okta: respx.MockRouter
) -> None:
    """I-04"""
    link = f'<{ORG}/api/v1/apps?after=1>; rel="next"'
    okta.get(USERS).respond(200, json=[], headers={"Link": link})
    assert (await refused(api)).code == "upstream_malformed"


@pytest.mark.parametrize("after", ["x" * 70_000, "\x00"], ids=["too long", "not printable"])
async def test_a_next_link_that_no_request_can_be_made_of_is_malformed(
    api: OktaApi, okta: respx.MockRouter, after: str
) -> None:
    with pytest.raises(OktaError, match="upstream_malformed"):
        await api.follow(f"{USERS}?after={after}")
    assert not okta.calls


async def test_an_error_holds_nothing_of_oktas_headers_or_body_but_its_code(
    api: OktaApi, okta: respx.MockRouter
) -> None:
    """I-05"""
    okta.get(USERS).respond(
        403,
        json={
            "errorCode": "E0000006",
            "errorSummary": "SECRET",
            "errorCauses": [{"errorSummary": "SECRET"}],
        },
        headers={"X-Secret": "SECRET"},
    )
    error = await refused(api)
    assert "SECRET" not in json.dumps([error.code, error.message, error.details, str(error)])
    assert error.details["okta_error_code"] == "E0000006"
