"""Whether a file that ffmpeg made holds the clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from lib_svd.clip import Clip
from lib_svd.video.encoding import Encoding
from lib_svd.video.ffmpeg import FfmpegFailed
from lib_svd.video.formats import MAIN
from lib_svd.video.probe import is_faststart, probe

Chunks = Iterator[tuple[bytes, bytes]]
_START = 26  # bytes of a chunk that tell how long a frame is shown


def check_made(path: Path, clip: Clip, encoding: Encoding) -> None:
    """Look at a file that was just written.

    Raises:
        FfmpegFailed, BadInput: it is no such file, or has not every frame, at its size and for its time.
    """
    try:
        if measure := _MEASURES.get(encoding.format.muxer):
            _check_moving(measure(path), len(clip.frames), clip.fps)
        else:
            _check_video(path, clip, encoding)
    except ValueError as error:
        raise FfmpegFailed(f"ffmpeg made a file that cannot be used ({error}).") from error


def _check_video(path: Path, clip: Clip, encoding: Encoding) -> None:
    count, (width, height) = len(clip.frames), clip.shown_size
    if encoding.format.is_even:
        height, width = height // 2 * 2, width // 2 * 2
    found = probe(path, with_metadata=False)
    fps = found.fps
    if encoding.name != MAIN and (count == 1 or abs(found.duration - count / clip.fps) <= 0.5 / clip.fps):
        fps = clip.fps  # some containers tell time in milliseconds, or none of one picture alone
    asked = f"{count} frames of {width}x{height} at {clip.fps:g} fps"
    made = f"{found.num_frames} frames of {found.width}x{found.height} at {fps:g} fps"
    if made != asked:
        raise FfmpegFailed(f"ffmpeg made a video of {made} where {asked} were asked for.")
    if "faststart" in encoding.format.muxer and not is_faststart(path):
        raise FfmpegFailed("ffmpeg wrote the index of the video behind its pictures.")


def _check_moving(lasts: list[Fraction], count: int, fps: int) -> None:
    """Let frames that are equal be one, which is shown for longer; one alone is shown for ever, and need not say so."""
    if len(lasts) > count or (len(lasts) > 1 and abs(sum(lasts) - Fraction(count, fps)) > Fraction(1, 2 * fps)):
        made = f"{len(lasts)} frames in {float(sum(lasts)):.2f} s"
        raise FfmpegFailed(f"ffmpeg made {made} where {count} in {count / fps:.2f} s were asked for.")


def _measure_webp(path: Path) -> list[Fraction]:
    """Read the seconds of every frame, https://developers.google.com/speed/webp/docs/riff_container."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WEBP":
            raise ValueError("it is no WebP")
        return [
            Fraction(int.from_bytes(start[12:15], "little"), 1000)
            for kind, start in _read_webp_chunks(file)
            if kind == b"ANMF"
        ]


def _measure_apng(path: Path) -> list[Fraction]:
    """Read the seconds of every frame, https://www.w3.org/TR/png-3/#fcTL-chunk."""
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            raise ValueError("it is no PNG")
        delays = [(start[20:22], start[22:24]) for kind, start in _read_png_chunks(file) if kind == b"fcTL"]
    return [Fraction(int.from_bytes(above, "big"), int.from_bytes(below, "big") or 100) for above, below in delays]


def _read_webp_chunks(file: BinaryIO) -> Chunks:
    """Read kind and first bytes of every chunk."""
    while len(head := file.read(8)) == 8:
        length, place = int.from_bytes(head[4:], "little"), file.tell()
        yield head[:4], file.read(min(length, _START))
        file.seek(place + length + length % 2)


def _read_png_chunks(file: BinaryIO) -> Chunks:
    """Read kind and first bytes of every chunk."""
    while len(head := file.read(8)) == 8:
        length, place = int.from_bytes(head[:4], "big"), file.tell()
        yield head[4:], file.read(min(length, _START))
        file.seek(place + length + 4)


_MEASURES: dict[str, Callable[[Path], list[Fraction]]] = {"webp": _measure_webp, "apng": _measure_apng}
"""By the name of the container; of the others ffmpeg tells."""
