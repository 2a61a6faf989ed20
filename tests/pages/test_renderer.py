"""The pages as documents: structure, escaping, and what each must say (A-19, C-02, C-03, C-05)."""

import re

import pytest
from jinja2 import UndefinedError
from msgspec.structs import replace

from okta_mcp.pages import ClientView, Pages, SignedOut
from okta_mcp.rbac.families import FAMILIES
from tests.pages.document import Document
from tests.pages.samples import (
    CLIENTS,
    CONSENT,
    EVERY_PAGE,
    HOME,
    LOOPBACK,
    NOW,
    PAGES,
    PRIVATE_SCHEME,
    SIGN_IN,
    SIGN_OUT,
    WEB,
)

every_page = pytest.mark.parametrize("name", sorted(EVERY_PAGE))
every_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.kind)

HOSTILE = "<script>alert(1)</script>\"'><img src=x>{{ 7*7 }}"
HIDDEN = "\u202eedoC\u200b\U000e0041\x1b"


def main_text(html: str) -> str:
    return Document(html).one("main").inner


@pytest.mark.parametrize("template", ["sign_in", "consent"])
@pytest.mark.parametrize("field", ["name", "client_id", "redirect_uri", "redirect_host"])
def test_client_cannot_put_markup_into_a_page(template: str, field: str) -> None:
    client = replace(WEB, **{field: HOSTILE})
    view = replace({"sign_in": SIGN_IN, "consent": CONSENT}[template], client=client)
    html = getattr(PAGES, template)(view)
    assert "<script" not in html
    assert "<img" not in html
    assert "49" not in main_text(html)
    assert "alert(1)" in main_text(html)


@pytest.mark.parametrize("field", ["person_name", "person_login", "role"])
def test_person_cannot_put_markup_into_a_page(field: str) -> None:
    html = PAGES.consent(replace(CONSENT, **{field: HOSTILE}))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_form_token_cannot_leave_its_attribute() -> None:
    html = PAGES.sign_out(replace(SIGN_OUT, form_token='"><script>'))
    assert Document(html).hidden_inputs() == {"form": '"><script>'}


def test_company_cannot_put_markup_into_a_page_by_accident() -> None:
    html = Pages("A & B <Ltd>", "Call <b>us</b>").consent(CONSENT)
    assert "A &amp; B &lt;Ltd&gt;" in html
    assert "Call &lt;b&gt;us&lt;/b&gt;" in html


@pytest.mark.parametrize("field", ["name", "client_id", "redirect_uri", "redirect_host"])
def test_hidden_characters_of_a_client_never_reach_a_page(field: str) -> None:
    client = replace(LOOPBACK, **{field: "Vis" + HIDDEN})
    for html in (
        PAGES.sign_in(replace(SIGN_IN, client=client)),
        PAGES.consent(replace(CONSENT, client=client)),
    ):
        assert not set(HIDDEN) - set("edoC") & set(html)
        assert "VisedoC" in html


def test_hidden_characters_of_a_person_never_reach_a_page() -> None:
    html = PAGES.consent(replace(CONSENT, person_name="Nora" + HIDDEN))
    assert "NoraedoC" in html


def test_missing_value_is_an_error_and_not_an_empty_space() -> None:
    with pytest.raises(UndefinedError):
        PAGES.home(SignedOut())  # type: ignore[arg-type]


@every_page
def test_page_has_language_one_heading_and_landmarks(name: str) -> None:
    page = Document(EVERY_PAGE[name])
    assert EVERY_PAGE[name].startswith("<!doctype html>")
    assert page.one("html").attributes["lang"] == "en"
    assert page.one("h1").is_in("main")
    assert page.one("header").inner == "Northwind Health"
    assert page.one("footer").inner
    assert page.one("svg").attributes["aria-label"] == "okta-mcp"
    metas = {
        meta.attributes.get("name"): meta.attributes.get("content") for meta in page.all("meta")
    }
    assert metas["robots"] == "noindex"
    assert metas["color-scheme"] == "light dark"
    assert metas["viewport"] == "width=device-width, initial-scale=1"


def test_titles_differ_from_page_to_page() -> None:
    pages = ("sign_in", "consent", "error", "sign_out", "signed_out", "home")
    assert len({Document(EVERY_PAGE[page]).one("title").inner for page in pages}) == len(pages)


@pytest.mark.parametrize("name", ["sign_in", "consent"])
def test_title_is_ours_and_never_the_name_that_a_client_chose(name: str) -> None:
    assert "Visual Studio Code" not in Document(EVERY_PAGE[name]).one("title").inner


@every_page
def test_page_holds_no_script_and_no_inline_style(name: str) -> None:
    page = Document(EVERY_PAGE[name])
    assert not page.all("script") + page.all("style") + page.all("iframe") + page.all("img")
    for element in page.elements:
        assert "style" not in element.attributes
        assert not [key for key in element.attributes if key.startswith("on")]


@every_page
def test_page_loads_only_our_own_assets(name: str) -> None:
    page = Document(EVERY_PAGE[name])
    assert {link.attributes["href"] for link in page.all("link")} == set(PAGES.assets)
    assert not [element for element in page.elements if "src" in element.attributes]
    assert "url(" not in EVERY_PAGE[name]


@every_page
def test_every_control_has_a_name_and_every_id_is_there_once(name: str) -> None:
    page = Document(EVERY_PAGE[name])
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in page.elements:
        if element.tag in ("button", "a", "summary"):
            assert element.inner
        if element.tag == "input" and element.attributes["type"] != "hidden":
            assert element.is_in("label")
        assert element.attributes.get("aria-describedby", "decision") in [*ids, "decision"]
        if "aria-describedby" in element.attributes:
            assert "decision" in ids


@pytest.mark.parametrize(
    ("name", "action", "token", "buttons"),
    [
        (
            "sign_in",
            "/oauth/login",
            "sign-in-token",
            {"Sign in with Okta": ("decision", "sign_in"), "Cancel": ("decision", "cancel")},
        ),
        (
            "consent",
            "/oauth/consent",
            "consent-token",
            {"Allow": ("decision", "allow"), "Deny": ("decision", "deny")},
        ),
        ("error", "/oauth/consent", "problem-token", {"Finish": ("", "")}),
        (
            "sign_out",
            "/oauth/logout",
            "sign-out-token",
            {"Sign out": ("decision", "sign_out"), "Stay signed in": ("decision", "stay")},
        ),
    ],
)
def test_form_posts_its_token_and_the_decision(
    name: str, action: str, token: str, buttons: dict[str, tuple[str, str]]
) -> None:
    page = Document(EVERY_PAGE[name])
    form = page.one("form")
    assert (form.attributes["method"], form.attributes["action"]) == ("post", action)
    assert page.hidden_inputs() == {"form": token}
    assert page.buttons() == buttons
    assert all(button.is_in("form") for button in page.all("button"))
    assert token not in page.one("body").inner


@pytest.mark.parametrize("name", ["sign_in", "consent"])
@every_client
def test_client_and_host_are_in_plain_sight_and_marked_not_verified(
    name: str, client: ClientView
) -> None:
    view = replace({"sign_in": SIGN_IN, "consent": CONSENT}[name], client=client)
    page = Document(getattr(PAGES, name)(view))
    text = page.plain_sight()
    assert "“Visual Studio Code” not verified" in text
    assert "“Visual Studio Code”" in page.one("h1").inner
    assert client.redirect_host in text
    assert client.redirect_uri not in text


@pytest.mark.parametrize("name", ["sign_in", "consent"])
def test_details_hold_redirect_uri_client_id_and_each_scope(name: str) -> None:
    view = {"sign_in": SIGN_IN, "consent": CONSENT}[name]
    details = Document(EVERY_PAGE[name]).one("details").inner
    for technical in (LOOPBACK.redirect_uri, LOOPBACK.client_id, *view.scopes):
        assert technical in details


@pytest.mark.parametrize("name", ["sign_in", "consent"])
def test_client_without_a_name_is_called_so(name: str) -> None:
    view = replace(
        {"sign_in": SIGN_IN, "consent": CONSENT}[name], client=replace(WEB, name="\u200b")
    )
    text = main_text(getattr(PAGES, name)(view))
    assert "An application without a name" in text
    assert "“" not in text


def test_name_is_cut_to_128_characters() -> None:
    page = Document(PAGES.sign_in(replace(SIGN_IN, client=replace(LOOPBACK, name="n" * 500))))
    assert [len(claim.inner) for claim in page.all("bdi")] == [128, 128]


@pytest.mark.parametrize(
    ("client", "line", "is_strong"),
    [
        (LOOPBACK, "Any program here can ask under any name.", False),
        (PRIVATE_SCHEME, "opens links beginning with cursor:", False),
        (WEB, "Be careful with assistant.example.net.", True),
        (replace(WEB, is_known_host=True), "A website that your administrator has listed.", False),
    ],
)
def test_warning_fits_where_the_answer_goes(client: ClientView, line: str, is_strong: bool) -> None:
    for html in (
        PAGES.sign_in(replace(SIGN_IN, client=client)),
        PAGES.consent(replace(CONSENT, client=client)),
    ):
        page = Document(html)
        assert page.plain_sight().count(line) == 1
        classes = [paragraph.attributes.get("class", "") for paragraph in page.all("p")]
        assert ("note caution" in classes) == is_strong


def test_private_scheme_without_a_host_is_named_by_its_scheme() -> None:
    client = replace(PRIVATE_SCHEME, redirect_uri="com.example.app:/return", redirect_host="")
    page = Document(PAGES.sign_in(replace(SIGN_IN, client=client)))
    assert "com.example.app" in [strong.inner for strong in page.all("strong")]


def test_sign_in_page_names_the_families_in_words() -> None:
    text = Document(EVERY_PAGE["sign_in"]).plain_sight()
    assert (
        "people, groups, applications, system log, policies, network zones, devices,"
        " administrator roles and API tokens"
    ) in text
    assert "stay connected" in text
    assert "okta.users.read" not in text


def test_sign_in_page_without_a_client_says_that_it_connects_nothing() -> None:
    page = Document(EVERY_PAGE["sign_in_without_client"])
    assert "No application has sent you here." in page.one("main").inner
    assert list(page.buttons()) == ["Sign in with Okta", "Cancel"]
    assert page.hidden_inputs() == {"form": "sign-in-token"}
    assert not page.all("dl")


def test_sign_in_page_does_not_speak_of_staying_connected_unless_asked() -> None:
    html = PAGES.sign_in(replace(SIGN_IN, scopes=("okta.users.read",)))
    assert "stay connected" not in main_text(html)


def test_consent_says_who_may_do_what_and_until_when() -> None:
    page = Document(EVERY_PAGE["consent"])
    text = page.plain_sight()
    assert page.one("h1").inner == "Let “Visual Studio Code” read Okta for you?"
    for words in (
        "Nora Lindqvist",
        "nora@northwind.example",
        "Role viewer",
        "Sunday 22 November 2026, 14:30 UTC",
        "in 24 hours",
        "Until then it stays connected.",
        "remembered for 1 hour",
        "It cannot change anything",
        "never sees your password or Okta session",
        "to answer what you ask it about Northwind Health",
        "Questions: it-security@northwind.example",
    ):
        assert words in text
    assert page.one("time").attributes["datetime"] == "2026-11-22T14:30Z"


def test_consent_lists_the_granted_families_and_no_other() -> None:
    text = Document(EVERY_PAGE["consent"]).plain_sight()
    for family in FAMILIES:
        assert (family.sentence in text) == (family.scope in CONSENT.scopes)


@pytest.mark.parametrize(
    ("tool", "said"), [("list_okta_users", False), ("list_okta_user_factors", True)]
)
def test_consent_names_sign_in_factors_to_whom_a_tool_shows_them_only(
    tool: str, said: bool
) -> None:
    page = PAGES.consent(replace(CONSENT, tools=(("People", (tool,)),)))
    assert ("sign-in factors" in Document(page).plain_sight()) is said


def test_scope_in_no_table_is_shown_and_not_hidden() -> None:
    html = PAGES.consent(replace(CONSENT, scopes=("okta.users.read", "mcp.tickets")))
    assert "use what mcp.tickets covers" in Document(html).plain_sight()


def test_consent_holds_every_tool_by_name_in_its_details() -> None:
    page = Document(EVERY_PAGE["consent"])
    names = [code.inner for code in page.all("code") if code.is_in("details")]
    assert names[:3] == ["get_okta_user", "list_okta_users", "list_okta_groups"]
    assert page.one("summary").inner == "The 3 tools by name, and technical details"
    assert "get_okta_user" not in page.plain_sight()


def test_consent_without_offline_access_says_that_it_asks_again() -> None:
    view = replace(CONSENT, stays_connected=False, access_ends_at=NOW + 3600)
    text = main_text(PAGES.consent(view))
    assert "in 1 hour. After that it has to ask again." in text
    assert "stays connected" not in text


def test_consent_that_is_not_remembered_says_nothing_of_it() -> None:
    assert "remembered" not in main_text(PAGES.consent(replace(CONSENT, remembered_seconds=0)))


def test_consent_has_a_way_out_for_somebody_else() -> None:
    links = {
        link.inner: link.attributes["href"] for link in Document(EVERY_PAGE["consent"]).all("a")
    }
    assert links["Not you? Sign out"] == "/oauth/logout"


def test_person_without_a_name_is_shown_by_login() -> None:
    page = Document(PAGES.consent(replace(CONSENT, person_name="")))
    assert "nora@northwind.example" in [strong.inner for strong in page.all("strong")]


def test_company_without_a_notice_leaves_no_empty_box() -> None:
    html = Pages("Northwind Health").consent(CONSENT)
    assert 'class="note' not in html


def test_sign_out_offers_to_disconnect_every_client() -> None:
    page = Document(EVERY_PAGE["sign_out"])
    (box,) = [box for box in page.all("input") if box.attributes["type"] == "checkbox"]
    assert (box.attributes["name"], box.attributes["value"]) == ("end_connections", "yes")
    assert "checked" not in box.attributes
    assert page.one("label").inner == "Also disconnect every client that I connected"


@pytest.mark.parametrize(
    ("disconnected", "words"),
    [
        (True, "is disconnected too"),
        (False, "until it ends."),
        (None, "unless you disconnected them."),
    ],
)
def test_signed_out_says_what_became_of_the_clients(disconnected: bool | None, words: str) -> None:
    assert words in main_text(PAGES.signed_out(SignedOut(disconnected=disconnected)))


def test_signed_out_without_an_address_of_okta_still_leads_on() -> None:
    (link,) = Document(PAGES.signed_out(SignedOut())).links()
    assert link.attributes["href"] == "/"


def test_home_has_the_address_and_what_works_with_a_loopback_one() -> None:
    page = Document(EVERY_PAGE["home"])
    commands = [block.inner for block in page.all("pre")]
    assert commands[0] == "http://localhost:3001/mcp"
    assert "claude mcp add --transport http okta http://localhost:3001/mcp" in commands
    assert "python -m okta_mcp.client http://localhost:3001/mcp" in commands
    text = page.one("main").inner
    assert "Claude Desktop needs a bridge" in text
    assert "Claude on the web and mobile cannot reach this address" in text
    links = {link.inner: link.attributes["href"] for link in page.all("a")}
    assert links["Add to VS Code"] == HOME.vscode_url
    assert links["Sign out"] == "/oauth/logout"


def test_home_with_a_public_address_offers_claude_on_the_web() -> None:
    text = main_text(EVERY_PAGE["home_public"])
    assert "On the web, Desktop and mobile:" in text
    assert "bridge" not in text


def test_home_marks_the_sandbox_and_only_the_sandbox() -> None:
    assert "This is a sandbox." in EVERY_PAGE["home"]
    assert "sandbox" not in PAGES.home(replace(HOME, is_sandbox=False))


def test_snippet_for_vscode_is_json() -> None:
    snippet = re.search(r'\{\s*"servers".*\}', main_text(EVERY_PAGE["home"]))
    assert snippet is not None
    assert '"url": "http://localhost:3001/mcp"' in snippet.group()
