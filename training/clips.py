"""Still pictures to training crops and to clips: a camera that pans and nears, with or without something in front."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from training import pictures, scenes
from training.scenes import Rng

REACH = 0.2  # of the side that the camera pans to the right, first frame to last, at motion 255 and 7 fps
ZOOM = 0.6  # how much the picture has grown by then, for each side panned
FRONT = (1.2, 1.8)  # times faster moves what stands in front, which no picture tells
FRONT_SHARE = 0.2  # of clips that have something in front
DRAWN_SHARE = 0.6  # of pictures that are drawn scenes
CLOSEST = 0.3  # of the widest window, the narrowest that is cut
FINE = 2  # frames are rendered this many times larger, against stairs


@dataclass(frozen=True)
class Motion:
    """What the model is told of a clip's motion."""

    bucket: int  # 1..255
    fps: int

    @property
    def reach(self) -> float:
        """Of the side that is panned over the whole clip; a clip of more frames a second lasts less long."""
        return REACH * self.bucket / 255 * math.sqrt(7 / self.fps)

    @staticmethod
    def drawn(rng: Rng) -> Motion:
        """Any motion, 5 to 24 fps."""
        return Motion(int(rng.integers(1, 256)), int(rng.integers(5, 25)))


class Album:
    """Pictures to cut from, [3, H, W] in [-1, 1].

    Args:
        photos: from `pictures`.
        drawn: how many scenes to draw.
        seed: of the scenes.
    """

    def __init__(self, photos: tuple[pictures.Source, ...], drawn: int, seed: int) -> None:
        self._photos = [_convert_to_tensor(pictures.load(source)) for source in photos]
        self._drawn = [_convert_to_tensor(scenes.draw_scene(np.random.default_rng([seed, i]))) for i in range(drawn)]

    def choose_any(self, rng: Rng) -> Tensor:
        """One of them, turned, mirrored and recoloured by chance."""
        drawn = not self._photos or (bool(self._drawn) and rng.random() < DRAWN_SHARE)
        pool = self._drawn if drawn else self._photos
        return _recolour(rng, pool[rng.integers(len(pool))])


def crop(rng: Rng, album: Album, size: tuple[int, int]) -> Tensor:
    """Any part of any picture, [3, H, W] in [-1, 1]; size: width, height."""
    return _camera(rng, album.choose_any(rng), size).make_frames(torch.zeros(1), Motion(1, 7))[0]


def make_clip(rng: Rng, album: Album, size: tuple[int, int], num_frames: int, motion: Motion) -> Tensor:
    """A clip [T, 3, H, W] in [-1, 1]; size: width, height."""
    t = torch.linspace(0, 1, num_frames)
    frames = _camera(rng, album.choose_any(rng), size).make_frames(t, motion)
    if rng.random() < FRONT_SHARE:
        front = album.choose_any(rng)
        shape = _camera(rng, torch.cat([front, _mask(rng, front.shape[-2:])]), size).make_frames(
            rng.uniform(*FRONT) * t, motion
        )
        alpha = (shape[:, 3:] + 1) / 2
        frames = (1 - alpha) * frames + alpha * shape[:, :3]
    return frames.clamp(-1, 1)


@dataclass(frozen=True)
class _camera:
    """A window on a picture: what it shows at the start fills the frame, aspect kept."""

    rng: Rng
    picture: Tensor  # [C, H, W]
    size: tuple[int, int]

    def make_frames(self, t: Tensor, motion: Motion) -> Tensor:
        """[T, C, h, w] at times t [T], 0 the start and 1 the end of the clip."""
        width, height = self.size
        fine, middle = self._find_window()
        side = math.sqrt(width * height) * FINE
        shift = motion.reach * side * t[:, None] * torch.tensor([1.0, 0.0])
        grown = 1 + ZOOM * motion.reach * t
        across = torch.tensor([width, height]) * FINE
        grid = [(torch.arange(n) + 0.5) / n - 0.5 for n in (height * FINE, width * FINE)]
        y, x = torch.meshgrid(*grid, indexing="ij")
        places = torch.stack([x, y], -1) * across  # pixels from the window's middle
        places = middle + shift[:, None, None] + places / grown[:, None, None, None]
        shown = torch.tensor([fine.shape[-1], fine.shape[-2]])
        looked = F.grid_sample(
            fine.expand(len(t), -1, -1, -1), 2 * places / shown - 1, padding_mode="reflection", align_corners=False
        )
        return F.avg_pool2d(looked, FINE)

    def _find_window(self) -> tuple[Tensor, Tensor]:
        """The picture scaled to the pixels of the window, [1, C, H, W], and the window's middle (x, y)."""
        rng, (width, height) = self.rng, self.size
        rows, columns = self.picture.shape[-2:]
        widest = min(columns / width, rows / height)  # how many of its pixels a frame's pixel may span
        closest = min(widest, max(1.0, CLOSEST * widest))
        span = math.exp(rng.uniform(math.log(closest), math.log(widest)))
        size = [max(8, round(n * FINE / span)) for n in (rows, columns)]
        fine = F.interpolate(self.picture[None], size, mode="bilinear", antialias=True)
        room = torch.tensor([fine.shape[-1] - width * FINE, fine.shape[-2] - height * FINE]).clamp(min=0)
        corner = torch.from_numpy(rng.random(2)).float() * room
        return fine, corner + torch.tensor([width, height]) * FINE / 2


def _mask(rng: Rng, shape: torch.Size) -> Tensor:
    """One to three blobs, [1, H, W], -1 outside and 1 inside."""
    rows, columns = shape
    image = Image.new("L", (columns, rows))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(1, 4)):
        middle, radius = rng.random(2) * (columns, rows), rng.uniform(0.08, 0.25) * min(rows, columns)
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(4, 30)))
        reach = radius * rng.uniform(0.8, 1.2, len(angles))
        draw.polygon(
            [tuple(p) for p in middle + np.stack([np.cos(angles), np.sin(angles)], 1) * reach[:, None]], fill=255
        )
    return torch.from_numpy(np.array(image)).float()[None] / 127.5 - 1


def _recolour(rng: Rng, picture: Tensor) -> Tensor:
    """Mirrored, turned, channels in another order, other contrast, brightness and saturation."""
    x = picture if rng.random() < 0.5 else picture.flip(-1)
    if rng.random() < 0.3:
        x = x.rot90(int(rng.integers(1, 4)), (-2, -1))
    if rng.random() < 0.5:
        x = x[torch.from_numpy(rng.permutation(3))]
    grey = x.mean(0, keepdim=True)
    x = grey + (x - grey) * float(rng.uniform(0.1, 1.1))
    x = x * float(rng.uniform(0.6, 1.1)) + torch.from_numpy(rng.normal(0, 0.12, (3, 1, 1))).float()
    return (x if rng.random() < 0.95 else -x).clamp(-1, 1)


def _convert_to_tensor(picture: pictures.Picture) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1).contiguous() * 2 - 1
