"""Every error page: words, a reference and a way on (B-06, C-22)."""

import string

import pytest

from okta_mcp.doctor.checks import IDS
from okta_mcp.pages import Button
from okta_mcp.pages.problems import CHECKS, PROBLEMS, WITHOUT_CHECK
from tests.pages.document import Document
from tests.pages.samples import PAGES

FIELDS = {"person", "client", "wait", "organisation", "scopes"}
JARGON = ("redirect_uri", "state", "nonce", "PKCE", "transaction", "token", "CSRF", "400", "500")

every_reason = pytest.mark.parametrize("reason", sorted(PROBLEMS))


def test_unknown_reason_is_an_error_of_ours() -> None:
    with pytest.raises(KeyError):
        PAGES.problem("no_such_reason")


@every_reason
def test_every_problem_has_a_button_even_if_the_caller_has_none(reason: str) -> None:
    page = Document(PAGES.problem(reason))
    (link,) = [link for link in page.all("a") if link.is_in("main")]
    assert (link.inner, link.attributes["href"]) == ("Go to the start page", "/")


@every_reason
def test_every_problem_says_what_happened_and_what_to_do(reason: str) -> None:
    words = PROBLEMS[reason]
    page = Document(PAGES.problem(reason, reference="7F3K-21QD"))
    assert page.one("h1").inner == words.heading
    assert page.one("title").inner == f"{words.title} · Northwind Health"
    text = page.one("main").inner
    assert "What to do now" in text
    assert "Reference 7F3K-21QD" in text
    assert ("Nothing was lost" in text) == words.nothing_lost
    assert words.ask.partition("{")[0] in text
    assert "{" not in text


@every_reason
def test_every_problem_is_in_plain_words(reason: str) -> None:
    words = PROBLEMS[reason]
    said = f"{words.title} {words.heading} {words.explanation} {words.advice} {words.ask}"
    for sentence in (words.heading, words.explanation, words.advice):
        assert sentence.endswith(".")
    assert not [word for word in JARGON if word in said.replace("OKTA_API_TOKEN", "").split()]
    assert {name for _, name, _, _ in string.Formatter().parse(said) if name} <= FIELDS


def test_headings_differ_so_that_people_can_tell_them_apart() -> None:
    assert len({words.heading for words in PROBLEMS.values()}) == len(PROBLEMS)


def test_no_role_says_who_is_signed_in_and_whom_to_ask() -> None:
    text = Document(PAGES.problem("no_role", person="Nora")).one("main").inner
    assert "You are signed in as Nora, but none of your groups gives access here." in text
    assert "Ask your Okta administrator to add you to one of the groups of this server." in text


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        ("not_assigned", "assign you"),
        ("wrong_client_secret", "OKTA_CLIENT_SECRET"),
        ("too_many_groups", "groups claim filter"),
        ("refresh_grant_missing", "Refresh Token"),
        ("scopes_not_granted", "Okta API Scopes"),
        ("sign_in_too_weak", "OKTA_ACR_VALUES"),
        ("id_token_refused", "OKTA_ISSUER"),
    ],
)
def test_problem_of_the_set_up_names_its_fix(reason: str, fix: str) -> None:
    assert fix in Document(PAGES.problem(reason)).one("main").inner


def test_of_every_problem_it_is_decided_whether_a_check_looks_at_its_cause() -> None:
    assert sorted([*CHECKS, *WITHOUT_CHECK]) == sorted(PROBLEMS)


@pytest.mark.parametrize("reason", sorted(CHECKS))
def test_a_problem_of_the_set_up_names_its_check_to_the_administrator(reason: str) -> None:
    assert CHECKS[reason]
    assert set(CHECKS[reason]) <= set(IDS)
    text = Document(PAGES.problem(reason, reference="7F3K-21QD")).one("main").inner
    for check in CHECKS[reason]:
        assert f"--only {check}" in text.partition("okta-mcp doctor")[2]


@pytest.mark.parametrize("reason", sorted(WITHOUT_CHECK))
def test_what_only_the_person_can_mend_sends_nobody_to_the_doctor(reason: str) -> None:
    assert "okta-mcp doctor" not in PAGES.problem(reason)


def test_without_a_reference_no_empty_one_shows() -> None:
    assert "Reference" not in PAGES.problem("form_expired")


def test_callers_button_replaces_the_one_to_the_start_page() -> None:
    button = Button("Return", form_action="/oauth/consent", form_token="t0k", decision="deny")
    page = Document(PAGES.problem("no_role", button=button))
    form = page.one("form")
    assert (form.attributes["method"], form.attributes["action"]) == ("post", "/oauth/consent")
    assert page.hidden_inputs() == {"form": "t0k"}
    assert page.buttons() == {"Return": ("decision", "deny")}
    assert not page.links()


def test_link_button_may_lead_back_to_the_client() -> None:
    button = Button("Return", href="vscode://x/return?error=access_denied&state=a%2Bb")
    (link,) = Document(PAGES.problem("okta_refused", button=button)).links()
    assert link.attributes["href"] == "vscode://x/return?error=access_denied&state=a%2Bb"


def test_values_are_quoted_escaped_and_never_read_as_fields() -> None:
    html = PAGES.problem("okta_refused", client='<b>{person.__class__}"\u202e')
    assert "“&lt;b&gt;{person.__class__}&#39;”" in html


def test_person_in_a_problem_is_escaped() -> None:
    html = PAGES.problem("no_role", person="<script>alert(1)</script>")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
