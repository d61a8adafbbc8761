"""RIFE 4.25 and 4.26: the frame that stands at any time between two frames.

Five blocks, from coarse to fine, each correct the flow from the wanted frame to both given ones; then both are warped
along it and mixed (Huang et al. 2022, https://arxiv.org/abs/2011.06294, section 3; the networks are those of
https://github.com/hzwer/Practical-RIFE). Names of weights are those of ComfyUI's files.

What a block sees is shrunk bilinearly, which looks at two pixels a side of every cell and at no others: only these are
warped. Blocks run in bands of rows with as many rows around them as can reach in, so the frame is the same in any
memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib_svd.engine.config import RIFE_REACH, RifeConfig

FLOWS, FEATURES = 4, 8  # channels that a block gives, and one more that says whose pixels to take
HEAD_WIDTH = 16
RESIDUALS = 8  # of a block
SLOPE = 0.2  # of LeakyReLU below 0


class Head(nn.Module):
    """Frames [N, 3, H, W] in [0, 1] to what is compared of them, [N, head, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cnn0 = nn.Conv2d(3, HEAD_WIDTH, 3, stride=2, padding=1)
        self.cnn1 = nn.Conv2d(HEAD_WIDTH, HEAD_WIDTH, 3, padding=1)
        self.cnn2 = nn.Conv2d(HEAD_WIDTH, HEAD_WIDTH, 3, padding=1)
        self.cnn3 = nn.ConvTranspose2d(HEAD_WIDTH, channels, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        for conv in (self.cnn0, self.cnn1, self.cnn2):
            x = F.leaky_relu(conv(x), SLOPE, inplace=True)
        return self.cnn3(x)


class Residual(nn.Module):
    """leaky(beta conv(x) + x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.beta = nn.Parameter(torch.ones(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(torch.addcmul(x, self.conv(x), self.beta.to(x)), SLOPE, inplace=True)


class Block(nn.Module):
    """What is known, [1, in, h, w], to a correction [1, 13, h, w]: of the flow, in cells, the mask and features."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(_make_halving(in_channels, width // 2), _make_halving(width // 2, width))
        self.convblock = nn.Sequential(*(Residual(width) for _ in range(RESIDUALS)))
        doubling = nn.ConvTranspose2d(width, 4 * (FLOWS + 1 + FEATURES), 4, stride=2, padding=1)
        self.lastconv = nn.Sequential(doubling, nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.lastconv(self.convblock(self.conv0(x)))


def _make_halving(in_channels: int, out_channels: int) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1)
    return nn.Sequential(conv, nn.LeakyReLU(SLOPE, inplace=True))


class Guess(NamedTuple):
    """What the blocks say of the wanted frame."""

    flow: Tensor  # [1, 4, H, W] float32: pixels to the right and down, into the frame before, then into the one after
    rest: Tensor  # [1, 9, H, W]: logit of the share of the frame before, and features


class Rife(nn.Module):
    """The network: `look` at two frames, then `interpolate` for each time."""

    def __init__(self, config: RifeConfig) -> None:
        super().__init__()
        self.config = config
        self.encode = Head(config.head)
        first = 2 * (3 + config.head) + 1  # both frames, what is compared of them, and the time
        known = [first] + [first + 1 + FEATURES + FLOWS] * (len(config.widths) - 1)
        self.blocks = nn.ModuleList(Block(*widths) for widths in zip(known, config.widths, strict=True))

    def look(self, frame: Tensor) -> Tensor:
        """See a frame [1, 3, H, W] float32 in [0, 1] with what is compared of it, [1, 3 + head, H, W] float32.

        H and W are multiples of the grid.
        """
        return torch.cat([frame, self.encode(frame.to(self.encode.cnn0.weight.dtype)).float()], 1)

    def interpolate(self, looks: Tensor, time: float, rows: int) -> Tensor:
        """Make the frame that stands at a time between two frames.

        Args:
            looks: at both, [2, 3 + head, H, W] float32.
            time: from 0, the first of them, to 1.
            rows: of cells that are worked on at a time, a multiple of 4; the frame does not depend on it.

        Returns:
            [1, 3, H, W] float32, about [0, 1].
        """
        guess: Guess | None = None
        for block, scale in zip(self.blocks, self.config.scales, strict=True):
            guess = _correct(guess, cast(Block, block), looks, time, scale, rows)
        assert guess is not None
        return torch.cat([_mix(looks, guess, band) for band in _split_bands(looks.shape[-2], rows, reach=0)], 2)


class _Band(NamedTuple):
    """Rows that are wanted, begin to end, and those that reach into them, first to last."""

    begin: int
    end: int
    first: int
    last: int


def _split_bands(height: int, rows: int, reach: int) -> Iterator[_Band]:
    for begin in range(0, height, rows):
        end = min(begin + rows, height)
        yield _Band(begin, end, max(0, begin - reach), min(height, end + reach))


def _correct(guess: Guess | None, block: Block, looks: Tensor, time: float, scale: int, rows: int) -> Guess:
    """Correct the guess by a block that sees cells of scale x scale pixels."""
    height, width = looks.shape[-2:]
    dtype = cast(nn.Conv2d, block.lastconv[0]).weight.dtype
    flow = looks.new_empty(1, FLOWS, height, width)
    rest = looks.new_empty(1, 1 + FEATURES, height, width, dtype=dtype)
    for band in _split_bands(height // scale, rows, RIFE_REACH):
        y = block(_gather_known(guess, looks, time, scale, slice(band.first * scale, band.last * scale)).to(dtype))
        y = F.interpolate(y, scale_factor=float(scale), mode="bilinear") if scale > 1 else y
        pixels = slice(band.begin * scale, band.end * scale)
        y = y.narrow(-2, (band.begin - band.first) * scale, pixels.stop - pixels.start)
        flow[..., pixels, :] = y[:, :FLOWS].float() * scale
        rest[..., pixels, :] = y[:, FLOWS:]
    return Guess(flow if guess is None else flow.add_(guess.flow), rest)


def _gather_known(guess: Guess | None, looks: Tensor, time: float, scale: int, rows: slice) -> Tensor:
    """Gather what a block sees of these rows of pixels, [1, in, h, w] float32: a mean over the middle of each cell."""
    if guess is None:
        seen, more = _take_middle(looks[..., rows, :], scale, -2, -1), []
    else:
        flow, rest = (_take_middle(each[..., rows, :], scale, -2, -1) for each in guess)
        seen, more = _warp(looks, flow, *_list_places(looks, rows, scale)), [rest.float(), flow / scale]
    images, compared = (part.flatten(0, 1)[None] for part in (seen[:, :3], seen[:, 3:]))
    x = torch.cat([images, compared, torch.full_like(images[:, :1], time), *more], 1)
    return F.avg_pool2d(x, 2) if scale > 1 else x


def _mix(looks: Tensor, guess: Guess, band: _Band) -> Tensor:
    """Mix rows of the wanted frame, [1, 3, h, W] float32: both frames along the flow, by the mask."""
    rows = slice(band.begin, band.end)
    flow, logit = guess.flow[..., rows, :], guess.rest[:, :1, rows, :].float()
    before, after = _warp(looks[:, :3], flow, *_list_places(looks, rows, 1)).split(1)
    # A flow that is not finite shall show: to `_warp` it is a place beyond the border.
    return torch.lerp(after, before, torch.sigmoid(logit)).add_(flow.sum(1, keepdim=True), alpha=0)


def _list_places(looks: Tensor, rows: slice, scale: int) -> tuple[Tensor, Tensor]:
    """Give rows and columns, in pixels, of what `_take_middle` leaves of these rows."""
    y = torch.arange(rows.start, rows.stop, dtype=torch.float32, device=looks.device)
    x = torch.arange(looks.shape[-1], dtype=torch.float32, device=looks.device)
    return _take_middle(y, scale, -1), _take_middle(x, scale, -1)


def _take_middle(x: Tensor, scale: int, *dims: int) -> Tensor:
    """Take the two pixels in the middle of every `scale` along each of the dimensions; with 1 all of them."""
    for dim in dims if scale > 2 else ():
        x = x.unflatten(dim, (-1, scale)).narrow(dim, scale // 2 - 1, 2).flatten(dim - 1, dim)
    return x


def _warp(images: Tensor, flow: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """See two images [2, C, H, W] at places [h], [w] moved by the flow [1, 4, h, w], two of its channels each.

    Beyond the border is the border. That is said by the places, since some devices know no other border than zeros.
    """
    height, width = images.shape[-2:]
    right, down = flow.reshape(2, 2, *flow.shape[-2:]).unbind(1)
    places = torch.stack([(x + right) * (2 / (width - 1)) - 1, (y[:, None] + down) * (2 / (height - 1)) - 1], -1)
    return F.grid_sample(images, places.clamp_(-1, 1), mode="bilinear", align_corners=True)
