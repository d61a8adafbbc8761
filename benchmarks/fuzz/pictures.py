"""Pictures of many formats, spoiled at random: python -m benchmarks.fuzz.pictures --count 10000

Exits with 1 where anything but a picture or a sentence comes out.
"""

from __future__ import annotations

import io
import itertools

from PIL import Image

from benchmarks.fuzz.spoil import run
from lib_svd.images import read_picture

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "TGA", "PPM", "ICO", "JPEG2000")


def main() -> None:
    """Spoil a small picture of each format in turn."""
    gradient = Image.linear_gradient("L").resize((48, 40)).convert("RGB")
    contents = [_save(gradient, kind) for kind in FORMATS]
    run(__doc__, itertools.cycle(contents), ".picture", read_picture, 2000)


def _save(picture: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


if __name__ == "__main__":
    main()
