"""Frames to a video or a moving picture: ffmpeg takes them from its stdin as they come."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from lib_svd.clip import Clip, Frames
from lib_svd.video.coders import Chosen, choose_coder
from lib_svd.video.encoding import Encoding
from lib_svd.video.ffmpeg import feed
from lib_svd.video.formats import Keeps, Way

# swscale takes bt601 for RGB unless told, and players take bt709 for what is untagged and large: so both are said.
# The tags are set on the frames, too: since ffmpeg 9 a frame's own tags win over the output options below.
_TO_BT709 = (
    "scale=in_range=pc:out_range=tv:out_color_matrix=bt709:flags=bicubic+accurate_rnd,format={pixels},"
    "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
)
_TAGGED_BT709 = ["-color_range", "tv", "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709"]
MOST_LOOKED_AT = 4_000_000  # pixels of a clip that its palette is found from
_EVEN = "crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0,"


def encode(
    clip: Clip, path: Path, encoding: Encoding, *, title: str = "", patience: float | None = None
) -> tuple[str, ...]:
    """Write a clip in one of the formats; a keyframe a second where there are such, an mp4's index before its pictures.

    `path` is written in place and may be left half written on an error; `save` gives the whole-or-nothing promise.
    Frames are handed over one by one. Where sides have to be even, the last odd row and column are left out.

    Args:
        clip: frames [T, H, W, 3] uint8, RGB, T at least 1; its settings go into a comment, where the format has one.
        path: must not exist; for pictures a pattern such as `%05d.png` in a folder that exists.
        encoding: the format, and what was chosen for it.
        title: metadata of the file; text without NUL and lone surrogates (see `clean`), of a file name's length.
        patience: seconds until ffmpeg is held to hang; None: a minute, and ten seconds a frame.

    Returns:
        What the user should know: which encoder was used, if not the usual one.

    Raises:
        FfmpegFailed: ffmpeg is missing, has no encoder for it, stopped with an error, or hung.
        OSError: the comment could not be written beside `path`.
        ValueError: the frames are not what they should be.
    """
    frames, is_deep = clip.frames, encoding.format.is_deep
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or len(frames) == 0:
        raise ValueError(f"frames must be uint8 [T, H, W, 3] with T > 0, not {frames.dtype} {list(frames.shape)}")
    chosen, patience = choose_coder(encoding.format), patience or 60 + 10 * len(frames)
    size, pixels = "{}x{}".format(*clip.size), "rgb48be" if is_deep else "rgb24"
    asked = [chosen.ffmpeg, "-hide_banner", "-nostats", "-v", "warning", "-n", "-f", "rawvideo", "-pix_fmt", pixels]
    asked += ["-video_size", size, "-framerate", str(clip.fps), "-i", "pipe:0"]

    def send(words: list[str]) -> None:
        feed([*asked, *words], (_pack_frame(frame, is_deep) for frame in frames), patience)

    beside = path.with_name("unfinished.extra")  # colours, or the comment
    try:
        if encoding.format.way is Way.PALETTE:
            _write_palette(clip, beside)
            send(
                [*_write_painting(encoding, clip, beside), "-c:v", chosen.coder.name, *_write_container(encoding, path)]
            )
        else:
            tags = _write_tags(encoding, title, clean(clip.infotext), beside)
            send([*tags, *_write_codec(encoding, chosen, clip), *_write_container(encoding, path)])
    finally:
        beside.unlink(missing_ok=True)
    return chosen.notes


def _pack_frame(frame: Frames, is_deep: bool) -> bytes:
    """Give a frame's numbers; with 16 bits the highest is 257 times that of 8, and so is every other."""
    return (frame.astype(">u2") * 257).astype(">u2").tobytes() if is_deep else frame.tobytes()


def _write_tags(encoding: Encoding, title: str, comment: str, beside: Path) -> list[str]:
    """Write the words that give the file its title and its comment, which is written to a file of its own first."""
    row = encoding.format
    if row.keeps is not Keeps.COMMENT or (row.most_kept is not None and len(comment.encode()) > row.most_kept):
        return []
    beside.write_bytes(write_comment(comment).encode())
    tags = ["-f", "ffmetadata", "-i", f"file:{beside}", "-map", "0:v:0", "-map_metadata", "1"]
    return [*tags, "-metadata", f"title={title}"]


def _enlarge(clip: Clip) -> str:
    """Write the filter that makes squares of pixels, and a comma: frames go through the pipe as they are."""
    return f"scale=iw*{clip.enlarge}:ih*{clip.enlarge}:flags=neighbor," if clip.enlarge > 1 else ""


def _write_codec(encoding: Encoding, chosen: Chosen, clip: Clip) -> list[str]:
    row, coder = encoding.format, chosen.coder
    shape = _enlarge(clip) + (_EVEN if row.is_even else "")
    if row.is_rgb:
        colours = ["-vf", f"{shape}format={coder.pixels}"]
    else:
        colours = ["-vf", shape + _TO_BT709.format(pixels=coder.pixels), *_TAGGED_BT709]
    keyframes = ["-g", str(clip.fps)] if row.has_keyframes else []
    return [*colours, "-c:v", coder.name, *encoding.write_words(coder), *keyframes]


def _write_container(encoding: Encoding, path: Path) -> list[str]:
    """Keep ffmpeg from reading a protocol into a name with a colon, by `file:` before it."""
    row = encoding.format
    name, *more = row.muxer.split()
    if row.way is Way.PICTURES:
        return ["-start_number", "0", "-f", name, str(path)]
    loops = [row.loops, str(_count_loops(encoding))] if row.loops else []
    return [*more, *loops, "-f", name, f"file:{path}"]


def _count_loops(encoding: Encoding) -> int:
    """Say how the format spells how often it plays; gif counts the times after the first, and says nothing for one."""
    if encoding.format.muxer == "gif" and encoding.plays:
        return encoding.plays - 1 or -1
    return encoding.plays


def _write_palette(clip: Clip, path: Path) -> None:
    """Write one palette for the whole clip, a PNG of 16x16 colours.

    It is Pillow's of maximal coverage: palettes of mean colours, as ffmpeg's own, have none of the strongest, and what
    lies beyond a palette cannot be dithered.
    """
    from PIL import Image

    step = math.ceil(math.sqrt(clip.frames[..., 0].size / MOST_LOOKED_AT))
    seen = np.ascontiguousarray(clip.frames[:, ::step, ::step])
    found = Image.fromarray(seen.reshape(-1, seen.shape[2], 3)).quantize(256, Image.Quantize.MAXCOVERAGE)
    colours = np.array((found.getpalette() or [])[: 256 * 3], np.uint8).reshape(-1, 3)
    Image.fromarray(np.resize(colours, (16, 16, 3))).save(path, "png")


def _write_painting(encoding: Encoding, clip: Clip, palette: Path) -> list[str]:
    """Write the words that let ffmpeg dither with the palette, and show the last frame for its own time."""
    dither = encoding.preset or encoding.format.usual
    graph = f"[0:v]{_enlarge(clip)}format=rgb24[frames];[frames][1:v]paletteuse=dither={dither}"
    return ["-i", f"file:{palette}", "-lavfi", graph, "-final_delay", str(_measure_last_delay(clip))]


def _measure_last_delay(clip: Clip) -> int:
    """Give hundredths of a second of a gif's last frame, which ffmpeg would show for as long as the one before it."""
    count, fps = len(clip.frames), clip.fps
    begins, ends = ((200 * number + fps) // (2 * fps) for number in (count - 1, count))
    return max(1, ends - begins)


def clean(text: str) -> str:
    """Make text that every container can hold: NUL and lone surrogates, which none can, become U+FFFD."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", text)


def write_comment(text: str) -> str:
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
    for line in islice(_split_lines(text), MOST_TAGS):
        if line.startswith("["):
            break
        equals = _find_plain(line, "=", 0)
        if equals > 0 and line[0] not in ";#":
            tags[_unescape(line[:equals])] = _unescape(line[equals + 1 :])
    return tags


def _split_lines(text: str) -> Iterator[str]:
    """Part text into lines that no backslash joins."""
    start = 0
    while (end := _find_plain(text, "\n", start)) >= 0:
        yield text[start:end]
        start = end + 1
    yield text[start:]


def _find_plain(text: str, mark: str, start: int) -> int:
    """Find where a mark stands that no backslash escapes, as `str.find`; every character is looked at once."""
    while (place := text.find(mark, start)) >= 0:
        before = text[start:place]
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            return place
        start = place + 1
    return -1


def _unescape(text: str) -> str:
    return "\\".join(part.replace("\\", "") for part in text.split("\\\\"))
