"""Several workers on one batch, some of which are lost, busy or fail: each clip is made once, or it is said why not."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from lib_svd.batch.drive import Batch
from lib_svd.batch.fleet import Fleet
from lib_svd.batch.item import Wish
from lib_svd.batch.shelf import Shelf
from lib_svd.batch.worker import Away, FailedThere
from lib_svd.checkpoints import recognise
from lib_svd.errors import BadRequest, Interrupted
from lib_svd.request import ClipRequest
from tests.batch.test_drive import Faked, states
from tests.conftest import save_picture


class Elsewhere(Faked):
    """A worker in a place of its own, which meets what it was told to meet at its clips, one after the other."""

    share = 0.0

    def __init__(self, shelf, place, *faults, stop=None, seconds=0.01, checks=()):
        super().__init__(shelf)
        self.place, self.met, self.seconds, self.checks = place, list(faults), seconds, list(checks)
        self.stop = stop or threading.Event()

    def check(self):
        if self.checks and (fault := self.checks.pop(0)) is not None:
            raise fault

    def make(self, item):
        time.sleep(self.seconds)
        if self.stop.is_set():
            raise Interrupted("The batch was stopped.")
        if self.met and (fault := self.met.pop(0)) is not None:
            self.asked.append(item.name)
            raise fault
        return super().make(item)


def lost(seconds=0.01):
    return Away("It does not answer.", seconds, is_lost=True)


@pytest.fixture
def batch(tmp_path, checkpoint):
    """Six pictures, a to f."""
    (tmp_path / "clips").mkdir()
    for number, name in enumerate("abcdef"):
        save_picture(tmp_path / f"{name}.png", 100 + number, 64)
    wish = Wish(request=ClipRequest(), checkpoint=recognise(checkpoint), has_seed=False)
    begun = Batch(Shelf(tmp_path / "clips"), lambda name: [wish], lambda outcome: None)
    begun.add(tmp_path, [f"{name}.png" for name in "abcdef"], lambda number: None)
    return begun


def run(batch, *workers, patience=0.5, stop=None):
    """Let workers make a batch; gives what was said."""
    said = []
    Fleet(batch, workers, stop or threading.Event(), said.append, lambda able, share: None, patience).run()
    return said


def count_clips(batch):
    """How often each picture's clip is there."""
    return Counter(path.name[0] for path in batch.shelf.folder.glob("*.mp4"))


def test_what_a_lost_worker_had_in_hand_is_made_by_others(batch):
    said = run(batch, Elsewhere(batch.shelf, "one"), Elsewhere(batch.shelf, "two", lost(60)))
    assert set(states(batch).values()) == {"MADE"}
    assert count_clips(batch) == dict.fromkeys("abcdef", 1)
    assert said == ["It does not answer. This is tried again as long as there is work."]


def test_a_worker_that_is_there_again_takes_its_share(batch):
    back = Elsewhere(batch.shelf, "two", lost(), checks=[None, lost(), lost()])
    run(batch, Elsewhere(batch.shelf, "one", seconds=0.3), back)
    assert count_clips(batch) == dict.fromkeys("abcdef", 1)
    assert len(back.asked) > 2


def test_who_is_faster_makes_more(batch):
    slow, fast = Elsewhere(batch.shelf, "slow", seconds=1), Elsewhere(batch.shelf, "fast")
    run(batch, slow, fast)
    assert (len(slow.asked), len(fast.asked)) == (1, 5)


def test_the_last_clips_do_not_wait_where_one_is_made_already(batch):
    slow = [Elsewhere(batch.shelf, "slow", seconds=1) for _ in range(2)]
    fast = [Elsewhere(batch.shelf, "fast") for _ in range(2)]
    run(batch, *slow, *fast)
    assert sum(len(each.asked) for each in slow) <= 2
    assert set(states(batch).values()) == {"MADE"}


def test_a_clip_that_ends_worker_after_worker_is_given_up(batch):
    only = Elsewhere(batch.shelf, "one", lost(), lost(), lost())
    run(batch, only, patience=30)
    assert states(batch) == {"a": "FAILED", **dict.fromkeys("bcdef", "MADE")}
    why = next(each.said[0] for each in batch.outcomes if each.picture == "a.png")
    assert why == (
        "What was making the clip was lost 3 times, and it may be the clip that does it: try it alone. "
        "It does not answer."
    )


def test_a_worker_that_is_only_busy_is_asked_again_for_as_long_as_it_takes(batch):
    busy = [Away("Too many wait.", 0.01, is_lost=False)] * 80
    assert run(batch, Elsewhere(batch.shelf, "one", *busy), patience=0.2) == []
    assert set(states(batch).values()) == {"MADE"}


def test_what_failed_in_one_place_is_made_in_another(batch):
    small = Elsewhere(batch.shelf, "small", *[FailedThere("No room there.")] * 6)
    run(batch, small, Elsewhere(batch.shelf, "large", seconds=0.1))
    assert set(states(batch).values()) == {"MADE"}
    assert max(Counter(small.asked).values()) == 1


def test_what_failed_everywhere_says_why_in_each_place(batch):
    run(
        batch,
        Elsewhere(batch.shelf, "one", *[FailedThere("one has no room.")] * 6),
        Elsewhere(batch.shelf, "two", *[FailedThere("two has no room.")] * 6),
    )
    assert set(states(batch).values()) == {"FAILED"}
    for outcome in batch.outcomes:
        assert sorted(outcome.said[0].rstrip(".").split(". ")) == ["one has no room", "two has no room"]


def test_what_failed_in_one_place_says_so_where_the_others_are_lost(batch):
    small = Elsewhere(batch.shelf, "small", FailedThere("No room there."), seconds=0.05)
    with_nobody = Elsewhere(batch.shelf, "large", checks=[lost(60)] * 9)
    run(batch, small, with_nobody)
    assert Counter(states(batch).values()) == {"MADE": 5, "FAILED": 1}
    assert [each.said for each in batch.outcomes if each.clip is None] == [("No room there.",)]


def test_where_all_are_lost_the_rest_waits_and_is_counted(batch):
    one = Elsewhere(batch.shelf, "one", None, lost(60))
    with pytest.raises(Away, match=r"Nothing is left that makes clips, and 5 are to be made.* does not answer\."):
        run(batch, one)
    assert Counter(states(batch).values()) == {"MADE": 1, "PLANNED": 5}
    run(batch, Elsewhere(batch.shelf, "one"))
    assert count_clips(batch) == dict.fromkeys("abcdef", 1)


def test_who_stops_it_stops_all_and_loses_nothing(batch):
    stop = threading.Event()
    workers = [Elsewhere(batch.shelf, place, stop=stop, seconds=0.2) for place in "xyz"]
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Interrupted):
        run(batch, *workers, stop=stop)
    assert set(states(batch).values()) == {"MADE", "PLANNED"}
    assert sorted(states(batch)) == list("abcdef")
    assert all(worker.cancelled for worker in workers)


def test_what_cannot_be_used_is_said_at_once_and_nobody_at_all_is_refused(batch):
    said, stop = [], threading.Event()
    workers = [Elsewhere(batch.shelf, "one"), Elsewhere(batch.shelf, "two", checks=[lost()])]
    Fleet(batch, workers, stop, said.append, lambda *given: None).check()
    assert said == ["It does not answer. This is tried again as long as there is work."]
    workers = [Elsewhere(batch.shelf, "one", checks=[lost()])]
    with pytest.raises(BadRequest, match=r"^It does not answer\.$"):
        Fleet(batch, workers, stop, said.append, lambda *given: None).check()


def test_a_fault_of_our_own_ends_the_batch_and_is_told(batch, caplog):
    with pytest.raises(ZeroDivisionError):
        run(
            batch,
            Elsewhere(batch.shelf, "one", seconds=0.2),
            Elsewhere(batch.shelf, "two", checks=[ZeroDivisionError()]),
        )
    assert "Traceback" in caplog.text
