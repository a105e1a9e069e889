"""Writes what is generated for readers of the repository: `make docs`.

The schemas in `docs/events/` are the published contract. A change that breaks it is not written over it.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from choreography.picture import picture_of_the_choreography, table_of_the_policies
from event_catalog.asyncapi import ORDER_REQUEST, asyncapi_document
from event_catalog.compatibility import Schema, broken_contracts
from event_catalog.schemas import DIALECT, event_schemas, told
from runtime.errors import CannotRun
from services.intake.order_body import OrderPairBody

ROOT = Path(__file__).parents[1]
EVENTS = Path("docs/events")
_BLOCKS = {
    "choreography": lambda: f"```mermaid\n{picture_of_the_choreography()}```\n",
    "policies": table_of_the_policies,
}
_PAGES = (Path("docs/choreography.md"),)
_WHAT_TO_DO = """
Give a new field a default, keep what is there, or add an event of a new type beside it. Where a break is meant, delete
the published schema first: then it is seen in the review."""


def published_schemas(root: Path = ROOT) -> Mapping[str, Schema]:
    """The committed ones, by event type: the names of their files are the tags, each of two words."""
    return {file.stem: json.loads(file.read_text()) for file in sorted((root / EVENTS).glob("*.*.json"))}


def generated(root: Path = ROOT) -> Mapping[Path, str]:
    """Every generated file, by its path below the root. Of the pages there only the marked parts are renewed."""
    order_request = {"$schema": DIALECT, "title": ORDER_REQUEST, **told(OrderPairBody.model_json_schema())}
    events = {**event_schemas(), ORDER_REQUEST: order_request, "asyncapi": asyncapi_document()}
    files = {EVENTS / f"{name}.json": f"{json.dumps(content, indent=2)}\n" for name, content in events.items()}
    return files | {page: with_blocks((root / page).read_text()) for page in _PAGES}


def with_blocks(page: str) -> str:
    """Renew what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`."""
    for name, block in _BLOCKS.items():
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        before, found, rest = page.partition(begin)
        if found:
            page = f"{before}{begin}{block()}{end}{rest.partition(end)[2]}"
    return page


def write_documents(root: Path = ROOT) -> None:
    """Raises CannotRun, and writes nothing, when an event has changed so that it breaks its readers or writers."""
    broken = broken_contracts(published_schemas(root), event_schemas())
    if broken:
        raise CannotRun(
            "The events have changed in a way that breaks somebody:\n  " + "\n  ".join(broken) + _WHAT_TO_DO
        )
    for path, content in generated(root).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)


if __name__ == "__main__":
    try:
        write_documents()
    except CannotRun as refused:
        sys.exit(str(refused))
