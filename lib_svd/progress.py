"""How far a clip is, as a value; the share of a whole clip that is; and previews large enough to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from PIL import Image

Preview = Callable[[], Image.Image]
"""Makes a picture of what the clip will be, for those who want to see one."""
PREVIEW_SIDE = 512  # pixels of the longer side


class Stage(Enum):
    """What is being done, in the words that users read, and where in making or finishing a clip it begins and ends."""

    LOADING = ("Loading", 0.0, 0.03)
    COMPILING = ("Compiling, once", 0.03, 0.04)
    READING = ("Reading the picture", 0.04, 0.05)
    SAMPLING = ("Sampling", 0.05, 0.85)
    DECODING = ("Decoding", 0.85, 1.0)
    MEASURING = ("Measuring the clip", 1.0, 1.0)
    OPENING = ("Reading the clip", 0.0, 0.02)
    DEFLICKERING = ("Removing flicker", 0.03, 0.35)
    SMOOTHING = ("Smoothing", 0.35, 0.5)
    ENLARGING = ("Enlarging", 0.5, 0.95)
    FITTING = ("Fitting", 0.95, 0.97)
    WRITING = ("Writing the clip", 0.97, 1.0)
    SHARING = ("Making clips, in percent; workers:", 0.0, 1.0)


@dataclass(frozen=True)
class Progress:
    """How far a clip is."""

    stage: Stage
    done: int  # steps of the stage; of loading, megabytes; of finishing, frames or parts
    total: int
    file: str = ""  # which file is being loaded
    clip: int = 1  # which clip of a job it is, counted from 1
    clips: int = 1  # how many clips the job makes
    remark: str = ""  # what is worth knowing while one waits

    @property
    def title(self) -> str:
        """What is being done, without the numbers: "Clip 2 of 3: Sampling"."""
        job = f"Clip {self.clip} of {self.clips}: " if self.clips > 1 else ""
        return f"{job}{self.stage.value[0]} {self.file}".rstrip()

    def __str__(self) -> str:
        remark = f" ({self.remark})" if self.remark else ""
        return f"{self.title} {self.done}/{self.total}{remark}"


class Bar:
    """The share that is done of one clip, or of a job of several: it never goes back while one clip is made."""

    def __init__(self) -> None:
        self._begin, self._share = 0.0, 0.0

    def move(self, progress: Progress) -> float:
        """Give the share that is done, 0 to 1. An earlier stage than the last one means that a new clip began."""
        _, begin, end = progress.stage.value
        share = begin + (end - begin) * progress.done / max(1, progress.total)
        self._share = share if begin < self._begin else max(self._share, share)
        self._begin = begin
        return (progress.clip - 1 + self._share) / progress.clips


def enlarge(image: Image.Image) -> Image.Image:
    """Make a preview large enough to see: it has a pixel for each of the latents'."""
    scale = PREVIEW_SIDE / max(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
