"""Clips to save, an ffmpeg that misbehaves, and the check that nothing is left behind by any test here."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from lib_svd.clip import Clip, Frames

REAL = imageio_ffmpeg.get_ffmpeg_exe()

_FAKE = """#!{python}
import os, subprocess, sys, time
REAL = {real!r}
asked = sys.argv[1:]
{looking}
if "pipe:0" not in asked:
    sys.exit(subprocess.call([REAL, *asked]))
out = asked[-1].removeprefix("file:")
{encoding}
"""


@pytest.fixture(autouse=True)
def nothing_is_left(programs: list[subprocess.Popen[bytes]], tmp_path: Path) -> Iterator[None]:
    """After a test nothing that it started runs, and no hidden file is left anywhere."""
    yield
    assert list(tmp_path.rglob(".*")) == []


@pytest.fixture
def ffmpeg() -> str:
    """The ffmpeg that imageio-ffmpeg brings."""
    return REAL


@pytest.fixture
def new_clip() -> Callable[..., Clip]:
    """A clip of a bright square that moves over a gradient."""

    def make(
        num_frames: int = 5, height: int = 40, width: int = 72, fps: int = 7, infotext: str = "Steps: 25, Seed: 1"
    ) -> Clip:
        frames = np.zeros((num_frames, height, width, 3), np.uint8)
        frames[..., 0] = np.linspace(0, 255, width, dtype=np.uint8)
        frames[..., 1] = np.linspace(0, 255, height, dtype=np.uint8)[:, None]
        for number in range(num_frames):
            left = 4 * number % (width - 8)
            frames[number, 8:16, left : left + 8] = 255
        return Clip(frames=frames, fps=fps, infotext=infotext)

    return make


@pytest.fixture
def fake_ffmpeg(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put an ffmpeg in place that does `encoding` when it is to encode, and is the real one otherwise."""

    def make(encoding: str, looking: str = "") -> Path:
        folder = tmp_path_factory.mktemp("fake")
        script = folder / "ffmpeg.py"
        script.write_text(_FAKE.format(python=sys.executable, real=REAL, looking=looking, encoding=encoding))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        if os.name == "nt":
            batch = folder / "ffmpeg.cmd"
            batch.write_text(f'@"{sys.executable}" "{script}" %*\n')
            script = batch
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(script))
        return script

    return make


class _Eventful(np.ndarray):
    """Frames during whose streaming something happens."""

    at: int
    event: Callable[[], None] | None

    def __iter__(self):
        for number, frame in enumerate(np.asarray(self)):
            if number == self.at and self.event:
                event, self.event = self.event, None  # once: frames are gone through again when they are kept
                event()
            yield frame


@pytest.fixture
def during() -> Callable[[Clip, int, Callable[[], None]], Clip]:
    """The clip, with `event` happening just before frame number `at` is handed to ffmpeg."""

    def make(clip: Clip, at: int, event: Callable[[], None]) -> Clip:
        frames: Frames = clip.frames.view(_Eventful)
        frames.at, frames.event = at, event  # type: ignore[attr-defined]
        return Clip(frames=frames, fps=clip.fps, infotext=clip.infotext)

    return make
