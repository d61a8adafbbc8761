"""Frames of a finished clip, whoever made it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np

from lib_svd.clip import Frames
from lib_svd.errors import BadInput, SvdError
from lib_svd.video.ffmpeg import FfmpegFailed, FfmpegMissing, find_ffmpeg, keep_frame_times, read_output
from lib_svd.video.probe import probe

MOST_BYTES = 4 << 30  # of frames in memory: 2,400 of 576x1024
# Without the last two every reading darkens a clip by a level.
_TO_RGB = "scale=flags=bicubic+accurate_rnd+full_chroma_int,format=rgb24"
FASTEST = 60  # frames a second of a moving picture that is looked at
_INEXACT = 5  # milliseconds, half of the hundredth of a second that gif counts in
_MOVING_PICTURES = (".gif", ".webp", ".png", ".apng")


def read_frames(path: Path) -> tuple[Frames, float]:
    """Read every frame of a video, a moving picture, or a folder of pictures in the order of their names.

    Returns:
        Frames [T, H, W, 3] uint8, RGB, and frames a second; 0 where nothing says how many.

    Raises:
        BadInput: there is no such clip, it is damaged, has a single frame, or is too long to be held in memory.
        SvdError: there is no ffmpeg to read with.
    """
    if path.is_dir():
        frames, fps = _read_folder(path), 0.0
    elif path.suffix.lower() in _MOVING_PICTURES:
        frames, fps = _read_moving_picture(path)
    else:
        frames, fps = _read_video(path)
    if len(frames) < 2:
        raise BadInput(f"{path} has a single frame: choose a clip.")
    return frames, fps


def resize_as_made(frames: Frames, size: tuple[int | None, int | None]) -> Frames:
    """Bring frames to the size that the clip was made in, where its video shows every pixel as a square.

    Args:
        frames: [T, H, W, 3], as the video has them.
        size: width and height that the clip's settings say; None: they do not.
    """
    count, height, width = frames.shape[:3]
    if size[0] is None or size[1] is None or width % size[0] or height % size[1]:
        return frames
    across, down = width // size[0], height // size[1]
    if across != down or across == 1:
        return frames
    squares = frames.reshape(count, size[1], down, size[0], across, 3)
    return np.stack([np.rint(each.mean((1, 3))).astype(np.uint8) for each in squares])


def _read_video(path: Path) -> tuple[Frames, float]:
    about = probe(path)
    _check_length(path, about.num_frames, (about.width, about.height))
    try:
        ffmpeg = find_ffmpeg()
        source = [ffmpeg, "-hide_banner", "-nostdin", "-v", "error", "-i", f"file:{path}"]
        # Each frame once: else ffmpeg doubles and drops some to keep a steady rate.
        pictures = [
            "-map",
            about.stream,
            *keep_frame_times(ffmpeg),
            "-vf",
            _TO_RGB,
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
        ]
        raw = read_output([*source, *pictures, "pipe:1"])
    except FfmpegMissing as error:
        raise SvdError(str(error)) from error
    except FfmpegFailed as error:
        raise BadInput(f"{path} cannot be read ({error}): choose another file.") from error
    height, width = (about.width, about.height) if about.turned else (about.height, about.width)
    whole = len(raw) // (width * height * 3) * width * height * 3
    frames = np.frombuffer(raw, np.uint8)[:whole].reshape(-1, height, width, 3)
    return frames, about.fps


def _read_moving_picture(path: Path) -> tuple[Frames, float]:
    from PIL import Image, ImageSequence

    try:
        with Image.open(path) as picture:
            _check_length(path, getattr(picture, "n_frames", 1), picture.size)
            shown = [(np.asarray(f.convert("RGB")), f.info.get("duration", 0)) for f in ImageSequence.Iterator(picture)]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # what Pillow lets out
        raise BadInput(f"{path} cannot be read ({error}): choose another file.") from error
    times, fps = _pace([lasts for _, lasts in shown])
    _check_length(path, sum(times), (shown[0][0].shape[1], shown[0][0].shape[0]))  # a frame may be held for hours
    return np.stack([frame for frame, _ in shown]).repeat(times, axis=0), fps


def _pace(lasts: Sequence[int]) -> tuple[list[int], float]:
    """Work out how often each frame comes at an even pace, and how many come a second; as they stand where no pace
    fits.

    Frames that repeat are stored once, longer; gif counts time in hundredths of a second, so that even frames last
    unevenly.

    Args:
        lasts: milliseconds of each frame.
    """
    ends = [0, *accumulate(lasts)]
    for fps in range(1, FASTEST + 1):
        numbers = [round(end * fps / 1000) for end in ends]
        times = [after - before for before, after in pairwise(numbers)]
        if min(times) > 0 and all(
            abs(1000 * number / fps - end) <= _INEXACT for number, end in zip(numbers, ends, strict=True)
        ):
            return times, float(fps)
    return [1] * len(lasts), 1000 * len(lasts) / ends[-1] if ends[-1] else 0.0


def _read_folder(path: Path) -> Frames:
    from PIL import Image

    pictures = sorted(each for each in path.iterdir() if each.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"))
    if not pictures:
        raise BadInput(f"There are no pictures in {path}: name a clip, or a folder of its frames.")
    frames: list[Frames] = []
    for each in pictures:
        try:
            with Image.open(each) as picture:
                _check_length(path, len(pictures), picture.size)
                frames.append(np.asarray(picture.convert("RGB")))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # what Pillow lets out
            raise BadInput(f"{each} cannot be read ({error}): leave it out, or choose another folder.") from error
    if len({frame.shape for frame in frames}) > 1:
        raise BadInput(f"The pictures in {path} are not of one size: leave in the folder what belongs to one clip.")
    return np.stack(frames)


def _check_length(path: Path, num_frames: int, size: tuple[int, int]) -> None:
    if num_frames * size[0] * size[1] * 3 > MOST_BYTES:
        raise BadInput(f"{path} is too long to be looked at whole ({num_frames} frames): cut it, or make it smaller.")
