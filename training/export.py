"""The trained networks as one checkpoint in the released files' layout, with metadata that says what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from lib_svd.ports import Part
from lib_svd.testing import make_native_tensors
from training import pictures
from training.latents import NUM_FRAMES, Example

METADATA = {
    "svd.family": "svd",
    "svd.title": "Demo, 64 px: see how it works",
    "svd.num_frames": str(NUM_FRAMES),
    "svd.width": "64",
    "svd.height": "64",
    "svd.fps": "7",
    "svd.motion_bucket_id": "127",
    "svd.lowest_motion": "1",
    "svd.highest_motion": "255",
    "svd.noise_aug_strength": "0.02",
    "svd.min_guidance": "1.0",
    "svd.max_guidance": "1.5",
    "svd.num_steps": "10",
    "svd.schedule": "align_your_steps",
    "svd.licence": "Apache-2.0",
    "svd.commercial_use": "Allowed.",
    "modelspec.title": "SVD for Forge, demo",
    "modelspec.description": (
        "A toy of 5.4 million weights in the shape of Stable Video Diffusion, trained from nothing for SVD for Forge, "
        "to show how the program works. It pans to the right over any picture and nears it, at 64 pixels; it knows "
        "nothing of the world, and its clips say nothing about Stability AI's models."
    ),
    "modelspec.license": "Apache-2.0",
    "trained_on": (
        "Camera moves over drawn scenes (training/scenes.py) and over these pictures of scikit-image: "
        + "; ".join(f"{s.name}: {s.what} ({s.terms})" for s in pictures.TRAINING)
    ),
}


def fit_latent_rgb(clips: Sequence[Example]) -> str:
    """Colours of the latent channels for previews: a least-squares fit of pooled pixels to scaled latents."""
    latents = torch.cat([rearrange(clip.latents, "t c h w -> (t h w) c") for clip in clips])
    pixels = [F.adaptive_avg_pool2d(clip.frames.float(), clip.latents.shape[-2:]) for clip in clips]
    rgb = torch.cat([rearrange(frames, "t c h w -> (t h w) c") for frames in pixels])
    return " ".join(f"{number:.4f}" for number in torch.linalg.lstsq(latents, rgb).solution.flatten().tolist())


def export(path: Path, networks: Mapping[Part, nn.Module], run: Mapping[str, str]) -> None:
    """Write a checkpoint in float16; `run` says how it was trained."""
    from safetensors.torch import save_file

    tensors = {}
    for part, network in networks.items():
        tensors |= make_native_tensors(part, network.state_dict())
    unfinished = path.with_suffix(".part")
    save_file(tensors, unfinished, metadata={**METADATA, **run})
    unfinished.replace(path)
