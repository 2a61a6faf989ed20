"""Events as records, and the small tables that a report keeps of them."""

import json

import pytest

from okta_mcp.tools.reports.events import OTHERS, count_in, log_event, most_counted, short
from tests.sandbox.organisation import NOW
from tests.tools.reports.log_events import PRAGUE, raw_event, target


@pytest.mark.parametrize(
    "raw",
    [
        {},
        dict.fromkeys(raw_event()),
        dict.fromkeys(raw_event(), "text"),
        {name: ["text", None, 1] for name in raw_event()},
        {name: {"x": []} for name in raw_event()},
        raw_event() | {"published": "yesterday", "securityContext": {"asNumber": "x"}},
    ],
    ids=["nothing", "nulls", "texts", "lists", "objects", "values"],
)
def test_an_event_of_another_form_is_read_without_what_it_lacks(raw) -> None:
    event = log_event(raw)
    assert event.at == 0
    assert event.as_number is None
    assert event.coordinates is None or event.coordinates == PRAGUE


def test_an_event_is_read_with_what_the_rules_look_at() -> None:
    raw = raw_event(
        at=NOW, token="00T1", proxy=True, threatSuspected="true", targets=[target("User", "u", "n")]
    )
    event = log_event(raw)
    assert (event.at, event.place, event.coordinates) == (NOW, "Prague, CZ", PRAGUE)
    assert (event.network, event.device) == ("AS64496", "Linux, FIREFOX, Computer")
    assert (event.api_token, event.sessions) == ("00T1", ("102session",))
    assert event.is_proxy
    assert event.is_threat
    assert [each.id for each in event.targets] == ["u"]


@pytest.mark.parametrize("nobody", ["unknown", "null", ""])
def test_what_okta_calls_unknown_is_no_session_and_no_login(nobody: str) -> None:
    raw = raw_event(who=nobody)
    raw["authenticationContext"] = {"externalSessionId": nobody}
    assert log_event(raw).sessions == ()
    assert log_event(raw).actor.login == ""


def test_a_network_without_a_number_is_its_address() -> None:
    assert log_event(raw_event(network=None, ip="192.0.2.7")).network == "192.0.2.7"


def test_of_many_names_those_stay_that_occur_often_however_late_they_begin() -> None:
    counts: dict[str, int] = {}
    for number in range(1_000):
        count_in(counts, f"once {number}", most=10)
        if number > 900:
            count_in(counts, "often", most=10)
    assert len(counts) <= 11
    assert sum(counts.values()) == 1_099
    assert list(most_counted(counts, 1).items()) == [("often", 99), (OTHERS, 1_000)]
    assert counts["often"] == 99


@pytest.mark.parametrize("name", ["\ud800" * 80, "ж" * 300, "🦊" * 90, "a\u202eb" * 100])
def test_a_name_in_the_state_can_be_written_and_is_short(name: str) -> None:
    assert len(short(name).encode()) <= 60
    assert "\u202e" not in short(name)
    json.dumps(short(name), ensure_ascii=False).encode()
