"""A clip of the history as it was when it had just been made: picture, settings, frames."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from lib_svd import images, video
from lib_svd.clip import Clip, SavedClip
from lib_svd.errors import BadInput
from lib_svd.finish.finishing import read_finished
from lib_svd.infotext import read_infotext
from lib_svd.jobs.history import Entry
from lib_svd.jobs.owning import list_frames
from lib_svd.request import ClipRequest


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a clip was made from, and the clip."""

    settings: Mapping[str, Any]  # by name, those that it says
    picture: Image.Image | None  # upright and RGB; None: the clip's notes say why
    saved: SavedClip
    cut_out: Image.Image | None = None  # the picture as RGBA, where it is transparent


def restore_entry(entry: Entry) -> Restored:
    """Read back a clip, its settings and its picture, where that is still there.

    Raises:
        BadInput: the clip cannot be read, or carries no settings.
    """
    saved = reopen_clip(entry.video)
    said = entry.settings or asdict(ClipRequest.from_infotext(saved.clip.infotext))
    settings = {name: value for name, value in said.items() if value is not None}
    read, notes = _find_picture(entry, ClipRequest.from_mapping(settings).background)
    picture, cut_out = (None, None) if read is None else (read.image, read.cut_out)
    return Restored(settings=settings, picture=picture, saved=replace(saved, notes=notes), cut_out=cut_out)


def reopen_clip(path: Path) -> SavedClip:
    """Read a clip with its frames: without loss where they were saved too, else out of the video.

    Raises:
        BadInput: it cannot be read, or carries no settings.
    """
    check_no_link(path)
    return _open_clip(path, read_infotext(path))


def open_clip(path: Path) -> SavedClip:
    """Read the same of any clip, made here or elsewhere; its infotext is "" where nothing tells how it was made.

    Raises:
        BadInput: it cannot be read.
    """
    check_no_link(path)
    return _open_clip(path, find_infotext(path))


def check_no_link(path: Path) -> None:
    """Raises BadInput where a clip is a link, which may lead out of its folder."""
    if path.is_symlink():
        raise BadInput(f"{path} is a link, which is not followed: open the clip itself.")


def find_infotext(path: Path) -> str:
    """Read the settings text that a clip carries, or that stands beside it; "": there is none that can be read."""
    with suppress(BadInput):
        infotext = read_infotext(path)
        ClipRequest.from_infotext(infotext)
        return infotext
    return ""


class OwnShape(NamedTuple):
    """In what the frames of a clip were made; None: as the video has it."""

    size: tuple[int | None, int | None]  # width, height
    fps: int | None


def read_own_shape(infotext: str) -> OwnShape:
    """Read what a clip's settings say of its frames; nothing where it was finished, since they are of the clip
    before.
    """
    settings = ClipRequest() if read_finished(infotext) else ClipRequest.from_infotext(infotext)
    return OwnShape((settings.width, settings.height), settings.fps)


def _open_clip(path: Path, infotext: str) -> SavedClip:
    kept = list_frames(path, infotext) if infotext else ()
    frames, fps = video.read_frames(path.with_suffix("") if kept else path)
    size, own_fps = read_own_shape(infotext)
    if own_fps is None and kept:
        fps = video.probe(path).fps
    clip = Clip(frames=video.resize_as_made(frames, size), fps=own_fps or max(1, round(fps)), infotext=infotext)
    return SavedClip(clip=clip, video=path, frames=kept)


def _find_picture(entry: Entry, background: str | None) -> tuple[images.Picture | None, tuple[str, ...]]:
    if not entry.picture:
        return None, ("Which picture this clip was made from is not known: choose it yourself.",)
    try:
        return images.read_picture(entry.picture, background), ()
    except BadInput as error:
        return None, (f"The picture of this clip is not there any more: choose it yourself. {error}",)
