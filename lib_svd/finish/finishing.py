"""What can be done to a clip that is there, a row each: Finishing is that, checked once, to and from text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lib_svd.errors import BadRequest
from lib_svd.request import read_size, read_values
from lib_svd.settings import FITS, SETTINGS, Setting, list_settings, row
from lib_svd.strangers import quote

LOOPS = {"none": "None", "pingpong": "Ping-pong", "crossfade": "Cross-fade", "cut": "Best cut"}
SMOOTHERS = {"motion": "Motion (ffmpeg)", "rife": "RIFE"}
MOST_FRAMES = 100_000  # that a row may count to; how many a clip may have is a matter of memory
FASTEST = 120  # frames a second
MOST_TIMES = 8  # as many, as large
MOST_SHOWN = 10  # times in a row, of a frame
NEAR = 0.01  # of a rate: what nobody sees
LONGEST = 3600  # seconds
LARGEST = 4096  # pixels of the longer side, which decoders of H.264 still take
THEN = "; then "  # stands between what was done and what was done after that, in a clip's text
FINISHED, SOURCE = "SVD finished", "SVD source"  # labels of infotext


# fmt: off
@dataclass(frozen=True, kw_only=True)
class Finishing:
    """What shall become of a clip, checked when made; what stands at its default leaves the clip as it is."""

    first: int = row("First frame", "First",
        "The clip begins with this frame, counted from 1.",
        1, MOST_FRAMES, default=1)
    last: int = row("Last frame", "Last",
        "The clip ends with this frame; 0 is the end.",
        0, MOST_FRAMES, default=0)
    deflicker: str = row("Remove flicker", "Deflicker",
        "Evens out brightness: brightness; or an SVD model, which also decodes all frames together.",
        default="")
    reverse: bool = row("Backwards", "Backwards",
        "The last frame comes first.",
        default=False)
    loop: str = row("Loop", "Loop",
        "Ping-pong goes back the way it came; Best cut leaves out what does not close.",
        default="none", choices=LOOPS)
    crossfade: int = row("Cross-fade over", "Cross-fade",
        "So many frames of the end are blended into the beginning.",
        1, 1000, default=6, unit=" frames")
    smooth: str = row("Smooth to", "Smooth",
        "Frames between the frames: 2x, 4x, or frames a second such as 28.",
        default="")
    smoother: str = row("Smoother", "Smoother",
        "Motion needs nothing; RIFE needs its file and is better where much moves.",
        default="motion", choices=SMOOTHERS)
    speed: float = row("Speed", "Speed",
        "Times as fast; 0.5 is half. With Smooth to, new frames fill the time.",
        0.1, 10, default=1.0, step=0.05)
    upscale: str = row("Upscaler", "Upscaler",
        "Makes every frame larger: lanczos, or one that is here by its name.",
        default="")
    scale: float = row("Times as large", "Scale",
        "By how much the upscaler enlarges each side.",
        1, MOST_TIMES, default=2.0, step=0.25)
    size: str = row("Size", "Fitted",
        "Width x height that every frame is brought to, such as 1080x1920.",
        default="")
    fit: str = row("Fit to that size", "Fit",
        "How frames are brought to that size: what is over is cut off, or bars are added.",
        default="crop", choices=FITS)
    hold_first: float = row("Hold the first frame", "Hold first",
        "Seconds that the clip stands still before it begins.",
        0, 60, default=0.0, step=0.1, unit=" seconds")
    hold_last: float = row("Hold the last frame", "Hold last",
        "Seconds that the clip stands still at its end.",
        0, 60, default=0.0, step=0.1, unit=" seconds")
    length: float = row("Length", "Length",
        "Seconds: what is longer ends there, what is shorter is repeated. 0 is as it comes.",
        0, LONGEST, default=0.0, step=0.5, unit=" seconds")
    poster: int = row("Poster frame", "Poster",
        "This frame of the finished clip is saved as a picture beside it; 0 is none.",
        0, MOST_FRAMES, default=0)
# fmt: on

    def __post_init__(self) -> None:
        """Refuse what cannot be done to any clip.

        Raises:
            BadRequest: a value is of the wrong type or out of range, or two do not go together.
        """
        for name, setting in FINISHINGS.items():
            object.__setattr__(self, name, setting.check(getattr(self, name)))
        if self.last and self.last < self.first:
            raise BadRequest(f"The last frame, {self.last}, comes before the first, {self.first}: change one of them.")
        self.compute_rate(1)
        if self.size and min(side or 0 for side in read_size(self.size)) < 2:
            called = FINISHINGS["size"].called
            raise BadRequest(f"{called} must be such as 1080x1920, not {quote(self.size)}.")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Finishing:
        """Read what to do, by the names of the rows, as an API or a JSON file gives them.

        Raises:
            BadRequest: a name is none of a row, or a value is out of range.
        """
        for name in values:
            if name not in FINISHINGS:
                raise BadRequest(f"{quote(name)} cannot be done to a clip; what can is {', '.join(FINISHINGS)}.")
        return cls(**values)

    @classmethod
    def read(cls, text: str) -> Finishing:
        """Read what `text` wrote; of several one after the other the last.

        Raises:
            BadRequest: a value is out of range.
        """
        pairs = read_values(text.rpartition(THEN)[2])
        return cls(**{name: row.read(pairs[row.infotext]) for name, row in FINISHINGS.items() if row.infotext in pairs})

    @property
    def text(self) -> str:
        """What is to be done, `Loop: Ping-pong, Smooth: 2x`; "" for nothing. `read` reads it back."""
        said = ((each.infotext, each.write(getattr(self, name))) for name, each in self._list_changed().items())
        return ", ".join(f"{label}: {value}" for label, value in said)

    def _list_changed(self) -> dict[str, Setting]:
        """List the rows that matter: those that do not stand at their default, less those that need another one that
        does.
        """
        changed = {name: row for name, row in FINISHINGS.items() if getattr(self, name) != row.default}
        return {name: row for name, row in changed.items() if NEEDS.get(name, name) in changed and self._matters(name)}

    def _matters(self, name: str) -> bool:
        return name != "crossfade" or self.loop == "crossfade"

    def compute_rate(self, fps: int) -> tuple[int, int]:
        """Work out the frames a second of the finished clip, of one that has so many, and how often each of its frames
        is shown: a rate is a whole number, so at half speed 7 a second become 7 of which each is shown twice.

        Without smoothing the rate is within a hundredth of the speed asked for, where one is that shows each frame up
        to `MOST_SHOWN` times and no more than `FASTEST` a second; else the nearest one is given.

        Raises:
            BadRequest: there would be too many a second, or the wish cannot be read.
        """
        wish = re.fullmatch(r"\s*(\d{1,4})(x?)\s*", self.smooth)
        if self.smooth and wish is None:
            called = FINISHINGS["smooth"].called
            raise BadRequest(f"{called} must be 2x, 4x or frames a second such as 28, not {quote(self.smooth)}.")
        if wish is None:
            return _find_rate(fps * self.speed)
        rate = int(wish[1]) * (fps if wish[2] else 1)
        if not 1 <= rate <= FASTEST or (wish[2] and int(wish[1]) > MOST_TIMES):
            called = FINISHINGS["smooth"].called
            raise BadRequest(f"{called} {self.smooth.strip()} gives {rate} frames a second: choose 1 to {FASTEST}.")
        return rate, 1

    def closes(self, was_closed: bool) -> bool:
        """Tell whether the finished clip is a loop: after its last frame comes its first.

        Args:
            was_closed: whether the clip was one before.
        """
        if self.hold_first or self.hold_last or self.length:
            return False
        return self.loop != "none" or (was_closed and not self.trims)

    @property
    def trims(self) -> bool:
        """Whether frames at an end are left out."""
        return self.first > 1 or self.last > 0


FINISHINGS: Mapping[str, Setting] = list_settings(Finishing)
"""Every row by its name; the panel, the command line, the API and the docs are made from this table."""

NEEDS = {"smoother": "smooth", "scale": "upscale", "fit": "size"}
"""Rows that say how another one is done."""


def add_finished(infotext: str, finishing: Finishing, source: str) -> str:
    """Write a finished clip's infotext: that of the clip it came from, and what was done to it, after what was done
    before.

    Args:
        infotext: of the clip that it came from; "" where that carries none.
        finishing: what was done.
        source: the name of the clip that it came from.
    """
    before = read_finished(infotext)
    plain = infotext.rpartition(_pair(FINISHED, before))[0].removesuffix(", ") if before else infotext
    done = THEN.join(filter(None, (before, finishing.text or "nothing")))
    return ", ".join(filter(None, (plain, _pair(FINISHED, done), _pair(SOURCE, source))))


def _pair(label: str, value: str) -> str:
    return f"{label}: {_WRITTEN.write(value)}" if value else ""


def read_finished(infotext: str) -> str:
    """Read what was done to the clip that carries this text, as `Finishing.text` has it; "" to one that is not
    finished.
    """
    return read_values(infotext).get(FINISHED, "")


def read_finished_source(infotext: str) -> str:
    """Read the name of the clip from which the one that carries this text came; "" where it does not tell."""
    return read_values(infotext).get(SOURCE, "")


def is_loop(infotext: str) -> bool:
    """Tell whether the clip that carries this text is a loop, by how it was sampled and what was done to it since."""
    values, ending = read_values(infotext), SETTINGS["ending"]
    closed, finished = bool(ending.read(values.get(ending.infotext, "")) == "loop"), values.get(FINISHED, "")
    with suppress(BadRequest):  # a text that somebody wrote by hand
        for each in finished.split(THEN) if finished else ():
            closed = Finishing.read(each).closes(closed)
    return closed


_WRITTEN = Setting(label="", infotext="", help="")


def _find_rate(wanted: float) -> tuple[int, int]:
    """Find the whole frames a second at which frames shown so often each come as fast as is wanted, or nearly so."""
    ways = [(min(max(1, round(wanted * times)), FASTEST), times) for times in range(1, MOST_SHOWN + 1)]
    errors = [max(rate / times / wanted, wanted * times / rate) - 1 for rate, times in ways]  # of rate and of length
    near = (way for way, error in zip(ways, errors, strict=True) if error <= NEAR)
    return next(near, ways[errors.index(min(errors))])
