"""What `twinsaga up` tells its user when everything answers."""

import pytest

from tests.support.stack import Stack

UI_OF_OTHERS = "a real Temporal's UI is not ours to start, so the ready file names none"
EMBEDDED_UI = pytest.param("temporal_ui", marks=pytest.mark.embedded(UI_OF_OTHERS))


@pytest.mark.parametrize("name", ["api", EMBEDDED_UI, "flower", "mail"])
def test_it_says_where_to_look(stack: Stack, name: str) -> None:
    assert stack.ready[name] in stack.printed
