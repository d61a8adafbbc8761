"""Picture to what the UNet is told about the clip."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1
from typing import cast

import torch
from torch import Tensor, nn

from lib_svd.engine import conditioning, memory
from lib_svd.engine.conditioning import Conditioning
from lib_svd.engine.config import LATENT_SCALE
from lib_svd.engine.vae import VaeEncoder
from lib_svd.engine.vision import prepare_input
from lib_svd.ports import Part
from lib_svd.progress import Progress, Stage
from lib_svd.request import CompleteRequest
from lib_svd.settings import DYNAMIC, list_places
from lib_svd.stages.run import Run


def condition(run: Run, image: Tensor) -> Conditioning:
    """Make the conditional branch of a picture [1, 3, H, W] in [-1, 1]; draws the augmentation noise, the clip's first
    draw.

    What the networks made of the very same pixels before is used again: a clip that differs from the last one in motion
    or guidance alone costs no encoding.
    """
    run.report(Progress(Stage.READING, 0, 2))
    image_embeds = run.svd.recall(_name_inputs(run, "vision", image), lambda: embed(run, image))
    run.report(Progress(Stage.READING, 1, 2))
    noisy = image + run.request.noise_aug_strength * run.draw_noise(*image.shape)
    start_latent = run.svd.recall(_name_inputs(run, "encoder", noisy), lambda: _encode(run, noisy))
    run.report(Progress(Stage.READING, 2, 2))
    return Conditioning(image_embeds, start_latent, _embed_numbers(run))


def _name_inputs(run: Run, part: Part, image: Tensor) -> tuple[object, ...]:
    """Name what the result of a network depends on."""
    return part, getattr(run.svd, part).dtype, tuple(image.shape), sha1(image.numpy().tobytes()).digest()


def embed(run: Run, image: Tensor) -> Tensor:
    """Take the picture [1, 3, H, W] in [-1, 1], without noise, to image_embeds [1, 1, D]."""
    vision, config = run.svd.vision, run.svd.configs.vision

    def work(tower: nn.Module) -> Tensor:
        x = prepare_input(image.to(vision.device), config.image_size)
        return cast(Tensor, tower(x.to(vision.dtype)))

    return run.run_finite("vision", memory.estimate_vision_bytes(config, vision.dtype), work)


def encode_still(run: Run, image: Tensor) -> Tensor:
    """Encode a picture [1, 3, H, W] in [-1, 1], without noise, as the latents of a clip that does not move:
    [1, 4, h, w].
    """
    return LATENT_SCALE * run.svd.recall(_name_inputs(run, "encoder", image), lambda: _encode(run, image))


def encode_views(run: Run, views: Iterable[Tensor], count: int) -> Tensor:
    """Encode what a camera sees, pictures [1, 3, H, W] in [-1, 1], as latents of the clip: [T, 4, h, w].

    Of the pictures it is known that there are `count`. The first is the picture itself; one that repeats the one before
    is not encoded again.
    """
    before, latents = None, list[Tensor]()
    for number, view in enumerate(views):
        if before is None:
            latents.append(encode_still(run, view))
        else:
            same = torch.equal(before, view)
            latents.append(latents[-1] if same else LATENT_SCALE * _encode(run, view))
        before = view
        run.report(Progress(Stage.READING, number + 1, count))
    return torch.cat(latents)


def _encode(run: Run, noisy: Tensor) -> Tensor:
    """Take the picture [1, 3, H, W] with its noise to start_latent [1, 4, h, w]."""
    encoder, config = run.svd.encoder, run.svd.configs.encoder

    def work(network: nn.Module) -> Tensor:
        return cast(VaeEncoder, network).start_latent(noisy.to(encoder.device, encoder.dtype))

    return run.run_finite(
        "encoder", memory.estimate_encode_bytes(config, noisy.shape[-2], noisy.shape[-1], encoder.dtype), work
    )


def _embed_numbers(run: Run) -> Tensor:
    """Embed the numbers that this family is conditioned on."""
    r = run.request
    match run.svd.family.conditioning:
        case "sv3d_p":
            polars, azimuths = conditioning.make_orbit(r.num_frames, *_choose_path(r))
            return conditioning.embed_orbit(r.noise_aug_strength, polars, azimuths)
        case "sv3d_u":
            return conditioning.embed_object(r.noise_aug_strength)
        case _:
            return conditioning.embed_motion(r.fps, r.motion_bucket_id, r.noise_aug_strength)


def _choose_path(r: CompleteRequest) -> tuple[list[float], float | list[float]]:
    """Give elevations along the clip, and what the camera travels or its azimuths, in degrees."""
    elevations = list_places(r.elevation)
    if r.orbit == DYNAMIC:
        return conditioning.draw_dynamic_orbit(r.num_frames, elevations[0], r.seed)
    return elevations, list_places(r.orbit) if isinstance(r.orbit, str) else r.orbit
