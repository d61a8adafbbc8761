"""Small things that everybody imports."""

from __future__ import annotations

import os
import re
from pathlib import Path

_opened: list[str] = []
"""Folders that were to be shown on the screen; a test host has none."""


def natural_sort_key(s, regex=re.compile("([0-9]+)")):
    return [int(part) if part.isdigit() else part.lower() for part in regex.split(s)]


def listfiles(dirname):
    entries = (entry for entry in Path(dirname).iterdir() if entry.is_file() and not entry.name.startswith("."))
    return sorted(map(str, entries), key=natural_sort_key)


def open_folder(path):
    if not Path(path).is_dir():
        print(f"There is no folder {path}.")
        return
    _opened.append(str(path))
    print(f"Would open {path}")


def walk_files(path, allowed_extensions=None):
    for root, _, names in os.walk(path, followlinks=True):
        for name in sorted(names, key=natural_sort_key):
            if allowed_extensions is None or Path(name).suffix.lower() in allowed_extensions:
                yield str(Path(root) / name)
