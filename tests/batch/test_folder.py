"""Which files of a folder are taken for pictures, in which order, and when."""

from __future__ import annotations

import os

import pytest

from lib_svd.batch import folder as module
from lib_svd.batch.folder import PATIENCE, Folder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "b" / ".cache").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    names = ("a10.png", "A9.JPG", "a1.heic", "b/c.webp", "b/.cache/d.png", ".e.png", "out/f.gif", "g.txt", "h", "i.mp4")
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    return tmp_path


@pytest.fixture
def clock(monkeypatch):
    """Seconds that have passed, as the folder is told."""
    passed = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: passed[0])
    return passed


def of(folder, *, recursive=False, patience=0.0):
    return Folder(folder, recursive=recursive, apart=folder / "out", patience=patience)


def test_pictures_are_told_by_their_endings_in_natural_order(folder):
    assert of(folder).take() == ["a1.heic", "A9.JPG", "a10.png"]


def test_folders_are_looked_into_but_for_hidden_ones_and_that_of_the_clips(folder):
    assert of(folder, recursive=True).take() == ["a1.heic", "A9.JPG", "a10.png", "b/c.webp"]


def test_what_would_keep_its_reader_waiting_is_no_picture(folder):
    os.mkfifo(folder / "pipe.png")
    (folder / "link.png").symlink_to(folder / "nowhere")
    assert of(folder).take() == ["a1.heic", "A9.JPG", "a10.png"]


def test_each_is_given_once_and_again_when_it_has_changed(folder):
    watched = of(folder)
    watched.take()
    assert watched.take() == []
    (folder / "a10.png").write_bytes(b"another")
    (folder / "new.png").write_bytes(b"x")
    assert watched.take() == ["a10.png", "new.png"]


def test_a_file_is_not_taken_until_it_has_not_changed_for_a_while(folder, clock):
    watched = of(folder, patience=PATIENCE)
    assert watched.take() == []
    clock[0] += PATIENCE
    assert len(watched.take()) == 3
    for length in (2, 3, 4):  # it grows
        (folder / "new.png").write_bytes(b"x" * length)
        assert watched.take() == []
        clock[0] += 0.9 * PATIENCE
    assert watched.take() == []
    clock[0] += 0.2 * PATIENCE
    assert watched.take() == ["new.png"]


def test_a_picture_that_comes_back_as_it_was_is_not_looked_at_again(folder, clock):
    watched = of(folder)
    watched.take()
    (folder / "a10.png").rename(folder / "kept")
    assert watched.take() == []
    (folder / "kept").rename(folder / "a10.png")
    assert watched.take() == []
