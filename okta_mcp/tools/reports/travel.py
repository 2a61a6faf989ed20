"""How fast somebody would have had to travel between two sign-ins.

The distance is the great circle (haversine) on a sphere; the place of an address is an estimate of
Okta's, which is why short distances say nothing.
"""

import math
from dataclasses import dataclass

# Faster than any airliner, the way to and from the airports not counted.
IMPOSSIBLE_KMH = 1_000.0
# Estimated places of one city's addresses lie this far apart.
MIN_DISTANCE_KM = 300.0
_EARTH_RADIUS_KM = 6_371.0
# Two events of one second are not infinitely fast.
_LEAST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Journey:
    """From one place to another: kilometres, and kilometres an hour."""

    distance_km: float
    speed_kmh: float

    @property
    def is_impossible(self) -> bool:
        """Whether nobody can have made it."""
        return self.distance_km >= MIN_DISTANCE_KM and self.speed_kmh >= IMPOSSIBLE_KMH


def journey(start: tuple[float, float], end: tuple[float, float], seconds: float) -> Journey:
    """Between two (latitude, longitude) in degrees, in that time."""
    distance = distance_km(start, end)
    return Journey(distance, distance / (max(abs(seconds), _LEAST_SECONDS) / 3600))


def distance_km(start: tuple[float, float], end: tuple[float, float]) -> float:
    """The great circle distance of two (latitude, longitude) in degrees."""
    (lat_1, lon_1), (lat_2, lon_2) = (map(math.radians, point) for point in (start, end))
    chord = (
        math.sin((lat_2 - lat_1) / 2) ** 2
        + math.cos(lat_1) * math.cos(lat_2) * math.sin((lon_2 - lon_1) / 2) ** 2
    )
    return 2 * _EARTH_RADIUS_KM * math.asin(min(math.sqrt(chord), 1.0))
