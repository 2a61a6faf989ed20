"""What every answer carries, and the faults that are played in place of one."""

from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from okta_mcp.sandbox.faults import Fault
from okta_mcp.sandbox.state import SandboxState
from tests.sandbox.identity import CONTROL_SECRET, Person
from tests.sandbox.organisation import NOW, TOKEN

SSWS = {"Authorization": f"SSWS {TOKEN}"}
USERS = "/api/v1/users?limit=1"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 307),
        ("GET", "/signin", 200),
        ("GET", "/no/such/path", 404),
        ("PUT", "/oauth2/v1/token", 405),
        ("POST", "/oauth2/v1/token", 401),
        ("GET", "/oauth2/v1/authorize", 400),
        ("GET", "/oauth2/v1/userinfo", 401),
        ("GET", "/.well-known/openid-configuration", 200),
        ("GET", "/api/v1/users", 401),
        ("POST", "/__sandbox/reset", 404),
    ],
)
async def test_every_answer_is_marked(person: Person, method: str, path: str, status: int) -> None:
    answers = [await person.request(method, path) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == status
        assert answer.headers.get_list("X-Okta-Sandbox") == ["1"]
        assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == NOW
    first, second = (answer.headers.get_list("X-Okta-Request-Id") for answer in answers)
    assert len(first) == len(second) == 1
    assert first != second


async def test_the_control_plane_marks_its_answers_too(person: Person) -> None:
    headers = {"X-Sandbox-Control": CONTROL_SECRET}
    for verb, status in (("rotate-keys", 200), ("settings", 400)):
        content = b"{}" if status == 200 else b"["
        answer = await person.post(f"/__sandbox/{verb}", headers=headers, content=content)
        assert (answer.status_code, answer.headers["X-Okta-Sandbox"]) == (status, "1")


@pytest.mark.parametrize(
    ("fault", "status", "code", "limits"),
    [
        ({}, 500, "E0000009", None),
        ({"status": 503}, 503, "E0000010", None),
        ({"status": 403}, 403, "E0000006", None),
        ({"status": 429, "seconds": 7}, 429, "E0000047", ("100", "0", str(int(NOW) + 7))),
        ({"kind": "concurrency"}, 429, "E0000047", ("0", "0", str(int(NOW) + 1))),
        ({"kind": "concurrency", "status": 500}, 429, "E0000047", ("0", "0", str(int(NOW) + 1))),
    ],
)
async def test_a_fault_answers_in_oktas_error_form(
    person: Person,
    state: SandboxState,
    fault: dict[str, Any],
    status: int,
    code: str,
    limits: tuple[str, str, str] | None,
) -> None:
    state.faults.append(Fault("GET /api/v1/users", **fault))
    answer = await person.get(USERS, headers=SSWS)
    assert (answer.status_code, answer.json()["errorCode"]) == (status, code)
    assert answer.headers["X-Okta-Request-Id"]
    assert answer.headers["X-Okta-Sandbox"] == "1"
    names = ("Limit", "Remaining", "Reset")
    if limits is not None:
        assert tuple(answer.headers[f"X-Rate-Limit-{name}"] for name in names) == limits
    assert (await person.get(USERS, headers=SSWS)).status_code == 200


@pytest.mark.parametrize("kind", ["truncate", "not_json"])
async def test_a_fault_can_break_the_body(person: Person, state: SandboxState, kind: str) -> None:
    state.faults.append(Fault("GET /api/v1/users", kind))
    answer = await person.get(USERS, headers=SSWS)
    assert answer.status_code == 200
    with pytest.raises(ValueError):
        answer.json()


async def test_a_slow_answer_is_the_usual_one(person: Person, state: SandboxState) -> None:
    state.faults.append(Fault("GET /api/v1/users", "slow", seconds=0))
    assert len((await person.get(USERS, headers=SSWS)).json()) == 1
    assert state.faults[0].times == 0


@pytest.mark.parametrize(
    ("match", "path", "is_hit"),
    [
        ("GET /api/v1/users/", "/api/v1/users/hana.help", True),
        ("GET /api/v1/users/", "/api/v1/users/hana.help/groups", True),
        ("GET /api/v1/users/", "/api/v1/users?limit=1", False),
        ("POST /api/v1/users/", "/api/v1/users/hana.help", False),
        ("GET /", "/oauth2/v1/keys", True),
    ],
)
async def test_a_fault_matches_by_prefix_of_method_and_path(
    person: Person, state: SandboxState, match: str, path: str, is_hit: bool
) -> None:
    state.faults.append(Fault(match))
    assert (await person.get(path, headers=SSWS)).status_code == (500 if is_hit else 200)


async def test_a_fault_is_played_as_often_as_it_says(person: Person, state: SandboxState) -> None:
    state.faults += [Fault("GET /api", times=2), Fault("GET /api", status=503)]
    found = [(await person.get(USERS, headers=SSWS)).status_code for _ in range(4)]
    assert found == [500, 500, 503, 200]
