"""Picture to start latent (VaeEncoder) and latents to frames (VaeDecoder), with the released files' own key names.

The decoder looks along time: its temporal convolutions reach one frame to each side and their GroupNorms span the clip.
`VaeDecoder.decode_steps` therefore walks the network layer by layer with the whole clip, and each layer chunk by chunk:
statistics are merged over the chunks, borders are read from the neighbours, and what waits is parked where there is
room. The frames are the same whether 25 or 1 are worked on at a time; peers that decode chunks on their own are off by
a relative rms of 0.34 on the reference tensors, which is seen as a jump at each border.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib_svd.engine.config import LATENT_SCALE, DecoderConfig, EncoderConfig
from lib_svd.engine.layers import NormSiluConv, Upsample, make_conv3x3, make_time_conv, view_pixels, view_tokens
from lib_svd.engine.norm import apply_norm, apply_norm_silu, make_group_norm
from lib_svd.engine.parked import ParkedFrames

EPS = 1e-6
TIME_EPS = 1e-5


class ResnetBlock(nn.Module):
    """shortcut(x) + conv2(silu(GN(conv1(silu(GN x)))))."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm1 = make_group_norm(in_channels, EPS)
        self.conv1 = make_conv3x3(in_channels, out_channels)
        self.norm2 = make_group_norm(out_channels, EPS)
        self.conv2 = make_conv3x3(out_channels, out_channels)
        if in_channels != out_channels:
            self.nin_shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(apply_norm_silu(x, self.norm1))
        h = self.conv2(apply_norm_silu(h, self.norm2))
        return h.add_(self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class TimeStack(nn.Module):
    """Two (GN, SiLU, (3, 1, 1) convolution) on a `view_clip`; run by `TemporalResnetBlock.add_temporal_side`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.in_layers = NormSiluConv(channels, make_time_conv(channels, channels), TIME_EPS)
        self.out_layers = NormSiluConv(channels, make_time_conv(channels, channels), TIME_EPS, dropout_slot=True)

    def list_convolutions(self) -> list[tuple[nn.GroupNorm, nn.Conv2d]]:
        """List each convolution with the norm before it."""
        return [(cast(nn.GroupNorm, x[0]), cast(nn.Conv2d, x[-1])) for x in (self.in_layers, self.out_layers)]


class TemporalResnetBlock(ResnetBlock):
    """y = ResnetBlock(x), then y + sigmoid(mix_factor) time_stack(y): here the factor weights the temporal side."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.time_stack = TimeStack(out_channels)
        self.mix_factor = nn.Parameter(torch.zeros(1))

    def add_temporal_side(self, y: ParkedFrames) -> None:
        """Add the temporal side to the frames that `forward` gave, in place."""
        h = y.copy()
        for norm, conv in self.time_stack.list_convolutions():
            h.convolve_in_time(norm, conv)
        share = torch.sigmoid(self.mix_factor.to(y.device, torch.float32))
        y.combine(h, lambda a, b: torch.addcmul(a, b, share.to(a.dtype)))


class AttnBlock(nn.Module):
    """Self-attention of one head over the pixels of a frame, with a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = make_group_norm(channels, EPS)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = apply_norm(x, self.norm)
        q, k, v = (view_tokens(proj(h))[:, None] for proj in (self.q, self.k, self.v))
        h = view_pixels(F.scaled_dot_product_attention(q, k, v)[:, 0], x.shape[-2])
        return self.proj_out(h).add_(x)


class Downsample(nn.Module):
    """3x3, stride 2, zeros on the right and bottom only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Middle(nn.Module):
    """A block, attention and a block, at the smallest resolution."""

    def __init__(self, channels: int, block: type[ResnetBlock]) -> None:
        super().__init__()
        self.block_1 = block(channels, channels)
        self.attn_1 = AttnBlock(channels)
        self.block_2 = block(channels, channels)


class Level(nn.Module):
    """Blocks of one resolution, and the way to the next."""

    def __init__(self, widths: list[int], block: type[ResnetBlock]) -> None:
        super().__init__()
        self.block = nn.ModuleList(block(a, b) for a, b in zip(widths, widths[1:], strict=False))

    def list_layers(self) -> Iterator[nn.Module]:
        """List the layers in the order in which they run."""
        yield from self.block
        yield from (m for name, m in self.named_children() if name != "block")


class Encoder(nn.Module):
    """[N, 3, H, W] to moments [N, 2 z_channels, h, w]."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        widths = [config.channels[0], *config.channels]
        self.conv_in = make_conv3x3(3, widths[0])
        self.down = nn.ModuleList()
        for before, width in zip(widths, config.channels, strict=False):
            level = Level([before] + [width] * config.num_res_blocks, ResnetBlock)
            if len(self.down) < len(config.channels) - 1:
                level.downsample = Downsample(width)
            self.down.append(level)
        self.mid = Middle(widths[-1], ResnetBlock)
        self.norm_out = make_group_norm(widths[-1], EPS)
        self.conv_out = make_conv3x3(widths[-1], 2 * config.z_channels)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_in(x.contiguous(memory_format=torch.channels_last))
        for level in self.down:
            for layer in cast(Level, level).list_layers():
                h = layer(h)
        h = self.mid.block_2(self.mid.attn_1(self.mid.block_1(h)))
        return self.conv_out(apply_norm_silu(h, self.norm_out))


class VaeEncoder(nn.Module):
    """The encoder and the quant_conv after it."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.quant_conv = nn.Conv2d(2 * config.z_channels, 2 * config.z_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Take a picture [N, 3, H, W] in [-1, 1] (with its augmentation noise) to moments [N, 2 z_channels, h, w]."""
        return self.quant_conv(self.encoder(image))

    def start_latent(self, image: Tensor) -> Tensor:
        """Take a picture [1, 3, H, W] to the mode [1, z_channels, h, w], not scaled: SVD takes it so."""
        return self(image)[:, : self.config.z_channels]


class Decoder(nn.Module):
    """Latents [T, z_channels, h, w] to frames, as a list of segments: layers within a frame, then one along time."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        block = TemporalResnetBlock if config.temporal else ResnetBlock
        widths = [*config.channels, config.channels[-1]]
        self.conv_in = make_conv3x3(config.z_channels, widths[-1])
        self.mid = Middle(widths[-1], block)
        self.up = nn.ModuleList()
        for width, before in zip(widths, widths[1:], strict=False):
            level = Level([before] + [width] * config.num_res_blocks, block)
            if len(self.up) > 0:
                level.upsample = Upsample(width)
            self.up.append(level)
        self.norm_out = make_group_norm(widths[0], EPS)
        self.conv_out = make_conv3x3(widths[0], 3)
        if config.temporal:
            self.conv_out.add_module(
                "time_mix_conv", make_time_conv(3, 3)
            )  # the released files keep it inside conv_out

    def list_layers(self) -> Iterator[Callable[[Tensor], Tensor]]:
        """List the layers in the order in which they run."""
        yield from (self.conv_in, self.mid.block_1, self.mid.attn_1, self.mid.block_2)
        for level in reversed(list(self.up)):
            yield from cast(Level, level).list_layers()
        yield lambda x: apply_norm_silu(x, self.norm_out)
        yield self.conv_out


class DecodeStep(NamedTuple):
    """What decoding yields after layer `number` of `total`."""

    number: int
    total: int
    clip: ParkedFrames


class VaeDecoder(nn.Module):
    """The temporal decoder, or the plain image decoder."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.decoder = Decoder(config)
        if config.post_quant_conv:
            self.post_quant_conv = nn.Conv2d(config.z_channels, config.z_channels, 1)

    def decode_steps(
        self, latents: Tensor, chunk: int, park: torch.device | None = None, *, closed: bool = False
    ) -> Iterator[DecodeStep]:
        """Decode a clip, layer by layer; the frames do not depend on `chunk`.

        Args:
            latents: [T, z_channels, h, w] as the sampler gives them, in the compute dtype, where the weights are.
            chunk: frames worked on at a time, 1 or more.
            park: where activations of the other frames wait; None: where the latents are.
            closed: whether the first frame comes after the last one.

        Yields:
            After each look along time; the last one holds the frames [t, 3, H, W], about [-1, 1], t <= chunk, in order.
        """
        parts, park = (latents / LATENT_SCALE).split(chunk), park or latents.device
        clip = ParkedFrames(parts, device=latents.device, park=park, closed=closed)
        layers = list(self.decoder.list_layers())
        waiting: list[Callable[[Tensor], Tensor]] = [self.post_quant_conv] if self.config.post_quant_conv else []
        for number, layer in enumerate(layers, 1):
            waiting.append(layer)
            if isinstance(layer, TemporalResnetBlock) or number == len(layers):
                clip.run_each(waiting)
                waiting = []
                if isinstance(layer, TemporalResnetBlock):
                    layer.add_temporal_side(clip)
                elif self.config.temporal:
                    clip.convolve_in_time(None, cast(nn.Conv2d, self.decoder.conv_out.time_mix_conv))
                yield DecodeStep(number, len(layers), clip)

    def decode_frames(self, latents: Tensor, chunk: int, park: torch.device | None = None) -> Iterator[Tensor]:
        """Run all of `decode_steps`; gives the frames, chunk by chunk."""
        *_, last = self.decode_steps(latents, chunk, park)
        return iter(last.clip)
