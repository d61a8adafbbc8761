"""`review`: what can be said of a clip."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lib_svd.cli.options import Options, make_host, recognise_model, run_options, say, tell_errors
from lib_svd.cli.terminal import tell
from lib_svd.doctor import write_lines
from lib_svd.errors import BadInput
from lib_svd.request import ClipRequest

if TYPE_CHECKING:
    from lib_svd.checkpoints import Svd
    from lib_svd.ports import Host
    from lib_svd.review import Review


@click.command()
@click.argument("clip", type=Path)
@click.option("--picture", type=Path, help="What the clip was made from; else it is held against its first frame.")
@click.option("--checkpoint", help="Model whose image tower tells likeness; the clip's own when not given.")
@run_options
@click.option("--wrong", metavar="FAULT", help="What you see wrong: static, chaotic, leaves, flickers or colours.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with numbers for every frame.")
def review(clip: Path, picture: Path | None, wrong: str | None, as_json: bool, **options: Any) -> None:
    """Measure CLIP: how much moves, how near it stays to its picture, how well its frames go together, its loop.

    CLIP is a video, a moving picture, or a folder of frames, made here or elsewhere.
    """
    from lib_svd.jobs import look

    with tell_errors(as_json):
        tower, notes = _load_tower(clip, options)
        looked = look(clip, picture=picture, tower=tower)
        notes = (*looked.notes, *notes)
        say(notes, as_json, set())
        advice = looked.advise(wrong)
        if as_json:
            about = {"clip": str(clip), "num_frames": looked.num_frames, "fps": looked.fps, "size": looked.size}
            told = {"advice": None if advice is None else asdict(advice), "notes": notes}
            tell(json.dumps({**about, **looked.review.as_dict(), **told}, ensure_ascii=False))
            return
        width, height = looked.size
        tell(f"{clip}: {looked.num_frames} frames of {width}x{height}" + f" at {looked.fps:g} fps" * (looked.fps > 0))
        tell(write_lines(_put_in_words(looked.review)))
        if advice is not None:
            tell(" ".join(filter(None, (advice.found, advice.sentence, advice.reason))))


def _load_tower(clip: Path, options: Options) -> tuple[tuple[Svd, Host] | None, tuple[str, ...]]:
    """Load the image tower of the model that was named, or else of the clip's own; or say why there is none."""
    from lib_svd.checkpoints import load
    from lib_svd.cli.progress_bar import ProgressBar
    from lib_svd.jobs import read_clip_settings

    made_with = read_clip_settings(clip) or ClipRequest()
    if not options["checkpoint"] and not made_with.checkpoint:
        return None, ("Likeness is not measured: name a model with --checkpoint.",)
    try:
        checkpoint = recognise_model(options, made_with)
    except BadInput as error:
        if options["checkpoint"]:
            raise
        return None, (f"Likeness is not measured. {error}",)
    with closing(ProgressBar(quiet=True)) as bar:
        host = make_host(options, bar.report)
        return (load(checkpoint, host, ("vision",)), host), ()


def _put_in_words(review: Review) -> dict[str, dict[str, str]]:
    from lib_svd.review.words import MEASURES

    found: dict[str, dict[str, str]] = {}
    for measure in MEASURES:
        shown = f"{measure.write_number(review.measures)}, {measure.choose_word(review.measures)}. {measure.about}"
        found.setdefault(measure.part.capitalize(), {})[measure.title] = shown
    return found
