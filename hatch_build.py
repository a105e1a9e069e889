"""Refuses to build a wheel of twinsaga: see docs/decisions/0022-the-application-is-no-wheel.md."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WHY = (
    "twinsaga is an application that runs from its checkout or its image, not a package. Its folders have names such as"
    " `services` and `api`, which would overwrite those of other packages in site-packages.\n"
    "Run `make setup` in the checkout, or build the Dockerfile. The library of the bridges is a package: ./bridges"
)


class OnlyEditable(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is hatchling's own
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the base class's
        if version != "editable":
            raise SystemExit(WHY)
