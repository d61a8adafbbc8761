"""What becomes of a job's own pictures where they were animated."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from lib_svd.clip import Clip, SavedClip
from lib_svd.hook import PictureJob
from lib_svd.hosts.detect import find_host
from lib_svd.hosts.script import make_script_class


class HookWithClips:
    """Gives clips that are there already."""

    def __init__(self, *clips: SavedClip) -> None:
        self.clips = clips

    def animate(self, job, infotexts, seeds, skipped):
        yield from self.clips

    def keep(self, made, key, description, *, is_first, is_commented):
        return description


def test_neo_is_given_no_video_to_show_in_place_of_the_pictures(stub_host):
    stub_host("neo")
    clip = Clip(frames=np.zeros((1, 8, 8, 3), np.uint8), fps=7, infotext="")
    hook = HookWithClips(*(SavedClip(clip=clip, video=Path(name)) for name in ("a.mp4", "b.mp4")))
    script = make_script_class(find_host(), hook, lambda tab: None)()
    job = PictureJob(settings={}, with_frames=False, parameters={}, problems=[])
    p = SimpleNamespace(svd_job=job, svd_is_first=True, svd_is_whole=False, is_api=False, script_args=())
    processed = SimpleNamespace(
        **{"images": ["a", "b"], "infotexts": ["", ""], "index_of_first_image": 0, "all_seeds": [1, 2]},
        **{"job_timestamp": "", "extra_generation_params": {}, "comments": "", "video_path": None},
    )
    script.postprocess(p, processed)
    assert (processed.images, processed.video_path) == (["a", "b"], None)
