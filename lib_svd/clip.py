"""A finished clip, in memory and on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lib_svd.request import ClipRequest

Frames = npt.NDArray[np.uint8]
"""[T, H, W, 3], RGB, 0..255."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Frames and how they were made."""

    frames: Frames
    fps: int
    infotext: str  # every setting, so that pasting it back gives the same clip
    seconds: Mapping[str, float] = field(default_factory=dict)  # wall time of each stage
    enlarge: int = 1  # the video shows every pixel as a square of so many

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames, pixels."""
        return self.frames.shape[2], self.frames.shape[1]

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height of the frames as the video has them, pixels."""
        return self.enlarge * self.frames.shape[2], self.enlarge * self.frames.shape[1]


@dataclass(frozen=True, kw_only=True)
class SavedClip:
    """A clip and the files that hold it."""

    clip: Clip
    video: Path
    frames: tuple[Path, ...] = ()  # PNG files in order, where they were asked for
    copies: tuple[Path, ...] = ()  # the clip as moving pictures, where they were asked for
    notes: tuple[str, ...] = ()  # what the user should know: what was cropped, what was retried

    def as_dict(self) -> dict[str, Any]:
        """Describe the clip without its frames, as programs get it from every door; fit for JSON."""
        width, height = self.clip.size
        return {
            "path": str(self.video),
            "frames": [str(path) for path in self.frames],
            "copies": [str(path) for path in self.copies],
            "num_frames": len(self.clip.frames),
            "width": width,
            "height": height,
            "fps": self.clip.fps,
            "settings": asdict(ClipRequest.from_infotext(self.clip.infotext)),
            "infotext": self.clip.infotext,
            "seconds": {stage: round(seconds, 3) for stage, seconds in self.clip.seconds.items()},
            "notes": list(self.notes),
        }
