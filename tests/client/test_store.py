"""The files: who may read them, what is refused, one lock."""

import asyncio
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from okta_mcp.client import store as store_module
from okta_mcp.client.errors import LoginError, UnreachableError
from okta_mcp.client.store import AuthorizationServer, Login, LoginStore, Registration, Tokens

URL = "http://localhost:3001/mcp"
LOGIN = Login(
    server_url=URL,
    server=AuthorizationServer(
        issuer="http://localhost:3001",
        authorization_endpoint="http://localhost:3001/oauth/authorize",
        token_endpoint="http://localhost:3001/oauth/token",
        registration_endpoint=None,
        revocation_endpoint=None,
        iss_required=True,
        resource=URL,
        scope=None,
    ),
    registration=Registration(
        issuer="http://localhost:3001",
        client_id="c",
        redirect_uri="http://127.0.0.1:1/callback",
        client_secret="cs-secret",
    ),
    tokens=Tokens("at-secret", "rt-secret", 1.5, "a b"),
)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"tokens": {"access_token": "at-secret"}}']
)
def test_damaged_file_is_named_and_not_quoted(store: LoginStore, content: bytes) -> None:
    store.save(LOGIN)
    store.path(URL).write_bytes(content)
    with pytest.raises(LoginError, match="is damaged") as raised:
        store.load(URL)
    assert str(store.path(URL)) in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_directory_that_cannot_be_made_is_a_login_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LoginError, match="Cannot keep the log-in"):
        LoginStore(tmp_path / "file" / "logins").save(LOGIN)


async def test_a_lock_held_by_another_ends_the_wait(
    store: LoginStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "LOCK_WAIT_SECONDS", 0)
    async with store.locked(URL):
        with pytest.raises(UnreachableError, match="Another process holds"):
            async with store.locked(URL):
                pytest.fail("two holders")
        async with store.locked(f"{URL}/other"):
            pass


async def test_a_waiter_gets_the_lock_when_its_holder_is_done(store: LoginStore) -> None:
    order: list[str] = []
    held = asyncio.Event()

    async def hold() -> None:
        async with store.locked(URL):
            held.set()
            await asyncio.sleep(0)
            order.append("first")

    async def follow() -> None:
        await held.wait()
        async with store.locked(URL):
            order.append("second")

    await asyncio.gather(hold(), follow())
    assert order == ["first", "second"]


def test_only_the_owner_may_read_file_and_directory(store: LoginStore) -> None:
    store.save(LOGIN)
    path = store.path(URL)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_what_is_saved_is_what_is_loaded(store: LoginStore) -> None:
    store.save(LOGIN)
    store.save(replace(LOGIN, tokens=None))
    assert store.load(URL) == replace(LOGIN, tokens=None)
    store.save(LOGIN)
    assert store.load(URL.replace("localhost", "LOCALHOST")) == LOGIN


@pytest.mark.parametrize("url", ["http://localhost:3002/mcp", "http://localhost:3001/MCP"])
def test_each_server_url_has_its_own_login(store: LoginStore, url: str) -> None:
    store.save(LOGIN)
    assert store.load(url) is None


def test_deleting_what_is_not_there_is_no_error(store: LoginStore) -> None:
    store.delete(URL)
    assert store.load(URL) is None


def test_no_secret_is_in_a_repr() -> None:
    assert "-secret" not in repr(LOGIN)
