"""The public surface of the bridges, as text: `python -m tests.support.public_surface` writes the kept file.

It is read from the source, so a signature looks as it is written there.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.checkout import ROOT

LIBRARY = ROOT / "bridges" / "twinsaga_bridges"
KEPT = ROOT / "bridges" / "public-surface.txt"
PUBLIC_MODULES = (
    "workflow_into_celery",
    "celery_into_workflow",
    "kafka_into_workflow",
    "workflow_into_kafka",
    "kafka.outgoing",
    "handled_events",
    "testing.celery",
    "testing.kafka",
)
"""bridges/README.md promises them."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


def public_surface() -> str:
    return "\n".join(
        line for module in PUBLIC_MODULES for line in [f"twinsaga_bridges.{module}", *_lines_of(module), ""]
    )


def _lines_of(module: str) -> Iterator[str]:
    for name in sorted(_exported(module)):
        yield from (f"    {line}" for line in _described(_definition(module, name)))


def _exported(module: str) -> list[str]:
    found = _definition(module, "__all__")
    assert isinstance(found, ast.Assign)
    names: list[str] = ast.literal_eval(found.value)
    return names


def _definition(module: str, name: str) -> Definition:
    """Follow imports inside the library to where the name is defined."""
    for node in ast.walk(_tree(module)):
        match node:
            case ast.ImportFrom(module=str(origin), names=names) if origin.startswith("twinsaga_bridges."):
                if any((alias.asname or alias.name) == name for alias in names):
                    return _definition(origin.removeprefix("twinsaga_bridges."), name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if node.name == name:
                return node
            case ast.Assign(targets=[ast.Name(id=target)]) | ast.AnnAssign(target=ast.Name(id=target)):
                if target == name:
                    return node
    raise LookupError(f"{module} exports {name}, and does not define it")


def _tree(module: str) -> ast.Module:
    return ast.parse(Path(LIBRARY, *module.split(".")).with_suffix(".py").read_text())


def _described(node: Definition) -> Iterator[str]:
    match node:
        case ast.ClassDef():
            bases = ", ".join(map(ast.unparse, [*node.bases, *node.keywords]))
            yield f"class {node.name}({bases})" if bases else f"class {node.name}"
            for member in node.body:
                if isinstance(member, Definition) and _is_public(member):
                    yield from (f"    {line}" for line in _described(member))
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
            yield f"{kind} {node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns or ast.Constant(None))}"
        case _:
            yield ast.unparse(node)


def _is_public(member: Definition) -> bool:
    match member:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            return name == "__init__" or not name.startswith("_")
    return False


if __name__ == "__main__":
    KEPT.write_text(public_surface())
