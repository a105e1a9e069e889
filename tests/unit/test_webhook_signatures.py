"""Signatures of webhook calls."""

import hashlib
import hmac

import pytest

from api.webhook_signatures import TOLERANCE_S, NotSigned, check_signature, signature_of

BODY, NOW = b'{"order_id": "o-1"}', 1_760_000_000
SECRET, OLD, FOREIGN = "whsec_the_new_secret", "whsec_the_old_secret", "whsec_of_somebody_else"
GOOD = signature_of(BODY, SECRET, NOW)
MAC = GOOD.partition("v1=")[2]


def test_the_signature_is_the_documented_one() -> None:
    mac = hmac.new(SECRET.encode(), b"1760000000." + BODY, hashlib.sha256).hexdigest()

    assert f"t=1760000000,v1={mac}" == GOOD


@pytest.mark.parametrize("secret", [SECRET, OLD])
def test_while_a_secret_is_replaced_both_are_accepted(secret: str) -> None:
    check_signature(signature_of(BODY, secret, NOW), BODY, [SECRET, OLD], NOW)


def test_one_of_several_signatures_is_enough() -> None:
    old = signature_of(BODY, OLD, NOW).partition("v1=")[2]

    check_signature(f"t={NOW}, v0=abc, v1={old}, v1={MAC}", BODY, [SECRET], NOW)


@pytest.mark.parametrize("late_s", [-TOLERANCE_S, 0, TOLERANCE_S])
def test_a_call_may_come_again_within_the_tolerance(late_s: int) -> None:
    check_signature(GOOD, BODY, [SECRET], NOW + late_s)


@pytest.mark.parametrize("late_s", [-TOLERANCE_S - 1, TOLERANCE_S + 1])
def test_an_older_or_younger_call_is_refused(late_s: int) -> None:
    with pytest.raises(NotSigned, match="not from the last 300 seconds"):
        check_signature(GOOD, BODY, [SECRET], NOW + late_s)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (None, "is missing"),
        ("", "has no time"),
        (MAC, "has no time"),
        (f"v1={MAC}", "has no time"),
        (f"t=,v1={MAC}", "has no time"),
        (f"t=x,v1={MAC}", "has no time"),
        (f"t=-1,v1={MAC}", "has no time"),
        (f"t=\u0661,v1={MAC}", "has no time"),
        (f"t={'9' * 4_000},v1={MAC}", "has no time"),
        (f"t={NOW},t={NOW},v1={MAC}", "has no time"),
        (f"t={NOW}", "does not match"),
        (f"t={NOW},v0={MAC}", "does not match"),
        (f"t={NOW},v1={MAC[:-1]}", "does not match"),
        (f"t={NOW},v1=\xff{MAC[1:]}", "does not match"),
        (f"t={NOW + 1},v1={MAC}", "does not match"),
        (f"t=0{NOW},v1={MAC}", "does not match"),
        (signature_of(BODY, FOREIGN, NOW), "does not match"),
        (signature_of(BODY + b" ", SECRET, NOW), "does not match"),
    ],
)
def test_anything_else_is_refused_with_the_reason(header: str | None, why: str) -> None:
    with pytest.raises(NotSigned, match=why):
        check_signature(header, BODY, [SECRET, OLD], NOW)


def test_without_a_secret_nothing_is_accepted() -> None:
    with pytest.raises(NotSigned, match="webhook_secret"):
        check_signature(signature_of(BODY, "", NOW), BODY, [], NOW)
