"""Whether Okta can be reached from here, and what time it is there."""

import time
from email.utils import parsedate_to_datetime

from okta_mcp.doctor.connection import certificate_verdict, name_verdict
from okta_mcp.doctor.subject import Subject
from okta_mcp.doctor.verdict import Verdict, failed, ok, warning
from okta_mcp.okta.authorization_server import LoginUnavailableError
from okta_mcp.settings import origin_of

# Beyond it ID tokens are refused as from the future (okta/keys.py); half of it deserves a look.
_TOLERATED_SECONDS = 60
_NOTED_SECONDS = 15


async def okta_dns(subject: Subject) -> list[Verdict]:
    """The names of the organisation and of the issuer."""
    fix = "correct OKTA_ORG_URL or OKTA_ISSUER, or let this machine resolve the name"
    return [await name_verdict(url, fix) for url in _origins(subject)]


async def okta_tls(subject: Subject) -> list[Verdict]:
    """A connection, and the certificate with its chain and its end."""
    return [
        await certificate_verdict(url, subject.now(), unreachable=None) for url in _origins(subject)
    ]


async def clock(subject: Subject) -> list[Verdict]:
    """This machine's time against the `Date` of an answer."""
    asked_at, started = subject.now(), time.monotonic()
    try:
        answer = await subject.server.get(
            f"{subject.server.issuer}/.well-known/openid-configuration"
        )
    except LoginUnavailableError:
        return [failed("Okta did not answer", "look at okta.discovery")]
    here = asked_at + (time.monotonic() - started) / 2
    try:
        # `Date` is cut to whole seconds.
        there = parsedate_to_datetime(answer.headers.get("date", "")).timestamp() + 0.5
    except ValueError:
        return [warning("Okta's answer has no time in it", "check what stands between")]
    seconds = round(here - there)
    if abs(seconds) <= _NOTED_SECONDS:
        return [ok(f"within {max(abs(seconds), 1)} s of Okta's")]
    seen = f"this machine is {abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} Okta"
    fix = "set the clock by NTP, for example: timedatectl set-ntp true"
    if abs(seconds) < _TOLERATED_SECONDS:
        return [warning(seen, fix)]
    return [failed(f"{seen}, so sign-ins cannot be verified", fix)]


def _origins(subject: Subject) -> list[str]:
    settings = subject.settings
    return list(dict.fromkeys((settings.okta_org_url, origin_of(settings.issuer))))
