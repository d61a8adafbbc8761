"""Where models are: listing folders, and finding a model by the name a user gives."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lib_svd.checkpoints.sources import is_model_folder
from lib_svd.errors import BadCheckpoint

SUFFIX = ".safetensors"
DEMO = Path(__file__).parents[1] / "demo" / "demo.safetensors"
"""The model that comes with the program, to see how it works; see docs/demo-model.md."""
SHOWN = 5


def find_checkpoints(dirs: Iterable[Path]) -> list[Path]:
    """Every .safetensors file and diffusers folder below the folders, in natural order folder by folder, each once.

    Nothing is opened: an image model is listed too. Hidden names and folders that are not there are passed over.
    """
    found: dict[Path, Path] = {}
    seen: set[Path] = set()
    for folder in dirs:
        for path in sorted(_walk(Path(folder), seen), key=lambda p: _natural(p, Path(folder))):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def resolve(name: str, dirs: Iterable[Path], is_usable: Callable[[Path], bool]) -> Path:
    """The model that a user of the command line means, who may name any file; see `named` for all others.

    Args:
        name: a path, or a name in one of the folders, with or without suffix and subfolder.
        dirs: folders to look in, in this order.
        is_usable: whether a model that is there may be offered instead; asked only where `name` is nowhere.

    Raises:
        BadCheckpoint: it is nowhere; says what is there and where was looked.
    """
    given = Path(name).expanduser()
    if name and (given.is_file() or (given.is_dir() and is_model_folder(given)) or given.is_absolute()):
        return given
    return named(name, dirs, is_usable)


def named(name: str, dirs: Iterable[Path], is_usable: Callable[[Path], bool]) -> Path:
    """The model of that name in one of the folders; nothing outside of them is looked at, so that nobody learns of it.

    Args:
        name: as a user says it, with or without suffix and subfolder, or the whole path.
        dirs: folders to look in, in this order.
        is_usable: whether a model that is there may be offered instead; asked only where `name` is nowhere.

    Raises:
        BadCheckpoint: it is nowhere, or elsewhere; says what is there and where was looked.
    """
    folders = [Path(folder) for folder in dirs]
    models = find_checkpoints(folders)
    if meant := _meant(name, models, folders):
        return meant
    for folder in folders:
        path = folder / name
        if path.is_relative_to(folder) and ".." not in path.parts and _is_there(path):
            return path  # no model by its name; `recognise` says what it is
    offered = [_name_of(path, models, folders) for path in models if is_usable(path)]
    raise BadCheckpoint(_not_found(name, offered, folders))


def _is_there(path: Path) -> bool:
    try:
        return path.is_file() or is_model_folder(path)
    except (OSError, ValueError):  # no name that a file could have
        return False


def _meant(name: str, models: list[Path], folders: list[Path]) -> Path | None:
    """The model of that name among these; one in a folder itself comes before one in a subfolder."""
    wanted = name.replace("\\", "/").strip("/").lower()
    for names in (_paths_below, _bare_names):
        for path in models:
            if wanted and any(wanted in names(path, folder) for folder in folders):
                return path
    return None


def _name_of(path: Path, models: list[Path], folders: list[Path]) -> str:
    """The shortest name that means this model and no other of the same file name."""
    below = next(path.relative_to(folder) for folder in folders if path.is_relative_to(folder))
    return next((name for name in (path.name, below.as_posix()) if _meant(name, models, folders) == path), str(path))


def _walk(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Models below a folder. Links to folders are followed once, so that a loop of them ends."""
    for root, subfolders, files in os.walk(folder, followlinks=True):
        here = Path(root)
        if here.resolve() in seen:
            subfolders.clear()
            continue
        seen.add(here.resolve())
        if is_model_folder(here):
            subfolders.clear()
            yield here
            continue
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        yield from (here / name for name in files if name.lower().endswith(SUFFIX) and not name.startswith("."))


def _natural(path: Path, folder: Path) -> list[tuple[int, int, str]]:
    """Sort key in which svd_9 comes before svd_10, whatever the case."""
    pieces = re.split(r"(\d+)", path.relative_to(folder).as_posix().lower())
    return [(0, int(piece), "") if piece.isdigit() else (1, 0, piece) for piece in pieces]


def _paths_below(path: Path, folder: Path) -> set[str]:
    """A model's path below the folder, in lower case, with and without suffix."""
    return _with_and_without_suffix(path.relative_to(folder).as_posix()) if path.is_relative_to(folder) else set()


def _bare_names(path: Path, folder: Path) -> set[str]:
    """A model's name in lower case, with and without suffix."""
    return _with_and_without_suffix(path.name) if path.is_relative_to(folder) else set()


def _with_and_without_suffix(name: str) -> set[str]:
    return {name.lower(), name.lower().removesuffix(SUFFIX)}


def _not_found(name: str, offered: list[str], folders: list[Path]) -> str:
    where = ", ".join(str(folder) for folder in folders) or "no folder"
    there = ", ".join(offered[:SHOWN]) or "no SVD model"
    more = f" and {len(offered) - SHOWN} more" if len(offered) > SHOWN else ""
    do = "name one of these or put yours there" if offered else "put yours there"
    return f"No model is called {name!r}: looked in {where} and found {there}{more}; {do}."
