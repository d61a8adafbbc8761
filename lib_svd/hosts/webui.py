"""What all web UIs of this family share: folders, settings, the queue, the progress bar."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from PIL import Image

from lib_svd.errors import SvdError
from lib_svd.hosts.lacking import HOST, Lacks, Need, needing
from lib_svd.hosts.whose import is_own
from lib_svd.progress import Bar, Preview, Progress, enlarge

T = TypeVar("T")

BAR_STEPS = 1000  # the host's bar counts in whole steps
SECONDS_BETWEEN_PREVIEWS = 0.5

_queued = contextvars.ContextVar("svd_queued", default=False)


class WebuiHost:
    """A web UI's side of a port that has nothing to do with memory: the base of its adapters.

    Attributes:
        lacks: what this version of the web UI lacks of all that we use.
    """

    def __init__(self) -> None:
        self.lacks = Lacks()
        has_thread = is_own("modules_forge.main_thread")
        self.lacks.look({need: uses for need, uses in HOST.items() if has_thread or need is not Need.THREAD})
        self._bar = Bar()
        self._previewed = 0.0  # monotonic seconds
        self._working: int | None = None  # the thread that work is on

    def model_dirs(self) -> list[Path]:
        """`models/svd` first, made when missing; then what the user named, then the host's own checkpoints."""
        from modules import shared

        models = self._models_path().absolute()
        (models / "svd").mkdir(parents=True, exist_ok=True)
        named = [*(getattr(shared.cmd_opts, "svd_dir", None) or ()), self.option("svd_extra_dir", "")]
        theirs = [getattr(shared.cmd_opts, "ckpt_dir", None), *(getattr(shared.cmd_opts, "ckpt_dirs", None) or ())]
        folders = [models / "svd", *named, *theirs, models / "Stable-diffusion"]
        return list(dict.fromkeys(self._absolute(folder) for folder in folders if folder))

    def output_dir(self) -> Path:
        """The user's folder for all pictures or for clips, or the host's for videos, else one beside its others."""
        folder = self._clips_root()
        if self.option("save_to_dirs", False):
            folder = folder / date.today().isoformat()
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def clip_dirs(self) -> list[Path]:
        """Today's, where the user has a folder for each day; those of other days, and what they are in."""
        root = self._clips_root()
        days = sorted(root.glob("????-??-??"), reverse=True)
        real = (day for day in days if day.is_dir() and not day.is_symlink())  # a link may lead out of the folder
        return list(dict.fromkeys([self.output_dir(), *real, root]))

    def _clips_root(self) -> Path:
        if chosen := self.option("outdir_samples", "") or self.option("outdir_svd_samples", ""):
            return self._absolute(chosen)
        videos = (
            self.option("outdir_videos", "") or Path(self.option("outdir_txt2img_samples", "outputs/txt2img")).parent
        )
        return self._absolute(Path(videos) / "svd")

    def option(self, name: str, default: Any) -> Any:
        """A setting by name."""
        from modules import shared

        return getattr(shared.opts, name, default)

    @contextmanager
    def already_queued(self) -> Iterator[None]:
        """What runs inside has its turn in the host's queue: a button's wrapped handler, or a script's hook."""
        token = _queued.set(True)
        try:
            yield
        finally:
            _queued.reset(token)

    def exclusively(self, job: str, work: Callable[[], T]) -> T:
        """Run `work` when it is its turn, on the one thread that does all heavy work; its result or its exception.

        Raises:
            SvdError: the host has no queue that we know.
        """
        from modules import shared

        if _queued.get():  # the lock is not re-entrant
            try:
                return self._on_worker(work)
            finally:
                shared.state.textinfo = None  # what the host does next is not what we did last
        if Need.TURN in self.lacks:
            raise SvdError(self.lacks.sentence())
        from modules.call_queue import queue_lock

        with queue_lock, self.already_queued():
            shared.state.begin(job=job)
            try:
                return self._on_worker(work)
            finally:
                shared.state.end()

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        """Move the host's bar, which shows a whole clip as one job, and show a picture twice a second at most."""
        picture = enlarge(preview()) if preview is not None and self._wants_preview() else None
        self._show(self._bar.move(progress), str(progress), picture)

    @needing(Need.PROGRESS)
    def _show(self, share: float, text: str, picture: Image.Image | None) -> None:
        from modules import shared

        state = shared.state
        state.job_count = max(1, state.job_count)
        state.sampling_steps = BAR_STEPS
        state.sampling_step = int(BAR_STEPS * share)
        state.textinfo = text
        if picture is not None:
            state.assign_current_image(picture)

    @needing(Need.STOP, otherwise=False)
    def interrupted(self) -> bool:
        """Whether Interrupt, Stop or Skip was pressed."""
        from modules import shared

        state = shared.state
        return bool(state.interrupted or state.skipped or getattr(state, "stopping_generation", False))

    def _wants_preview(self) -> bool:
        now = time.monotonic()
        wanted = self.option("live_previews_enable", True) and self.option("svd_preview", True)
        if not wanted or now - self._previewed < SECONDS_BETWEEN_PREVIEWS:
            return False
        self._previewed = now
        return True

    def _absolute(self, folder: str | Path) -> Path:
        return self._data_path().absolute() / folder

    @needing(Need.FOLDERS, otherwise=Path("models"))  # web UIs run in their own folder
    def _models_path(self) -> Path:
        from modules import paths

        return Path(paths.models_path)

    @needing(Need.FOLDERS, otherwise=Path())
    def _data_path(self) -> Path:
        from modules import paths

        return Path(paths.data_path)

    def _on_worker(self, work: Callable[[], T]) -> T:
        """Hand work to the host's own thread, or to ours where it has none.

        One thread for everything: with changing ones the allocator's arenas grow from run to run (measured in reForge:
        2.9, 7.7, 12.4 GB). The host's thread swallows exceptions, so they travel beside the result.
        """
        loop = self._host_loop()
        if threading.get_ident() == self._working or (loop and _runs(sys._getframe(), loop)):
            return work()
        result: list[T] = []
        error: list[BaseException] = []
        context = contextvars.copy_context()  # the worker has its turn in the queue too

        def caught() -> None:
            self._working = threading.get_ident()
            try:
                result.append(context.run(work))
            except BaseException as raised:  # noqa: BLE001 (it is raised again, where the result is waited for)
                error.append(raised)
            finally:
                self._working = None

        if loop and any(_runs(frame, loop) for frame in sys._current_frames().values()):
            from modules_forge import main_thread

            main_thread.run_and_wait_result(caught)
        else:
            self._worker.submit(caught).result()
        if error:
            raise error.pop()
        return result.pop()

    @needing(Need.THREAD)
    def _host_loop(self) -> Any:
        """The code of the loop that the host's main thread spends its life in; None where it has no such thread."""
        if not is_own("modules_forge.main_thread"):
            return None
        from modules_forge import main_thread

        return main_thread.loop.__code__

    @cached_property
    def _worker(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, "svd")


def _runs(frame: FrameType | None, code: Any) -> bool:
    """Whether a thread, seen from its innermost frame, is inside that code."""
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False
