"""The denoising network F(x, c_noise, context, vector); keys `model.diffusion_model.` of the released files.

What depends on the clip or the schedule alone is worked out once, in `UNet.make_tables`; a step then only looks it up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lib_svd.engine.attention import SpatioTemporalTransformer, TransformerTable
from lib_svd.engine.config import UNetConfig
from lib_svd.engine.layers import (
    Mixer,
    NormSiluConv,
    Upsample,
    make_conv3x3,
    make_mlp,
    make_time_conv,
    sinusoid,
    view_clip,
    view_frames,
)

RES_EPS = 1e-5


class EmbeddingTable(NamedTuple):
    """What a residual block needs beside x: what it adds for the noise level and the conditioning vector, by step."""

    spatial: Tensor  # [n, R, C], R = 1 row for all frames, or one row a frame
    temporal: Tensor  # [n, R, C]
    temporal_share: Tensor  # [1] of the temporal side in the sum


@dataclass(frozen=True)
class UNetTables:
    """Everything in the network that does not depend on x. See `UNet.make_tables`."""

    num_frames: int
    embeddings: dict[nn.Module, EmbeddingTable]
    contexts: dict[nn.Module, TransformerTable]
    closed: bool = False  # the first frame comes after the last: convolutions over time lead over the end

    def select_branch(self, b: int) -> UNetTables:
        """Give the rows of one branch, for running the branches one after the other."""
        rows = {
            block: table._replace(
                spatial=table.spatial[b * self.num_frames : (b + 1) * self.num_frames],
                temporal=table.temporal[b : b + 1],
            )
            for block, table in self.contexts.items()
        }
        return UNetTables(self.num_frames, self.embeddings, rows, self.closed)


@dataclass
class Inner:
    """What all stages but the outermost made, kept from one step to the next (DeepCache, Ma et al. 2023)."""

    value: Tensor | None = None  # [B*T, C, h, w]; None: to be worked out


class TimeStack(nn.Module):
    """The temporal twin of a residual block, on [B, C, T, S]; its GroupNorm spans all frames. Returns what is added."""

    def __init__(self, channels: int, emb_dim: int) -> None:
        super().__init__()
        self.in_layers = NormSiluConv(channels, make_time_conv(channels, channels), RES_EPS)
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(emb_dim, channels))
        self.out_layers = NormSiluConv(channels, make_time_conv(channels, channels), RES_EPS, dropout_slot=True)

    def forward(self, x: Tensor, emb: Tensor, closed: bool) -> Tensor:
        h = self.in_layers(x, closed).add_(emb.T[None, :, :, None])
        return self.out_layers(h, closed)


class ResBlock(nn.Module):
    """y = skip(x) + conv(silu(GN(conv(silu(GN x)) + emb))); then y + (1 - a) time_stack(y), a = sigmoid(mix_factor)."""

    def __init__(self, in_channels: int, out_channels: int, emb_dim: int) -> None:
        super().__init__()
        self.in_layers = NormSiluConv(in_channels, make_conv3x3(in_channels, out_channels), RES_EPS)
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(emb_dim, out_channels))
        self.out_layers = NormSiluConv(
            out_channels, make_conv3x3(out_channels, out_channels), RES_EPS, dropout_slot=True
        )
        same = in_channels == out_channels
        self.skip_connection = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)
        self.time_stack = TimeStack(out_channels, emb_dim)
        self.time_mixer = Mixer()

    def make_table(self, emb: Tensor) -> EmbeddingTable:
        """Take [n, R, E] to what does not depend on x."""
        share = 1 - self.time_mixer.compute_spatial_share(emb)
        return EmbeddingTable(self.emb_layers(emb), self.time_stack.emb_layers(emb), share)

    def forward(self, x: Tensor, tables: UNetTables, step: int) -> Tensor:
        """Take [B*T, C, H, W], and which rows of its table, to [B*T, C', H, W]."""
        table, num_frames = tables.embeddings[self], tables.num_frames
        rows = table.spatial[step]
        rows = rows if len(rows) == 1 else rows.repeat(len(x) // num_frames, 1)
        h = self.in_layers(x).add_(rows[..., None, None])
        h = self.out_layers(h).add_(self.skip_connection(x))
        clip = view_clip(h, num_frames)
        added = self.time_stack(clip, table.temporal[step], tables.closed)
        return view_frames(torch.addcmul(clip, added, table.temporal_share), x.shape[-2])


class Downsample(nn.Module):
    """3x3, stride 2, padded by one on every side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class Stage(nn.ModuleList):
    """Some layers in a row, each fed what it takes from the tables."""

    def forward(self, x: Tensor, tables: UNetTables, step: int) -> Tensor:
        for layer in self:
            if isinstance(layer, ResBlock):
                x = layer(x, tables, step)
            elif isinstance(layer, SpatioTemporalTransformer):
                x = layer(x, tables.contexts[layer])
            else:
                x = layer(x)
        return x


class UNet(nn.Module):
    """Spatio-temporal UNet of Stable Video Diffusion."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        first = config.channels[0]
        self.time_embed = make_mlp(first, config.emb_dim, config.emb_dim)
        self.label_emb = nn.Sequential(make_mlp(config.vector_dim, config.emb_dim, config.emb_dim))
        self.input_blocks = nn.ModuleList(_plan_down_stages(config))
        self.middle_block = Stage(
            [
                ResBlock(config.channels[-1], config.channels[-1], config.emb_dim),
                SpatioTemporalTransformer(config.channels[-1], config.context_dim),
                ResBlock(config.channels[-1], config.channels[-1], config.emb_dim),
            ]
        )
        self.output_blocks = nn.ModuleList(_plan_up_stages(config))
        self.out = NormSiluConv(first, make_conv3x3(first, config.out_channels), RES_EPS)

    def make_tables(
        self, c_noise: Tensor, vector: Tensor, context: Tensor, num_frames: int, *, closed: bool = False
    ) -> UNetTables:
        """Work out, once a clip, what does not depend on x.

        Args:
            c_noise: ln(sigma) / 4 of every step [n], float32.
            vector: conditioning numbers, embedded: [1, vector_dim] for all frames, or [T, vector_dim].
            context: image embedding [B, 1, context_dim] of each branch, compute dtype; zero for the unconditional.
            num_frames: T.
            closed: whether the first frame comes after the last one.
        """
        dtype = context.dtype
        noise = self.time_embed(sinusoid(c_noise, self.config.channels[0]).to(dtype))
        emb = noise[:, None] + self.label_emb(vector.to(dtype))[None]
        return UNetTables(
            num_frames=num_frames,
            embeddings={block: block.make_table(emb) for block in self.modules() if isinstance(block, ResBlock)},
            contexts={
                block: block.make_table(context, num_frames)
                for block in self.modules()
                if isinstance(block, SpatioTemporalTransformer)
            },
            closed=closed,
        )

    def forward(self, x: Tensor, tables: UNetTables, step: int, inner: Inner | None = None) -> Tensor:
        """Give the raw output of the network.

        Args:
            x: c_in * noisy latents and start latent, [B*T, in_channels, h, w], branches one after the other.
            tables: for the same B branches.
            step: which c_noise of the tables.
            inner: of an earlier step, to take what it holds instead of working it out; filled where it is empty.

        Returns:
            [B*T, out_channels, h, w], dtype of x.
        """
        inner = Inner() if inner is None else inner
        first = self.input_blocks[0](x.contiguous(memory_format=torch.channels_last), tables, step)
        if inner.value is None:
            inner.value = self._run_inner(first, tables, step)
        return self.out(self.output_blocks[-1](torch.cat([inner.value, first], dim=1), tables, step))

    def _run_inner(self, h: Tensor, tables: UNetTables, step: int) -> Tensor:
        """Run from what comes out of the first stage to what goes into the last one beside it."""
        skips: list[Tensor] = []
        for stage in self.input_blocks[1:]:
            h = stage(h, tables, step)
            skips.append(h)
        h = self.middle_block(h, tables, step)
        for stage in self.output_blocks[:-1]:
            h = stage(torch.cat([h, skips.pop()], dim=1), tables, step)
        return h


def _plan_down_stages(config: UNetConfig) -> Iterator[Stage]:
    channels = config.channels[0]
    yield Stage([make_conv3x3(config.in_channels, channels)])
    for level, width in enumerate(config.channels):
        for _ in range(config.num_res_blocks):
            yield Stage(_build_res_layers(config, channels, width, level))
            channels = width
        if level < len(config.channels) - 1:
            yield Stage([Downsample(width)])


def _plan_up_stages(config: UNetConfig) -> Iterator[Stage]:
    skips = [config.channels[0]]
    for level, width in enumerate(config.channels):
        skips += [width] * config.num_res_blocks
        skips += [width] if level < len(config.channels) - 1 else []
    channels = config.channels[-1]
    for level, width in reversed(list(enumerate(config.channels))):
        for i in range(config.num_res_blocks + 1):
            layers = _build_res_layers(config, channels + skips.pop(), width, level)
            channels = width
            last = level > 0 and i == config.num_res_blocks
            yield Stage([*layers, Upsample(width)] if last else layers)


def _build_res_layers(config: UNetConfig, in_channels: int, width: int, level: int) -> list[nn.Module]:
    layers: list[nn.Module] = [ResBlock(in_channels, width, config.emb_dim)]
    if config.attention[level]:
        layers.append(SpatioTemporalTransformer(width, config.context_dim))
    return layers
