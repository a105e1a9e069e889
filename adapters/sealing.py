"""Seals values with AES-GCM.

A sealed value is `sealed.<key id>.<base64url of nonce, ciphertext and tag>`. The place is authenticated with it.
"""

import binascii
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.key_ring import KeyRing
from services.sealing import BrokenSeal, NoKeyForSeal

_NONCE_BYTES = 12
_PREFIX = "sealed"


class AesGcmSeal:
    """`owner`: the service that opens, for messages. `accept_unsealed`: also read what an earlier version wrote."""

    def __init__(self, owner: str, keys: KeyRing, *, accept_unsealed: bool = False) -> None:
        self._owner = owner
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.by_id.items()}
        self._newest = keys.current_id
        self._accept_unsealed = accept_unsealed

    def close(self, value: str, place: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        content = nonce + self._ciphers[self._newest].encrypt(nonce, value.encode(), place.encode())
        return f"{_PREFIX}.{self._newest}.{urlsafe_b64encode(content).decode()}"

    def open(self, sealed: str, place: str) -> str:
        prefix, _, rest = sealed.partition(".")
        key_id, dot, text = rest.partition(".")
        if prefix != _PREFIX or not dot:
            if self._accept_unsealed:
                return sealed
            raise BrokenSeal(
                f"{place} is not sealed: an entrance of ours has not accepted it, or one of an earlier version has"
                " (see accept_unsealed in docs/deploy.md)"
            )
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise NoKeyForSeal(f"{place} is sealed with the key {key_id[:32]!r}, which {self._owner} does not have")
        try:
            content = urlsafe_b64decode(text)
            return cipher.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], place.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError) as broken:
            raise BrokenSeal(f"{place} was changed, or was sealed for another place") from broken
