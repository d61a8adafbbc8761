"""`batch`: a clip of every picture in a folder, however often it is stopped and started again."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lib_svd.cli.animate import make_folder, make_request
from lib_svd.cli.batch_places import check_places, is_elsewhere, plan_fleet
from lib_svd.cli.options import (
    OUTPUT_DIR,
    Grouped,
    Options,
    add_request_options,
    add_video_options,
    apply_speed,
    make_host,
    read_settings,
    recognise_model,
    run_options,
    tell_errors,
)
from lib_svd.errors import BadRequest, Interrupted, SvdError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence

    from PIL.Image import Image

    from lib_svd.batch.folder import Folder
    from lib_svd.batch.item import Wish
    from lib_svd.checkpoints import Checkpoint
    from lib_svd.cli.batch_lines import Teller
    from lib_svd.cli.progress_bar import ProgressBar
    from lib_svd.ports import Host

SERVERS = (
    "Have clips made by web UIs with this extension and by `serve`: a file with an address a line, see docs/many.md."
)
RAY = "Have clips made by a Ray cluster, which needs ray; auto: the one that this machine belongs to."
GPUS = "GPUs of the cluster that a clip takes: 0.5 lets two share one, 0 computes on CPUs."
POLL = 0.5  # seconds between two looks into a folder that is watched


@click.command(cls=Grouped)
@click.argument("folder", type=Path)
@click.option("--recursive", is_flag=True, help="Take the pictures in folders of it, too.")
@click.option(
    "--csv", "table", type=Path, help="Table of settings: a row a clip, a column picture, others as settings."
)
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
@click.option("--watch", is_flag=True, help="Go on with new pictures as they come, until Ctrl-C.")
@click.option("--servers", type=Path, help=SERVERS)
@click.option("--ray", metavar="ADDRESS|auto", help=RAY)
@click.option("--gpus-per-clip", "gpus", type=float, default=1.0, show_default=True, metavar="N", help=GPUS)
@click.option("--checkpoint", help="Model: a file, a diffusers folder, or a name in the model folders.")
@click.option("--out-dir", type=Path, default=OUTPUT_DIR, show_default=True, help="Folder for clips and report.")
@add_video_options
@add_request_options
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line a clip, and no progress.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def batch(**options: Any) -> None:
    """Make a clip of every picture in FOLDER. What is there already is not made again, so start it again at any time.

    A picture that cannot be used is reported and passed over. Exit code 0: all is there; 1: something failed; 130:
    stopped, and what was made stays.
    """
    from lib_svd.cli.progress_bar import ProgressBar

    with tell_errors(options["as_json"]), closing(ProgressBar(quiet=options["as_json"] or options["quiet"])) as bar:
        if options["dry_run"] and options["watch"]:
            raise BadRequest("--dry-run says what there is to do now: leave --watch out.")
        check_places(options)
        sys.exit(_run(options, bar))


def _run(options: Options, bar: ProgressBar) -> int:
    """Do what the options ask for; gives the exit code."""
    from lib_svd.batch.drive import Batch
    from lib_svd.batch.folder import PATIENCE, Folder, check_apart
    from lib_svd.batch.shelf import Shelf
    from lib_svd.batch.table import fold_name
    from lib_svd.cli.batch_lines import Teller

    folder, out_dir, is_watched = options["folder"], options["out_dir"], options["watch"]
    check_apart(folder, out_dir)
    pictures = Folder(folder, recursive=options["recursive"], apart=out_dir, patience=PATIENCE if is_watched else 0.0)
    names = pictures.take()
    wishes = _Wishes(options, None if is_watched else {*map(fold_name, names)})
    teller, stop = Teller(options, bar), threading.Event()
    host = None if is_elsewhere(options) else make_host(options, teller.report, stop=stop)
    teller.batch = Batch(Shelf(out_dir), wishes.find, teller.tell)
    if options["dry_run"]:
        teller.add(folder, names)
        return teller.tell_plan(host)
    with _prepare(out_dir, options, wishes.companions), _plan(options, teller, host, stop) as make_all:
        teller.add(folder, names)
        if host:
            teller.tell_memory(host)
        return _make(options, teller, pictures, make_all)


@contextmanager
def _prepare(out_dir: Path, options: Options, companions: Sequence[Image]) -> Iterator[None]:
    """Make the folder of clips, and refuse one that cannot be written to, or whose reports are something else's; keep
    the pictures that clips share.
    """
    from lib_svd import video
    from lib_svd.batch.report import check_report
    from lib_svd.companions import keep_picture

    with make_folder(out_dir, "--out-dir"):
        video.check_output(video.find_free_name(out_dir, "clip", ".mp4"), None, options["also"])
        check_report(out_dir)
        for picture in companions:
            keep_picture(picture, out_dir)
        yield


@contextmanager
def _plan(options: Options, teller: Teller, host: Host | None, stop: threading.Event) -> Iterator[Callable[[], None]]:
    """Give what makes all clips that wait, on this machine if there is a host, else on others."""
    if host is None:
        with plan_fleet(options, teller, stop) as make_all:
            yield make_all
        return
    from lib_svd.animate import Destination
    from lib_svd.batch.drive import drive
    from lib_svd.batch.local import LocalWorker
    from lib_svd.studio import Studio

    def destine(out: Path) -> Destination:
        return Destination(out=out, copies=options["also"], enlarge=options["enlarge"])

    worker = LocalWorker(Studio(host), teller.batch.shelf, destine, stop)
    yield lambda: drive(teller.batch, worker)


def _make(options: Options, teller: Teller, pictures: Folder, make_all: Callable[[], None]) -> int:
    """Make clips until none is left, or of a folder that is watched until Ctrl-C; gives the exit code.

    Raises:
        click.Abort: it was stopped before all was made.
        SvdError: nothing is left that makes clips.
    """
    from lib_svd.batch.worker import Away

    batch = teller.batch
    try:
        make_all()
        while options["watch"]:
            teller.write_report()
            while not (names := pictures.take()):
                time.sleep(POLL)
            teller.add(pictures.path, names)
            make_all()
    except Away as lost:
        teller.tell_end()
        raise SvdError(f"{'--servers' if options['servers'] else '--ray'}: {lost}") from lost
    except (KeyboardInterrupt, Interrupted) as stopped:
        if batch.waiting or not options["watch"]:
            teller.tell_end()
            raise click.Abort from stopped
    return teller.tell_end()


class _Wishes:
    """What is asked of each picture: its rows of the table, or else what the command line says.

    Args:
        options: of the command.
        pictures: what the table may name, see `read_table`.

    Raises:
        BadInput: a setting or the model; of the table every mistake.

    Attributes:
        companions: pictures that clips share, beside the one that each is made of.
    """

    def __init__(self, options: Options, pictures: Container[str] | None) -> None:
        from lib_svd.batch.table import Row, read_table

        is_own = (options["seed"] or "").strip() == "-1"  # as web UIs spell a new one: here the picture's own
        self._options = {**options, "seed": None} if is_own else options
        self._has_seed = not is_own and (options["seed"] or options["like"]) is not None
        self._request = make_request(self._options)
        self.companions: list[Image] = []
        self._checkpoints: dict[str, Checkpoint] = {}
        self._usual = self._make_wish({})
        self._rows: dict[str, list[Wish]] = {}
        alike: Counter[str] = Counter()

        def check(row: Row) -> Wish:
            return self._make_wish(row.settings)

        for row in read_table(options["table"], pictures, check) if options["table"] else ():
            told = f"{row.picture} {sorted(row.settings.items())}"
            alike[told] += 1
            self._rows.setdefault(row.picture, []).append(replace(check(row), take=alike[told]))

    def find(self, name: str) -> Sequence[Wish]:
        """Find what is asked of a picture, by its name below the folder."""
        from lib_svd.batch.table import fold_name

        return self._rows.get(fold_name(name), [self._usual])

    def _make_wish(self, given: Mapping[str, Any]) -> Wish:
        """Ask for these settings, on top of the command line's; raises BadInput where the model cannot do that."""
        from lib_svd.batch.item import Wish
        from lib_svd.companions import name_files

        has_seed = given["seed"] is not None if "seed" in given else self._has_seed
        given = {name: value for name, value in given.items() if name != "seed" or value is not None}
        checkpoint = self._find_checkpoint(given.get("checkpoint", ""))
        checkpoint.family.check_given([*read_settings(self._options), *given])
        named, pictures = name_files(self._request.replace(**given))
        if pictures and is_elsewhere(self._options):
            raise BadRequest("A clip that another machine makes has one picture: leave --last-picture and --mask out.")
        self.companions += pictures
        request = apply_speed(named, self._options["speed"], checkpoint)
        checkpoint.family.complete(request, grid=checkpoint.size_grid)
        return Wish(request=request, checkpoint=checkpoint, has_seed=has_seed)

    def _find_checkpoint(self, name: str) -> Checkpoint:
        """Find the model of that name; "" is the command line's."""
        if name not in self._checkpoints:
            options = {**self._options, "checkpoint": name} if name else self._options
            self._checkpoints[name] = recognise_model(options, self._request)
        return self._checkpoints[name]
