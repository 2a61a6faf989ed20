"""Which registrations are flagged, with which words, and which ordinary ones never are."""

import pytest

from okta_mcp.oauth_proxy.suspicion import Suspicion
from okta_mcp.serving.rates import Rates
from okta_mcp.stores.records import Records
from tests.vocabulary.clock import Clock
from tests.vocabulary.requests import request_of

FOREIGN, MIXED = "product_name_with_foreign_host", "loopback_and_foreign_hosts"
LOOK_ALIKE, REFUSED, MANY = "look_alike_host", "refused_before", "many_from_one_address"
LOOPBACK, ELSEWHERE = "http://127.0.0.1:33418/", "https://assistant.example/cb"


@pytest.fixture
def suspicion(records: Records, clock: Clock) -> Suspicion:
    rate = Rates().rate("registrations", "10/10 minutes")
    return Suspicion(records, rate, clock)


async def reasons(suspicion: Suspicion, name: str, *uris: str) -> set[str]:
    return set(await suspicion.reasons(request_of(), name, uris))


ODD: list[tuple[str, list[str], set[str]]] = [
    ("Visual Studio Code", [ELSEWHERE], {FOREIGN}),
    ("VS Code", [ELSEWHERE], {FOREIGN}),
    ("V.S. – Code!", [ELSEWHERE], {FOREIGN}),
    ("GitHub Copilot", [ELSEWHERE], {FOREIGN}),
    ("CLAUDE", [ELSEWHERE], {FOREIGN}),
    ("Claude by Anthropic", ["https://claude.ai/cb", ELSEWHERE], {FOREIGN}),
    ("ChatGPT", ["https://claude.ai/cb"], {FOREIGN}),
    ("Cursor", ["https://claude.ai/cb"], {FOREIGN}),
    ("Windsurf", [ELSEWHERE], {FOREIGN}),
    ("Gemini", [ELSEWHERE], {FOREIGN}),
    ("Microsoft Copilot Studio", [ELSEWHERE], {FOREIGN}),
    ("Okta Admin Console", [ELSEWHERE], {FOREIGN}),
    ("Okta Admin Console", ["https://evilokta.com/cb"], {FOREIGN, LOOK_ALIKE}),
    ("Claude", ["https://claude.ai.evil.example/cb"], {FOREIGN, LOOK_ALIKE}),
    ("Claude", ["https://claude-ai.evil.example/cb"], {FOREIGN, LOOK_ALIKE}),
    ("Claude", [LOOPBACK, ELSEWHERE], {FOREIGN, MIXED}),
    ("", [LOOPBACK, ELSEWHERE], {MIXED}),
    ("An assistant", ["http://localhost/cb", "http://[::1]/cb", ELSEWHERE], {MIXED}),
    ("An assistant", ["https://xn--lude-7cd.example/cb"], {LOOK_ALIKE}),
    ("An assistant", ["https://www.xn--e1afmkfd.example/cb"], {LOOK_ALIKE}),
    ("An assistant", ["https://notclaude.ai/cb"], {LOOK_ALIKE}),
    ("An assistant", ["https://VSCODE.dev.evil.example/cb"], {LOOK_ALIKE}),
    ("An assistant", ["https://okta.com.evil.example/cb"], {LOOK_ALIKE}),
]


@pytest.mark.parametrize(("name", "uris", "found"), ODD, ids=str)
async def test_an_odd_registration_is_flagged(
    suspicion: Suspicion, name: str, uris: list[str], found: set[str]
) -> None:
    """A name proves nothing, but a known name with a foreign host is how phishing looks."""
    assert await reasons(suspicion, name, *uris) == found


@pytest.mark.parametrize(
    ("name", "uri"), [("Again", LOOPBACK), ("Another name", "https://refused.example/cb")]
)
async def test_what_was_refused_and_comes_again_is_flagged_for_a_day(
    suspicion: Suspicion, clock: Clock, name: str, uri: str
) -> None:
    """By its name or by where it points."""
    await suspicion.remember_refused("Again", ["https://refused.example/cb", "http://x/", 1, None])
    assert await reasons(suspicion, name, uri) == {REFUSED}
    clock.pass_seconds(24 * 3600)
    assert await reasons(suspicion, name, uri) == set()


@pytest.mark.parametrize(
    ("name", "uris"), [(None, None), ([], "x"), ({}, {}), ("", [[]]), (1, [1, None])]
)
async def test_what_is_no_registration_at_all_is_not_remembered(
    suspicion: Suspicion, name: object, uris: object
) -> None:
    await suspicion.remember_refused(name, uris)
    assert await reasons(suspicion, "", LOOPBACK) == set()


async def test_the_eleventh_of_one_address_is_flagged(suspicion: Suspicion) -> None:
    """Long before the rate refuses."""
    for _ in range(10):
        assert await reasons(suspicion, "An assistant", LOOPBACK) == set()
    assert await reasons(suspicion, "An assistant", LOOPBACK) == {MANY}


ORDINARY: list[tuple[str, list[str]]] = [
    (
        "Visual Studio Code",
        [
            "https://insiders.vscode.dev/redirect",
            "https://vscode.dev/redirect",
            "http://127.0.0.1/",
            "http://127.0.0.1:33418/",
        ],
    ),
    (
        "Cursor",
        [
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "http://localhost:8787/callback",
        ],
    ),
    ("Claude", ["https://claude.ai/api/mcp/auth_callback"]),
    ("Claude", ["https://claude.com/api/mcp/auth_callback"]),
    ("Claude Code (okta)", ["http://localhost:54212/callback"]),
    ("MCP Inspector", ["http://localhost:6274/oauth/callback"]),
    ("MCP CLI Proxy", ["http://127.0.0.1:3334/oauth/callback"]),
    ("Windsurf", ["windsurf://codeium.windsurf/oauth/callback"]),
    ("ChatGPT", ["https://chatgpt.com/connector_platform_oauth_redirect"]),
    ("The Python SDK", ["http://localhost:3030/callback"]),
    ("", ["http://127.0.0.1/"]),
    ("The assistant of our company", [ELSEWHERE]),
    ("The assistant of our company", ["com.example.assistant:/cb", LOOPBACK]),
]


@pytest.mark.parametrize(("name", "uris"), ORDINARY, ids=str)
async def test_an_ordinary_registration_is_not_flagged(
    suspicion: Suspicion, name: str, uris: list[str]
) -> None:
    """An alarm that rings for VS Code is one that nobody hears."""
    assert await reasons(suspicion, name, *uris) == set()
