"""Latents on disk: kept until the clip is saved, so that a failed decode costs no sampling."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lib_svd.errors import BadInput, BadOutput, DecodeFailed, Interrupted, SvdError
from lib_svd.request import ClipRequest, CompleteRequest

SUFFIX = ".latents.safetensors"


@dataclass(frozen=True)
class SavedLatents:
    """What the sampler gave, and the settings it had."""

    latents: Tensor  # [T, 4, h, w] float32
    request: CompleteRequest


def save_latents(latents: Tensor, request: ClipRequest, path: Path) -> Path:
    """Write latents and settings; the file appears whole or not at all.

    Raises:
        BadOutput: the file exists already, or cannot be written.
    """
    from safetensors.torch import save_file

    hidden = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with path.open("xb"):  # claims the name, so that nobody's file is overwritten
            pass
    except OSError as error:
        raise BadOutput(f"Latents cannot be written to {path}: {error.strerror}; choose another place.") from error
    try:
        tensors = {"latents": latents.detach().to("cpu", torch.float32).contiguous()}
        save_file(tensors, hidden, metadata={"parameters": request.infotext()})
        hidden.replace(path)
    except BaseException as error:
        for leftover in (hidden, path):
            leftover.unlink(missing_ok=True)
        if isinstance(error, (OSError, RuntimeError)) or type(error).__name__ == "SafetensorError":
            raise BadOutput(f"Latents cannot be written to {path}: {error}.") from error
        raise
    return path


def load_latents(path: Path) -> SavedLatents:
    """Read what `save_latents` wrote.

    Raises:
        BadInput: no such file, or not such a file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:  # type: ignore[no-untyped-call]
            latents, metadata = file.get_tensor("latents"), file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{path} holds no latents of a clip: give a file that --save-latents wrote.") from error
    if latents.ndim != 4 or not latents.is_floating_point() or "parameters" not in metadata:
        raise BadInput(f"{path} holds no latents of a clip: give a file that --save-latents wrote.")
    return SavedLatents(latents.float(), CompleteRequest.from_infotext(metadata["parameters"]))


@contextmanager
def kept(latents: Tensor, request: ClipRequest, out: Path) -> Iterator[None]:
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
        again = f"Sampling is not lost: python -m lib_svd animate --from-latents {path} goes on from there."
        if isinstance(error, SvdError):
            raise type(error)(f"{error} {again}") from error
        raise DecodeFailed(f"The clip could not be finished ({type(error).__name__}: {error}). {again}") from error
    _remove(path)


def _saved(latents: Tensor, request: ClipRequest, out: Path) -> Path | None:
    """The file beside `out`; None where there is no room for it, which must not stop what may still go well."""
    try:
        return save_latents(latents, request, _free(out))
    except BadOutput:
        return None


def _free(out: Path) -> Path:
    names = (out.with_name(f"{out.stem}{n}{SUFFIX}") for n in ("", *(f"-{i}" for i in range(2, 10_000))))
    return next(path for path in names if not path.exists())


def _remove(path: Path | None) -> None:
    if path is not None:
        with suppress(OSError):
            path.unlink()
