"""What is in a video file, without ffprobe, which imageio-ffmpeg does not bring."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

from lib_svd.errors import BadInput, SvdError
from lib_svd.video.encode import read_tags
from lib_svd.video.ffmpeg import FfmpegFailed, FfmpegMissing, find_ffmpeg, run

# Orders of fields and places of chroma samples stand beside the colours in ffmpeg's line (avcodec_string).
_NO_COLOURS = re.compile(r"progressive|top .*|bottom .*|left|center|topleft|top|bottomleft|bottom|.*bpc|.*bits")
# Of a line that would not end, as much as it can mean.
_PICTURES = re.compile(r"^ *Stream #0:\d+.{0,99}?: Video: (?!.*\(attached pic\))(.{0,999})", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Colour:
    """How numbers become colours; None: the file does not say."""

    primaries: str | None
    transfer: str | None
    matrix: str | None
    range: str | None  # tv: 16..235, pc: 0..255


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What is in a video file; of several video streams, the first."""

    codec: str  # such as h264
    profile: str | None  # such as High
    pixel_format: str  # such as yuv420p
    width: int  # pixels, as stored
    height: int
    turned: bool  # players turn it by a quarter, as a phone that was held upright asks
    fps: float  # frames per second, to two decimals
    num_frames: int
    duration: float  # seconds, from the first frame shown to the end of the last
    colour: Colour
    metadata: dict[str, str]  # tags of the file by their names in small letters, such as comment
    stream: str  # of the file, as ffmpeg's `-map` takes it
    faststart: bool  # an mp4 whose index stands before its pictures, so that it plays while it loads


def probe(path: Path, *, with_metadata: bool = True) -> Probe:
    """Look into a video file; every frame is counted, none is decoded.

    Args:
        path: the file.
        with_metadata: whether to ask for its tags too, which takes as long again.

    Raises:
        BadInput: there is no such file, it is no video, or it is damaged.
        SvdError: there is no ffmpeg to look with.
    """
    if not path.is_file():
        raise BadInput(f"There is no file {path}: check the name.")
    try:
        source = [find_ffmpeg(), "-hide_banner", "-nostdin", "-i", f"file:{path}"]
        # framecrc prints every packet's times, as exact numbers.
        packets = run([*source, "-map", _find_stream(path), "-c", "copy", "-f", "framecrc", "pipe:1"])
        tags = run([*source, "-f", "ffmetadata", "pipe:1"]).stdout if with_metadata else ""
        metadata = {name.lower(): text for name, text in read_tags(tags).items()}  # mkv shouts
        return _read(packets.stderr, packets.stdout, metadata, _find_stream(path), _starts_fast(path, metadata))
    except FfmpegMissing as error:
        raise SvdError(str(error)) from error
    except (FfmpegFailed, ValueError) as error:
        raise BadInput(f"{path} is not a video that can be read ({error}): choose another file.") from error


def _read(said: str, packets: str, metadata: dict[str, str], place: str, faststart: bool) -> Probe:
    """Read what ffmpeg says of a file; raises ValueError where it saw no moving picture."""
    container = re.search(r"^Input #0, (\S+), from", said, re.MULTILINE)
    stream = next(islice(_PICTURES.finditer(said), int(place[-1]), None), None)
    if container is None or stream is None or container[1] == "tty" or container[1].endswith(("_pipe", "image2")):
        raise ValueError("it holds no moving picture")
    # Cut at commas that are in no brackets: `h264 (High) (avc1 / ..), yuv420p(tv, bt709), 72x40 [SAR ..], 7 fps, ..`
    parts = re.split(r", (?![^(\[]*[)\]])", stream[1])
    codec = re.match(r"(\w+)(?: \(([^/()]*)\))?", parts[0])
    size = re.search(r"(?:^|, )(\d+)x(\d+)", stream[1])
    rate = re.search(r"([\d.]+) fps", stream[1]) or re.search(r"([\d.]+) tbr", stream[1])  # frames of uneven length
    if codec is None or size is None or rate is None:
        raise ValueError(f"ffmpeg describes it as {stream[1]}")
    pixels, _, inside = parts[1].rstrip(")").partition("(")
    num_frames, duration = _read_timing(packets)
    return Probe(
        codec=codec[1],
        profile=codec[2],
        pixel_format=pixels,
        width=int(size[1]),
        height=int(size[2]),
        turned=_is_quarter(said),
        fps=float(rate[1]),
        num_frames=num_frames,
        duration=float(duration),
        colour=_read_colour(inside),
        metadata=metadata,
        stream=place,
        faststart=faststart,
    )


def _find_stream(path: Path) -> str:
    """Find the moving pictures: of an AVIF the second stream, which a still picture comes before; V: no cover
    pictures.
    """
    with path.open("rb") as file:
        return "0:V:1" if file.read(12)[4:] == b"ftypavis" else "0:V:0"


def _is_quarter(said: str) -> bool:
    angle = re.search(r"rotation of (-?[\d.]+) degrees", said)
    return angle is not None and round(float(angle[1])) % 180 == 90


def _read_timing(packets: str) -> tuple[int, Fraction]:
    """Count frames, and seconds from the first one shown to the end of the last, in framecrc's lines."""
    base = re.search(r"^#tb 0: (\d+)/(\d+)$", packets, re.MULTILINE)
    times = re.findall(r"^0, *-?\d+, *(-?\d+), *(\d+),", packets, re.MULTILINE)
    if base is None or not times:
        raise ValueError("it holds no frames")
    start = min(int(shown) for shown, _ in times)
    end = max(int(shown) + int(lasts) for shown, lasts in times)
    return len(times), (end - start) * Fraction(int(base[1]), int(base[2]))


def _read_colour(inside: str) -> Colour:
    """Read `tv, bt709, progressive`, or `tv, bt709/unknown/unknown, progressive`: matrix, primaries, transfer."""
    words = [word for word in inside.split(", ") if word and not _NO_COLOURS.fullmatch(word)]
    ranges = [word for word in words if word in ("tv", "pc")]
    colours = [word for word in words if word not in ("tv", "pc")]
    names = colours[0].split("/") if colours else ["unknown"]
    matrix, primaries, transfer = (None if n == "unknown" else n for n in (names if len(names) == 3 else names[:1] * 3))
    return Colour(primaries=primaries, transfer=transfer, matrix=matrix, range=ranges[0] if ranges else None)


def is_faststart(path: Path) -> bool:
    """Tell whether a file is an mp4 with its index (moov) before its pictures (mdat).

    Raises:
        ValueError: it is an mp4, but one of its parts is cut short.
    """
    kinds: list[str] = []
    for kind in _list_atoms(path):
        kinds.append(kind)
        if {"moov", "mdat"} <= set(kinds):  # what follows, be it rubbish, is nothing to a player
            return kinds.index("moov") < kinds.index("mdat")
    return False


def _starts_fast(path: Path, metadata: dict[str, str]) -> bool:
    """Tell it as `is_faststart` does; a clip that was not made here and is cut short is read as far as it goes, as
    players do.
    """
    try:
        return is_faststart(path)
    except ValueError:
        if "SVD " in metadata.get("comment", ""):
            raise
        return False


def _list_atoms(path: Path) -> Iterator[str]:
    """List the kinds of the outermost parts of an mp4 in order (ISO/IEC 14496-12, 4.2); none for any other file."""
    total = path.stat().st_size
    with path.open("rb") as file:
        start = 0
        while start < total:
            file.seek(start)
            head = file.read(16)
            size, kind = int.from_bytes(head[:4], "big"), head[4:8].decode("latin-1")
            if start == 0 and kind != "ftyp":
                return
            if size == 1:  # the real size follows in 64 bits
                size = int.from_bytes(head[8:], "big")
            elif size == 0:  # the last part, up to the end
                size = total - start
            if size < 8 or start + size > total:
                raise ValueError(f"its part {kind!r} is cut short")
            yield kind
            start += size
