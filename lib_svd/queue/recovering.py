"""What a job that was ended in mid-work had made already: the clip itself, or the latents it was to be made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lib_svd.animate import Order
from lib_svd.clip import SavedClip
from lib_svd.errors import BadInput
from lib_svd.files import NOTED, finish_left
from lib_svd.infotext import read_infotext
from lib_svd.jobs import remember_clip, reopen_clip
from lib_svd.latents import SUFFIX, SavedLatents, load_latents
from lib_svd.places import list_data_folders
from lib_svd.request import add_source
from lib_svd.studio import Studio

_NUMBER = re.compile(r"-svd-(\d{4,})$")


def recover(studio: Studio, order: Order, planned: Path) -> SavedClip | None:
    """Give the clip that an order had become, or make it of the latents that were kept; None: nothing is there.

    Args:
        studio: decodes the latents.
        order: the order, made anew; its clip would get the name that it says.
        planned: the name that it was to get when it was begun first.

    Raises:
        what `animate.decode_again` raises.
    """
    clip = find_clip(planned, add_source(order.request.write_infotext(), order.source))
    latents = _find_latents(planned, order)
    saved = None
    if clip is not None:
        saved = reopen_clip(clip)
        if not clip.with_suffix(NOTED).exists():
            saved = remember_clip(saved, order.request, order.picture_path)
    elif latents is not None:
        saved = studio.decode_again(latents, order.checkpoint, order.to)
        note = "It was made of the latents that were kept when the program ended."
        saved = replace(saved, notes=(*saved.notes, note))
    if latents is not None and latents.path is not None:
        latents.path.unlink(missing_ok=True)
    return saved


def find_clip(planned: Path, infotext: str) -> Path | None:
    """Find the clip with these settings that has got the planned name, or a later number, here or in a second
    place.
    """
    for path in _list_named_since(planned, planned.suffix):
        with suppress(BadInput):
            if read_infotext(path).strip() == infotext.strip():
                return path
    return None


def _find_latents(planned: Path, order: Order) -> SavedLatents | None:
    for path in _list_named_since(planned, SUFFIX):
        with suppress(BadInput):
            found = load_latents(path)
            if found.request == order.request and found.source == order.source:
                return found
    return None


def _list_named_since(planned: Path, suffix: str) -> Iterator[Path]:
    """List files of a suffix that are called as planned, or got a later number since; numbers only grow."""
    number = _NUMBER.search(planned.stem)
    base, least = _NUMBER.sub("", planned.stem), int(number[1]) if number else 0
    for folder in (planned.parent, *list_data_folders()):
        finish_left(folder)
        for path in sorted(folder.glob(f"*{suffix}")):
            stem = path.name.removesuffix(suffix)
            own = _NUMBER.search(stem)
            if stem == planned.stem or (own and _NUMBER.sub("", stem) == base and int(own[1]) >= least):
                yield path
