"""Which ffmpeg and which of its encoders serve a format; what cannot be done here, and why."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from lib_svd.errors import BadRequest
from lib_svd.video.encoding import find_format
from lib_svd.video.ffmpeg import FfmpegFailed, find_ffmpeg, run
from lib_svd.video.formats import FORMATS, MAIN, Coder, Format
from lib_svd.video.own_formats import read_own_formats


class Chosen(NamedTuple):
    """What a format is written with."""

    ffmpeg: str  # path of the binary
    coder: Coder
    notes: tuple[str, ...]  # what the user should know of that choice


@dataclass(frozen=True, kw_only=True)
class Encoders:
    """What there is to encode with, as a doctor would tell it."""

    path: str | None  # of the ffmpeg binary; None: there is none
    version: str | None
    h264: tuple[str, ...]  # names of its H.264 encoders that can be used here, best first
    problem: str | None  # one sentence, if no clip could be written


def find_encoders() -> Encoders:
    """Look at the ffmpeg at hand; a missing or broken one is an answer too, nothing is raised."""
    path = version = None
    try:
        path = find_ffmpeg()
        first_line = run([path, "-version"]).stdout.partition("\n")[0]
        version = first_line.partition("version ")[2].partition(" ")[0] or None
        built_in = _list_built_in(path)
    except FfmpegFailed as error:
        return Encoders(path=path, version=version, h264=(), problem=str(error))
    names = tuple(coder.name for coder in FORMATS[MAIN].coders if coder.name in built_in)
    return Encoders(
        path=path, version=version, h264=names, problem=None if names else _explain_refusal(FORMATS[MAIN], [path])
    )


def choose_coder(row: Format) -> Chosen:
    """Choose the first encoder of the format that works, of the ffmpeg at hand, or else of the system's.

    Raises:
        FfmpegFailed: none does.
    """
    binaries = _list_binaries()
    for ffmpeg in binaries:
        built_in = _list_built_in(ffmpeg)
        if row.muxer.split()[0] not in built_in:
            continue
        for coder in row.coders:
            if coder.name in built_in and (coder is row.coders[0] or _works(ffmpeg, coder)):
                return Chosen(ffmpeg, coder, _list_notes(row, coder))
    raise FfmpegFailed(_explain_refusal(row, binaries))


def explain_why_not(name: str) -> str:
    """Say in one sentence why no clip can be written in a format here; "" where it can."""
    try:
        row = find_format(name)
        if row.coders:
            choose_coder(row)
    except (BadRequest, FfmpegFailed) as refusal:
        return str(refusal)
    return ""


def list_formats() -> list[str]:
    """List every format beside a clip's own that can be named, the user's last; whether it can be written says
    `explain_why_not`.
    """
    return [*(name for name in FORMATS if name != MAIN), *read_own_formats()]


def _list_binaries() -> list[str]:
    """List the ffmpeg that is used, and the system's, which may have more."""
    first, second = find_ffmpeg(), shutil.which("ffmpeg")
    return [first] if second is None or os.environ.get("IMAGEIO_FFMPEG_EXE") else [*dict.fromkeys((first, second))]


def _list_built_in(ffmpeg: str) -> frozenset[str]:
    """Raises FfmpegFailed where it cannot be run."""
    file = Path(shutil.which(ffmpeg) or ffmpeg)
    status = file.stat() if file.is_file() else None
    return _list_coders(ffmpeg, status and (status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=8)
def _list_coders(ffmpeg: str, _stamp: tuple[int, int] | None) -> frozenset[str]:
    """List encoders and containers of a binary, which is asked once, until its file changes."""
    encoders, muxers = (run([ffmpeg, "-hide_banner", option]).stdout for option in ("-encoders", "-muxers"))
    names = re.findall(r"^ V\S{5} (\S+)", encoders, re.MULTILINE)
    return frozenset((*names, *re.findall(r"^ +E[ d]* (\S+)", muxers, re.MULTILINE)))


def _works(ffmpeg: str, coder: Coder) -> bool:
    """Tell whether an encoder runs: those of graphics cards are listed on machines without the card, too."""
    picture = ("-f", "lavfi", "-i", "nullsrc=s=256x256:r=5:d=1")  # nvenc refuses less than 145 pixels
    ending = ("-pix_fmt", coder.pixels, "-c:v", coder.name, "-f", "null", "-")
    return run([ffmpeg, "-v", "error", *picture, *ending], check=False).returncode == 0


def _list_notes(row: Format, coder: Coder) -> tuple[str, ...]:
    if coder is row.coders[0] or row.coders is not FORMATS[MAIN].coders:
        return ()
    return (f"This ffmpeg has no {row.coders[0].name}, so the video was encoded with {coder.name}.",)


def _explain_refusal(row: Format, binaries: list[str]) -> str:
    what = "H.264 encoder" if row is FORMATS[MAIN] else f"encoder for {row.title}"
    return (
        f"The ffmpeg at {' and that at '.join(binaries)} has no {what} that works: "
        "run `pip install --upgrade imageio-ffmpeg` for one that has, or set IMAGEIO_FFMPEG_EXE to it."
    )
