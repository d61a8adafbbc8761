"""What the recipe needs of the program it runs in: a Host of five parts, made in `lib_svd/hosts/` for each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import torch
from PIL import Image
from torch import nn

from lib_svd.errors import SvdError
from lib_svd.progress import Preview, Progress

log = logging.getLogger("svd")
T = TypeVar("T")
Part = Literal["vision", "encoder", "unet", "decoder"]
PART_NAMES: dict[Part, str] = {
    "vision": "image tower",
    "encoder": "VAE encoder",
    "unet": "UNet",
    "decoder": "VAE decoder",
}


class Resident(Protocol):
    """A network in the host's keeping: the host decides where its weights are between two runs."""

    device: torch.device  # where it computes
    dtype: torch.dtype  # in which it computes

    def count_room(self) -> int:
        """Say how many bytes work could take beside this network's weights, other models evicted."""
        ...

    def bring_to_gpu(self, working_bytes: int) -> AbstractContextManager[nn.Module]:
        """Make the network able to run inside the context, with `working_bytes` left beside its weights.

        Raises:
            OutOfMemory: there is no room for it, other models evicted and layers swapped.
        """
        ...

    def use_fp32(self) -> None:
        """Compute in float32 from now on; called where half precision gave NaN or infinity."""
        ...


class Memory(Protocol):
    """Where networks are, and what they compute in."""

    def get_device(self) -> torch.device:
        """Say where networks compute."""
        ...

    def choose_dtype(self, part: Part) -> torch.dtype:
        """Say what a network computes in: float32, float16 or bfloat16."""
        ...

    def choose_storage(self, part: Part) -> torch.dtype:
        """Say what a network's matrices are read into: `choose_dtype(part)`, or a smaller one that the host's layers
        cast from.
        """
        ...

    def count_bytes_a_weight(self, part: Part) -> int:
        """Say how many bytes a number of the network's matrices waits in."""
        ...

    def count_capacity(self) -> int:
        """Say how many bytes of the device one network and its work could take, everybody else evicted."""
        ...

    def swap_layers(self, dtype: torch.dtype) -> AbstractContextManager[None]:
        """Enter a context in which a network is built: the host may swap `torch.nn` layers for its own."""
        ...

    def adopt(self, network: nn.Module, dtype: torch.dtype) -> Resident:
        """Hand a filled network over to the host's memory management; `choose_dtype` is what it computes in."""
        ...


class Queue(Protocol):
    """Whose turn it is, and what the user sees and says meanwhile."""

    def run_exclusively(self, job: str, work: Callable[[], T]) -> T:
        """Run `work` in the host's queue; gives its result, or raises the very exception that it raised."""
        ...

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        """Show progress, and a preview if one is wanted."""
        ...

    def is_interrupted(self) -> bool:
        """Tell whether the user asked to stop."""
        ...


class Folders(Protocol):
    """Where models are, and where clips go."""

    def list_model_dirs(self) -> list[Path]:
        """List the folders to look for SVD checkpoints in, the first one for downloads."""
        ...

    def list_lora_dirs(self) -> list[Path]:
        """List the host's own folders for LoRAs, beside those that are near the folders for checkpoints."""
        ...

    def find_output_dir(self) -> Path:
        """Say where clips go unless the user says otherwise; the folder is made when missing."""
        ...

    def list_picture_dirs(self) -> list[Path]:
        """List the folders in which programs may name pictures, beside those of clips."""
        ...

    def list_clip_dirs(self) -> list[Path]:
        """List every folder that clips have gone to: the one for new ones first, the one that holds the others last."""
        ...


class Options(Protocol):
    """What the user has set, read anew each time."""

    def __getitem__(self, name: str, /) -> Any:
        """Give the option of that name, one of `options.DEFAULTS`."""
        ...


class Upscalers(Protocol):
    """Networks that make a picture larger."""

    def list_names(self) -> list[str]:
        """List what they are called, in the order in which they are shown."""
        ...

    def find_name(self, text: str) -> str:
        """Give the name that is meant, in whatever letters it is written; nothing is loaded.

        Raises:
            BadRequest: there is none, or it cannot be used here; the text says which there are.
        """
        ...

    def enlarge(self, name: str, picture: Image.Image, scale: float) -> Image.Image:
        """Make an RGB picture larger, `scale` times at least unless the network cannot.

        Args:
            name: one of `list_names`.
            picture: RGB.
            scale: times as large as each side shall be, 1 or more.

        Raises:
            SvdError: it could not be done, in one sentence.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Host:
    """The program around us: a web UI, a command line, or whoever embeds us (see `testing.make_fake_host`)."""

    name: str
    memory: Memory
    queue: Queue
    folders: Folders
    options: Options
    upscalers: Upscalers

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        """Show progress, see `Queue.report`; where that fails the work goes on, and the log says why."""
        try:
            self.queue.report(progress, preview)
        except SvdError:
            raise
        except Exception:
            log.warning("Progress could not be shown", exc_info=True)
