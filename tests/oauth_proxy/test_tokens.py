"""Secrets of our own making."""

import re

import pytest

from okta_mcp.oauth_proxy.tokens import (
    ACCESS_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    CODE,
    REFRESH_TOKEN,
    new_client_id,
    new_secret,
)

PREFIXES = (ACCESS_TOKEN, REFRESH_TOKEN, CODE, CLIENT_SECRET)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_secret_has_256_random_bits_behind_its_prefix(prefix: str) -> None:
    """K-19, T-16."""
    made = {new_secret(prefix) for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(re.escape(prefix) + r"[A-Za-z0-9_-]{43}", secret) for secret in made)


def test_a_client_id_has_128_random_bits() -> None:
    """R-17."""
    made = {new_client_id() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(CLIENT_ID + r"[A-Za-z0-9_-]{22}", client_id) for client_id in made)


def test_no_prefix_begins_another() -> None:
    """T-07."""
    prefixes = (*PREFIXES, CLIENT_ID)
    assert not any(a != b and a.startswith(b) for a in prefixes for b in prefixes)
