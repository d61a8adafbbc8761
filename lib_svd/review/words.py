"""Measures in plain words: each with its number, what it means, and where clips usually are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

Measures = Mapping[str, float | None]
"""By field name, as `Review.measures` has them; None or missing: not measured."""

FAULTS = {
    "static": "too static",
    "chaotic": "too chaotic",
    "leaves": "drifts from my picture",
    "flickers": "flickers",
    "colours": "colours drift",
}
"""What may be wrong with a clip, in a user's words; the first is to be cured first."""

BRIEF = ("speed", "ssim", "similarity", "drift", "warped_error", "flicker", "sharpness", "seam")
"""Measures to tell clips apart by, where there is no room for all."""
SHOWN = ".3g"
ANOTHER = 0.6  # structural similarity below which frame 0 is another picture
FROZEN = 0.15  # percent of the shorter side a frame: below, a viewer sees a still picture


class Band(NamedTuple):
    """What numbers below a limit mean."""

    limit: float
    word: str
    fault: str = ""  # of FAULTS, where it is one


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How one measure is shown."""

    part: str  # motion, fidelity, consistency or loop
    name: str  # the field
    title: str
    unit: str = ""
    percent: bool = False  # shown as percent
    bands: tuple[Band, ...]
    usual: tuple[float, float] = (-inf, inf)  # where a clip is right
    about: str  # what it is, and its range

    def write_number(self, measures: Measures) -> str:
        """Write the number with its unit, such as `3.0 px a frame`."""
        bare = self.write_bare_number(measures)
        return bare if bare == "-" else f"{bare} {self.unit_shown}".strip()

    def write_bare_number(self, measures: Measures) -> str:
        """Write the number without its unit."""
        value = measures.get(self.name)
        return "-" if value is None else f"{100 * value if self.percent else value:{SHOWN}}"

    @property
    def unit_shown(self) -> str:
        """What the number counts."""
        return f"% {self.unit}".strip() if self.percent else self.unit

    def choose_word(self, measures: Measures) -> str:
        """Say in a word what the number means for this clip."""
        band = self.find_band(measures)
        if band is None:
            return "not measured"
        return f"{band.word}, but nothing moves" if self.part != "motion" and is_frozen(measures) else band.word

    def find_band(self, measures: Measures) -> Band | None:
        """Find where the number lies as it is shown, so that numbers that look alike mean the same; None: not
        measured.
        """
        value = measures.get(self.name)
        return None if value is None else next(band for band in self.bands if float(f"{value:{SHOWN}}") < band.limit)

    @property
    def fault_limits(self) -> list[float]:
        """Numbers on one side of which there is a fault, and none on the other."""
        pairs = zip(self.bands, self.bands[1:], strict=False)
        return [below.limit for below, above in pairs if bool(below.fault) != bool(above.fault)]


def is_frozen(measures: Measures) -> bool:
    """Tell whether a viewer would see a still picture; then all that speaks for steadiness says nothing."""
    speed, difference = measures.get("speed"), measures.get("difference")
    return speed < FROZEN if speed is not None else difference is not None and difference < 0.001


MEASURES = (
    Measure(
        part="motion",
        name="speed",
        title="Speed",
        unit="% of the shorter side a frame",
        bands=(
            Band(FROZEN, "frozen", "static"),
            Band(0.6, "hardly moves"),
            Band(2.5, "calm"),
            Band(6, "lively"),
            Band(inf, "wild", "chaotic"),
        ),
        usual=(0.6, 6),
        about="How far the fastest twentieth of each frame moves; 0 is a still picture, 0.6 to 6 % is usual.",
    ),
    Measure(
        part="motion",
        name="standstill",
        title="Standstill",
        percent=True,
        bands=(Band(0.1, "moves all along"), Band(0.5, "halts"), Band(inf, "mostly stands still", "static")),
        usual=(-inf, 0.1),
        about="Share of the frames in which nothing moves on; 0 is right.",
    ),
    Measure(
        part="motion",
        name="flow",
        title="Flow",
        unit="px a frame",
        bands=(Band(0.1, "most of the picture stands still"), Band(inf, "most of the picture moves")),
        about="Median of all pixels: how far the picture as a whole moves from frame to frame.",
    ),
    Measure(
        part="motion",
        name="flow_top5",
        title="Fastest",
        unit="px a frame",
        bands=(Band(0.3, "nothing moves"), Band(inf, "something moves")),
        about="How far the fastest twentieth of each frame moves, in pixels.",
    ),
    Measure(
        part="motion",
        name="camera",
        title="Camera",
        percent=True,
        bands=(Band(0.3, "the subject moves"), Band(0.7, "camera and subject move"), Band(inf, "the camera moves")),
        about="Share of the motion that one move of the camera explains; the rest is the subject's.",
    ),
    Measure(
        part="fidelity",
        name="ssim",
        title="First frame",
        bands=(Band(ANOTHER, "another picture", "leaves"), Band(0.8, "near the picture"), Band(inf, "the picture")),
        usual=(0.8, inf),
        about="Structural similarity of frame 0 and the picture; 1 is the same, above 0.8 is usual.",
    ),
    Measure(
        part="fidelity",
        name="first_frame_sharpness",
        title="Detail kept",
        bands=(
            Band(0.12, "blurred from the first on"),
            Band(0.5, "softer than the picture"),
            Band(1.6, "as sharp as the picture"),
            Band(inf, "harder or grainier than the picture"),
        ),
        about="Sharpness of frame 0, times that of the picture; 1 is the same, 0.5 to 1.6 is usual.",
    ),
    Measure(
        part="fidelity",
        name="similarity",
        title="Likeness",
        bands=(Band(0.75, "becomes something else", "leaves"), Band(0.88, "changes"), Band(inf, "stays what it is")),
        usual=(0.88, inf),
        about="How like the picture the frames are to the model's own image tower; 1 is the same, 0.85 to 1 is usual.",
    ),
    Measure(
        part="fidelity",
        name="drift",
        title="Colour drift",
        unit="Lab units",
        bands=(Band(2.5, "colours stay"), Band(6, "colours shift a little"), Band(inf, "colours drift", "colours")),
        usual=(-inf, 2.5),
        about="How far colours have gone by the end, of what is seen all along; from 2.5 on it can be seen.",
    ),
    Measure(
        part="fidelity",
        name="saturation",
        title="Saturation",
        unit="Lab units",
        bands=(Band(-4, "colours fade", "colours"), Band(4, "kept"), Band(inf, "colours grow stronger", "colours")),
        usual=(-4, 4),
        about="By how much colours have grown stronger by the end; at 0 they stay as they were.",
    ),
    Measure(
        part="consistency",
        name="warped_error",
        title="Tearing",
        percent=True,
        bands=(
            Band(0.02, "frames go together"),
            Band(0.05, "some change of their own"),
            Band(inf, "things dissolve or tear", "chaotic"),
        ),
        usual=(-inf, 0.02),
        about="What motion does not explain of the difference between neighbours; 0 is none, below 2 % is usual.",
    ),
    Measure(
        part="consistency",
        name="flicker",
        title="Flicker",
        percent=True,
        bands=(Band(0.004, "steady"), Band(0.012, "slight"), Band(inf, "flickers", "flickers")),
        usual=(-inf, 0.004),
        about="How far brightness jumps from between its neighbours'; 0 is none, from 0.4 % on it can be seen.",
    ),
    Measure(
        part="consistency",
        name="sharpness",
        title="Sharpness",
        bands=(Band(0.4, "blurs"), Band(0.75, "grows softer"), Band(1.6, "kept"), Band(inf, "grows harder or grainy")),
        about="Sharpness at the end, times that at the beginning; at 1 it stays as it was.",
    ),
    Measure(
        part="consistency",
        name="cuts",
        title="Cuts",
        bands=(Band(0.5, "none"), Band(inf, "jumps to another scene", "chaotic")),
        usual=(-inf, 0.5),
        about="Frames that show another scene than the one before; 0 is right.",
    ),
    Measure(
        part="consistency",
        name="repeated",
        title="Repeats",
        percent=True,
        bands=(Band(0.05, "every frame is new"), Band(inf, "stutters: pictures are shown more than once")),
        about="Frames that repeat the one before, as at 7 fps stored at 30; all else is measured without them.",
    ),
    Measure(
        part="loop",
        name="seam",
        title="Loop",
        bands=(Band(1.5, "closes"), Band(3, "closes with a jerk"), Band(inf, "does not close")),
        about="From the last frame back to the first, times the usual step; 1 closes without a seam.",
    ),
)
"""What is shown, in this order."""
