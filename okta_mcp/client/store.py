"""The log-ins kept on this computer, one for each server URL: in the system keyring, or a file.

`session` reads and writes them, `login` makes them. There is a file for each, readable by its owner
only: it holds the log-in itself or, where the keyring has it, the number of its last change. So one
file says where a log-in is, and the keyring is asked only after a change. A file is replaced as a
whole or not at all, and a lock file beside it lets one process at a time refresh, because a refresh
token that is used twice looks stolen to the server. Never written anywhere else, never shown:
fields that are secret are left out of every `repr`.
"""

import contextlib
import hashlib
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import anyio
from pydantic import TypeAdapter, ValidationError

from okta_mcp.client.errors import LoginError, UnreachableError
from okta_mcp.client.keyring_access import KeyringUnavailableError, SystemKeyring

LOCK_WAIT_SECONDS = 60
LOCK_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """Where to send what (RFC 8414), as found by `discovery`; every URL is checked there."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    registration_endpoint: str | None
    revocation_endpoint: str | None
    iss_required: bool
    resource: str
    scope: str | None


@dataclass(frozen=True, slots=True)
class Registration:
    """This client as one authorization server knows it (RFC 7591), bound to its `issuer`.

    `is_entered`: somebody entered it there by hand; its secret is never kept.
    """

    issuer: str
    client_id: str
    redirect_uri: str
    token_endpoint_auth_method: str = "none"  # noqa: S105 - the RFC's name of a method
    client_secret: str | None = field(default=None, repr=False)
    is_entered: bool = False


@dataclass(frozen=True, slots=True)
class Tokens:
    """A token answer (RFC 6749 section 5.1); `expires_at` in epoch seconds, None if not said."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """Everything kept about one server; `tokens` is None when only the registration is left."""

    server_url: str
    server: AuthorizationServer
    registration: Registration
    tokens: Tokens | None = None


@dataclass(frozen=True, slots=True)
class _InKeyring:
    """What the file says when the keyring has the log-in; `change` differs after each write."""

    in_keyring: bool
    change: str


_FILE: TypeAdapter[Login | _InKeyring] = TypeAdapter(Login | _InKeyring)
_LOGIN = TypeAdapter(Login)


class LoginStore:
    """The directory of the files, made with mode 0700 at the first write, and the keyring if any.

    Where the keyring does not work the file takes the log-in.
    """

    def __init__(self, directory: Path, keyring: SystemKeyring | None = None) -> None:
        self._directory = directory
        self._keyring = keyring
        self._read: dict[str, tuple[str, Login | None]] = {}

    def path(self, server_url: str) -> Path:
        """The file for `server_url`; scheme and host count without case, as in URLs."""
        digest = hashlib.sha256(_canonical(server_url).encode()).hexdigest()
        return self._directory / f"{digest[:32]}.json"

    def is_in_keyring(self, server_url: str) -> bool:
        """Whether the keyring has the log-in; False also if there is none."""
        return isinstance(self._content(self.path(server_url)), _InKeyring)

    def load(self, server_url: str) -> Login | None:
        """The stored log-in, or None if there is none.

        Raises:
            LoginError: the file is there but is not one of ours, or the keyring has the log-in
                and does not give it; the text names the file.
        """
        path = self.path(server_url)
        content = self._content(path)
        if not isinstance(content, _InKeyring):
            return content
        change, login = self._read.get(path.name, ("", None))
        if change != content.change:
            login = self._from_keyring(path, server_url)
            self._read[path.name] = (content.change, login)
        return login

    def _content(self, path: Path) -> Login | _InKeyring | None:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LoginError(f"Cannot read {path}: {error.strerror}.") from error
        try:
            return _FILE.validate_json(content)
        except ValidationError:
            # Without its cause: pydantic quotes the values, and those are tokens.
            raise LoginError(f"{path} is damaged. Delete it and log in again.") from None

    def _from_keyring(self, path: Path, server_url: str) -> Login | None:
        try:
            if self._keyring is None:
                raise KeyringUnavailableError
            secret = self._keyring.get(_canonical(server_url))
            return _LOGIN.validate_json(secret) if secret is not None else None
        except (KeyringUnavailableError, ValidationError):
            raise LoginError(
                "The log-in is kept in the system keyring, which does not give it. Unlock the"
                f" keyring and try again, or delete {path} and log in again."
            ) from None

    def save(self, login: Login) -> None:
        """Replace the log-in of this server, atomically; files have mode 0600."""
        path = self.path(login.server_url)
        if self._keyring is not None:
            try:
                self._keyring.set(
                    _canonical(login.server_url), _LOGIN.dump_json(login).decode("utf-8")
                )
            except KeyringUnavailableError:
                pass
            else:
                change = secrets.token_hex(8)
                self._write(path, _FILE.dump_json(_InKeyring(in_keyring=True, change=change)))
                self._read[path.name] = (change, login)
                return
        self._write(path, _LOGIN.dump_json(login))

    def _write(self, path: Path, content: bytes) -> None:
        try:
            self._make_directory()
            descriptor, temporary = tempfile.mkstemp(dir=self._directory, prefix=".login-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise LoginError(f"Cannot keep the log-in in {path}: {error.strerror}.") from error

    def delete(self, server_url: str) -> None:
        """Forget the server; nothing happens if there is nothing to forget."""
        path = self.path(server_url)
        was_in_keyring = isinstance(self._content(path), _InKeyring)
        path.unlink(missing_ok=True)
        self._read.pop(path.name, None)
        if was_in_keyring and self._keyring is not None:
            # Where the keyring does not answer, it keeps tokens that log-out has revoked.
            with contextlib.suppress(KeyringUnavailableError):
                self._keyring.delete(_canonical(server_url))

    def _make_directory(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    @asynccontextmanager
    async def locked(self, server_url: str) -> AsyncIterator[None]:
        """Hold the lock of one server, across processes and tasks.

        Raises:
            UnreachableError: another process held it for `LOCK_WAIT_SECONDS`.
        """
        lock = self.path(server_url).with_suffix(".lock")
        try:
            self._make_directory()
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise LoginError(f"Cannot make {lock}: {error.strerror}.") from error
        try:
            with anyio.move_on_after(LOCK_WAIT_SECONDS) as wait:
                while not _try_lock(descriptor):  # noqa: ASYNC110 - no event crosses processes
                    await anyio.sleep(LOCK_POLL_SECONDS)
            if wait.cancelled_caught:
                raise UnreachableError(f"Another process holds {lock}. End it and try again.")
            yield
        finally:
            os.close(descriptor)


def _canonical(server_url: str) -> str:
    url = urlsplit(server_url)
    return urlunsplit(
        url._replace(scheme=url.scheme.lower(), netloc=url.netloc.lower(), fragment="")
    )


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
