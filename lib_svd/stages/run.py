"""What the stages of one clip share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from lib_svd.checkpoints import Svd
from lib_svd.engine import fused
from lib_svd.engine.warm_up import warm_up
from lib_svd.errors import Interrupted
from lib_svd.ports import Host, Part, Resident
from lib_svd.progress import Preview, Progress, Stage
from lib_svd.request import CompleteRequest

COMPILED_ON = ("cuda",)  # on a CPU compiled passes over memory take longer than torch's own


@dataclass
class Run:
    """One clip on its way."""

    svd: Svd
    request: CompleteRequest
    host: Host
    notes: list[str] = field(default_factory=list)  # what the user should know
    seconds: dict[str, float] = field(default_factory=dict)  # wall time of each stage
    remark: str = ""  # what is shown beside the progress from now on
    part: tuple[int, int] = (0, 1)  # which part of the sampling this is, and of how many
    is_quiet: bool = False  # whether it reports no progress
    goes_on: bool = False  # whether it is finished though the user stopped it

    def __post_init__(self) -> None:
        self.generator = torch.Generator("cpu").manual_seed(self.request.seed)

    def take_part(self, number: int, count: int, num_frames: int, *, is_quiet: bool = False) -> Run:
        """Give a run of one of `count` parts of this one's sampling, counted from 0, with so many frames: it draws on
        from the same noise, and what it notes is noted here.
        """
        part = copy(self)
        part.request, part.part, part.is_quiet = self.request.replace(num_frames=num_frames), (number, count), is_quiet
        return part

    def draw_noise(self, *shape: int) -> Tensor:
        """Draw unit noise from the clip's seed, on the CPU: the same on every device."""
        return torch.randn(shape, generator=self.generator)

    def get_noise_state(self) -> Tensor:
        """Note where the drawing of noise stands."""
        return self.generator.get_state()

    def set_noise_state(self, state: Tensor) -> None:
        """Draw again what was drawn since."""
        self.generator.set_state(state)

    @contextmanager
    def time_stage(self, stage: str) -> Iterator[None]:
        """Note how long the work inside takes."""
        began = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - began

    def compile_inside(self) -> AbstractContextManager[None]:
        """Enter a context for the stages: with compiled passes over memory where the user wants them and they can be
        had.

        Raises:
            Interrupted: the user stopped it.
        """
        if not self.host.options["svd_compile"]:
            return nullcontext()
        resident = self.svd.residents.get("unet") or self.svd.decoder  # which may be alone, for latents kept earlier
        device = resident.device
        try:
            if device.type not in COMPILED_ON:
                raise RuntimeError(f"on {device.type} it gains nothing")
            for done, total in warm_up(device, resident.dtype):
                self.report(Progress(Stage.COMPILING, done, total))
        except (RuntimeError, ImportError, OSError) as error:  # torch has no common type for what it misses
            self.notes.append(f"Nothing was compiled: {str(error).strip().splitlines()[0].rstrip('.')}.")
            return nullcontext()
        return fused.compile_inside()

    def report(self, progress: Progress, preview: Preview | None = None) -> None:
        """Report progress, and stop where the user asked to.

        Raises:
            Interrupted: so they did.
        """
        number, count = self.part if progress.stage is Stage.SAMPLING else (0, 1)
        done, total = number * progress.total + progress.done, count * progress.total
        if not self.is_quiet:
            self.host.report(replace(progress, done=done, total=total, remark=self.remark), preview)
        if self.host.queue.is_interrupted() and not self.goes_on:
            raise Interrupted(f"{progress.title} was stopped.")

    def run_finite(self, part: Part, room: int, work: Callable[[nn.Module], Tensor]) -> Tensor:
        """Give what `work` makes with a network, float32 on the CPU; made again in float32 where half precision failed.

        Args:
            part: which network.
            room: bytes that the work takes beside the weights.
            work: given the network, on its device.

        Raises:
            NotFinite: NaN or infinity in float32 too.
        """
        resident: Resident = getattr(self.svd, part)
        with resident.bring_to_gpu(room) as network:
            result = work(network).float().cpu()
        if bool(result.isfinite().all()):
            return result
        self.switch_to_fp32(part)
        return self.run_finite(part, 2 * room, work)

    def switch_to_fp32(self, part: Part) -> None:
        """Let a network go on in float32, and say so.

        Raises:
            NotFinite: it is in float32 already.
        """
        self.notes.append(self.svd.use_fp32(part))
