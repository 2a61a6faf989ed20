"""What was sealed opens here, for its purpose, unchanged; everything else is refused."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okta_mcp.stores.sealing import NotSealedHereError, Sealer, derived_key, signing_keys

SECRET = b"a secret of at least 32 bytes, made for tests"
SEALER = Sealer((SECRET,), "kept")
SEALED = SEALER.seal("okta refresh token of somebody", "grant 1")


def changed_at(position: int) -> str:
    raw = bytearray(base64.urlsafe_b64decode(SEALED + "=" * (-len(SEALED) % 4)))
    raw[position] ^= 1
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "sealed",
    [
        "",
        "A",
        "not base 64 at all",
        "é",
        "\ud800",
        SEALED + "\n",
        SEALED + "AAAA",
        SEALED[:8],
        SEALED[:20],
        SEALED[:30],
        SEALED[:-2],
        *(changed_at(position) for position in (0, 3, 4, 15, 16, 30, -1)),
    ],
    ids=repr,
)
def test_what_was_not_sealed_here_is_refused(sealed: str) -> None:
    with pytest.raises(NotSealedHereError):
        SEALER.open(sealed, "grant 1")


@pytest.mark.parametrize(
    "opener",
    [Sealer((SECRET + b".",), "kept"), Sealer((SECRET,), "cookies")],
    ids=["another secret", "another label"],
)
def test_another_key_opens_nothing(opener: Sealer) -> None:
    """C-29, T-12: a key of its own for each use."""
    with pytest.raises(NotSealedHereError):
        opener.open(SEALED, "grant 1")


@pytest.mark.parametrize("purpose", ["", "grant 2", "Grant 1", "grant 1 "])
def test_a_value_sealed_for_one_purpose_opens_for_no_other(purpose: str) -> None:
    with pytest.raises(NotSealedHereError):
        SEALER.open(SEALED, purpose)


@given(st.text(max_size=200))
def test_no_text_raises_anything_but_not_sealed_here(text: str) -> None:
    with pytest.raises(NotSealedHereError):
        SEALER.open(text, "grant 1")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.text(max_size=10))
def test_sealed_text_opens_again_and_travels_in_urls(text: str, label: str) -> None:
    purpose = label.encode("utf-8", "replace").decode()
    sealed = SEALER.seal(text, purpose)
    assert SEALER.open(sealed, purpose) == text
    assert sealed.replace("-", "").replace("_", "").isalnum()
    assert sealed.isascii()


def test_the_same_text_is_never_sealed_twice_alike() -> None:
    assert SEALER.seal("text", "use") != SEALER.seal("text", "use")


def test_a_sealed_value_shows_nothing_of_its_text() -> None:
    """S-03: what is kept cannot be read without the key."""
    raw = base64.urlsafe_b64decode(SEALED + "=" * (-len(SEALED) % 4))
    assert b"okta" not in raw
    assert b"refresh" not in raw


def test_a_restart_with_the_same_secret_opens_what_was_sealed_before() -> None:
    assert Sealer((SECRET,), "kept").open(SEALED, "grant 1") == "okta refresh token of somebody"


def test_derived_keys_are_32_bytes_and_differ_by_label_and_secret() -> None:
    keys = {
        derived_key(secret, label)
        for secret in (SECRET, SECRET + b".")
        for label in ("kept", "forms")
    }
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}
    assert not any(SECRET in key or key in SECRET for key in keys)


NEWER = Sealer((b"a newer secret of at least 32 bytes!", SECRET), "kept")


def test_an_earlier_key_still_opens_what_it_sealed() -> None:
    assert NEWER.open(SEALED, "grant 1") == "okta refresh token of somebody"


def test_the_current_key_alone_seals() -> None:
    sealed = NEWER.seal("text", "grant 1")
    assert NEWER.is_current(sealed)
    assert not NEWER.is_current(SEALED)
    with pytest.raises(NotSealedHereError):
        SEALER.open(sealed, "grant 1")


def test_a_key_that_has_been_dropped_opens_nothing_any_more() -> None:
    with pytest.raises(NotSealedHereError):
        Sealer((b"a newer secret of at least 32 bytes!",), "kept").open(SEALED, "grant 1")


def test_signing_keys_stand_in_the_order_of_the_signer_the_current_one_last() -> None:
    old, new = derived_key(b"old", "cookies"), derived_key(b"new", "cookies")
    assert signing_keys((b"new", b"old"), "cookies") == [old, new]
