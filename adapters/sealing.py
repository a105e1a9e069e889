"""Seals values with AES-GCM. The first of several keys seals; all of them open, so that keys can be replaced.

A sealed value is `sealed.<key id>.<base64url of nonce, ciphertext and tag>`. The place is authenticated with it.
"""

import binascii
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.sealing import BrokenSeal, NoKeyForSeal

KEY_BYTES = 32
_NONCE_BYTES = 12
_PREFIX = "sealed"
_KEY = re.compile(r"(?P<id>[A-Za-z0-9_-]{1,32}):(?P<key>[0-9a-f]{64})")


class AesGcmSeal:
    """`owner`: the service that opens, for messages. `accept_unsealed`: also read what an earlier version wrote."""

    def __init__(self, owner: str, keys: Mapping[str, bytes], *, accept_unsealed: bool = False) -> None:
        self._owner = owner
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._newest = next(iter(keys))
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


def parse_keys(text: str) -> Mapping[str, bytes]:
    """Read `id:key,id:key`, the newest first; a key is 64 hexadecimal digits. Raises ValueError, without the keys."""
    keys: dict[str, bytes] = {}
    for number, part in enumerate(text.split(","), start=1):
        found = _KEY.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"key {number} is not of the form id:key, with a key of 64 hexadecimal digits")
        if found["id"] in keys:
            raise ValueError(f"two keys have the id {found['id']}")
        keys[found["id"]] = bytes.fromhex(found["key"])
    return keys


def new_key(key_id: str) -> str:
    return f"{key_id}:{os.urandom(KEY_BYTES).hex()}"
