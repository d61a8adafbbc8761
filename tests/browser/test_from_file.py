"""A file that carries settings, dropped on the tab, moves the controls."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from lib_svd.clip import Clip
from lib_svd.video import Encoding, save
from tests.browser.tab import find_part
from tests.requests import complete

REQUEST = complete(motion_bucket_id=93, seed=11, num_steps=7, noise_aug_strength=0.03)


@pytest.fixture
def files(tmp_path):
    clip = Clip(frames=np.full((3, 64, 64, 3), 90, np.uint8), fps=7, infotext=REQUEST.write_infotext())
    copies = [Encoding.read(name) for name in ("webp",)]
    saved = save(clip, tmp_path / "clip.mp4", copies=copies)
    return {path.suffix: path for path in (saved.video, saved.video.with_suffix(".txt"), *saved.copies)}


@pytest.mark.parametrize("suffix", [".mp4", ".webp"])
def test_settings_come_out_of_any_file(tab_of_a_new_user, files, suffix):
    tab = tab_of_a_new_user
    find_part(tab, "from_file").get_by_text("Settings out of a file").click()
    find_part(tab, "settings_file", "input[type=file]").set_input_files(files[suffix])
    expect(find_part(tab, "settings_said")).to_contain_text(
        f"The settings are those of clip{''.join(files[suffix].suffixes)} now."
    )
    expect(find_part(tab, "motion_bucket_id", "input[type=number]")).to_have_value("93")
    expect(find_part(tab, "seed", "input[type=number]")).to_have_value("11")
    expect(find_part(tab, "noise_aug_strength", "input[type=number]")).to_have_value("0.03")


def test_a_file_without_settings_is_a_sentence(tab_of_a_new_user, tmp_path):
    tab = tab_of_a_new_user
    (tmp_path / "list.m3u8").write_text("#EXTM3U\nfile:///etc/hostname\n")
    find_part(tab, "from_file").get_by_text("Settings out of a file").click()
    find_part(tab, "settings_file", "input[type=file]").set_input_files(tmp_path / "list.m3u8")
    expect(find_part(tab, "settings_said")).to_contain_text("This is no clip that is taken here")
