"""Keys, and AES-GCM sealing of what must not be read: form contents, cookies, kept answers.

Every key is derived from `SESSION_SECRET_KEY` by HKDF (RFC 5869) under a label of its own, never
from the Okta client secret: who learns one key learns no other. A sealed value is
key id (4 bytes) + nonce (12 bytes) + ciphertext, bound to its purpose as associated data, so that
what was sealed for one use opens in no other.
"""

import base64
import binascii
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_ID_BYTES = 4
_NONCE_BYTES = 12


class NotSealedHereError(Exception):
    """The value was not sealed by this server for this purpose, or it was changed."""


def derived_key(secret: bytes, label: str) -> bytes:
    """32 bytes for one use, named by `label`."""
    hkdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"okta_mcp {label}".encode())
    return hkdf.derive(secret)


class Sealer:
    """Seals with the key derived under `label`; text in, URL-safe text without padding out."""

    def __init__(self, secret: bytes, label: str) -> None:
        key = derived_key(secret, label)
        self._key_id = hashlib.sha256(b"key id" + key).digest()[:_KEY_ID_BYTES]
        self._aead = AESGCM(key)

    def seal(self, text: str, purpose: str) -> str:
        """Sealed `text`, about 43 characters plus four thirds of its length."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._key_id + nonce + self._aead.encrypt(nonce, text.encode(), purpose.encode())
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, sealed: str, purpose: str) -> str:
        """What was sealed; raises `NotSealedHereError`."""
        try:
            raw = base64.b64decode(sealed + "=" * (-len(sealed) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise NotSealedHereError("not in the form of a sealed value") from None
        key_id, nonce = raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES : _KEY_ID_BYTES + _NONCE_BYTES]
        if key_id != self._key_id or len(nonce) != _NONCE_BYTES:
            raise NotSealedHereError("sealed with a key that this server does not hold")
        try:
            ciphertext = raw[_KEY_ID_BYTES + _NONCE_BYTES :]
            return self._aead.decrypt(nonce, ciphertext, purpose.encode()).decode()
        except InvalidTag:
            raise NotSealedHereError("changed, or sealed for another purpose") from None
