"""Cursors: the place of the next page, sealed, so that a caller can keep it but not make one.

A cursor is opaque. It is bound to one tool and one person: whoever else sends it, or sends it to
another tool, is refused. A model has to copy it, so it is as short as it can be. Given to the tools
by the composition root.
"""

import base64
import contextlib
import os
import zlib
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
# The place holds a search of at most 1 KiB, percent-encoded; nothing longer was made here.
_MAX_CURSOR_CHARS = 20_000


class Cursors(Protocol):
    """Seals and opens; `bound_to` names tool and person and must be the same both times."""

    def seal(self, payload: str, bound_to: str) -> str:
        """A URL-safe text that only `open` can read."""
        ...

    def open(self, cursor: str, bound_to: str) -> str:
        """The payload; `ValueError` if the cursor is not one of ours for `bound_to`."""
        ...


class SealedCursors:
    """AES-256-GCM with a random nonce; a key is 32 bytes. The binding is the associated data.

    `keys` are the current one and then earlier ones, which still open what they sealed.
    """

    def __init__(self, *keys: bytes) -> None:
        if not keys or any(len(key) != 32 for key in keys):
            raise ValueError("a cursor key has 32 bytes")
        self._ciphers = [AESGCM(key) for key in keys]

    def seal(self, payload: str, bound_to: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        packed = zlib.compress(payload.encode(), level=9)
        sealed = nonce + self._ciphers[0].encrypt(nonce, packed, bound_to.encode())
        return _text(sealed)

    def open(self, cursor: str, bound_to: str) -> str:
        if len(cursor) > _MAX_CURSOR_CHARS or not cursor.isascii():
            raise ValueError("not a cursor")
        try:
            sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        except ValueError as reason:
            raise ValueError("not a cursor") from reason
        if _text(sealed) != cursor:
            # Bits of the last sign that mean nothing: one place has one cursor.
            raise ValueError("not a cursor")
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for cipher in self._ciphers:
            with contextlib.suppress(ValueError, InvalidTag, zlib.error):
                # Only what was packed here passes the seal: it cannot swell beyond what it was.
                packed = cipher.decrypt(nonce, ciphertext, bound_to.encode())
                return zlib.decompress(packed).decode()
        raise ValueError("not a cursor of this tool and person")


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
