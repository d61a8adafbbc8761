"""No web UI around us: command line, the page of `serve`, tests."""

from __future__ import annotations

import threading
from collections import ChainMap
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, TypeVar

from lib_svd.errors import BadRequest
from lib_svd.hosts.own_memory import OwnMemory, check_computes, choose_device, choose_dtype
from lib_svd.hosts.own_upscalers import FileUpscalers
from lib_svd.options import DEFAULTS
from lib_svd.ports import Host
from lib_svd.progress import Preview, Progress

T = TypeVar("T")
Report = Callable[[Progress, Preview | None], None]

WEIGHTS = ("auto", "float8")


def make_standalone_host(
    device: str = "auto",
    dtype: str = "auto",
    *,
    weights: str = "auto",
    model_dirs: tuple[Path, ...] = (),
    output_dir: Path = Path("output"),
    on_report: Report | None = None,
    budget: int | None = None,
    options: MutableMapping[str, Any] | None = None,
    stop: threading.Event | None = None,
    upscalers: tuple[Path, ...] = (),
    picture_dirs: tuple[Path, ...] = (),
) -> Host:
    """Make a host of this machine without a web UI.

    Args:
        device: "auto", "cuda", "mps" or "cpu"; see `choose_device`.
        dtype: a name of `own_memory.DTYPES`; see `choose_dtype`.
        weights: a name of WEIGHTS; "float8" keeps the UNet's matrices in half the memory, rounded.
        model_dirs: folders with checkpoints.
        output_dir: where clips go.
        on_report: shows progress.
        budget: bytes of the device that may be used; None: what is free.
        options: what the user has set, read anew each time.
        stop: set by whoever wants the clip stopped that is being made.
        upscalers: files beside those in the folders with checkpoints.
        picture_dirs: folders in which programs may name pictures.

    Raises:
        BadRequest: the device is not there, or cannot compute so.
    """
    where = choose_device(device)
    computes = choose_dtype(dtype, where)
    check_computes(computes, where)
    if weights not in WEIGHTS:
        raise BadRequest(f"Weights must be one of {', '.join(WEIGHTS)}, not {weights!r}.")
    memory = OwnMemory(where, computes, in_float8=weights == "float8", budget=budget)
    return Host(
        name="stand-alone",
        memory=memory,
        queue=OwnQueue(on_report, stop or threading.Event()),
        folders=GivenFolders(model_dirs, output_dir, picture_dirs),
        options=ChainMap({} if options is None else options, DEFAULTS),
        upscalers=FileUpscalers(memory, model_dirs, upscalers),
    )


class OwnQueue:
    """One clip at a time; on a command line Ctrl-C raises KeyboardInterrupt by itself."""

    def __init__(self, on_report: Report | None, stop: threading.Event) -> None:
        self._on_report, self._stop = on_report, stop
        self._running = threading.RLock()  # work may hand on a part of itself

    def run_exclusively(self, job: str, work: Callable[[], T]) -> T:
        """Run `work` on the caller's thread."""
        with self._running:
            return work()

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        """Pass progress on."""
        if self._on_report is not None:
            self._on_report(progress, preview)

    def is_interrupted(self) -> bool:
        """Tell whether `stop` is set."""
        return self._stop.is_set()


class GivenFolders:
    """Folders that were named when the program was started."""

    def __init__(self, model_dirs: tuple[Path, ...], output_dir: Path, picture_dirs: tuple[Path, ...] = ()) -> None:
        self._model_dirs, self._output_dir, self._picture_dirs = model_dirs, output_dir, picture_dirs

    def list_model_dirs(self) -> list[Path]:
        """Say where checkpoints are looked for."""
        return list(self._model_dirs)

    def list_lora_dirs(self) -> list[Path]:
        """Give none: LoRAs are near checkpoints."""
        return []

    def find_output_dir(self) -> Path:
        """Say where clips go; the folder is made when missing."""
        self._output_dir.mkdir(parents=True, exist_ok=True)
        return self._output_dir

    def list_picture_dirs(self) -> list[Path]:
        """Give the folders in which programs may name pictures."""
        return list(self._picture_dirs)

    def list_clip_dirs(self) -> list[Path]:
        """Give the one folder that all clips go to."""
        return [self.find_output_dir()]
