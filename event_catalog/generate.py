"""Writes the generated documents: `make docs`.

The schemas in `docs/events/` are the published contract. An incompatible change does not overwrite it.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from choreography.picture import picture_of_the_choreography, table_of_the_policies
from event_catalog.asyncapi import ORDER_REQUEST, asyncapi_document
from event_catalog.compatibility import Schema, broken_contracts
from event_catalog.saga_canvas import choreographed_canvas, orchestrated_canvas
from event_catalog.schemas import DIALECT, event_schemas, simplified
from runtime.errors import CannotRun
from services.intake.order_body import OrderPairBody

ROOT = Path(__file__).parents[1]
EVENTS = Path("docs/events")
_BLOCKS = {
    "choreography": lambda: f"```mermaid\n{picture_of_the_choreography()}```\n",
    "policies": table_of_the_policies,
    "orchestrated-canvas": orchestrated_canvas,
    "choreographed-canvas": choreographed_canvas,
}
_PAGES = (Path("docs/choreography.md"), Path("docs/saga-canvas.md"))
_WHAT_TO_DO = """
Give a new field a default, keep the existing ones, or add an event of a new type. If the break is intended, delete the
published schema first, so that the review shows it."""


def published_schemas(root: Path = ROOT) -> Mapping[str, Schema]:
    """The committed schemas by event type, which is their file name; other files have no dot in their stem."""
    return {file.stem: json.loads(file.read_text()) for file in sorted((root / EVENTS).glob("*.*.json"))}


def generated(root: Path = ROOT) -> Mapping[Path, str]:
    """The content of every generated file, by its path below the root. Of the pages only the marked parts change."""
    order_request = {"$schema": DIALECT, "title": ORDER_REQUEST, **simplified(OrderPairBody.model_json_schema())}
    events = {**event_schemas(), ORDER_REQUEST: order_request, "asyncapi": asyncapi_document()}
    files = {EVENTS / f"{name}.json": f"{json.dumps(content, indent=2)}\n" for name, content in events.items()}
    return files | {page: with_blocks((root / page).read_text()) for page in _PAGES}


def with_blocks(page: str) -> str:
    """Replace the text between `<!-- NAME:begin -->` and `<!-- NAME:end -->`."""
    for name, block in _BLOCKS.items():
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        before, found, rest = page.partition(begin)
        if found:
            page = f"{before}{begin}{block()}{end}{rest.partition(end)[2]}"
    return page


def write_documents(root: Path = ROOT) -> None:
    """Raises CannotRun, and writes nothing, if an event has changed incompatibly."""
    broken = broken_contracts(published_schemas(root), event_schemas())
    if broken:
        raise CannotRun("Incompatible changes of events:\n  " + "\n  ".join(broken) + _WHAT_TO_DO)
    for path, content in generated(root).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)


if __name__ == "__main__":
    try:
        write_documents()
    except CannotRun as refused:
        sys.exit(str(refused))
