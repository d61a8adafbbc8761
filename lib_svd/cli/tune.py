"""`tune`: find settings for a picture with small drafts, then make the clip."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lib_svd.cli.animate import make_request, name_out, print_clip
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

if TYPE_CHECKING:
    from lib_svd.cli.progress_bar import ProgressBar
    from lib_svd.jobs import Draft


@click.command(cls=Grouped)
@click.argument("picture", type=Path)
@click.option("--budget", type=int, default=8, show_default=True, metavar="N", help="How many drafts may be made.")
@click.option("--drafts-only", is_flag=True, help="Do not make the best one in full.")
@click.option("--checkpoint", help="Model: a file, a diffusers folder, or a name in the model folders.")
@click.option("--out", type=Path, help="The clip, .mp4; a numbered name under output/ when not given.")
@add_request_options
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line a draft and one for the clip, no progress.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def tune(**options: Any) -> None:
    """Look for settings for PICTURE: drafts at three motions, then one change at a time as the measures advise.

    The best one is made in full. Every draft is in the history, with what it was for. Stopped, it keeps the drafts.
    """
    from lib_svd.cli.progress_bar import ProgressBar

    as_json = options["as_json"]
    with tell_errors(as_json), closing(ProgressBar(quiet=as_json or options["quiet"])) as bar:
        _tune(options, bar)


def _tune(options: Options, bar: ProgressBar) -> None:
    from lib_svd import jobs
    from lib_svd.animate import Destination, order
    from lib_svd.studio import Studio

    as_json, said = options["as_json"], set[str]()
    request, checkpoint, host = prepare(options, make_request(options), bar.report)
    with name_out(options, options["picture"]) as out:
        first = order(request, options["picture"], checkpoint, Destination(out=out))
        say(first.notes, as_json, said)
        studio, drafts = Studio(host), list[jobs.Draft]()
        for draft in studio.tune(first, options["budget"], drafts):
            drafts.append(draft)
            _print(draft, as_json)
        best = jobs.choose_best(drafts)
        if not as_json:
            tell(f"The best is {best.saved.video.name}: {best.verdict}.")
        if not options["drafts_only"]:
            print_clip(studio.animate(jobs.apply_draft(first, best, first.to)), as_json, said)


def _print(draft: Draft, as_json: bool) -> None:
    if as_json:
        told = {"reason": draft.reason, "changed": draft.settings, "found": draft.verdict, "measures": draft.measures}
        tell(json.dumps({**draft.saved.as_dict(), **told}, ensure_ascii=False))
        return
    tell(f"{draft.saved.video.name}: {draft.reason} Found: {draft.verdict}.")
