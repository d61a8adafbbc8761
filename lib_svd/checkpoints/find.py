"""Where models are: listing folders, and finding a model by the name a user gives."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from lib_svd.checkpoints.sources import is_model_folder
from lib_svd.errors import BadCheckpoint
from lib_svd.strangers import is_file, is_folder, pad_numbers, quote

SUFFIX = ".safetensors"
PARTS = (
    "unet",
    "vae",
    "image_encoder",
    "feature_extractor",
    "scheduler",
    "text_encoder",
    "tokenizer",
    "safety_checker",
)
"""Folders in a diffusers folder that belong to it; what else lies there are models of their own."""
DEMO = Path(__file__).parents[1] / "demo" / "demo.safetensors"
"""The model that comes with the program, to see how it works; see docs/demo-model.md."""
SHOWN = 5


def find_checkpoints(dirs: Iterable[Path]) -> list[Path]:
    """List every .safetensors file and diffusers folder below the folders, in natural order folder by folder, each
    once.

    Nothing is opened: an image model is listed too. Hidden names and folders that are not there, or that nobody may
    look into, are passed over.
    """
    found: dict[str, Path] = {}
    seen: set[str] = set()
    for folder in map(Path, dirs):
        below = dict(_walk(folder, seen))
        for place in sorted(below, key=pad_numbers):
            found.setdefault(below[place], _join_path(folder, place))
    return list(found.values())


def resolve(name: str, dirs: Iterable[Path], is_usable: Callable[[Path], bool]) -> list[Path]:
    """Find the models that a user of the command line may mean, who may name any file; see `find_named`.

    Args:
        name: a path, or a name in one of the folders, with or without suffix and subfolder.
        dirs: folders to look in, in this order.
        is_usable: whether a model that is there may be offered instead; asked only where `name` is nowhere.

    Raises:
        BadCheckpoint: it is nowhere; says what is there and where was looked.
    """
    given = _expand_home(name)
    if name and (is_file(given) or is_model_folder(given) or given.is_absolute()):
        return [given]
    return find_named(name, dirs, is_usable)


def find_named(name: str, dirs: Iterable[Path], is_usable: Callable[[Path], bool]) -> list[Path]:
    """Find the models of that name in the folders, the one that is meant first: exact case comes before any case.

    Nothing outside of the folders is looked at, so that nobody learns of it.

    Args:
        name: as a user says it, with or without suffix and subfolder, or the whole path.
        dirs: folders to look in, in this order.
        is_usable: whether a model that is there may be offered instead; asked only where `name` is nowhere.

    Raises:
        BadCheckpoint: it is nowhere, or elsewhere; says what is there and where was looked.
    """
    folders = [Path(folder) for folder in dirs]
    if there := find_exactly(name, folders):
        return there
    models = find_checkpoints(folders)
    if meant := find_meant(name, models, folders):
        return meant
    for folder in folders:
        path = folder / name
        if path.is_relative_to(folder) and ".." not in path.parts and (is_file(path) or is_model_folder(path)):
            return [path]  # no model by its name; `recognise` says what it is
    offered = [_find_shortest_name(path, models, folders) for path in models if is_usable(path)]
    raise BadCheckpoint(_explain_not_found(name, offered, folders))


def _expand_home(name: str) -> Path:
    """Put a home folder in place of `~`; the one of a user that nobody knows stays as it is."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def find_exactly(name: str, folders: Iterable[Path]) -> list[Path]:
    """Find the files of that very place below the folders, each once; no folder is gone through for them."""
    parts = name.replace("\\", "/").split("/")
    if any(part == "" or part.startswith(".") or ":" in part for part in parts):
        return []
    end = "" if parts[-1].lower().endswith(SUFFIX) else SUFFIX
    places = (folder.joinpath(*parts[:-1], parts[-1] + end) for folder in folders)
    return list({os.path.realpath(place): place for place in reversed([*filter(is_file, places)])}.values())[::-1]


def find_meant(name: str, models: list[Path], folders: list[Path]) -> list[Path]:
    """Find the models of that name among these; those in a folder itself come before those in a subfolder."""
    wanted = name.replace("\\", "/").strip("/")
    for names in (_list_paths_below, _list_bare_names):
        found = [path for path in models if wanted and any(wanted.lower() in names(path, each) for each in folders)]
        if found:
            return [path for path in found if wanted.removesuffix(SUFFIX) in path.as_posix()] or found
    return []


def _find_shortest_name(path: Path, models: list[Path], folders: list[Path]) -> str:
    """Give the shortest name that means this model and no other of the same file name."""
    below = next(path.relative_to(folder) for folder in folders if path.is_relative_to(folder))
    return next(
        (name for name in (path.name, below.as_posix()) if find_meant(name, models, folders) == [path]), str(path)
    )


def name_models(paths: list[Path], dirs: list[Path]) -> dict[Path, str]:
    """Give the shortest name that means one model alone: its file's, its path below its folder, or its whole path."""
    below = {path: next(path.relative_to(d).as_posix() for d in dirs if path.is_relative_to(d)) for path in paths}
    bare, longer = Counter(path.name for path in paths), Counter(below.values())
    return {
        path: path.name if bare[path.name] == 1 else below[path] if longer[below[path]] == 1 else str(path)
        for path in paths
    }


def _walk(folder: Path, seen: set[str]) -> Iterator[tuple[str, str]]:
    """List the models below a folder: their places in it, and where they really are.

    Links to folders are followed once, so that a loop of them ends.
    """
    waiting = [("", os.path.realpath(folder))]
    while waiting:
        place, real = waiting.pop()
        if real in seen:
            continue
        seen.add(real)
        is_model = is_model_folder(Path(real))
        if is_model:
            yield place.rstrip("/"), real
        for each in _list_entries(real):
            if is_model and each.name in PARTS:
                continue
            inside = os.path.realpath(each.path) if each.is_symlink() else each.path
            if is_folder(Path(inside)) if each.is_symlink() else each.is_dir(follow_symlinks=False):
                waiting.append((f"{place}{each.name}/", inside))
            elif each.name.lower().endswith(SUFFIX):
                yield place + each.name, inside


def _list_entries(folder: str) -> list[os.DirEntry[str]]:
    """List what is in a folder, without hidden names; nothing where nobody may look."""
    try:
        with os.scandir(folder) as entries:
            return [each for each in entries if not each.name.startswith(".")]
    except OSError:
        return []


@lru_cache(maxsize=100_000)
def _join_path(folder: Path, place: str) -> Path:
    """Give the path of a place in a folder; made once, since making 10,000 of them takes longer than listing their
    files.
    """
    return folder / place


def _list_paths_below(path: Path, folder: Path) -> set[str]:
    """Give a model's path below the folder, in lower case, with and without suffix."""
    return _list_with_and_without_suffix(path.relative_to(folder).as_posix()) if path.is_relative_to(folder) else set()


def _list_bare_names(path: Path, folder: Path) -> set[str]:
    """Give a model's name in lower case, with and without suffix."""
    return _list_with_and_without_suffix(path.name) if path.is_relative_to(folder) else set()


def _list_with_and_without_suffix(name: str) -> set[str]:
    return {name.lower(), name.lower().removesuffix(SUFFIX)}


def _explain_not_found(name: str, offered: list[str], folders: list[Path]) -> str:
    where = ", ".join(str(folder) for folder in folders) or "no folder"
    there = ", ".join(offered[:SHOWN]) or "no SVD model"
    more = f" and {len(offered) - SHOWN} more" if len(offered) > SHOWN else ""
    do = "name one of these or put yours there" if offered else "put yours there"
    return f"No model is called {quote(name)}: looked in {where} and found {there}{more}; {do}."
