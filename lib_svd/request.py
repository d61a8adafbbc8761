"""ClipRequest: the one description of a clip, shared by the command line, the tab, the script hook and the API."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, NoReturn, TypeVar

from lib_svd.errors import BadRequest, spell
from lib_svd.settings import CONTROL, MAX_SEED, SETTINGS, Open, Setting, Settings, list_names
from lib_svd.strangers import quote

MOST_TEXT = 1_000_000  # characters of an infotext, with the prompt of the picture that it may carry
MOST_PAIRS = 5_000  # colons in it; a prompt with weights has some hundred
MARK_DIGITS = 10  # hexadecimal, by which a clip tells its model from others, see `checkpoints.marks`
_MARKED = re.compile(rf"(.+) \[([0-9a-f]{{{MARK_DIGITS}}})\]")
R = TypeVar("R", bound="ClipRequest[Any]")


@dataclass(frozen=True, kw_only=True)
class ClipRequest(Settings[Open]):
    """Settings of one clip, checked when made. None means: as the model was made for."""

    def __post_init__(self) -> None:
        """Refuse what no model could do.

        Raises:
            BadRequest: a value is of the wrong type or out of range; the text names the setting.
        """
        for name, setting in SETTINGS.items():
            value = getattr(self, name)
            if value is None and setting.is_open:
                continue
            object.__setattr__(self, name, setting.check(value))
        if (self.width is None) != (self.height is None):
            raise BadRequest("Give width and height together, or neither for the model's own size.")
        low, high = self.min_guidance, self.max_guidance
        if low is not None and high is not None and low > high:
            rule = spell("fall from the first to the last frame", "begin with a --min-guidance above --max-guidance")
            raise BadRequest(f"Guidance must not {rule}: {low:g} is above {high:g}.")
        if self.guidance_low > self.guidance_high:
            bounds = f"{self.guidance_low:g} is above {self.guidance_high:g}"
            rule = spell("begin below the sigma where it ends", "have a --guidance-low below --guidance-high")
            raise BadRequest(f"Guidance must {rule}: {bounds}.")

    def write_infotext(self) -> str:
        """Write the settings in one line, `Steps: 25, Sampler: Euler, ...`; `from_infotext` reads it back without
        loss.
        """
        size = ("Size", f"{self.width}x{self.height}")
        told = [(setting, text) for setting, text in self._write_each() if setting.name != "height"]
        parts = [size if setting.name == "width" else (setting.infotext, text) for setting, text in told]
        return ", ".join(f"{label}: {text}" for label, text in parts)

    def _write_each(self) -> list[tuple[Setting, str]]:
        """Write each setting, but for what is left to the model and for controls that are off."""
        values = ((setting, getattr(self, name)) for name, setting in SETTINGS.items())
        written = ((setting, setting.write(value)) for setting, value in values if not setting.is_off(value))
        return [(setting, text) for setting, text in written if text is not None]

    @classmethod
    def from_infotext(cls: type[R], text: str) -> R:
        """Read what `write_infotext` wrote; labels of other tools in the same line are passed over.

        Of a picture that was animated as it was generated, whose own steps, size and seed stand there too, those of the
        clip are read (see `write_parameters`); its seed is the picture's where it had none of its own.

        Raises:
            BadRequest: a value cannot be read or is out of range, or the text is too long to be settings.
        """
        if not _is_bounded(text):
            raise BadRequest(f"Settings have at most {MOST_TEXT:,} characters and {MOST_PAIRS:,} colons, not more.")
        pairs = _read_pairs(text)
        is_picture = "SVD steps" in pairs
        label_of = _make_picture_label if is_picture else attrgetter("infotext")
        labels = {name: label_of(setting) for name, setting in SETTINGS.items()}
        values: dict[str, Any] = {
            name: SETTINGS[name].read(_unquote(pairs[label])) for name, label in labels.items() if label in pairs
        }
        size = "SVD size" if is_picture else "Size"
        if size in pairs:
            values["width"], values["height"] = read_size(_unquote(pairs[size]))
        if is_picture and "seed" not in values and re.fullmatch(r"\s*\d{1,20}\s*", pairs.get("Seed", "")):
            values["seed"] = int(pairs["Seed"]) % (MAX_SEED + 1)
        return cls(**values)

    def write_parameters(self) -> dict[str, str]:
        """Write the settings for the infotext of a picture that has steps, a seed and a size of its own: `SVD steps`,
        ...
        """
        found = {_make_picture_label(setting): text for setting, text in self._write_each()}
        width, height = (found.pop(_make_picture_label(SETTINGS[name]), None) for name in _SIZE)
        return found if width is None else {**found, "SVD size": f"{width}x{height}"}

    @classmethod
    def from_mapping(cls: type[R], values: Mapping[str, Any]) -> R:
        """Read settings by name, as an API or a JSON file gives them.

        Raises:
            BadRequest: a name is not a setting, or a value is out of range.
        """
        for name in values:
            if name not in SETTINGS:
                raise BadRequest(f"{quote(name)} is not a setting; the settings are {', '.join(sorted(SETTINGS))}.")
        return cls(**values)

    def replace(self: R, **changes: Any) -> R:
        """Make a copy with some settings changed, checked again."""
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class CompleteRequest(ClipRequest[NoReturn]):
    """A request that leaves nothing to the model any more."""

    def __post_init__(self) -> None:
        """Refuse what no model could do, and what is still left to one.

        Raises:
            BadRequest: names the settings.
        """
        missing = [setting.called for name, setting in SETTINGS.items() if getattr(self, name) is None]
        if missing:
            raise BadRequest(f"Settings are missing: {'; '.join(missing)}.")
        super().__post_init__()

    @classmethod
    def of(cls, request: ClipRequest) -> CompleteRequest:
        """Take the same settings out of a request.

        Raises:
            BadRequest: one is still left to the model.
        """
        return cls(**{name: getattr(request, name) for name in SETTINGS})


def pick_settings(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Take settings out of infotext that a host has split into labels and values: a picture's, or a clip's own.

    Hosts split sizes in two (`Size-1`, `Size-2`). Values that cannot be read are left out, as hosts do; controls of
    which nothing is said are off.
    """
    if not any(label.startswith("SVD ") for label in parameters):
        return {}
    is_picture = "SVD steps" in parameters
    width, height = (parameters.get(f"{'SVD size' if is_picture else 'Size'}-{i}") for i in (1, 2))
    label_of = _make_picture_label if is_picture else attrgetter("infotext")
    texts = {name: parameters.get(label_of(setting)) for name, setting in SETTINGS.items()}
    found = {name: SETTINGS[name].default for name in list_names(CONTROL)}
    for name, text in {**texts, "width": width, "height": height}.items():
        if text is not None:
            with suppress(BadRequest):
                found[name] = SETTINGS[name].check(SETTINGS[name].read(text))
    return found


def _make_picture_label(setting: Setting) -> str:
    """Give the label that a setting has in the infotext of a picture."""
    return setting.infotext if setting.infotext.startswith("SVD ") else f"SVD {setting.infotext.lower()}"


def add_source(infotext: str, source: str) -> str:
    """Add the infotext of the picture that a clip was made from to the clip's own; `from_infotext` passes it over.

    One with which the clip's own could not be read any more is left out.
    """
    carried = f"{infotext}, SVD picture: {json.dumps(source, ensure_ascii=False)}" if source else infotext
    return carried if _is_bounded(carried) else infotext


def read_source(infotext: str) -> str:
    """Read what `add_source` added; "" where it added nothing."""
    return read_values(infotext).get("SVD picture", "")


def read_values(text: str) -> dict[str, str]:
    """Read every value of an infotext by its label, `Steps: 25, ...`; none of a text that is too long to be one."""
    return {label: _unquote(value) for label, value in _read_pairs(text).items()} if _is_bounded(text) else {}


def add_mark(name: str, mark: str) -> str:
    """Write what a clip calls its model: `svd_xt.safetensors [1a2b3c4d5e]`."""
    return f"{name} [{mark}]"


def split_mark(name: str) -> tuple[str, str]:
    """Part what a clip calls its model into the name and the mark, "" where it has none."""
    found = _MARKED.fullmatch(name)
    return (found[1], found[2]) if found else (name, "")


def read_size(text: str) -> tuple[int | None, int | None]:
    """Read `1024x576` as (1024, 576) and `auto` as (None, None).

    Raises:
        BadRequest: the text is neither.
    """
    if text.strip().lower() == "auto":
        return None, None
    match = re.fullmatch(r"\s*(\d{1,5})\s*[x×]\s*(\d{1,5})\s*", text)
    if match is None:
        what = f"{spell('Size', '--size')} {quote(text)} cannot be read"
        raise BadRequest(f"{what}: write width x height, such as 1024x576, or auto.")
    return int(match[1]), int(match[2])


_SIZE = ("width", "height")  # written together, as every other tool does
_LONGEST_LABEL = 32  # characters; longer words before a colon are some label of others
_LABEL = re.compile(r"[A-Za-z][\w +\-]*\Z")
_VALUE = re.compile(r"[^\S\n]*([^,\n]*)")
_END = re.compile(r"\s*(?:,|$)", re.MULTILINE)


def _is_bounded(text: str) -> bool:
    return len(text) <= MOST_TEXT and text.count(":") <= MOST_PAIRS


def _read_pairs(text: str) -> dict[str, str]:
    """Read values by label; from colon to colon, so that nothing is read twice, whatever the text."""
    found, at = {}, 0
    while (colon := text.find(":", at)) >= 0:
        label = _LABEL.search(text[max(at, colon - _LONGEST_LABEL) : colon])
        at = colon + 1
        if label is not None and (value := _VALUE.match(text, at)):
            end = _find_quoted_end(text, value.start(1)) or value.end()
            found[label[0]], at = text[value.start(1) : end], end
    return found


def _find_quoted_end(text: str, start: int) -> int:
    """Find where a quoted value ends, if a comma or the line's end follows its quote; 0: none begins there."""
    at = start + 1
    while text.startswith('"', start) and (quote := text.find('"', at)) >= 0:
        before = text[at:quote]
        at = quote + 1
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            return at if _END.match(text, at) else 0
    return 0


def _unquote(value: str) -> str:
    value = value.rstrip()
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value
