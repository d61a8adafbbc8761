"""Whose a package is: the web UI's own, or one that another extension brings along.

Extensions' folders stand on the path before the web UI's, and some bring a package under the very name by which a host
is known: a port of Forge's old tab has a `ldm_patched` of its own.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path


def is_own(module: str) -> bool:
    """Tell whether the web UI itself has a module. Of a package that an extension brings, nothing is run to find
    out.
    """
    package = module.rpartition(".")[0]
    if package and not is_own(package):
        return False
    try:
        found = importlib.util.find_spec(module)
    except ValueError:  # a stand-in that somebody put among the imported modules
        return False
    if found is None:
        return False
    places = [found.origin, *(found.submodule_search_locations or ())]
    return bool(package) or module == "modules" or not any(place and _is_brought(place) for place in places)


def _is_brought(place: str) -> bool:
    """Tell whether a file or folder lies in an extension; where there is no web UI, nothing does."""
    if importlib.util.find_spec("modules") is None or importlib.util.find_spec("modules.paths") is None:
        return False
    from modules import paths

    names = ("extensions_dir", "extensions_builtin_dir")  # `Need.OTHERS`
    folders = [Path(getattr(paths, name)).absolute() for name in names if hasattr(paths, name)]
    there = [Path(place).absolute(), Path(place).resolve()]  # an extension may be a link to elsewhere, and so a folder
    return any(path.is_relative_to(each) for path in there for folder in folders for each in (folder, folder.resolve()))
