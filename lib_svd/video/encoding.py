"""A format with what was chosen for it, as users write it: `h265:24:slow`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from lib_svd.errors import BadRequest
from lib_svd.strangers import quote
from lib_svd.video.formats import FORMATS, MAIN, Coder, Format
from lib_svd.video.own_formats import read_own_formats

MOST_PLAYS = 1000


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a clip is written; what is left open is as usual for the format."""

    format: Format = FORMATS[MAIN]
    name: str = MAIN  # of the format
    quality: float | None = None
    preset: str = ""
    profile: str = ""
    plays: int = 0  # how often a moving picture plays; 0: for ever

    @classmethod
    def read(cls, text: str) -> Encoding:
        """Read a format's name, and after colons, in any order, a quality, a preset, a profile, and `x3` to play
        thrice.

        Raises:
            BadRequest: there is no such format, or it has no such thing to choose.
        """
        name, *words = text.strip().lower().split(":")
        made = cls(format=find_format(name), name=name)
        for word in filter(None, words):
            made = made._add_word(word)
        return made

    @classmethod
    def of_host(cls, crf: object, preset: object, profile: object, name: str = MAIN) -> Encoding:
        """Take H.264 as the user has it in a web UI's settings for videos; what is not there, or cannot be, is as
        usual.
        """
        row, number = FORMATS[name], crf if isinstance(crf, (int, float)) else None
        assert row.quality is not None
        return cls(
            format=row,
            name=name,
            quality=None if number is None else min(row.quality.high, max(row.quality.low, int(number))),
            preset=preset if isinstance(preset, str) and preset in row.presets else "",
            profile=profile if isinstance(profile, str) and profile in row.profiles else "",
        )

    def __str__(self) -> str:
        """Write it as `read` takes it."""
        quality = "" if self.quality is None else f"{self.quality:g}"
        plays = f"x{self.plays}" if self.plays else ""
        return ":".join(filter(None, (self.name, quality, self.preset, self.profile, plays)))

    def name_beside(self, video: Path) -> Path:
        """Name the file that a clip's video has in this format."""
        return video.with_name(video.stem + self.format.suffix)

    def write_words(self, coder: Coder) -> list[str]:
        """Write what the encoder is told, with what was chosen or is usual filled in."""
        row = self.format
        quality = row.quality.usual if self.quality is None and row.quality else self.quality or 0
        preset = self.preset or row.usual
        profile = self.profile or (row.profiles or ("",))[0]
        preset = coder.presets.get(preset, preset)
        return coder.says.format(quality=f"{quality:g}", preset=preset, profile=profile).split()

    def _add_word(self, word: str) -> Encoding:
        row = self.format
        if re.fullmatch(r"\d{1,4}(\.\d{1,4})?", word) and row.quality:
            if not row.quality.low <= float(word) <= row.quality.high:
                reach = f"{row.quality.low:g} to {row.quality.high:g}"
                raise BadRequest(f"The quality of {row.title} is {reach} ({row.quality.name}), not {word}.")
            return replace(self, quality=float(word))
        if word in row.presets:
            return replace(self, preset=word)
        if word in row.profiles:
            return replace(self, profile=word)
        if row.loops and re.fullmatch(r"x\d{1,4}", word) and int(word[1:]) <= MOST_PLAYS:
            return replace(self, plays=int(word[1:]))
        raise BadRequest(f"{row.title} has nothing that is called {quote(word)}: choose {_list_choices(row)}.")


def list_copy_suffixes() -> tuple[str, ...]:
    """List the suffixes of formats whose files end as a clip's own video does, such as `.h265.mp4`."""
    own = (row for row in read_own_formats().values() if isinstance(row, Format))
    return tuple(row.suffix for row in (*FORMATS.values(), *own) if re.fullmatch(r"\..+\.mp4", row.suffix))


def find_format(name: str) -> Format:
    """Find the format of that name, built in or the user's own.

    Raises:
        BadRequest: there is none, or the user's cannot be used.
    """
    if name in FORMATS:
        return FORMATS[name]
    own = read_own_formats()
    if name not in own:
        known = ", ".join((*FORMATS, *own))
        raise BadRequest(f"There is no format that is called {quote(name)}: choose one of {known}.")
    found = own[name]
    if isinstance(found, BadRequest):
        raise found
    return found


def _list_choices(row: Format) -> str:
    quality = [f"a quality of {row.quality.low:g} to {row.quality.high:g}"] if row.quality else []
    loops = ["x1, x2, ... for how often it plays"] if row.loops else []
    return ", ".join([*quality, *row.presets, *row.profiles, *loops]) or "it alone"
