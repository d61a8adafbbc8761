"""What all web UIs of this family share: the queue, the progress bar, folders, settings."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from PIL import Image

from lib_svd.errors import BadRequest, SvdError, join_names
from lib_svd.hosts.lacking import HOST, Lacks, Need, guard_need
from lib_svd.hosts.whose import is_own
from lib_svd.options import DEFAULTS
from lib_svd.ports import Host, Memory, Options
from lib_svd.progress import Bar, Preview, Progress, enlarge
from lib_svd.strangers import quote

T = TypeVar("T")
Around = Callable[[], AbstractContextManager[None]]

BAR_STEPS = 1000  # the host's bar counts in whole steps
SECONDS_BETWEEN_PREVIEWS = 0.5
PICTURES = ("outdir_txt2img_samples", "outdir_img2img_samples", "outdir_extras_samples")
UPSCALER_RUNS = 3  # at most, of a network that enlarges less than is asked for (modules/upscaler.py)

_queued = contextvars.ContextVar("svd_queued", default=False)


class WebuiOptions:
    """The web UI's settings, ours among them."""

    def __getitem__(self, name: str) -> Any:
        from modules import shared

        return getattr(shared.opts, name, DEFAULTS[name])


class WebuiFolders:
    """The web UI's folders, and ours among them."""

    def __init__(self, lacks: Lacks, options: Options) -> None:
        self.lacks, self._options = lacks, options

    def list_model_dirs(self) -> list[Path]:
        """List `models/svd` first, made when missing; then what the user named, then the host's own checkpoints."""
        from modules import shared

        models = self._find_models_path().absolute()
        (models / "svd").mkdir(parents=True, exist_ok=True)
        named = [*(getattr(shared.cmd_opts, "svd_dir", None) or ()), self._options["svd_extra_dir"]]
        theirs = [getattr(shared.cmd_opts, "ckpt_dir", None), *(getattr(shared.cmd_opts, "ckpt_dirs", None) or ())]
        folders = [models / "svd", *named, *theirs, models / "Stable-diffusion"]
        return list(dict.fromkeys(self._make_absolute(folder) for folder in folders if folder))

    def list_lora_dirs(self) -> list[Path]:
        """List the folder that the user named for LoRAs (`--lora-dir`), or `models/Lora`."""
        from modules import shared

        named = getattr(shared.cmd_opts, "lora_dir", None)
        return [self._make_absolute(named or self._find_models_path().absolute() / "Lora")]

    def find_output_dir(self) -> Path:
        """Take the user's folder for all pictures or for clips, or the host's for videos, else one beside its
        others.
        """
        folder = self._find_clips_root()
        if self._options["save_to_dirs"]:
            folder = folder / date.today().isoformat()
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def list_picture_dirs(self) -> list[Path]:
        """List the folders of the web UI's own pictures, and the one that the user named."""
        options = self._options
        named = [options[name] for name in ("outdir_samples", *PICTURES, "svd_picture_dir")]
        return list(dict.fromkeys(self._make_absolute(folder) for folder in named if folder))

    def list_clip_dirs(self) -> list[Path]:
        """List today's, where the user has a folder for each day; those of other days, and what they are in."""
        root = self._find_clips_root()
        days = sorted(root.glob("????-??-??"), reverse=True)
        real = (day for day in days if day.is_dir() and not day.is_symlink())  # a link may lead out of the folder
        return list(dict.fromkeys([self.find_output_dir(), *real, root]))

    def _find_clips_root(self) -> Path:
        options = self._options
        if chosen := options["outdir_samples"] or options["outdir_svd_samples"]:
            return self._make_absolute(chosen)
        videos = options["outdir_videos"] or Path(options["outdir_txt2img_samples"]).parent
        return self._make_absolute(Path(videos) / "svd")

    def _make_absolute(self, folder: str | Path) -> Path:
        return self._find_data_path().absolute() / folder

    @guard_need(Need.FOLDERS, otherwise=Path("models"))  # web UIs run in their own folder
    def _find_models_path(self) -> Path:
        from modules import paths

        return Path(paths.models_path)

    @guard_need(Need.FOLDERS, otherwise=Path())
    def _find_data_path(self) -> Path:
        from modules import paths

        return Path(paths.data_path)


class WebuiQueue:
    """The web UI's queue, bar and buttons, and the one thread for heavy work.

    Args:
        lacks: what this version of the web UI lacks.
        options: the web UI's settings.
        around: a context for all work, on its thread.
    """

    def __init__(self, lacks: Lacks, options: Options, around: Around) -> None:
        self.lacks, self._options, self._around = lacks, options, around
        self._bar = Bar()
        self._previewed = 0.0  # monotonic seconds
        self._working: int | None = None  # the thread that work is on

    @contextmanager
    def mark_queued(self) -> Iterator[None]:
        """Mark that what runs inside has its turn in the host's queue: a button's wrapped handler, or a script's
        hook.
        """
        token = _queued.set(True)
        try:
            yield
        finally:
            _queued.reset(token)

    def run_exclusively(self, job: str, work: Callable[[], T]) -> T:
        """Run `work` when it is its turn, on the one thread that does all heavy work; gives its result or raises its
        exception.

        Raises:
            SvdError: the host has no queue that we know.
        """
        from modules import shared

        if _queued.get():  # the lock is not re-entrant
            try:
                return self._run_on_worker(work)
            finally:
                shared.state.textinfo = None  # what the host does next is not what we did last
        if Need.TURN in self.lacks:
            raise SvdError(self.lacks.write_sentence())
        from modules.call_queue import queue_lock

        with queue_lock, self.mark_queued():
            shared.state.begin(job=job)
            try:
                return self._run_on_worker(work)
            finally:
                shared.state.end()

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        """Move the host's bar, which shows a whole clip as one job, and show a picture twice a second at most."""
        picture = enlarge(preview()) if preview is not None and self._wants_preview() else None
        self._show(self._bar.move(progress), str(progress), picture)

    @guard_need(Need.PROGRESS)
    def _show(self, share: float, text: str, picture: Image.Image | None) -> None:
        from modules import shared

        state = shared.state
        state.job_count = max(1, state.job_count)
        state.sampling_steps = BAR_STEPS
        state.sampling_step = int(BAR_STEPS * share)
        state.textinfo = text
        if picture is not None:
            state.assign_current_image(picture)

    @guard_need(Need.STOP, otherwise=False)
    def is_interrupted(self) -> bool:
        """Tell whether Interrupt, Stop or Skip was pressed."""
        from modules import shared

        state = shared.state
        return bool(state.interrupted or state.skipped or getattr(state, "stopping_generation", False))

    def _wants_preview(self) -> bool:
        now = time.monotonic()
        wanted = self._options["live_previews_enable"] and self._options["svd_preview"]
        if not wanted or now - self._previewed < SECONDS_BETWEEN_PREVIEWS:
            return False
        self._previewed = now
        return True

    def _run_on_worker(self, work: Callable[[], T]) -> T:
        """Hand work to the host's own thread, or to ours where it has none.

        One thread for everything: with changing ones the allocator's arenas grow from run to run (measured in reForge:
        2.9, 7.7, 12.4 GB). The host's thread swallows exceptions, so they travel beside the result.
        """
        loop = self._find_host_loop()
        if threading.get_ident() == self._working:
            return work()
        if loop and _runs(sys._getframe(), loop):
            return self._run_alone(work)
        result: list[T] = []
        error: list[BaseException] = []
        context = contextvars.copy_context()  # the worker has its turn in the queue too

        def catch() -> None:
            try:
                result.append(context.run(self._run_alone, work))
            except BaseException as raised:  # noqa: BLE001 (it is raised again, where the result is waited for)
                error.append(raised)

        if loop and any(_runs(frame, loop) for frame in sys._current_frames().values()):
            from modules_forge import main_thread

            main_thread.run_and_wait_result(catch)
        else:
            self._worker.submit(catch).result()
        if error:
            raise error.pop()
        return result.pop()

    def _run_alone(self, work: Callable[[], T]) -> T:
        """Run `work` here; work that it hands on is a part of it."""
        self._working = threading.get_ident()
        try:
            with self._around():
                return work()
        finally:
            self._working = None

    @guard_need(Need.THREAD)
    def _find_host_loop(self) -> Any:
        """Find the code of the loop that the host's main thread spends its life in; None where it has no such
        thread.
        """
        if not is_own("modules_forge.main_thread"):
            return None
        from modules_forge import main_thread

        return main_thread.loop.__code__

    @cached_property
    def _worker(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, "svd")


class WebuiUpscalers:
    """The web UI's own upscalers: it reads their files, keeps them and works in tiles as it does in Extras."""

    def __init__(self, lacks: Lacks) -> None:
        self.lacks = lacks

    @guard_need(Need.UPSCALERS, otherwise=())
    def _list_known(self) -> tuple[Any, ...]:
        """List all but those that are no network, or ours too."""
        from modules import shared

        return tuple(each for each in shared.sd_upscalers if each.name not in ("None", "Lanczos"))

    def list_names(self) -> list[str]:
        """List them as Extras names them."""
        return [each.name for each in self._list_known()]

    def find_name(self, text: str) -> str:
        """Name one as Extras names it.

        Raises:
            BadRequest: there is none of that name.
        """
        names = {name.lower(): name for name in self.list_names()}
        if text.lower() not in names:
            there = join_names(["lanczos", *self.list_names()])
            raise BadRequest(f"There is no upscaler {quote(text)}, there is {there}: choose of these.")
        return names[text.lower()]

    def enlarge(self, name: str, picture: Image.Image, scale: float) -> Image.Image:
        """Enlarge by the upscaler's own step, as often as the web UI takes it: its `upscale` would round to multiples
        of 8.

        Raises:
            SvdError: the upscaler failed, or gave the picture back as it was, as it does where it finds no network.
        """
        chosen = next(each for each in self._list_known() if each.name == name)
        wanted, chosen.scaler.scale = picture.width * scale, scale
        for _ in range(UPSCALER_RUNS):
            before = picture.size
            try:
                picture = chosen.scaler.do_upscale(picture, chosen.data_path)
            except Exception as error:
                why = f"{type(error).__name__}: {error}".rstrip(".:")
                raise SvdError(f"The upscaler {name} failed ({why}): choose another.") from error
            if picture.width >= wanted or picture.size == before:
                break
        if picture.size == before and scale > 1:
            raise SvdError(f"The upscaler {name} made nothing larger: the web UI's log says why, or choose another.")
        return picture


@dataclass(frozen=True, kw_only=True)
class WebuiHost(Host):
    """A web UI."""

    queue: WebuiQueue
    lacks: Lacks  # what this version of the web UI lacks of all that we use


def make_webui_host(name: str, memory: Memory, lacks: Lacks | None = None, around: Around = nullcontext) -> WebuiHost:
    """Make a web UI with what all of them share.

    Args:
        name: what log lines call it.
        memory: how networks are kept in it.
        lacks: what is known to be lacking already.
        around: a context for all work.
    """
    lacks, options = lacks or Lacks(), WebuiOptions()
    has_thread = is_own("modules_forge.main_thread")
    lacks.look({need: uses for need, uses in HOST.items() if has_thread or need is not Need.THREAD})
    return WebuiHost(
        name=name,
        memory=memory,
        queue=WebuiQueue(lacks, options, around),
        folders=WebuiFolders(lacks, options),
        options=options,
        upscalers=WebuiUpscalers(lacks),
        lacks=lacks,
    )


def _runs(frame: FrameType | None, code: Any) -> bool:
    """Tell whether a thread, seen from its innermost frame, is inside that code."""
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False
