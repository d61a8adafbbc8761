"""Memory for the weights of a network, and the pieces of files that fill it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from lib_svd.checkpoints.ahead import BUFFER, Piece
from lib_svd.checkpoints.header import Stamp
from lib_svd.checkpoints.sources import Source

TORCH = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2},
}
"""The dtypes that `strict.FLOATS` lets in."""


def plan_weights(
    sources: Mapping[str, Source],
    shapes: Mapping[str, tuple[int, ...]],
    dtype: torch.dtype,
    stamps: Mapping[Path, Stamp],
    *,
    storage: torch.dtype | None = None,
) -> tuple[dict[str, Tensor], list[Piece]]:
    """Make room for the weights of one network, and say what is to be read into it.

    Args:
        sources: where each weight is.
        shapes: the shape each has in the network.
        dtype: floating-point type to convert to.
        stamps: every file as it was when it was recognised.
        storage: another type for matrices; norms and single factors are too few to save on.

    Returns:
        CPU tensors by name, convolutions in channels-last memory, not filled yet but for identities; and the pieces
        that fill them, in the order in which they lie in their files.
    """
    weights: dict[str, Tensor] = {}
    pieces: list[Piece] = []
    for name in sorted(sources, key=lambda name: sources[name].tensors):
        shape = shapes[name]
        wanted = storage if storage and len(shape) > 1 else dtype
        if sources[name].transform == "identity":
            weights[name] = _make_identity(shape, wanted)
            continue
        layout = torch.channels_last if len(shape) == 4 else torch.contiguous_format
        weights[name] = torch.empty(shape, dtype=wanted, device="cpu", memory_format=layout)
        pieces.extend(_make_pieces(weights[name], sources[name], stamps))
    return weights, pieces


def _make_identity(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.eye(shape[0]).to(dtype).reshape(shape) if len(shape) > 1 else torch.zeros(shape, dtype=dtype)


def _make_pieces(weight: Tensor, source: Source, stamps: Mapping[Path, Stamp]) -> Iterator[Piece]:
    """Make one piece for each tensor that is read as it is, several small ones for each that is converted."""
    dtype = TORCH[source.dtype]
    for part, stored in zip(weight.chunk(len(source.tensors)), source.tensors, strict=True):
        rows = part.T if source.transform == "transpose" else part
        whole = Piece(stamps[stored.path], stored.begin, dtype, rows)
        if whole.stays_as_it_is:
            yield whole
            continue
        row = rows[0].numel() * dtype.itemsize
        count = max(1, BUFFER // row)  # rows at a time
        for index, some in enumerate(rows.split(count)):
            yield Piece(stamps[stored.path], stored.begin + index * count * row, dtype, some)
