"""The stylesheet and the icon: size, names, contrast in both schemes, nothing from elsewhere."""

import hashlib
import re

import pytest

from okta_mcp.pages import Pages
from tests.pages.samples import EVERY_PAGE, PAGES

CSS = PAGES.stylesheet.decode()

# Text on what it stands on; 4.5:1 is WCAG 2.2 success criterion 1.4.3.
TEXT = [
    ("ink", "ground"),
    ("ink", "card"),
    ("ink", "code-ground"),
    ("quiet", "ground"),
    ("quiet", "card"),
    ("quiet", "code-ground"),
    ("accent", "ground"),
    ("accent", "card"),
    ("accent", "code-ground"),
    ("on-accent", "accent"),
    ("caution-ink", "caution-ground"),
]
# Edges of controls and the focus ring; 3:1 is criterion 1.4.11.
EDGES = [("edge", "card"), ("accent", "card"), ("accent", "ground")]


def palettes() -> dict[str, dict[str, str]]:
    light, dark = (
        dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6});", block))
        for block in re.findall(r":root\s*\{(.*?)\}", CSS, re.DOTALL)
    )
    return {"light": light, "dark": dark}


def luminance(colour: str) -> float:
    def linear(channel: int) -> float:
        share = channel / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(channel) for channel in bytes.fromhex(colour[1:]))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_of_black_and_white_is_computed_right() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_both_schemes_define_the_same_colours() -> None:
    both = palettes()
    assert both["light"].keys() == both["dark"].keys()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("colour", "ground"), TEXT)
def test_text_can_be_read(scheme: str, colour: str, ground: str) -> None:
    palette = palettes()[scheme]
    assert contrast(palette[colour], palette[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("colour", "ground"), EDGES)
def test_edges_and_focus_rings_can_be_seen(scheme: str, colour: str, ground: str) -> None:
    palette = palettes()[scheme]
    assert contrast(palette[colour], palette[ground]) >= 3


def test_every_colour_that_is_used_is_one_of_the_palette() -> None:
    outside = re.sub(r":root\s*\{.*?\}", "", CSS, flags=re.DOTALL)
    assert not re.findall(r"#[0-9a-f]{3,8}\b", outside)
    assert set(re.findall(r"var\(--([a-z-]+)\)", CSS)) == palettes()["light"].keys()


def test_stylesheet_is_small() -> None:
    assert len(PAGES.stylesheet) < 8 * 1024


@pytest.mark.parametrize(
    "forbidden", ["url(", "@import", "@font-face", "http", "animation", "transition"]
)
def test_stylesheet_loads_and_moves_nothing(forbidden: str) -> None:
    assert forbidden not in CSS


def test_stylesheet_keeps_focus_rings_and_large_targets() -> None:
    assert ":focus-visible" in CSS
    assert "outline: none" not in CSS
    assert re.search(r"button, \.button \{[^}]*min-height: 3rem", CSS)
    for small_target in ("summary", "label", ".tap"):
        assert re.search(rf"\n{re.escape(small_target)} \{{[^}}]*min-height: 2\.75rem", CSS)


def test_every_class_of_the_pages_is_styled() -> None:
    used = {
        name
        for html in EVERY_PAGE.values()
        for names in re.findall(r'class="([^"]+)"', html)
        for name in names.split()
    }
    assert used == set(re.findall(r"\.([a-z]+)(?=[\s,:{>])", CSS))


def test_asset_paths_name_their_content() -> None:
    assert PAGES.assets[PAGES.stylesheet_path] == ("text/css; charset=utf-8", PAGES.stylesheet)
    for path, (_, body) in PAGES.assets.items():
        assert re.fullmatch(r"/static/okta-mcp\.[0-9a-f]{12}\.(css|svg)", path)
        assert hashlib.sha256(body).hexdigest()[:12] in path


def test_asset_paths_do_not_depend_on_the_organisation() -> None:
    assert Pages("Another").assets.keys() == PAGES.assets.keys()


def test_icon_is_a_drawing_without_script_or_style() -> None:
    ((_, icon),) = [asset for asset in PAGES.assets.values() if asset[0] == "image/svg+xml"]
    assert icon.startswith(b"<svg ")
    assert not re.search(rb"script|style|href|<image|onload", icon)
