"""A clip as a moving picture: what a viewer finds in it, and that it never costs the clip."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lib_svd.clip import Clip
from lib_svd.video import COPIES, probe, save

FRAMES = np.stack([np.full((32, 48, 3), (60 * i, 255 - 60 * i, 128), np.uint8) for i in range(4)])
CLIP = Clip(frames=FRAMES, fps=8, infotext="Steps: 25, SVD frames: 4")


@pytest.mark.parametrize("kind", COPIES)
def test_it_has_every_frame_at_the_clips_pace_and_plays_for_ever(tmp_path, kind):
    saved = save(CLIP, tmp_path / "clip.mp4", copies=[kind])
    assert saved.copies == (tmp_path / f"clip.{kind}",)
    with Image.open(saved.copies[0]) as moving:
        assert moving.n_frames == 4
        assert moving.info["loop"] == 0
        for number, frame in enumerate(FRAMES):
            moving.seek(number)
            shown = np.asarray(moving.convert("RGB")).astype(int)
            assert abs(shown - frame).max() <= 6
            moving.load()
            assert 120 <= moving.info["duration"] <= 130


def test_nothing_but_the_clip_is_written_unless_asked_for(tmp_path):
    assert save(CLIP, tmp_path / "clip.mp4").copies == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "clip.txt"]


def test_a_users_file_of_that_name_is_left_alone_and_told(tmp_path):
    (tmp_path / "clip.gif").write_bytes(b"mine")
    saved = save(CLIP, tmp_path / "clip.mp4", copies=["gif", "webp"])
    assert (tmp_path / "clip.gif").read_bytes() == b"mine"
    assert [path.name for path in saved.copies] == ["clip.webp"]
    assert saved.notes == ("clip.gif is there already and was left as it is.",)


def test_a_copy_that_cannot_be_written_does_not_cost_the_clip(tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lib_svd.video.copies._save", full)
    saved = save(CLIP, tmp_path / "clip.mp4", copies=["gif"])
    assert probe(saved.video).num_frames == 4
    assert saved.copies == ()
    assert saved.notes == (
        "clip.gif could not be written ([Errno 28] No space left on device); the clip itself is saved.",
    )
