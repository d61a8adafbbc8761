"""Clips that were made, with picture, settings, measures, marks and notes: a `.json` beside each, and nothing else.

There is no database: what is in the folder is the history. A clip that has no `.json` is there too, with the settings
of its `.txt`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from functools import lru_cache
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, NamedTuple

from lib_svd.errors import BadInput, BadOutput, BadRequest
from lib_svd.files import NOTED, make_hidden_names, publish
from lib_svd.finish.finishing import read_finished, read_finished_source
from lib_svd.infotext import read_start
from lib_svd.jobs import owning
from lib_svd.jobs.notes import BEST, LATEST, read_note, write_note
from lib_svd.request import ClipRequest, split_mark
from lib_svd.review import MEASURES, Review
from lib_svd.settings import SETTINGS, write_cards
from lib_svd.strangers import disarm_formula, is_text
from lib_svd.video import list_copy_suffixes

MARKED = ("motion", "fidelity", "consistency")  # what a user may give 1 to 5 marks
MOST_NOTE = 10_000  # characters
TELLING = (".json", ".txt")  # suffixes of the files that tell how a clip was made; the first one tells more


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One clip of the history."""

    video: Path
    made: float  # seconds since 1970
    settings: Mapping[str, Any] = field(default_factory=dict)  # by name; empty: the clip does not say
    picture: str = ""  # where the picture was; "": not known
    measures: Mapping[str, float | None] = field(default_factory=dict)  # by name; empty: not measured
    series: Mapping[str, Sequence[float]] = field(default_factory=dict)  # by measure, frame by frame; none in lists
    marks: Mapping[str, int] = field(default_factory=dict)  # of MARKED, 1 to 5
    note: str = ""
    files: Sequence[str] | None = None  # the clip's own, see `owning`; None: not noted
    finished: str = ""  # what was done to it after it was made, see `Finishing.text`; "": nothing
    source: str = ""  # the name of the clip that was finished
    seconds: Mapping[str, float] = field(default_factory=dict)  # that each stage took; empty: not known

    def write_brief(self) -> str:
        """Write the settings that every clip is shown with: `7 fps, motion 75`; the model's mark is for programs.

        Of one that was finished what was done to it; how many frames it has, and how fast, its settings do not tell.
        """
        settings = {**self.settings, "checkpoint": split_mark(self.settings.get("checkpoint") or "")[0]}
        if self.finished:
            settings |= {"num_frames": None, "fps": None}
        shown = write_cards(settings)
        return ", ".join([*shown, f"finished ({self.finished})"] if self.finished else shown)

    def flatten(self) -> dict[str, Any]:
        """Give one flat row, for tables and CSV."""
        return {name: told(self) for name, told in COLUMNS.items()}


def _find_time(each: Entry) -> str:
    return datetime.fromtimestamp(each.made, timezone.utc).isoformat(timespec="seconds")


def _make_getter(part: str, name: str) -> Callable[[Entry], Any]:
    return lambda each: getattr(each, part).get(name)


COLUMNS: Mapping[str, Callable[[Entry], Any]] = {
    "clip": lambda each: each.video.name,
    "made": _find_time,
    "picture": lambda each: each.picture,
    **{name: _make_getter("settings", name) for name in SETTINGS},
    **{measure.name: _make_getter("measures", measure.name) for measure in MEASURES},
    **{f"mark_{name}": _make_getter("marks", name) for name in MARKED},
    "note": lambda each: each.note,
    "finished": lambda each: each.finished,
    "source": lambda each: each.source,
}
"""What tables show of a clip, and how it is told; each alone, because lists of 10,000 clips are sorted by it."""


def remember(
    video: Path,
    settings: ClipRequest,
    picture: str,
    review: Review | None,
    files: Iterable[Path] | None = None,
    seconds: Mapping[str, float] | None = None,
) -> Entry:
    """Write down what a clip was made from and what was measured, if it was; marks and note that are there stay.

    Args:
        video: the clip.
        settings: what it was made with.
        picture: where the picture is.
        review: what was measured.
        files: all that was written with the clip; None: not known.
        seconds: that each stage took.

    Raises:
        BadOutput: it cannot be written beside the clip.
    """
    took = {stage: round(each, 3) for stage, each in (seconds or {}).items()}
    return _remember(
        replace(find_entry(video), settings=asdict(settings), picture=picture, seconds=took), review, files
    )


def remember_finished(
    video: Path, infotext: str, known: Entry | None, source: str, review: Review | None, files: Iterable[Path]
) -> Entry:
    """Write down which clip a finished one came from, with the settings and the picture of that, and its own measures.

    Args:
        video: the finished clip.
        infotext: what it carries.
        known: what the history knows of the clip that it came from; None: nothing.
        source: the name of that clip.
        review: what was measured.
        files: all that was written with the finished clip.

    Raises:
        BadOutput: it cannot be written beside the clip.
    """
    settings = known.settings if known is not None else {}
    if not settings and "Steps: " in infotext:
        settings = asdict(ClipRequest.from_infotext(infotext))
    made = replace(find_entry(video), settings=settings, picture=known.picture if known is not None else "")
    return _remember(replace(made, finished=read_finished(infotext), source=source), review, files)


def _remember(made: Entry, review: Review | None, files: Iterable[Path] | None) -> Entry:
    if review is not None:
        series = {name: [round(value, 4) for value in values] for name, values in review.series.items()}
        made = replace(made, measures=review.measures, series=series)
    if files is not None:
        made = replace(made, files=[*owning.list_endings(made.video, files), NOTED])
    _write(made)
    return made


def mark(video: Path, *, marks: Mapping[str, int] | None = None, note: str | None = None) -> Entry:
    """Give a clip the user's own marks, or a note; what is not given stays.

    Raises:
        BadInput: a mark is not one of 1 to 5, or not of MARKED; the note is too long; or it cannot be written beside
            the clip.
    """
    for name, value in (marks or {}).items():
        if name not in MARKED or value not in range(1, BEST + 1):
            raise BadRequest(f"Marks are 1 to {BEST} for {', '.join(MARKED)}, not {value!r} for {name!r}.")
    if note is not None and len(note) > MOST_NOTE:
        raise BadRequest(f"A note is at most {MOST_NOTE:,} characters long, not {len(note):,}.")
    known = find_entry(video)
    made = replace(known, marks={**known.marks, **(marks or {})}, note=known.note if note is None else note)
    _write(made)
    return made


def find_entry(video: Path) -> Entry:
    """Read what is known of one clip.

    Raises:
        BadInput: it is not there, or is a link.
    """
    if not is_real(video):
        raise BadInput(f"There is no clip {video}: check the name.")
    suffix = next((suffix for suffix in TELLING if is_real(video.with_suffix(suffix))), "")
    return read_entry(Unread(video, video.stat().st_mtime, suffix), with_series=True)


def is_real(path: Path) -> bool:
    """Tell whether it is a file, and not a link, which may lead out of the folder."""
    return path.is_file() and not path.is_symlink()


class Unread(NamedTuple):
    """A clip in a folder, of which nothing has been read yet."""

    video: Path
    changed: float  # seconds since 1970
    suffix: str  # of the file beside it that tells most; "": there is none
    stamp: tuple[int, ...] = ()  # of that file; another one, another file


class Listing(NamedTuple):
    """What is in some folders."""

    clips: list[Unread]  # the file that changed last first
    passed_over: list[str]  # a sentence for each clip and folder that could not be looked at


def list_clips(*folders: Path) -> Listing:
    """List every clip of some folders.

    Links are passed over; so are, with a sentence, a folder that cannot be read, and a clip that cannot be looked at or
    whose name is no UTF-8.
    """
    clips: list[Unread] = []
    passed_over: list[str] = []
    suffixes = list_copy_suffixes()
    for place in map(str, folders):
        try:
            with os.scandir(place) as found:
                files = {each.name: each for each in found}
        except OSError as error:
            passed_over.append(f"{place!r} is passed over ({error.strerror}): allow reading it.")
            continue
        for name in (each for each in files if is_clip(each) and not _is_copy(each, files, suffixes)):
            try:
                if files[name].is_file(follow_symlinks=False):
                    clips.append(_look_at_file(place, name, files))
            except (OSError, ValueError) as error:
                passed_over.append(f"{name!r} in {place!r} is passed over ({error}): rename or remove it.")
    clips.sort(key=lambda each: (each.changed, each.video.name), reverse=True)
    return Listing(clips, passed_over)


@lru_cache(maxsize=100_000)
def _join_path(folder: str, name: str) -> Path:
    """Give the path of a file; made once, since making 10,000 of them takes longer than listing them."""
    return Path(folder, name)


def _look_at_file(folder: str, name: str, files: Mapping[str, os.DirEntry[str]]) -> Unread:
    """Look at a clip's file; raises OSError or ValueError where it cannot be looked at or named."""
    if not is_text(name):
        raise ValueError("its name is no UTF-8")
    video, changed = _join_path(folder, name), files[name].stat().st_mtime
    for suffix in TELLING:
        beside = files.get(name[:-4] + suffix)
        if beside is not None and beside.is_file(follow_symlinks=False):
            with suppress(OSError):  # it has gone meanwhile
                status = beside.stat()
                stamp = status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
                return Unread(video, changed, suffix, stamp)
    return Unread(video, changed, "")


def sort_newest(clips: Iterable[Unread], read: Callable[[Unread], Entry] | None = None) -> Iterator[Entry]:
    """Give clips in the order in which they were made, the newest first; a file is read when its clip is asked for.

    Args:
        clips: the file that changed last first. A copy changes later than its clip was made, but none earlier: so a
            clip comes before all files that changed before it was made.
        read: gives the entry of a clip; None: from its files.
    """
    waiting: list[tuple[float, int, Entry]] = []
    for number, each in enumerate(clips):
        while waiting and -waiting[0][0] >= each.changed:
            yield heappop(waiting)[2]
        entry = (read or read_entry)(each)
        heappush(waiting, (-entry.made, number, entry))
    while waiting:
        yield heappop(waiting)[2]


def read_entries(*folders: Path) -> list[Entry]:
    """Read every clip of some folders, the newest first, without their series; 10,000 of them in about a second."""
    return list(sort_newest(list_clips(*folders).clips))


def write_csv(clips: Sequence[Entry], path: Path) -> None:
    """Write a row a clip, with every setting, measure, mark and note; text that a spreadsheet would take for a formula
    begins with an apostrophe.

    Raises:
        BadOutput: the file is there already, or cannot be written.
    """
    try:
        with make_hidden_names(path.parent) as hidden:
            unfinished = hidden(".csv")
            with unfinished.open("x", newline="", encoding="utf-8", errors="backslashreplace") as file:
                writer = csv.DictWriter(file, list(COLUMNS))
                writer.writeheader()
                writer.writerows(
                    {name: disarm_formula(told) for name, told in each.flatten().items()} for each in clips
                )
            publish(unfinished, path)
    except FileExistsError as error:
        raise BadOutput(f"{path} is there already: choose another name.") from error
    except OSError as error:
        raise BadOutput(f"{path} cannot be written ({error.strerror or error}): choose another place.") from error


def list_differing(clips: Sequence[Entry]) -> list[str]:
    """List the settings in which clips that are compared differ."""
    return [name for name in SETTINGS if len({str(each.settings.get(name)) for each in clips}) > 1]


def _is_copy(name: str, names: Container[str], suffixes: Sequence[str]) -> bool:
    """Tell whether a file is another clip once more, in another format: `clip.h265.mp4` beside `clip.mp4`."""
    return any(name.endswith(each) and f"{name.removesuffix(each)}.mp4" in names for each in suffixes)


def is_clip(name: str) -> bool:
    """Tell whether a file of that name may be a clip's own video."""
    return name.lower().endswith(".mp4") and not name.startswith(".")


def read_entry(clip: Unread, *, with_series: bool = False) -> Entry:
    """Read a clip's `.json`, or else its `.txt`; a file that is damaged counts as none.

    Args:
        clip: of a listing.
        with_series: whether to read them too; they take most of a note's room and of the time to read it.
    """
    video = clip.video
    kept = read_note(video.with_suffix(NOTED), with_series) if clip.suffix == NOTED else None
    if kept is not None:
        return Entry(video=video, **kept)
    made = min(max(clip.changed, 0), LATEST - 1)
    return Entry(video=video, made=made, **(_read_text(video) if clip.suffix else {}))


def _read_text(video: Path) -> dict[str, Any]:
    """Read settings; and of a video that shows a whole sweep, what was swept as its note instead of the first value."""
    path = video.with_suffix(".txt")
    if not is_real(path):
        return {}
    try:
        text = read_start(path)
        if "Steps: " not in text:  # every clip's has them
            return {}
        settings = asdict(ClipRequest.from_infotext(text))
    except (OSError, ValueError, BadRequest):
        return {}
    if finished := read_finished(text):
        return {"settings": settings, "finished": finished, "source": read_finished_source(text)}
    first, _, rest = text.partition("\n")
    label, _, values = first.partition(": ")
    swept = next((setting for setting in SETTINGS.values() if setting.infotext == label), None)
    if swept is None or not rest.startswith("Steps: "):
        return {"settings": settings}
    return {"settings": {**settings, swept.name: None}, "note": f"{swept.label} {values}, side by side"}


def _write(made: Entry) -> None:
    """Write an entry whole or not at all; a `.json` of that name that is not ours stays."""
    path = made.video.with_suffix(".json")
    if path.exists() and read_note(path) is None:
        raise BadOutput(f"{path} is there already and is not ours: rename it, or nothing can be noted on the clip.")
    kept = {name: value for name, value in asdict(made).items() if name != "video"}
    try:
        with make_hidden_names(path.parent) as hidden:
            unfinished = hidden(".json")
            write_note(kept, unfinished)
            unfinished.replace(path)
    except OSError as error:
        raise BadOutput(f"{path} cannot be written ({error.strerror or error}): make room there.") from error
