from __future__ import annotations
from typing import Any, Protocol


class Smoother(Protocol):
    name: str


def smoothed(
    frames: Any, fps: int, to_fps: int, smoother: Smoother, *, closed: bool = False, speed: Any = 1, report: Any = None
) -> Any:
    raise NotImplementedError


def smoother_called(name: str, host: Any) -> Smoother:
    raise NotImplementedError
