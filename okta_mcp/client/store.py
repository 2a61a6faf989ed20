"""The log-ins kept on this computer: one file for each server URL, readable by its owner only.

`session` reads and writes them, `login` makes them. A file is replaced as a whole or not at all,
and a lock file beside it lets one process at a time refresh, because a refresh token that is used
twice looks stolen to the server. Never written anywhere else, never shown: fields that are secret
are left out of every `repr`.
"""

import hashlib
import os
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
    """This client as one authorization server knows it (RFC 7591), bound to its `issuer`."""

    issuer: str
    client_id: str
    redirect_uri: str
    token_endpoint_auth_method: str = "none"  # noqa: S105 - the RFC's name of a method
    client_secret: str | None = field(default=None, repr=False)


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


class LoginStore:
    """The directory of the files. `directory` is made with mode 0700 at the first write."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, server_url: str) -> Path:
        """The file for `server_url`; scheme and host count without case, as in URLs."""
        digest = hashlib.sha256(_canonical(server_url).encode()).hexdigest()
        return self._directory / f"{digest[:32]}.json"

    def load(self, server_url: str) -> Login | None:
        """The stored log-in, or None if there is none.

        Raises:
            LoginError: the file is there but is not one of ours; the text names it.
        """
        path = self.path(server_url)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LoginError(f"Cannot read {path}: {error.strerror}.") from error
        try:
            return TypeAdapter(Login).validate_json(content)
        except ValidationError:
            # Without its cause: pydantic quotes the values, and those are tokens.
            raise LoginError(f"{path} is damaged. Delete it and log in again.") from None

    def save(self, login: Login) -> None:
        """Replace the file of this server with `login`, atomically and with mode 0600."""
        path = self.path(login.server_url)
        try:
            self._make_directory()
            descriptor, temporary = tempfile.mkstemp(dir=self._directory, prefix=".login-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(TypeAdapter(Login).dump_json(login))
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
        self.path(server_url).unlink(missing_ok=True)

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
