"""A model's mark: by it a clip names its model for good, whatever the file is called and wherever it is later."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache

from lib_svd.checkpoints.header import Stamp, open_file
from lib_svd.request import MARK_DIGITS

SAMPLES, SAMPLE = 128, 4096  # of a file, spread evenly; bytes of each: a second at most on a slow disk


@lru_cache(maxsize=1000)
def make_mark(stamps: tuple[Stamp, ...]) -> str:
    """Work out ten hexadecimal digits that tell a model from others: SHA-256 of samples of its files, the same in every
    folder.

    Raises:
        BadCheckpoint: a file is gone or cannot be read.
    """
    digest = hashlib.sha256()
    for stamp in sorted(stamps, key=lambda each: (each.path.name, each.size)):
        digest.update(str(stamp.size).encode())
        with open_file(stamp.path) as file:
            for number in range(SAMPLES):
                file.seek(max(0, stamp.size - SAMPLE) * number // (SAMPLES - 1), os.SEEK_SET)
                digest.update(file.read(SAMPLE))
    return digest.hexdigest()[:MARK_DIGITS]
