"""From what somebody calls a model to the model itself, looked at and not loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from lib_svd.checkpoints.find import find_checkpoints, find_exactly, find_named, resolve
from lib_svd.checkpoints.loras import list_lora_dirs
from lib_svd.checkpoints.recognise import Checkpoint, is_usable, recognise
from lib_svd.errors import BadCheckpoint, spell
from lib_svd.request import split_mark

MODEL_PAGE = "https://huggingface.co/stabilityai/stable-video-diffusion-img2vid-xt"


def choose(
    name: str,
    dirs: Sequence[Path],
    lenders: Sequence[Path],
    *,
    anywhere: bool = False,
    variant: str | None = None,
    companion: str | Path | None = None,
) -> Checkpoint:
    """Find the model that a name means; what the name leaves open is said in the model's notes.

    A clip names its model with a mark (see `marks`): that very model is taken, however it is called now; where it is
    not there, the one of that name.

    Args:
        name: as a user says it, or as a clip does.
        dirs: folders to look in, in this order.
        lenders: folders of models that may lend what it lacks.
        anywhere: whether the name may be a path to any file.
        variant: see `recognise`.
        companion: see `recognise`.

    Raises:
        BadCheckpoint: it is nowhere, or cannot be used.
        BadRequest: `variant` is none.
    """
    look = partial(recognise, variant=variant, companion=companion, search_dirs=lenders)
    plain, mark = split_mark(name)
    near = tuple(list_lora_dirs(lenders))
    for path in _list_candidates(plain, dirs, lenders) if mark else ():
        with suppress(BadCheckpoint):
            if (checkpoint := look(path)).mark == mark:
                return replace(checkpoint, lora_dirs=near)
    find: Callable[..., list[Path]] = resolve if anywhere else find_named
    path, *others = find(plain, dirs, lambda path: is_usable(path, lenders))
    checkpoint = look(path)
    notes = tuple(_list_open_questions(path, others, mark))
    return replace(checkpoint, notes=(*checkpoint.notes, *notes), lora_dirs=near)


def is_made_with(name: str, checkpoint: Checkpoint) -> bool:
    """Tell whether a clip that calls its model so was made with this one; older clips have only its name."""
    plain, mark = split_mark(name)
    try:
        return checkpoint.mark == mark if mark else checkpoint.path.name == plain
    except BadCheckpoint:  # it is gone, or cannot be read any more: no reason to find no other one
        return False


def list_refusals(folder: Path, lenders: Sequence[Path]) -> list[str]:
    """Say why files in a folder for SVD models cannot be used, a sentence each."""
    found = []
    for path in find_checkpoints([folder]):
        try:
            recognise(path, search_dirs=lenders)
        except BadCheckpoint as refusal:
            found.append(str(refusal))
    return found


def explain_no_model(folder: Path, refused: Sequence[str]) -> BadCheckpoint:
    """Say what to get and where it goes, where there is no model yet; and why the files that are there are none."""
    get = f"get svd_xt.safetensors from {MODEL_PAGE} and put it into {folder.absolute()}"
    demo = spell("name demo", "say --checkpoint demo")
    return BadCheckpoint(" ".join([f"There is no SVD model yet: {get}, or {demo} to see how it works.", *refused]))


def _list_candidates(plain: str, dirs: Sequence[Path], lenders: Iterable[Path]) -> Iterator[Path]:
    """List models that may have a mark, those first for which no folder is walked through."""
    yield from find_exactly(plain, dirs)
    yield from (path for path in find_checkpoints(dirs) if is_usable(path, lenders))


def _list_open_questions(path: Path, others: Sequence[Path], mark: str) -> Iterator[str]:
    if mark:
        yield f"The model that made that clip is not there: {path.name} is another file, and gives another clip."
    if others:
        called, choose_it = ", ".join(map(str, others)), spell("choose", "say --checkpoint with the whole path for")
        yield f"More than one model is called so: this is {path}; {choose_it} {called}."
