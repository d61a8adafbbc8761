"""Settings of a clip as axes of the web UI's own X/Y/Z plot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from lib_svd.errors import BadRequest
from lib_svd.progress import Progress, Stage
from lib_svd.request import ClipRequest
from lib_svd.ui.accordion import AXES
from tests.hosts.stub_hosts import FOLDERS

ROOT = Path(__file__).parents[2]
SMALL = {"num_frames": 2, "num_steps": 2}
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated:DeprecationWarning"),  # gradio's own
]


class Webui:
    """A stub web UI that has loaded its own scripts and the extension's, and built its txt2img."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reload()

    def reload(self) -> None:
        """As the web UI starts, and as it does once more at "Reload UI"."""
        from modules import extensions, scripts

        extensions.list_extensions()
        scripts.load_scripts()
        self.show()

    def show(self) -> None:
        """Build the page, with what extensions want to do before."""
        from modules import script_callbacks, scripts, shared

        script_callbacks.before_ui_callback()
        self.runner = scripts.scripts_txt2img
        self.runner.initialize_scripts(False)
        self.runner.prepare_ui()
        with gr.Blocks() as shared.demo:
            for section in ("sampler", "seed"):
                self.runner.setup_ui_for_section(section)
            self.runner.setup_ui()

    @property
    def plot(self) -> Any:
        return self.runner.script("X/Y/Z plot")

    def list_axes(self) -> list[str]:
        """Labels of the axes that a user can choose."""
        return [option.label for option in self.plot.current_axis_options]

    def draw(self, settings: dict[str, Any] | None, **axes: tuple[str, Any]) -> Any:
        """Run a plot: X=("[SVD] Motion", "60, 90"). Gives what the web UI gets; None: the accordion is off."""
        from modules import processing, shared

        values = [getattr(control, "value", None) for control in self.runner.inputs]
        ours = self.runner.script("SVD")
        values[ours.args_from] = False if settings is None else {**SMALL, **settings}
        for number, name in enumerate("XYZ"):
            label, written = axes.get(name, ("Nothing", ""))
            first = self.plot.args_from + 3 * number
            values[first : first + 3] = [self.list_axes().index(label), written, written]
        p = processing.StableDiffusionProcessingTxt2Img(
            outpath_samples=str(self.folder / "pictures"), width=96, height=64
        )
        values[0] = 1 + self.runner.selectable_scripts.index(self.plot)
        p.scripts, p.script_args = self.runner, tuple(values)
        p.steps, p.seed = 1, 5
        shared.state.begin(job="plot")
        return self.runner.run(p, *values)


@pytest.fixture
def webui(stub_host, tmp_path, monkeypatch, checkpoint) -> Callable[..., Webui]:
    """`webui("forge")`: with the plot, or without."""

    def start(name: str, with_plot: bool = True) -> Webui:
        monkeypatch.setattr("lib_svd.extension._kept", [])
        monkeypatch.setattr("lib_svd.hosts.detect._kept", [])
        stub_host(name)
        builtin = ROOT / "tests" / "hosts" / "webpage" / "builtin" / "scripts"
        (tmp_path / "models" / "svd").mkdir(parents=True)
        (tmp_path / "models" / "svd" / checkpoint.name).hardlink_to(checkpoint)
        own = tmp_path / "extensions" / "zz" / "scripts"  # loaded last, as a host may
        own.mkdir(parents=True)
        for script in builtin.glob("*.py"):
            if with_plot or script.name != "xyz_grid.py":
                (own / script.name).symlink_to(script)
        (tmp_path / "extensions" / "svd").symlink_to(ROOT, target_is_directory=True)
        return Webui(tmp_path)

    return start


@pytest.fixture
def forge(webui) -> Webui:
    return webui("forge")


def list_ours(labels: list[str]) -> list[str]:
    return [label for label in labels if label.startswith("[SVD] ")]


def list_clips(processed: Any) -> list[ClipRequest]:
    paths = json.loads(processed.js())["extra_generation_params"]["SVD clips"]
    return [ClipRequest.from_infotext(Path(path).with_suffix(".txt").read_text("utf-8")) for path in paths]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_plot_makes_a_clip_for_each_value_in_every_host(webui, name):
    processed = webui(name).draw({"fps": 6}, X=("[SVD] Motion", "60, 90"))
    assert [(clip.motion_bucket_id, clip.fps) for clip in list_clips(processed)] == [(60, 6), (90, 6)]


def test_every_setting_that_leaves_the_picture_alone_is_an_axis_by_its_name_in_the_tab(forge):
    assert set(list_ours(forge.list_axes())) == set(AXES)
    assert {"[SVD] Motion", "[SVD] Augmentation", "[SVD] Guidance, last frame", "[SVD] Frames"} <= set(AXES)
    assert not any("seed" in label.lower() for label in AXES)  # the picture's is an axis of the host's own


def test_axes_are_there_once_however_often_they_are_registered(forge):
    for again in (forge.show, forge.reload):
        again()
        assert sorted(list_ours(forge.list_axes())) == sorted(AXES)


def test_a_host_without_the_plot_is_left_alone(webui):
    assert webui("forge", with_plot=False).plot is None
    from modules import errors

    assert errors.exception_records == []


def test_lists_offer_their_choices_and_take_them(forge):
    options = {option.label: option for option in forge.plot.current_axis_options}
    assert options["[SVD] Sampler"].choices()[:2] == ["Euler", "Euler a"]
    assert options["[SVD] Motion"].choices is None
    processed = forge.draw({}, X=("[SVD] Sampler", ["Heun", "Euler"]), Y=("[SVD] Augmentation", "0.01"))
    assert [(clip.sampler, clip.noise_aug_strength) for clip in list_clips(processed)] == [
        ("heun", 0.01),
        ("euler", 0.01),
    ]
    assert processed.images[0].info["labels"] == "[SVD] Sampler: Heun|[SVD] Sampler: Euler|[SVD] Augmentation: 0.01"


def test_a_range_of_fractions_is_rounded_as_it_would_be_written(forge):
    options = {option.label: option for option in forge.plot.current_axis_options}
    kind = options["[SVD] Augmentation"].type
    assert (kind == float, kind == int) == (True, False)  # noqa: E721 (as hosts ask)
    assert [kind(value) for value in (0.01 + 0.02, " 0.5 ", "")] == ["0.03", "0.5", ""]


def test_a_range_is_a_range(forge):
    assert [clip.num_frames for clip in list_clips(forge.draw({}, X=("[SVD] Frames", "2-4 (+2)")))] == [2, 4]


@pytest.mark.parametrize(
    ("label", "written", "reason"),
    [
        ("[SVD] Motion", "60, 999", "Motion must be from 1 to 255, not 999."),
        ("[SVD] Motion", "much", "Motion must be a number, not 'much'."),
        ("[SVD] Augmentation", "0.02, 2", "Augmentation must be from 0 to 1, not 2.0."),
        ("[SVD] Schedule", ["Exponential"], "Schedule must be one of karras, align_your_steps, lcm"),
    ],
)
def test_a_bad_value_is_refused_before_anything_is_made(forge, label, written, reason):
    with pytest.raises(BadRequest, match=f"^{reason.replace('.', '[.]')}"):
        forge.draw({}, X=("CFG Scale", "5"), Y=(label, written))
    assert not (forge.folder / "pictures").exists()
    assert reason in forge.runner.script("SVD").hook.render("").replace("&#x27;", "'")


def test_an_axis_asks_for_the_accordion_to_be_on(forge):
    with pytest.raises(BadRequest, match="switch on Animate with SVD"):
        forge.draw(None, X=("[SVD] Motion", "60, 90"))
    assert "switch on" in forge.runner.script("SVD").hook.render("")
    assert not (forge.folder / "pictures").exists()
    assert len(forge.draw(None, X=("CFG Scale", "5, 6")).images) == 3


def test_each_picture_says_how_its_own_clip_was_made_and_the_grid_names_none(forge):
    processed = forge.draw({}, X=("[SVD] Motion", "60, 90"))
    grid, first, second = processed.infotexts
    assert "SVD motion: 60" in first
    assert "SVD motion: 90" in second
    assert "Script: X/Y/Z plot" in grid
    assert not any("SVD clips" in text or "SVD error" in text for text in processed.infotexts)
    assert [clip.seed for clip in list_clips(processed)] == [5, 5]


def test_a_cell_that_cannot_be_animated_says_so_and_the_others_are(forge):
    settings = {"max_guidance": 3.0}
    processed = forge.draw(settings, X=("[SVD] Guidance, first frame", "2, 9"), Y=("[SVD] Motion", "60"))
    assert [clip.min_guidance for clip in list_clips(processed)] == [2.0]
    _, first, second = processed.infotexts
    assert "SVD guidance first: 2.0" in first
    assert "SVD motion" not in second  # and nothing of the cell before
    shown = forge.runner.script("SVD").hook.render(processed.js())
    assert shown.count("<video") == 1
    assert "Guidance must not fall" in shown


def test_a_plot_over_the_hosts_own_settings_shows_every_clip_too(forge):
    processed = forge.draw({}, X=("Seed", "5, 6"))
    assert [clip.seed for clip in list_clips(processed)] == [5, 6]
    assert forge.runner.script("SVD").hook.render(processed.js()).count("<video") == 2


@pytest.mark.parametrize("title", ["X/Y/Z plot", "X/Y/Z Plot"])  # the second one in Classic
def test_the_infotext_of_no_grid_names_clips_however_the_plot_is_written(forge, monkeypatch, title):
    monkeypatch.setattr(type(forge.plot), "title", lambda script: title)
    processed = forge.draw({}, X=("[SVD] Motion", "60, 90"))
    assert len(list_clips(processed)) == 2
    assert not any("SVD clips" in text for text in processed.infotexts)


def test_the_bar_counts_pictures_and_clips_of_all_cells(forge, monkeypatch):
    from modules import shared

    parts: list[float] = []
    nextjob = shared.state.nextjob
    monkeypatch.setattr(
        shared.state,
        "nextjob",
        lambda: nextjob() or parts.append(shared.state.job_no / shared.state.job_count),
    )
    forge.draw({}, X=("[SVD] Motion", "60, 90"))
    assert parts == [0.25, 0.5, 0.75, 1]


def test_interrupt_ends_the_plot_and_leaves_the_clips_made_before(forge, monkeypatch):
    from modules import shared

    host = forge.runner.script("SVD").host
    report, began = host.queue.report, []

    def press(progress: Progress, preview: Any = None) -> None:
        report(progress, preview)
        began.append(progress) if (progress.stage, progress.done) == (Stage.SAMPLING, 0) else None
        if len(began) == 2:
            shared.state.interrupt()

    monkeypatch.setattr(host.queue, "report", press)
    processed = forge.draw({}, X=("[SVD] Motion", "60, 75, 90"))
    assert [clip.motion_bucket_id for clip in list_clips(processed)] == [60]
    assert "was stopped" in forge.runner.script("SVD").hook.render(processed.js())
    assert len(processed.images) == 3  # the grid and two pictures: a third was not begun
