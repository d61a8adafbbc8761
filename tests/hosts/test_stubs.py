"""The stub hosts have nothing that the real ones have not, by the same name and with the same parameters.

`signatures/` holds what the real hosts define; `python -m tests.hosts.signatures` notes it. Of A1111 there is no such
list; what its stub defines is held against reForge and Classic, which took those modules over from it.

| list | of |
|---|---|
| forge | Forge dfdcbab6, June 2025 |
| reforge | reForge 3b56b268, March 2026 |
| classic | Forge Classic, branch `classic`, February 2025 |
| older_neo | ussoewwin/stable-diffusion-webui-forge-nunchaku, a tree of the Neo line of January 2026 |
| neo | exo101/sd-webui-forge-neo-v3 5692d2d, folder `webui`, Neo 2.26 of August 2026 |
"""

from __future__ import annotations

import ast
import json
import lzma
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.stub_hosts import FOLDERS, STUBS

HERE = Path(__file__).parent
UNLISTED = {
    *("modules.fifo_lock", "modules.shared_cmd_options", "modules.lowvram"),  # nobody noted their signatures
    "modules.api.models",  # its classes are made while it is imported
    "modules.img2img",  # takes its three dozen parameters as one
}
"""Modules that are not compared."""
OWN = {
    *("call_queue", "devices", "errors", "options", "paths", "paths_internal", "sd_models", "shared", "shared_state"),
    "upscaler",
}
"""Modules of `stubs/common` that the adapters use in every host. The others make up a page, which is Forge's."""
LISTS = {name: (name,) for name in FOLDERS} | {"a1111": ("reforge", "classic")}


def list_stub_files() -> Iterator[tuple[str, str, Path]]:
    """Signature list, module, file."""
    for host, folders in FOLDERS.items():
        taken = set(UNLISTED)
        for folder in folders:
            for path in sorted((STUBS / folder).rglob("*.py")):
                module = ".".join(path.relative_to(STUBS / folder).with_suffix("").parts)
                of_page = folder == "common" and path.stem not in OWN
                if module.startswith("stub_") or module in taken or (of_page and host != "forge"):
                    continue
                taken.add(module)  # a host's own stands before what several share
                if host != "a1111" or folder == "a1111":
                    yield from ((signatures, module, path) for signatures in LISTS[host])


@cache
def read_listed(host: str) -> dict[str, Any]:
    return json.loads(lzma.decompress((HERE / "signatures" / f"{host}.json.xz").read_bytes()))


def list_parameters(function: ast.FunctionDef) -> list[tuple[str, str, bool]]:
    """Kind, name, and whether there is a default, of every parameter."""
    given = function.args
    plain = [*given.posonlyargs, *given.args]
    optional = len(plain) - len(given.defaults)
    return [
        *(("plain", a.arg, i >= optional) for i, a in enumerate(plain)),
        *(("rest", given.vararg.arg, False) for _ in [0] if given.vararg),
        *(("keyword", a.arg, d is not None) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)),
        *(("named rest", given.kwarg.arg, False) for _ in [0] if given.kwarg),
    ]


def read_declared(signature: str) -> list[tuple[str, str, bool]]:
    return list_parameters(ast.parse(f"def f({signature}): ...").body[0])  # type: ignore[arg-type]


def is_public(name: str) -> bool:
    return not name.startswith("_") or name == "__init__"


def list_wrong_functions(body: list[ast.stmt], known: dict[str, str], where: str) -> list[str]:
    found = {
        n.name: n for n in body if isinstance(n, ast.FunctionDef) and is_public(n.name)
    }  # a setter after its getter
    return [
        f"{where}{name}({ast.unparse(function.args)}), not ({known.get(name)})"
        for name, function in found.items()
        if name not in known or read_declared(known[name]) != list_parameters(function)
    ]


def list_wrong_names(tree: ast.Module, known: dict[str, Any]) -> list[str]:
    """Variables and re-exports that the host's module has not."""
    names = {*known.get("names", ()), *known.get("functions", ()), *known.get("classes", ())}
    names |= {line.split(" <- ")[0].partition(".")[0] for line in known.get("imports", ())}
    targets = [t for n in tree.body if isinstance(n, ast.Assign) for t in n.targets]
    targets += [n.target for n in tree.body if isinstance(n, ast.AnnAssign)]
    return [t.id for t in targets if isinstance(t, ast.Name) and is_public(t.id) and t.id not in names]


def list_wrong(module: str, tree: ast.Module, known: dict[str, Any]) -> list[str]:
    found = list_wrong_functions(tree.body, known.get("functions", {}), "")
    for node in (n for n in tree.body if isinstance(n, ast.ClassDef) and is_public(n.name)):
        theirs = known.get("classes", {}).get(node.name)
        if theirs is None:
            found.append(f"class {node.name}")
            continue
        found += list_wrong_functions(node.body, theirs["methods"], f"{node.name}.")
        nested = {n.name for n in node.body if isinstance(n, ast.ClassDef)}
        found += [f"class {node.name}.{name}" for name in nested - set(theirs["attributes"])]
    return [f"{module}: {what}" for what in [*found, *list_wrong_names(tree, known)]]


@pytest.mark.parametrize(
    ("signatures", "module", "path"), list_stub_files(), ids=lambda v: v if isinstance(v, str) else v.parts[-2]
)
def test_a_stub_has_nothing_that_its_host_has_not(signatures, module, path):
    assert module in read_listed(signatures), f"{signatures} has no module {module}"
    assert list_wrong(module, ast.parse(path.read_text("utf-8")), read_listed(signatures)[module]) == []


@pytest.mark.parametrize(
    "mistake",
    [
        "def load_models_gpu(models, memory_needed=0, hard_memory_preservation=0): ...",
        "def load_models_gpu(models, memory_required, hard_memory_preservation=0): ...",
        "def load_models(models): ...",
        "class Loaded: ...",
        "class LoadedModel:\n    def unload(self): ...",
        "loaded_models = []",
    ],
)
def test_a_stub_that_is_wrong_is_found(mistake):
    known = read_listed("forge")["backend.memory_management"]
    assert len(list_wrong("m", ast.parse(mistake), known)) == 1


def test_private_helpers_and_test_control_are_free():
    assert (
        list_wrong(
            "m", ast.parse("_stub = 1\ndef _load(): ...\nclass _Stub: ..."), read_listed("forge")["modules.shared"]
        )
        == []
    )
