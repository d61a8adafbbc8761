"""Clips of a job that one of the web UI's own scripts runs: made, named, and in nobody's way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.test_xyz import SMALL, Webui, pytestmark, webui  # noqa: F401 (a fixture, and marks)

SCRIPTS = """
import copy

from PIL import Image

from modules import processing, scripts
from modules.processing import Processed, process_images
from modules.shared import state


class Grid(scripts.Script):
    def title(self):
        return "A grid of all images"

    def run(self, p, *given):
        processed = process_images(p)
        assert all(image.size == processed.images[0].size for image in processed.images)
        return processed


class Copies(scripts.Script):
    def title(self):
        return "Copies of the job"

    def run(self, p, *given):
        images, infotexts = [], []
        for prompt in ("a cat", "a dog"):
            part = copy.copy(p)
            part.prompt = prompt
            made = process_images(part)
            images, infotexts = images + made.images, infotexts + made.infotexts
        return Processed(p, images, p.seed, "", infotexts=infotexts)


class Again(scripts.Script):
    def title(self):
        return "The job again"

    def run(self, p, *given):
        images, infotexts = [], []
        for number in range(2):
            made = process_images(p)
            images, infotexts = images + made.images[:1], infotexts + made.infotexts[:1]
            p.seed += 1
        return Processed(p, images, p.seed, "", infotexts=infotexts)


class Parts(scripts.Script):
    def title(self):
        return "A picture of parts"

    def run(self, p, *given):
        p.do_not_save_samples = True
        state.job_count = 2
        parts = [process_images(p).images[0] for _ in range(2)]
        whole = Image.new("RGB", (2 * parts[0].width, parts[0].height))
        return Processed(p, [whole], p.seed, "")
"""


@pytest.fixture(params=["forge", "a1111"])
def host(webui, tmp_path, request) -> Webui:  # noqa: F811
    folder = tmp_path / "extensions" / "yy" / "scripts"
    folder.mkdir(parents=True)
    (folder / "own.py").write_text(SCRIPTS)
    return webui(request.param)


def run(host: Webui, title: str, settings: dict[str, Any], *, is_api: bool) -> Any:
    from modules import processing, shared

    values = [getattr(control, "value", None) for control in host.runner.inputs]
    values[host.runner.script("SVD").args_from] = {**SMALL, **settings}
    values[0] = 1 + host.runner.selectable_scripts.index(host.runner.script(title))
    p = processing.StableDiffusionProcessingTxt2Img(outpath_samples=str(host.folder / "pictures"), width=96, height=64)
    p.is_api = p.do_not_save_samples = is_api  # the API saves nothing unless it is asked to
    p.scripts, p.script_args = host.runner, tuple(values)
    p.steps, p.seed = 1, 5
    shared.state.begin(job="scripted")
    return host.runner.run(p, *values)


@pytest.mark.parametrize("is_api", [True, False])
@pytest.mark.parametrize(
    ("title", "count"), [("A grid of all images", 1), ("Copies of the job", 2), ("The job again", 2)]
)
def test_pictures_and_clips_are_there_and_named(host, title, count, is_api):
    processed = run(host, title, {}, is_api=is_api)
    assert len(processed.images) == count
    assert not any(isinstance(image, str) for image in processed.images)
    told = json.loads(processed.js())["extra_generation_params"]
    assert len({*told["SVD clips"]}) == count
    assert all(Path(clip).is_file() for clip in told["SVD clips"])
    assert not any("SVD clips" in text for text in processed.infotexts)


@pytest.mark.parametrize("title", ["A grid of all images", "Copies of the job", "The job again"])
def test_where_there_can_be_no_clip_the_reason_is_told(host, title):
    processed = run(host, title, {"checkpoint": "nowhere.safetensors"}, is_api=True)
    told = json.loads(processed.js())["extra_generation_params"]
    assert "No model is called" in told["SVD error"]
    assert not any("SVD error" in text for text in processed.infotexts)


@pytest.mark.parametrize("title", ["A grid of all images", "Copies of the job", "The job again"])
def test_the_page_tells_the_reason_once(host, title):
    processed = run(host, title, {"checkpoint": "nowhere.safetensors"}, is_api=False)
    assert read_page(host, processed).count("No model is called") == 1


@pytest.mark.parametrize("is_api", [True, False])
def test_parts_of_a_picture_are_no_pictures_to_animate(host, is_api):
    from modules import shared

    processed = run(host, "A picture of parts", {}, is_api=is_api)
    assert len(processed.images) == 1
    told = json.loads(processed.js())["extra_generation_params"]
    assert "SVD clips" not in told
    assert "SVD motion" not in told
    reason = "A picture of parts puts its picture together from parts, which are not animated"
    assert reason in told["SVD error"]
    assert read_page(host, processed).count(reason) == 1
    assert (shared.state.job_no, shared.state.job_count) == (2, 2)


def read_page(host: Webui, processed: Any) -> str:
    """What stands below the gallery: the web UI's comments, and what is ours."""
    return f"{processed.comments}{host.runner.script('SVD').hook.render(processed.js())}"
