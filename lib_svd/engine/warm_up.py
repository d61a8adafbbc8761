"""Compile ahead what the networks will run compiled, so that it shows as what it is and not as a slow first step."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from lib_svd.engine import fused
from lib_svd.engine.attention import GEGLU
from lib_svd.engine.norm import apply_norm_silu, make_group_norm

CHANNELS = 64  # of the examples; what is compiled serves every size
FRAMES, CLIP = (2, CHANNELS, 72, 128), (1, CHANNELS, 2, 72 * 128)  # the two ways that a clip is looked at
TOKENS = (2, 512, CHANNELS)


def warm_up(device: torch.device, dtype: torch.dtype) -> Iterator[tuple[int, int]]:
    """Compile for a device and a dtype; nothing is done where that was done before.

    Yields:
        How many functions are done, and how many there are.

    Raises:
        RuntimeError, ImportError, OSError: what compiling needs is not there, such as Triton.
    """
    norm = make_group_norm(CHANNELS, 1e-5).to(device, dtype).requires_grad_(False)
    gated = GEGLU(CHANNELS, CHANNELS).to(device, dtype).requires_grad_(False)

    def warm_up_shape(*shape: int) -> None:
        apply_norm_silu(
            torch.zeros(shape, dtype=dtype, device=device).contiguous(memory_format=torch.channels_last), norm
        )

    examples: list[Callable[[], object]] = [
        lambda: warm_up_shape(*FRAMES),
        lambda: warm_up_shape(*CLIP),
        lambda: gated(torch.zeros(TOKENS, dtype=dtype, device=device)),
    ]
    for number, example in enumerate(examples):
        yield number, len(examples)
        with fused.compile_inside():
            example()
    yield len(examples), len(examples)
