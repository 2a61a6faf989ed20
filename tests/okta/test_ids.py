"""What may become a part of a path."""

import pytest

from okta_mcp.okta.ids import InvalidArgumentError, id_segment, is_okta_id, user_segment

# I-01: each of these would ask Okta for something else than one object.
BAD = [
    "", ".", "..", "...", "/", "a/b", "\\", "%2e%2e", "%", "?", "a?b", "#", ";", "a;b", " ",
    "00u123 4567890", "\n", "00u1234567890\n", "\x00", "\u202e00u1234567890", "a\u200bb",
    "00u1234567890/groups", "../users", "<script>", "a" * 101, '"', "ann@example.com?x",
]  # fmt: skip


@pytest.mark.parametrize("text", [*BAD, "ann@example.com", "short", "a" * 65, "00u12345６７890"])
def test_what_is_no_id_is_refused(text: str) -> None:
    """I-01"""
    with pytest.raises(InvalidArgumentError) as caught:
        id_segment(text, "group_id")
    assert caught.value.argument == "group_id"
    assert caught.value.fix
    if len(text) > 4:
        assert text not in caught.value.message


@pytest.mark.parametrize("text", [*BAD, "me"])
def test_what_is_neither_id_nor_login_is_refused(text: str) -> None:
    """I-01"""
    with pytest.raises(InvalidArgumentError):
        user_segment(text)


@pytest.mark.parametrize(
    ("text", "segment"),
    [
        ("00u1234567890abcdefg", "00u1234567890abcdefg"),
        ("ann@example.com", "ann%40example.com"),
        ("ann.o'brien+x@example.com", "ann.o%27brien%2Bx%40example.com"),
        ("isaac", "isaac"),
        ("jürgen@example.com", "j%C3%BCrgen%40example.com"),
    ],
)
def test_an_id_or_login_is_one_encoded_segment(text: str, segment: str) -> None:
    assert user_segment(text) == segment


def test_an_id_is_told_from_a_login() -> None:
    assert is_okta_id("00u1234567890abcdefg")
    assert not is_okta_id("ann@example.com")
