"""Completions: nothing of Okta for somebody who may not list it, never a failure, few and clean."""

import json
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import respx

from okta_mcp.guides.completions import Completions
from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.credentials import ApiToken
from okta_mcp.rbac.limits import NO_LIMITS, Limit, Limits
from okta_mcp.tools.call import Call, current_call
from okta_mcp.tools.cursors import SealedCursors
from okta_mcp.tools.reader import Reader

ORG = "https://acme.okta.example"
FOUND = {
    "user": ("list_okta_users", "/api/v1/users", [{"profile": {"login": "ann@example.com"}}]),
    "group": ("list_okta_groups", "/api/v1/groups", [{"profile": {"name": "Sales\u202e"}}]),
    "application": ("list_okta_applications", "/api/v1/apps", [{"label": "CRM"}]),
}
SHOWN = {"user": "ann@example.com", "group": "Sales", "application": "CRM"}

each_argument = pytest.mark.parametrize("argument", FOUND)


async def no_sleep(_: float) -> None:
    return None


@pytest.fixture
async def completions() -> AsyncIterator[Completions]:
    async with httpx.AsyncClient(verify=False) as http:
        api = OktaApi(
            http, ORG, ApiToken("00secret"), concurrency=15, now=lambda: 0.0, sleep=no_sleep
        )
        yield Completions(Reader(api, SealedCursors(b"k" * 32)))


@pytest.fixture
def okta() -> respx.MockRouter:
    with respx.mock(base_url=ORG, assert_all_called=False) as router:
        yield router


def called_by(may: Callable[[str], bool], limits: Limits = NO_LIMITS) -> Call:
    call = Call(
        user_id="00uann1234567890", tool="completion/complete", may=may, limits_of=lambda _: limits
    )
    current_call.set(call)
    return call


@each_argument
async def test_who_may_not_list_gets_no_names(
    completions: Completions, okta: respx.MockRouter, argument: str
) -> None:
    called_by(lambda tool: tool != FOUND[argument][0])
    assert await completions.values(argument, "a") == ()
    assert not okta.calls


@each_argument
async def test_nothing_is_asked_before_something_is_typed(
    completions: Completions, okta: respx.MockRouter, argument: str
) -> None:
    called_by(lambda _: True)
    assert await completions.values(argument, "  ") == ()
    assert not okta.calls


@each_argument
@pytest.mark.parametrize(
    "parameters",
    [{"q": Limit()}, {"q": Limit(one_of=("ann",))}, {"scope": Limit(one_of=("USER",))}],
    ids=["no q", "a choice of q", "a part of the rows"],
)
async def test_who_may_list_within_limits_that_this_cannot_keep_gets_no_names(
    completions: Completions,
    okta: respx.MockRouter,
    argument: str,
    parameters: dict[str, Limit],
) -> None:
    called_by(lambda _: True, Limits(parameters))
    assert await completions.values(argument, "ann") == ()
    assert not okta.calls


@each_argument
@pytest.mark.parametrize(("most", "sent"), [(3, "3"), (50, "10")])
async def test_no_more_names_are_asked_for_than_the_policy_lets_a_list_show(
    completions: Completions, okta: respx.MockRouter, argument: str, most: int, sent: str
) -> None:
    limits = {"limit": Limit(most=most), "fields": Limit(one_of=("default",)), "filter": Limit()}
    called_by(lambda _: True, Limits(limits))
    _, path, rows = FOUND[argument]
    route = okta.get(path).respond(json=rows)
    assert list(await completions.values(argument, "a")) == [SHOWN[argument]]
    assert route.calls[0].request.url.params["limit"] == sent


@each_argument
@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
async def test_a_refusal_of_okta_offers_nothing(
    completions: Completions, okta: respx.MockRouter, argument: str, status: int
) -> None:
    call = called_by(lambda _: True)
    answer = okta.get(FOUND[argument][1])
    answer.respond(status, json={"errorCode": "E0000001"}, headers={"X-Okta-Request-Id": "r1"})
    assert await completions.values(argument, "a") == ()
    assert call.okta_request_ids == ["r1"]


@each_argument
async def test_an_answer_of_another_form_offers_nothing(
    completions: Completions, okta: respx.MockRouter, argument: str
) -> None:
    called_by(lambda _: True)
    rows = [None, {}, {"profile": None, "label": 1}, {"profile": "ann"}, {"profile": [{}]}]
    okta.get(FOUND[argument][1]).respond(json=rows)
    assert list(await completions.values(argument, "a")) == []


@each_argument
async def test_names_are_found_and_clean(
    completions: Completions, okta: respx.MockRouter, argument: str
) -> None:
    call = called_by(lambda _: True)
    _, path, rows = FOUND[argument]
    route = okta.get(path).respond(json=rows)
    assert list(await completions.values(argument, "a b&limit=200")) == [SHOWN[argument]]
    assert dict(route.calls[0].request.url.params) == {"q": "a b&limit=200", "limit": "10"}
    assert json.dumps(call.okta_request_ids) == "[]"


async def test_an_argument_that_nobody_knows_offers_nothing(completions: Completions) -> None:
    called_by(lambda _: True)
    assert await completions.values("password", "a") == ()


@pytest.mark.parametrize(
    ("argument", "beginning", "first"),
    [
        ("event_type", "user.session.s", "user.session.start"),
        ("prefix", "USER.SESSION.S", "user.session.start"),
        ("policy_type", "mfa", "MFA_ENROLL"),
        ("subject", "lo", "logs"),
        ("code", "rate", "rate_limited"),
        ("since", "last 7", "last 7 days"),
    ],
)
async def test_tables_offer_what_begins_so(
    completions: Completions, argument: str, beginning: str, first: str
) -> None:
    called_by(lambda _: False)
    assert (await completions.values(argument, beginning))[0] == first


async def test_at_most_a_hundred_are_offered(completions: Completions) -> None:
    called_by(lambda _: False)
    assert len(await completions.values("event_type", "")) == 100
