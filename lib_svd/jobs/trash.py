"""A clip goes to the trash with the files that are its own, and comes back from there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from lib_svd.errors import BadInput
from lib_svd.files import NOTED, TRASH, publish
from lib_svd.jobs import owning
from lib_svd.jobs.history import find_entry, is_real
from lib_svd.jobs.notes import read_note


def move_to_trash(video: Path) -> list[Path]:
    """Move a clip and the files that are its own into the trash folder beside it; gives where they are now.

    Raises:
        BadInput: the clip is not there, was not made here, or cannot be moved.
    """
    own = _list_own(video)
    if video not in own:
        raise BadInput(f"{video} is not known as a clip that was made here, so it stays: move it yourself.")
    return _move(video, own, video.parent / TRASH)


def restore_from_trash(video: Path) -> Path:
    """Move a clip in the trash and the files that are its own back to where they were; gives where the clip is now.

    Raises:
        BadInput: the clip is not in the trash, or cannot be moved.
    """
    if video.parent.name != TRASH or video.parent.is_symlink():
        raise BadInput(f"{video} is not in the trash.")
    moved = _move(video, _list_own(video) or [video], video.parent.parent)
    return next(path for path in moved if path.suffix == video.suffix)


def _list_own(video: Path) -> list[Path]:
    """List a clip's own files, with what was noted on it; raises BadInput where it is not there."""
    own, note = owning.list_own_files(video, find_entry(video).files), video.with_suffix(NOTED)
    if video in own and note not in own and is_real(note) and read_note(note) is not None:
        own.append(note)
    return own


def _move(video: Path, own: Sequence[Path], folder: Path) -> list[Path]:
    """Move a clip's own files into a folder, under its name or one like it that is free; gives where they are now.

    Raises:
        BadInput: that cannot be done, and nothing was moved.
    """
    try:
        folder.mkdir(exist_ok=True)
        if folder.name == TRASH and folder.is_symlink():
            raise BadInput(f"{folder} is a link, so {video} stays: take the link away.")
        taken = {path.stem for path in folder.iterdir()}
        stem = next(name for name in _number_names(video.stem) if name not in taken)
        moved = _move_files({path: folder / (stem + _cut_stem(video, path)) for path in own})
    except OSError as error:
        raise BadInput(f"{video} cannot be moved to {folder} ({error.strerror or error}).") from error
    for place in {path.parent for path in own} - {video.parent}:
        with suppress(OSError):
            place.rmdir()  # where its frames were, if nothing else is there
    return moved


def _cut_stem(video: Path, path: Path) -> str:
    """Give how a file's name goes on after the clip's: `.mp4`, `/00000.png`."""
    return path.relative_to(video.parent).as_posix()[len(video.stem) :]


def _move_files(targets: Mapping[Path, Path]) -> list[Path]:
    """Move files, all or none; raises OSError."""
    done: list[tuple[Path, Path]] = []
    try:
        for path, target in targets.items():
            target.parent.mkdir(exist_ok=True)
            publish(path, target)
            done.append((path, target))
    except OSError:
        for path, target in done:
            publish(target, path)
        raise
    return list(targets.values())


def _number_names(stem: str) -> Iterator[str]:
    """Give `clip`, `clip (2)`, `clip (3)`, ..."""
    yield stem
    yield from (f"{stem} ({n})" for n in count(2))
