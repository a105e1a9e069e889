"""A ring of AES-256 keys with ids. The first one encrypts, all of them decrypt, so that keys can be replaced.

As text, one key per line or separated by commas: `ID:HEX`, where HEX is 32 bytes as `openssl rand -hex 32` prints them.
"""

import re
from dataclasses import dataclass
from secrets import token_hex
from typing import Self

KEY_BYTES = 32
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
"""Without the dot, which ends the id in a sealed value."""

_KEY = re.compile(rf"[0-9A-Fa-f]{{{2 * KEY_BYTES}}}")


@dataclass(frozen=True, slots=True, repr=False)
class KeyRing:
    """`by_id` begins with the key that encrypts."""

    by_id: dict[str, bytes]

    @property
    def current_id(self) -> str:
        return next(iter(self.by_id))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, which names a key by its id or position and never contains it."""
        if not text.strip(" \t\r\n,"):
            raise ValueError("contains no key; one is ID:HEX, where HEX comes from `openssl rand -hex 32`")
        by_id: dict[str, bytes] = {}
        for number, entry in enumerate(re.split(r"\s*,\s*|\s+", text.strip()), start=1):
            key_id, _, key = entry.partition(":")
            if not key or not _ID.fullmatch(key_id):
                raise ValueError(f"key {number} is not ID:HEX with an id of at most 40 of A-Z a-z 0-9 _ -")
            if not _KEY.fullmatch(key):
                raise ValueError(f"key '{key_id}' is not {KEY_BYTES} bytes in hexadecimal: `openssl rand -hex 32`")
            if key_id in by_id:
                raise ValueError(f"the id '{key_id}' occurs twice: a new key needs a new id")
            by_id[key_id] = bytes.fromhex(key)
        return cls(by_id)


def new_key(key_id: str) -> str:
    return f"{key_id}:{token_hex(KEY_BYTES)}"
