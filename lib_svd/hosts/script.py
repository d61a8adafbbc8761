"""Our script in txt2img and img2img: animates the finished pictures of a job, in the same job."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, ClassVar

from lib_svd.hosts.webui import WebuiHost


def script_class(host: WebuiHost, hook: Any, build: Callable[[str], Any]) -> type[Any]:
    """The class that a web UI finds in `scripts/svd.py` and makes an object of for each of the two tabs.

    Args:
        host: where it runs.
        hook: a `hook.Hook`: what to do with the pictures.
        build: shows the controls in a tab, by the tab's name, and gives an `ui.accordion.Accordion`.
    """
    from modules.scripts import Script

    ours = {"host": host, "hook": hook, "build": staticmethod(build)}
    return type("AnimateWithSvd", (PictureScript, Script), ours)


class PictureScript:
    """What a web UI calls. `p` is its job; ours is kept there, since one object serves all jobs."""

    host: ClassVar[WebuiHost]
    hook: ClassVar[Any]
    build: ClassVar[Any]

    def title(self) -> str:
        """The name in the API's `alwayson_scripts`."""
        return "SVD"

    def show(self, is_img2img: bool) -> Any:
        """Always there, in both tabs."""
        from modules.scripts import AlwaysVisible

        return AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        """The accordion; called again, for its defaults alone, where there is an API."""
        accordion = self.build("img2img" if is_img2img else "txt2img")
        self._read = accordion.read
        self.infotext_fields = list(accordion.pastes)
        return list(accordion.inputs)

    def before_process(self, p: Any, *values: Any) -> None:
        """Before anything is made: refuse what cannot be done, and note the settings in the pictures' infotext."""
        from modules import shared

        p.svd_job = self.hook.started(self._read, values, (p.width, p.height))
        if p.svd_job is None:
            return
        p.extra_generation_params.update(p.svd_job.parameters)
        if shared.state.job_count == -1:  # not counted yet: after the pictures comes a clip for each
            shared.state.job_count = p.n_iter * (1 + p.batch_size)

    def postprocess_image_after_composite(self, p: Any, pp: Any, *values: Any) -> None:
        """A finished picture; grids and masks do not come here."""
        if (job := getattr(p, "svd_job", None)) is not None:
            job.pictures.append(pp.image)

    def postprocess(self, p: Any, processed: Any, *values: Any) -> None:
        """All pictures are made and saved."""
        from modules import shared

        job = getattr(p, "svd_job", None)  # other extensions enter in the middle, past `before_process`
        if job is None or shared.state.interrupted:
            return
        shared.state.job_count = shared.state.job_no + len(job.pictures)
        infotexts = processed.infotexts[processed.index_of_first_image :]
        _skipped()  # pressed for the last picture, it is not for the first clip
        with self.host.already_queued():
            for made in self.hook.animated(job, infotexts, processed.all_seeds, _skipped):
                shared.state.nextjob()
                _tell(p, processed, made)
        self.hook.keep(job, processed.job_timestamp)


def _skipped() -> bool:
    """Whether Skip was pressed, which is for one clip; asked once, it is done."""
    from modules import shared

    was = bool(shared.state.skipped)
    shared.state.skipped = False
    return was


def _tell(p: Any, processed: Any, made: Any) -> None:
    """Put a clip, or the sentence why there is none, into what the job gives back.

    `extra_generation_params` belong to the job's description by now and no longer to any infotext. The API passes a
    text among the images through: the clip in base64.
    """
    if isinstance(made, str):
        processed.extra_generation_params["SVD error"] = made
        processed.comments += f"{made}\n"
        return
    processed.extra_generation_params.setdefault("SVD clips", []).append(str(made.video))
    if hasattr(processed, "video_path"):  # Neo's own player
        processed.video_path = str(made.video)
    if p.is_api:
        processed.images.append(base64.b64encode(made.video.read_bytes()).decode("ascii"))
        processed.infotexts.append(made.clip.infotext)
