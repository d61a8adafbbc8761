"""A checkpoint of any key list, the same on every machine, small enough for tests.

Each weight has a stream of random 16-bit integers of its own, seeded by the checkpoint's seed and the weight's name,
so no weight depends on which others there are. Scales keep activations near 1 through the whole depth, and are small
before the second norm of each residual block: only then does the norm's epsilon show in the result.
"""

from __future__ import annotations

import hashlib
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

Keys = Mapping[str, Sequence[int]]

UNIT = 1.7320508  # a uniform number on (-1, 1) times this has variance 1
BIAS, GAIN, SMALL = 0.15, 0.25, 0.05
FIXED = {
    "mix_factor": (0.0, 1.6),
    "logit_scale": (2.65926, 0.0),
    "class_embedding": (0.0, 0.5),
    "positional_embedding": (0.0, 0.5),
}  # middle and half width
BEFORE_SECOND_NORM = re.compile(r"\.in_layers\.2\.|\.emb_layers\.1\.|(first_stage_model|\.encoder\.).*\.conv1\.")


def make_tiny_tensors(keys: Keys, seed: int) -> dict[str, Tensor]:
    """Weights in float16 for a list of keys with their shapes."""
    return {key: _make_weight(key, tuple(keys[key]), seed) for key in sorted(keys)}


def write_tiny(
    path: Path,
    keys: Keys,
    seed: int,
    *,
    dtype: torch.dtype = torch.float16,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a checkpoint of these weights; gives back its path."""
    tensors = {key: weight.to(dtype) for key, weight in make_tiny_tensors(keys, seed).items()}
    save_file(tensors, path, metadata=dict(metadata) if metadata else None)
    return path


def compute_digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names and float16 numbers in the order of the names: equal for equal weights, however stored."""
    sha = hashlib.sha256()
    for key in sorted(tensors):
        sha.update(key.encode())
        sha.update(tensors[key].numpy().astype("<f2").tobytes())
    return sha.hexdigest()


def _make_weight(key: str, shape: tuple[int, ...], seed: int) -> Tensor:
    stream = np.random.RandomState(zlib.crc32(f"{seed}:{key}".encode()))
    drawn = np.frombuffer(stream.bytes(2 * math.prod(shape)), dtype="<u2").astype(np.float32)
    uniform = (drawn - np.float32(2**15 - 0.5)) / np.float32(2**15)
    middle, spread = _spread(key, shape)
    return torch.from_numpy((np.float32(middle) + np.float32(spread) * uniform).astype(np.float16).reshape(shape))


def _spread(key: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Middle and half width of a weight's distribution."""
    kind = key.rpartition(".")[2]
    if kind in FIXED:
        return FIXED[kind]
    if kind in ("bias", "in_proj_bias"):
        middle, spread = 0.0, BIAS
    elif kind == "weight" and len(shape) == 1:
        middle, spread = 1.0, GAIN
    else:  # one number out of `fan` numbers of variance 1 keeps variance 1
        fan = shape[0] if kind in ("proj", "text_projection") else math.prod(shape[1:])
        middle, spread = 0.0, UNIT / math.sqrt(fan)
    return middle, spread * SMALL if BEFORE_SECOND_NORM.search(key) else spread
