"""The system keyring as the store sees it: three verbs that answer soon and print nothing.

Called by `store`. Each verb runs `keyring_process`, so that whatever a keyring does, a verb of the
client goes on after `TIMEOUT_SECONDS`. The library `keyring` is an extra: without it there is none.
"""

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

# Long enough for a person to unlock the keyring in a window that it opens.
TIMEOUT_SECONDS = 30.0
# -P: the folder of the program holds modules whose names must not stand for others.
_PROGRAM = (sys.executable, "-P", str(Path(__file__).with_name("keyring_process.py")))


class KeyringUnavailableError(Exception):
    """There is no keyring that can be used, or it did not do what was asked."""


class SystemKeyring:
    """Secrets by the name of an entry. After one timeout it is not asked again."""

    def __init__(
        self, program: Sequence[str] = _PROGRAM, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._program = tuple(program)
        self._timeout_seconds = timeout_seconds
        self._is_stuck = False

    def get(self, entry: str) -> str | None:
        """The secret, or None if there is none of that name.

        Raises:
            KeyringUnavailableError: it cannot be told; the same for the other verbs.
        """
        return self._asked("get", entry) or None

    def set(self, entry: str, secret: str) -> None:
        """Keep `secret` in the place of what was there."""
        self._asked("set", entry, secret)

    def delete(self, entry: str) -> None:
        """Forget it; nothing happens if there is nothing to forget."""
        self._asked("delete", entry)

    def _asked(self, verb: str, entry: str, secret: str = "") -> str:
        if self._is_stuck:
            raise KeyringUnavailableError
        try:
            done = subprocess.run(  # noqa: S603 - our own program, no shell
                [*self._program, verb, entry],
                input=secret,
                stdout=subprocess.PIPE,
                # What a keyring writes there helps nobody, and could hold anything.
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                timeout=self._timeout_seconds,
                check=True,
            )
        except subprocess.TimeoutExpired:
            self._is_stuck = True
            raise KeyringUnavailableError from None
        except (subprocess.CalledProcessError, OSError, UnicodeError):
            # Without its cause: it holds what was written and read.
            raise KeyringUnavailableError from None
        return done.stdout


def installed_keyring() -> SystemKeyring | None:
    """The system keyring, or None where the library for it is not installed."""
    return SystemKeyring() if find_spec("keyring") else None
