"""Seconds and peak memory of the stages of a clip, on a GPU or a CPU."""

from __future__ import annotations

import ctypes
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Memory:
    """Of this process: what the allocator gave out on a GPU, resident pages on a CPU (Linux; elsewhere 0)."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._on_gpu = device.type == "cuda"

    def held(self) -> int:
        """Bytes now."""
        return torch.cuda.memory_allocated(self.device) if self._on_gpu else _read_resident("VmRSS")

    def peak(self) -> int:
        """Most bytes since `forget`."""
        return torch.cuda.max_memory_allocated(self.device) if self._on_gpu else _read_resident("VmHWM")

    def forget(self) -> None:
        """Let the peak begin anew from what is held."""
        if self._on_gpu:
            torch.cuda.reset_peak_memory_stats(self.device)
        elif CLEAR_REFS.exists():
            _trim()
            CLEAR_REFS.write_text("5", encoding="ascii")  # resets VmHWM, see proc_pid_clear_refs(5)

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self._on_gpu:
            torch.cuda.synchronize(self.device)


@dataclass
class Stages:
    """Wall time, time on the CPU and peak memory of stages that follow each other."""

    memory: Memory
    seconds: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)  # of all threads, without what other programs took
    steps: list[float] = field(default_factory=list)  # seconds of each sampling step
    cpu_steps: list[float] = field(default_factory=list)
    _stage: str = ""
    _began: tuple[float, float] = (0.0, 0.0)
    _ticked: tuple[float, float] = (0.0, 0.0)

    def begin(self, stage: str) -> None:
        """End the stage before, if there was one, and begin the next."""
        self.end()
        self.memory.forget()
        self._stage = stage
        self._began = self._ticked = _read_clocks()

    def tick(self) -> None:
        """One step of the current stage is done."""
        self.memory.wait()
        before, self._ticked = self._ticked, _read_clocks()
        self.steps.append(self._ticked[0] - before[0])
        self.cpu_steps.append(self._ticked[1] - before[1])

    def end(self) -> None:
        """End the last stage."""
        self.memory.wait()
        if self._stage:
            wall, cpu = _read_clocks()
            self.seconds[self._stage] = wall - self._began[0]
            self.cpu_seconds[self._stage] = cpu - self._began[1]
            self.peaks[self._stage] = self.memory.peak()
        self._stage = ""


def _read_clocks() -> tuple[float, float]:
    """On the wall, and of this process."""
    return time.perf_counter(), time.process_time()


def _trim() -> None:
    """Have the allocator give back what it keeps of the work before, where it is glibc's."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _read_resident(name: str) -> int:
    if not STATUS.exists():
        return 0
    match = re.search(rf"^{name}:\s+(\d+) kB", STATUS.read_text(encoding="ascii"), re.MULTILINE)
    return 1024 * int(match[1]) if match else 0
