"""Latents to frames, whatever memory there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from lib_svd.clip import Frames
from lib_svd.engine import memory
from lib_svd.engine.vae import VaeDecoder
from lib_svd.errors import OutOfMemory
from lib_svd.progress import Progress, Stage
from lib_svd.stages.plan import list_decode_plans
from lib_svd.stages.run import Run


def decode(run: Run, latents: Tensor, moves: Tensor | None = None) -> Frames:
    """Decode latents [T, 4, h, w] to frames [T, H, W, 3]; where a mask `moves` [H, W] is 0, they do not differ.

    Raises:
        Interrupted: the user stopped it.
        OutOfMemory: no room, one frame at a time either.
        NotFinite: NaN or infinity in float32 too.
    """
    if run.request.decode == "reference" and run.request.decode_chunk:
        frames = np.concatenate([_decode(run, part, 0) for part in latents.split(run.request.decode_chunk)])
    else:
        frames = _decode(run, latents, run.request.decode_chunk)
    frames = frames if moves is None else hold_frames(frames, moves)
    return begin_at_rest(frames) if run.request.ending == "loop" else frames


def begin_at_rest(frames: Frames) -> Frames:
    """Let a closed clip [T, H, W, 3] begin where it differs least from one frame to the next: that is its seam then."""
    apart = [float(np.abs(frames[i].astype(np.float32) - frames[i - 1]).mean()) for i in range(len(frames))]
    return cast(Frames, np.roll(frames, -int(np.argmin(apart)), 0))


def hold_frames(frames: Frames, moves: Tensor) -> Frames:
    """Let frames [T, H, W, 3] be their mean where a mask [H, W] is 0: the decoder looks some pixels far, and what moves
    beside shimmers there by a level or two.
    """
    still, share = frames.mean(axis=0, dtype=np.float32), moves.numpy()[..., None]
    held = [np.rint(still + share * (frame - still)).astype(np.uint8) for frame in frames]
    return np.stack(held)


def convert_to_uint8(frames: Tensor) -> Frames:
    """Turn [T, 3, H, W] about [-1, 1] into [T, H, W, 3]: uint8(clamp((x + 1) / 2, 0, 1) * 255), truncated as the
    reference.
    """
    scaled = ((frames + 1) / 2).clamp(0, 1).mul(255).to(torch.uint8)
    return cast(Frames, scaled.permute(0, 2, 3, 1).contiguous().numpy())


def _decode(run: Run, latents: Tensor, chunk: int) -> Frames:
    decoder = run.svd.decoder
    scale = run.svd.configs.encoder.downsampling
    num_frames, _, height, width = latents.shape
    size = (num_frames, height * scale, width * scale)
    plans = list_decode_plans(run.svd.configs, size, decoder.dtype, decoder.count_room(), chunk)
    for plan in plans:
        try:
            return convert_to_uint8(run.run_finite("decoder", plan.bytes, _work(run, latents, plan)))
        except OutOfMemory:
            if plan is plans[-1]:
                raise
            run.notes.append(f"There was no room to decode {plan.chunk} frames at a time; fewer were.")
    raise AssertionError("the last plan returns or raises")


def _work(run: Run, latents: Tensor, plan: memory.DecodePlan) -> Callable[[nn.Module], Tensor]:
    decoder = run.svd.decoder
    park = None if plan.park_on_device else torch.device("cpu")

    def work(network: nn.Module) -> Tensor:
        x = latents.to(decoder.device, decoder.dtype)
        closed = run.request.ending == "loop"
        for step in cast(VaeDecoder, network).decode_steps(x, plan.chunk, park, closed=closed):
            run.report(Progress(Stage.DECODING, step.number, step.total))
        return torch.cat([frames.float().cpu() for frames in step.clip])

    return work
