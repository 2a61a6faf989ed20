"""This server as others reach it: its name, its certificate, and whether it is this server at all.

Seen from the machine that runs the check. A server that does not run is no fault.
"""

import httpx

from okta_mcp.doctor.connection import certificate_verdict, name_verdict
from okta_mcp.doctor.subject import Subject
from okta_mcp.doctor.verdict import Verdict, failed, ok, skipped
from okta_mcp.oauth_proxy.metadata import AUTHORIZATION_SERVER_PATH
from okta_mcp.okta.authorization_server import LoginUnavailableError, json_object
from okta_mcp.okta.text import clean_text

_NOT_RUNNING = skipped(
    "not running, or not to be reached from here: nothing answers there",
    "start the server, then ask again",
)


async def public_url_dns(subject: Subject) -> list[Verdict]:
    """The name in PUBLIC_URL."""
    fix = "enter the name in DNS, or correct PUBLIC_URL"
    return [await name_verdict(subject.settings.url, fix)]


async def public_url_tls(subject: Subject) -> list[Verdict]:
    """The certificate that people's browsers and assistants get to see."""
    url = subject.settings.url
    return [await certificate_verdict(url, subject.now(), unreachable=_NOT_RUNNING)]


async def public_url_metadata(subject: Subject) -> list[Verdict]:
    """Whether what answers is a server with these settings."""
    return await judged_metadata(subject, AUTHORIZATION_SERVER_PATH, "issuer", subject.settings.url)


async def judged_metadata(subject: Subject, path: str, name: str, expected: str) -> list[Verdict]:
    """Whether the document at `path` has `expected` under `name`; who answers where it has not."""
    url = subject.settings.url
    try:
        answer = await subject.server.get(f"{url}{path}")
    except LoginUnavailableError as error:
        if isinstance(error.__cause__, httpx.TransportError | TimeoutError):
            return [_NOT_RUNNING]
        return [failed(f"{url}: the answer could not be read", _ELSEWHERE)]
    document = json_object(answer) if answer.status_code == 200 else None
    found = document.get(name) if document else None
    if found == expected:
        return [ok(f"this server answers at {url}")]
    if isinstance(found, str):
        return [
            failed(
                f"{url} is answered by a server that calls itself {clean_text(found, 200)}",
                f"start it with PUBLIC_URL={url}, or let the proxy lead to the right server",
            )
        ]
    by = clean_text(answer.headers.get("server", ""), 60)
    who = f"another program ({by})" if by else "another program"
    return [failed(f"{url} is answered by {who}: HTTP {answer.status_code}", _ELSEWHERE)]


_ELSEWHERE = (
    "let the proxy pass /.well-known, /oauth and /mcp to this server; or correct PUBLIC_URL"
)
