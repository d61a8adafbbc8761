"""Where work goes that finds no room where it belongs: the user's own data folder, then one for temporary files."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def list_data_folders() -> list[Path]:
    """Give the second place, in the user's own data folder, which need not be there; none for a user without a home."""
    try:
        return [_find_data_folder()]
    except RuntimeError:
        return []


def _find_data_folder() -> Path:
    above: str | Path
    if sys.platform == "win32":
        above = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        above = Path.home() / "Library" / "Application Support"
    else:
        above = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(above).absolute() / "svd-for-forge" / "clips"


def list_second_places() -> Iterator[Path]:
    """Give folders that are there, best first; the last one is new, and goes again if nothing came into it."""
    for folder in list_data_folders():
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            yield folder
    with suppress(OSError):
        fresh = Path(tempfile.mkdtemp(prefix="svd-clips-"))
        try:
            yield fresh
        finally:
            with suppress(OSError):
                fresh.rmdir()  # not where something is in it


def list_places(first: Path) -> Iterator[Path]:
    """Give folders to write to, until one will do: the one that was asked for, then the second places."""
    yield first
    yield from list_second_places()
