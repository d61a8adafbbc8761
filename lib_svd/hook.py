"""Pictures that a web UI has just generated become clips, in the same job."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from lib_svd.clip import SavedClip
from lib_svd.errors import BadInput, BadRequest, Interrupted, SvdError
from lib_svd.settings import MAX_SEED
from lib_svd.studio import Studio

log = logging.getLogger("svd")

Read = Callable[[Sequence[Any]], tuple[bool, dict[str, Any], bool]]
"""Values of the accordion to: is it on, settings, save frames too. Raises BadInput."""

PARTS = "{} puts its picture together from parts, which are not animated: send the whole one to the SVD tab."
REMEMBERED = 50  # jobs whose clips can still be shown


@dataclass
class PictureJob:
    """The part of a txt2img or img2img job that is ours."""

    settings: dict[str, Any]
    with_frames: bool
    parameters: dict[str, str]  # for the pictures' infotext
    problems: list[str]  # why there will be no clips
    pictures: list[Image.Image] = field(default_factory=list)


@dataclass
class Kept:
    """What a host's job has given so far: of an X/Y/Z plot every cell is a `PictureJob`, all together are one job."""

    description: dict[str, Any]  # the host's, for programs, with our clips
    shown: str = ""  # HTML


class Hook:
    """What the script does, host aside.

    Args:
        studio: animates.
        show: a saved clip as HTML.
    """

    def __init__(self, studio: Studio, show: Callable[[SavedClip], str]) -> None:
        self._studio, self._show = studio, show
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._refusal = ""

    def start(
        self,
        read: Read,
        values: Sequence[Any],
        size: tuple[int, int],
        changes: Mapping[str, Any],
        puts_together: str = "",
    ) -> PictureJob | None:
        """Look at the settings before a picture of this size is made; None: the accordion is off.

        What cannot be done is a problem to be told, and no reason not to make the pictures.

        Args:
            read: reads the accordion.
            values: of the accordion.
            size: width and height.
            changes: settings in place of the accordion's, for one cell of an X/Y/Z plot.
            puts_together: the script of the web UI's that makes one picture of several such; "" where each is its own.
        """
        self._refusal = ""
        try:
            is_on, settings, with_frames = read(values)
            if not is_on:
                return None
            if puts_together:
                raise BadRequest(PARTS.format(puts_together))
            settings = {**settings, **changes}
            request = self._studio.make_request(settings)
            complete = self._studio.complete_request(request, size)
        except BadInput as error:
            return PictureJob(settings={}, with_frames=False, parameters={}, problems=[_write_error(error)])
        parameters = complete.write_parameters()
        left_open = {"SVD seed": "seed" in settings, "SVD size": request.width is not None}
        for label, is_set in left_open.items():
            if not is_set:
                del parameters[label]
        return PictureJob(settings=settings, with_frames=with_frames, parameters=parameters, problems=[])

    def animate(
        self, job: PictureJob, infotexts: Sequence[str], seeds: Sequence[int], skipped: Callable[[], bool]
    ) -> Iterator[SavedClip | str]:
        """Make clips one after the other, each with the seed of its picture unless one was set; or say why there is
        none.
        """
        yield from job.problems
        if job.problems:
            return
        said = ""
        for number, picture in enumerate(job.pictures):
            source = infotexts[number] if number < len(infotexts) else ""
            seed, notes = _fit_seed(int(seeds[number % len(seeds)]))
            try:
                request = self._studio.make_request({"seed": seed, **job.settings})
                order = self._studio.order(
                    request,
                    picture,
                    stem=_read_stem(picture),
                    with_frames=job.with_frames,
                    source=source,
                    saved_as=getattr(picture, "already_saved_as", None) or "",
                )
                notes = () if "seed" in job.settings else notes
                clip = self._studio.animate(replace(order, notes=(*order.notes, *notes)))
            except Interrupted as stop:
                yield str(stop)
                if not skipped():
                    return
            except SvdError as error:
                if said != (said := _write_error(error)):  # of a batch, what goes for all pictures is said once
                    yield said
            except Exception as error:
                log.exception("A picture could not be animated")
                yield f"The picture could not be animated ({type(error).__name__}: {error}); the log has more."
            else:
                yield clip

    def keep(
        self,
        made: Sequence[SavedClip | str],
        key: str,
        description: Mapping[str, Any],
        *,
        is_first: bool = True,
        is_commented: bool = True,
    ) -> dict[str, Any]:
        """Remember what `animate` gave, by the time stamp that the host knows the job by.

        Of a whole plot a host gives out the first cell's description and comments. So later cells add to that very
        description, and what could not be done there is told beside the clips.

        Args:
            made: clips, and why there is none.
            key: the time stamp.
            description: the host's, of this part of the job.
            is_first: whether it is the first part.
            is_commented: whether the host shows the part's comments, which say why there is no clip.

        Returns:
            the job's description, `description` if this is its first part, with all that was made so far.
        """
        if is_first:
            self._kept.pop(key, None)  # stamps are in seconds, and an earlier job may have taken less than one
        kept = self._kept.setdefault(key, Kept(dict(description)))
        for each in made:
            if isinstance(each, SavedClip):
                kept.description.setdefault("SVD clips", []).append(str(each.video))
                kept.shown += self._show(each)
                continue
            kept.description["SVD error"] = each
            if not is_commented and (said := f"<p>{escape(each)}</p>") not in kept.shown:
                kept.shown += said
        while len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
        return kept.description

    def refuse(self, error: BadInput) -> None:
        """Show why a job is not begun: reForge's page says of every error there that None cannot be iterated.

        It is shown until a job begins, since a busy page asks too early, and more than once.
        """
        self._refusal = f"<p>{escape(_write_error(error))}</p>"

    def render(self, description: str) -> str:
        """Show what became of a job as HTML, "" if that is nothing.

        Args:
            description: the host's JSON of the job, "" if it failed.
        """
        if not description:
            return self._refusal
        try:
            return self._kept[json.loads(description)["job_timestamp"]].shown
        except (ValueError, KeyError, TypeError):
            return ""


def _fit_seed(seed: int) -> tuple[int, tuple[str, ...]]:
    """Give a clip's seed for a picture's, which may be larger in some web UIs, and a note where it is another."""
    own = seed % (MAX_SEED + 1)
    return own, () if own == seed else (f"The picture's seed {seed} is beyond those of clips: {own} is taken.",)


def _write_error(error: SvdError) -> str:
    return f"Animate with SVD: {error}"


def _read_stem(picture: Image.Image) -> str:
    """Read the name of the file that a host has saved a picture as."""
    return Path(getattr(picture, "already_saved_as", None) or "clip").stem
