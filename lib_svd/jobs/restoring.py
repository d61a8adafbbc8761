"""A clip of the history as it was when it had just been made: picture, settings, frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from lib_svd import images, video
from lib_svd.clip import Clip, SavedClip
from lib_svd.errors import BadInput
from lib_svd.infotext import read_infotext
from lib_svd.jobs.history import Entry
from lib_svd.jobs.owning import frames_of
from lib_svd.request import ClipRequest


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a clip was made from, and the clip."""

    settings: Mapping[str, Any]  # by name, those that it says
    picture: Image.Image | None  # upright and RGB; None: the clip's notes say why
    saved: SavedClip


def restored(entry: Entry) -> Restored:
    """Read back a clip, its settings and its picture, where that is still there.

    Raises:
        BadInput: the clip cannot be read, or carries no settings.
    """
    saved = reopened(entry.video)
    said = entry.settings or asdict(ClipRequest.from_infotext(saved.clip.infotext))
    settings = {name: value for name, value in said.items() if value is not None}
    picture, notes = _picture(entry, ClipRequest.from_mapping(settings).background)
    return Restored(settings=settings, picture=picture, saved=replace(saved, notes=notes))


def reopened(path: Path) -> SavedClip:
    """Read a clip with its frames: without loss where they were saved too, else out of the video.

    Raises:
        BadInput: it cannot be read, or carries no settings.
    """
    if path.is_symlink():
        raise BadInput(f"{path} is a link, which is not followed: open the clip itself.")
    infotext = read_infotext(path)
    kept = frames_of(path, infotext)
    frames, fps = video.read_frames(path.with_suffix("") if kept else path)
    settings = ClipRequest.from_infotext(infotext)
    frames = video.as_made(frames, (settings.width, settings.height))
    clip = Clip(frames=frames, fps=settings.fps or round(fps), infotext=infotext)
    return SavedClip(clip=clip, video=path, frames=kept)


def _picture(entry: Entry, background: str | None) -> tuple[Image.Image | None, tuple[str, ...]]:
    if not entry.picture:
        return None, ("Which picture this clip was made from is not known: choose it yourself.",)
    try:
        return images.read_picture(entry.picture, background).image, ()
    except BadInput as error:
        return None, (f"The picture of this clip is not there any more: choose it yourself. {error}",)
