"""First stage: the VAE, on still crops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib_svd.engine.config import LATENT_SCALE, DecoderConfig, EncoderConfig
from lib_svd.engine.vae import AttnBlock, ResnetBlock, VaeDecoder, VaeEncoder
from training.initial import copy, group_inputs, read, silence
from training.loop import Plan, draw_normal, train
from training.scenes import Rng
from training.sheets import write_sheet

ENCODER = EncoderConfig(channels=(64, 64, 128), num_res_blocks=1)
DECODER = DecoderConfig(channels=(96, 96, 96), num_res_blocks=1)
KL = 1e-4  # weight of the divergence from unit noise, a latent number
GRADIENT = 0.5  # weight of differences between neighbouring pixels
SQUARED = 10.0  # weight of squared differences, to which a wrong colour is dear
PATCH = 8  # pixels over which colours are compared
CONSTANT = 2.0  # in company of a colour, see `initial`
BATCH = 8


class Vae(nn.Module):
    """Encoder, and a decoder that looks at one frame at a time."""

    def __init__(self, encoder: EncoderConfig = ENCODER, decoder: DecoderConfig = DECODER) -> None:
        super().__init__()
        self.encoder = VaeEncoder(encoder)
        self.decoder = VaeDecoder(replace(decoder, temporal=False))
        _begin_with_colours(self.encoder, self.decoder)
        _begin_with_little_variance(self.encoder.quant_conv)

    def compute_moments(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 3, H, W] to mean and logarithm of the variance [N, 4, h, w]."""
        mean, logvar = self.encoder(images).float().chunk(2, dim=1)
        return mean, logvar.clamp(-30, 20)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents as the encoder gives them [N, 4, h, w] to pictures [N, 3, H, W]."""
        return torch.cat(list(self.decoder.decode_frames(latents * LATENT_SCALE, len(latents))))

    def forward(self, images: Tensor) -> Tensor:
        """There and back, without noise."""
        return self.decode(self.compute_moments(images)[0])


def train_vae(crops: Tensor, held_out: Tensor, plan: Plan, folder: Path, seed: int) -> Vae:
    """Train on crops [N, 3, H, W] in [-1, 1]; look at `held_out`, of the same kind."""
    vae = Vae().to(memory_format=torch.channels_last)

    def compute_loss(rng: Rng, step: int) -> Mapping[str, Tensor]:
        images = crops[torch.from_numpy(rng.integers(len(crops), size=BATCH))]
        with use_half_precision():
            mean, logvar = vae.compute_moments(images)
            back = vae.decode(mean + (logvar / 2).exp() * draw_normal(rng, mean.shape)).float()
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        squared = (back - images).pow(2).mean()
        return {
            "loss": measure_unlikeness(back, images) + SQUARED * squared + KL * kl,
            "squared": squared.detach(),
            "kl": kl.detach(),
        }

    def look(averaged: nn.Module, step: int) -> Mapping[str, float]:
        with torch.inference_mode():
            back = averaged(held_out)
        write_sheet([held_out[:16], back[:16]], folder / f"vae-{step:05d}.png")
        patches = measure_psnr(F.avg_pool2d(back, PATCH), F.avg_pool2d(held_out, PATCH))
        return {"held_out_psnr": round(measure_psnr(back, held_out), 2), "held_out_patches": round(patches, 2)}

    trained = train("vae", vae, compute_loss, look, plan, folder, seed)
    assert isinstance(trained, Vae)
    return trained


def measure_unlikeness(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference at three sizes, and of the differences between neighbours."""
    total = (a - b).abs().mean() + GRADIENT * sum(
        (_compute_slope(a, axis) - _compute_slope(b, axis)).abs().mean() for axis in (-1, -2)
    )
    for _ in range(2):
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        total = total + (a - b).abs().mean()
    return total


def measure_psnr(a: Tensor, b: Tensor) -> float:
    """Mean over pictures of the peak signal-to-noise ratio in dB, of pictures in [-1, 1]."""
    errors = ((a.clamp(-1, 1) - b) / 2).pow(2).flatten(-3).mean(-1)
    return float((-10 * errors.log10()).mean())


@contextmanager
def use_half_precision() -> Iterator[None]:
    """bfloat16 where it is safe; weights stay float32."""
    with torch.autocast("cpu", torch.bfloat16):
        yield


def _begin_with_colours(encoder: VaeEncoder, decoder: VaeDecoder) -> None:
    """Let the VAE begin as one that keeps mean colours: latents 0 to 2 are RGB over four by four pixels."""
    for module in (*encoder.modules(), *decoder.modules()):
        if isinstance(module, ResnetBlock):
            silence(module.conv2)
        if isinstance(module, AttnBlock):
            silence(module.proj_out)
    first, last = encoder.encoder, decoder.decoder
    copy(first.conv_in, range(3), range(3))
    for level in first.down[:-1]:
        copy(level.downsample.conv, range(3), range(3), rows=2)
    group_inputs(first.down[-1].block[0].nin_shortcut, range(3), 4, CONSTANT)
    read(first.norm_out, first.conv_out, 3, 4, CONSTANT)
    copy(encoder.quant_conv, range(3), range(3))
    group_inputs(last.conv_in, range(3), 3, CONSTANT)
    for level in last.up[1:]:
        copy(level.upsample.conv, range(9), range(9))
    read(last.norm_out, last.conv_out, 3, 3, CONSTANT)


@torch.no_grad()
def _begin_with_little_variance(quant_conv: nn.Conv2d) -> None:
    """Let latents begin almost without noise: training from -6 is stable, from 0 it is not."""
    quant_conv.weight.chunk(2)[1].mul_(0.1)
    quant_conv.bias.chunk(2)[1].fill_(-6)


def _compute_slope(x: Tensor, axis: int) -> Tensor:
    return x.diff(dim=axis)
