"""Transformer of the UNet: a spatial block within each frame, a temporal block along each pixel, mixed.

A spatial block never looks beyond its own frame and a temporal one never beyond its own pixel, so both run in chunks:
what they hold beside their input is a few MB in a CPU's cache or a fixed part of a GPU's memory, whatever the clip.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib_svd.engine import fused
from lib_svd.engine.config import UNET_HEAD_WIDTH
from lib_svd.engine.layers import Mixer, make_mlp, sinusoid, view_pixels, view_tokens
from lib_svd.engine.norm import apply_norm, make_group_norm

FF_MULT = 4  # inner width of the feed-forward over its outer width
CPU_CHUNK_BYTES = (
    8 * 2**20
)  # measured: 2.4 times faster than one matrix of 37k x 1280 on two cores, flat from 2 to 20 MB
GPU_CHUNK_BYTES = 256 * 2**20


class TransformerTable(NamedTuple):
    """What a transformer needs of the clip, the same at every step."""

    spatial: Tensor  # [B*T, 1, C] what cross-attention to the image embedding adds to a frame, in the spatial block
    temporal: Tensor  # [B, 1, C] the same in the temporal block, to a whole clip
    position: Tensor  # [T, C] frame position embedding
    spatial_share: Tensor  # [1] of the spatial side in the sum


class GEGLU(nn.Module):
    """(a, g) = chunk(proj x); a * gelu(g) with the exact gelu."""

    def __init__(self, dim: int, inner_dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, 2 * inner_dim)

    def forward(self, x: Tensor) -> Tensor:
        both = self.proj(x)
        return fused.fuse(_gated)(both) if fused.is_compiling() else _gated(both)


def _gated(both: Tensor) -> Tensor:
    a, g = both.chunk(2, dim=-1)
    return F.gelu(g).mul_(a)


class FeedForward(nn.Module):
    """GEGLU, Linear, on [..., C] tokens."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(GEGLU(dim, FF_MULT * dim), nn.Identity(), nn.Linear(FF_MULT * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        rows = count_chunk_rows(x, 2 * FF_MULT * x.shape[-1])
        parts = [self.net(part) for part in x.flatten(0, -2).split(rows)]
        return (parts[0] if len(parts) == 1 else torch.cat(parts)).view(x.shape)


class SelfAttention(nn.Module):
    """softmax(q k / sqrt(64)) v over the tokens of one sequence; heads of width 64."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.heads = max(1, dim // UNET_HEAD_WIDTH)
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(dim, dim, bias=False)
        self.to_v = nn.Linear(dim, dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(dim, dim))

    def forward(self, x: Tensor, along: int) -> Tensor:
        """Attend within sequences, without a copy of q, k and v.

        Args:
            x: tokens [A, B, C].
            along: the dimension that the tokens of a sequence follow one another in, 0 or 1.

        Returns:
            [A, B, C].
        """
        to_sequences, to_tokens = ((1, 2, 0, 3), (2, 0, 1, 3)) if along == 0 else ((0, 2, 1, 3), (0, 2, 1, 3))
        q, k, v = (
            proj(x).unflatten(-1, (self.heads, -1)).permute(to_sequences) for proj in (self.to_q, self.to_k, self.to_v)
        )
        out = F.scaled_dot_product_attention(q, k, v)
        return self.to_out(out.permute(to_tokens).flatten(-2))


class TokenCrossAttention(nn.Module):
    """Cross-attention to a single context token: softmax over one key is 1, so the query does not matter.

    The released files' norm2, to_q and to_k have no effect and are not kept.
    """

    def __init__(self, dim: int, context_dim: int) -> None:
        super().__init__()
        self.to_v = nn.Linear(context_dim, dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(dim, dim))

    def forward(self, context: Tensor) -> Tensor:
        """Take [B, 1, D] to [B, 1, C], what is added to every token."""
        return self.to_out(self.to_v(context))


class SpatialBlock(nn.Module):
    """Self-attention within a frame, cross-attention, feed-forward."""

    def __init__(self, dim: int, context_dim: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn1 = SelfAttention(dim)
        self.attn2 = TokenCrossAttention(dim, context_dim)
        self.norm3 = nn.LayerNorm(dim)
        self.ff = FeedForward(dim)

    def forward(self, h: Tensor, cross: Tensor) -> Tensor:
        """Take tokens [frames, S, C] and the cross-attention's vectors [frames, 1, C] to tokens [frames, S, C]."""
        h = h + self.attn1(self.norm1(h), along=1).add_(cross)
        return self.ff(self.norm3(h)).add_(h)


class TemporalBlock(nn.Module):
    """Feed-forward, self-attention along time, cross-attention, feed-forward."""

    def __init__(self, dim: int, context_dim: int) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(dim)
        self.ff_in = FeedForward(dim)
        self.norm1 = nn.LayerNorm(dim)
        self.attn1 = SelfAttention(dim)
        self.attn2 = TokenCrossAttention(dim, context_dim)
        self.norm3 = nn.LayerNorm(dim)
        self.ff = FeedForward(dim)

    def forward(self, u: Tensor, cross: Tensor) -> Tensor:
        """Take tokens [T, pixels, C] of one clip and the cross-attention's vector [1, C] to tokens [T, pixels, C]."""
        u = self.ff_in(self.norm_in(u)).add_(u)
        u = u + self.attn1(self.norm1(u), along=0).add_(cross)
        return self.ff(self.norm3(u)).add_(u)


class SpatioTemporalTransformer(nn.Module):
    """out = x + proj_out(a h + (1 - a) u), h the spatial and u the temporal side, a = sigmoid(mix_factor)."""

    def __init__(self, channels: int, context_dim: int) -> None:
        super().__init__()
        self.norm = make_group_norm(channels, 1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList([SpatialBlock(channels, context_dim)])  # of one, as in the key names
        self.time_stack = nn.ModuleList([TemporalBlock(channels, context_dim)])
        self.time_pos_embed = make_mlp(channels, FF_MULT * channels, channels)
        self.time_mixer = Mixer()
        self.proj_out = nn.Linear(channels, channels)

    @property
    def spatial_block(self) -> SpatialBlock:
        """The one block within frames."""
        return cast(SpatialBlock, self.transformer_blocks[0])

    @property
    def temporal_block(self) -> TemporalBlock:
        """The one block along time."""
        return cast(TemporalBlock, self.time_stack[0])

    def make_table(self, context: Tensor, num_frames: int) -> TransformerTable:
        """Work out everything that depends on the clip but not on the step.

        Args:
            context: image embedding of each branch [B, 1, D], zero for the unconditional one.
            num_frames: T.
        """
        channels = self.norm.num_channels
        frame = sinusoid(torch.arange(num_frames, device=context.device), channels).to(context.dtype)
        return TransformerTable(
            spatial=self.spatial_block.attn2(context).repeat_interleave(num_frames, 0),
            temporal=self.temporal_block.attn2(context),
            position=self.time_pos_embed(frame),
            spatial_share=self.time_mixer.compute_spatial_share(context),
        )

    def forward(self, x: Tensor, table: TransformerTable) -> Tensor:
        """Take [B*T, C, H, W] to the same; `make_table` holds the rows of the same B branches."""
        h = self.proj_in(view_tokens(apply_norm(x, self.norm)))
        h = self._run_along_space(h, table)
        h = self._run_along_time(h, table)
        return view_pixels(self.proj_out(h), x.shape[-2]).add_(x)

    def _run_along_space(self, h: Tensor, table: TransformerTable) -> Tensor:
        """Take tokens [B*T, S, C] through the spatial block, some frames at a time."""
        frames = max(1, count_chunk_rows(h, 2 * FF_MULT * h.shape[-1]) // h.shape[1])
        out = torch.empty_like(h)
        for t in range(0, len(h), frames):
            part = slice(t, t + frames)
            out[part] = self.spatial_block(h[part], table.spatial[part])
        return out

    def _run_along_time(self, h: Tensor, table: TransformerTable) -> Tensor:
        """Take tokens [B*T, S, C] through the temporal block, some pixels at a time, and mix them with the spatial
        side.
        """
        num_frames = table.position.shape[0]
        count = max(1, count_chunk_rows(h, 2 * FF_MULT * h.shape[-1]) // num_frames)
        out = torch.empty_like(h)
        clips, mixed = (x.unflatten(0, (-1, num_frames)) for x in (h, out))
        for b in range(len(clips)):  # by index: autograd refuses to write into what iterating over a tensor gives
            for s in range(0, h.shape[1], count):
                part = clips[b, :, s : s + count]
                u = self.temporal_block(part + table.position[:, None], table.temporal[b])
                mixed[b, :, s : s + count] = torch.lerp(u, part, table.spatial_share)
        return out


def count_chunk_rows(x: Tensor, width: int) -> int:
    """Work out how many rows of `width` numbers of x's dtype are worked on at a time."""
    limit = CPU_CHUNK_BYTES if x.device.type == "cpu" else GPU_CHUNK_BYTES
    return max(1, limit // (width * x.element_size()))
