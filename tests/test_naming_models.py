"""A clip names its model for good: the file may be moved, get another name, or a namesake."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from lib_svd.checkpoints import is_made_with
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.infotext import read_infotext
from lib_svd.request import ClipRequest, add_mark, split_mark
from lib_svd.studio import Studio
from lib_svd.testing import write_checkpoint
from lib_svd.ui.offered import Offered
from lib_svd.video import read_frames
from tests.conftest import NARROW, SELF_DESCRIBED

NAME = "svd_xt.safetensors"
SMALL = ["--steps", 2, "--frames", 2, "--seed", 1, "--quiet"]


@pytest.fixture
def models(here: Path) -> Path:
    """Two models of one name and other weights, in two folders."""
    for seed, folder in enumerate("ab"):
        (here / "models" / folder).mkdir(parents=True)
        write_checkpoint(
            here / "models" / folder / NAME, NARROW, seed=seed, metadata={"svd.family": "svd_xt", **SELF_DESCRIBED}
        )
    return here / "models"


@pytest.fixture
def clip_of_b(models, picture, lib_svd) -> Path:
    made = lib_svd("animate", picture, "--checkpoint", "b/svd_xt", "--save-latents", "l.safetensors", "--out", "b.mp4",
                   *SMALL)  # fmt: skip
    assert made.code == 0, made.err
    return Path("b.mp4")


def are_same(one: str | Path, other: str | Path) -> bool:
    return bool(np.array_equal(read_frames(Path(one))[0], read_frames(Path(other))[0]))


def test_the_same_settings_give_the_same_clip_though_another_model_has_its_name(clip_of_b, picture, lib_svd):
    again = lib_svd("animate", picture, "--like", clip_of_b, "--out", "again.mp4", "--quiet")
    assert again.code == 0, again.err
    assert are_same("again.mp4", clip_of_b)
    decoded = lib_svd("animate", "--from-latents", "l.safetensors", "--out", "decoded.mp4", "--quiet")
    assert decoded.code == 0, decoded.err
    assert are_same("decoded.mp4", clip_of_b)
    other = lib_svd("animate", picture, "--like", clip_of_b, "--checkpoint", "a/svd_xt", "--out", "a.mp4", "--quiet")
    assert other.code == 0, other.err
    assert not are_same("a.mp4", clip_of_b)


def test_it_is_found_under_another_name_in_another_folder(clip_of_b, models, picture, lib_svd):
    (models / "c").mkdir()
    shutil.move(models / "b" / NAME, models / "c" / "mine.safetensors")
    again = lib_svd("animate", picture, "--like", clip_of_b, "--out", "again.mp4", "--quiet")
    assert again.code == 0, again.err
    assert are_same("again.mp4", clip_of_b)
    assert "model" not in again.err


def test_where_it_is_gone_its_namesake_is_taken_and_said_to_be_another(clip_of_b, models, picture, lib_svd):
    (models / "b" / NAME).unlink()
    again = lib_svd("animate", picture, "--like", clip_of_b, "--out", "again.mp4", "--quiet")
    assert again.code == 0
    assert "The model that made that clip is not there: svd_xt.safetensors is another file" in again.err
    (models / "a" / NAME).unlink()
    gone = lib_svd("animate", picture, "--like", clip_of_b, "--out", "gone.mp4", "--quiet")
    assert gone.code == 2
    assert "No model is called 'svd_xt.safetensors'" in gone.err


def test_a_name_that_fits_two_is_said_to(models, picture, lib_svd):
    made = lib_svd("animate", picture, "--checkpoint", NAME, "--out", "a.mp4", *SMALL)
    assert made.code == 0, made.err
    assert re.search(r"More than one model is called so: this is \S*a/svd_xt.safetensors; say --checkpoint with the "
                     r"whole path for \S*b/svd_xt.safetensors\.", made.err)  # fmt: skip


def test_a_page_chooses_the_model_of_a_clip_that_is_brought_back(clip_of_b, models, tmp_path):
    studio = Studio(make_standalone_host("cpu", model_dirs=(models,), output_dir=tmp_path / "clips"))
    called = ClipRequest.from_infotext(read_infotext(clip_of_b)).checkpoint
    offered = Offered(studio)
    assert offered.find_meant(called) == f"b/{NAME}"
    assert is_made_with(called, studio.find_checkpoint(called))
    assert studio.find_checkpoint(called).path.parent.name == "b"
    assert offered.find_meant("nowhere.safetensors [0123456789]") == ""


def test_a_model_that_went_meanwhile_hides_no_other(clip_of_b, models, tmp_path):
    offered = Offered(Studio(make_standalone_host("cpu", model_dirs=(models,), output_dir=tmp_path / "clips")))
    (models / "a" / NAME).unlink()
    assert offered.find_meant(ClipRequest.from_infotext(read_infotext(clip_of_b)).checkpoint) == f"b/{NAME}"


def test_a_models_own_name_may_have_brackets():
    name = "mine [v2].safetensors"
    assert split_mark(add_mark(name, "0123456789")) == (name, "0123456789")
    assert split_mark(name) == (name, "")
