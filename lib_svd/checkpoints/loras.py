"""LoRAs for a clip: from what a user writes, `fog:0.8, rain`, to the files, held against the model."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from lib_svd.checkpoints.find import find_checkpoints, find_meant
from lib_svd.checkpoints.header import read_stamp
from lib_svd.checkpoints.lora_files import PEFT_CONFIG, Lora, is_lora, match_layers, may_be_for_svd, read_lora
from lib_svd.checkpoints.marks import make_mark
from lib_svd.checkpoints.recognise import Checkpoint
from lib_svd.errors import BadCheckpoint, BadRequest
from lib_svd.request import add_mark, split_mark
from lib_svd.settings import SETTINGS
from lib_svd.strangers import quote

FOLDERS = ("Lora", "loras")  # as web UIs and ComfyUI call them
STRONGEST = 10.0
SHOWN = 5
_WEBUI = re.compile(r"<lora:(.+)>")  # as prompts of web UIs have it


@dataclass(frozen=True)
class Asked:
    """One LoRA as it is asked for."""

    name: str
    mark: str  # by which a clip tells it from others of that name; "" where a user wrote it
    strength: float


def read_text(text: str) -> list[Asked]:
    """Read `fog:0.8, rain` as names with strengths; without one it is 1.

    Raises:
        BadRequest: it is something else.
    """
    items = (item.strip() for item in text.split(","))
    return [_read_item(item) for item in items if item]


def list_lora_dirs(model_dirs: Iterable[Path]) -> list[Path]:
    """List the folders where LoRAs may be: beside a host's folders for models, in them, and they themselves."""
    near = ((*(place / name for place in (folder.parent, folder) for name in FOLDERS), folder) for folder in model_dirs)
    return list(dict.fromkeys(place for places in near for place in places))


def keep_marks(text: str) -> str:
    """Give what a clip calls its LoRAs without their names, which change no frame."""
    return ", ".join(f"{asked.mark or asked.name}:{asked.strength:g}" for asked in read_text(text))


def add_loras(checkpoint: Checkpoint, text: str) -> tuple[Checkpoint, str, tuple[str, ...]]:
    """Find the LoRAs that a setting names, and hold them against a model; nothing is loaded.

    Args:
        checkpoint: the model. LoRAs are looked for in its folders for them, and where it lies.
        text: as a user writes it, or a clip.

    Returns:
        The model with these LoRAs in place of those that it has, one of strength 0 being none; what a clip calls them,
        which `read_text` reads; and what the user should know.

    Raises:
        BadRequest: the text cannot be read.
        BadCheckpoint: one is not there or does not fit.
    """
    folders = list(dict.fromkeys([*checkpoint.lora_dirs, *list_lora_dirs([checkpoint.path.absolute().parent])]))
    found = [_choose(asked, checkpoint, folders) for asked in read_text(text)]
    named = (f"{add_mark(each.name, make_mark((each.file.stamp,)))}:{each.strength:g}" for each in found)
    notes = tuple(note for each in found for note in each.notes)
    return replace(checkpoint, loras=tuple(each for each in found if each.strength)), ", ".join(named), notes


def find_lora(name: str, folders: Sequence[Path]) -> Path | None:
    """Find the file of that name, with or without suffix and subfolder, LoRAs before other files; None: there is
    none.
    """
    there = find_meant(name, find_checkpoints(folders), list(folders))
    return next((path for path in there if is_lora(path)), there[0] if there else None)


def _read_item(item: str) -> Asked:
    found = _WEBUI.fullmatch(item)
    name, colon, number = (found[1] if found else item).rpartition(":")
    if not colon:
        name, number = number, "1"
    try:
        strength = float(number)
    except ValueError:
        strength = math.nan
    if not name.strip() or not abs(strength) <= STRONGEST:
        called = SETTINGS["lora"].called
        raise BadRequest(
            f"{called} {quote(item)} cannot be read: write name:strength, such as fog:0.8, several with commas "
            f"between them; a strength is from -{STRONGEST:g} to {STRONGEST:g}."
        )
    return Asked(*split_mark(name.strip()), strength)


def _choose(asked: Asked, checkpoint: Checkpoint, folders: list[Path]) -> Lora:
    path = (_find_marked(asked, folders) if asked.mark else None) or find_lora(asked.name, folders)
    if path is None:
        raise BadCheckpoint(_explain_missing(asked.name, folders))
    file = read_lora(path)
    notes = []
    if asked.mark and make_mark((file.stamp,)) != asked.mark:
        notes.append(f"The LoRA that made that clip is not there: {path.name} is another file, and gives another clip.")
    if file.layout == "peft" and file.alpha is None:
        notes.append(f"{path.name} has no {PEFT_CONFIG} beside it: its alpha is taken to be its rank.")
    layers = match_layers(file, checkpoint.configs, checkpoint.path.name)
    below = next(path.relative_to(folder) for folder in folders if path.is_relative_to(folder))
    return Lora(below.with_suffix("").as_posix(), file, layers, asked.strength, tuple(notes))


def _find_marked(asked: Asked, folders: list[Path]) -> Path | None:
    """Find the very file that a clip was made with, however it is called now; those of its name first."""
    models = find_checkpoints(folders)
    named = find_meant(asked.name, models, folders)
    for path in [*named, *(each for each in models if may_be_for_svd(each))]:
        with suppress(BadCheckpoint):
            if make_mark((read_stamp(path),)) == asked.mark:
                return path
    return None


def _explain_missing(name: str, folders: list[Path]) -> str:
    there = [path.stem for path in find_checkpoints(folders) if may_be_for_svd(path)]
    more = f" and {len(there) - SHOWN} more" if there[SHOWN:] else ""
    missing = f"{SETTINGS['lora'].called} {quote(name)} is not there"
    if there:
        return f"{missing}: name one of {', '.join(there[:SHOWN])}{more}."
    shown = ", ".join(dict.fromkeys(str(folder) for folder in folders if folder.name in FOLDERS[:1]))
    return f"{missing}, and none for SVD is: put yours into {shown}."
