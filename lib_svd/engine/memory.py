"""How much memory the networks take beside their weights, in bytes, and how to make do with less of it.

The formulas count the tensors that are alive at the worst moment; tests hold them against what the networks really
allocate at full size. Convolution workspaces and the allocator's own rounding come on top: `SLACK`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lib_svd.engine.attention import CPU_CHUNK_BYTES, GPU_CHUNK_BYTES
from lib_svd.engine.config import RIFE_REACH, DecoderConfig, EncoderConfig, RifeConfig, UNetConfig, VisionConfig

SLACK = 1.15


def count_weight_bytes(network: torch.nn.Module) -> int:
    """Count the bytes of all parameters."""
    return sum(p.numel() * p.element_size() for p in network.parameters())


def estimate_unet_bytes(
    config: UNetConfig, frames: int, height: int, width: int, dtype: torch.dtype, device: str, *, caches: bool = False
) -> int:
    """Estimate one evaluation of the UNet on `frames` = branches * T latents of height x width, on a device of type
    `device`.

    caches: what the inner stages made waits for the next step.
    """
    scratch = 2 * (CPU_CHUNK_BYTES if device == "cpu" else GPU_CHUNK_BYTES)
    channels = _estimate_unet_width(config) + (config.channels[0] if caches else 0)
    return int(SLACK * (frames * height * width * dtype.itemsize * channels + scratch))


def _estimate_unet_width(config: UNetConfig) -> float:
    """Channels alive at the worst moment, each counted at full resolution: a residual block on the way up holds its
    input, the input normalised, its output, and the skips that still wait."""
    skips = [(config.channels[0], 0)]
    for level, channels in enumerate(config.channels):
        skips += [(channels, level)] * config.num_res_blocks
        skips += [(channels, level + 1)] if level + 1 < len(config.channels) else []
    worst, channels = 0.0, config.channels[-1]
    for level, out_channels in reversed(list(enumerate(config.channels))):
        for _ in range(config.num_res_blocks + 1):
            in_channels = channels + skips.pop()[0]
            waiting = sum(c / 4**at for c, at in skips)
            worst = max(worst, waiting + (2 * in_channels + out_channels) / 4**level)
            channels = out_channels
    return worst


def estimate_encode_bytes(config: EncoderConfig, height: int, width: int, dtype: torch.dtype) -> int:
    """Estimate what the start latent of a picture of height x width pixels takes."""
    return int(SLACK * 4 * config.channels[0] * height * width * dtype.itemsize)


def estimate_vision_bytes(config: VisionConfig, dtype: torch.dtype) -> int:
    """Estimate what one picture takes on its way through the image tower, its resize included."""
    tokens = (config.image_size // config.patch_size) ** 2 + 1
    return int(SLACK * tokens * (4 * config.width + 2 * config.mlp_width) * dtype.itemsize) + 64 * 2**20


@dataclass(frozen=True)
class DecodePlan:
    """How to decode within a budget; the frames are the same for every plan."""

    chunk: int  # frames worked on at a time
    park_on_device: bool  # where activations of the others wait
    bytes: int  # what that takes on the device


def list_decode_plans(
    config: DecoderConfig, num_frames: int, height: int, width: int, dtype: torch.dtype, chunk: int = 0
) -> list[DecodePlan]:
    """List ways to decode T frames of height x width pixels, from the fastest to the smallest.

    Args:
        config: of the decoder.
        num_frames: T.
        height, width: of the frames, in pixels.
        dtype: what the decoder computes in.
        chunk: frames at a time, where the user says so; 0 for all that make sense.
    """
    sizes = [min(chunk, num_frames)] if chunk else [num_frames, *(c for c in (16, 8, 4, 2, 1) if c < num_frames)]
    plans = [
        DecodePlan(size, park, estimate_decode_bytes(config, num_frames, height, width, dtype, size, park))
        for park in (True, False)
        for size in sizes
        if park or size < num_frames
    ]
    return [plan for i, plan in enumerate(plans) if all(plan.bytes < before.bytes for before in plans[:i])]


def estimate_decode_bytes(
    config: DecoderConfig, num_frames: int, height: int, width: int, dtype: torch.dtype, chunk: int, park: bool
) -> int:
    """Estimate decoding T frames `chunk` at a time; `park`: the waiting activations are on the device too."""
    frame = config.channels[0] * height * width * dtype.itemsize
    if chunk >= num_frames or not config.temporal:
        return int(SLACK * 5 * min(chunk, num_frames) * frame)
    working = 2 * (chunk + 3) * frame  # the neighbours' borders are part of a chunk
    return int(SLACK * (working + (2 * num_frames * frame if park else 0)))


def estimate_rife_bytes(config: RifeConfig, height: int, width: int, dtype: torch.dtype, rows: int) -> int:
    """Estimate a frame between two of height x width pixels, multiples of the grid, with so many rows worked on at a
    time.
    """
    frames = 4 * 2 * (3 + config.head)  # bytes a pixel of what the network looks at, in float32
    guesses = 2 * (4 * 4 + 9 * dtype.itemsize)  # the one that there is, and the next
    # Pixels that a block looks at, warped, sorted and put together: two a side of each cell.
    seen = max(min(scale, 2) * min(height // scale, rows + 2 * RIFE_REACH) for scale in config.scales)
    return int(SLACK * width * (height * (frames + guesses) + seen * (3 * frames + 4 * 40)))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a device or the host had no room; torch has no common type for it."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in ("out of memory", "can't allocate"))
