"""A PNG without the parts that Pillow refuses the whole picture for."""

from __future__ import annotations

import io
from typing import BinaryIO

PNG = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"iCCP", b"zTXt", b"iTXt", b"tEXt")
LEFT_OUT = "svd_left_out"  # in the info of an image that was read without them


def strip_texts(stream: BinaryIO) -> BinaryIO:
    """Leave colour profile and texts out of a file (https://www.w3.org/TR/png-3/#5Chunk-layout); pixels stay as they
    are.

    Args:
        stream: at the start of a PNG; what is damaged in it stays so.
    """
    kept = io.BytesIO()
    kept.write(stream.read(len(PNG)))
    while len(head := stream.read(8)) == 8:
        body = stream.read(int.from_bytes(head[:4], "big") + 4)  # and its checksum
        if head[4:] not in TEXTS:
            kept.write(head + body)
    kept.seek(0)
    return kept
