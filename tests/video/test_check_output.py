"""Every place where a clip cannot go is refused in one sentence, before anything heavy is loaded."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lib_svd.errors import BadOutput
from lib_svd.files import hold_name
from lib_svd.video import check_output, find_free_name


def list_names(folder: Path) -> list[str]:
    """Of everything in a folder."""
    return sorted(path.name for path in folder.iterdir())


def refuse_touch(code: int):
    def touch(path: Path, *_given: object, **_named: object) -> None:
        raise OSError(code, os.strerror(code), str(path))

    return touch


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("clip.webm", r"name it clip\.mp4 and ask for VP9 \(webm\) beside it, --also webm"),
        ("clip", r"does not end in \.mp4"),
        (".mp4", r"does not end in \.mp4"),
        ("taken.mp4", r"taken\.mp4 exists already .* choose another name"),
        ("noted.mp4", r"noted\.txt exists already .* choose another name"),
        ("dangling.mp4", r"dangling\.mp4 exists already"),
        ("folder", r"is a folder: add a name"),
        ("folder.mp4", r"is a folder: add a name"),
        ("nowhere/clip.mp4", r"nowhere does not exist: make it first"),
        ("taken.mp4/clip.mp4", r"taken\.mp4 is a file, not a folder"),
        ("x" * 300 + ".mp4", r"too long"),
        ("x" * 245 + ".mp4", r"too long"),
        ("a\0b.mp4", r"cannot be written"),
    ],
)
def test_a_bad_place_for_the_clip_is_refused(tmp_path, out, reason):
    for name in ("taken.mp4", "noted.txt"):
        (tmp_path / name).touch()
    for name in ("folder", "folder.mp4"):
        (tmp_path / name).mkdir()
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "gone")
    before = list_names(tmp_path)
    with pytest.raises(BadOutput, match=reason) as caught:
        check_output(tmp_path / out, None)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    assert list_names(tmp_path) == before


@pytest.mark.parametrize(
    ("frames_dir", "reason"),
    [
        ("full", r"full is not empty"),
        ("file", r"file is a file"),
        ("nowhere/frames", r"nowhere does not exist"),
        ("file/frames", r"file is a file"),
        ("x" * 300, r"too long"),
    ],
)
def test_a_bad_place_for_the_frames_is_refused(tmp_path, frames_dir, reason):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    (tmp_path / "file").touch()
    with pytest.raises(BadOutput, match=reason):
        check_output(tmp_path / "clip.mp4", tmp_path / frames_dir)
    assert list_names(tmp_path) == ["file", "full"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
@pytest.mark.parametrize("frames_dir", [None, "frames"])
def test_a_folder_that_is_not_writable_is_refused(tmp_path, monkeypatch, code, frames_dir):
    monkeypatch.setattr(Path, "touch", refuse_touch(code))  # root may write everywhere, so chmod would not do
    with pytest.raises(BadOutput, match=r"not writable: choose another folder\.$"):
        check_output(tmp_path / "clip.mp4", frames_dir and tmp_path / frames_dir)


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="there is no /sys, where not even root may write")
def test_a_folder_that_is_really_not_writable_is_refused():
    with pytest.raises(BadOutput, match="cannot be written"):
        check_output(Path("/sys/kernel/clip.mp4"), None)


def test_a_disk_that_is_nearly_full_is_refused(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 3_000_000, 3_000_000))
    with pytest.raises(BadOutput, match=r"Only 3\.0 MB are free .*: make room"):
        check_output(tmp_path / "clip.mp4", None)


@pytest.mark.parametrize("frames_dir", [None, "frames", "empty", "."])
@pytest.mark.parametrize("out", ["clip.mp4", "CLIP.MP4", "a.b c.mp4", "日本🎈.mp4"])
def test_a_good_place_is_taken_and_left_as_it_was(tmp_path, out, frames_dir):
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder").mkdir()
    where = tmp_path if frames_dir != "." else tmp_path / "folder"
    check_output(where / out, frames_dir and where / frames_dir)
    assert list_names(tmp_path) == ["empty", "folder"]
    assert list_names(tmp_path / "empty") == []


def test_a_name_alone_means_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_output(Path("clip.mp4"), Path("frames"))
    assert list_names(tmp_path) == []


@pytest.mark.parametrize(
    ("there", "number"),
    [
        ([], "0001"),
        (["cat-svd-0001.mp4"], "0002"),
        (["cat-svd-0001.mp4", "cat-svd-0007.txt"], "0008"),
        (["cat-svd-0003_frames"], "0004"),
        (["Cat-SVD-0002.mp4"], "0003"),
        (["cat-svd-9999.mp4"], "10000"),
        (["dog-svd-0005.mp4", "cat-svd-12.mp4", "cat.mp4", "cat-svd-.mp4"], "0001"),
    ],
)
def test_the_next_name_is_one_above_the_highest(tmp_path, there, number):
    for name in there:
        (tmp_path / name).touch()
    assert find_free_name(tmp_path, "cat", ".mp4") == tmp_path / f"cat-svd-{number}.mp4"


def test_a_stem_is_no_pattern(tmp_path):
    (tmp_path / "a+(b-svd-0001.mp4").touch()
    assert find_free_name(tmp_path, "a+(b", ".mp4").name == "a+(b-svd-0002.mp4"


def test_a_folder_that_is_not_there_yet_has_every_name_free(tmp_path):
    assert find_free_name(tmp_path / "new", "cat", ".mp4") == tmp_path / "new" / "cat-svd-0001.mp4"


def test_a_name_is_held_by_one_at_a_time(tmp_path):
    """Eight at once, as programs that begin together; each holds its name until all have one."""
    together, apart = threading.Barrier(8), threading.Barrier(8)

    def hold(_: int) -> str:
        together.wait(60)
        with hold_name(tmp_path, "cat", ".mp4") as name:
            apart.wait(60)
            return name.name

    with ThreadPoolExecutor(8) as programs:
        names = sorted(programs.map(hold, range(8)))
    assert len({*names}) == 8, names
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_held_is_not_free_and_counts_no_more_when_it_was_not_used(tmp_path):
    (tmp_path / "cat-svd-0004.mp4").touch()
    with hold_name(tmp_path, "cat", ".mp4") as name:
        assert name.name == "cat-svd-0005.mp4"
        assert find_free_name(tmp_path, "cat", ".mp4").name == "cat-svd-0006.mp4"
        assert find_free_name(tmp_path, "dog", ".mp4").name == "dog-svd-0001.mp4"
    assert find_free_name(tmp_path, "cat", ".mp4").name == "cat-svd-0005.mp4"


def test_where_nothing_can_be_written_a_name_is_given_all_the_same(tmp_path):
    with hold_name(tmp_path / "gone", "cat", ".mp4") as name:
        assert name == tmp_path / "gone" / "cat-svd-0001.mp4"
    with pytest.raises(OSError, match="of the work inside"), hold_name(tmp_path, "cat", ".mp4"):
        raise OSError("of the work inside")
