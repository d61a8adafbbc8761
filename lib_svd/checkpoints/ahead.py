"""Weights are read in a thread of their own, ahead of who converts them: the disk works meanwhile.

A piece that needs no conversion is read into the memory where it stays, any other into one of a few buffers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedReader
from itertools import groupby
from queue import SimpleQueue
from types import TracebackType

import torch
from torch import Tensor

from lib_svd.checkpoints.header import Stamp, explain_change, open_file
from lib_svd.tensor_file import read_into

BUFFER = 2 << 20  # bytes that are read at a time where they are converted
BUFFERS = 16  # of them are read ahead at most
ASKED = 512 << 20  # bytes: enough for a disk to be at work, little enough to stay in the system's cache until used


@dataclass(frozen=True, eq=False)
class Piece:
    """Some rows of a weight and where a file has them."""

    stamp: Stamp  # of the file, as it was recognised
    begin: int  # bytes from the file's start
    dtype: torch.dtype  # in the file
    rows: Tensor  # to be filled

    @property
    def size(self) -> int:
        """How many bytes it takes in the file."""
        return self.rows.numel() * self.dtype.itemsize

    @property
    def stays_as_it_is(self) -> bool:
        """Whether the rows lie in memory as they do in the file."""
        return self.rows.dtype == self.dtype and self.rows.is_contiguous()


class ReadAhead:
    """A context in which pieces are read; iterating over it fills them in order and gives the bytes of each.

    Raises:
        BadCheckpoint: while iterating; a file is gone, cannot be read, or changed since it was recognised.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self._ends = False
        self._read: SimpleQueue[tuple[Piece, Tensor] | None] = SimpleQueue()  # None: there is no more
        self._free: SimpleQueue[Tensor] = SimpleQueue()
        size = max((piece.size for piece in pieces if not piece.stays_as_it_is), default=0)
        for _ in range(BUFFERS):
            self._free.put(torch.empty(size, dtype=torch.uint8, device="cpu"))
        self._pool = ThreadPoolExecutor(1, "svd-read-ahead")

    def __enter__(self) -> ReadAhead:
        self._running = self._pool.submit(self._run)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ends = True
        self._free.put(torch.empty(0))  # the thread may wait for one
        self._pool.shutdown()

    def __iter__(self) -> Iterator[int]:
        while read := self._read.get():
            piece, memory = read
            if not piece.stays_as_it_is:
                piece.rows.copy_(memory[: piece.size].view(piece.dtype).view(piece.rows.shape))
                self._free.put(memory)
            yield piece.size
        self._running.result()

    def _run(self) -> None:
        try:
            for stamp, pieces in groupby(self._pieces, key=lambda piece: piece.stamp):
                self._read_file(stamp, pieces)
        finally:
            self._read.put(None)

    def _read_file(self, stamp: Stamp, pieces: Iterable[Piece]) -> None:
        with open_file(stamp.path) as file:
            asked = 0
            for piece in pieces:
                asked = _ask_for(file, asked, piece.begin + piece.size)
                memory = piece.rows if piece.stays_as_it_is else self._free.get()
                if self._ends:
                    return
                file.seek(piece.begin)
                read_into(file, memory.view(-1).view(torch.uint8).numpy().data[: piece.size])
                _check_unchanged(file, stamp)
                self._read.put((piece, memory))


def _ask_for(file: BufferedReader, begin: int, used: int) -> int:
    """Ask the system, if it can be asked, to read on by itself as far as ASKED beyond what is used.

    Args:
        begin: where the last request ended, bytes from the file's start.
        used: where what is used now ends.

    Returns:
        Where the last request ends now.
    """
    end = used + ASKED
    if end - begin < ASKED // 8 or not hasattr(os, "posix_fadvise"):
        return begin
    begin = max(begin, used)
    os.posix_fadvise(file.fileno(), begin, end - begin, os.POSIX_FADV_WILLNEED)
    return end


def _check_unchanged(file: BufferedReader, stamp: Stamp) -> None:
    status = os.fstat(file.fileno())
    if (status.st_size, status.st_mtime_ns) != (stamp.size, stamp.mtime_ns):
        raise explain_change(stamp.path)
