"""Settings to begin with, each with its reason; the user's own beside them, in one JSON file."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lib_svd.errors import BadOutput, BadRequest
from lib_svd.files import make_hidden_names
from lib_svd.request import MOST_TEXT
from lib_svd.settings import KEPT, SETTINGS, list_names
from lib_svd.strangers import decode_text, make_showable, read_json

LONGEST_NAME = 60

log = logging.getLogger("svd")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Some settings under a name; what it leaves out is the model's own."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


BUILT_IN = (
    Preset(
        name="Baseline",
        settings={"motion_bucket_id": 75, "noise_aug_strength": 0.02},
        reason="Where to begin with any picture: change one control at a time from here.",
    ),
    Preset(
        name="Portrait",
        settings={"motion_bucket_id": 60, "noise_aug_strength": 0.01},
        reason="Faces forgive least: little motion, and hardly any noise on the picture.",
    ),
    Preset(
        name="Product",
        settings={"motion_bucket_id": 40, "noise_aug_strength": 0.0},
        reason="The thing must stay what it is: calm motion and no noise on the picture, so that print stays legible.",
    ),
    Preset(
        name="Landscape",
        settings={"motion_bucket_id": 90, "noise_aug_strength": 0.02},
        reason="Water, clouds and a camera that flies may move more before anything looks wrong.",
    ),
    Preset(
        name="Artwork",
        settings={"motion_bucket_id": 75, "noise_aug_strength": 0.04},
        reason="A style that the model has not seen is held too tightly: a little more noise lets it move.",
    ),
    Preset(
        name="Loop",
        settings={"motion_bucket_id": 75, "noise_aug_strength": 0.02, "ending": "loop"},
        reason="The last frame leads into the first, which takes some of the motion: ask for more if it is too calm.",
    ),
)


class Presets:
    """The built-in ones, and the user's own in a JSON file that people can share."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def list_all(self) -> tuple[Preset, ...]:
        """List the built-in ones first, then the user's in the order of their names; one that cannot be is named in the
        log.

        Raises:
            BadRequest: the file as a whole is damaged; it is left as it is.
        """
        return (*BUILT_IN, *sorted(self._read_own().values(), key=lambda preset: preset.name.lower()))

    def find(self, name: str) -> Preset:
        """Find the preset of that name, be it in another case.

        Raises:
            BadRequest: there is none.
        """
        found = {preset.name: preset for preset in self.list_all()}
        alike = [name, *(each for each in found if each.casefold() == name.casefold())]
        there = [each for each in alike if each in found]
        if not there:
            raise BadRequest(f"There is no preset {name!r}: choose one of {', '.join(found)}.")
        return found[there[0]]

    def save(self, preset: Preset) -> None:
        """Keep one; the user's own of that name is replaced.

        Raises:
            BadInput: its name or a setting cannot be, or it cannot be written.
        """
        self._write({**self._read_own(), preset.name: _check_preset(preset)})

    def rename(self, old: str, new: str) -> None:
        """Give one of the user's own another name; raises BadInput where that cannot be."""
        own = self._read_own()
        preset = self._find_own(old)
        if new != old and (new in own or any(new == each.name for each in BUILT_IN)):
            raise BadRequest(f"There is a preset {new!r} already: choose another name.")
        del own[old]
        self._write({**own, new: _check_preset(Preset(name=new, settings=preset.settings, reason=preset.reason))})

    def delete(self, name: str) -> None:
        """Forget one of the user's own; raises BadInput where that cannot be."""
        self._find_own(name)
        self._write({other: preset for other, preset in self._read_own().items() if other != name})

    def export(self) -> str:
        """Write the user's own as JSON, for others."""
        return _write_json(self._read_own().values())

    def take(self, text: str) -> list[str]:
        """Add presets that somebody shared, and give the names that they got: one whose name is taken gets a number.

        Raises:
            BadRequest: the text is not what `export` gives, or a setting in it cannot be; none is taken.
        """
        if len(text) > MOST_TEXT:
            raise BadRequest(f"Presets are at most {MOST_TEXT:,} characters long: share fewer of them.")
        own, names = self._read_own(), []
        for preset in [_read_preset(each) for each in _read_list(text)]:
            name, n = preset.name, 1
            while name in own or any(name == each.name for each in BUILT_IN):
                n += 1
                name = f"{preset.name} ({n})"
            own[name] = _check_preset(Preset(name=name, settings=preset.settings, reason=preset.reason))
            names.append(name)
        self._write(own)
        return names

    def _find_own(self, name: str) -> Preset:
        own = self._read_own()
        if name not in own:
            if any(name == each.name for each in BUILT_IN):
                raise BadRequest(f"{name} comes with the program: save it under a name of your own to change it.")
            raise BadRequest(f"There is no preset {name!r} of your own: choose one that you saved.")
        return own[name]

    def _read_own(self) -> dict[str, Preset]:
        return self._read()[0]

    def _read(self) -> tuple[dict[str, Preset], list[Any]]:
        """Read the user's own; and what else is in the list, of another version, perhaps, which stays there as it
        is.
        """
        if not self._path.exists():
            return {}, []
        own, others = {}, []
        try:
            listed = _read_list(decode_text(self._path.read_bytes()))
        except (OSError, BadRequest, ValueError) as error:
            raise BadRequest(f"Your presets in {self._path} cannot be read: mend or move that file.") from error
        for each in listed:
            try:
                preset = _read_preset(each)
            except BadRequest as error:
                log.warning("A preset in %s is passed over: %s", self._path, error)
                others.append(each)
            else:
                own[preset.name] = preset
        return own, others

    def _write(self, presets: Mapping[str, Preset]) -> None:
        others = self._read()[1]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with make_hidden_names(self._path.parent) as hidden:
                unfinished = hidden(".json")
                unfinished.write_text(_write_json(presets.values(), others), "utf-8")
                unfinished.replace(self._path)
        except OSError as error:
            raise BadOutput(f"Presets cannot be kept in {self._path} ({error.strerror or error}).") from error


def _check_preset(preset: Preset) -> Preset:
    """Give the same preset with every setting in its own type.

    Raises:
        BadRequest: no name or too long a one, a built-in one's, or a setting that cannot be.
    """
    name = preset.name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise BadRequest(f"A preset needs a name of 1 to {LONGEST_NAME} characters.")
    if any(name == each.name for each in BUILT_IN):
        raise BadRequest(f"{name} comes with the program: choose another name.")
    for setting in preset.settings:
        if setting not in list_names(KEPT):
            raise BadRequest(f"A preset cannot hold {setting!r}; it can hold {', '.join(list_names(KEPT))}.")
    given = {each: value for each, value in preset.settings.items() if value is not None}
    settings = {each: SETTINGS[each].check(value) for each, value in given.items()}
    return Preset(name=name, settings=settings, reason=str(preset.reason))


def _write_json(presets: Iterable[Preset], others: Sequence[Any] = ()) -> str:
    listed = [*(asdict(preset) for preset in presets), *others]
    return json.dumps({"svd_presets": listed}, ensure_ascii=False, indent=1)


def _read_list(text: str) -> list[Any]:
    """Read what stands where presets should; raises BadRequest where there is no such list."""
    try:
        return list(make_showable(read_json(text)["svd_presets"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadRequest("These are no presets: paste the JSON that somebody's presets were shown as.") from error


def _read_preset(told: Any) -> Preset:
    """Read what `_write_json` wrote, checked; raises BadRequest where it cannot be."""
    try:
        preset = Preset(**told)
        if not isinstance(preset.name, str) or not isinstance(preset.settings, dict):
            raise TypeError("a name is no text, or settings have no names")
    except TypeError as error:
        raise BadRequest("These are no presets: paste the JSON that somebody's presets were shown as.") from error
    return _check_preset(preset)
