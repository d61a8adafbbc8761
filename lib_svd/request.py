"""ClipRequest: the one description of a clip, shared by the command line, the tab, the script hook and the API."""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from reprlib import Repr
from typing import Any, NamedTuple, TypeVar

from lib_svd.errors import BadRequest
from lib_svd.strangers import MOST_DIGITS, is_text

SAMPLERS = {"euler": "Euler", "euler_ancestral": "Euler a", "heun": "Heun", "dpmpp_2m": "DPM++ 2M", "lcm": "LCM"}
SCHEDULES = {"karras": "Karras", "align_your_steps": "Align Your Steps", "lcm": "LCM"}
RAMPS = {"linear": "Linear", "triangle": "Triangle", "constant": "Constant"}
FITS = {"crop": "Crop", "letterbox": "Letterbox", "stretch": "Stretch"}
DECODES = {"exact": "Exact", "reference": "Reference"}

MAX_SEED = 2**32 - 1
LONGEST_TEXT = 4096  # of a setting; no path is longer
MOST_TEXT = 1_000_000  # characters of an infotext, with the prompt of the picture that it may carry
MOST_PAIRS = 5_000  # colons in it; a prompt with weights has some hundred
R = TypeVar("R", bound="ClipRequest")


@dataclass(frozen=True, kw_only=True)
class ClipRequest:
    """Settings of one clip, checked when made. None means: as the model was made for."""

    seed: int = 0
    num_frames: int | None = None
    width: int | None = None  # pixels; with height None: the model's area in the picture's aspect
    height: int | None = None
    fps: int | None = None  # frames per second, of the clip and of the motion asked for
    motion_bucket_id: int | None = None  # 1..255, how much moves
    noise_aug_strength: float | None = None  # standard deviation of the noise on the picture, in [-1, 1] units
    min_guidance: float | None = None  # guidance at the first frame
    max_guidance: float | None = None  # guidance at the last frame (linear), halfway (triangle)
    guidance_ramp: str | None = None  # a key of RAMPS
    guidance_low: float = 0.0  # sigma; below it and above guidance_high there is no guidance
    guidance_high: float = 1000.0
    cache_interval: int = 1  # of so many steps one is whole; the others take the inner stages from it
    num_steps: int | None = None
    sampler: str | None = None  # a key of SAMPLERS
    schedule: str | None = None  # a key of SCHEDULES
    fit: str = "crop"  # a key of FITS: how the picture is brought to the working size
    focus_x: float = 0.5  # 0..1, the point of the picture that a crop keeps in view
    focus_y: float = 0.5
    zoom: float = 1.0  # 1..8, how many times smaller than the largest crop the crop is
    background: str = "#000000"  # what shows through transparent pixels
    decode: str = "exact"  # a key of DECODES
    decode_chunk: int = 0  # frames decoded at a time; 0 chooses by the memory at hand
    elevation: float = 10.0  # degrees above the horizon, -90..90; SV3D_p only
    orbit: float = 360.0  # degrees that the camera travels round the object, -360..360; SV3D_p only
    checkpoint: str = ""  # file name of the model

    def __post_init__(self) -> None:
        """Refuse what no model could do.

        Raises:
            BadRequest: a value is of the wrong type or out of range; the text names the setting.
        """
        for entry in FIELDS:
            value = getattr(self, entry.name)
            if value is None and entry.optional:
                continue
            object.__setattr__(self, entry.name, entry.checked(value))
        if (self.width is None) != (self.height is None):
            raise BadRequest("Give width and height together, or neither for the model's own size.")
        low, high = self.min_guidance, self.max_guidance
        if low is not None and high is not None and low > high:
            raise BadRequest(f"Guidance must not fall from the first to the last frame: {low:g} is above {high:g}.")
        if self.guidance_low > self.guidance_high:
            bounds = f"{self.guidance_low:g} is above {self.guidance_high:g}"
            raise BadRequest(f"Guidance must begin below the sigma where it ends: {bounds}.")

    def infotext(self) -> str:
        """The settings in one line, `Steps: 25, Sampler: Euler, ...`; `from_infotext` reads it back without loss."""
        parts = [(entry.label, entry.written(getattr(self, entry.name))) for entry in FIELDS if entry.name not in _SIZE]
        if self.width is not None:
            parts.insert(4, ("Size", f"{self.width}x{self.height}"))
        return ", ".join(f"{label}: {text}" for label, text in parts if text is not None)

    @classmethod
    def from_infotext(cls: type[R], text: str) -> R:
        """Read what `infotext` wrote; labels of other tools in the same line are passed over.

        Raises:
            BadRequest: a value cannot be read or is out of range, or the text is too long to be settings.
        """
        if not _is_bounded(text):
            raise BadRequest(f"Settings have at most {MOST_TEXT:,} characters and {MOST_PAIRS:,} colons, not more.")
        pairs = _pairs(text)
        found = {label: _unquoted(pairs[label]) for label in _LABELS if label in pairs}
        values: dict[str, Any] = {e.name: e.read(found[e.label]) for e in FIELDS if e.label in found}
        if "Size" in found:
            values["width"], values["height"] = read_size(found["Size"])
        return cls(**values)

    def parameters(self) -> dict[str, str]:
        """The settings for the infotext of a picture that has steps, a seed and a size of its own: `SVD steps`, ..."""
        texts = {picture_label(entry): entry.written(getattr(self, entry.name)) for entry in FIELDS}
        found = {label: text for label, text in texts.items() if text is not None}
        width, height = (found.pop(picture_label(entry), None) for entry in FIELDS if entry.name in _SIZE)
        return found if width is None else {**found, "SVD size": f"{width}x{height}"}

    @classmethod
    def from_mapping(cls: type[R], values: Mapping[str, Any]) -> R:
        """Read settings by name, as an API or a JSON file gives them.

        Raises:
            BadRequest: a name is not a setting, or a value is out of range.
        """
        known = {f.name for f in fields(cls)}
        for name in values:
            if name not in known:
                raise BadRequest(f"{shown(name)} is not a setting; the settings are {', '.join(sorted(known))}.")
        return cls(**values)

    def with_(self: R, **changes: Any) -> R:
        """A copy with some settings changed, checked again."""
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class CompleteRequest(ClipRequest):
    """A request that leaves nothing to the model any more."""

    num_frames: int = 14
    width: int = 1024
    height: int = 576
    fps: int = 7
    motion_bucket_id: int = 75
    noise_aug_strength: float = 0.02
    min_guidance: float = 1.0
    max_guidance: float = 2.5
    guidance_ramp: str = "linear"
    num_steps: int = 25
    sampler: str = "euler"
    schedule: str = "karras"

    def __post_init__(self) -> None:
        """Refuse what no model could do, and what is still left to one.

        Raises:
            BadRequest: names the settings.
        """
        missing = [entry.name for entry in FIELDS if getattr(self, entry.name) is None]
        if missing:
            raise BadRequest(f"Settings are missing: {', '.join(missing)}.")
        super().__post_init__()

    @classmethod
    def of(cls, request: ClipRequest) -> CompleteRequest:
        """The same settings.

        Raises:
            BadRequest: one is still left to the model.
        """
        return cls(**{entry.name: getattr(request, entry.name) for entry in FIELDS})


def settings_of(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Settings out of infotext that a host has split into labels and values: a picture's, or a clip's own.

    Hosts split sizes in two (`Size-1`, `Size-2`). Values that cannot be read are left out, as hosts do.
    """
    if not any(label.startswith("SVD ") for label in parameters):
        return {}
    label_of = picture_label if "SVD steps" in parameters else lambda entry: entry.label
    size = "SVD size" if "SVD steps" in parameters else "Size"
    sides = dict(zip(("Width", "Height"), (parameters.get(f"{size}-{i}") for i in (1, 2)), strict=True))
    found: dict[str, Any] = {}
    for entry in FIELDS:
        text = sides[entry.label] if entry.name in _SIZE else parameters.get(label_of(entry))
        if text is not None:
            with suppress(BadRequest):
                found[entry.name] = entry.checked(entry.read(text))
    return found


def picture_label(entry: Field) -> str:
    """A setting's label in the infotext of a picture."""
    return entry.label if entry.label.startswith("SVD ") else f"SVD {entry.label.lower()}"


def with_source(infotext: str, source: str) -> str:
    """A clip's infotext that carries the one of the picture it was made from; `from_infotext` passes it over.

    One with which the clip's own could not be read any more is left out.
    """
    carried = f"{infotext}, SVD picture: {json.dumps(source, ensure_ascii=False)}" if source else infotext
    return carried if _is_bounded(carried) else infotext


def read_size(text: str) -> tuple[int | None, int | None]:
    """`1024x576` to (1024, 576), `auto` to (None, None).

    Raises:
        BadRequest: the text is neither.
    """
    if text.strip().lower() == "auto":
        return None, None
    match = re.fullmatch(r"\s*(\d{1,5})\s*[x×]\s*(\d{1,5})\s*", text)
    if match is None:
        raise BadRequest(f"Size {shown(text)} cannot be read: write width x height, such as 1024x576, or auto.")
    return int(match[1]), int(match[2])


class Field(NamedTuple):
    """One setting: its name in code, its label in infotext and in the tab, and what it may be."""

    name: str
    label: str
    kind: type
    low: float = -math.inf
    high: float = math.inf
    choices: Mapping[str, str] | None = None
    optional: bool = False
    unit: str = ""

    def checked(self, value: Any) -> Any:
        """The value in its own type.

        Raises:
            BadRequest: wrong type, not finite, out of range, not among the choices.
        """
        if self.kind is str:
            return self._checked_text(value)
        if not _is_number(value) or (self.kind is int and value != int(value)):
            what = "a whole number" if self.kind is int else "a number"
            raise BadRequest(f"{self.label} must be {what}, not {shown(value)}.")
        if not self.low <= value <= self.high:  # before it is converted: a whole number may be larger than any float
            allowed = f"from {self.low:.10g} to {self.high:.10g}{self.unit}"  # 10 digits: a seed has so many
            raise BadRequest(f"{self.label} must be {allowed}, not {shown(value)}.")
        return self.kind(value)

    def _checked_text(self, value: Any) -> str:
        if not isinstance(value, str):
            raise BadRequest(f"{self.label} must be text, not {shown(value)}.")
        if self.choices is not None and value not in self.choices:
            raise BadRequest(f"{self.label} must be one of {', '.join(self.choices)}, not {shown(value)}.")
        if self.name == "background" and not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            raise BadRequest(f"{self.label} must be a colour such as #ffffff, not {shown(value)}.")
        if len(value) > LONGEST_TEXT or not is_text(value):
            raise BadRequest(f"{self.label} must be at most {LONGEST_TEXT} characters of text, not {shown(value)}.")
        return value

    def written(self, value: Any) -> str | None:
        """The value as infotext; None stands for a setting that is left to the model."""
        if value is None or value == "":
            return None
        text = self.choices[value] if self.choices is not None else str(value)
        return json.dumps(text, ensure_ascii=False) if re.search(r'[,:"\n\\]|^\s|\s$', text) else text

    def read(self, text: str) -> Any:
        """The value that `written` wrote.

        Raises:
            BadRequest: the text is not a value of this setting.
        """
        if self.choices is not None:
            names = {label: name for name, label in self.choices.items()}
            return names.get(text, text)
        convert: Callable[[str], Any] = self.kind
        try:
            if self.kind is not str and len(text) > MOST_DIGITS:
                raise ValueError
            return convert(text)
        except ValueError:
            raise BadRequest(f"{self.label} must be a number, not {shown(text)}.") from None


FIELDS = (
    Field("num_steps", "Steps", int, 1, 100, optional=True),
    Field("sampler", "Sampler", str, choices=SAMPLERS, optional=True),
    Field("schedule", "Schedule type", str, choices=SCHEDULES, optional=True),
    Field("seed", "Seed", int, 0, MAX_SEED),
    Field("width", "Width", int, 32, 4096, optional=True, unit=" pixels"),
    Field("height", "Height", int, 32, 4096, optional=True, unit=" pixels"),
    Field("checkpoint", "SVD checkpoint", str),
    Field("num_frames", "SVD frames", int, 1, 1024, optional=True),
    Field("fps", "SVD fps", int, 1, 30, optional=True),
    Field("motion_bucket_id", "SVD motion", int, 1, 255, optional=True),
    Field("noise_aug_strength", "SVD augmentation", float, 0, 1, optional=True),
    Field("min_guidance", "SVD guidance first", float, 1, 20, optional=True),
    Field("max_guidance", "SVD guidance last", float, 1, 20, optional=True),
    Field("guidance_ramp", "SVD guidance ramp", str, choices=RAMPS, optional=True),
    Field("guidance_low", "SVD guidance low", float, 0, 1000, unit=" (sigma)"),
    Field("guidance_high", "SVD guidance high", float, 0, 1000, unit=" (sigma)"),
    Field("cache_interval", "SVD cache interval", int, 1, 10),
    Field("fit", "SVD fit", str, choices=FITS),
    Field("focus_x", "SVD focus x", float, 0, 1),
    Field("focus_y", "SVD focus y", float, 0, 1),
    Field("zoom", "SVD zoom", float, 1, 8),
    Field("background", "SVD background", str),
    Field("decode", "SVD decode", str, choices=DECODES),
    Field("decode_chunk", "SVD decode chunk", int, 0, 1024),
    Field("elevation", "SVD elevation", float, -90, 90, unit=" degrees"),
    Field("orbit", "SVD orbit", float, -360, 360, unit=" degrees"),
)
"""Every setting once; the tab, the command line and infotext are all made from this table."""

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 120
_LABELS = (*(entry.label for entry in FIELDS), "Size")
_SIZE = ("width", "height")  # written together, as every other tool does
_LONGEST_LABEL = 32  # characters; longer words before a colon are some label of others
_LABEL = re.compile(r"[A-Za-z][\w +\-]*\Z")
_VALUE = re.compile(r"[^\S\n]*([^,\n]*)")
_END = re.compile(r"\s*(?:,|$)", re.MULTILINE)


def _is_bounded(text: str) -> bool:
    return len(text) <= MOST_TEXT and text.count(":") <= MOST_PAIRS


def _pairs(text: str) -> dict[str, str]:
    """Values by label; from colon to colon, so that nothing is read twice, whatever the text."""
    found, at = {}, 0
    while (colon := text.find(":", at)) >= 0:
        label = _LABEL.search(text[max(at, colon - _LONGEST_LABEL) : colon])
        at = colon + 1
        if label is not None and (value := _VALUE.match(text, at)):
            end = _quoted_end(text, value.start(1)) or value.end()
            found[label[0]], at = text[value.start(1) : end], end
    return found


def _quoted_end(text: str, start: int) -> int:
    """Where a quoted value ends, if a comma or the line's end follows its quote; 0: none begins there."""
    at = start + 1
    while text.startswith('"', start) and (quote := text.find('"', at)) >= 0:
        before = text[at:quote]
        at = quote + 1
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            return at if _END.match(text, at) else 0
    return 0


def shown(value: Any) -> str:
    """A value that somebody gave, as it stands in a sentence: on one line, and never long."""
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        return f"a number of more than {MOST_DIGITS} digits"
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python does not write out whole numbers of more than 4300 digits
        return f"a {type(value).__name__} of very large numbers"


def _is_number(value: Any) -> bool:
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))


def _unquoted(value: str) -> str:
    value = value.rstrip()
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def draw_seed() -> int:
    """A seed for a request that has none, 0 to MAX_SEED."""
    return secrets.randbelow(MAX_SEED + 1)
