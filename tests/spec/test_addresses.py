"""What `twinsaga up` tells its user when everything answers."""

import pytest

from tests.stack import Stack


@pytest.mark.parametrize("name", ["api", "temporal_ui", "flower", "mail"])
def test_it_says_where_to_look(stack: Stack, name: str) -> None:
    assert stack.ready[name] in stack.printed
