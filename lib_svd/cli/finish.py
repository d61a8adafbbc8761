"""`finish`: what comes after the clip, for any clip that is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lib_svd.cli.animate import list_sizes, make_folder
from lib_svd.cli.options import (
    ALSO,
    OUTPUT_DIR,
    PROGRAM,
    Grouped,
    Options,
    add_finishing_options,
    add_host_options,
    list_model_dirs,
    make_host,
    read_finishing,
    say,
    tell_errors,
)
from lib_svd.cli.terminal import tell
from lib_svd.errors import BadRequest
from lib_svd.finish.deliveries import DELIVERIES, find_delivery
from lib_svd.finish.finishing import FINISHINGS, Finishing
from lib_svd.strangers import is_file

if TYPE_CHECKING:
    from lib_svd.cli.progress_bar import ProgressBar
    from lib_svd.clip import SavedClip
    from lib_svd.jobs import FinishOrder
    from lib_svd.ports import Host

F = TypeVar("F", bound=Callable[..., Any])


class FinishHelp(Grouped):
    """Its second group is what can be done."""

    about_clip = ("What is done", frozenset(FINISHINGS))


def add_shared_options(command: F) -> F:
    """Add what every command that finishes clips takes: which clips, and where and how they are written."""
    out = "The finished clip, .mp4; under output/, named after the clip, when not given."
    for option in (
        click.option("--quiet", is_flag=True, help="No progress bar."),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and no progress."),
        add_host_options,
        click.option("--models", type=Path, multiple=True, help="Folder with models; may be given several times."),
        click.option("--plan", "plan_only", is_flag=True, help="Say what it would become, and do nothing."),
        click.option("--also", multiple=True, metavar="FORMAT", help=ALSO),
        click.option("--out", type=Path, help=out),
        click.argument("clips", metavar="CLIP...", nargs=-1, type=Path),
    ):
        command = option(command)
    return command


@click.command(cls=FinishHelp)
@add_shared_options
@click.option(
    "--for", "delivery", metavar="NAME", help=f"Do what this wants: {', '.join(DELIVERIES)}; options given win."
)
@add_finishing_options
def finish(**options: Any) -> None:
    """Trim, deflicker, loop, smooth, enlarge and hold CLIP, or several in turn; the clips themselves stay.

    CLIP is a video, a moving picture, or a folder of frames, made here or elsewhere.
    """
    finish_and_print(options)


def finish_and_print(options: Options) -> None:
    """Do what a command's options say; they are those of `finish`, whatever the command."""
    from lib_svd.cli.progress_bar import ProgressBar

    as_json = options["as_json"]
    with tell_errors(as_json), closing(ProgressBar(quiet=as_json or options["quiet"])) as bar:
        for saved in _finish_clips(options, bar):
            _print_clip(saved, as_json)


def _finish_clips(options: Options, bar: ProgressBar) -> Iterator[SavedClip]:
    """Make the finished clips, one after the other; all orders are checked before the first is begun."""
    clips = options["clips"]
    if not clips:
        raise BadRequest(f"Which clip? Name one: {PROGRAM} finish clip.mp4 --loop pingpong --smooth 28.")
    if options["out"] and len(clips) > 1:
        raise BadRequest(f"--out goes with one clip, not with {len(clips)}: leave it out.")
    from lib_svd import jobs

    wanted, copies, host = *_read_wanted(options), _make_host(options, bar)
    said: set[str] = set()
    with ExitStack() as folders:
        out = options["out"]
        folders.enter_context(make_folder(OUTPUT_DIR if out is None else out.parent))
        orders = [jobs.finish_order(clip, wanted, host, out=out, copies=copies) for clip in clips]
        for order in orders:
            _say_plan(order, options)
            say(order.notes, options["as_json"], said)
        if not options["plan_only"]:
            yield from (jobs.finish(order, host) for order in orders)


def _read_wanted(options: Options) -> tuple[Finishing, tuple[str, ...]]:
    """Read what to do, and in which formats; raises BadRequest."""
    chosen = find_delivery(options["delivery"]) if options["delivery"] else None
    files = {"upscale": _find_upscaler_file(options), "deflicker": _find_model_file(options)}
    named = {name: found[0].name for name, found in files.items() if found}
    given = {**(chosen.finishing if chosen else {}), **read_finishing(options), **named}
    return Finishing(**given), (*(chosen.copies if chosen else ()), *options["also"])


def _find_upscaler_file(options: Options) -> tuple[Path, ...]:
    """Give the file that `--upscale` names, if it is one; raises BadRequest for one that could run a program."""
    path = Path(options["upscale"] or "")
    if not is_file(path):
        return ()
    if path.suffix.lower() != ".safetensors":
        raise BadRequest(f"{path.name} is no .safetensors file, the only kind that is opened: get it as such a file.")
    return (path,)


def _find_model_file(options: Options) -> tuple[Path, ...]:
    """Give the file that `--deflicker` names, if it is one."""
    path = Path(options["deflicker"] or "")
    return (path,) if is_file(path) else ()


def _make_host(options: Options, bar: ProgressBar) -> Host:
    dirs = (*list_model_dirs(options["models"]), *(path.parent for path in _find_model_file(options)))
    return make_host(
        options, bar.report, model_dirs=dirs, output_dir=OUTPUT_DIR, upscalers=_find_upscaler_file(options)
    )


def _say_plan(order: FinishOrder, options: Options) -> None:
    """What a clip will become; alone with --plan as the result, else on standard error."""
    if options["plan_only"] and options["as_json"]:
        width, height = order.made.size
        shape = {"num_frames": order.made.num_frames, "width": width, "height": height, "fps": order.made.fps}
        tell(json.dumps({"clip": order.name, "plan": order.sentence, **shape}, ensure_ascii=False))
    elif options["plan_only"] or not (options["as_json"] or options["quiet"]):
        tell(f"{order.name}: {order.sentence}", err=not options["plan_only"])


def _print_clip(saved: SavedClip, as_json: bool) -> None:
    if as_json:
        tell(json.dumps(saved.as_dict(), ensure_ascii=False))
        return
    say(saved.notes, as_json, set())
    count, height, width = saved.clip.frames.shape[:3]
    tell(f"{saved.video}: {count} frames of {width}x{height} at {saved.clip.fps} fps, {count / saved.clip.fps:.1f} s.")
    tell(f"Written: {', '.join(list_sizes(saved))}.")
