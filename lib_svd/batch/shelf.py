"""The folder that clips go to: each has its key in its name, so that what is there is what is done."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lib_svd.batch.item import KEY_DIGITS, Item, derive_key
from lib_svd.errors import BadInput
from lib_svd.files import NOTED, find_free_names, finish_left, is_left, make_hidden_names
from lib_svd.latents import SUFFIX, SavedLatents, load_latents
from lib_svd.places import list_data_folders
from lib_svd.strangers import make_showable

LONGEST_STEM = 120  # bytes of a picture's name that its clip's begins with; disks take names of 255
_KEY = rf"-(?P<key>[0-9a-f]{{{KEY_DIGITS}}})"
_CLIP = re.compile(rf".*{_KEY}(-svd-\d{{4,}})?\.mp4", re.DOTALL)
_LATENTS = re.compile(rf".*{_KEY}(-svd-\d{{4,}}|-\d{{1,3}})?{re.escape(SUFFIX)}", re.DOTALL)


class Shelf:
    """Clips by their keys, in a folder that need not be there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        finish_left(folder)

    def find_clips(self) -> dict[str, Path]:
        """Find every clip by its key."""
        return {
            match["key"]: self.folder / match[0] for match in map(_CLIP.fullmatch, _list_names(self.folder)) if match
        }

    def choose_name(self, item: Item) -> Path:
        """Name a clip that is not there yet: after its picture, with its key."""
        stem = make_showable(Path(item.name).stem).encode()[:LONGEST_STEM].decode(errors="ignore")
        return next(find_free_names(self.folder / f"{stem}-{item.key}.mp4", [".mp4", ".txt", NOTED]))

    def find_latents(self, item: Item) -> SavedLatents | None:
        """Read what a program that was killed kept of a clip; None: it kept nothing that can be used."""
        for path in self._list_latents({item.key}):
            with suppress(BadInput):
                saved = load_latents(path)
                if derive_key(item.digest, saved.request) == item.key:
                    return saved
        return None

    def drop_latents(self, keys: Container[str]) -> None:
        """Remove what was kept of clips that are done."""
        for path in self._list_latents(keys):
            with suppress(OSError):
                path.unlink()

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Keep other programs from making the same clip meanwhile; gives whether none of them is at it already.

        Of two that begin at once, both may be told that the other one is: then both try again later. A program that is
        killed holds nothing.
        """
        with make_hidden_names(self.folder) as hidden:
            mine = hidden("").with_name(key)
            mine.touch()
            others = (claimed.parent for claimed in self.folder.glob(f".svd-*/{key}") if claimed != mine)
            yield not any(map(_is_held, others))

    def _list_latents(self, keys: Container[str]) -> list[Path]:
        folders = [self.folder, *list_data_folders()]
        found = (
            (folder, match) for folder in folders for match in map(_LATENTS.fullmatch, _list_names(folder)) if match
        )
        return [folder / match[0] for folder, match in found if match["key"] in keys]


def is_noted(clip: Path) -> bool:
    """Tell whether a clip's note is there, which is written last of all: without one, its program was killed."""
    return clip.with_suffix(NOTED).is_file()


def _is_held(folder: Path) -> bool:
    try:
        return not is_left(folder)
    except OSError:  # it has gone meanwhile
        return False


def _list_names(folder: Path) -> list[str]:
    """List what is in a folder; nothing where it is not there."""
    try:
        with os.scandir(folder) as found:
            return [each.name for each in found]
    except OSError:
        return []
