"""The public surface of the bridges changes only together with a kept file, where a review sees it."""

from importlib import import_module

import pytest

from tests.support.public_surface import KEPT, PUBLIC_MODULES, public_surface


def test_the_public_surface_is_the_kept_one() -> None:
    assert public_surface() == KEPT.read_text(), "run `make docs`, and describe the change in bridges/CHANGELOG.md"


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_every_public_name_can_be_imported(module: str) -> None:
    imported = import_module(f"twinsaga_bridges.{module}")

    assert [name for name in imported.__all__ if not hasattr(imported, name)] == []
