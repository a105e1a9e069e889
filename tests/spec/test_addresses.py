"""`twinsaga up` prints its addresses once everything answers."""

import pytest

from tests.support.stack import Stack

NO_UI = "the stack does not start the UI of a real Temporal server, so the ready file names none"
EMBEDDED_UI = pytest.param("temporal_ui", marks=pytest.mark.embedded(NO_UI))


@pytest.mark.parametrize("name", ["api", EMBEDDED_UI, "flower", "mail"])
def test_it_prints_the_addresses(stack: Stack, name: str) -> None:
    assert stack.ready[name] in stack.printed
