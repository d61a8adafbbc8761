"""Our script in txt2img and img2img: animates the finished pictures of a job, in the same job."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, ClassVar

from lib_svd.hosts.lacking import Need
from lib_svd.hosts.webui import WebuiHost

TOLD = ("SVD clips", "SVD error")
"""What a job's description says of its clips; no picture's infotext does."""
PLOT = "x/y/z plot"  # Classic writes its plot with a capital
"""Gives out its first part's description, which has the clips of all; and writes its own into its grid."""


class AsAsked(int):
    """Whether a job's pictures are left unsaved, true or false, as it was asked for.

    A script of the web UI's that puts a picture together from parts leaves the parts unsaved, so that another value
    stands in its place then.
    """


def make_script_class(host: WebuiHost, hook: Any, build: Callable[[str], Any]) -> type[Any] | None:
    """Make the class that a web UI finds in `scripts/svd.py` and makes an object of for each of the two tabs.

    Args:
        host: where it runs.
        hook: a `hook.Hook`: what to do with the pictures.
        build: shows the controls in a tab, by the tab's name, and gives an `ui.accordion.Accordion`.

    Returns:
        None where the web UI has no such scripts.
    """

    def derive() -> type[Any]:
        from modules.scripts import Script

        ours = {"host": host, "hook": hook, "build": staticmethod(build)}
        return type("AnimateWithSvd", (PictureScript, Script), ours)

    return host.lacks.guard(Need.SCRIPT, derive)()


class PictureScript:
    """What a web UI calls. `p` is its job; ours is kept there, since one object serves all jobs."""

    host: ClassVar[WebuiHost]
    hook: ClassVar[Any]
    build: ClassVar[Any]
    args_from: int  # where our controls' values are among those of all scripts; the web UI counts them
    args_to: int

    def title(self) -> str:
        """Give the name in the API's `alwayson_scripts`."""
        return "SVD"

    def show(self, is_img2img: bool) -> Any:
        """Be there always, in both tabs."""
        from modules.scripts import AlwaysVisible

        return AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        """Build the accordion; called again, for its defaults alone, where there is an API."""
        accordion = self.build("img2img" if is_img2img else "txt2img")
        self._read = accordion.read
        self.infotext_fields = list(accordion.pastes)
        return list(accordion.inputs)

    def setup(self, p: Any, *values: Any) -> None:
        """Note how a job was asked for, and where that is described: a script of the web UI's may run copies of it."""
        p.svd_told = p.extra_generation_params
        p.do_not_save_samples = AsAsked(p.do_not_save_samples)

    def is_on(self, p: Any) -> bool:
        """Tell whether the pictures of a job that has not begun will be animated.

        Raises:
            BadInput: the accordion cannot be read.
        """
        is_on, *_ = self._read(p.script_args[self.args_from : self.args_to])
        return bool(is_on)

    def before_process(self, p: Any, *values: Any) -> None:
        """Refuse what cannot be done before anything is made, and note the settings in the pictures' infotext.

        The cells of an X/Y/Z plot are copies of one `p` that share its dictionaries: nothing is changed in place.
        """
        from modules import shared

        changes, whole = getattr(p, "svd_changes", {}), _find_combining_script(p)
        p.svd_job = self.hook.start(self._read, values, (p.width, p.height), changes, whole)
        if p.svd_job is None:
            return
        others = {name: value for name, value in p.extra_generation_params.items() if name not in TOLD}
        p.extra_generation_params = {**others, **p.svd_job.parameters}
        state = shared.state
        p.svd_is_first, p.svd_is_whole = state.job_no == 0, state.job_count == -1
        if p.svd_is_whole:
            state.job_count = p.n_iter
        if p.svd_is_first and not p.svd_job.problems:
            # A script that runs `p` several times has counted the pictures of all by then; a clip for each comes after.
            state.job_count *= 1 + p.batch_size

    def postprocess_image_after_composite(self, p: Any, pp: Any, *values: Any) -> None:
        """Take a finished picture; grids and masks do not come here."""
        if (job := getattr(p, "svd_job", None)) is not None:
            job.pictures.append(pp.image)

    def postprocess(self, p: Any, processed: Any, *values: Any) -> None:
        """Animate, when all pictures are made and saved."""
        from modules import shared

        job = getattr(p, "svd_job", None)  # other extensions enter in the middle, past `before_process`
        if job is None or shared.state.interrupted:
            return
        if p.svd_is_whole:
            shared.state.job_count = shared.state.job_no + len(job.pictures)
        infotexts = processed.infotexts[processed.index_of_first_image :]
        _take_skip()  # pressed for the last picture, it is not for the first clip
        is_alone = _find_script(p).casefold() in ("", PLOT)
        is_commented = is_alone and p.svd_is_first
        made = []
        with self.host.queue.mark_queued():
            for each in self.hook.animate(job, infotexts, processed.all_seeds, _take_skip):
                if not job.problems:
                    shared.state.nextjob()
                _tell(p, processed, each, is_commented)
                made.append(each)
        processed.extra_generation_params = told = self.hook.keep(
            made,
            processed.job_timestamp,
            processed.extra_generation_params,
            is_first=p.svd_is_first,
            is_commented=is_commented,
        )
        if not is_alone:
            for shown in (p.extra_generation_params, p.svd_told):
                shown.update({name: told[name] for name in TOLD if name in told})


def _find_script(p: Any) -> str:
    """Give the title of the web UI's own script that runs a job, perhaps in parts, and makes of them what it gives
    out.
    """
    number = (p.script_args or (0,))[0]
    return str(p.scripts.selectable_scripts[number - 1].title()) if number else ""


def _find_combining_script(p: Any) -> str:
    """Give the title of such a script that makes one picture of several that it has made; "" if it does not."""
    return "" if isinstance(p.do_not_save_samples, AsAsked) else _find_script(p)


def _take_skip() -> bool:
    """Tell whether Skip was pressed, which is for one clip; asked once, it is done."""
    from modules import shared

    was = bool(shared.state.skipped)
    shared.state.skipped = False
    return was


def _tell(p: Any, processed: Any, made: Any, is_commented: bool) -> None:
    """Put a clip, or the sentence why there is none, where the host looks for what a job made.

    The API passes a text among the images through: the clip in base64. But a script of the web UI's may make a grid of
    all images. The page shows clips below its gallery, never by Neo's `processed.video_path`: it would show that one
    video in place of all pictures of the job.
    """
    if isinstance(made, str):
        if is_commented:
            processed.comments += f"{made}\n"
        return
    if p.is_api and not _find_script(p):
        processed.images.append(base64.b64encode(made.video.read_bytes()).decode("ascii"))
        processed.infotexts.append(made.clip.infotext)
