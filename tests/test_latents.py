"""Latents on disk: whole or not at all, never over another file, and refused where they cannot be a clip's."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lib_svd.errors import BadInput, BadOutput, DecodeFailed, EncodeFailed, Interrupted
from lib_svd.latents import check_latents, keep_latents, load_latents, save_latents
from tests.conftest import snapshot
from tests.requests import complete

REQUEST = complete(num_frames=3, seed=9, checkpoint="a, b.safetensors")
TEXT = REQUEST.write_infotext()
AGAIN = ("--checkpoint", "models/my svd.safetensors", "--also", "gif")


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(3, 4, 8, 16, generator=torch.Generator().manual_seed(0))


def test_latents_come_back_to_the_bit_with_their_settings(here, latents):
    save_latents(latents, TEXT, here / "l.safetensors")
    saved = load_latents(here / "l.safetensors")
    assert torch.equal(saved.latents, latents)
    assert saved.request == REQUEST
    assert sorted(snapshot(here)) == ["l.safetensors"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_they_are_kept_in_float32(here, latents, dtype):
    save_latents(latents.to(dtype).transpose(2, 3), REQUEST.write_infotext(), here / "l.safetensors")
    assert load_latents(here / "l.safetensors").latents.dtype == torch.float32
    with safe_open(here / "l.safetensors", framework="pt") as file:
        assert file.metadata() == {"parameters": REQUEST.write_infotext()}


def test_no_file_is_overwritten(here, latents):
    (here / "l.safetensors").write_bytes(b"mine")
    with pytest.raises(BadOutput, match="exists already and is not overwritten: choose another name"):
        save_latents(latents, TEXT, here / "l.safetensors")
    assert snapshot(here) == {"l.safetensors": b"mine"}


def test_a_disk_that_fills_up_leaves_nothing(here, latents, monkeypatch):
    def fill_up(_tensors, path, **_named):
        Path(path).write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", fill_up)
    with pytest.raises(BadOutput, match=r"No space left on device.*make room or choose another"):
        save_latents(latents, TEXT, here / "l.safetensors")
    assert snapshot(here) == {}


def test_stopped_while_writing_leaves_nothing(here, latents, monkeypatch):
    def stop(_tensors, path, **_named):
        Path(path).write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr("safetensors.torch.save_file", stop)
    with pytest.raises(KeyboardInterrupt):
        save_latents(latents, TEXT, here / "l.safetensors")
    assert snapshot(here) == {}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("taken.safetensors", "taken.safetensors exists already"),
        ("none/l.safetensors", "none for the latents is not there: make it first"),
        ("l.pt", "does not end in .safetensors"),
        ("taken.safetensors/l.safetensors", "is not there: make it first"),
        ("x" * 300 + ".safetensors", "cannot be written"),
        ("a\0b.safetensors", "cannot be written"),
    ],
)
def test_a_bad_place_is_refused(here, name, words):
    (here / "taken.safetensors").write_bytes(b"mine")
    with pytest.raises(BadOutput) as caught:
        check_latents(here / name)
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")
    assert snapshot(here) == {"taken.safetensors": b"mine"}


def test_a_good_place_is_left_as_it_was(here):
    check_latents(here / "l.safetensors")
    check_latents(Path("L.SAFETENSORS"))
    assert snapshot(here) == {}


def write_broken(latents: torch.Tensor) -> dict[str, dict[str, object]]:
    """Files that hold no latents of a clip."""
    parameters = {"parameters": REQUEST.write_infotext()}
    return {
        "another name": {"tensors": {"x": latents}, "metadata": parameters},
        "no settings": {"tensors": {"latents": latents}},
        "settings out of range": {"tensors": {"latents": latents}, "metadata": {"parameters": "Steps: 0"}},
        "other frames": {"tensors": {"latents": latents[:2].clone()}, "metadata": parameters},
        "a frame": {"tensors": {"latents": latents[0].clone()}, "metadata": parameters},
        "whole numbers": {"tensors": {"latents": latents.int()}, "metadata": parameters},
    }


@pytest.mark.parametrize("kind", sorted(write_broken(torch.zeros(3, 4, 8, 16))))
def test_files_that_hold_no_latents_are_refused(here, latents, kind):
    made = write_broken(latents)[kind]
    save_file(made["tensors"], here / "l.safetensors", made.get("metadata"))
    with pytest.raises(BadInput, match=r"l\.safetensors holds no latents of a clip: give a file that --save-latents"):
        load_latents(here / "l.safetensors")


@pytest.mark.parametrize("content", [b"", b"Steps: 3", bytes(100), b"\x50\0\0\0\0\0\0\0{"])
def test_files_that_are_no_tensors_are_refused(here, content):
    (here / "l.safetensors").write_bytes(content)
    with pytest.raises(BadInput, match=r"l\.safetensors holds no latents of a clip"):
        load_latents(here / "l.safetensors")


@contextmanager
def keep(latents, out):
    """Keep a clip's latents during the work inside; gives the clip's name."""
    with keep_latents(out, AGAIN) as keeper:
        keeper.keep(latents, TEXT)
        yield keeper.name


def test_kept_latents_are_there_during_the_work_and_gone_after_it(here, latents):
    with keep(latents, here / "clip.mp4"):
        assert torch.equal(load_latents(here / "clip.latents.safetensors").latents, latents)
    assert snapshot(here) == {}


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Interrupted("Decoding was stopped.")])
def test_who_stops_the_work_wants_nothing_left(here, latents, stop):
    with pytest.raises(type(stop)), keep(latents, here / "clip.mp4"):
        raise stop
    assert snapshot(here) == {}


def test_an_error_of_the_work_says_how_to_go_on(here, latents):
    with pytest.raises(EncodeFailed) as caught, keep(latents, here / "my clip.mp4"):
        raise EncodeFailed("The video could not be made.")
    path = here / "my clip.latents.safetensors"
    command = f"python -m lib_svd animate --from-latents '{path}' --checkpoint 'models/my svd.safetensors' --also gif"
    assert str(caught.value) == (
        f"The video could not be made. Sampling is not lost, this goes on from there: {command}"
    )
    assert path.exists()


def test_an_error_of_ours_becomes_a_sentence(here, latents):
    with (
        pytest.raises(DecodeFailed, match=r"could not be finished \(KeyError: 'x'\)\. Sampling is not lost"),
        keep(latents, here / "clip.mp4"),
    ):
        raise KeyError("x")


def test_names_that_are_taken_are_passed_over(here, latents):
    for name in ("clip.latents.safetensors", "clip-2.latents.safetensors"):
        (here / name).write_bytes(b"mine")
    with (
        pytest.raises(DecodeFailed, match=r"clip-3\.latents\.safetensors"),
        keep(latents, here / "clip.mp4"),
    ):
        raise ValueError
    assert {path: content for path, content in snapshot(here).items() if content == b"mine"}.keys() == {
        *("clip.latents.safetensors", "clip-2.latents.safetensors")
    }


def test_a_name_that_is_taken_just_now_is_passed_over(here, latents, monkeypatch):
    hardlink_to = Path.hardlink_to

    def take_first(path, *given, **named):
        if path.name == "clip.latents.safetensors":
            path.write_bytes(b"theirs")
        return hardlink_to(path, *given, **named)

    monkeypatch.setattr(Path, "hardlink_to", take_first)
    with keep(latents, here / "clip.mp4"):
        assert (here / "clip-2.latents.safetensors").exists()
    assert snapshot(here) == {"clip.latents.safetensors": b"theirs"}


def test_no_room_for_latents_does_not_stop_the_work(here, latents, monkeypatch):
    def fill_up(*_given, **_named):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("safetensors.torch.save_file", fill_up)
    with keep(latents, here / "clip.mp4"):
        assert snapshot(here) == {}
    with pytest.raises(ValueError, match="as it was"), keep(latents, here / "clip.mp4"):
        raise ValueError("as it was")


def lose(folder: Path, error: Exception) -> None:
    shutil.rmtree(folder)
    raise error


def test_latents_whose_folder_is_gone_are_in_the_second_place_and_the_error_names_it(here, latents, data_folder):
    (here / "clips").mkdir()
    with pytest.raises(DecodeFailed) as caught, keep(latents, here / "clips" / "clip.mp4"):
        lose(here / "clips", ValueError())
    path = data_folder / "clip.latents.safetensors"
    assert f"--from-latents {path} " in str(caught.value)
    assert torch.equal(load_latents(path).latents, latents)


def test_where_nothing_can_be_kept_the_error_names_no_file(here, latents, monkeypatch):
    (here / "clips").mkdir()
    monkeypatch.setattr("lib_svd.places.list_second_places", lambda: iter(()))
    with (
        pytest.raises(EncodeFailed, match=r"^as it was$"),
        keep(latents, here / "clips" / "clip.mp4"),
    ):
        lose(here / "clips", EncodeFailed("as it was"))


def test_a_numbered_name_that_was_taken_since_it_was_chosen_is_left_to_its_clip(here, latents):
    out = here / "clip-svd-0001.mp4"
    with (
        keep(latents, out) as first,
        keep(latents, out) as second,
    ):
        assert [first.name, second.name] == ["clip-svd-0001.mp4", "clip-svd-0002.mp4"]
        assert sorted(snapshot(here)) == [f"clip-svd-000{number}.latents.safetensors" for number in (1, 2)]
    (here / "clip-svd-0001.json").write_text("{}")
    with keep(latents, out) as third:
        assert third.name == "clip-svd-0002.mp4"
