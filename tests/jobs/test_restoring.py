"""A clip of the history comes back as it was when it had just been made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib_svd import video
from lib_svd.clip import Clip, SavedClip
from lib_svd.errors import BadInput
from lib_svd.jobs import history, restore_entry
from lib_svd.request import CompleteRequest
from tests.conftest import read_frames_in
from tests.requests import complete

SETTINGS = complete(
    num_frames=4, width=96, height=64, fps=9, seed=5, background="#ff0000", checkpoint="svd_xt.safetensors"
)


@pytest.fixture
def saved(tmp_path) -> SavedClip:
    frames = np.random.default_rng(1).integers(0, 255, (4, 64, 96, 3), np.uint8)
    clip = Clip(frames=frames, fps=9, infotext=SETTINGS.write_infotext())
    return video.save(clip, tmp_path / "a.mp4", tmp_path / "a")


def bring_back(saved: SavedClip, picture: str):
    return restore_entry(history.remember(saved.video, SETTINGS, picture, None))


def test_settings_frames_and_text_are_the_clips_own(saved, picture):
    found = bring_back(saved, str(picture))
    assert CompleteRequest(**found.settings) == SETTINGS
    assert np.array_equal(found.saved.clip.frames, saved.clip.frames)
    assert found.saved.frames == saved.frames
    assert (found.saved.clip.fps, found.saved.clip.infotext) == (9, saved.clip.infotext)
    assert (found.saved.video, found.saved.notes) == (saved.video, ())


def test_without_frames_of_its_own_they_are_those_of_the_video(saved, picture):
    for path in saved.frames:
        path.unlink()
    found = bring_back(saved, str(picture))
    assert np.array_equal(found.saved.clip.frames, video.read_frames(saved.video)[0])
    assert found.saved.frames == ()


def test_frames_of_another_clip_are_not_taken_for_its_own(saved, picture, tmp_path):
    other = Clip(frames=255 - saved.clip.frames, fps=9, infotext=SETTINGS.replace(seed=6).write_infotext())
    again = video.save(other, tmp_path / "b.mp4")
    (tmp_path / "a").rename(tmp_path / "b")
    assert bring_back(again, str(picture)).saved.frames == ()


def test_frames_behind_a_link_are_not_taken(saved, picture, tmp_path):
    (tmp_path / "a").rename(tmp_path / "else")
    (tmp_path / "a").symlink_to(tmp_path / "else")
    assert bring_back(saved, str(picture)).saved.frames == ()


def test_a_picture_is_upright_and_seen_through_to_the_clips_background(saved, tmp_path):
    lying = Image.new("RGBA", (96, 64), (0, 0, 255, 0))
    exif = lying.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    lying.save(tmp_path / "lying.png", exif=exif)
    found = bring_back(saved, str(tmp_path / "lying.png")).picture
    assert (found.mode, found.size, found.getpixel((0, 0))) == ("RGB", (64, 96), (255, 0, 0))


@pytest.mark.parametrize(("where", "why"), [("", "is not known"), ("/gone/a.png", "is not there any more")])
def test_a_picture_that_is_gone_is_a_note(saved, where, why):
    found = bring_back(saved, where)
    assert found.picture is None
    (note,) = found.saved.notes
    assert why in note


def test_a_clip_that_is_known_by_its_text_alone_comes_back_too(saved):
    found = restore_entry(history.find_entry(saved.video))
    assert CompleteRequest(**found.settings) == SETTINGS


def test_clips_that_say_nothing_or_are_damaged_are_refused_with_a_sentence(tmp_path, saved):
    bare = Path(tmp_path / "b.mp4")
    bare.write_bytes(b"no video")
    with pytest.raises(BadInput, match=r"b\.mp4"):
        restore_entry(history.find_entry(bare))
    saved.frames[0].write_bytes(b"no picture")
    with pytest.raises(BadInput, match=r"00000\.png cannot be read"):
        restore_entry(history.find_entry(saved.video))


def test_settings_of_another_version_are_refused_with_a_sentence(saved):
    entry = history.remember(saved.video, SETTINGS, "", None)
    with pytest.raises(BadInput, match="FPS must be from 1"):
        restore_entry(history.Entry(**{**vars(entry), "settings": {**entry.settings, "fps": 900}}))


def test_the_frames_on_disk_are_read_in_their_order(saved, picture):
    assert np.array_equal(bring_back(saved, str(picture)).saved.clip.frames, read_frames_in(saved.frames[0].parent))
