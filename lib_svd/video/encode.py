"""Frames to an H.264 video that plays everywhere: ffmpeg takes them from its stdin as they come."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from lib_svd.clip import Frames
from lib_svd.video.ffmpeg import ENCODERS, best_encoder, feed, find_ffmpeg, pixel_format

# swscale takes bt601 for RGB unless told, and players take bt709 for what is untagged and large: so both are said.
# The tags are set on the frames, too: since ffmpeg 9 a frame's own tags win over the output options below.
_TO_BT709 = (
    "scale=in_range=pc:out_range=tv:out_color_matrix=bt709:flags=bicubic+accurate_rnd,format={pixels},"
    "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
)
_TAGGED_BT709 = ["-color_range", "tv", "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709"]
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
PROFILES = ("baseline", "main", "high")


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How libx264 weighs size, time, and who can play it."""

    crf: int = 17  # 1, which is almost without loss, to 51
    preset: str = "medium"  # of PRESETS
    profile: str = "high"  # of PROFILES

    @classmethod
    def chosen(cls, crf: object, preset: object, profile: object) -> Encoding:
        """Encode as the user has it in a web UI's own settings for videos; what is not there, or cannot be, is as
        ever.
        """
        usual = cls()
        return cls(
            # 0 is lossless, which none of these profiles can be
            crf=min(51, max(1, int(crf))) if isinstance(crf, (int, float)) else usual.crf,
            preset=preset if preset in PRESETS else usual.preset,
            profile=profile if profile in PROFILES else usual.profile,
        )


def encode(
    frames: Frames,
    fps: int,
    path: Path,
    *,
    title: str,
    comment: str,
    encoding: Encoding | None = None,
    patience: float | None = None,
) -> tuple[str, ...]:
    """Write an mp4: H.264, yuv420p, bt709, a keyframe a second, the index before the pictures.

    `path` is written in place and may be left half written on an error; `save` gives the whole-or-nothing promise.

    Args:
        frames: [T, H, W, 3] uint8, RGB, T at least 1, H and W even.
        fps: frames per second, 1..30.
        path: must not exist.
        title: metadata of the file; text without NUL and lone surrogates (see `plain`), of a file name's length.
        comment: metadata of the file; such text of any length.
        encoding: None: the usual one.
        patience: seconds until ffmpeg is held to hang; None: a minute, and ten seconds a frame.

    Returns:
        What the user should know: which encoder was used, if not libx264.

    Raises:
        FfmpegFailed: ffmpeg is missing, cannot encode H.264, stopped with an error, or hung.
        OSError: the comment could not be written beside `path`.
        ValueError: `frames` is not what it should be.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or len(frames) == 0:
        raise ValueError(f"frames must be uint8 [T, H, W, 3] with T > 0, not {frames.dtype} {list(frames.shape)}")
    ffmpeg = find_ffmpeg()
    encoder, notes = best_encoder(ffmpeg)
    height, width = frames.shape[1:3]
    tags_path = path.with_suffix(".tags")
    tags = ["-f", "ffmetadata", "-i", f"file:{tags_path}", "-map", "0:v:0", "-map_metadata", "1"]
    tags += ["-metadata", f"title={title}"]
    try:
        tags_path.write_bytes(written_comment(comment).encode())
        codec = _codec(encoder, encoding or Encoding(), fps)
        command = _command(ffmpeg, codec, f"{width}x{height}", fps, tags, path)
        feed(command, (frame.tobytes() for frame in frames), patience or 60 + 10 * len(frames))
    finally:
        tags_path.unlink(missing_ok=True)
    return notes


def _codec(encoder: str, encoding: Encoding, fps: int) -> list[str]:
    colours = ["-vf", _TO_BT709.format(pixels=pixel_format(encoder)), *_TAGGED_BT709]
    how = [word.format(**asdict(encoding)) for word in ENCODERS[encoder]]
    return [*colours, "-c:v", encoder, *how, "-g", str(fps)]


def _command(ffmpeg: str, codec: list[str], size: str, fps: int, tags: list[str], path: Path) -> list[str]:
    pictures = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", size, "-framerate", str(fps), "-i", "pipe:0"]
    # ffmpeg before 4.3 writes the mp4's own colour atom only when asked; later ones always do.
    # `file:` keeps ffmpeg from reading a protocol into a name with a colon.
    container = ["-movflags", "+faststart+write_colr", "-f", "mp4", f"file:{path}"]
    return [ffmpeg, "-hide_banner", "-nostats", "-v", "warning", "-n", *pictures, *tags, *codec, *container]


def plain(text: str) -> str:
    """Make text that every container can hold: NUL and lone surrogates, which none can, become U+FFFD."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", text)


def written_comment(text: str) -> str:
    """Write a comment in ffmpeg's own text form, https://ffmpeg.org/ffmpeg-formats.html#Metadata-2.

    It goes through a file since a command line ends at 32,767 characters on Windows. No newline follows: ffmpeg (4.2
    to 9.0, tried) takes one after a backslash as a part of the value, even if the backslash is itself escaped. And
    an unescaped carriage return would end the value.
    """
    return ";FFMETADATA1\ncomment=" + re.sub(r"([=;#\\\r\n])", r"\\\1", text)


MOST_TAGS = 1000


def read_tags(text: str) -> dict[str, str]:
    """Read the tags of the file as a whole from ffmpeg's text form; those of single streams and chapters are left
    out.
    """
    tags: dict[str, str] = {}
    for line in islice(_lines(text), MOST_TAGS):
        if line.startswith("["):
            break
        equals = _plain_place(line, "=", 0)
        if equals > 0 and line[0] not in ";#":
            tags[_unescaped(line[:equals])] = _unescaped(line[equals + 1 :])
    return tags


def _lines(text: str) -> Iterator[str]:
    """Part text into lines that no backslash joins."""
    start = 0
    while (end := _plain_place(text, "\n", start)) >= 0:
        yield text[start:end]
        start = end + 1
    yield text[start:]


def _plain_place(text: str, mark: str, start: int) -> int:
    """Find where a mark stands that no backslash escapes, as `str.find`; every character is looked at once."""
    while (place := text.find(mark, start)) >= 0:
        before = text[start:place]
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            return place
        start = place + 1
    return -1


def _unescaped(text: str) -> str:
    return "\\".join(part.replace("\\", "") for part in text.split("\\\\"))
