"""Frames as PNG pictures, with the settings in each."""

from __future__ import annotations

import io
from pathlib import Path

from lib_svd.clip import Frames
from lib_svd.files import is_taken, make_hidden_names, publish_all, sync
from lib_svd.video.encode import clean


def save_frames(frames: Frames, folder: Path, infotext: str) -> tuple[Path, ...]:
    """Write frames as `00000.png`, `00001.png`, ... with the settings in a `parameters` chunk: all of them or none.

    Args:
        frames: [T, H, W, 3] uint8, RGB.
        folder: made when missing; the folder above it must exist.
        infotext: the settings.

    Raises:
        FileExistsError: one of the names is taken; that file is as it was.
        OSError: they cannot be written.
    """
    is_new = not is_taken(folder)
    with make_hidden_names(folder.parent if is_new else folder) as hidden:
        made = hidden("") if is_new else hidden("").parent
        written = write_frames(frames, made, infotext)
        if is_new:
            publish_all([made], [folder])
        else:
            publish_all(written, [folder / path.name for path in written])
    return tuple(folder / path.name for path in written)


def write_frames(frames: Frames, folder: Path, infotext: str) -> list[Path]:
    """Write frames as `save_frames` does, in place: what is written may be left half on an error."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number:05d}.png" for number in range(len(frames))]
    for frame, path in zip(frames, paths, strict=True):
        path.write_bytes(make_png(frame, infotext))
        sync(path)
    return paths


def make_png(frame: Frames, infotext: str) -> bytes:
    """Make a PNG of one frame [H, W, 3] with its settings; as iTXt where they are more than latin-1, as every web UI
    does.
    """
    from PIL import Image, PngImagePlugin

    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", clean(infotext))
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "png", pnginfo=chunks)
    return stream.getvalue()
