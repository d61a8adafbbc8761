"""The clip once more as a moving picture, for places that show no video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib_svd.clip import Clip
from lib_svd.files import hidden_names, publish, sync

COPIES: dict[str, dict[str, Any]] = {"gif": {}, "webp": {"quality": 90, "method": 4}}
"""Kinds by suffix, and how Pillow writes them. Both play for ever."""


TICKS = {".gif": 10, ".webp": 1}
"""Milliseconds that the time of a frame is counted in."""


def save_copies(clip: Clip, video: Path, kinds: Sequence[str]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write the clip beside its video, in kinds of COPIES.

    Each appears whole or not at all. One that cannot be written costs nothing but itself, since the video is there.

    Returns:
        The files, and a sentence for each that is missing.
    """
    written, notes = [], []
    for kind in kinds:
        path = video.with_suffix(f".{kind}")
        try:
            _save(clip, path, COPIES[kind])
            written.append(path)
        except FileExistsError:
            notes.append(f"{path.name} is there already and was left as it is.")
        except OSError as error:
            notes.append(f"{path.name} could not be written ({error}); the clip itself is saved.")
    return tuple(written), tuple(notes)


def _durations(count: int, fps: int, tick: int) -> list[int]:
    """Give milliseconds of each frame, whole ticks of so many: frames end as near to their time as that allows."""
    ends = [round(1000 * number / fps / tick) * tick for number in range(count + 1)]
    return [end - begin for begin, end in zip(ends, ends[1:], strict=False)]


def _save(clip: Clip, path: Path, how: dict[str, Any]) -> None:
    from PIL import Image

    first, *rest = (Image.fromarray(frame) for frame in clip.shown)
    lasts = _durations(len(clip.frames), clip.fps, TICKS[path.suffix])
    with hidden_names(path.parent) as hidden:
        first.save(hidden(path.suffix), save_all=True, append_images=rest, duration=lasts, loop=0, **how)
        sync(hidden(path.suffix))
        publish(hidden(path.suffix), path)
