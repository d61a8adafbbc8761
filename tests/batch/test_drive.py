"""The loop between a batch and any worker: whatever becomes of a clip, the next one is begun."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lib_svd.batch.drive import Batch, drive
from lib_svd.batch.item import Wish
from lib_svd.batch.shelf import Shelf
from lib_svd.batch.worker import Outcome, State
from lib_svd.checkpoints import recognise
from lib_svd.errors import BadOutput, ClipNotSaved, Interrupted, OutOfMemory
from lib_svd.request import ClipRequest
from tests.conftest import save_picture


class Faked:
    """A worker that notes what it is asked for, and meets what it was told to meet."""

    place = ""

    def __init__(self, shelf: Shelf, **faults: BaseException) -> None:
        self.shelf, self.faults = shelf, faults
        self.asked: list[str] = []
        self.cancelled = False

    def make(self, item):
        self.asked.append(item.name)
        if (fault := self.faults.pop(Path(item.name).stem, None)) is not None:
            raise fault
        clip = self.shelf.choose_name(item)
        for suffix in (".mp4", ".json"):
            clip.with_suffix(suffix).touch()
        return Outcome(picture=item.name, state=State.MADE, item=item, clip=clip, seconds=1)

    def cancel(self):
        self.cancelled = True


@pytest.fixture
def folder(tmp_path):
    """Four pictures, a to d."""
    for number, name in enumerate("abcd"):
        save_picture(tmp_path / f"{name}.png", 100 + number, 64)
    return tmp_path


@pytest.fixture
def shelf(tmp_path):
    (tmp_path / "clips").mkdir()
    return Shelf(tmp_path / "clips")


@pytest.fixture
def begin(folder, shelf, checkpoint_of):
    """A batch of the four pictures, or of some of them, each by a model of its own, or all by one."""

    def batch(names="abcd", models=None):
        wishes = {
            f"{name}.png": Wish(request=ClipRequest(), checkpoint=recognise(checkpoint_of(model)), has_seed=False)
            for name, model in zip(names, models or ["svd_xt"] * 4, strict=False)
        }
        begun = Batch(shelf, lambda name: [wishes[name]], lambda outcome: None)
        begun.add(folder, list(wishes), lambda number: None)
        return begun

    return batch


def states(batch: Batch) -> dict[str, str]:
    return {each.picture[0]: each.state.name for each in batch.outcomes}


def test_each_fault_costs_one_clip(begin, shelf):
    faults = {"a": OutOfMemory("No room."), "b": ClipNotSaved("No disk."), "c": RuntimeError("A bug.")}
    batch, worker = begin(), Faked(shelf, **faults)
    drive(batch, worker)
    assert states(batch) == {"a": "FAILED", "b": "FAILED", "c": "FAILED", "d": "MADE"}
    assert [each.said for each in batch.outcomes] == [
        ("No room.",),
        ("No disk.",),
        ("The clip could not be made (RuntimeError: A bug): the log has more.",),
        (),
    ]
    batch = begin()
    drive(batch, worker)
    assert worker.asked == [*("a.png", "b.png", "c.png", "d.png"), *("a.png", "b.png", "c.png")]
    assert set(states(batch).values()) == {"MADE", "THERE"}


@pytest.mark.parametrize("stop", [Interrupted("Stopped."), KeyboardInterrupt()])
def test_who_stops_it_ends_it_and_loses_nothing(begin, shelf, stop):
    batch, worker = begin(), Faked(shelf, b=stop)
    with pytest.raises(type(stop)):
        drive(batch, worker)
    assert worker.cancelled
    assert states(batch) == {"a": "MADE", "b": "PLANNED", "c": "PLANNED", "d": "PLANNED"}
    drive(batch, worker)
    assert worker.asked == ["a.png", "b.png", "b.png", "c.png", "d.png"]


def test_what_another_program_makes_is_left_to_it_and_looked_for_last(begin, shelf):
    batch, worker = begin(), Faked(shelf)
    held = batch.waiting[0]
    release = threading.Event()

    def hold():
        with shelf.claim(held.key):
            release.wait(30)
            Faked(shelf).make(held)

    other = threading.Thread(target=hold)
    other.start()
    while not list(shelf.folder.glob(f".svd-*/{held.key}")):
        pass
    threading.Timer(1, release.set).start()
    drive(batch, worker)
    other.join()
    assert worker.asked == ["b.png", "c.png", "d.png"]
    assert states(batch) == {"a": "THERE", "b": "MADE", "c": "MADE", "d": "MADE"}


def test_several_workers_take_from_one_batch(begin, shelf):
    batch, workers = begin(), [Faked(shelf), Faked(shelf)]
    threads = [threading.Thread(target=drive, args=(batch, worker)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for worker in workers for name in worker.asked) == ["a.png", "b.png", "c.png", "d.png"]
    assert set(states(batch).values()) == {"MADE"}


def test_each_model_is_loaded_once(begin):
    batch = begin(models=["svd_xt", "sv3d_u", "svd_xt", "sv3d_u"])
    assert [item.name[0] for item in batch.waiting] == ["a", "c", "b", "d"]


def test_a_picture_that_changed_takes_the_place_of_what_it_was(begin, folder, shelf):
    batch = begin("ab")
    drive(batch, Faked(shelf, a=BadOutput("No.")))
    save_picture(folder / "a.png", 64, 100)
    batch.add(folder, ["a.png"], lambda number: None)
    assert states(batch) == {"a": "PLANNED", "b": "MADE"}
    save_picture(folder / "a.png", 64, 99)
    batch.add(folder, ["a.png"], lambda number: None)
    assert len(batch.outcomes) == 2
    drive(batch, Faked(shelf))
    assert states(batch) == {"a": "MADE", "b": "MADE"}
