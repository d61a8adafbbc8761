"""Frames through SVD's own VAE: each is encoded by itself, and its temporal decoder decodes them together.

A long scene is decoded in parts that overlap, so that memory does not grow with it. What a part's end lacks, its
neighbours beyond, is seen in its last two frames (of the demo: 0.3 and 0.14 of 255), so `EDGE` frames of it are left
out; over the rest of the overlap one part fades into the next. The decoder's norms span a part, not the scene: that
makes up to 0.2 of 255 where a scene's light changes by half, and 0.02 where it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lib_svd.checkpoints import Checkpoint, load
from lib_svd.clip import Frames
from lib_svd.engine import memory
from lib_svd.engine.config import LATENT_SCALE
from lib_svd.engine.vae import VaeDecoder, VaeEncoder
from lib_svd.errors import BadRequest, OutOfMemory
from lib_svd.finish.deflicker import Report, Scene
from lib_svd.ports import Host
from lib_svd.stages.plan import list_decode_plans

PART = 25  # frames decoded together, as many as SVD-XT was trained on
EDGE = 3  # frames at the end of a part that is not the scene's: left out where the next part has them
OVERLAP = 9  # frames at least that a part has in common with the next one: two edges, and what fades between


def check_can_deflicker(checkpoint: Checkpoint) -> None:
    """Raise BadRequest where a model's decoder does not look along time."""
    if not checkpoint.configs.decoder.temporal:
        raise BadRequest(
            f"{checkpoint.path.name} has the plain image decoder, which decodes every frame by itself and cannot take "
            "flicker away: choose a model with SVD's temporal decoder."
        )


class Redecoder:
    """A VAE in the host's keeping.

    Args:
        checkpoint: one that `check_can_deflicker` takes.
        host: keeps the networks.

    Raises:
        what `checkpoints.load` raises.
    """

    def __init__(self, checkpoint: Checkpoint, host: Host) -> None:
        self._svd = load(checkpoint, host, ("encoder", "decoder"))
        self.notes: list[str] = []  # what the user should know

    def redecode(self, frames: Frames, scenes: Sequence[Scene], report: Report) -> Frames:
        """Encode every frame, and decode each scene together.

        Args:
            frames: [T, H, W, 3] uint8, RGB.
            scenes: all frames, one scene after the other.
            report: told after each frame that is encoded, and often while a scene is decoded; may raise.

        Returns:
            [T, H, W, 3] uint8.

        Raises:
            OutOfMemory: no room, one frame at a time either.
            NotFinite: NaN or infinity in float32 too.
            whatever `report` raises.
        """
        lengths = [(scene, scene.end - scene.begin) for scene in scenes]
        plan = [(scene, part) for scene, length in lengths for part in place_parts(length, closed=scene.closed)]
        total = len(frames) + sum(len(part.frames) for _, part in plan)
        latents = self._encode(frames, lambda done: report(done, total))
        made, done = np.zeros_like(frames), len(frames)
        for scene, part in plan:
            which, count = scene.begin + part.frames, len(part.frames)
            tell = partial(_report_share, report, done, count, total)
            new = self._decode(latents[which], scene.closed and count == scene.end - scene.begin, tell)
            new = new[:, : frames.shape[1], : frames.shape[2]]
            made[which] = np.clip(np.rint(made[which] + part.shares * (new - made[which])), 0, 255)
            done += count
        return made

    def _encode(self, frames: Frames, report: Callable[[int], None]) -> Tensor:
        """Take frames to latents [T, 4, h, w], float32 on the CPU, scaled as the sampler gives them."""
        encoder, config = self._svd.encoder, self._svd.configs.encoder
        height, width = (side + -side % config.downsampling for side in frames.shape[1:3])
        latents: list[Tensor] = []
        while len(latents) < len(frames):
            needed = memory.estimate_encode_bytes(config, height, width, encoder.dtype)
            with torch.inference_mode(), encoder.bring_to_gpu(needed) as network:
                for frame in frames[len(latents) :]:
                    x = _prepare(frame, config.downsampling).to(encoder.device, encoder.dtype)
                    latent = cast(VaeEncoder, network).start_latent(x).float().cpu()
                    if not bool(latent.isfinite().all()):
                        break
                    latents.append(latent * LATENT_SCALE)
                    report(len(latents))
            if len(latents) < len(frames):
                self.notes.append(self._svd.use_fp32("encoder"))
        return torch.cat(latents)

    def _decode(self, latents: Tensor, closed: bool, tell: Callable[[float], None]) -> Frames:
        """Take latents of a part to its frames, [t, H, W, 3] float32, 0..255 and about."""
        decoder, scale = self._svd.decoder, self._svd.configs.encoder.downsampling
        height, width = (side * scale for side in latents.shape[-2:])
        size, configs = (len(latents), height, width), self._svd.configs
        plans = list_decode_plans(configs, size, decoder.dtype, decoder.count_room())
        for plan in plans:
            try:
                with torch.inference_mode(), decoder.bring_to_gpu(plan.bytes) as network:
                    decoded = self._run(network, latents, plan, closed, tell)
            except OutOfMemory:
                if plan is plans[-1]:
                    raise
                self.notes.append(f"There was no room to decode {plan.chunk} frames at a time; fewer were.")
                continue
            if decoded is None:
                self.notes.append(self._svd.use_fp32("decoder"))
                return self._decode(latents, closed, tell)
            return decoded
        raise AssertionError("the last plan returns or raises")

    def _run(
        self, network: nn.Module, latents: Tensor, plan: memory.DecodePlan, closed: bool, tell: Callable[[float], None]
    ) -> Frames | None:
        """Decode as planned; None: it is not finite."""
        decoder = self._svd.decoder
        park = None if plan.park_on_device else torch.device("cpu")
        x = latents.to(decoder.device, decoder.dtype)
        for step in cast(VaeDecoder, network).decode_steps(x, plan.chunk, park, closed=closed):
            tell(step.number / step.total)
        made = torch.cat([frames.float().cpu() for frames in step.clip])
        if not bool(made.isfinite().all()):
            return None
        return cast(Frames, made.add(1).mul(127.5).permute(0, 2, 3, 1).contiguous().numpy())


def _report_share(report: Report, before: int, count: int, total: int, share: float) -> None:
    """Tell that this share of so many frames is done, beside those before."""
    report(before + int(share * count), total)


class PlacedPart(NamedTuple):
    """Frames that are decoded together, and how much of each is taken over what earlier parts gave."""

    frames: npt.NDArray[np.intp]
    shares: npt.NDArray[np.float32]  # [t, 1, 1, 1], 0..1


def place_parts(num_frames: int, *, closed: bool = False) -> list[PlacedPart]:
    """List the parts in which a scene is decoded, one after the other.

    Args:
        num_frames: T of the scene.
        closed: whether the first frame comes after the last one, so that the last part leads over the end.
    """
    if num_frames <= PART:
        return [PlacedPart(np.arange(num_frames), np.ones((num_frames, 1, 1, 1), np.float32))]
    hop = PART - OVERLAP
    if closed:
        count = -(-num_frames // hop)
        begins = [i * num_frames // count for i in range(count)]
    else:
        begins = [*range(0, num_frames - PART, hop), num_frames - PART]
    placed = []
    for number, begin in enumerate(begins):
        shares = np.ones((PART, 1, 1, 1), np.float32)
        if number:
            ahead = begins[number - 1] + PART - begin
            shares[:ahead] = _fade_in(ahead)
        beyond = begin + PART - num_frames
        if beyond > 0:  # over a closed scene's end, where the first part is
            shares[-beyond:] = 1 - _fade_in(beyond)
        placed.append(PlacedPart((begin + np.arange(PART)) % num_frames, shares))
    return placed


def _fade_in(count: int) -> npt.NDArray[np.float32]:
    """How much of each of so many frames in common is the later part's: nothing at first, all at last."""
    steps = np.arange(1, count + 1, dtype=np.float32).reshape(-1, 1, 1, 1) - EDGE
    return np.clip(steps / (count - 2 * EDGE + 1), 0, 1)


def _prepare(frame: Frames, grid: int) -> Tensor:
    """Take a frame [H, W, 3] to [1, 3, H, W] in [-1, 1], mirrored at the right and the bottom up to the grid."""
    bottom, right = (-side % grid for side in frame.shape[:2])
    grown = np.pad(frame, ((0, bottom), (0, right), (0, 0)), "reflect") if bottom or right else frame
    return torch.from_numpy(grown.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
