"""What is left when something goes wrong on the way: the user's work is kept, the user's files are untouched."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from lib_svd.animate import Destination, animate, order
from lib_svd.checkpoints import recognise
from lib_svd.errors import BadCheckpoint
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.request import ClipRequest
from lib_svd.video import probe
from tests.conftest import Ran, read_frames_in, snapshot, start

HANG_IN_DECODER = """
import time
from lib_svd.engine.vae import VaeDecoder
steps = VaeDecoder.decode_steps
def hanging(*given, **how):
    for step in steps(*given, **how):
        yield step
        if step.number > 3:
            print("decoding", flush=True)
            time.sleep(600)
VaeDecoder.decode_steps = hanging
"""
WAIT_FOR_THE_OTHER = """
import time
from pathlib import Path
from lib_svd.engine.vae import VaeDecoder
steps = VaeDecoder.decode_steps
def waiting(*given, **how):
    Path("ready", sys.argv[-1]).touch()
    while len(list(Path("ready").iterdir())) < 2:
        time.sleep(0.01)
    return steps(*given, **how)
VaeDecoder.decode_steps = waiting
"""


@pytest.fixture
def words(checkpoint, picture) -> list[object]:
    """A short clip of one seed."""
    return ["animate", picture, "--checkpoint", checkpoint, "--seed", 5, "--quiet"]


@pytest.fixture
def expected(here, words, lib_svd) -> npt.NDArray[np.uint8]:
    """The frames of that clip, made where nothing goes wrong."""
    (here / "good").mkdir()
    assert lib_svd(*words, "--out", "good/clip.mp4", "--frames-dir", "good/frames").code == 0
    return read_frames_in(here / "good" / "frames")


def assert_told(ran: Ran, *expected: str) -> None:
    """One line on standard error that holds these words, and no traceback."""
    assert (ran.code, ran.out) == (1, "")
    assert len(ran.err.splitlines()) == 1, ran.err
    assert ran.err.startswith("Error: ")
    assert [words for words in expected if words not in ran.err] == []


def list_files(folder: Path) -> list[str]:
    """Everything but the clip that shows what is expected."""
    return [path for path in sorted(snapshot(folder)) if not path.startswith("good")]


def resume(ran: Ran, lib_svd: Callable[..., Ran]) -> Ran:
    """Do as the error says."""
    command = re.search(r"this goes on from there: python -m lib_svd (.*)$", ran.err.strip())
    assert command is not None, ran.err
    return lib_svd(*command[1].split(), "--out", "again.mp4", "--frames-dir", "again", "--quiet")


def test_a_run_that_is_killed_while_decoding_can_be_finished(here, checkpoint, words, expected, lib_svd):
    with start(*words, "--out", "clip.mp4", cwd=here, first=HANG_IN_DECODER) as running:
        assert running.stdout.readline() == "decoding\n"
        running.kill()
    assert list_files(here) == ["clip.latents.safetensors"]
    again = ["--checkpoint", checkpoint, "--out", "clip.mp4", "--frames-dir", "frames"]
    assert lib_svd("animate", "--from-latents", "clip.latents.safetensors", *again).code == 0
    assert np.array_equal(read_frames_in(here / "frames"), expected)
    assert Path("clip.txt").read_bytes() == Path("good/clip.txt").read_bytes()


def test_a_failing_encoder_keeps_the_frames_and_the_latents(here, words, expected, lib_svd, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(write_failing_ffmpeg(here / "good")))
    ran = lib_svd(*words, "--out", "clip.mp4")
    assert_told(ran, "The video could not be made: ffmpeg stopped with code 3", "The 5 frames are kept", "clip_frames")
    assert list_files(here) == [
        *("clip.latents.safetensors", "clip_frames"),
        *(f"clip_frames/{number:05d}.png" for number in range(5)),
    ]
    assert np.array_equal(read_frames_in(here / "clip_frames"), expected)
    monkeypatch.delenv("IMAGEIO_FFMPEG_EXE")
    assert resume(ran, lib_svd).code == 0
    assert np.array_equal(read_frames_in(here / "again"), expected)


def write_failing_ffmpeg(folder: Path) -> Path:
    """The real one, but it cannot encode."""
    script = folder / "ffmpeg"
    real = f"os.execv({get_ffmpeg_exe()!r}, ['ffmpeg', *sys.argv[1:]])"
    script.write_text(f"#!{sys.executable}\nimport os, sys\nif 'pipe:0' in sys.argv: sys.exit(3)\n{real}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def refuse_for_space() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def fill_disk(monkeypatch: pytest.MonkeyPatch, is_full: Callable[[int], bool]) -> Iterator[None]:
    """A disk that is full at those calls of fsync, counted from 1."""
    fsync, calls = os.fsync, count(1)

    def sync(descriptor: int) -> None:
        if is_full(next(calls)):
            refuse_for_space()
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", sync)
        yield


def test_a_disk_that_fills_up_with_the_video_costs_nothing_but_the_place(
    here, words, expected, lib_svd, monkeypatch, data_folder
):
    with fill_disk(monkeypatch, lambda call: call == 2):  # the first are the latents
        ran = lib_svd(*words, "--out", "clip.mp4", "--frames-dir", "clip", "--json")
    said = json.loads(ran.out)
    assert (ran.code, said["path"]) == (0, str(data_folder / "clip.mp4"))
    assert said["notes"] == [
        f"The clip could not be written to . (No space left on device), so it is saved as {said['path']}."
    ]
    assert np.array_equal(read_frames_in(data_folder / "clip"), expected)
    assert list_files(here) == []


def test_a_disk_that_has_room_for_the_latents_alone_keeps_them(here, words, expected, lib_svd, monkeypatch):
    with fill_disk(monkeypatch, lambda call: call > 1):
        ran = lib_svd(*words, "--out", "clip.mp4")
    assert_told(ran, "No space left on device", "Nor could its frames be kept", "make room", "Sampling is not lost")
    assert list_files(here) == ["clip.latents.safetensors"]
    assert resume(ran, lib_svd).code == 0
    assert np.array_equal(read_frames_in(here / "again"), expected)


def test_a_disk_that_is_full_leaves_nothing_and_says_so(here, words, lib_svd, monkeypatch):
    def fill_up(*_given: object, **_named: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fill_up)
    monkeypatch.setattr("safetensors.torch.save_file", fill_up)
    ran = lib_svd(*words, "--out", "clip.mp4")
    assert_told(ran, "No space left on device", "Nor could its frames be kept", "make room")
    assert "Sampling is not lost" not in ran.err
    assert list_files(here) == []


def test_two_runs_to_one_name_make_two_clips(here, checkpoint, picture):
    (here / "ready").mkdir()
    runs = [
        start(
            *("animate", picture, "--checkpoint", checkpoint, "--out", "clip.mp4", "--json", "--seed", seed),
            cwd=here,
            first=f"import sys{WAIT_FOR_THE_OTHER}",
        )
        for seed in (1, 2)
    ]
    said = [running.communicate(timeout=120) for running in runs]
    assert [(running.returncode, err) for running, (_, err) in zip(runs, said, strict=True)] == [(0, ""), (0, "")]
    found = {json.loads(out)["settings"]["seed"]: json.loads(out) for out, _ in said}
    assert {clip["path"] for clip in found.values()} == {"clip.mp4", "clip-svd-0001.mp4"}
    for seed, clip in found.items():
        path = here / clip["path"]
        assert ClipRequest.from_infotext(probe(path).metadata["comment"]).seed == seed
        assert path.with_suffix(".txt").read_text("utf-8") == clip["infotext"]
        assert any("appeared while" in note for note in clip["notes"]) is (path.name != "clip.mp4")
    assert [path for path in list_files(here) if not path.startswith("ready")] == [
        *("clip-svd-0001.json", "clip-svd-0001.mp4", "clip-svd-0001.txt", "clip.json", "clip.mp4", "clip.txt")
    ]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: path.unlink(), r"^svd\.safetensors is not in .*check the name"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1000]), r"^svd\.safetensors was changed .*load it again\.$"),
        (lambda path: path.write_bytes(path.read_bytes()[::-1]), r"^svd\.safetensors was changed .*load it again\.$"),
    ],
    ids=["deleted", "cut", "replaced"],
)
def test_a_model_that_changes_before_it_is_loaded_is_refused(here, checkpoint, picture, harm, words):
    path = here / "svd.safetensors"
    path.write_bytes(checkpoint.read_bytes())
    os.utime(path, (1, 1))
    asked = order(ClipRequest(), picture, recognise(path), Destination(out=here / "clip.mp4"))
    harm(path)
    after = snapshot(here)
    with pytest.raises(BadCheckpoint, match=words):
        animate(asked, make_standalone_host("cpu"))
    assert snapshot(here) == after


def test_files_with_names_like_ours_are_untouched(here, words, expected, lib_svd):
    names = ["clip.latents.safetensors", "clip-2.latents.safetensors", "clip.mp4.part", ".clip.mp4.part", "clip.tags"]
    names += [".svd-0123456789abcdef.mp4", ".clip.latents.safetensors.1.part", "clip.png", "00000.png", "clip_frames"]
    for name in names:
        (here / name).write_bytes(b"mine")
    ran = lib_svd(*words, "--out", "clip.mp4", "--frames-dir", "frames", "--save-latents", "l.safetensors")
    assert ran.code == 0, ran.err
    after = snapshot(here)
    assert {name: after[name] for name in names} == dict.fromkeys(names, b"mine")
    new = {"clip.mp4", "clip.txt", "clip.json", "l.safetensors", "frames", *(f"frames/{n:05d}.png" for n in range(5))}
    assert set(list_files(here)) == {*names, *new}


def test_frames_that_are_kept_do_not_mix_with_others(here, words, expected, lib_svd, monkeypatch):
    (here / "clip_frames").mkdir()
    (here / "clip_frames" / "00000.png").write_bytes(b"mine")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(write_failing_ffmpeg(here / "good")))
    assert_told(lib_svd(*words, "--out", "clip.mp4"), "The 5 frames are kept", "clip_frames-2")
    assert snapshot(here / "clip_frames") == {"00000.png": b"mine"}
    assert np.array_equal(read_frames_in(here / "clip_frames-2"), expected)
