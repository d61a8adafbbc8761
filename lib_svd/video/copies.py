"""The clip once more in other formats, beside its video."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lib_svd.clip import Clip
from lib_svd.files import make_hidden_names, publish, sync
from lib_svd.video.encode import clean, encode
from lib_svd.video.encoding import Encoding
from lib_svd.video.ffmpeg import FfmpegFailed
from lib_svd.video.formats import Keeps, Way
from lib_svd.video.made import check_made
from lib_svd.video.marking import mark_file
from lib_svd.video.pictures import make_png


def save_copies(clip: Clip, video: Path, encodings: Sequence[Encoding]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write the clip beside its video, in other formats.

    Each appears whole or not at all. One that cannot be written costs nothing but itself, since the video is there.

    Returns:
        The files and folders, and a sentence for each that is missing or was written in a way that should be known.
    """
    written: list[Path] = []
    notes: list[str] = []
    for encoding in encodings:
        path = encoding.name_beside(video)
        try:
            notes += _save(clip, path, encoding)
            written.append(path)
        except FileExistsError:
            notes.append(f"{path.name} is there already and was left as it is.")
        except (OSError, FfmpegFailed) as error:
            notes.append(f"{path.name} could not be written ({str(error).rstrip('.')}); the clip itself is saved.")
    return tuple(written), tuple(notes)


def _save(clip: Clip, path: Path, encoding: Encoding) -> list[str]:
    """Write one file or folder; raises OSError or FfmpegFailed, FileExistsError where there is such a file."""
    with make_hidden_names(path.parent) as hidden:
        made = hidden(path.suffix if encoding.format.way is not Way.PICTURES else "")
        notes = _WAYS.get(encoding.format.way, _write_file)(clip, made, encoding, clean(path.stem))
        publish(made, path)
    return notes


def _write_file(clip: Clip, path: Path, encoding: Encoding, title: str) -> list[str]:
    notes = [*encode(clip, path, encoding, title=title)]
    mark_file(path, encoding.format.keeps, clean(clip.infotext))
    check_made(path, clip, encoding)
    sync(path)
    return notes


def _write_pictures(clip: Clip, folder: Path, encoding: Encoding, _: str) -> list[str]:
    folder.mkdir()
    notes = [*encode(replace(clip, enlarge=1), folder / "%05d.png", encoding)]
    made = sorted(folder.iterdir())
    if len(made) != len(clip.frames):
        raise FfmpegFailed(f"ffmpeg made {len(made)} pictures where {len(clip.frames)} were asked for.")
    for path in made:
        mark_file(path, Keeps.PNG_TEXT, clean(clip.infotext))
        sync(path)
    return notes


def _write_zip(clip: Clip, path: Path, _: Encoding, _title: str) -> list[str]:
    with zipfile.ZipFile(path, "x") as packed:  # not packed once more: a PNG is
        for number, frame in enumerate(clip.frames):
            packed.writestr(f"{number:05d}.png", make_png(frame, clip.infotext))
    sync(path)
    return []


_WAYS: dict[Way, Callable[[Clip, Path, Encoding, str], list[str]]] = {
    Way.PICTURES: _write_pictures,
    Way.ZIP: _write_zip,
}
