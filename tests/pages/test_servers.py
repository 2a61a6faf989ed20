"""Servers behind the gateway on the pages: named in plain sight, and nothing promised for them."""

import pytest
from msgspec.structs import replace

from tests.pages.document import Document
from tests.pages.samples import (
    CONNECTIONS,
    CONSENT,
    CONSENT_WITH_SERVERS,
    EVERY_PAGE,
    PAGES,
    SERVERS,
    SIGN_IN,
    TOOLS,
)

HOSTILE = "<script>alert(1)</script>\"'><img src=x>{{ 7*7 }}"
NOT_ONLY_READING = "may change things"


def sight(html: str) -> str:
    return Document(html).plain_sight()


def packed(text: str) -> str:
    """Without white space, which stands between lines of a list or not as a template has it."""
    return "".join(text.split())


@pytest.mark.parametrize("field", ["title", "purpose", "reason"])
def test_words_of_the_configuration_cannot_put_markup_into_a_page(field: str) -> None:
    server = replace(SERVERS[0], **{field: HOSTILE})
    pages = (
        PAGES.sign_in(replace(SIGN_IN, servers=(server,))),
        PAGES.consent(replace(CONSENT_WITH_SERVERS, servers=(server,))),
        PAGES.tools(replace(TOOLS, servers=(server,))),
    )
    for html in pages:
        page = Document(html)
        assert not page.all("script")
        assert not page.all("img")
        assert "49" not in page.one("main").inner


def test_consent_without_servers_speaks_of_none() -> None:
    assert NOT_ONLY_READING not in sight(PAGES.consent(CONSENT))
    assert "also use" not in sight(PAGES.consent(CONSENT))


@pytest.mark.parametrize("name", ["consent_with_servers", "sign_in_with_servers"])
def test_a_page_names_each_server_before_the_details(name: str) -> None:
    text = sight(EVERY_PAGE[name])
    for server in SERVERS:
        assert server.title in text


def test_consent_says_what_each_is_for_and_promises_nothing() -> None:
    text = sight(EVERY_PAGE["consent_with_servers"])
    assert "Time: tells the time anywhere" in text
    assert NOT_ONLY_READING in text
    assert "Every call is recorded" in text


@pytest.mark.parametrize(
    ("scopes", "servers", "heading"),
    [
        (CONSENT.scopes, (), "Let “Visual Studio Code” read Okta for you?"),
        (
            CONSENT_WITH_SERVERS.scopes,
            SERVERS,
            "Let “Visual Studio Code” read Okta and use Time and Case files for you?",
        ),
        (("mcp.time",), SERVERS[:1], "Let “Visual Studio Code” use Time for you?"),
        (
            CONSENT_WITH_SERVERS.scopes,
            (*SERVERS, replace(SERVERS[0], name="more", title="More")),
            "Let “Visual Studio Code” read Okta and use 3 other servers for you?",
        ),
    ],
)
def test_the_question_says_what_is_reached(
    scopes: tuple[str, ...], servers: tuple[object, ...], heading: str
) -> None:
    html = PAGES.consent(replace(CONSENT, scopes=scopes, servers=servers))
    assert Document(html).one("h1").inner == heading


def test_consent_to_servers_alone_promises_no_reading() -> None:
    html = PAGES.consent(replace(CONSENT, scopes=("mcp.time",), servers=SERVERS[:1], tools=()))
    headings = [heading.inner for heading in Document(html).all("h2")]
    assert "It can use" in headings
    assert "It can" not in headings


def test_a_connection_names_its_servers_and_none_that_were_taken_away() -> None:
    first, _ = CONNECTIONS.connections
    scopes = ("okta.users.read", "mcp.time", "mcp.gone")
    shown = replace(first, scopes=scopes, servers=SERVERS[:1])
    text = sight(PAGES.connections(replace(CONNECTIONS, connections=(shown,))))
    assert packed("Uses Time tells the time anywhere") in packed(text)
    assert "gone" not in text


def test_the_page_of_tools_says_by_server_what_is_up() -> None:
    text = sight(EVERY_PAGE["tools"])
    for words in (
        "with the role viewer",
        "People get_okta_user list_okta_users",
        "Purpose tells the time anywhere State up Tools time_now",
        "Case files State down it ended with status 1 Tools known when it is up",
        NOT_ONLY_READING,
    ):
        assert packed(words) in packed(text)
