"""Upscalers where no web UI has any: files of the user's, read by spandrel, in our own keeping."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lib_svd.errors import BadRequest, OutOfMemory, join_names
from lib_svd.ports import Memory, Resident
from lib_svd.strangers import quote

FOLDERS = ("upscale_models", "ESRGAN", "RealESRGAN")
"""Below the folders for models; the first is ComfyUI's, the others are web UIs' own."""
SUFFIX = ".safetensors"
TILE, LEAST_TILE, BORDER = 512, 128, 32  # pixels of a side that are worked on at once, and of it beside what is kept
BYTES_A_PIXEL = 12_000  # of work: 11,070 were measured for the most usual kind, ESRGAN of 23 blocks, four times
RUNS = 3  # at most, of a network that enlarges less than is asked for; web UIs have as many


class FileUpscalers:
    """Networks from .safetensors files; the one used last stays loaded.

    Args:
        memory: where they are kept.
        dirs: folders for models, below which FOLDERS are.
        files: named one by one.
    """

    def __init__(self, memory: Memory, dirs: Sequence[Path], files: Sequence[Path] = ()) -> None:
        self._memory, self._dirs, self._files = memory, dirs, files
        self._loaded: tuple[Path, Any, Resident] | None = None

    def list_names(self) -> list[str]:
        """List the names of the files."""
        return list(self._map_names())

    def find_name(self, text: str) -> str:
        """Find the file's name, given with its suffix or without.

        Raises:
            BadRequest: there is none, or spandrel is missing.
        """
        called = {key.lower(): name for name in self.list_names() for key in (name, name.removesuffix(SUFFIX))}
        if text.lower() not in called:
            there = join_names(["lanczos", *self.list_names()])
            place = f"put a {SUFFIX} file into {FOLDERS[0]} in a folder for models"
            raise BadRequest(f"There is no upscaler {quote(text)}, there is {there}: choose of these, or {place}.")
        if find_spec("spandrel") is None or find_spec("torchvision") is None:
            raise BadRequest(_explain_missing(called[text.lower()], "it is not installed"))
        return called[text.lower()]

    def enlarge(self, name: str, picture: Image.Image, scale: float) -> Image.Image:
        """Enlarge the picture by the network of that file, in tiles; again, where it enlarges less than is asked for.

        Raises:
            BadRequest: spandrel cannot be loaded, or cannot read the file.
            OutOfMemory: not even a small tile has room.
        """
        times, network, resident = self._load_network(self._map_names()[name])
        wanted = picture.width * scale
        for _ in range(RUNS):
            picture = _run(picture, times, network, resident)
            if picture.width >= wanted or times == 1:
                break
        return picture

    def _map_names(self) -> dict[str, Path]:
        folders = [folder / name for folder in self._dirs for name in FOLDERS]
        found = [path for folder in folders for path in sorted(folder.glob(f"*{SUFFIX}")) if path.is_file()]
        return {path.name: path for path in reversed((*self._files, *found))}

    def _load_network(self, path: Path) -> tuple[int, Any, Resident]:
        if self._loaded is None or self._loaded[0] != path:
            self._loaded = None
            described = _read(path)
            dtype = self._memory.choose_dtype("decoder") if described.supports_half else torch.float32
            resident = self._memory.adopt(described.model.to(dtype).eval(), dtype)
            self._loaded = path, described, resident
        _, described, resident = self._loaded
        return int(described.scale), described, resident


def _read(path: Path) -> Any:
    """Give what spandrel makes of a file; the file is read and not mapped, see `lib_svd/tensor_file.py`."""
    try:
        spandrel = importlib.import_module("spandrel")
    except Exception as error:  # a torchvision that does not fit torch raises a RuntimeError
        raise BadRequest(_explain_missing(path.name, str(error))) from error
    from safetensors.torch import load

    try:
        described = spandrel.ModelLoader().load_from_state_dict(load(path.read_bytes()))
    except Exception as error:  # whatever a file makes it raise
        raise BadRequest(
            f"{path.name} is no upscaler that spandrel reads ({type(error).__name__}: {error}): choose another."
        ) from error
    if not isinstance(described, spandrel.ImageModelDescriptor) or described.input_channels != 3:
        raise BadRequest(f"{path.name} does not turn a picture into a picture: choose another upscaler.")
    return described


def _explain_missing(name: str, why: str) -> str:
    advice = "run `python -m pip install spandrel torchvision`, or choose lanczos"
    return f"{name} is read by spandrel, which cannot be loaded ({why}): {advice}."


def _run(picture: Image.Image, times: int, network: Any, resident: Resident) -> Image.Image:
    """Run a picture through the network once, in tiles that fit."""
    pixels = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)[None].float() / 255
    side = TILE
    while True:
        try:
            made = _enlarge_in_tiles(pixels, side, times, network, resident)
        except OutOfMemory:
            side //= 2
            if side < LEAST_TILE:
                raise
        else:
            return Image.fromarray((made * 255).round().byte().permute(1, 2, 0).numpy())


def _enlarge_in_tiles(pixels: Tensor, side: int, times: int, network: Any, resident: Resident) -> Tensor:
    """Take [1, 3, H, W] of 0..1 to [3, times H, times W]; every tile is seen with a border, which is not kept."""
    height, width = pixels.shape[2:]
    made = torch.empty(3, height * times, width * times)
    for top, bottom in _split_spans(height, side):
        for left, right in _split_spans(width, side):
            above, before = max(0, top - BORDER), max(0, left - BORDER)
            tile = pixels[:, :, above : bottom + BORDER, before : right + BORDER]
            with resident.bring_to_gpu(BYTES_A_PIXEL * tile.shape[2] * tile.shape[3]), torch.inference_mode():
                large = network(tile.to(resident.device, resident.dtype))[0].float().cpu().clamp(0, 1)
            y, x = (top - above) * times, (left - before) * times
            kept = large[:, y : y + (bottom - top) * times, x : x + (right - left) * times]
            made[:, top * times : bottom * times, left * times : right * times] = kept
    return made


def _split_spans(length: int, side: int) -> Iterator[tuple[int, int]]:
    """Give begin and end of tiles, about as long as one another, none longer than `side`."""
    count = -(-length // side)
    edges = [length * number // count for number in range(count + 1)]
    return zip(edges, edges[1:], strict=False)
