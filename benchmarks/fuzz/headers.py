"""Headers of model files, spoiled at random, by us and by the library: python -m benchmarks.fuzz.headers --count 100000

What we take, the library must take too, with the same tensors. Exits with 1 where it does not, or where anything but a
header or a sentence comes out.
"""

from __future__ import annotations

import itertools
import tempfile
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from benchmarks.fuzz.spoil import run
from lib_svd.checkpoints import recognise
from lib_svd.checkpoints.header import read_header
from lib_svd.errors import BadCheckpoint
from lib_svd.tensor_file import BITS

KEYS = ("model.diffusion_model.input_blocks.0.0.weight", "model.diffusion_model.out.2.time_stack.0.bias", "other")


def main() -> None:
    """Spoil a small file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "whole.safetensors")
        save_file({key: torch.zeros(2, 3) for key in KEYS}, path, metadata={"svd.num_frames": "14", "svd.fps": "7"})
        content = path.read_bytes()
    run(__doc__, itertools.repeat(content), ".safetensors", _read, 2000)


def _read(path: Path) -> None:
    ours = read_header(path)
    if any(entry.dtype not in BITS for entry in ours.tensors.values()):
        return  # of a library that is newer, or older; such weights are refused when a model is recognised
    with safe_open(path, framework="pt") as file:
        theirs = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 (no mapping)
    assert {key: entry.shape for key, entry in ours.tensors.items()} == theirs
    with suppress(BadCheckpoint):
        recognise(path)


if __name__ == "__main__":
    main()
