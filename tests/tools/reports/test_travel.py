"""Distances and speeds between sign-ins."""

import pytest

from okta_mcp.tools.reports.travel import distance_km, journey
from tests.tools.reports.log_events import OSLO, PRAGUE, SINGAPORE

HOUR = 3600


@pytest.mark.parametrize(
    ("start", "end", "kilometres"),
    [
        (PRAGUE, PRAGUE, 0),
        (PRAGUE, OSLO, 1_118),
        (PRAGUE, SINGAPORE, 9_848),
        ((0.0, 179.5), (0.0, -179.5), 111),
        ((90.0, 0.0), (-90.0, 0.0), 20_015),
        ((0.0, 0.0), (0.0, 180.0), 20_015),
    ],
)
def test_a_distance_is_that_of_the_great_circle(start, end, kilometres: int) -> None:
    assert distance_km(start, end) == pytest.approx(kilometres, abs=max(2, kilometres * 0.003))
    assert distance_km(end, start) == pytest.approx(distance_km(start, end))


@pytest.mark.parametrize(
    ("end", "seconds", "is_impossible"),
    [
        (SINGAPORE, 35 * 60, True),
        (SINGAPORE, 9.5 * HOUR, True),
        (SINGAPORE, 10 * HOUR, False),
        (OSLO, HOUR, True),
        (OSLO, 2 * HOUR, False),
        # A neighbouring town: estimates of one city's addresses are as far apart.
        ((51.05, 13.74), 1, False),
        (SINGAPORE, 0, True),
    ],
)
def test_what_no_airliner_can_fly_is_impossible(end, seconds: float, is_impossible: bool) -> None:
    assert journey(PRAGUE, end, seconds).is_impossible is is_impossible


def test_events_of_one_moment_have_a_finite_speed() -> None:
    assert journey(PRAGUE, SINGAPORE, 0).speed_kmh < 1_000_000
