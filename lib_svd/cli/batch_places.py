"""Where `batch` has its clips made, if not on this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from lib_svd.cli.options import Options
from lib_svd.errors import BadRequest, join_names

if TYPE_CHECKING:
    from lib_svd.batch.drive import Batch
    from lib_svd.batch.fleet import Fleet
    from lib_svd.cli.batch_lines import Teller

OWN = {"device": "auto", "dtype": "auto", "weights": "auto", "compiled": False, "also": (), "enlarge": 1}
"""Options that a server's API does not have, and what they are when not given."""


def is_elsewhere(options: Options) -> bool:
    """Tell whether clips are made on other machines."""
    return options["servers"] is not None


def check_places(options: Options) -> None:
    """Refuse options that mean nothing where clips are made; raises BadRequest."""
    given = [name for name, usual in OWN.items() if options[name] != usual]
    if options["servers"] is not None and given:
        flags = join_names(f"--{'compile' if name == 'compiled' else name}" for name in given)
        raise BadRequest(f"A server makes clips in its own way and gives the video alone: leave {flags} out.")


def plan_fleet(options: Options, teller: Teller, stop: threading.Event) -> Callable[[], None]:
    """Give what makes all clips that wait, on other machines.

    Args:
        options: of the command.
        teller: tells of a batch.
        stop: set by whoever wants everything stopped.

    Raises:
        BadRequest: the list of servers cannot be read.
    """
    from lib_svd.batch.at_server import LANES, ServerWorker
    from lib_svd.batch.fleet import Fleet
    from lib_svd.batch.servers import read_servers

    batch = teller.batch

    def list_wanted() -> set[str]:
        return {
            checkpoint.mark for checkpoint in {item.checkpoint.path: item.checkpoint for item in batch.waiting}.values()
        }

    servers = read_servers(options["servers"], os.environ)
    workers = [ServerWorker(each, batch.shelf, stop, list_wanted) for each in servers for _ in range(LANES)]
    fleet = Fleet(batch, workers, stop, teller.say, teller.report_workers)

    return lambda: _run(fleet, batch)


def _run(fleet: Fleet, batch: Batch) -> None:
    """Have all made that waits; raises what `Fleet.check` and `Fleet.run` raise, with the option that it is about."""
    if not batch.waiting:
        return
    try:
        fleet.check()
    except BadRequest as error:
        raise BadRequest(f"None of the --servers can make clips.\n{error}") from error
    fleet.run()
