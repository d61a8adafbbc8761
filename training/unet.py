"""Third stage: the UNet, on latents of clips."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lib_svd.engine import precond, schedule
from lib_svd.engine.attention import SpatioTemporalTransformer
from lib_svd.engine.conditioning import Conditioning, embed_motion
from lib_svd.engine.config import LATENT_SCALE, UNetConfig
from lib_svd.engine.samplers import euler, start
from lib_svd.engine.unet import ResBlock, TimeStack, UNet
from training.initial import copy, group_inputs, read, silence
from training.latents import Example, encode
from training.loop import Plan, draw_normal, train
from training.scenes import Rng
from training.sheets import write_sheet
from training.vae import Vae, measure_psnr, use_half_precision

UNET = UNetConfig(
    channels=(96, 64), num_res_blocks=1, attention=(False, True), emb_dim=128, context_dim=64, vector_dim=768
)
CONSTANT = 4.0  # in company of a latent, see `initial`
LOG_SIGMA = (1.1, 1.55)  # mean and deviation of ln sigma
HIGH_SHARE, HIGH = 0.1, 20.0  # of steps that see levels from there to the highest instead, evenly in the logarithm
DROPPED = 0.12  # of clips without picture, for guidance
EASY_STEPS, AMONG = 2400, 4  # see `_draw`
AUGMENTATION = (-3.5, 1.2)  # mean and deviation of ln of the noise on the picture; 1 at most


def build_unet() -> UNet:
    """A UNet that begins with a clip that stands still: F = - start latent, which is right at high noise levels."""
    unet = UNet(UNET)
    for module in unet.modules():
        if isinstance(module, (ResBlock, TimeStack)):
            silence(module.out_layers[3])
        if isinstance(module, SpatioTemporalTransformer):
            silence(module.proj_out)
    count, width = UNET.out_channels, 3
    group_inputs(unet.input_blocks[0][0], range(count, 2 * count), width, CONSTANT)
    last = unet.output_blocks[-1][0].skip_connection  # of what comes up, and of the first convolution's output
    copy(last, range(count * width), range(UNET.channels[0], UNET.channels[0] + count * width))
    read(unet.out[0], unet.out[2], count, width, CONSTANT, sign=-1)
    return unet


def train_unet(
    clips: Sequence[Example], unseen: Sequence[Example], vae: Vae, plan: Plan, folder: Path, seed: int
) -> UNet:
    """Train on clips; look at what the network makes of pictures that it has not seen."""
    unet = build_unet()

    def compute_loss(rng: Rng, step: int) -> Mapping[str, Tensor]:
        example, sigma = _draw(clips, rng, step), _draw_sigma(rng)
        return {"loss": _measure_error(unet, vae, example, sigma, rng)}

    def look(averaged: nn.Module, step: int) -> Mapping[str, float]:
        assert isinstance(averaged, UNet)
        return _look_at(averaged, vae, unseen, folder / f"unet-{step:05d}.png")

    trained = train("unet", unet, compute_loss, look, plan, folder, seed)
    assert isinstance(trained, UNet)
    return trained


def fold_start(unet: UNet) -> None:
    """Training fed start latents of unit variance; SVD feeds them unscaled."""
    with torch.no_grad():
        unet.input_blocks[0][0].weight[:, UNET.out_channels :].mul_(LATENT_SCALE)


def sample(unet: UNet, vae: Vae, picture: Tensor, embeds: Tensor, motion: tuple[int, int], seed: int) -> Tensor:
    """Latents [T, 4, h, w] of a clip by a UNet in training, 10 steps, without guidance."""
    from training.latents import NUM_FRAMES

    generator = torch.Generator().manual_seed(seed)
    noisy = picture + 0.02 * torch.randn(picture.shape, generator=generator)
    start_latent = encode(vae.encoder, noisy)
    bucket, fps = motion
    sigmas = schedule.align_your_steps(10)
    denoise = precond.Denoiser(
        unet,
        Conditioning(embeds, start_latent, embed_motion(fps, bucket, 0.02)),
        sigmas,
        torch.ones(NUM_FRAMES),
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    noise = torch.randn((NUM_FRAMES, *start_latent.shape[1:]), generator=generator)
    *_, last = euler(denoise, start(noise, sigmas), sigmas, lambda: noise)
    return last.x


def _draw(clips: Sequence[Example], rng: Rng, step: int) -> Example:
    """Any clip; after the easy steps, every second time the one of several that moves farthest."""
    first = clips[rng.integers(len(clips))]
    if step < EASY_STEPS or rng.random() < 0.5:
        return first
    others = [clips[i] for i in rng.integers(len(clips), size=AMONG - 1)]
    return max(first, *others, key=lambda clip: clip.motion.reach)


def _measure_error(unet: UNet, vae: Vae, example: Example, sigma: float, rng: Rng) -> Tensor:
    """Mean square error of F at one noise level: that of D, weighted with (sigma^2 + 1) / sigma^2."""
    y, s = example.latents, torch.tensor(sigma)
    strength = min(1.0, math.exp(rng.normal(*AUGMENTATION)))
    x = y + s * draw_normal(rng, y.shape)
    with torch.no_grad():
        noisy = example.picture + strength * draw_normal(rng, example.picture.shape)
        start_latent = encode(vae.encoder, noisy)
    kept = float(rng.random() >= DROPPED)
    vector = embed_motion(example.motion.fps, example.motion.bucket, strength)
    with use_half_precision():
        tables = unet.make_tables(precond.c_noise(s)[None], vector, kept * example.image_embeds, len(y))
        shown = (kept * start_latent).expand(len(y), -1, -1, -1)
        f = unet(torch.cat([precond.c_in(s) * x, shown], dim=1), tables, 0).float()
    wanted = (y - precond.c_skip(s) * x) / precond.c_out(s)
    return (f - wanted).pow(2).mean()


def _draw_sigma(rng: Rng) -> float:
    if rng.random() < HIGH_SHARE:
        return math.exp(rng.uniform(math.log(HIGH), math.log(schedule.SIGMA_MAX)))
    return float(np.exp(rng.normal(*LOG_SIGMA)))


@torch.inference_mode()
def _look_at(unet: UNet, vae: Vae, unseen: Sequence[Example], path: Path) -> dict[str, float]:
    """Figures, and a contact sheet: for each picture three motions, and another seed."""
    rows, figures = [], {}
    for bucket in (30, 127, 200):
        firsts, moved = [], []
        for i, example in enumerate(unseen):
            frames = vae.decode(sample(unet, vae, example.picture, example.image_embeds, (bucket, 7), i) / LATENT_SCALE)
            firsts.append(measure_psnr(frames[:1], vae(example.picture)))
            moved.append(float((frames[1:] - frames[:-1]).abs().mean() / 2))
            rows.append(frames)
        figures |= {
            f"first_{bucket}": round(float(np.mean(firsts)), 1),
            f"moved_{bucket}": round(float(np.mean(moved)), 4),
        }
    rows.sort(key=lambda frames: frames.shape[-1])
    write_sheet(rows, path)
    return figures
