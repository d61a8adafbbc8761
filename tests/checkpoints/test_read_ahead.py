"""Weights are read ahead of who converts them: in order, not too far, and never longer than they are wanted."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
import torch

from lib_svd.checkpoints import ahead
from lib_svd.checkpoints.ahead import BUFFERS, Piece, ReadAhead
from lib_svd.checkpoints.header import read_stamp
from lib_svd.errors import BadCheckpoint

ROWS, ROW = 3 * BUFFERS, 5


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """A file of nothing but the numbers 0, 1, 2, ... in float32."""
    path = tmp_path / "numbers"
    path.write_bytes(torch.arange(ROWS * ROW, dtype=torch.float32).numpy().tobytes())
    return path


def make_pieces(path: Path, weight: torch.Tensor) -> list[Piece]:
    """A piece for each row of the weight."""
    return [Piece(read_stamp(path), 4 * ROW * index, torch.float32, row) for index, row in enumerate(weight.split(1))]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A word for every piece that the thread has read."""
    seen: list[int] = []
    read_into = ahead.read_into
    monkeypatch.setattr(ahead, "read_into", lambda file, memory: read_into(file, memory) or seen.append(len(memory)))
    return seen


def wait_until_settled(read: list[int], wanted: int) -> int:
    """Pieces read once that many are, or after a while in which they were not."""
    until = time.monotonic() + 10
    while len(read) < wanted and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(0.02)  # it could go on
    return len(read)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_every_row_arrives_in_its_place(numbers: Path, dtype: torch.dtype) -> None:
    weight = torch.full((ROWS, ROW), -1, dtype=dtype)
    with ReadAhead(make_pieces(numbers, weight)) as reading:
        assert list(reading) == [4 * ROW] * ROWS
    assert torch.equal(weight, torch.arange(ROWS * ROW).reshape(ROWS, ROW).to(dtype))


def test_it_does_without_what_only_some_systems_can(numbers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    test_every_row_arrives_in_its_place(numbers, torch.float16)


def test_it_stays_so_far_ahead_and_goes_on_when_something_is_converted(numbers: Path, read: list[int]) -> None:
    with ReadAhead(make_pieces(numbers, torch.zeros(ROWS, ROW, dtype=torch.float16))) as reading:
        assert wait_until_settled(read, BUFFERS) == BUFFERS
        converted = iter(reading)
        next(converted)
        next(converted)
        next(converted)
        assert wait_until_settled(read, BUFFERS + 2) in (
            BUFFERS + 2,
            BUFFERS + 3,
        )  # the last one may not be given back yet


def test_what_needs_no_conversion_waits_for_nobody(numbers: Path, read: list[int]) -> None:
    with ReadAhead(make_pieces(numbers, torch.zeros(ROWS, ROW))):
        assert wait_until_settled(read, ROWS) == ROWS


def test_a_file_that_changed_or_is_gone_is_said_to_who_waits(numbers: Path, tmp_path: Path) -> None:
    weight = torch.zeros(ROWS, ROW)
    pieces = make_pieces(numbers, weight)
    numbers.write_bytes(bytes(4 * ROW))
    with ReadAhead(pieces) as reading, pytest.raises(BadCheckpoint, match="was changed while it was being loaded"):
        list(reading)
    numbers.unlink()
    with ReadAhead(pieces) as reading, pytest.raises(BadCheckpoint, match="numbers"):
        list(reading)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_it_ends_with_its_context_however_that_ends(numbers: Path, dtype: torch.dtype) -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), ReadAhead(make_pieces(numbers, torch.zeros(ROWS, ROW, dtype=dtype))):
        raise ZeroDivisionError
    assert threading.active_count() == before
