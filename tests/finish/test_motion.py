"""ffmpeg's motion: better than blending, at any size, and what is said when it fails."""

from __future__ import annotations

import os
import stat
import sys
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from lib_svd.errors import Interrupted, SvdError
from lib_svd.finish import smooth
from lib_svd.finish.smooth import Motion, smooth_frames
from tests.finish.motions import Blend, make_moving, measure_decibels, read_photo

SOURCE = np.arange(7)


def list_places_of(count: int, step: Fraction) -> list[float]:
    """Where the frames of a smoothed clip of 7 stand."""
    return [min(float(number * step), 6.0) for number in range(count)]


@pytest.mark.parametrize(("to_fps", "speed"), [(14, 1), (28, 1), (16, 1), (24, 1), (30, 1), (7, 0.5)])
def test_it_is_nearer_to_what_was_there_than_blending(to_fps, speed):
    frames = make_moving(SOURCE)
    made, blended = (smooth_frames(frames, 7, to_fps, way, speed=speed) for way in (Motion(), Blend()))
    stand = list_places_of(len(made), Fraction(7) * Fraction(speed) / to_fps)
    between = [number for number, place in enumerate(stand) if place % 1]
    true = make_moving(stand)[between]
    assert measure_decibels(made[between], true) > measure_decibels(blended[between], true) + 3.5


@pytest.mark.parametrize(("width", "height"), [(203, 117), (187, 141)])
def test_the_last_rows_and_columns_move_too(width, height):
    """minterpolate itself only blends what lies beyond its last whole block of 16."""
    frames = make_moving(SOURCE, width, height)
    made, blended = (smooth_frames(frames, 7, 14, way)[1::2] for way in (Motion(), Blend()))
    true = make_moving(SOURCE[:-1] + 0.5, width, height)
    for part in (np.s_[:, -(height % 16) :, 16:-32], np.s_[:, 16:-32, -(width % 16) : -6]):
        assert measure_decibels(made[part], true[part]) > measure_decibels(blended[part], true[part]) + 2


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 5), (16, 16), (31, 33), (64, 1), (1, 64)])
@pytest.mark.parametrize("num_frames", [2, 3])
def test_it_takes_any_size(width, height, num_frames):
    frames = make_moving(range(num_frames), width, height)
    made = smooth_frames(frames, 7, 28, Motion())
    assert made.shape == (4 * num_frames - 3, height, width, 3)
    assert np.array_equal(made[::4], frames)
    low, high = np.minimum(frames[:-1], frames[1:]).min(), np.maximum(frames[:-1], frames[1:]).max()
    assert made.min() >= max(0, int(low) - 3)
    assert made.max() <= int(high) + 3


def test_what_stands_still_keeps_its_colours():
    still = np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)
    made = smooth_frames(np.stack([still] * 4), 7, 28, Motion()).astype(int) - still
    assert np.abs(made).max() <= 2
    assert np.abs(made.mean((0, 1, 2))).max() < 0.1


def test_a_loop_is_closed_by_motion():
    period = 12  # frames: a pattern that is the same after so many
    x = np.arange(192)
    frames = np.stack([128 + 100 * np.sin(2 * np.pi * (x / 48 - t / period))[None, :, None] for t in range(period)])
    frames = np.round(np.broadcast_to(frames, (period, 64, 192, 3))).astype(np.uint8)
    made = smooth_frames(frames, 7, 14, Motion(), closed=True)
    true = 128 + 100 * np.sin(2 * np.pi * (x / 48 - (period - 0.5) / period))
    assert np.abs(made[-1].astype(float) - true[None, :, None])[:, 8:-8].max() < 8


def test_across_a_cut_nothing_is_made():
    frames = np.stack([read_photo(number // 3) for number in range(6)])
    made = smooth_frames(frames, 7, 28, Motion())
    assert all(
        any(np.abs(frame.astype(int) - each).max() <= 2 for each in (read_photo(0), read_photo(1))) for frame in made
    )


@pytest.fixture
def fake_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a program in ffmpeg's place that does this with a clip of 8x8 grown to 32x32, or is the real one."""

    def make(doing: str) -> None:
        script = tmp_path / "ffmpeg.py"
        real = imageio_ffmpeg.get_ffmpeg_exe()
        lines = [f"#!{sys.executable}", "import os, subprocess, sys, time", "if 'pipe:0' not in sys.argv:"]
        lines += [f"    sys.exit(subprocess.call([{real!r}, *sys.argv[1:]]))", "out = sys.stdout.buffer", doing]
        script.write_text("\n".join(lines))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        if os.name == "nt":
            batch = tmp_path / "ffmpeg.cmd"
            batch.write_text(f'@"{sys.executable}" "{script}" %*\n')
            script = batch
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(script))

    return make


KILLED = "was killed by signal 9" if os.name != "nt" else "stopped"


@pytest.mark.parametrize(
    ("doing", "said"),
    [
        ("os.kill(os.getpid(), 9)", rf"could not be smoothed by motion: ffmpeg {KILLED} .*\)\.$"),
        ("out.write(bytes(192)); out.flush(); os.kill(os.getpid(), 9)", KILLED),
        ("out.write(bytes(200)); sys.exit('No such filter: minterpolate')", 'said "No such filter: minterpolate"'),
        ("sys.stdin.buffer.read(); out.write(bytes(2 * 192))", "gave 2 of 4 frames"),
        ("sys.stdin.buffer.read()", "gave 0 of 4 frames"),
        ("sys.stdin.close(); time.sleep(60)", "was not done after 0.5 s and was stopped"),
        ("time.sleep(60)", "was not done after 0.5 s and was stopped"),
    ],
)
def test_what_ffmpeg_does_wrong_is_a_sentence(fake_ffmpeg, monkeypatch, doing, said):
    monkeypatch.setattr(smooth, "PATIENCE", 0.5 if "sleep" in doing else 60.0)
    fake_ffmpeg(doing)
    with pytest.raises(SvdError, match=said):
        smooth_frames(make_moving([0, 0.1, 0.2], 8, 8), 7, 14, Motion())


def test_without_ffmpeg_it_is_said_what_to_do(monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    with pytest.raises(SvdError, match=r"ffmpeg cannot be started .*: run `pip install"):
        smooth_frames(make_moving([0, 0.1], 8, 8), 7, 14, Motion())


def test_who_stops_it_stops_ffmpeg(programs):
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Interrupted("Smoothing was stopped.")

    with pytest.raises(Interrupted) as stopped:
        smooth_frames(make_moving(range(30)), 7, 14, Motion(), report=stop)
    assert programs
    assert [program.poll() is None for program in programs] == [False] * len(programs)
    del stopped
