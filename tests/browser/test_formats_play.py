"""Clips in other formats in a real browser: what is said to play there does, and in its colours."""

from __future__ import annotations

import numpy as np
import pytest

from lib_svd.clip import Clip
from lib_svd.video import FORMATS, Encoding, save
from tests.browser.test_clip_plays import COLOURS, LOAD, NEAR, PLAY, SHOW, make_coloured

BROWSER = [name for name, row in FORMATS.items() if "browsers" in row.played_by or row.muxer == "gif"]
VIDEOS = [name for name in BROWSER if FORMATS[name].suffix.endswith((".mp4", ".webm"))]
PICTURES = [name for name in BROWSER if name not in VIDEOS]

DRAW = """(source) => new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        const colours = [];
        for (let x = 8; x < canvas.width; x += 16)
            colours.push([...context.getImageData(x, 20, 1, 1).data].slice(0, 3));
        resolve(colours);
    };
    image.onerror = () => reject(new Error("it is no picture"));
    image.src = source;
})"""


@pytest.fixture
def address_of(page, serve, tmp_path):
    """Save a clip in a format, beside an empty page that is open; gives its address."""
    address = serve(tmp_path)

    def save_clip(frames: np.ndarray, name: str, fps: int = 5) -> str:
        clip = Clip(frames=frames, fps=fps, infotext="Steps: 25, SVD frames: 7")
        (path,) = save(clip, tmp_path / "clip.mp4", copies=[Encoding.read(name)]).copies
        (tmp_path / "page.html").write_text("<!doctype html><title>clip</title><body></body>")
        page.goto(f"{address}/page.html")
        return f"{address}/{path.name}"

    return save_clip


def test_the_table_names_what_plays_in_browsers():
    assert {"av1", "webm", "av1-webm", "gif", "webp", "webp-lossless", "apng", "avif"} == set(BROWSER)


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_plays_to_its_end_in_its_colours(address_of, page, name):
    found = page.evaluate(LOAD, address_of(make_coloured(COLOURS, 72, 40), name))
    assert found["error"] is None
    assert found["duration"] == pytest.approx(len(COLOURS) / 5, abs=0.02)
    shown = [page.evaluate(SHOW, [(number + 0.5) / 5, 36, 20]) for number in range(len(COLOURS))]
    assert (np.abs(np.array(shown) - COLOURS) <= NEAR).all(), f"shown {shown}"
    assert page.evaluate(PLAY) == pytest.approx(len(COLOURS) / 5, abs=0.02)


@pytest.mark.parametrize("name", PICTURES)
def test_a_moving_picture_shows_its_colours(address_of, page, name):
    frames = np.zeros((3, 40, 16 * len(COLOURS), 3), np.uint8)
    for number, colour in enumerate(COLOURS):
        frames[:, :, 16 * number : 16 * number + 16] = colour
    frames[1, :8] = 255
    shown = page.evaluate(DRAW, address_of(frames, name))
    assert (np.abs(np.array(shown) - COLOURS) <= NEAR).all(), f"shown {shown}"
