"""Each resource by its text; what a variable of a template cannot stand for does not exist."""

import json
from typing import Any

import pytest

from okta_mcp.guides.resources import NoSuchResourceError, Readable, readables
from okta_mcp.tools.call import Call, current_call
from okta_mcp.tools.error_codes import ERROR_CODES
from okta_mcp.tools.grammars import HELP

ANN, BOB = "00uann1234567890", "00ubob1234567890"


class OneReport:
    """A shelf on which one report of Ann's lies."""

    async def put(self, person: str, report_id: str, text: str) -> None:
        raise AssertionError("resources only read")

    async def get(self, person: str, report_id: str) -> str | None:
        return "login\r\nann\r\n" if (person, report_id) == (ANN, "r1") else None


LISTED = {
    each.uri: each
    for each in readables(OneReport(), lambda: {"role": "viewer"}, lambda: {"roles": ["viewer"]})
}


async def read(uri: str, person: str = ANN, **variables: str) -> str:
    current_call.set(Call(user_id=person, tool=uri))
    return await LISTED[uri].read(**variables)


async def read_json(uri: str, **variables: str) -> Any:
    return json.loads(await read(uri, **variables))


@pytest.mark.parametrize(
    ("uri", "variables"),
    [
        ("okta://help/search/{subject}", {"subject": "passwords"}),
        ("okta://help/search/{subject}", {"subject": ""}),
        ("okta://event-types/{prefix}", {"prefix": "nothing.like.this"}),
        ("okta://errors/{code}", {"code": "E0000001"}),
        ("okta://reports/{report_id}", {"report_id": "r2"}),
    ],
)
async def test_an_unknown_value_is_no_resource(uri: str, variables: dict[str, str]) -> None:
    with pytest.raises(NoSuchResourceError):
        await read(uri, **variables)


async def test_a_report_is_read_by_its_person_alone() -> None:
    assert await read("okta://reports/{report_id}", report_id="r1") == "login\r\nann\r\n"
    with pytest.raises(NoSuchResourceError):
        await read("okta://reports/{report_id}", BOB, report_id="r1")


async def test_without_a_shelf_there_is_no_report() -> None:
    (reports,) = [each for each in readables(None, dict, dict) if each.uri.endswith("_id}")]
    current_call.set(Call(user_id=ANN, tool=reports.uri))
    with pytest.raises(NoSuchResourceError):
        await reports.read(report_id="r1")


@pytest.mark.parametrize("subject", HELP)
async def test_each_subject_of_help_is_listed_and_read(subject: str) -> None:
    assert subject in (await read_json("okta://help/search"))["subjects"]
    assert await read_json("okta://help/search/{subject}", subject=subject) == HELP[subject]


@pytest.mark.parametrize("code", ERROR_CODES)
async def test_each_error_code_is_listed_and_read(code: str) -> None:
    one = await read_json("okta://errors/{code}", code=code)
    assert one == {"code": code, **(await read_json("okta://errors"))[code]}


async def test_event_types_are_read_by_beginning_and_cut_at_a_bound() -> None:
    some = await read_json("okta://event-types/{prefix}", prefix="user.mfa")
    assert all(entry["type"].startswith("user.mfa") for entry in some["types"])
    assert some["truncated"] is False
    # Every name of the catalogue holds no more than this beginning of none.
    every = await read_json("okta://event-types/{prefix}", prefix="")
    assert every["truncated"] is True


async def test_what_comes_from_elsewhere_is_passed_on() -> None:
    assert await read_json("user://me") == {"role": "viewer"}
    assert await read_json("okta://rbac") == {"roles": ["viewer"]}


@pytest.mark.parametrize("each", LISTED.values(), ids=lambda each: each.uri)
def test_every_resource_says_what_it_is(each: Readable) -> None:
    assert each.title
    assert each.description.endswith(".")
    assert each.is_template == ("{" in each.uri)
