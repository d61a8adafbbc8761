"""Latents on disk: kept until the clip is saved, so that a failed decode costs no sampling."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lib_svd.errors import BadInput, BadOutput, BadRequest, DecodeFailed, Interrupted, SvdError
from lib_svd.request import ClipRequest, CompleteRequest
from lib_svd.tensor_file import Damaged, read_contents, read_into

SUFFIX = ".latents.safetensors"


@dataclass(frozen=True)
class SavedLatents:
    """What the sampler gave, and the settings it had."""

    latents: Tensor  # [T, 4, h, w] float32
    request: CompleteRequest


def check_latents(path: Path) -> None:
    """Refuse a place that `save_latents` could not write to, before anything heavy is loaded. Leaves nothing behind.

    Raises:
        BadOutput: the name is taken or not one for latents, or its folder is not there or not writable.
    """
    if path.suffix.lower() != ".safetensors":
        raise BadOutput(f"{path.name} does not end in .safetensors, the only kind of latents written: name it so.")
    if not path.parent.is_dir():
        raise BadOutput(f"The folder {path.parent} for the latents is not there: make it first, or choose another.")
    _claim(path)
    path.unlink()


def save_latents(latents: Tensor, request: ClipRequest, path: Path) -> Path:
    """Write latents and settings; the file appears whole or not at all.

    Raises:
        BadOutput: the file exists already, or cannot be written.
    """
    from safetensors.torch import save_file

    hidden = path.with_name(f".svd-{secrets.token_hex(8)}.part")
    _claim(path)
    try:
        tensors = {"latents": latents.detach().to("cpu", torch.float32).contiguous()}
        save_file(tensors, hidden, metadata={"parameters": request.infotext()})
        hidden.replace(path)
    except BaseException as error:
        for leftover in (hidden, path):
            leftover.unlink(missing_ok=True)
        if isinstance(error, (OSError, RuntimeError)) or type(error).__name__ == "SafetensorError":
            raise BadOutput(f"Latents cannot be written to {path} ({error}): make room or choose another.") from error
        raise
    return path


def _claim(path: Path) -> None:
    """Make the name ours, so that nobody's file is overwritten."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError as error:
        raise BadOutput(
            f"{path} exists already and is not overwritten: choose another name for the latents."
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadOutput(f"Latents cannot be written to {path} ({reason}): choose another place.") from error


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
            request, entry = CompleteRequest.from_infotext(contents.metadata["parameters"]), contents.tensors["latents"]
            if entry.dtype != "F32" or len(entry.shape) != 4 or entry.shape[0] != request.num_frames:
                raise _no_latents(path)
            latents = torch.empty(entry.shape, dtype=torch.float32)
            file.seek(entry.begin)
            read_into(file, latents.view(-1).view(torch.uint8).numpy().data)
    except (OSError, EOFError, Damaged, KeyError, BadRequest) as error:
        raise _no_latents(path) from error
    if not bool(latents.isfinite().all()):
        raise BadInput(f"{path} holds NaN or infinity: it is damaged, sample the clip again.")
    return SavedLatents(latents, request)


def _no_latents(path: Path) -> BadInput:
    return BadInput(f"{path} holds no latents of a clip: give a file that --save-latents wrote.")


@contextmanager
def kept(latents: Tensor, request: ClipRequest, checkpoint: Path, out: Path) -> Iterator[None]:
    """Keep the latents beside `out` until the work inside is done.

    A program that is killed leaves them too. A user who stops the work wants nothing left.

    Raises:
        DecodeFailed: the work inside failed in a way that says nothing of where its results are.
    """
    path = _saved(latents, request, out)
    try:
        yield
    except (KeyboardInterrupt, Interrupted):
        _remove(path)
        raise
    except Exception as error:
        if path is None:
            raise
        command = ["python", "-m", "lib_svd", "animate", "--from-latents", str(path), "--checkpoint", str(checkpoint)]
        again = f"Sampling is not lost, this goes on from there: {subprocess.list2cmdline(command)}"
        if isinstance(error, SvdError):
            raise type(error)(f"{error} {again}") from error
        raise DecodeFailed(f"The clip could not be finished ({type(error).__name__}: {error}). {again}") from error
    _remove(path)


def _saved(latents: Tensor, request: ClipRequest, out: Path) -> Path | None:
    """The file beside `out`; None where there is no room for it, which must not stop what may still go well."""
    for number in range(1, 10_000):
        path = out.with_name(f"{out.stem}{f'-{number}' if number > 1 else ''}{SUFFIX}")
        try:
            return save_latents(latents, request, path)
        except BadOutput as error:
            if not isinstance(error.__cause__, FileExistsError):
                return None
    return None


def _remove(path: Path | None) -> None:
    if path is not None:
        with suppress(OSError):
            path.unlink()
