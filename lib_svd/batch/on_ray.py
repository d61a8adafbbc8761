"""Workers on a Ray cluster: an actor each, which keeps its model loaded, with GPUs or a part of one.

This is the only place that imports ray, which need not be installed.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from math import floor
from typing import Any, cast

from lib_svd.batch.item import Item
from lib_svd.batch.node import Node, NodeSettings, Sent
from lib_svd.batch.receive import note_left, receive
from lib_svd.batch.shelf import Shelf
from lib_svd.batch.worker import Away, Outcome, State
from lib_svd.errors import BadRequest, Interrupted, SvdError

EXTRA = "ray>=2.60,<3"  # what pip is told to install
POLL = 0.5  # seconds between two looks at a clip
PATIENCE = 60.0  # seconds that an actor may wait for room on the cluster, and for Python and torch to be loaded there
AGAIN = 2.0  # seconds after which a lost actor is started anew
ANSWER = 10.0  # seconds in which a cluster must answer
CORES = 1  # that an actor takes


@contextmanager
def connect(address: str, gpus: float) -> Iterator[int]:
    """Connect to a cluster; gives how many clips it can make at a time.

    Args:
        address: of the cluster, or auto: the one that this machine belongs to.
        gpus: that a clip takes; a part of one shares it; 0: none.

    Raises:
        BadRequest: ray is not installed, there is no such cluster, or it has no room for a clip.
    """
    ray = _import_ray()
    try:
        _reach(address)
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except (OSError, ValueError, RuntimeError) as error:
        where = "on this machine" if address == "auto" else f"at {address}"
        advice = "start one with `ray start --head`, or name its address"
        raise BadRequest(f"--ray finds no cluster {where} ({_shorten(error)}): {advice}.") from error
    try:
        room = count_room(ray.nodes(), gpus)
        if not room:
            raise BadRequest(explain_no_room(ray.nodes(), gpus))
        yield room
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """See whether anybody answers at an address, since Ray itself tries for minutes; raises OSError."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()


def count_room(nodes: Sequence[Mapping[str, Any]], gpus: float) -> int:
    """Count the clips that the nodes of a cluster that are alive could make at a time.

    Args:
        nodes: as `ray.nodes()` lists them.
        gpus: that a clip takes.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    return sum(_count_on(resources, gpus) for resources in alive)


def _count_on(resources: Mapping[str, float], gpus: float) -> int:
    cores = floor(resources.get("CPU", 0) / CORES)
    if not gpus:
        return cores
    whole = resources.get("GPU", 0)
    on_each = floor(1 / gpus + 1e-6) * floor(whole) if gpus < 1 else floor(whole / gpus)  # a part is of one GPU alone
    return min(cores, on_each)


def explain_no_room(nodes: Sequence[Mapping[str, Any]], gpus: float) -> str:
    """Say in a sentence why a cluster can make no clip."""
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    most = max((resources.get("GPU", 0) for resources in alive), default=0)
    if gpus and most < gpus:
        has = f"at most {most:g} GPUs on a machine" if most else "no GPU"
        return (
            f"The cluster has {has}, and --gpus-per-clip is {gpus:g}: add machines that have them, or say "
            "--gpus-per-clip 0 to compute on CPUs."
        )
    return f"The cluster has no machine with {CORES} CPU free for Ray beside it: give its nodes --num-cpus."


class RayWorker:
    """Has one clip after the other made by an actor, and starts a new one where that is lost.

    Args:
        settings: how the actor makes clips.
        gpus: that it takes.
        shelf: where clips go.
        stop: set by whoever wants everything stopped.

    Attributes:
        place: what users call the machines together.
        share: how much of the clip in hand is made, 0 to 1.
    """

    place = "The cluster"

    def __init__(self, settings: NodeSettings, gpus: float, shelf: Shelf, stop: threading.Event) -> None:
        self.share = 0.0
        self._settings, self._gpus, self._shelf, self._stop = settings, gpus, shelf, stop
        self._ray = _import_ray()
        self._actor: Any = None
        self._checked: Any = None  # what the actor will say to its check
        self._since = 0.0  # monotonic seconds, when an actor was asked for in vain first; 0: there is one

    def check(self) -> None:
        """Start an actor, or see that it is there; see `RemoteWorker`."""
        if self._actor is None:
            how = {"num_cpus": CORES, "num_gpus": self._gpus, "max_concurrency": 2, "max_restarts": 0}
            self._actor = self._ray.remote(Node).options(**how).remote(self._settings)
            self._checked, self._since = self._actor.check.remote(), self._since or time.monotonic()
        if not self._ray.wait([self._checked], timeout=POLL)[0]:
            is_lost = time.monotonic() - self._since > PATIENCE
            raise Away(f"{self.place} has no room for one more worker.", POLL, is_lost=is_lost)
        try:
            with self._explain_loss():
                self._ray.get(self._checked)
        except Away:
            raise
        except SvdError as error:
            self._forget_actor()
            raise Away(str(error), AGAIN, is_lost=True) from error
        self._since = 0.0

    def make(self, item: Item) -> Outcome:
        """Have a clip made, and write what comes back; note it where the clip itself is here."""
        left = self._shelf.find_clips().get(item.key)
        if left is not None:
            note_left(item, left)
            return Outcome(picture=item.name, state=State.MADE, item=item, clip=left)
        checkpoint = item.checkpoint
        wanted = (item.read_content(), item.name, item.request, checkpoint.path.absolute(), checkpoint.mark)
        try:
            with self._explain_loss():
                sent = self._await(self._actor.make.remote(*wanted))
        finally:
            self.share = 0.0
        clip = receive(item, self._shelf, sent.files, sent.note, self.place)
        return Outcome(picture=item.name, state=State.MADE, item=item, clip=clip, seconds=sent.seconds, said=sent.said)

    def cancel(self) -> None:
        """Stop the clip that is being made, there too."""
        self._stop.set()

    def _await(self, made: Any) -> Sent:
        """Wait for a clip; raises what ray raises, or Interrupted where everything is stopped."""
        while not self._ray.wait([made], timeout=POLL)[0]:
            if self._stop.is_set():
                self._actor.cancel.remote()
                raise Interrupted("The batch was stopped.")
            share = self._actor.look.remote()
            if self._ray.wait([share], timeout=POLL)[0]:
                with suppress(self._ray.exceptions.RayError):  # what is wrong is told of the clip
                    self.share = self._ray.get(share)
        return cast(Sent, self._ray.get(made))

    @contextmanager
    def _explain_loss(self) -> Iterator[None]:
        """Let what ray raises be what it means: SvdError of the machine's own, or Away where the actor is lost."""
        try:
            yield
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, SvdError):
                raise error.cause from None
            raise SvdError(f"A worker of the cluster failed ({_shorten(error.cause)}): its log has more.") from error
        except self._ray.exceptions.RayError as error:
            self._forget_actor()
            raise Away(_explain(error), AGAIN, is_lost=True) from error

    def _forget_actor(self) -> None:
        with suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(self._actor)
        self._actor = None


def _import_ray() -> Any:
    """Import ray; raises BadRequest where it is not installed, or cannot be loaded."""
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # else it prints what befalls nodes among our own lines
    try:
        return import_module("ray")
    except ImportError as error:
        remedy = f'{shlex.quote(sys.executable)} -m pip install "{EXTRA}"'
        raise BadRequest(f"--ray needs ray, which cannot be loaded ({error}): run `{remedy}`.") from error


def _explain(error: Exception) -> str:
    """Say in a sentence why an actor is lost."""
    lacking = re.search(r"No module named '[\w.]+'", str(error))
    if lacking:
        return f"A machine of the cluster cannot run this ({lacking[0]}): install this project there, and this version."
    return f"A worker of the cluster was lost ({type(error).__name__}): another one is to take its place."


def _shorten(error: BaseException) -> str:
    """Give the first line of what went wrong, and not much of it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".: ")
