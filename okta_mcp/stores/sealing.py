"""Keys, and AES-GCM sealing of what must not be read: form contents, cookies, kept answers.

Every key is derived from a secret of `SESSION_SECRET_KEY` by HKDF (RFC 5869) under a label of its
own, never from the Okta client secret: who learns one key learns no other. Of several secrets the
first is the current one, with which everything is sealed; the others are earlier ones, which still
open what they sealed. A sealed value is key id (4 bytes) + nonce (12 bytes) + ciphertext, bound to
its purpose as associated data, so that what was sealed for one use opens in no other.
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


# The current secret, then earlier ones.
Secrets = tuple[bytes, ...]


def derived_key(secret: bytes, label: str) -> bytes:
    """32 bytes for one use, named by `label`."""
    hkdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"okta_mcp {label}".encode())
    return hkdf.derive(secret)


def signing_keys(secrets: Secrets, label: str) -> list[bytes]:
    """The keys of one use as itsdangerous takes them: the current one last."""
    return [derived_key(secret, label) for secret in reversed(secrets)]


class Sealer:
    """Seals with the key derived under `label`; text in, URL-safe text without padding out."""

    def __init__(self, secrets: Secrets, label: str) -> None:
        keys = [derived_key(secret, label) for secret in secrets]
        self._ring = {_key_id(key): AESGCM(key) for key in reversed(keys)}
        self._key_id = _key_id(keys[0])
        self._aead = self._ring[self._key_id]

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
        aead = self._ring.get(key_id)
        if aead is None or len(nonce) != _NONCE_BYTES:
            raise NotSealedHereError("sealed with a key that this server does not hold")
        try:
            ciphertext = raw[_KEY_ID_BYTES + _NONCE_BYTES :]
            return aead.decrypt(nonce, ciphertext, purpose.encode()).decode()
        except InvalidTag:
            raise NotSealedHereError("changed, or sealed for another purpose") from None

    def is_current(self, sealed: str) -> bool:
        """Whether it was sealed with the current key; says nothing of whether it opens."""
        try:
            beginning = base64.urlsafe_b64decode(sealed[:8])
        except (binascii.Error, ValueError):
            return False
        return beginning[:_KEY_ID_BYTES] == self._key_id


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"key id" + key).digest()[:_KEY_ID_BYTES]
