"""Latents on disk: kept until the clip is saved, so that a failed decode costs no sampling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import torch
from torch import Tensor

from lib_svd.errors import BadInput, BadOutput, BadRequest, DecodeFailed, Interrupted, SvdError, quote_command
from lib_svd.files import (
    NOTED,
    find_free_names,
    finish_left,
    is_numbered,
    is_taken,
    make_hidden_names,
    publish_all,
    sync,
)
from lib_svd.places import list_places
from lib_svd.request import CompleteRequest, read_source
from lib_svd.tensor_file import Damaged, Entry, read_contents, read_into

SUFFIX = ".latents.safetensors"


@dataclass(frozen=True)
class SavedLatents:
    """What the sampler gave, and the settings it had."""

    latents: Tensor  # [T, 4, h, w] float32
    request: CompleteRequest
    path: Path | None = None  # the file that they are in
    source: str = ""  # the infotext of the picture
    moves: Tensor | None = None  # the mask, [H, W] float32: 1 where the clip moves, 0 where it is held still


def check_latents(path: Path) -> None:
    """Refuse a place that `save_latents` could not write to, before anything heavy is loaded. Leaves nothing behind.

    Raises:
        BadOutput: the name is taken or not one for latents, or its folder is not there or not writable.
    """
    if path.suffix.lower() != ".safetensors":
        raise BadOutput(f"{path.name} does not end in .safetensors, the only kind of latents written: name it so.")
    if not path.parent.is_dir():
        raise BadOutput(f"The folder {path.parent} for the latents is not there: make it first, or choose another.")
    finish_left(path.parent)
    with _explain_failures(path), make_hidden_names(path.parent) as hidden:
        hidden("").with_name(path.name).touch()
        if is_taken(path):
            raise FileExistsError


def save_latents(latents: Tensor, infotext: str, path: Path, moves: Tensor | None = None) -> Path:
    """Write latents, the clip's infotext, and its mask if it has one; the file appears whole or not at all.

    Raises:
        BadOutput: the file exists already, or cannot be written.
    """
    with _explain_failures(path), make_hidden_names(path.parent) as hidden:
        unfinished = _write(latents, infotext, hidden(".safetensors"), moves)
        publish_all([unfinished], [path])
    return path


def _write(latents: Tensor, infotext: str, unfinished: Path, moves: Tensor | None) -> Path:
    from safetensors.torch import save_file

    given = {"latents": latents} if moves is None else {"latents": latents, "moves": moves}
    tensors = {name: each.detach().to("cpu", torch.float32).contiguous() for name, each in given.items()}
    save_file(tensors, unfinished, metadata={"parameters": infotext})
    sync(unfinished)
    return unfinished


@contextmanager
def _explain_failures(path: Path) -> Iterator[None]:
    """Turn what goes wrong inside while latents are written to `path` into a sentence."""
    try:
        yield
    except FileExistsError as error:
        raise BadOutput(
            f"{path} exists already and is not overwritten: choose another name for the latents."
        ) from error
    except Exception as error:
        known = isinstance(error, (OSError, ValueError, RuntimeError)) or type(error).__name__ == "SafetensorError"
        if not known:
            raise
        reason = getattr(error, "strerror", None) or error
        raise BadOutput(
            f"Latents cannot be written to {path} ({reason}): make room or choose another place."
        ) from error


def load_latents(path: Path) -> SavedLatents:
    """Read what `save_latents` wrote.

    Raises:
        BadInput: no such file, or not such a file.
    """
    if not path.is_file():
        raise BadInput(f"{path} is not there: give a file that --save-latents wrote.")
    try:
        with path.open("rb") as file:
            contents = read_contents(file, path.stat().st_size)
            infotext, entry = contents.metadata["parameters"], contents.tensors["latents"]
            request = CompleteRequest.from_infotext(infotext)
            mask = contents.tensors.get("moves")
            if len(entry.shape) != 4 or entry.shape[0] != request.num_frames:
                raise _explain_no_latents(path)
            if mask is not None and [*mask.shape] != [request.height, request.width]:
                raise _explain_no_latents(path)
            latents = _read(file, entry)
            moves = None if mask is None else _read(file, mask)
    except (OSError, EOFError, Damaged, KeyError, BadRequest) as error:
        raise _explain_no_latents(path) from error
    if not all(bool(each.isfinite().all()) for each in (latents, moves) if each is not None):
        raise BadInput(f"{path} holds NaN or infinity: it is damaged, sample the clip again.")
    return SavedLatents(latents, request, path, read_source(infotext), moves)


def _read(file: BufferedReader, entry: Entry) -> Tensor:
    """Read one tensor; raises Damaged where it is not float32."""
    if entry.dtype != "F32":
        raise Damaged(f"it has numbers of type {entry.dtype}")
    read = torch.empty(entry.shape, dtype=torch.float32)
    file.seek(entry.begin)
    read_into(file, read.view(-1).view(torch.uint8).numpy().data)
    return read


def _explain_no_latents(path: Path) -> BadInput:
    return BadInput(f"{path} holds no latents of a clip: give a file that --save-latents wrote.")


class Keeper:
    """Keeps latents on disk, beside a clip or in a second place: the whole clip's, or instead of those of a part of it
    a longer part's.

    Args:
        out: the clip's name.

    Attributes:
        name: the clip's name from now on: `out`, or the next number where `out` is a numbered name and was taken since
            it was chosen.
        is_partial: whether more is to come.
    """

    def __init__(self, out: Path) -> None:
        self.name, self.is_partial = out, False
        self._path: Path | None = None
        self._save: Callable[[], tuple[Path | None, Path]] = lambda: (None, out)

    def keep(self, latents: Tensor, infotext: str, moves: Tensor | None = None, *, is_partial: bool = False) -> None:
        """Keep latents [t, 4, h, w] with the infotext of a clip of so many frames, and its mask [H, W] if it has
        one.
        """
        self.is_partial = is_partial
        self._save = lambda: save_latents_somewhere(latents, infotext, self.name, moves)
        if self._path is None or not self._path.is_file():
            self._path, self.name = self._save()
            return
        with suppress(BadOutput), _explain_failures(self._path), make_hidden_names(self._path.parent) as hidden:
            _write(latents, infotext, hidden(".safetensors"), moves).replace(self._path)

    def find(self) -> Path | None:
        """Find the file, written anew where its folder went meanwhile; None: there is no room for it anywhere, or
        nothing to keep.
        """
        if self._path is not None and not self._path.is_file():
            self._path, _ = self._save()
        return self._path

    def drop(self) -> None:
        """Remove the file."""
        _remove(self._path)


@contextmanager
def keep_latents(out: Path, again: Sequence[str]) -> Iterator[Keeper]:
    """Give what keeps latents until the work inside is done. A program that is killed leaves them. A user who stops the
    work wants nothing left, but where Ctrl-C stops a clip of several parts it is said how to make one of those done.

    Args:
        out: the clip's name.
        again: words of the command line that make the same of them, see `tell_how_to_go_on`.

    Raises:
        DecodeFailed: the work inside failed in a way that says nothing of where its results are.
    """
    keeper = Keeper(out)
    try:
        with tell_how_to_go_on(keeper.find, again):
            yield keeper
    except (KeyboardInterrupt, Interrupted) as stop:
        if keeper.is_partial and isinstance(stop, KeyboardInterrupt) and (path := keeper.find()) is not None:
            raise KeyboardInterrupt(f"What is sampled makes a shorter clip: {_write_command(path, again)}") from None
        keeper.drop()
        raise
    keeper.drop()


@contextmanager
def tell_how_to_go_on(where: Callable[[], Path | None], again: Sequence[str]) -> Iterator[None]:
    """Let an error of the work inside say how to go on from latents that are on disk, if they are.

    Args:
        where: gives their file.
        again: words of the command line beside that: the model, and the clip's forms.

    Raises:
        DecodeFailed: the work inside failed in a way that says nothing of where its results are.
    """
    try:
        yield
    except Interrupted:
        raise
    except Exception as error:
        path = where()
        if path is None:
            raise
        advice = f"Sampling is not lost, this goes on from there: {_write_command(path, again)}"
        if isinstance(error, SvdError):
            raise type(error)(f"{error} {advice}") from error
        raise DecodeFailed(f"The clip could not be finished ({type(error).__name__}: {error}). {advice}") from error


def _write_command(path: Path, again: Sequence[str]) -> str:
    return quote_command(["python", "-m", "lib_svd", "animate", "--from-latents", str(path), *again])


def save_latents_somewhere(
    latents: Tensor, infotext: str, out: Path, moves: Tensor | None = None
) -> tuple[Path | None, Path]:
    """Save latents under a name like the clip's, beside it or in a second place.

    Returns:
        The file, None where there is no room for it anywhere, which must not stop what may still go well; and the
        clip's name.
    """
    for folder in list_places(out.parent):
        for each in _list_free_names(folder / out.name):
            try:
                path = save_latents(latents, infotext, each.with_name(each.stem + SUFFIX), moves)
            except BadOutput as error:
                if not isinstance(error.__cause__, FileExistsError):
                    break
            else:
                return path, each if is_numbered(out) and folder == out.parent else out
    return None, out


def _list_free_names(out: Path) -> Iterator[Path]:
    """Give a numbered name as long as nothing at all is called so, then the next numbers; else `clip`, `clip-2`, ..."""
    if is_numbered(out):
        yield from find_free_names(out, [SUFFIX, out.suffix, ".txt", NOTED, ""])
    else:
        yield out
        yield from (out.with_stem(f"{out.stem}-{number}") for number in range(2, 1000))


def _remove(path: Path | None) -> None:
    if path is not None:
        with suppress(OSError):
            path.unlink()
