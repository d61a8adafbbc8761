"""What makes clips on a machine of a cluster: this machine's own worker, into a folder that is taken away again."""

from __future__ import annotations

import hashlib
import platform
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lib_svd import __version__
from lib_svd.animate import Destination
from lib_svd.batch.item import Item
from lib_svd.batch.local import LocalWorker
from lib_svd.batch.shelf import Shelf
from lib_svd.checkpoints import Checkpoint, choose
from lib_svd.errors import BadCheckpoint, SvdError
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.jobs import history
from lib_svd.jobs.notes import describe_making
from lib_svd.jobs.owning import list_own_files
from lib_svd.progress import Bar, Preview, Progress
from lib_svd.request import CompleteRequest
from lib_svd.studio import Studio
from lib_svd.video import Encoding


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """How a machine of the cluster makes clips; all of it can be sent there."""

    version: str = __version__  # of this program
    device: str = "auto"
    dtype: str = "auto"
    weights: str = "auto"
    compiled: bool = False
    models: tuple[Path, ...] = ()  # folders in which a model that is not at its own path is looked for
    variant: str | None = None
    companion: Path | None = None
    copies: tuple[Encoding, ...] = ()
    enlarge: int = 1


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A clip on its way to the machine that asked for it."""

    files: Mapping[str, bytes]  # by how their names go on after the clip's
    note: Mapping[str, Any]  # what is noted on it, see `jobs.notes.describe_making`
    seconds: float  # that it took
    said: tuple[str, ...]  # what the user should know


class Node:
    """Makes one clip after the other; its model stays loaded from clip to clip.

    Args:
        settings: how.
    """

    def __init__(self, settings: NodeSettings) -> None:
        self._settings, self._stop, self._bar, self._share = settings, threading.Event(), Bar(), 0.0
        self._studio: Studio | None = None  # made by the first check, so that what it raises is told

    def check(self) -> str:
        """Say what this machine is called, once it can make clips.

        Raises:
            SvdError: it cannot, and the text says why.
        """
        name, wanted = platform.node(), self._settings
        if wanted.version != __version__:
            raise SvdError(f"{name} has version {__version__}, not {wanted.version}: install the same one everywhere.")
        if self._studio is None:
            host = make_standalone_host(
                wanted.device,
                wanted.dtype,
                weights=wanted.weights,
                on_report=self._report,
                options={"svd_compile": wanted.compiled},
                stop=self._stop,
            )
            self._studio = Studio(host)
        return name

    def make(self, content: bytes, name: str, request: CompleteRequest, model: Path, mark: str) -> Sent:
        """Make a clip.

        Args:
            content: the picture's bytes.
            name: what it is called.
            request: the settings.
            model: where the model is.
            mark: of the model.

        Raises:
            Interrupted: it was cancelled.
            SvdError: there is no clip, and the text says why.
        """
        self._bar, self._share = Bar(), 0.0
        checkpoint = self._find_model(model, mark)
        with tempfile.TemporaryDirectory(prefix="svd-") as folder:
            picture = Path(folder, f"picture{Path(name).suffix}")
            picture.write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            item = Item(picture=picture, name=name, digest=digest, request=request, checkpoint=checkpoint)
            return self._make(item, Path(folder, "clips"))

    def look(self) -> float:
        """Say how much of the clip is made, 0 to 1."""
        return self._share

    def cancel(self) -> None:
        """Stop the clip that is being made, and all later ones."""
        self._stop.set()

    def _make(self, item: Item, clips: Path) -> Sent:
        if self._studio is None:
            raise SvdError("This machine was not checked.")
        clips.mkdir()
        destine = partial(_destine, self._settings)
        outcome = LocalWorker(self._studio, Shelf(clips), destine, self._stop).make(item)
        if outcome.clip is None or outcome.clip.parent != clips:
            raise SvdError(f"{platform.node()} could not write the clip: make room among its temporary files.")
        entry = history.find_entry(outcome.clip)
        files = list_own_files(outcome.clip, entry.files)
        stem = str(outcome.clip.with_suffix(""))
        return Sent(
            files={path.as_posix().removeprefix(stem): path.read_bytes() for path in files},
            note=describe_making(asdict(entry)),
            seconds=sum(entry.seconds.values()),
            said=outcome.said,
        )

    def _find_model(self, model: Path, mark: str) -> Checkpoint:
        """Find the very model that is asked for, at its own path or by its name; raises BadCheckpoint."""
        dirs = [model.parent, *self._settings.models]
        wanted = self._settings
        where = f"The model {model.name} cannot be used on {platform.node()}"
        try:
            name = str(model) if model.exists() else model.name
            found = choose(name, dirs, dirs, anywhere=True, variant=wanted.variant, companion=wanted.companion)
        except BadCheckpoint as error:
            raise BadCheckpoint(f"{where}: put the very file there at {model}. {error}") from error
        if found.mark != mark:
            raise BadCheckpoint(f"{where}, {found.path} is another file: put the very file there.")
        return found

    def _report(self, progress: Progress, preview: Preview | None = None) -> None:
        self._share = self._bar.move(progress)


def _destine(settings: NodeSettings, out: Path) -> Destination:
    return Destination(out=out, copies=settings.copies, enlarge=settings.enlarge)
