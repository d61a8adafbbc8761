"""Killed at every step of writing: nothing half is under a final name, and the next start finishes or removes the rest.

Each step is a call of the system that makes, names or removes something, in a program that kills itself there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib_svd.files import finish_left, make_hidden_names
from lib_svd.latents import load_latents
from lib_svd.video import check_output, probe
from tests.conftest import snapshot

ROOT = Path(__file__).parents[1]
WRITE_UNTIL_KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
import torch
from lib_svd import files
from lib_svd.clip import Clip
from lib_svd.latents import save_latents

from lib_svd.video import Encoding, save
from tests.killing import kill_at
from tests.requests import complete

folder, what, links = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "links"
clip = Clip(frames=np.full((2, 16, 16, 3), 99, np.uint8), fps=7, infotext="Steps: 25, SVD frames: 2")

def refuse_links(name, *given):
    if name == "link" and not links:
        raise PermissionError(1, "no links on this disk")

def write(here):
    if what == "clip":
        save(clip, here / "clip.mp4", here / "clip", [Encoding.read("gif")])
    else:
        infotext = complete(num_frames=2).write_infotext()
        save_latents(torch.zeros(2, 4, 2, 2), infotext, here / "clip.latents.safetensors")

step = killed = 1
while killed:
    here = folder / f"{step:03d}"
    here.mkdir()
    child = os.fork()
    if not child:
        kill_at(step, refuse_links)
        write(here)
        os._exit(0)
    killed = os.waitpid(child, 0)[1]
    step += 1
print(step - 2)
"""


def kill_at_each_step(folder: Path, what: str, links: str) -> list[Path]:
    """A folder for each step at which a program was killed that wrote there."""
    words = [sys.executable, "-c", WRITE_UNTIL_KILLED, folder, what, links]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    folders = sorted(folder.iterdir())
    assert len(folders) == int(ran.stdout) + 1  # the last one was not killed
    return folders


def assert_whole(folder: Path) -> None:
    """What has a final name is whole, be it under a number."""
    for path in folder.iterdir():
        if path.suffix == ".mp4":
            assert probe(path).num_frames == 2
            assert path.with_suffix(".txt").read_text() == "Steps: 25, SVD frames: 2"
        if path.is_dir():
            frames = [np.asarray(Image.open(frame)) for frame in sorted(path.iterdir())]
            assert np.array_equal(np.stack(frames), np.full((2, 16, 16, 3), 99, np.uint8))
        if path.suffix == ".safetensors":
            assert load_latents(path).latents.shape == (2, 4, 2, 2)


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no SIGKILL")


@needs_fork
@pytest.mark.parametrize("links", ["links", "no links"])
def test_a_clip_is_there_whole_or_not_at_all(tmp_path, links):
    folders = kill_at_each_step(tmp_path, "clip", links)
    assert len(folders) > 15
    whole = ["clip", "clip/00000.png", "clip/00001.png", "clip.mp4", "clip.txt"]
    finished = 0
    for folder in folders:
        finish_left(folder)
        assert_whole(folder)
        there = sorted(name for name in snapshot(folder) if not name.endswith(".gif"))
        assert there in ([], sorted(whole)), folder
        finished += bool(there)
    assert finished > 5
    assert (folders[-1] / "clip.gif").is_file()


@needs_fork
@pytest.mark.parametrize("links", ["links", "no links"])
def test_latents_are_there_whole_or_not_at_all(tmp_path, links):
    folders = kill_at_each_step(tmp_path, "latents", links)
    for folder in folders:
        check_output(folder / "next.mp4", None)  # what every start does first
        assert_whole(folder)
        assert list(snapshot(folder)) in ([], ["clip.latents.safetensors"])
    assert [list(snapshot(folder)) != [] for folder in folders] == sorted(list(snapshot(f)) != [] for f in folders)


def test_what_a_running_program_writes_is_left_alone(tmp_path):
    with make_hidden_names(tmp_path) as hidden:
        hidden(".mp4").write_bytes(b"half")
        finish_left(tmp_path)
        assert hidden(".mp4").read_bytes() == b"half"
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("name", [".svd-0123456789abcdef", ".svd-mine", ".svd-01234567-1-1-x"])
def test_folders_with_names_like_ours_are_left_alone(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine").write_bytes(b"mine")
    finish_left(tmp_path)
    assert (tmp_path / name / "mine").read_bytes() == b"mine"


def leave_by_a_kill(folder: Path, names: str) -> Path:
    """A hidden folder of a program of this machine that ended, with a list of names."""
    with make_hidden_names(folder) as hidden:
        machine = hidden("").parent.name.split("-")[1]
    made = folder / f".svd-{machine}-999999999-1-01234567"
    made.mkdir()
    (made / "unfinished.mp4").write_bytes(b"whole")
    (made / "names.json").write_text(names)
    return made


@pytest.mark.parametrize("names", ["[]", "3", "{", '{"unfinished.mp4": 3}', '{"../a.mp4": "b.mp4"}'])
def test_a_list_of_names_that_is_none_stops_no_start(tmp_path, names):
    (tmp_path / "a.mp4").write_bytes(b"theirs")
    leave_by_a_kill(tmp_path, names)
    check_output(tmp_path / "clip.mp4", None)
    assert (tmp_path / "a.mp4").read_bytes() == b"theirs"


def test_a_name_that_was_taken_since_the_kill_is_not_overwritten_and_leads_nowhere_else(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "clip.mp4").write_bytes(b"theirs")
    leave_by_a_kill(tmp_path / "clips", '{"unfinished.mp4": "../clip.mp4"}')
    finish_left(tmp_path / "clips")
    assert snapshot(tmp_path) == {
        "clips": None,
        "clips/clip.mp4": b"theirs",
        "clips/clip-svd-0001.mp4": b"whole",
    }
