"""A clip whose end meets its beginning: there and back, blended into itself, or cut where it comes round by itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lib_svd.clip import Frames

SEEN_AT = 48  # pixels of the longer side at which frames are compared: grain and coding do not count there
SHORTEST = 0.5  # share of the clip that a best cut leaves at least
WEIGHTS = (0.25, 1.0, 0.25)  # of the frames before, at and after a cut; the outer two see to it that motion goes on
ALIKE = 0.5  # grey levels between two seams that nobody can tell apart: the longer loop is taken


def play_pingpong(frames: Frames) -> Frames:
    """Play there and back: T frames become 2 T - 2, as neither end is shown twice in a row; fewer than 3 stay as they
    are.

    Args:
        frames: [T, H, W, 3].
    """
    return np.concatenate([frames, frames[-2:0:-1]]) if len(frames) > 2 else frames


def crossfade(frames: Frames, over: int) -> Frames:
    """Blend the end into the beginning: T frames become T - `over`, and the frame after the last is the first.

    Args:
        frames: [T, H, W, 3] uint8.
        over: how many of the last frames are blended, 1 to T // 2.
    """
    made = frames[: len(frames) - over].copy()
    end = frames[len(frames) - over :]
    for number in range(over):
        share = (number + 1) / (over + 1)  # of the beginning
        mixed = share * frames[number].astype(np.float32) + (1 - share) * end[number].astype(np.float32)
        made[number] = np.rint(mixed)
    return made


def find_best_cut(frames: Frames) -> tuple[int, int]:
    """Find the loop with the smallest seam: `frames[begin:end]`, where frame `end` is most like frame `begin`.

    What is compared is the frames around both, too, so that things go on moving as they did (Schödl et al., Video
    Textures, 2000, section 3.1). The loop has at least half of the clip's frames; of seams that look alike the longest
    loop is taken.

    Args:
        frames: [T, H, W, 3] uint8, T at least 2.

    Returns:
        Begin and end, 0 <= begin < end < T.
    """
    apart = _average_along_time(_measure_distances(frames))
    count = len(frames)
    begins, ends = np.triu_indices(count, max(1, round(SHORTEST * count)))
    seams = apart[begins, ends]
    best = np.flatnonzero(seams <= seams.min() + ALIKE)
    chosen = best[np.lexsort((seams[best], begins[best] - ends[best]))[0]]
    return int(begins[chosen]), int(ends[chosen])


def _measure_distances(frames: Frames) -> npt.NDArray[np.float32]:
    """Take the root of the mean squared difference of any two frames in grey levels, [T, T]."""
    from PIL import Image

    height, width = frames.shape[1:3]
    scale = min(1.0, SEEN_AT / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = [np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BOX), np.float32).ravel() for f in frames]
    seen = np.stack(small)
    lengths = (seen**2).sum(1)
    squared = lengths[:, None] + lengths[None] - 2 * seen @ seen.T
    return np.asarray(np.sqrt(np.maximum(squared, 0) / seen.shape[1]), np.float32)


def _average_along_time(apart: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Take the weighted mean along the diagonals of [T, T], of those neighbours that there are."""
    total, weight = np.zeros_like(apart), np.zeros_like(apart)
    count = len(apart)
    for shift, weighs in zip((-1, 0, 1), WEIGHTS, strict=True):
        here = slice(max(0, -shift), count - max(0, shift))
        there = slice(max(0, shift), count - max(0, -shift))
        total[here, here] += weighs * apart[there, there]
        weight[here, here] += weighs
    return total / weight
