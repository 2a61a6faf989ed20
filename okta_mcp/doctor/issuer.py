"""The authorization server that signs people in: its discovery document, its issuer, its keys."""

from urllib.parse import urlsplit

import httpx

from okta_mcp.doctor.subject import Subject
from okta_mcp.doctor.verdict import Verdict, failed, ok
from okta_mcp.okta.authorization_server import LoginUnavailableError, json_object
from okta_mcp.okta.keys import usable_keys
from okta_mcp.okta.text import clean_text
from okta_mcp.settings import origin_of

_NEEDED = ("issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")


async def okta_discovery(subject: Subject) -> list[Verdict]:
    """The document is there, is Okta's, and leads to no other host."""
    issuer = subject.settings.issuer
    url = httpx.URL(
        f"{issuer}/.well-known/openid-configuration",
        params={"client_id": subject.settings.okta_client_id},
    )
    try:
        answer = await subject.server.get(str(url))
    except LoginUnavailableError:
        return [
            failed(
                f"no answer from {issuer}, or none that could be read",
                "check the network between, and HTTPS_PROXY where there is a web proxy",
            )
        ]
    if answer.is_redirect:
        return [
            failed(
                f"{issuer} sends elsewhere (HTTP {answer.status_code}), which is never followed",
                "set OKTA_ORG_URL or OKTA_ISSUER to the organisation itself",
            )
        ]
    if answer.status_code != 200:
        return [failed(f"{issuer} answers with HTTP {answer.status_code}", _fix(subject, answer))]
    document = json_object(answer)
    if document is None or any(not isinstance(document.get(name), str) for name in _NEEDED):
        return [
            failed(
                f"what answers at {issuer} is no authorization server",
                "check OKTA_ORG_URL, OKTA_ISSUER, and what stands between",
            )
        ]
    elsewhere = [name for name in _NEEDED[1:] if not _is_on(document[name], issuer)]
    if elsewhere:
        return [
            failed(
                f"{', '.join(elsewhere)} stand on another host than {issuer}",
                "set OKTA_ORG_URL or OKTA_ISSUER to the host by which Okta calls itself:"
                f" {clean_text(document['issuer'], 200)}",
            )
        ]
    subject.discovered = document
    return [ok(f"{issuer} answers")]


async def okta_issuer(subject: Subject) -> list[Verdict]:
    """Byte for byte what ID tokens will name."""
    found, expected = subject.discovered["issuer"], subject.settings.issuer
    if found == expected:
        return [ok(found)]
    if found.rstrip("/") == expected:
        return [ok(f"{found}; the slash at its end makes no difference here")]
    shown = clean_text(found, 200)
    variable = "OKTA_ORG_URL" if not urlsplit(found).path.strip("/") else "OKTA_ISSUER"
    return [
        failed(f"Okta calls itself {shown}, the settings say {expected}", f"{variable}={shown}")
    ]


async def okta_keys(subject: Subject) -> list[Verdict]:
    """At least one key by which an ID token can be verified."""
    try:
        answer = await subject.server.get(subject.discovered["jwks_uri"])
    except LoginUnavailableError:
        return [failed("the signing keys did not come", "ask again; check the network between")]
    document = json_object(answer) if answer.status_code == 200 else None
    keys = usable_keys(document) if document is not None else {}
    if not keys:
        return [
            failed(
                f"no RSA signing key is published (HTTP {answer.status_code})",
                "ask again; if it lasts, check the authorization server's signing keys in Okta",
            )
        ]
    return [ok(f"{len(keys)} signing keys")]


def _fix(subject: Subject, answer: httpx.Response) -> str:
    if answer.status_code == 404:
        return (
            "correct OKTA_ISSUER: Okta has no such authorization server (Security, API)"
            if urlsplit(subject.settings.issuer).path
            else "correct OKTA_ORG_URL: this is no Okta organisation"
        )
    return "ask again later; if it lasts, check what stands between, and status.okta.com"


def _is_on(url: str, issuer: str) -> bool:
    try:
        return origin_of(url) == origin_of(issuer)
    except ValueError:
        return False
