"""A model's mark: by it a clip names its model for good, whatever the file is called and wherever it is later."""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache

from lib_svd.checkpoints.header import Stamp, opened

SAMPLES, SAMPLE = 128, 4096  # of a file, spread evenly; bytes of each: a second at most on a slow disk
DIGITS = 10
_MARKED = re.compile(rf"(.+) \[([0-9a-f]{{{DIGITS}}})\]")


@lru_cache(maxsize=1000)
def mark_of(stamps: tuple[Stamp, ...]) -> str:
    """Ten hexadecimal digits that tell a model from others: SHA-256 of samples of its files, the same in every folder.

    Raises:
        BadCheckpoint: a file is gone or cannot be read.
    """
    digest = hashlib.sha256()
    for stamp in sorted(stamps, key=lambda each: (each.path.name, each.size)):
        digest.update(str(stamp.size).encode())
        with opened(stamp.path) as file:
            for number in range(SAMPLES):
                file.seek(max(0, stamp.size - SAMPLE) * number // (SAMPLES - 1), os.SEEK_SET)
                digest.update(file.read(SAMPLE))
    return digest.hexdigest()[:DIGITS]


def marked(name: str, mark: str) -> str:
    """What a clip calls its model: `svd_xt.safetensors [1a2b3c4d5e]`."""
    return f"{name} [{mark}]"


def unmarked(name: str) -> tuple[str, str]:
    """The name without its mark, and the mark, "" where it has none."""
    found = _MARKED.fullmatch(name)
    return (found[1], found[2]) if found else (name, "")
