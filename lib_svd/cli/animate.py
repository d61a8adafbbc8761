"""`animate`: a picture, or latents kept from an earlier run, to a clip."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lib_svd.cli.options import (
    OUTPUT_DIR,
    PROGRAM,
    Grouped,
    Options,
    add_request_options,
    add_video_options,
    apply_preset,
    make_host,
    prepare,
    read_settings,
    recognise_model,
    run_options,
    say,
    tell_errors,
)
from lib_svd.cli.terminal import tell
from lib_svd.errors import BadOutput, BadRequest
from lib_svd.files import hold_name
from lib_svd.request import ClipRequest, read_size
from lib_svd.settings import DECODING, MAX_SEED, SETTINGS, draw_seed

if TYPE_CHECKING:
    from lib_svd.animate import Order
    from lib_svd.checkpoints import Checkpoint
    from lib_svd.cli.progress_bar import ProgressBar
    from lib_svd.clip import SavedClip


@click.command(cls=Grouped)
@click.argument("pictures", metavar="PICTURE...", nargs=-1, type=Path)
@click.option("--checkpoint", help="Model: a file, a diffusers folder, or a name in the model folders.")
@click.option("--out", type=Path, help="The clip, .mp4; a numbered name under output/ when not given.")
@click.option("--frames-dir", type=Path, help="Folder for the frames as PNG files too.")
@add_video_options
@add_request_options
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
    """Animate PICTURE; several of them one after the other, from one loading of the model."""
    from lib_svd.cli.progress_bar import ProgressBar

    as_json = options["as_json"]
    said: set[str] = set()
    with tell_errors(as_json), closing(ProgressBar(quiet=as_json or options["quiet"])) as bar:
        clips = _decode_latents(options, bar) if options["from_latents"] else _make_clips(options, bar, said)
        for saved in clips:
            print_clip(saved, as_json, said)


def _make_clips(options: Options, bar: ProgressBar, said: set[str]) -> Iterator[SavedClip]:
    """Make the clips that the options ask for, one after the other, from one loading of the model."""
    pictures = options["pictures"]
    if not pictures:
        raise BadRequest(f"Which picture? Name one: {PROGRAM} animate photo.jpg --checkpoint svd_xt.safetensors.")
    request, count = make_request(options), options["count"]
    if request.seed + count - 1 > MAX_SEED:
        raise BadRequest(f"Seeds end at {MAX_SEED}: choose a smaller --seed or --count.")
    _check_one(options, ("frames_dir", "save_latents", *(["out"] if len(pictures) > 1 else [])), len(pictures) * count)
    from lib_svd.stages import plan
    from lib_svd.studio import Studio

    request, checkpoint, host = prepare(options, request, bar.report)
    with ExitStack() as naming:
        outs = [(picture, naming.enter_context(name_out(options, picture))) for picture in pictures]
        orders = [each for picture, out in outs for each in _order_clips(options, request, checkpoint, picture, out)]
        for made in orders:
            say(made.notes, options["as_json"], said)
        planned = plan(checkpoint, orders[0].request, host.memory).write_sentence()
        say((planned,), options["as_json"] or options["quiet"], said)
        yield from map(Studio(host).animate, orders)


def _order_clips(
    options: Options, request: ClipRequest, checkpoint: Checkpoint, picture: Path, out: Path
) -> Iterator[Order]:
    """Order the clips of one picture, each with its seed; refused together before the first clip is made."""
    from lib_svd import video
    from lib_svd.animate import Destination, order

    to = Destination(
        out=out,
        frames_dir=options["frames_dir"],
        latents_path=options["save_latents"],
        copies=options["also"],
        enlarge=options["enlarge"],
    )
    seeds = [request.seed + i for i in range(options["count"])]
    places = [to] if len(seeds) == 1 else [to.append_word(seed) for seed in seeds]
    for each in places:
        video.check_output(each.out, None)
    first = order(request, picture, checkpoint, places[0])
    yield from (first.reseed(seed, each) for seed, each in zip(seeds, places, strict=True))


def _decode_latents(options: Options, bar: ProgressBar) -> Iterator[SavedClip]:
    _check_sampled(options)
    from dataclasses import replace

    from lib_svd.animate import Destination
    from lib_svd.latents import load_latents
    from lib_svd.studio import Studio

    saved = load_latents(options["from_latents"])
    saved = replace(saved, request=saved.request.replace(**read_settings(options)))
    checkpoint, host = recognise_model(options, saved.request), make_host(options, bar.report)
    with name_out(options, options["from_latents"]) as out:
        to = Destination(out=out, frames_dir=options["frames_dir"], copies=options["also"], enlarge=options["enlarge"])
        yield Studio(host).decode_again(saved, checkpoint, to)


def _check_sampled(options: Options) -> None:
    """Refuse what could no longer have an effect, and would be written into the clip as if it had."""
    given = [name for name in ("size", "like", "preset", "speed", "save_latents") if options[name]]
    given += [name for name, s in SETTINGS.items() if DECODING not in s.groups and options.get(name)]
    given = [f"--{name.replace('_', '-')}" for name in given if name != "checkpoint"]
    given += ["--count"] if options["count"] != 1 else []
    given += ["a picture"] if options["pictures"] else []
    if given:
        raise BadRequest(f"--from-latents decodes what is sampled already: leave out {' and '.join(given)}.")


def make_request(options: Options) -> ClipRequest:
    """Make the request that the options describe, on top of `--like`."""
    like = options["like"]
    base = _read_settings(like) if like else ClipRequest(seed=draw_seed())
    size = {} if options["size"] is None else dict(zip(("width", "height"), read_size(options["size"]), strict=True))
    return apply_preset(base, options["preset"]).replace(**read_settings(options), **size)


def _read_settings(file: Path) -> ClipRequest:
    """Read the settings that a file carries; raises BadInput where it carries none, or one that cannot be."""
    from lib_svd.infotext import read_infotext

    text = read_infotext(file)
    try:
        return ClipRequest.from_infotext(text)
    except BadRequest as error:
        raise BadRequest(f"{file}: {error}") from error


@contextmanager
def name_out(options: Options, source: Path) -> Iterator[Path]:
    """Name the clip as given, or by the next number; in a folder that is made, and taken away if nothing came there."""
    given: Path | None = options["out"]
    with make_folder(OUTPUT_DIR if given is None else given.parent) as folder:
        if given is not None:
            yield given
            return
        with hold_name(folder, source.stem.removesuffix(".latents"), ".mp4") as out:
            yield out


@contextmanager
def make_folder(folder: Path, option: str = "--out") -> Iterator[Path]:
    """Make a folder if need be, and take it away if nothing came there; raises BadOutput where it cannot be made."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        for each in reversed(missing):
            each.mkdir(exist_ok=True)
    except OSError as error:
        why = error.strerror or error
        raise BadOutput(
            f"The folder {folder} cannot be made here ({why}): choose another place with {option}."
        ) from error
    try:
        yield folder
    finally:
        with suppress(OSError):  # something came there
            for each in missing:
                each.rmdir()


def _check_one(options: Options, names: Iterable[str], count: int) -> None:
    """Refuse options that name one place where there are several clips."""
    given = [f"--{name.replace('_', '-')}" for name in names if options[name]]
    if given and count > 1:
        raise BadRequest(f"{given[0]} goes with one clip, not with {count}: leave it out.")


def print_clip(saved: SavedClip, as_json: bool, said: set[str]) -> None:
    """Print what was made and where, with notes that were not `said` yet; as JSON, a line of it."""
    if as_json:
        tell(json.dumps(saved.as_dict(), ensure_ascii=False))
        return
    clip = saved.clip
    say(saved.notes, as_json, said)
    count, height, width = clip.frames.shape[:3]
    took = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in clip.seconds.items())
    tell(f"{saved.video}: {count} frames of {width}x{height} at {clip.fps} fps. Seconds: {took}.")
    tell(clip.infotext)
    tell(f"Written: {', '.join(list_sizes(saved))}.")


def list_sizes(saved: SavedClip) -> Iterator[str]:
    """List every file of a clip with its size; of the frames their folder."""
    from lib_svd.files import NOTED

    beside = (saved.video.with_suffix(suffix) for suffix in (".txt", NOTED))
    for path in (saved.video, *saved.copies, *(each for each in beside if each.is_file())):
        yield f"{path} ({_write_bytes(path.stat().st_size)})"
    if saved.frames:
        total = sum(path.stat().st_size for path in saved.frames)
        yield f"{len(saved.frames)} frames in {saved.frames[0].parent} ({_write_bytes(total)})"


def _write_bytes(count: int) -> str:
    return f"{count} bytes" if count < 1000 else f"{count / 1e3:.1f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"
