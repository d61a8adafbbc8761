"""A saved clip plays in a real browser: all of it, at its size, in its colours."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from lib_svd.clip import Clip
from lib_svd.video import save

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255), (230, 120, 20)]
GREYS = [(0, 0, 0), (128, 128, 128), (255, 255, 255)]
# Without a graphics card Chromium converts with libyuv, whose bt709 table takes 2.0 for the 2.112 of blue (`UB 128` in
# libyuv's row_common.cc): 12 too little at most. The file itself is right, see tests/video.
NEAR = (4, 4, 13)

LOAD = """(source) => new Promise((resolve) => {
    const video = document.createElement("video");
    video.muted = true;
    video.onloadeddata = () => resolve({width: video.videoWidth, height: video.videoHeight,
                                        duration: video.duration, error: null});
    video.onerror = () => resolve({error: video.error.message});
    video.src = source;
    document.body.replaceChildren(video);
})"""

SHOW = """([second, x, y]) => new Promise((resolve) => {
    const video = document.querySelector("video");
    const draw = () => {
        if (video.readyState < 2) return requestAnimationFrame(draw);  // its place is known before its picture
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
        const context = canvas.getContext("2d");
        context.drawImage(video, 0, 0);
        resolve([...context.getImageData(x, y, 1, 1).data].slice(0, 3));
    };
    video.onseeked = () => requestAnimationFrame(() => requestAnimationFrame(draw));
    video.currentTime = second;
})"""

PLAY = """() => new Promise((resolve, reject) => {
    const video = document.querySelector("video");
    video.onended = () => resolve(video.currentTime);
    video.onerror = () => reject(new Error(video.error.message));
    video.currentTime = 0;
    video.playbackRate = 4;
    video.play().catch(reject);
})"""


@pytest.fixture
def load(page, serve, tmp_path):
    """Save a clip and load it into the page's video; gives what the browser says of it."""
    address = serve(tmp_path)

    def load_clip(frames: np.ndarray, fps: int) -> dict[str, object]:
        save(Clip(frames=frames, fps=fps, infotext="Steps: 25"), tmp_path / "clip.mp4")
        (tmp_path / "page.html").write_text("<!doctype html><title>clip</title><body></body>")
        page.goto(f"{address}/page.html")
        return page.evaluate(LOAD, f"{address}/clip.mp4")

    return load_clip


def make_coloured(colours: list[tuple[int, int, int]], width: int, height: int) -> np.ndarray:
    """One frame of each colour, [T, H, W, 3]."""
    frames = np.array(colours, np.uint8)[:, None, None, :]
    return np.ascontiguousarray(np.broadcast_to(frames, (len(colours), height, width, 3)))


@pytest.mark.parametrize(
    ("num_frames", "fps", "width", "height"),
    [(14, 7, 1024, 576), (25, 30, 72, 40), (1, 7, 72, 40), (1, 1, 64, 64), (2, 1, 576, 1024), (3, 24, 16, 8)],
)
def test_a_clip_loads_and_plays_to_its_end(load, page, num_frames, fps, width, height):
    found = load(make_coloured([(40 * number % 256, 90, 200) for number in range(num_frames)], width, height), fps)
    assert found["error"] is None
    assert (found["width"], found["height"]) == (width, height)
    assert found["duration"] == pytest.approx(num_frames / fps, abs=1e-3)
    assert page.evaluate(PLAY) == pytest.approx(num_frames / fps, abs=1e-3)


def test_every_frame_shows_its_own_colour(load, page):
    wanted = COLOURS + GREYS
    assert load(make_coloured(wanted, 72, 40), 5)["error"] is None
    shown = [page.evaluate(SHOW, [(number + 0.5) / 5, 36, 20]) for number in range(len(wanted))]
    assert (np.abs(np.array(shown) - wanted) <= NEAR).all(), f"shown {shown}"


def test_colours_by_the_wrong_matrix_would_be_noticed(load, page, monkeypatch):
    right = "lib_svd.video.encode._TO_BT709"
    monkeypatch.setattr(right, importlib.import_module("lib_svd.video.encode")._TO_BT709.replace("x=bt709", "x=bt601"))
    load(make_coloured(COLOURS, 72, 40), 5)
    shown = page.evaluate(SHOW, [1.5 / 5, 36, 20])
    assert (np.abs(np.array(shown) - COLOURS[1]) > 30).any(), f"shown {shown}"


def test_colours_stand_where_they_stood(load, page):
    frames = np.zeros((1, 64, 128, 3), np.uint8)
    frames[:, :32, :64], frames[:, :32, 64:], frames[:, 32:, :64] = COLOURS[:3]
    load(frames, 7)
    shown = [page.evaluate(SHOW, [0, x, y]) for x, y in ((32, 16), (96, 16), (32, 48), (96, 48))]
    assert (np.abs(np.array(shown) - [*COLOURS[:3], (0, 0, 0)]) <= NEAR).all(), f"shown {shown}"


def test_a_file_that_is_no_video_is_noticed(page, serve, tmp_path):
    """The check itself: a browser that takes anything would prove nothing above."""
    (tmp_path / "page.html").write_text("<!doctype html><body></body>")
    (tmp_path / "clip.mp4").write_bytes(b"no video" * 100)
    address = serve(tmp_path)
    page.goto(f"{address}/page.html")
    assert page.evaluate(LOAD, f"{address}/clip.mp4")["error"]
