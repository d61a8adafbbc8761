"""Note what a web UI's checkout defines: `python -m tests.hosts.signatures CHECKOUT NAME` writes NAME.json.xz here.

Only its source is read, nothing of it is run.
"""

from __future__ import annotations

import ast
import json
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FOLDERS = ("backend", "ldm_patched/modules", "modules", "modules_forge")
"""Where the modules are that an adapter or a stub may use."""


def main() -> None:
    checkout, name = Path(sys.argv[1]), sys.argv[2]
    wanted = {module for path in HERE.glob("*.json.xz") for module in json.loads(lzma.decompress(path.read_bytes()))}
    found = {}
    for folder in FOLDERS:
        for path in sorted((checkout / folder).rglob("*.py")):
            module = ".".join(path.relative_to(checkout).with_suffix("").parts)
            if module in wanted:
                found[module] = note(ast.parse(path.read_text("utf-8")))
    text = json.dumps(found, sort_keys=True)
    (HERE / f"{name}.json.xz").write_bytes(lzma.compress(text.encode(), preset=9))
    print(f"{len(found)} modules of {checkout}")


def note(tree: ast.Module) -> dict[str, Any]:
    """What a module defines: functions with their parameters, classes, variables, and what it imports."""
    body = list(_run_at_import(tree.body))
    return {
        "functions": _list_functions(body),
        "classes": {node.name: _describe_class(node) for node in body if isinstance(node, ast.ClassDef)},
        "names": sorted({name for node in body for name in _list_assigned(node)}),
        "imports": sorted(line for node in body for line in _list_imported(node)),
    }


def _run_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements, those inside `if`, `try` and `with` too."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            inner = [*node.body, *getattr(node, "orelse", ())]
            for handler in getattr(node, "handlers", ()):
                inner += handler.body
            yield from _run_at_import(inner)


def _list_functions(body: list[ast.stmt]) -> dict[str, str]:
    return {n.name: ast.unparse(n.args) for n in body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}


def _describe_class(node: ast.ClassDef) -> dict[str, Any]:
    """Methods, and all that a class or its instances carry."""
    own = {name for inner in ast.walk(node) for name in _list_assigned(inner, "self")}
    own |= {name for inner in node.body for name in _list_assigned(inner)}
    own |= {inner.name for inner in node.body if isinstance(inner, ast.ClassDef)}
    return {
        "attributes": sorted(own),
        "bases": [ast.unparse(b) for b in node.bases],
        "methods": _list_functions(node.body),
    }


def _list_assigned(node: ast.AST, owner: str = "") -> list[str]:
    """Names that a statement gives a value; with `owner`, its attributes instead."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    flat = [each for target in targets for each in ast.walk(target)]
    if not owner:
        return [each.id for each in flat if isinstance(each, ast.Name)]
    of = [each for each in flat if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name)]
    return [each.attr for each in of if each.value.id == owner]  # type: ignore[attr-defined]


def _list_imported(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import):
        return [f"{each.asname or each.name} <- {each.name}" for each in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{each.asname or each.name} <- {node.module}.{each.name}" for each in node.names]
    return []


main()
