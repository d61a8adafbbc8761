"""Files are read ahead of who uses them: in order, not too far, and never longer than they are wanted."""

from __future__ import annotations

import threading
import time
from importlib import import_module
from pathlib import Path

import pytest

from lib_svd.checkpoints import ahead, load, recognise
from lib_svd.checkpoints.ahead import ReadAhead
from tests.checkpoints.files import WritingHost

PIECE = 1000


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "PIECE", PIECE)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("a", "b")]
    for path in made:
        path.write_bytes(bytes(10 * PIECE))
    return made


def settled(reading: ReadAhead, wanted: int) -> int:
    """Bytes read once that many are, or after a while in which they were not."""
    until = time.monotonic() + 10
    while reading.read < wanted and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(0.02)  # it could go on
    return reading.read


def test_it_stays_so_far_ahead_and_goes_on_when_something_is_used(files: list[Path]) -> None:
    with ReadAhead(files, ahead=4 * PIECE) as reading:
        assert settled(reading, 4 * PIECE) == 4 * PIECE
        reading.used(3 * PIECE)
        assert settled(reading, 7 * PIECE) == 7 * PIECE
        reading.used(50 * PIECE)
        assert settled(reading, 20 * PIECE) == 20 * PIECE


def test_a_file_that_is_not_there_is_passed_over(files: list[Path], tmp_path: Path) -> None:
    with ReadAhead([tmp_path / "none", *files]) as reading:
        assert settled(reading, 20 * PIECE) == 20 * PIECE


def test_it_ends_with_its_context_however_that_ends(files: list[Path]) -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), ReadAhead(files, ahead=PIECE):
        raise ZeroDivisionError
    assert threading.active_count() == before


def test_a_checkpoint_is_read_once_ahead_while_it_is_loaded(native: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    class Watched(ReadAhead):
        def __exit__(self, *given: object) -> None:
            settled(self, native.stat().st_size)
            super().__exit__(*given)
            read.append(self.read)

    monkeypatch.setattr(import_module("lib_svd.checkpoints.load"), "ReadAhead", Watched)
    load(recognise(native), WritingHost())
    assert read == [native.stat().st_size]
