"""One bar for a whole clip, and previews large enough to see; for pages of every kind."""

from __future__ import annotations

import re

from PIL import Image

STAGES = (
    ("Loading", 0.0, 0.03),
    ("Compiling", 0.03, 0.04),
    ("Reading", 0.04, 0.05),
    ("Sampling", 0.05, 0.85),
    ("Decoding", 0.85, 1.0),
)
"""Where in a clip's progress a stage begins and ends, by the first word of its name."""
NTH = "Clip {} of {}: {}"  # a stage's name where a job makes several clips
_NTH = re.compile(r"Clip (\d+) of (\d+): (.*)")
PREVIEW_SIDE = 512  # pixels of the longer side


class Bar:
    """Progress of one clip, or of a job of several: it never goes back while one is made."""

    def __init__(self) -> None:
        self._stage, self._share = 0, 0.0

    def moved(self, done: int, total: int, stage: str) -> float:
        """The share that is done, 0 to 1. An earlier stage than the last one means that a new clip began."""
        if nth := _NTH.fullmatch(stage):
            number, count = int(nth[1]), int(nth[2])
            return (number - 1 + self._of_clip(done, total, nth[3])) / count
        return self._of_clip(done, total, stage)

    def _of_clip(self, done: int, total: int, stage: str) -> float:
        at, begin, end = next(
            ((i, a, b) for i, (name, a, b) in enumerate(STAGES) if stage.startswith(name)),
            (self._stage, self._share, self._share),
        )
        share = begin + (end - begin) * done / max(1, total)
        self._share = max(self._share, share) if at >= self._stage else share
        self._stage = at
        return self._share


def enlarged(image: Image.Image) -> Image.Image:
    """A preview has a pixel for each of the latents': too small to see."""
    scale = PREVIEW_SIDE / max(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
