"""The worker of this machine goes on from whatever a program that was killed has left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib_svd import animate
from lib_svd.animate import Destination
from lib_svd.batch.item import Wish, look
from lib_svd.batch.local import LocalWorker
from lib_svd.batch.shelf import Shelf, is_noted
from lib_svd.checkpoints import recognise
from lib_svd.errors import BadPicture
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.jobs import history
from lib_svd.latents import save_latents
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio
from lib_svd.video import read_frames
from tests.conftest import save_picture

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def item(picture, checkpoint):
    """One clip of a picture, of three frames."""
    wish = Wish(request=ClipRequest(num_frames=3, num_steps=1), checkpoint=recognise(checkpoint), has_seed=False)
    return look(picture, picture.name, [wish])[0]


@pytest.fixture
def sampled(monkeypatch):
    """The latents of each clip that is sampled."""
    real, found = animate.sample_in_segments, []

    def sample(*given):
        for latents in real(*given):
            found.append(latents)
            yield latents

    monkeypatch.setattr(animate, "sample_in_segments", sample)
    return found


@pytest.fixture
def shelf(tmp_path):
    (tmp_path / "clips").mkdir()
    return Shelf(tmp_path / "clips")


def worker_of(shelf):
    return LocalWorker(Studio(make_standalone_host("cpu", "float32")), shelf, lambda out: Destination(out=out))


@pytest.fixture
def made(item, tmp_path, sampled):
    """The frames of the clip where nobody is killed; what was sampled for them is in `sampled`."""
    (tmp_path / "whole").mkdir()
    return read_frames(worker_of(Shelf(tmp_path / "whole")).make(item).clip)[0]


def test_kept_latents_are_decoded_and_the_clip_is_noted_as_any_other(shelf, item, sampled, made):
    name = shelf.choose_name(item).with_suffix("")
    for number, latents in enumerate((sampled[0] * 0, sampled[0])):
        request = item.request if number else item.request.replace(seed=1)  # the first ones are of another clip
        save_latents(latents, request.write_infotext(), name.with_name(f"{name.name}-{number + 2}.latents.safetensors"))
    outcome = worker_of(shelf).make(item)
    assert len(sampled) == 1
    assert np.array_equal(read_frames(outcome.clip)[0], made)
    entry = history.find_entry(outcome.clip)
    assert (entry.picture, entry.measures["speed"] is None) == (str(item.picture), False)
    shelf.drop_latents({item.key})
    assert {path.suffix for path in shelf.folder.iterdir()} == {".mp4", ".txt", ".json"}


def test_latents_that_are_damaged_cost_no_more_than_sampling_again(shelf, item, sampled, made):
    name = shelf.choose_name(item)
    name.with_name(f"{name.stem}.latents.safetensors").write_bytes(b"damaged")
    outcome = worker_of(shelf).make(item)
    assert len(sampled) == 2
    assert np.array_equal(read_frames(outcome.clip)[0], made)


def test_a_clip_that_was_not_noted_yet_is_measured_and_not_made_again(shelf, item, sampled):
    first = worker_of(shelf).make(item)
    first.clip.with_suffix(".json").unlink()
    again = worker_of(shelf).make(item)
    assert (again.clip, len(sampled)) == (first.clip, 1)
    assert is_noted(first.clip)
    assert history.find_entry(first.clip).measures["speed"] is not None


def test_a_picture_that_is_another_one_by_now_is_refused(shelf, picture, checkpoint, tmp_path):
    mine = save_picture(tmp_path / "mine.png", 150, 100)
    wish = Wish(request=ClipRequest(), checkpoint=recognise(checkpoint), has_seed=False)
    (item,) = look(mine, "mine.png", [wish])
    save_picture(mine, 100, 150)
    with pytest.raises(BadPicture, match=r"mine\.png was changed after it had been looked at: start again\."):
        worker_of(shelf).make(item)
    mine.unlink()
    with pytest.raises(BadPicture, match=r"mine\.png cannot be read any more \(No such file or directory\)"):
        worker_of(shelf).make(item)


def test_a_clip_is_claimed_by_one_and_by_nobody_once_its_program_is_gone(shelf, item, tmp_path):
    with shelf.claim(item.key) as first, Shelf(shelf.folder).claim(item.key) as second, shelf.claim("other") as other:
        assert (first, second, other) == (True, False, True)
        (mine,) = [path for path in shelf.folder.glob(f".svd-*/{item.key}")][:1]
        machine = mine.parent.name.split("-")[1]
    dead = shelf.folder / f".svd-{machine}-999999999-1-01234567"
    dead.mkdir()
    (dead / item.key).touch()
    with shelf.claim(item.key) as again:
        assert again


@pytest.mark.parametrize("name", ["x" * 240, "é" * 120, "\udcff", "a.b", "-x-svd-0007"])
def test_a_clip_is_named_after_its_picture_as_far_as_disks_take_it(shelf, item, name):
    path = shelf.choose_name(replace(item, name=f"more/{name}.png"))
    path.touch()
    assert len(path.with_suffix(".latents.safetensors").name.encode()) < 200
    assert shelf.find_clips() == {item.key: path}
