"""API keys: who calls the API, in which roles, for which customer.

A key is `twinsaga_ID_SECRET`. The prefix lets scanners of repositories and logs recognise one, and the id finds its
record without the secret. Only a digest is stored. A fast hash is right here, unlike for passwords: the secret is 256
random bits, so nobody can guess it, however fast the guesses are.
"""

import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final, Protocol, Self

from domain.ids import CustomerId

_FORM: Final = re.compile(r"twinsaga_(?P<key_id>[0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32


class Role(StrEnum):
    CUSTOMER = "customer"
    OPERATOR = "operator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """The record of a key, without its secret.

    `customer_id`: a customer's key sees and places the orders of this customer alone. `requests_per_minute`: None for
    the limit of the settings, 0 for none.
    """

    key_id: str
    digest: str
    name: str
    roles: frozenset[Role]
    made_at: datetime
    customer_id: CustomerId | None = None
    requests_per_minute: int | None = None
    revoked_at: datetime | None = None

    def __post_init__(self) -> None:
        if not self.roles:
            raise ValueError("a key needs at least one role")
        if self.only_own_orders and Role.CUSTOMER in self.roles and self.customer_id is None:
            raise ValueError("the key of a customer needs the customer's id")

    @property
    def only_own_orders(self) -> bool:
        return Role.OPERATOR not in self.roles

    def accepts(self, text: str) -> bool:
        """Whether `text` is this key, and it is not revoked."""
        return hmac.compare_digest(_digest_of(text), self.digest) and self.revoked_at is None


@dataclass(frozen=True, slots=True)
class NewKey:
    """`text` is the whole key. It is shown once, and stored nowhere."""

    text: str
    record: ApiKey

    @classmethod
    def make(
        cls,
        name: str,
        roles: frozenset[Role],
        made_at: datetime,
        *,
        customer_id: CustomerId | None = None,
        requests_per_minute: int | None = None,
    ) -> Self:
        """Raises ValueError: no role, or a customer's key without the customer."""
        key_id = secrets.token_hex(_ID_BYTES)
        text = f"twinsaga_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        record = ApiKey(
            key_id=key_id,
            digest=_digest_of(text),
            name=name,
            roles=roles,
            made_at=made_at,
            customer_id=customer_id,
            requests_per_minute=requests_per_minute,
        )
        return cls(text, record)


class ApiKeys(Protocol):
    """Every method blocks, and raises a Fault when the database is away."""

    def find(self, key_id: str) -> ApiKey | None: ...

    def add(self, key: ApiKey) -> None: ...

    def every(self) -> Sequence[ApiKey]:
        """Return all keys, the oldest first, also revoked ones."""
        ...

    def revoke(self, key_id: str) -> bool:
        """Return False if there is no such key, or it is revoked already."""
        ...


def key_id_of(text: str) -> str | None:
    """Return the id in a key, or None if the text has not the form of one."""
    found = _FORM.fullmatch(text)
    return found["key_id"] if found else None


def _digest_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()
