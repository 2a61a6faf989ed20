"""A button leads somewhere, and never to something that runs."""

import pytest

from okta_mcp.pages import Button


@pytest.mark.parametrize(
    "href", ["javascript:alert(1)", "JavaScript:x", "java\tscript:x", " javascript:x", "data:x,y"]
)
def test_button_refuses_a_link_that_runs(href: str) -> None:
    with pytest.raises(ValueError, match="must not run"):
        Button("Go", href=href)


@pytest.mark.parametrize("action", ["https://elsewhere.example/", "//elsewhere", "/\\elsewhere"])
def test_button_refuses_a_form_that_leaves_this_server(action: str) -> None:
    with pytest.raises(ValueError, match="path of this server"):
        Button("Go", form_action=action)


@pytest.mark.parametrize("targets", [{}, {"href": "/", "form_action": "/oauth/login"}])
def test_button_refuses_neither_or_both_targets(targets: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="either"):
        Button("Go", **targets)


@pytest.mark.parametrize("href", ["/", "vscode://x/return?code=1", "https://client.example/cb"])
def test_button_leads_to_a_page_or_a_client(href: str) -> None:
    assert Button("Go", href=href).href == href
