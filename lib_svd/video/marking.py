"""The settings into files that ffmpeg gives no comment to: PNG, WebP, GIF; all of a file but that stays as it is."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from lib_svd.video.formats import Keeps

PNG_START = b"\x89PNG\r\n\x1a\n"
_HEAD = len(PNG_START) + 25  # with the chunk IHDR
_HAS_EXIF = 0x08  # a flag of the chunk VP8X
_EXIF_BELOW, _USER_COMMENT, _LONG, _UNDEFINED, _DIRECTORY = 0x8769, 0x9286, 4, 7, 18  # tags, types, bytes


def mark_file(path: Path, keeps: Keeps, infotext: str) -> None:
    """Put the settings into a file that was just written.

    Args:
        path: of a format that keeps them so.
        keeps: where.
        infotext: the settings.

    Raises:
        OSError: it cannot be written.
        ValueError: it is no such file.
    """
    if mark := _MARKS.get(keeps):
        marked = path.with_name(f"{path.name}.marked")
        with path.open("rb") as source, marked.open("xb") as target:
            mark(source, target, infotext)
        marked.replace(path)


def _mark_png(source: BinaryIO, target: BinaryIO, infotext: str) -> None:
    """Add an iTXt chunk behind the first one, https://www.w3.org/TR/png-3/#11iTXt, of an APNG too."""
    target.write(source.read(_HEAD))
    body = b"iTXt" + b"parameters\0\0\0\0\0" + infotext.encode()
    target.write((len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big"))
    shutil.copyfileobj(source, target)


def _mark_webp(source: BinaryIO, target: BinaryIO, infotext: str) -> None:
    """Add an EXIF chunk at the end, and a flag that tells of it,
    https://developers.google.com/speed/webp/docs/riff_container.

    A WebP of one picture has no chunk of flags, VP8X, and gets one.
    """
    exif = _write_exif(infotext)
    chunk = b"EXIF" + len(exif).to_bytes(4, "little") + exif + bytes(len(exif) % 2)
    head, flags = source.read(12), bytearray(source.read(18))
    if flags[:4] != b"VP8X":
        flags = bytearray(b"VP8X\x0a\0\0\0\0\0\0\0" + _read_canvas(source))
        source.seek(len(head))
    flags[8] |= _HAS_EXIF
    target.write(head + flags)
    shutil.copyfileobj(source, target)
    target.write(chunk)
    length = target.tell() - 8
    target.seek(4)
    target.write(length.to_bytes(4, "little"))


def _read_canvas(source: BinaryIO) -> bytes:
    """Read width and height of a WebP, each less one, as VP8X has them; the file is read anew."""
    from PIL import Image

    source.seek(0)
    with Image.open(source) as picture:
        return b"".join((side - 1).to_bytes(3, "little") for side in picture.size)


def _mark_gif(source: BinaryIO, target: BinaryIO, infotext: str) -> None:
    """Add a comment extension behind the table of colours, https://www.w3.org/Graphics/GIF/spec-gif89a.txt, 24."""
    head = source.read(13)
    target.write(head)
    if head[10] & 0x80:
        target.write(source.read(3 * 2 ** ((head[10] & 0x07) + 1)))
    text = infotext.encode()
    target.write(b"\x21\xfe")
    for start in range(0, len(text), 255):
        part = text[start : start + 255]
        target.write(bytes([len(part)]) + part)
    target.write(b"\0")
    shutil.copyfileobj(source, target)


def _write_exif(infotext: str) -> bytes:
    """Write it as A1111 does and every web UI reads it: the user's comment in UTF-16 of big end, in a directory of its
    own, https://www.cipa.jp/std/documents/e/DC-X008-Translation-2019-E.pdf.

    Pillow writes the comment as numbers, and a web UI's piexif then finds no text.
    """
    comment = b"UNICODE\0" + infotext.encode("utf-16-be")
    start = struct.pack(">2sHI", b"MM", 42, 8)
    below = _directory(_EXIF_BELOW, _LONG, 1, len(start) + _DIRECTORY)
    own = _directory(_USER_COMMENT, _UNDEFINED, len(comment), len(start) + 2 * _DIRECTORY)
    return start + below + own + comment


def _directory(tag: int, kind: int, count: int, value: int) -> bytes:
    """Write a directory of TIFF with one entry, whose value is or is at that number, and none after it."""
    return struct.pack(">HHHIII", 1, tag, kind, count, value, 0)


_MARKS: dict[Keeps, Callable[[BinaryIO, BinaryIO, str], None]] = {
    Keeps.PNG_TEXT: _mark_png,
    Keeps.EXIF: _mark_webp,
    Keeps.GIF_COMMENT: _mark_gif,
}
