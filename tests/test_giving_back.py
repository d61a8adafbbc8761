"""Memory that nobody uses any more is the system's again."""

from __future__ import annotations

import ctypes
import sys

import psutil

from lib_svd.giving_back import give_back_memory

PIECE, COUNT = 64 * 2**10, 3000  # bytes: small enough that the allocator keeps them


def test_what_was_freed_is_given_back_though_something_behind_it_is_still_there():
    process = psutil.Process()
    pieces = [bytearray(b"\1") * PIECE for _ in range(COUNT)]
    held = process.memory_info().rss
    kept = pieces[-1]
    pieces.clear()
    give_back_memory()
    freed = held - process.memory_info().rss
    assert len(kept) == PIECE
    assert sys.platform != "linux" or freed > PIECE * COUNT / 2


def test_an_allocator_that_cannot_be_told_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    give_back_memory()
