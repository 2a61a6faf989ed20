"""Discovery, issuer and keys of an issuer that answers wrongly."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.responses import RedirectResponse

from tests.doctor.conftest import examined
from tests.vocabulary.hostile_issuer import DISCOVERY_PATH, HostileIssuer, hostile_issuer


@pytest.fixture(scope="module")
def shared_issuer() -> Iterator[HostileIssuer]:
    with hostile_issuer() as running:
        yield running


@pytest.fixture
def issuer(shared_issuer: HostileIssuer) -> Iterator[HostileIssuer]:
    yield shared_issuer
    shared_issuer.reset()


ELSEWHERE = "https://elsewhere.okta.example"


@pytest.mark.parametrize(
    ("check", "discovery", "words"),
    [
        ("okta.issuer", {"issuer": ELSEWHERE}, f"OKTA_ORG_URL={ELSEWHERE}"),
        ("okta.issuer", {"issuer": f"{ELSEWHERE}/oauth2/x"}, f"OKTA_ISSUER={ELSEWHERE}/oauth2/x"),
        ("okta.discovery", {"token_endpoint": f"{ELSEWHERE}/token"}, "token_endpoint"),
        ("okta.discovery", {"jwks_uri": "http://[not-a-url"}, "jwks_uri"),
        ("okta.discovery", {"jwks_uri": 7}, "no authorization server"),
    ],
)
async def test_a_document_that_leads_elsewhere_is_refused(
    issuer: HostileIssuer, check: str, discovery: dict[str, Any], words: str
) -> None:
    issuer.discovery |= discovery
    found = await examined(issuer.settings_for_server(), 3001, check)
    assert found.status(check) == "failed"
    assert words in found.text


async def test_a_slash_at_the_issuers_end_makes_no_difference(issuer: HostileIssuer) -> None:
    issuer.discovery["issuer"] = f"{issuer.url}/"
    assert (await examined(issuer.settings_for_server(), 3001, "okta.issuer")).statuses == {
        "okta.issuer": "ok"
    }


async def test_a_redirect_is_told_and_never_followed(issuer: HostileIssuer) -> None:
    issuer.faults[DISCOVERY_PATH] = lambda: RedirectResponse(f"{issuer.url}/oauth2/v1/keys", 302)
    found = await examined(issuer.settings_for_server(), 3001, "okta.discovery")
    assert found.status("okta.discovery") == "failed"
    assert "sends elsewhere" in found.text
    assert issuer.asked("/oauth2/v1/keys") == []


async def test_an_issuer_without_a_key_is_refused(issuer: HostileIssuer) -> None:
    issuer.published = ()
    found = await examined(issuer.settings_for_server(), 3001, "okta.keys")
    assert found.status("okta.keys") == "failed"
