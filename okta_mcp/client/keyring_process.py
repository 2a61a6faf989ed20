"""The one thing that touches the system keyring, as a process of its own: get, set or delete.

`python keyring_process.py VERB ENTRY`, started by `keyring_access`, never imported by the client: a
keyring may ask for a password, print, or wait for a service that never answers, and a process can
be ended. The secret comes on stdin and leaves on stdout. Only the keyrings of the operating systems
are used; others may keep what they get as plain text.
"""

import sys

import keyring
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend
from keyring.errors import PasswordDeleteError

SERVICE = "okta-mcp"
UNUSABLE_STATUS = 3
SYSTEM_KEYRINGS = (
    "keyring.backends.SecretService",
    "keyring.backends.kwallet",
    "keyring.backends.libsecret",
    "keyring.backends.macOS",
    "keyring.backends.Windows",
)


def system_keyring(configured: KeyringBackend) -> KeyringBackend | None:
    """The keyring of the operating system that `configured` is or leads to first, or None."""
    if isinstance(configured, ChainerBackend):
        backends = list(configured.backends)
        return system_keyring(backends[0]) if backends else None
    return configured if type(configured).__module__ in SYSTEM_KEYRINGS else None


def main(verb: str, entry: str, configured: KeyringBackend) -> int:
    """Do it, and give the exit status; an exception of the keyring ends the process by itself."""
    usable = system_keyring(configured)
    if usable is None:
        return UNUSABLE_STATUS
    if verb == "set":
        usable.set_password(SERVICE, entry, sys.stdin.read())
    elif verb == "get":
        sys.stdout.write(usable.get_password(SERVICE, entry) or "")
    elif usable.get_password(SERVICE, entry) is not None:
        try:
            usable.delete_password(SERVICE, entry)
        except PasswordDeleteError:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], keyring.get_keyring()))
