"""What `twinsaga up` tells its user when everything answers."""

import pytest

from tests.stack import Stack

# The UI belongs to the embedded Temporal; that of a real server is not ours to serve, so the ready file names none.
EMBEDDED_UI = pytest.param("temporal_ui", marks=pytest.mark.embedded)


@pytest.mark.parametrize("name", ["api", EMBEDDED_UI, "flower", "mail"])
def test_it_says_where_to_look(stack: Stack, name: str) -> None:
    assert stack.ready[name] in stack.printed
