"""Raw events of the system log as the tests of the log reports need them."""

from datetime import UTC, datetime
from typing import Any

from tests.sandbox.organisation import NOW

PRAGUE, OSLO, SINGAPORE = (50.08, 14.43), (59.91, 10.75), (1.35, 103.82)


def published(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def raw_event(
    event_type: str = "user.session.start",
    result: str = "SUCCESS",
    *,
    at: float = NOW - 3600,
    who: str = "ann@northwind.example",
    reason: str | None = None,
    ip: str = "198.51.100.20",
    place: tuple[str, str, tuple[float, float] | None] = ("Prague", "CZ", PRAGUE),
    network: int | None = 64_496,
    targets: list[dict[str, Any]] | None = None,
    actor_id: str = "00uann12345678901234",
    uuid: str | None = None,
    token: str | None = None,
    proxy: bool = False,
    browser: str = "FIREFOX",
    **debug: str,
) -> dict[str, Any]:
    city, country, coordinates = place
    location = dict(zip(("lat", "lon"), coordinates, strict=True)) if coordinates else None
    return {
        "uuid": uuid or f"{who}/{event_type}/{at:.0f}",
        "published": published(at),
        "eventType": event_type,
        "displayMessage": f"message of {event_type}",
        "severity": "INFO" if result == "SUCCESS" else "WARN",
        "actor": {"id": actor_id, "type": "User", "alternateId": who, "displayName": who},
        "target": targets,
        "client": {
            "ipAddress": ip,
            "device": "Computer",
            "userAgent": {"os": "Linux", "browser": browser},
            "geographicalContext": {"city": city, "country": country, "geolocation": location},
        },
        "outcome": {"result": result, "reason": reason},
        "transaction": {
            "id": f"t{at:.0f}",
            "detail": {"requestApiTokenId": token} if token else {},
        },
        "authenticationContext": {"externalSessionId": "102session", "rootSessionId": "102session"},
        "securityContext": {"asNumber": network, "asOrg": "some network", "isProxy": proxy},
        "debugContext": {"debugData": debug},
    }


def target(kind: str, key: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "id": key, "alternateId": name, "displayName": name, **more}
