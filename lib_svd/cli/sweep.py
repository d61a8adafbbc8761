"""`sweep`: one setting, several values, everything else locked."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lib_svd.cli.animate import make_request, name_out
from lib_svd.cli.options import (
    Grouped,
    Options,
    add_request_options,
    prepare,
    run_options,
    say,
    tell_errors,
)
from lib_svd.cli.terminal import tell
from lib_svd.errors import BadRequest

if TYPE_CHECKING:
    from lib_svd.cli.progress_bar import ProgressBar
    from lib_svd.jobs import Swept


@click.command(cls=Grouped)
@click.argument("picture", type=Path)
@click.option("--setting", default="motion", show_default=True, help="What to change from clip to clip.")
@click.option(
    "--values",
    default="",
    metavar="A,B,C",
    help="Its values, or 1-4 for four of them; of motion 60,75,90 when not given.",
)
@click.option("--checkpoint", help="Model: a file, a diffusers folder, or a name in the model folders.")
@click.option("--out", type=Path, help="The video of all clips, .mp4; a numbered name under output/ when not given.")
@add_request_options
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line a clip and one for all, and no progress.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def sweep(**options: Any) -> None:
    """Make a clip of PICTURE for each of several values of one setting, same seed, and one video of them all.

    Stopped, it keeps the clips that are done.
    """
    from lib_svd.cli.progress_bar import ProgressBar

    as_json = options["as_json"]
    with tell_errors(as_json), closing(ProgressBar(quiet=as_json or options["quiet"])) as bar:
        _sweep_clips(options, bar, as_json)


def _sweep_clips(options: Options, bar: ProgressBar, as_json: bool) -> None:
    from lib_svd import jobs
    from lib_svd.animate import Destination, order
    from lib_svd.studio import Studio

    setting = jobs.find_sweepable(options["setting"])
    try:
        values = jobs.read_values(setting, options["values"])
    except BadRequest as error:
        raise BadRequest(f"--values: {error}") from error
    request, checkpoint, host = prepare(options, make_request(options), bar.report, [setting.name])
    said: set[str] = set()
    with name_out(options, options["picture"]) as out:
        first = order(request, options["picture"], checkpoint, Destination(out=out))
        orders = jobs.make_orders(first, setting, values)
        done: list[jobs.Swept] = []
        try:
            for each in Studio(host).sweep(orders, setting):
                done.append(each)
                say(each.saved.notes, as_json, said)
                _print(each, setting.label, as_json)
        finally:
            if len(done) > 1:
                whole = jobs.save_grid(done, setting, out, first.to.encoding)
                tell(json.dumps({"path": str(whole.video)}) if as_json else f"All of them: {whole.video}")


def _print(swept: Swept, label: str, as_json: bool) -> None:
    from lib_svd.review.words import BRIEF, MEASURES

    if as_json:
        measures = {} if swept.review is None else swept.review.as_dict()
        found = {**swept.saved.as_dict(), "value": swept.value, "review": measures}
        tell(json.dumps(found, ensure_ascii=False))
        return
    shown = [f"{m.title} {m.write_number(swept.measures)}" for m in MEASURES if m.name in BRIEF]
    tell(f"{swept.saved.video}: {label} {swept.value}. {', '.join(shown)}.")
