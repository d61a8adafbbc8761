"""What ffmpeg makes of frames while it gets them: a few at a time, and gone however that ends."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from itertools import count

import pytest

from lib_svd.video.ffmpeg import FfmpegFailed, FfmpegMissing, stream

COPY = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"


def write_program(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_all_of_it_comes_back_in_pieces():
    chunks = [bytes([number]) * 300_000 for number in range(7)]
    pieces = list(stream(write_program(COPY), iter(chunks), 100_000, 60))
    assert b"".join(pieces) == b"".join(chunks)
    assert {len(piece) for piece in pieces} == {100_000}


def test_what_is_no_whole_piece_is_left_out():
    assert list(stream(write_program(COPY), [b"abcde"], 2, 60)) == [b"ab", b"cd"]


def test_no_more_is_asked_for_than_is_taken():
    asked: list[int] = []
    chunks = (asked.append(number) or bytes(1 << 20) for number in count())  # without end
    with closing(stream(write_program(COPY), chunks, 1 << 20, 60)) as pieces:
        for _ in range(3):
            next(pieces)
        time.sleep(0.3)
        assert len(asked) <= 8


def test_closed_before_its_end_it_leaves_no_program(programs):
    with closing(stream(write_program(COPY), (bytes(100) for _ in count()), 100, 60)) as pieces:
        next(pieces)
    assert [each.poll() is None for each in programs] == [False]


def test_who_takes_a_piece_has_time(programs):
    with closing(stream(write_program(COPY), [bytes(100)] * 3, 100, 0.3)) as pieces:
        next(pieces)
        time.sleep(0.6)
        assert len(list(pieces)) == 2


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import time; time.sleep(60)", "was not done after 0.5 s"),
        ("import time; print('x' * 9, flush=True); time.sleep(60)", "was not done after 0.5 s"),
        ("import os, time; os.close(1); time.sleep(60)", "was not done after 0.5 s"),
    ],
)
def test_one_that_hangs_is_killed(code, said):
    with pytest.raises(FfmpegFailed, match=said):
        list(stream(write_program(code), (bytes(1 << 20) for _ in range(50)), 10, 0.5))


def test_one_that_fails_says_why_after_what_it_gave():
    pieces = stream(write_program("print('x' * 9, flush=True); raise SystemExit('Out of luck')"), [b""], 10, 60)
    assert next(pieces) == b"xxxxxxxxx\n"
    with pytest.raises(FfmpegFailed, match='stopped with code 1 and said "Out of luck"'):
        next(pieces)


def test_one_that_is_not_there():
    with pytest.raises(FfmpegMissing, match="cannot be started"):
        list(stream(["/nowhere/ffmpeg"], [], 10, 60))


def test_what_the_frames_raise_is_raised():
    def yield_chunks():
        yield b"abc"
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        list(stream(write_program(COPY), yield_chunks(), 3, 60))
