"""Mistakes that implementations of SVD make, to be planted in ours, with how far each moves the reference's result.

The two figures are Stability's code with the mistake against itself without: largest difference and relative rms.
`plant` changes the loaded networks or the code through pytest's monkeypatch, which takes it all back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib_svd.engine import attention, unet, vae, vision
from lib_svd.engine.attention import GEGLU, SpatioTemporalTransformer, TemporalBlock
from lib_svd.engine.layers import Mixer, sinusoid, view_clip, view_frames
from lib_svd.engine.parked import ParkedFrames
from lib_svd.engine.unet import ResBlock
from lib_svd.engine.vae import TemporalResnetBlock, VaeDecoder
from tests.golden.networks import Networks

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch, Networks], None]


class Mistake(NamedTuple):
    name: str
    stage: str
    tensor: str
    max_abs: float
    rel_rms: float
    plant: Plant


def find_of_type(network: nn.Module, kind: type) -> Iterator[Any]:
    return (module for module in network.modules() if isinstance(module, kind))


def set_eps(patch: Patch, norms: Iterable[nn.GroupNorm], eps: float) -> None:
    for norm in norms:
        patch.setattr(norm, "eps", eps)


def negate_factors(patch: Patch, holders: Iterable[nn.Module]) -> None:
    """sigmoid(-m) = 1 - sigmoid(m)."""
    for holder in holders:
        patch.setattr(holder, "mix_factor", nn.Parameter(-holder.mix_factor, requires_grad=False))


def res_eps(patch: Patch, networks: Networks) -> None:
    for block in find_of_type(networks.unet, ResBlock):
        set_eps(patch, find_of_type(block, nn.GroupNorm), 1e-6)


def unet_share(patch: Patch, networks: Networks) -> None:
    negate_factors(patch, find_of_type(networks.unet, Mixer))


def tanh_gelu(patch: Patch, networks: Networks) -> None:
    def forward(self: GEGLU, x: Tensor) -> Tensor:
        a, g = self.proj(x).chunk(2, dim=-1)
        return a * F.gelu(g, approximate="tanh")

    patch.setattr(GEGLU, "forward", forward)


def swapped_halves(patch: Patch, networks: Networks) -> None:
    def forward(self: GEGLU, x: Tensor) -> Tensor:
        g, a = self.proj(x).chunk(2, dim=-1)
        return a * F.gelu(g)

    patch.setattr(GEGLU, "forward", forward)


def norm_per_frame(patch: Patch, networks: Networks) -> None:
    def per_frame(norm: nn.GroupNorm) -> Callable[[Tensor], Tensor]:
        def forward(x: Tensor) -> Tensor:
            frames = view_frames(x, 1)
            return view_clip(F.group_norm(frames, norm.num_groups, norm.weight, norm.bias, norm.eps), x.shape[2])

        return forward

    for stack in find_of_type(networks.unet, unet.TimeStack):
        for norm in find_of_type(stack, nn.GroupNorm):
            patch.setattr(norm, "forward", per_frame(norm))


def no_position(patch: Patch, networks: Networks) -> None:
    table = SpatioTemporalTransformer.make_table

    def without(self: SpatioTemporalTransformer, context: Tensor, num_frames: int) -> attention.TransformerTable:
        found = table(self, context, num_frames)
        return found._replace(position=torch.zeros_like(found.position))

    patch.setattr(SpatioTemporalTransformer, "make_table", without)


def sines_first(t: Tensor, width: int) -> Tensor:
    return sinusoid(t, width).roll(width // 2, dims=-1)


def position_sines_first(patch: Patch, networks: Networks) -> None:
    patch.setattr(attention, "sinusoid", sines_first)


def noise_sines_first(patch: Patch, networks: Networks) -> None:
    patch.setattr(unet, "sinusoid", sines_first)


def change_tables(
    patch: Patch,
    networks: Networks,
    change: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]],
) -> None:
    """Let the UNet see another c_noise, vector or context than it is given."""
    tables = networks.unet.make_tables

    def changed(c_noise: Tensor, vector: Tensor, context: Tensor, num_frames: int) -> unet.UNetTables:
        return tables(*change(c_noise, vector, context), num_frames)

    patch.setattr(networks.unet, "make_tables", changed)


def strength_first(patch: Patch, networks: Networks) -> None:
    change_tables(patch, networks, lambda n, vector, c: (n, vector.roll(256, dims=-1), c))


def fps_not_reduced(patch: Patch, networks: Networks) -> None:
    """Set A has fps_id 6, a clip of 7 frames a second."""
    one_more = sinusoid(torch.tensor([7.0]), 256)
    change_tables(patch, networks, lambda n, vector, c: (n, torch.cat([one_more, vector[:, 256:]], dim=1), c))


def whole_log_sigma(patch: Patch, networks: Networks) -> None:
    change_tables(patch, networks, lambda c_noise, v, c: (4 * c_noise, v, c))


def context_in_both(patch: Patch, networks: Networks) -> None:
    change_tables(patch, networks, lambda n, v, context: (n, v, context[-1:].expand_as(context)))


def scaled_start(patch: Patch, networks: Networks) -> None:
    forward = networks.unet.forward

    def scaled(x: Tensor, tables: unet.UNetTables, step: int) -> Tensor:
        return forward(torch.cat([x[:, :4], x[:, 4:] * 0.18215], dim=1), tables, step)

    patch.setattr(networks.unet, "forward", scaled)


def zero_vector_in_one(patch: Patch, networks: Networks) -> None:
    """The unconditional branch of a batch of two without its vector."""
    tables, forward = networks.unet.make_tables, networks.unet.forward
    without: dict[int, unet.UNetTables] = {}

    def watched(c_noise: Tensor, vector: Tensor, context: Tensor, num_frames: int) -> unet.UNetTables:
        found = tables(c_noise, vector, context, num_frames)
        without[id(found)] = tables(c_noise, torch.zeros_like(vector), context, num_frames)
        return found

    def split(x: Tensor, found: unet.UNetTables, step: int) -> Tensor:
        if len(x) == found.num_frames:
            return forward(x, found, step)
        x_u, x_c = x.chunk(2)
        return torch.cat(
            [forward(x_u, without[id(found)].select_branch(0), step), forward(x_c, found.select_branch(1), step)]
        )

    patch.setattr(networks.unet, "make_tables", watched)
    patch.setattr(networks.unet, "forward", split)


def no_residuals(patch: Patch, networks: Networks) -> None:
    def forward(self: TemporalBlock, u: Tensor, cross: Tensor) -> Tensor:
        u = self.ff_in(self.norm_in(u))
        u = u + self.attn1(self.norm1(u), "a b n d -> b n a d") + cross
        return self.ff(self.norm3(u))

    patch.setattr(TemporalBlock, "forward", forward)


def decoder_share(patch: Patch, networks: Networks) -> None:
    negate_factors(patch, find_of_type(networks.decoder, TemporalResnetBlock))


def temporal_eps(patch: Patch, networks: Networks) -> None:
    for stack in find_of_type(networks.decoder, vae.TimeStack):
        set_eps(patch, find_of_type(stack, nn.GroupNorm), 1e-6)


def spatial_eps(patch: Patch, networks: Networks) -> None:
    temporal = {
        norm for stack in find_of_type(networks.decoder, vae.TimeStack) for norm in find_of_type(stack, nn.GroupNorm)
    }
    set_eps(patch, set(find_of_type(networks.decoder, nn.GroupNorm)) - temporal, 1e-5)


def no_last_convolution(patch: Patch, networks: Networks) -> None:
    convolve = ParkedFrames.convolve_in_time

    def without_last(self: ParkedFrames, norm: nn.GroupNorm | None, conv: nn.Conv2d) -> None:
        if norm is not None:
            convolve(self, norm, conv)

    patch.setattr(ParkedFrames, "convolve_in_time", without_last)


def no_latent_scale(patch: Patch, networks: Networks) -> None:
    patch.setattr(vae, "LATENT_SCALE", 1.0)


def chunks_of_their_own(patch: Patch, networks: Networks) -> None:
    frames = VaeDecoder.decode_frames

    def apart(self: VaeDecoder, latents: Tensor, chunk: int, park: torch.device | None = None) -> Iterator[Tensor]:
        return (part for z in latents.split(4) for part in frames(self, z, len(z), park))

    patch.setattr(VaeDecoder, "decode_frames", apart)


def no_blur(patch: Patch, networks: Networks) -> None:
    patch.setattr(vision, "_blur", lambda image, axis, sigma: image)


def resize_with(patch: Patch, **settings: Any) -> None:
    interpolate = F.interpolate

    def resized(image: Tensor, size: tuple[int, int], **own: Any) -> Tensor:
        return interpolate(image, size, **(own | settings))

    patch.setattr(F, "interpolate", resized)


def corners_not_aligned(patch: Patch, networks: Networks) -> None:
    no_blur(patch, networks)
    resize_with(patch, align_corners=False)


def torch_antialias(patch: Patch, networks: Networks) -> None:
    no_blur(patch, networks)
    resize_with(patch, align_corners=False, antialias=True)


def bilinear(patch: Patch, networks: Networks) -> None:
    resize_with(patch, mode="bilinear")


OUT = ("unet_T4", "out (one batch)")
FRAMES = ("decode", "frames_all (chunk 6)")
EMBEDS = ("clip", "crossattn_320x448")
MISTAKES = (
    Mistake("UNet: ResBlock GroupNorm eps 1e-6", *OUT, 0.0214, 0.00776, res_eps),
    Mistake("UNet: alpha weights the temporal side", *OUT, 1.474, 0.606, unet_share),
    Mistake("UNet: GEGLU with tanh gelu", *OUT, 7.13e-4, 2.50e-4, tanh_gelu),
    Mistake("UNet: GEGLU halves swapped", *OUT, 2.123, 0.799, swapped_halves),
    Mistake("UNet: temporal GroupNorm per frame", *OUT, 0.370, 0.0989, norm_per_frame),
    Mistake("UNet: frame position embedding missing", *OUT, 1.102, 0.369, no_position),
    Mistake("UNet: frame position sin|cos", *OUT, 1.590, 0.435, position_sines_first),
    Mistake("UNet: noise embedding sin|cos", *OUT, 1.102, 0.372, noise_sines_first),
    Mistake("UNet: cond_aug first in the vector", *OUT, 1.016, 0.355, strength_first),
    Mistake("UNet: fps_id + 1", *OUT, 0.113, 0.0396, fps_not_reduced),
    Mistake("UNet: start latent scaled by 0.18215", *OUT, 1.155, 0.314, scaled_start),
    Mistake("UNet: unconditional vector zeroed too", *OUT, 0.917, 0.243, zero_vector_in_one),
    Mistake("UNet: unconditional context not zeroed", *OUT, 2.339, 0.646, context_in_both),
    Mistake("UNet: c_noise = ln(sigma)", *OUT, 0.295, 0.0938, whole_log_sigma),
    Mistake("UNet: feed-forward residuals missing", *OUT, 2.519, 1.012, no_residuals),
    Mistake("decoder: alpha swapped", *FRAMES, 0.574, 0.139, decoder_share),
    Mistake("decoder: temporal GroupNorm eps 1e-6", *FRAMES, 0.00420, 0.00128, temporal_eps),
    Mistake("decoder: spatial GroupNorm eps 1e-5", *FRAMES, 0.00924, 0.00227, spatial_eps),
    Mistake("decoder: last time_mix_conv missing", *FRAMES, 5.148, 1.267, no_last_convolution),
    Mistake("decoder: latents not divided by 0.18215", *FRAMES, 2.774, 0.864, no_latent_scale),
    Mistake("decoder: chunks of 4 on their own", *FRAMES, 1.615, 0.336, chunks_of_their_own),
    Mistake("clip: no blur", *EMBEDS, 0.0193, 0.00730, no_blur),
    Mistake("clip: corners not aligned, no blur", *EMBEDS, 0.0270, 0.0140, corners_not_aligned),
    Mistake("clip: torch's antialiased bicubic", *EMBEDS, 0.0383, 0.0169, torch_antialias),
    Mistake("clip: bilinear", *EMBEDS, 0.0195, 0.00655, bilinear),
)
