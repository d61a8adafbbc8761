"""Every setting of a clip, a row each: what it is called, what it may be, and where it is used."""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, Generic, get_args, get_type_hints

from lib_svd.errors import BadRequest, spell
from lib_svd.strangers import MOST_DIGITS, is_text, quote

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    Open = TypeVar("Open", bound=None, covariant=True, default=None)
else:
    from typing import TypeVar

    Open = TypeVar("Open", covariant=True)  # what a setting is that is left to the model: None, or nothing may be

SAMPLERS = {"euler": "Euler", "euler_ancestral": "Euler a", "heun": "Heun", "dpmpp_2m": "DPM++ 2M", "lcm": "LCM"}
SCHEDULES = {"karras": "Karras", "align_your_steps": "Align Your Steps", "lcm": "LCM"}
RAMPS = {"linear": "Linear", "triangle": "Triangle", "constant": "Constant"}
FITS = {"crop": "Crop", "letterbox": "Letterbox", "stretch": "Stretch"}
DECODES = {"exact": "Exact", "reference": "Reference"}
ENDINGS = {"open": "Open", "loop": "Seamless loop"}
LONGER = {"windows": "Windows", "segments": "Segments"}
CAMERAS = {
    "free": "Free",
    "still": "Still",
    "pan_left": "Pan left",
    "pan_right": "Pan right",
    "pan_up": "Pan up",
    "pan_down": "Pan down",
    "zoom_in": "Zoom in",
    "zoom_out": "Zoom out",
    "orbit_left": "Orbit left",
    "orbit_right": "Orbit right",
}
MASKS = {"moves": "White moves", "stays": "White stays still"}
CUTS = {"alpha": "Own transparency", "rembg": "rembg", "never": "Never"}
DYNAMIC = "dynamic"

_SWITCH = {"yes": True, "no": False}

MAX_SEED = 2**32 - 1
LONGEST_TEXT = 4096  # of a setting; no path is longer
MOST_PLACES = 100  # of a camera along a clip; SV3D makes 84 frames at most


class Group(Flag):
    """Where settings are used together."""

    NONE = 0
    SWEPT = auto()  # can be swept: leaves the picture and the shape of the clip as they are
    KEPT = auto()  # may be in a preset
    SEEN = auto()  # changes what the model sees of the picture, or how much memory the clip takes
    DECODING = auto()  # matters when a clip is sampled already
    HARMLESS = auto()  # the frames are the same whatever it is
    CONTROL = auto()  # not written into infotext where it is at its default: what models were not made for is off then


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: how it is called, what it may be, and where it is used."""

    label: str  # in the tab
    infotext: str  # its label in infotext, which never changes: clips carry it
    help: str  # one sentence or two, of fewer than 100 characters
    name: str = ""  # in code, in the API, and as an option of the command line
    kind: type = str
    default: Any = None  # None: it may be left to the model
    low: float = -math.inf
    high: float = math.inf
    step: float = 1  # of its slider
    unit: str = ""
    choices: Mapping[str, str] | None = None  # label by name
    is_colour: bool = False
    short: str = ""  # a second option of the command line
    aliases: tuple[str, ...] = ()  # what other programs call it, see `name_meant`
    card: str = ""  # how it stands on a clip's card; "": it does not
    together: str = ""  # what it and others are called that are one thing to the user
    values: str = ""  # to sweep it over, where none are given
    only: str = ""  # the one family that it is for, or how the names of several begin
    paths: tuple[str, ...] | None = None  # of a number that may be several along the clip: words that it may be, too
    groups: Group = Group.NONE

    @property
    def is_open(self) -> bool:
        """Whether it may be left to the model."""
        return self.default is None

    @property
    def reach(self) -> str:
        """What it may be, in words."""
        if self.is_colour:
            return "#rrggbb"
        if self.kind is bool:
            return ", ".join(_SWITCH)
        if self.kind is str:
            return ", ".join(self.choices or ("text",))
        return self._range if self.paths is None else ", ".join((self._range, "several such", *self.paths))

    @property
    def _range(self) -> str:
        return f"{self.low:.10g} to {self.high:.10g}{self.unit}"  # 10 digits: a seed has so many

    @property
    def flags(self) -> tuple[str, ...]:
        """Its options on the command line, the shortest last."""
        return (f"--{self.name.replace('_', '-')}", self.short)[: 2 if self.short else 1]

    @property
    def called(self) -> str:
        """What every sentence calls it: by its label, or by its flag where the command line is spoken."""
        return spell(self.label, "--size" if self.together == "Size" else self.flags[-1])

    @property
    def thing(self) -> str:
        """What the user changes by it."""
        return self.together or self.label

    @property
    def word(self) -> str:
        """Its label as one word: `guidance-first-frame`."""
        return _make_word(self.label)

    def check(self, value: Any) -> Any:
        """Give the value in its own type.

        Raises:
            BadRequest: wrong type, not finite, out of range, not among the choices.
        """
        if self.kind is str:
            return self._check_text(value)
        if self.kind is bool:
            return self._check_switch(value)
        if self.paths is not None and isinstance(value, (str, list, tuple)):
            return self._check_path(value)
        return self._check_number(value)

    def _check_number(self, value: Any) -> Any:
        if not _is_number(value) or (self.kind is int and value != int(value)):
            what = "a whole number" if self.kind is int else "a number"
            raise BadRequest(f"{self.called} must be {what}, not {quote(value)}.")
        if not self.low <= value <= self.high:  # before it is converted: a whole number may be larger than any float
            raise BadRequest(f"{self.called} must be from {self._range}, not {quote(value)}.")
        return self.kind(value)

    def _check_path(self, value: str | Sequence[Any]) -> Any:
        """Give several numbers along a clip as text, `0, 30.5, 0`; a single one as a number, and a word as it is."""
        parts = re.split(r"\s*[,;]\s*|\s+", value.strip().lower()) if isinstance(value, str) else value
        if len(parts) == 1 and parts[0] in (self.paths or ()):
            return parts[0]
        try:
            numbers = [self._check_number(_read_float(part) if isinstance(part, str) else part) for part in parts]
        except ValueError:
            numbers = []
        if not 1 <= len(numbers) <= MOST_PLACES:
            words = "".join(f", or {word}" for word in self.paths or ())
            such = f"a number, or up to {MOST_PLACES} along the clip such as 0, 30, 0{words}"
            raise BadRequest(f"{self.called} must be {such}, not {quote(value)}.")
        return numbers[0] if len(numbers) == 1 else ", ".join(f"{number:.10g}" for number in numbers)

    def _check_switch(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise BadRequest(f"{self.called} must be true or false, not {quote(value)}.")
        return value

    def _check_text(self, value: Any) -> str:
        if not isinstance(value, str):
            raise BadRequest(f"{self.called} must be text, not {quote(value)}.")
        if self.choices is not None and value not in self.choices:
            raise BadRequest(f"{self.called} must be one of {self.reach}, not {quote(value)}.")
        if self.is_colour and not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            raise BadRequest(f"{self.called} must be a colour such as #ffffff, not {quote(value)}.")
        if len(value) > LONGEST_TEXT or not is_text(value):
            raise BadRequest(f"{self.called} must be at most {LONGEST_TEXT} characters of text, not {quote(value)}.")
        return value

    def is_off(self, value: Any) -> bool:
        """Tell whether a value stands for a control that does nothing; what is no control never does so."""
        return Group.CONTROL in self.groups and value == self.default

    def write(self, value: Any) -> str | None:
        """Write the value as infotext; None stands for a setting that is left to the model."""
        if value is None or value == "":
            return None
        if self.kind is bool:
            value = next(word for word, switched in _SWITCH.items() if switched is value)
        text = self.choices[value] if self.choices is not None else str(value)
        return json.dumps(text, ensure_ascii=False) if re.search(r'[,:"\n\\]|^\s|\s$', text) else text

    def read(self, text: str) -> Any:
        """Read what `write` wrote.

        Raises:
            BadRequest: the text is not a value of this setting.
        """
        if self.choices is not None:
            names = {label: name for name, label in self.choices.items()}
            return names.get(text, text)
        if self.kind is bool:
            return _SWITCH.get(text.lower(), text)
        convert: Callable[[str], Any] = self.kind
        try:
            if self.kind is not str and len(text) > MOST_DIGITS:
                raise ValueError
            is_whole = self.kind is not int or text.strip().lstrip("+-").isdigit()
            return convert(text) if is_whole else float(text)  # 7.0 is a whole number too
        except ValueError:
            if self.paths is not None and not text.isdigit():
                return text
            raise BadRequest(f"{self.called} must be a number, not {quote(text)}.") from None


def row(label: str, infotext: str, help: str, low: float = -math.inf, high: float = math.inf, **more: Any) -> Any:
    """Make a field of a dataclass that is described by a `Setting`."""
    setting = Setting(label=label, infotext=infotext, help=help, low=low, high=high, **more)
    return field(default=setting.default, metadata={"setting": setting})


SWEPT, KEPT, SEEN, DECODING, HARMLESS = Group.SWEPT, Group.KEPT, Group.SEEN, Group.DECODING, Group.HARMLESS
CONTROL = Group.CONTROL


# fmt: off
@dataclass(frozen=True, kw_only=True)
class Settings(Generic[Open]):
    """The settings of a clip, in the order of its infotext; what is `Open` may be left to the model."""

    num_steps: int | Open = row("Steps", "Steps",
        "Steps of the sampler. 25 is good; 10 with Align Your Steps is faster.",
        1, 100, short="--steps", groups=SWEPT | KEPT)
    sampler: str | Open = row("Sampler", "Sampler",
        "Euler is what SVD was made with; Heun works twice a step; LCM is for AnimateLCM.",
        choices=SAMPLERS, groups=SWEPT | KEPT)
    schedule: str | Open = row("Schedule", "Schedule type",
        "Noise levels. Karras is usual; Align Your Steps is made for 10 steps of Euler.",
        choices=SCHEDULES, groups=SWEPT | KEPT)
    seed: int = row("Seed", "Seed",
        "The same seed and settings give the same clip.",
        0, MAX_SEED, default=0, card="seed {}", values="1-4", groups=SWEPT)
    width: int | Open = row("Width", "Width",
        "Pixels of the clip.",
        32, 4096, unit=" pixels", together="Size", groups=KEPT | SEEN)
    height: int | Open = row("Height", "Height",
        "Pixels of the clip.",
        32, 4096, unit=" pixels", together="Size", groups=KEPT | SEEN)
    checkpoint: str = row("Model", "SVD checkpoint",
        "Which file animates the picture.",
        default="", card="{}", groups=SEEN)
    num_frames: int | Open = row("Frames", "SVD frames",
        "Length of the clip. Beyond the model's own number it is made in parts, see Longer by.",
        1, 1024, short="--frames", aliases=("video_frames",), card="{} frames", groups=KEPT | SEEN)
    fps: int | Open = row("FPS", "SVD fps",
        "Frames per second. 7 suits most clips; more makes less motion a frame.",
        1, 30, card="{} fps", groups=SWEPT | KEPT)
    motion_bucket_id: int | Open = row("Motion", "SVD motion",
        "How much moves. 75 is a good start; try 60, 75, 90. More breaks sooner.",
        1, 255, short="--motion", aliases=("motion_bucket",), card="motion {}", values="60, 75, 90",
        groups=SWEPT | KEPT)
    noise_aug_strength: float | Open = row("Augmentation", "SVD augmentation",
        "Noise on the picture. 0.02 is usual, 0.01 to 0.04 sensible; more leaves the picture sooner.",
        0, 1, step=0.001, short="--augmentation", aliases=("cond_aug",), groups=SWEPT | KEPT)
    min_guidance: float | Open = row("Guidance, first frame", "SVD guidance first",
        "How closely the first frame keeps to the picture.",
        1, 20, step=0.1, groups=SWEPT | KEPT)
    max_guidance: float | Open = row("Guidance, last frame", "SVD guidance last",
        "How closely the last frame keeps to the picture. Raise it where the clip drifts away.",
        1, 20, step=0.1, groups=SWEPT | KEPT)
    guidance_ramp: str | Open = row("Guidance ramp", "SVD guidance ramp",
        "How guidance goes from the first frame to the last.",
        choices=RAMPS, groups=SWEPT | KEPT)
    guidance_low: float = row("Guidance, lowest sigma", "SVD guidance low",
        "No guidance at sigmas below this: those steps take half the time.",
        0, 1000, default=0.0, step=0.1, unit=" (sigma)", groups=KEPT)
    guidance_high: float = row("Guidance, highest sigma", "SVD guidance high",
        "No guidance at sigmas above this; the schedule begins at 700.",
        0, 1000, default=1000.0, step=0.1, unit=" (sigma)", groups=KEPT)
    cache_interval: int = row("Cache interval", "SVD cache interval",
        "One step in so many is worked out whole; the others reuse its inner stages. 1 is exact.",
        1, 10, default=1, groups=KEPT | SEEN)
    fit: str = row("Fit", "SVD fit",
        "How the picture is brought to the clip's size. A tighter crop moves better.",
        default="crop", choices=FITS, together="Crop", groups=KEPT | SEEN)
    focus_x: float = row("Focus, across", "SVD focus x",
        "What a crop keeps in view: 0 left, 1 right.",
        0, 1, default=0.5, step=0.001, together="Crop", groups=KEPT | SEEN)
    focus_y: float = row("Focus, down", "SVD focus y",
        "What a crop keeps in view: 0 top, 1 bottom.",
        0, 1, default=0.5, step=0.001, together="Crop", groups=KEPT | SEEN)
    zoom: float = row("Zoom", "SVD zoom",
        "Makes the crop tighter. Beyond the picture's own pixels the clip gets soft.",
        1, 8, default=1.0, step=0.01, together="Crop", groups=KEPT | SEEN)
    background: str | Open = row("Background", "SVD background",
        "Shows through transparent parts of the picture.",
        is_colour=True, groups=SEEN)
    decode: str = row("Decoding", "SVD decode",
        "Exact gives the same frames in any memory; Reference works in chunks, as Stability's code does.",
        default="exact", choices=DECODES, groups=KEPT | SEEN | DECODING)
    decode_chunk: int = row("Frames decoded at a time", "SVD decode chunk",
        "0 chooses by the memory at hand. Less takes less memory.",
        0, 1024, default=0, aliases=("decoding_t",), groups=SEEN | DECODING | HARMLESS)
    ending: str = row("Ending", "SVD ending",
        "Seamless loop: the last frame leads into the first. It costs no more time, and some motion.",
        default="open", choices=ENDINGS, card="{}", groups=SWEPT | KEPT | CONTROL)
    camera: str = row("Camera", "SVD camera",
        "Where the camera goes. Free leaves it to the model; with others less moves by itself.",
        default="free", choices=CAMERAS, card="{}", groups=SWEPT | KEPT | CONTROL)
    camera_strength: int = row("Camera strength", "SVD camera strength",
        "Percent of the frame that pass by in a clip, or that a zoom makes it larger or smaller.",
        1, 100, default=20, unit=" percent", values="10, 20, 40", groups=SWEPT | KEPT | CONTROL)
    window: int = row("Window", "SVD window",
        "Frames sampled at a time where there are more. 0 is the model's own number.",
        0, 1024, default=0, unit=" frames", groups=KEPT | SEEN | CONTROL)
    longer: str = row("Longer by", "SVD longer by",
        "Beyond the model's frames: Windows all look at the picture, Segments go on from the last frame.",
        default="windows", choices=LONGER, groups=SWEPT | KEPT | CONTROL)
    last_picture: str = row("Last picture", "SVD last picture",
        "The clip ends with this picture. Each step takes twice as long.",
        default="", groups=CONTROL)
    mask: str = row("Mask", "SVD mask",
        "A picture that says where the clip may move, of the clip's shape or the picture's size.",
        default="", groups=CONTROL)
    mask_means: str = row("Mask means", "SVD mask means",
        "What white is for in the mask.",
        default="moves", choices=MASKS, groups=CONTROL)
    mask_edge: int = row("Mask edge", "SVD mask edge",
        "How soft the edge of the mask is.",
        0, 256, default=8, unit=" pixels", groups=CONTROL)
    lora: str = row("LoRA", "SVD LoRA",
        "Files that change the model, with strengths: fog:0.8, rain:1. Empty is none.",
        default="", card="LoRA {}", groups=SWEPT | KEPT | CONTROL)
    elevation: float | str = row("Elevation", "SVD elevation",
        "Height of the camera in degrees; several are spread along the clip: 0, 30, 0.",
        -90, 90, default=10.0, unit=" degrees", aliases=("elevations_deg",), only="SV3D_p", paths=())
    orbit: float | str = row("Orbit", "SVD orbit",
        "Degrees travelled round the object, 360 a full turn; or several azimuths; or dynamic.",
        -360, 360, default=360.0, unit=" degrees", aliases=("azimuths_deg",), only="SV3D_p", paths=(DYNAMIC,))
    cut_out: str = row("Cut out by", "SVD cut out",
        "What tells the object from its background. Never leaves the picture as it is.",
        default="alpha", choices=CUTS, only="SV3D", groups=SEEN | CONTROL)
    object_fill: float = row("Object fills", "SVD object fills",
        "The part of the frame that an object takes which is cut out; it stands in the middle.",
        0.1, 1, default=0.917, step=0.001, aliases=("image_frame_ratio",), only="SV3D", groups=SEEN | CONTROL)
# fmt: on


def _make_word(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower())


def _read_float(text: str) -> float:
    """Read a number of bounded length; raises ValueError where it is none."""
    if len(text) > MOST_DIGITS:
        raise ValueError
    return float(text)


def _is_number(value: Any) -> bool:
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))


def list_settings(described: Any) -> dict[str, Setting]:
    """List the settings that describe the fields of a dataclass, see `row`, by their names."""
    hints = get_type_hints(described)
    kinds = {name: (*get_args(hint), hint)[0] for name, hint in hints.items()}
    rows = {each.name: each.metadata["setting"] for each in fields(described)}
    return {name: replace(setting, name=name, kind=kinds[name]) for name, setting in rows.items()}


SETTINGS: Mapping[str, Setting] = list_settings(Settings)
"""Every setting by its name; tab, command line, API, infotext and docs are made from this table."""


_CALLED = {
    called: setting
    for setting in SETTINGS.values()
    for called in (
        *(setting.name, setting.word, *(flag[2:] for flag in setting.flags), *map(_make_word, setting.aliases)),
        _make_word(setting.infotext.removeprefix("SVD ")),
    )
}


def find_setting(text: str) -> Setting | None:
    """Find the setting of that name, in code, on the command line, in a clip or in the tab, whole or as one word."""
    return _CALLED.get(_make_word(text))


_ALIASES = {alias: name for name, setting in SETTINGS.items() for alias in setting.aliases}


def name_meant(text: str) -> str:
    """Give the setting's own name for one that other programs use, such as `cond_aug`; any other text as it is."""
    return _ALIASES.get(text, text)


def list_names(group: Group) -> tuple[str, ...]:
    """List the names of the settings in a group."""
    return tuple(name for name, setting in SETTINGS.items() if group in setting.groups)


def write_cards(values: Mapping[str, Any]) -> list[str]:
    """Write what a card or a line tells of a clip: `7 fps`, `motion 75`; of controls those that do something."""
    told = ((setting, values.get(name)) for name, setting in SETTINGS.items() if setting.card)
    shown = [(setting, value) for setting, value in told if value not in (None, "") and not setting.is_off(value)]
    return [setting.card.format((setting.choices or {}).get(value, value)) for setting, value in shown]


def list_places(value: float | str) -> list[float]:
    """List the numbers along a clip of a checked setting that may be several; none of one that is a word."""
    if isinstance(value, str):
        return [] if value.isalpha() else [float(number) for number in value.split(", ")]
    return [value]


def draw_seed() -> int:
    """Draw a seed for a clip that has none, 0 to MAX_SEED."""
    return secrets.randbelow(MAX_SEED + 1)
