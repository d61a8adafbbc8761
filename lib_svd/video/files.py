"""Files that appear whole or not at all, and never over a file that is there."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def hidden_names(folder: Path) -> Iterator[Callable[[str], Path]]:
    """Names for unfinished files in `folder`: a function of the suffix; what is left of them is removed at the end.

    The names are short, so that they fit wherever the finished name does, and the files are made by whoever opens
    them, so that they get the permissions the user is used to (`tempfile` would make them private).
    """
    stem = f".svd-{secrets.token_hex(8)}"
    try:
        yield lambda suffix: folder / f"{stem}{suffix}"
    finally:
        for left in folder.glob(f"{stem}.*"):
            left.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Bring a file to the disk, so that a power cut after the rename cannot leave an empty one."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def publish(hidden: Path, target: Path) -> None:
    """Give a finished file its name, in the same folder.

    Raises:
        FileExistsError: the name is taken, be it since this moment; both files are as they were.
    """
    if os.name == "nt":
        hidden.rename(target)  # refuses a name that is taken, unlike POSIX
        return
    try:
        target.hardlink_to(hidden)  # the one call of POSIX that names a file and never replaces one
    except FileExistsError:
        raise
    except OSError:  # FAT, some network disks: no links; if something else is wrong, this meets it again and says so
        _claim(hidden, target)
    else:
        hidden.unlink()


def _claim(hidden: Path, target: Path) -> None:
    """`publish` without links: make the name ours first, then replace our own empty file."""
    target.touch(exist_ok=False)
    try:
        hidden.replace(target)
    except BaseException:
        target.unlink()
        raise


def publish_together(hidden: Sequence[Path], out: Path) -> tuple[Path, ...]:
    """Give files that belong together `out`'s name, each with its own suffix; if one is taken, the next free name.

    Returns:
        The names given, in the order of `hidden`.
    """
    stem = re.sub(r"-svd-\d{4,}$", "", out.stem)
    for _ in range(100):  # each time round, someone else was faster
        names = tuple(out.with_suffix(path.suffix) for path in hidden)
        try:
            _publish_all(hidden, names)
        except FileExistsError:
            out = free_name(out.parent, stem, out.suffix)
        else:
            return names
    raise FileExistsError(f"every name like {out} was taken at once")


def _publish_all(hidden: Sequence[Path], names: Sequence[Path]) -> None:
    """All or none; a file whose fellow finds no place becomes hidden again."""
    placed: list[tuple[Path, Path]] = []
    try:
        for path, name in zip(hidden, names, strict=True):
            publish(path, name)
            placed.append((path, name))
    except BaseException:
        for path, name in placed:
            name.replace(path)
        raise


def free_name(folder: Path, stem: str, suffix: str) -> Path:
    """The next numbered name in `folder`: `stem-svd-0001.mp4`, one above the highest number there of any suffix."""
    numbered = re.compile(re.escape(stem) + r"-svd-(\d{4,})(?!\d)", re.IGNORECASE)
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    numbers = [int(match[1]) for match in map(numbered.match, names) if match]
    return folder / f"{stem}-svd-{max(numbers, default=0) + 1:04d}{suffix}"
