"""Controls that cannot be had together, or not with a kind of model: one table, asked before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lib_svd.engine.conditioning import DYNAMIC_REACH
from lib_svd.errors import BadRequest, spell
from lib_svd.request import CompleteRequest
from lib_svd.settings import DYNAMIC, SETTINGS


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the table looks at."""

    request: CompleteRequest
    conditioning: str  # of the model's family
    window: int  # frames that are sampled at a time

    @property
    def is_loop(self) -> bool:
        """Whether the last frame leads into the first."""
        return self.request.ending == "loop"

    @property
    def is_told_where(self) -> bool:
        """Whether the camera does not go where the model likes."""
        return self.request.camera != "free"

    @property
    def is_windowed(self) -> bool:
        """Whether the clip is longer than what is sampled at a time, and made in windows."""
        return self.request.longer == "windows" and self.window < self.request.num_frames

    @property
    def is_segmented(self) -> bool:
        """Whether the clip is longer than what is sampled at a time, and made in segments."""
        return self.request.longer == "segments" and self.window < self.request.num_frames

    @property
    def has_dynamic_orbit(self) -> bool:
        """Whether the camera's path is drawn."""
        return self.request.orbit == DYNAMIC and self.conditioning == "sv3d_p"

    @property
    def has_low_elevation(self) -> bool:
        """Whether the camera stays at one height, from which a path can be drawn."""
        elevation = self.request.elevation
        return not isinstance(elevation, str) and abs(elevation) <= DYNAMIC_REACH


@dataclass(frozen=True, kw_only=True)
class Clash:
    """Two things that do not go together."""

    first: str
    second: str
    happens: Callable[[Case], bool]
    write_remedy: Callable[[], str]  # why not, and what to do


def _call(name: str) -> str:
    return SETTINGS[name].called


CLASHES: tuple[Clash, ...] = (
    Clash(
        first="Seamless loop",
        second="SV3D",
        happens=lambda case: case.is_loop and case.conditioning != "svd",
        write_remedy=lambda: (
            f"An orbit of 360 degrees is a loop already: set {_call('ending')} to {spell('Open', 'open')}."
        ),
    ),
    Clash(
        first="Seamless loop",
        second="Cache interval",
        happens=lambda case: case.is_loop and case.request.cache_interval > 1,
        write_remedy=lambda: (
            "A seamless loop begins at another frame in each step, so no step can reuse the last one's inner stages: "
            f"set {_call('cache_interval')} to 1."
        ),
    ),
    Clash(
        first="Last picture",
        second="Seamless loop",
        happens=lambda case: bool(case.request.last_picture) and case.is_loop,
        write_remedy=lambda: (
            "A clip that ends with another picture does not lead into its first: "
            f"set {_call('ending')} to {spell('Open', 'open')}, or take {_call('last_picture')} away."
        ),
    ),
    Clash(
        first="Last picture",
        second="Mask",
        happens=lambda case: bool(case.request.last_picture and case.request.mask),
        write_remedy=lambda: (
            "What must not move cannot become another picture: "
            f"set {_call('mask')} or {_call('last_picture')}, and not both."
        ),
    ),
    Clash(
        first="Last picture",
        second="SV3D",
        happens=lambda case: bool(case.request.last_picture) and case.conditioning != "svd",
        write_remedy=lambda: (
            "An orbit ends where it begins, or where its angles say: "
            f"set {_call('elevation')} and {_call('orbit')}, and take {_call('last_picture')} away."
        ),
    ),
    Clash(
        first="Last picture",
        second="a single frame",
        happens=lambda case: bool(case.request.last_picture) and case.request.num_frames < 2,
        write_remedy=lambda: f"Between two pictures there are two frames or more: set {_call('num_frames')} to more.",
    ),
    Clash(
        first="Mask",
        second="SV3D",
        happens=lambda case: bool(case.request.mask) and case.conditioning != "svd",
        write_remedy=lambda: (
            "A camera that goes round an object sees all of it anew in each frame: "
            f"set {_call('checkpoint')} to a model of SVD, or take {_call('mask')} away."
        ),
    ),
    Clash(
        first="Dynamic orbit",
        second="several elevations, or one beyond 45 degrees",
        happens=lambda case: case.has_dynamic_orbit and not case.has_low_elevation,
        write_remedy=lambda: (
            "A dynamic orbit rises and sinks by itself, from where the picture was taken: "
            f"set {_call('elevation')} to one number from {-DYNAMIC_REACH:g} to {DYNAMIC_REACH:g}."
        ),
    ),
    Clash(
        first="Camera",
        second="Seamless loop",
        happens=lambda case: case.is_loop and case.request.camera not in ("free", "still"),
        write_remedy=lambda: (
            f"A camera that goes somewhere does not come back: set {_call('camera')} to {spell('Still', 'still')}, "
            f"or {_call('ending')} to {spell('Open', 'open')}."
        ),
    ),
    Clash(
        first="Camera",
        second="Last picture",
        happens=lambda case: case.is_told_where and bool(case.request.last_picture),
        write_remedy=lambda: (
            "Where the camera is at the end, the last picture says: "
            f"set {_call('camera')} to {spell('Free', 'free')}, or take {_call('last_picture')} away."
        ),
    ),
    Clash(
        first="Camera",
        second="SV3D",
        happens=lambda case: case.is_told_where and case.conditioning != "svd",
        write_remedy=lambda: (
            f"The camera of SV3D goes round the object: set {_call('camera')} to {spell('Free', 'free')}."
        ),
    ),
    Clash(
        first="Camera",
        second="Segments",
        happens=lambda case: case.is_told_where and case.is_segmented,
        write_remedy=lambda: (
            "A camera that is told where to go moves over one picture, which segments leave behind: "
            f"set {_call('longer')} to {spell('Windows', 'windows')}, or {_call('camera')} to {spell('Free', 'free')}."
        ),
    ),
    Clash(
        first="Windows",
        second="Cache interval",
        happens=lambda case: case.is_windowed and case.request.cache_interval > 1,
        write_remedy=lambda: (
            "A clip in windows runs the model on other frames each time, which cannot reuse the inner stages of the "
            f"last ones: set {_call('cache_interval')} to 1, or {_call('num_frames')} to fewer."
        ),
    ),
    Clash(
        first="Segments",
        second="Seamless loop",
        happens=lambda case: case.is_segmented and case.is_loop,
        write_remedy=lambda: (
            "Segments lead on from the last frame and never back to the first: "
            f"set {_call('longer')} to {spell('Windows', 'windows')}."
        ),
    ),
    Clash(
        first="Segments",
        second="Last picture",
        happens=lambda case: case.is_segmented and bool(case.request.last_picture),
        write_remedy=lambda: (
            "Segments do not know where the clip will end: "
            f"set {_call('longer')} to {spell('Windows', 'windows')}, or take {_call('last_picture')} away."
        ),
    ),
    Clash(
        first="Segments",
        second="a window of one frame",
        happens=lambda case: case.is_segmented and case.window < 2,
        write_remedy=lambda: f"A segment has the last one's end and something new: set {_call('window')} to 2 or more.",
    ),
    Clash(
        first="Seamless loop",
        second="Reference decoding in chunks",
        happens=lambda case: case.is_loop and case.request.decode == "reference" and case.request.decode_chunk > 0,
        write_remedy=lambda: (
            "Decoded in chunks as the reference does, a seamless loop would have a seam: "
            f"set {_call('decode')} to {spell('Exact', 'exact')}."
        ),
    ),
)


def check_combination(case: Case) -> None:
    """Refuse what cannot be had together; raises BadRequest with why, and what to do."""
    for clash in CLASHES:
        if clash.happens(case):
            raise BadRequest(clash.write_remedy())
