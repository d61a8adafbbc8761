"""What a machine has for making clips."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import torch

from lib_svd import __version__, video
from lib_svd.checkpoints import find_checkpoints
from lib_svd.hosts.standalone import StandaloneHost

PACKAGES = ("torch", "diffusers", "safetensors", "pillow", "imageio-ffmpeg", "click", "tqdm", "psutil")


def examine(model_dirs: list[Path]) -> dict[str, Any]:
    """Device, dtypes, memory, ffmpeg and its encoders, models; fit for JSON. Nothing is raised or loaded."""
    host = StandaloneHost()
    memory = psutil.virtual_memory()
    ffmpeg = video.encoders()
    return {
        "lib_svd": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "device": {
            "would be used": str(host.device()),
            "name": _device_name(host.device()),
            "memory free": _gigabytes(host.capacity()),
            "dtypes": {part: _short(host.dtype(part)) for part in ("vision", "encoder", "unet", "decoder")},
        },
        "memory": {"in all": _gigabytes(memory.total), "free": _gigabytes(memory.available)},
        "ffmpeg": {
            "path": ffmpeg.path or "none",
            "version": ffmpeg.version or "none",
            "H.264 encoders": list(ffmpeg.h264),
            "problem": ffmpeg.problem or "none",
        },
        "models": [str(path) for path in find_checkpoints(model_dirs)],
        "model folders": [str(folder) for folder in model_dirs],
        "packages": {name: _installed(name) for name in PACKAGES},
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB"


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
