"""Pictures that a web UI has just generated become clips, in the same job."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from lib_svd.clip import SavedClip
from lib_svd.errors import BadInput, Interrupted, SvdError
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio

log = logging.getLogger("svd")

Read = Callable[[Sequence[Any]], tuple[bool, dict[str, Any], bool]]
"""Values of the accordion to: is it on, settings, save frames too. Raises BadInput."""

REMEMBERED = 50  # jobs whose clips can still be shown


@dataclass
class PictureJob:
    """The part of a txt2img or img2img job that is ours."""

    settings: dict[str, Any]
    with_frames: bool
    parameters: dict[str, str]  # for the pictures' infotext
    problems: list[str]  # why there will be no clips
    pictures: list[Image.Image] = field(default_factory=list)
    clips: list[SavedClip] = field(default_factory=list)


class Hook:
    """What the script does, host aside.

    Args:
        studio: animates.
        show: a saved clip as HTML.
    """

    def __init__(self, studio: Studio, show: Callable[[SavedClip], str]) -> None:
        self._studio, self._show = studio, show
        self._shown: OrderedDict[str, str] = OrderedDict()

    def started(self, read: Read, values: Sequence[Any], size: tuple[int, int]) -> PictureJob | None:
        """Look at the settings before a picture of this size is made; None: the accordion is off.

        What cannot be done is a problem to be told, and no reason not to make the pictures.
        """
        try:
            is_on, settings, with_frames = read(values)
            if not is_on:
                return None
            request = ClipRequest.from_mapping(settings)
            complete = self._studio.completed(request, size)
        except BadInput as error:
            return PictureJob(settings={}, with_frames=False, parameters={}, problems=[_told(error)])
        parameters = complete.parameters()
        left_open = {"SVD seed": "seed" in settings, "SVD size": request.width is not None}
        for label, is_set in left_open.items():
            if not is_set:
                del parameters[label]
        return PictureJob(settings=settings, with_frames=with_frames, parameters=parameters, problems=[])

    def animated(
        self, job: PictureJob, infotexts: Sequence[str], seeds: Sequence[int], skipped: Callable[[], bool]
    ) -> Iterator[SavedClip | str]:
        """Clips one after the other, each with the seed of its picture unless one was set; or why there is none."""
        yield from job.problems
        if job.problems:
            return
        for number, picture in enumerate(job.pictures):
            request = ClipRequest.from_mapping({"seed": int(seeds[number % len(seeds)]), **job.settings})
            source = infotexts[number] if number < len(infotexts) else ""
            try:
                order = self._studio.order(
                    request,
                    picture,
                    stem=_stem(picture),
                    with_frames=job.with_frames,
                    source=source,
                    saved_as=getattr(picture, "already_saved_as", None) or "",
                )
                job.clips.append(self._studio.animate(order))
            except Interrupted as stop:
                yield str(stop)
                if not skipped():
                    return
            except SvdError as error:
                yield _told(error)
                return
            except Exception as error:
                log.exception("A picture could not be animated")
                yield f"The picture could not be animated ({type(error).__name__}: {error}); the log has more."
                return
            else:
                yield job.clips[-1]

    def keep(self, job: PictureJob, key: str) -> None:
        """Remember the clips of a job, by the time stamp that the host knows it by."""
        self._shown[key] = "".join(self._show(clip) for clip in job.clips)
        while len(self._shown) > REMEMBERED:
            self._shown.popitem(last=False)

    def shown(self, description: str) -> str:
        """The clips of a job as HTML, "" if there are none; `description` is the host's JSON of the job."""
        try:
            return self._shown.get(json.loads(description)["job_timestamp"], "")
        except (ValueError, KeyError, TypeError):
            return ""


def _told(error: SvdError) -> str:
    return f"Animate with SVD: {error}"


def _stem(picture: Image.Image) -> str:
    """The name of the file that a host has saved a picture as."""
    return Path(getattr(picture, "already_saved_as", None) or "clip").stem
