"""`animate`: a picture, or latents kept from an earlier run, to a clip."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lib_svd.cli.options import (
    OUTPUT_DIR,
    PROGRAM,
    Options,
    errors_as_json,
    host_of,
    recognised,
    request_options,
    run_options,
    say,
    settings,
    with_preset,
    with_speed,
)
from lib_svd.cli.terminal import tell
from lib_svd.errors import BadOutput, BadRequest
from lib_svd.files import held_name
from lib_svd.request import ClipRequest, read_size
from lib_svd.settings import DECODING, MAX_SEED, SETTINGS, draw_seed

if TYPE_CHECKING:
    from lib_svd.animate import Destination
    from lib_svd.cli.progress_bar import ProgressBar
    from lib_svd.clip import SavedClip


@click.command()
@click.argument("picture", required=False, type=Path)
@click.option("--checkpoint", help="Model: a file, a diffusers folder, or a name in the model folders.")
@click.option("--out", type=Path, help="The clip, .mp4; a numbered name under output/ when not given.")
@click.option("--frames-dir", type=Path, help="Folder for the frames as PNG files too.")
@click.option("--also", multiple=True, type=click.Choice(["gif", "webp"]), help="Write a moving picture beside it too.")
@click.option(
    "--enlarge",
    type=click.IntRange(1, 64),
    default=1,
    metavar="N",
    help="Show every pixel as a square of N in the video.",
)
@request_options
@click.option(
    "--count",
    type=click.IntRange(1, 1000),
    default=1,
    metavar="N",
    help="Make N clips, of this seed and the next ones.",
)
@click.option("--save-latents", type=Path, help="Keep the latents in this file, to decode them again.")
@click.option("--from-latents", type=Path, help="Decode this file instead of animating a picture.")
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and no progress.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def animate(**options: Any) -> None:
    """Animate PICTURE."""
    from lib_svd.cli.progress_bar import ProgressBar

    as_json = options["as_json"]
    said: set[str] = set()
    with errors_as_json(as_json), closing(ProgressBar(quiet=as_json or options["quiet"])) as bar:
        clips = _from_latents(options, bar) if options["from_latents"] else _animated(options, bar, said)
        for saved in clips:
            _print_clip(saved, as_json, said)


def _animated(options: Options, bar: ProgressBar, said: set[str]) -> Iterator[SavedClip]:
    """The clips that the options ask for, one after the other, from one loading of the model."""
    if options["picture"] is None:
        raise BadRequest(f"Which picture? Name one: {PROGRAM} animate photo.jpg --checkpoint svd_xt.safetensors.")
    request, count = request_of(options), options["count"]
    if request.seed + count - 1 > MAX_SEED:
        raise BadRequest(f"Seeds end at {MAX_SEED}: choose a smaller seed or count.")
    from lib_svd.animate import Destination, order
    from lib_svd.stages import plan
    from lib_svd.studio import Studio

    checkpoint, host = recognised(options, request), host_of(options, bar.report)
    request = with_speed(request, options["speed"], checkpoint)
    with out_of(options, options["picture"]) as out:
        to = Destination(
            out=out,
            frames_dir=options["frames_dir"],
            latents_path=options["save_latents"],
            copies=options["also"],
            enlarge=options["enlarge"],
        )
        first, *others = _destinations(options, to, request.seed, count)
        made = order(request, options["picture"], checkpoint, first)
        orders = [made, *(made.with_seed(request.seed + i, to) for i, to in enumerate(others, 1))]
        say(made.notes, options["as_json"], said)
        say((plan(checkpoint, made.request, host.memory).sentence(),), options["as_json"] or options["quiet"], said)
        yield from map(Studio(host).animate, orders)


def _from_latents(options: Options, bar: ProgressBar) -> Iterator[SavedClip]:
    _check_sampled(options)
    from dataclasses import replace

    from lib_svd.animate import Destination
    from lib_svd.latents import load_latents
    from lib_svd.studio import Studio

    saved = load_latents(options["from_latents"])
    saved = replace(saved, request=saved.request.with_(**settings(options)))
    checkpoint, host = recognised(options, saved.request), host_of(options, bar.report)
    with out_of(options, options["from_latents"]) as out:
        to = Destination(out=out, frames_dir=options["frames_dir"])
        yield Studio(host).decode_again(saved, checkpoint, to)


def _check_sampled(options: Options) -> None:
    """Refuse what could no longer have an effect, and would be written into the clip as if it had."""
    given = [name for name in ("size", "like", "preset", "speed", "save_latents", "also") if options[name]]
    given += [name for name, s in SETTINGS.items() if DECODING not in s.groups and options.get(name)]
    given = [f"--{name.replace('_', '-')}" for name in given if name != "checkpoint"]
    given += [f"--{name}" for name in ("count", "enlarge") if options[name] != 1]
    given += ["a picture"] if options["picture"] else []
    if given:
        raise BadRequest(f"--from-latents decodes what is sampled already: leave out {' and '.join(given)}.")


def request_of(options: Options) -> ClipRequest:
    """The request that the options describe, on top of `--like`."""
    from lib_svd.infotext import read_infotext

    like = options["like"]
    base = ClipRequest.from_infotext(read_infotext(like)) if like else ClipRequest(seed=draw_seed())
    size = {} if options["size"] is None else dict(zip(("width", "height"), read_size(options["size"]), strict=True))
    return with_preset(base, options["preset"]).with_(**settings(options), **size)


@contextmanager
def out_of(options: Options, source: Path) -> Iterator[Path]:
    """The clip's name: as given, or the next number in a folder that is made, and taken away if nothing came there."""
    if options["out"] is not None:
        yield options["out"]
        return
    is_new = not OUTPUT_DIR.exists()
    try:
        if is_new:
            OUTPUT_DIR.mkdir()
    except OSError as error:
        reason = error.strerror or error
        raise BadOutput(f"The folder {OUTPUT_DIR} cannot be made here ({reason}): name the clip with --out.") from error
    try:
        with held_name(OUTPUT_DIR, source.stem.removesuffix(".latents"), ".mp4") as out:
            yield out
    finally:
        if is_new and OUTPUT_DIR.is_dir() and not any(OUTPUT_DIR.iterdir()):
            OUTPUT_DIR.rmdir()


def _destinations(options: Options, to: Destination, seed: int, count: int) -> list[Destination]:
    """One for each clip; refused together before the first clip is made."""
    from lib_svd import video

    if count == 1:
        return [to]
    for name in ("frames_dir", "save_latents"):
        if options[name]:
            raise BadRequest(f"--{name.replace('_', '-')} goes with one clip, not with --count {count}.")
    each = [to.numbered(seed + i) for i in range(count)]
    for one in each:
        video.check_output(one.out, None)
    return each


def _print_clip(saved: SavedClip, as_json: bool, said: set[str]) -> None:
    if as_json:
        tell(json.dumps(saved.as_dict(), ensure_ascii=False))
        return
    clip = saved.clip
    say(saved.notes, as_json, said)
    count, height, width = clip.frames.shape[:3]
    took = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in clip.seconds.items())
    tell(f"{saved.video}: {count} frames of {width}x{height} at {clip.fps} fps. Seconds: {took}.")
    tell(clip.infotext)
