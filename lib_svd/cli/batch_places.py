"""Where `batch` has its clips made, if not on this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lib_svd.cli.options import Options, list_model_dirs
from lib_svd.errors import BadRequest, join_names

if TYPE_CHECKING:
    from lib_svd.cli.batch_lines import Teller

OWN = {"device": "auto", "dtype": "auto", "weights": "auto", "compiled": False, "also": (), "enlarge": 1}
"""Options that a server's API does not have, and what they are when not given."""

SMALLEST = 1e-4  # part of a GPU that Ray knows


def is_elsewhere(options: Options) -> bool:
    """Tell whether clips are made on other machines."""
    return options["servers"] is not None or options["ray"] is not None


def check_places(options: Options) -> None:
    """Refuse options that mean nothing where clips are made; raises BadRequest."""
    given = [name for name, usual in OWN.items() if options[name] != usual]
    if options["servers"] is not None and given:
        flags = join_names(f"--{'compile' if name == 'compiled' else name}" for name in given)
        raise BadRequest(f"A server makes clips in its own way and gives the video alone: leave {flags} out.")
    if options["servers"] is not None and options["ray"] is not None:
        raise BadRequest("--servers and --ray are two ways to have clips made: leave one of them out.")
    gpus = options["gpus"]
    if options["ray"] is None and gpus != 1:
        raise BadRequest("--gpus-per-clip is for a cluster: name one with --ray.")
    if not (gpus == 0 or SMALLEST <= gpus < 1 or gpus in range(1, 65)):
        raise BadRequest(f"--gpus-per-clip must be 0, a part of one such as 0.5, or a whole number, not {gpus:g}.")


@contextmanager
def plan_fleet(options: Options, teller: Teller, stop: threading.Event) -> Iterator[Callable[[], None]]:
    """Give what makes all clips that wait, on other machines.

    Args:
        options: of the command.
        teller: tells of a batch.
        stop: set by whoever wants everything stopped.

    Raises:
        BadRequest: the list of servers cannot be read, or there is no cluster that has room for a clip.
    """
    if options["servers"] is not None:
        yield _plan_servers(options, teller, stop)
        return
    from lib_svd.batch.on_ray import connect

    with connect(options["ray"], options["gpus"]) as room:
        yield _plan_cluster(options, teller, stop, room)


def _plan_servers(options: Options, teller: Teller, stop: threading.Event) -> Callable[[], None]:
    from lib_svd.batch.at_server import LANES, ServerWorker
    from lib_svd.batch.fleet import Fleet
    from lib_svd.batch.servers import read_servers

    batch = teller.batch

    def list_wanted() -> set[str]:
        models = {item.checkpoint.identity: item.checkpoint for item in list(batch.waiting)}
        return {model.mark for model in models.values()}

    servers = read_servers(options["servers"], os.environ)
    workers = [ServerWorker(each, batch.shelf, stop, list_wanted) for each in servers for _ in range(LANES)]
    fleet = Fleet(batch, workers, stop, teller.say, teller.report_workers)
    is_checked = False

    def make_all() -> None:
        nonlocal is_checked
        if not batch.waiting:
            return
        try:
            if not is_checked:  # where a folder is watched, a server that is lost later is no reason to refuse
                fleet.check()
        except BadRequest as error:
            raise BadRequest(f"None of the --servers can make clips.\n{error}") from error
        is_checked = True
        fleet.run()

    return make_all


def _plan_cluster(options: Options, teller: Teller, stop: threading.Event, room: int) -> Callable[[], None]:
    from lib_svd.batch.fleet import Fleet
    from lib_svd.batch.node import NodeSettings
    from lib_svd.batch.on_ray import RayWorker

    batch, gpus = teller.batch, options["gpus"]
    settings = NodeSettings(
        device="cpu" if gpus == 0 and options["device"] == "auto" else options["device"],
        dtype=options["dtype"],
        weights=options["weights"],
        compiled=options["compiled"],
        models=tuple(path.absolute() for path in list_model_dirs(options["models"])),
        variant=options["variant"],
        companion=options["companion"] and options["companion"].absolute(),
        copies=options["also"],
        enlarge=options["enlarge"],
    )
    workers: list[RayWorker] = []

    def make_all() -> None:
        wanted = min(room, len(batch.waiting))
        workers.extend(RayWorker(settings, gpus, batch.shelf, stop) for _ in range(wanted - len(workers)))
        if wanted:
            Fleet(batch, workers, stop, teller.say, teller.report_workers).run()

    return make_all
