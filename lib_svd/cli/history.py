"""`history`: the clips of a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lib_svd.cli.options import OUTPUT_DIR, Options, tell_errors
from lib_svd.cli.terminal import tell
from lib_svd.errors import BadInput
from lib_svd.files import finish_left
from lib_svd.places import list_data_folders

if TYPE_CHECKING:
    from lib_svd.jobs.history import Entry


@click.command()
@click.argument("folder", type=Path, default=OUTPUT_DIR)
@click.option("--find", default="", metavar="WORDS", help="Only clips with these words, or with a setting, as fps=7.")
@click.option("--sort", metavar="NAME", help="The highest of a measure, a setting or a mark first; else the newest.")
@click.option("--csv", "csv_file", type=Path, help="Write the table to this file.")
@click.option("--compare", is_flag=True, help="Say in which settings the clips found differ.")
@click.option("--trash", type=Path, help="Move this clip, and what belongs to it, into the folder `trash` beside it.")
@click.option("--note", nargs=2, metavar="CLIP TEXT", help="Note something on a clip.")
@click.option("--mark", nargs=3, metavar="CLIP WHAT N", help="Give a clip 1 to 5 for motion, fidelity or consistency.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def history(folder: Path, as_json: bool, **options: Any) -> None:
    """List the clips of FOLDER with settings, measures, marks and notes; `animate --like CLIP` takes settings back."""
    with tell_errors(as_json):
        if not _change_clip(folder, options):
            _print_list(folder, options, as_json)


def _change_clip(folder: Path, options: Options) -> bool:
    """Do what the options change of a clip; whether they change any."""
    from lib_svd.jobs import history
    from lib_svd.jobs.trash import move_to_trash

    if options["trash"]:
        for path in move_to_trash(_find_clip(folder, options["trash"])):
            tell(path)
    if options["note"]:
        clip, text = options["note"]
        tell(f"Noted on {history.mark(_find_clip(folder, clip), note=text).video}.")
    if options["mark"]:
        clip, what, number = options["mark"]
        made = history.mark(_find_clip(folder, clip), marks={what: int(number) if re.fullmatch("[0-9]", number) else 0})
        tell(f"{made.video} has {number} of 5 for {what}.")
    return any(options[name] for name in ("trash", "note", "mark"))


def _find_clip(folder: Path, name: str | Path) -> Path:
    """Find a clip in FOLDER, the working folder or the second place; raises BadInput for any other file."""
    path, folders = Path(name), [Path(), folder, *list_data_folders()]
    if path.parent == Path():
        return next((each / path for each in folders if (each / path).is_file()), path)
    if path.parent.resolve() not in [each.resolve() for each in folders]:
        raise BadInput(f"{path} is not in {folder}: say which folder of clips it is in, `history {path.parent} ...`.")
    return path


def _print_list(folder: Path, options: Options, as_json: bool) -> None:
    from lib_svd.jobs import history, searching

    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}: name the one with your clips.")
    finish_left(folder)
    listing = history.list_clips(folder)
    for sentence in listing.passed_over:
        tell(sentence, err=True)
    read = partial(history.read_entry, with_series=as_json)
    clips = searching.find_clips(history.sort_newest(listing.clips, read), options["find"])
    if options["sort"]:
        clips = searching.sort_clips(clips, options["sort"])
    if options["csv_file"]:
        history.write_csv(clips, options["csv_file"])
    if as_json:
        tell(json.dumps([_describe_entry(each) for each in clips], ensure_ascii=False))
        return
    differing = history.list_differing(clips) if options["compare"] else ()
    for each in clips:
        tell(_write_line(each, differing))
    tell(f"{len(clips)} clips in {folder}.")


def _describe_entry(each: Entry) -> dict[str, Any]:
    """Describe a clip of the history, fit for JSON, under the names that `SavedClip.as_dict` has."""
    known = vars(each)
    return {"path": str(known["video"]), **{name: value for name, value in known.items() if name != "video"}}


def _write_line(each: Entry, differing: Iterable[str]) -> str:
    from lib_svd.jobs.history import COLUMNS
    from lib_svd.settings import SETTINGS

    shown = [each.write_brief()] if each.settings else []
    shown += [f"{SETTINGS[name].label} {each.settings.get(name)}" for name in differing if not SETTINGS[name].card]
    shown += [f"{name} {each.measures[name]:.3g}" for name in ("flow", "drift", "flicker") if each.measures.get(name)]
    shown += [f"{name} {mark} of 5" for name, mark in each.marks.items()]
    return ", ".join([f"{COLUMNS['made'](each)} {each.video.name}", *shown]) + (
        f": {' '.join(each.note.split())}" if each.note else ""
    )
