"""The name of an installation: given by its operator, or chosen by a stack that is complete."""

import pytest
from pydantic import ValidationError

from embedded.stack import named
from runtime.settings import Settings
from services.names import SERVICES

COMPLETE = ("kafka", *SERVICES, "api")


def test_a_stack_with_its_own_broker_and_all_services_gets_a_new_name_each_time() -> None:
    first, second = (named(Settings(), COMPLETE).installation for _ in range(2))

    assert first.startswith("up-")
    assert first != second
    assert Settings(installation=first).installation == first


@pytest.mark.parametrize("names", [COMPLETE[1:], COMPLETE[:2], ("kafka",)])
def test_a_part_of_an_installation_gets_no_name_that_the_others_do_not_have(names: tuple[str, ...]) -> None:
    assert named(Settings(), names).installation == ""


def test_a_given_name_stays() -> None:
    assert named(Settings(installation="eu-1"), COMPLETE).installation == "eu-1"


@pytest.mark.parametrize("name", ["EU", "a b", "a\nb", "x" * 41, "ü"])
def test_a_name_that_a_header_could_not_show_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Settings(installation=name)
