"""Memory that nobody uses any more is the system's again."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lib_svd.giving_back import give_back_memory

ROOT = Path(__file__).parents[1]
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


HEAPS = """
import ctypes, sys, tempfile, threading
from lib_svd.giving_back import share_one_heap
if sys.argv[1] == "shared":
    share_one_heap()
held, all_are_there = [], threading.Barrier(8)
def work():
    held.append(bytearray(64 * 2**10))
    all_are_there.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(file.read().decode().count("<heap nr="))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other allocators cannot be told")
def test_threads_share_one_heap_unless_the_user_says_how_many_there_are():
    def count_heaps(how: str, **set_by_user: str) -> int:
        environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"} | set_by_user
        words = [sys.executable, "-c", HEAPS, how]
        return int(subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, check=True).stdout)

    assert count_heaps("own") > 1
    assert count_heaps("shared") == 1
    assert count_heaps("shared", MALLOC_ARENA_MAX="4") > 1


def test_an_allocator_that_cannot_be_told_is_left_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(ctypes, "CDLL", asked.append)  # gives None, which has no function of any name
    give_back_memory()
    assert asked == ([None] if sys.platform == "linux" else [])
