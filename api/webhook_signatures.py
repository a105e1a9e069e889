"""Signatures of webhook calls, in Stripe's manner: `t=1760000000,v1=HEX`, an HMAC-SHA256 over `T.BODY`.

The time is signed too, so an old call cannot be sent again with a new time. A call that is sent again within the
tolerance is harmless: booking a payment is repeatable. https://docs.stripe.com/webhooks#verify-manually
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

HEADER: Final = "Twinsaga-Signature"
TOLERANCE_S: Final = 300
_VERSION: Final = "v1"


class NotSigned(Exception):
    """The signature is missing, wrong, or too old. The text says which, and is for the caller."""


def signature_of(body: bytes, secret: str, at_s: int) -> str:
    """Return the header for a call. `at_s`: seconds since 1970."""
    return f"t={at_s},{_VERSION}={_mac(body, secret, str(at_s))}"


def check_signature(header: str | None, body: bytes, secrets: Sequence[str], now_s: float) -> None:
    """Accept a signature by any of the secrets: while one is replaced, the gateway may use the old or the new one.

    Raises NotSigned.
    """
    if not secrets:
        raise NotSigned("the server has no secret for signatures, so it accepts no call: set webhook_secret")
    if header is None:
        raise NotSigned(f"the header {HEADER} is missing")
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == _VERSION]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12):  # noqa: PLR2004 - the year 33,658
        raise NotSigned(f"the header {HEADER} has no time: t=SECONDS,{_VERSION}=SIGNATURE")
    if abs(now_s - int(times[0])) > TOLERANCE_S:
        raise NotSigned(f"the signature is not from the last {TOLERANCE_S} seconds")
    # Over the text of the time as it was sent. Every pair is compared, however early one matches.
    expected = [_mac(body, secret, times[0]).encode() for secret in secrets]
    matches = [hmac.compare_digest(each.encode(), right) for each in signatures for right in expected]
    if not any(matches):
        raise NotSigned("the signature does not match the body and the time")


def _mac(body: bytes, secret: str, at: str) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, sha256).hexdigest()
