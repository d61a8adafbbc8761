"""A clip is finished: it stays, what comes of it is saved beside it, and the history knows where that came from."""

from __future__ import annotations

import errno
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from lib_svd import jobs, video
from lib_svd.clip import Clip, SavedClip
from lib_svd.errors import BadInput, BadOutput, BadRequest, EncodeFailed, Interrupted
from lib_svd.finish.finishing import Finishing
from lib_svd.infotext import read_infotext
from lib_svd.jobs import finishing, history, look, restore_entry, searching, trash
from lib_svd.progress import Bar, Stage
from lib_svd.request import ClipRequest, CompleteRequest
from lib_svd.testing import NARROW, FakeQueue, make_fake_host, write_checkpoint
from tests.conftest import snapshot
from tests.engine.rife import draw_weights
from tests.finish.flickering import alternate
from tests.requests import complete
from tests.review import clips

SETTINGS = complete(num_frames=10, width=192, height=128, fps=9, seed=5, checkpoint="svd_xt.safetensors")


@pytest.fixture
def host(tmp_path):
    return make_fake_host(tmp_path, svd_review=False)


@pytest.fixture
def saved(host, picture) -> SavedClip:
    """A clip of the history, with its frames."""
    clip = Clip(frames=clips.make_pan(2), fps=9, infotext=SETTINGS.write_infotext())
    made = video.save(clip, host.folders.find_output_dir() / "a.mp4", host.folders.find_output_dir() / "a")
    history.remember(made.video, SETTINGS, str(picture), None, [made.video, made.video.with_suffix(".txt")])
    return made


def finish(path: Path, host, copies=(), **what) -> SavedClip:
    return jobs.finish(jobs.finish_order(path, Finishing(**what), host, copies=copies), host)


def test_the_clip_stays_and_the_finished_one_stands_beside_it(saved, host):
    before = snapshot(saved.video.parent)
    made = finish(saved.video, host, loop="pingpong", upscale="lanczos")
    assert made.video == saved.video.parent / "a-finished.mp4"
    about = video.probe(made.video)
    assert (about.num_frames, about.width, about.height, about.fps) == (18, 384, 256, 9)
    assert before.items() <= snapshot(saved.video.parent).items()


def test_frames_that_were_saved_are_taken_without_loss(saved, host):
    made = finish(saved.video, host, reverse=True)
    assert np.array_equal(made.clip.frames, saved.clip.frames[::-1])


def test_history_knows_what_it_came_from_and_what_was_done(saved, host, picture):
    made = finish(saved.video, host, loop="pingpong")
    entry = history.find_entry(made.video)
    assert (entry.source, entry.finished, entry.picture) == ("a.mp4", "Loop: Ping-pong", str(picture))
    assert CompleteRequest(**entry.settings) == SETTINGS
    assert entry.write_brief() == "seed 5, svd_xt.safetensors, motion 75, finished (Loop: Ping-pong)"
    for words in ("ping-pong", "source=a.mp4"):
        assert [each.video for each in searching.find_clips(history.read_entries(made.video.parent), words)] == [
            made.video
        ]
    made.video.with_suffix(".json").unlink()
    entry = history.find_entry(made.video)
    assert (entry.source, entry.finished) == ("a.mp4", "Loop: Ping-pong")
    assert entry.settings["seed"] == 5


def test_its_settings_are_the_clips_own_and_what_was_done(saved, host):
    made = finish(saved.video, host, loop="pingpong")
    text = read_infotext(made.video)
    assert text == f'{SETTINGS.write_infotext()}, SVD finished: "Loop: Ping-pong", SVD source: a.mp4'
    assert made.video.with_suffix(".txt").read_text("utf-8") == text
    assert ClipRequest.from_infotext(text) == ClipRequest.from_infotext(SETTINGS.write_infotext())


def test_a_finished_clip_is_finished_again_at_its_own_size_and_rate(saved, host):
    once = finish(saved.video, host, upscale="lanczos", speed=2.0)
    twice = finish(once.video, host, loop="pingpong")
    assert twice.video.name == "a-finished-svd-0001.mp4"
    assert (twice.clip.size, twice.clip.fps, len(twice.clip.frames)) == ((384, 256), 18, 18)
    entry = history.find_entry(twice.video)
    assert entry.source == "a-finished.mp4"
    assert entry.finished == "Speed: 2.0, Upscaler: lanczos; then Loop: Ping-pong"


def test_a_finished_clip_comes_back_as_it_is(saved, host):
    """Its settings are those of the clip before, its frames its own, and no square of four is taken for a pixel."""
    made = finish(saved.video, host, upscale="lanczos", speed=2.0)
    back = restore_entry(history.find_entry(made.video))
    assert CompleteRequest(**back.settings) == SETTINGS
    assert (back.saved.clip.size, back.saved.clip.fps) == ((384, 256), 18)
    assert np.array_equal(back.saved.clip.frames, video.read_frames(made.video)[0])


def test_a_finished_clip_is_measured_as_it_is(saved, host, picture):
    made = finish(saved.video, host, upscale="lanczos", speed=2.0)
    looked = look(made.video, picture=picture)
    assert (looked.size, looked.fps, looked.num_frames) == ((384, 256), 18, 10)
    assert looked.review.measures["flow"] == pytest.approx(4, rel=0.1)  # of the clip before it is 2


def test_a_clip_whose_pixels_are_squares_is_finished_as_it_was_made(host):
    clip = Clip(frames=clips.make_pan(2), fps=9, infotext=SETTINGS.write_infotext(), enlarge=2)
    made = video.save(clip, host.folders.find_output_dir() / "b.mp4")
    assert finish(made.video, host, reverse=True).clip.size == (192, 128)


def test_it_is_measured_where_clips_are(saved, tmp_path):
    made = finish(saved.video, make_fake_host(tmp_path), reverse=True)
    assert history.find_entry(made.video).measures["flow"] == pytest.approx(2, rel=0.1)


def test_a_clip_from_elsewhere_is_finished_too(host, tmp_path):
    """A GIF that says nothing; it is told that its rate was rounded, and that it says nothing is no fault."""
    path = tmp_path / "cat.gif"
    first, *rest = [Image.fromarray(frame) for frame in clips.make_pan(2)]
    first.save(path, save_all=True, append_images=rest, duration=100)
    made = finish(path, host, loop="pingpong")
    assert (made.video.name, made.clip.fps, len(made.clip.frames)) == ("cat-finished.mp4", 10, 18)
    assert made.clip.infotext == 'SVD finished: "Loop: Ping-pong", SVD source: cat.gif'
    entry = history.find_entry(made.video)
    assert (entry.settings, entry.source, entry.write_brief()) == ({}, "cat.gif", "finished (Loop: Ping-pong)")
    assert len(finish(made.video, host, reverse=True).clip.frames) == 18


def test_a_folder_of_frames_is_finished_at_a_frame_a_second(saved, host, tmp_path):
    video.save_frames(saved.clip.frames, tmp_path / "pictures", "")
    made = finish(tmp_path / "pictures", host, smooth="", speed=7.0)
    assert (made.video.name, made.clip.fps) == ("pictures-finished.mp4", 7)


def test_copies_and_a_poster_are_the_clips_own_files(saved, host):
    made = finish(saved.video, host, copies=("gif",), poster=3)
    poster = made.video.with_suffix(".poster.png")
    assert made.copies == (made.video.with_suffix(".gif"), poster)
    assert np.array_equal(np.asarray(Image.open(poster)), made.clip.frames[2])
    assert read_infotext(poster) == made.clip.infotext
    gone = trash.move_to_trash(made.video)
    assert sorted(each.name for each in gone) == [
        f"a-finished{suffix}" for suffix in (".gif", ".json", ".mp4", ".poster.png", ".txt")
    ]


def test_a_poster_whose_name_is_taken_costs_nothing_but_itself(saved, host):
    taken = saved.video.parent / "a-finished.poster.png"
    taken.write_bytes(b"mine")
    made = finish(saved.video, host, poster=1)
    assert taken.read_bytes() == b"mine"
    assert made.notes[-1].startswith("a-finished.poster.png could not be written (")


def test_progress_goes_on_and_never_back(saved, tmp_path):
    host = make_fake_host(tmp_path)
    finish(saved.video, host, upscale="lanczos")
    bar = Bar()
    shares = [bar.move(each) for each in host.queue.reports]
    assert shares == sorted(shares)
    assert [each.stage for each in host.queue.reports if each.stage is Stage.ENLARGING][9:]
    assert (host.queue.reports[0].stage, shares[-1]) == (Stage.OPENING, 1.0)


@pytest.mark.parametrize("stage", [Stage.OPENING, Stage.ENLARGING, Stage.WRITING])
def test_stopped_it_leaves_nothing(saved, tmp_path, stage):
    host = make_fake_host(tmp_path, queue=FakeQueue(lambda progress: progress.stage is stage))
    before = snapshot(saved.video.parent)
    with pytest.raises(Interrupted, match="the clip is as it was"):
        finish(saved.video, host, upscale="lanczos")
    assert snapshot(saved.video.parent) == before


@pytest.mark.parametrize(
    ("what", "copies", "said"),
    [
        ({"first": 11}, (), "the clip has 10"),
        ({"upscale": "4x-nix"}, (), "There is no upscaler '4x-nix'"),
        ({}, ("tiff",), "'tiff'"),
        ({"size": "9000x9000"}, (), "players take 4096 pixels"),
    ],
)
def test_what_cannot_be_is_refused_before_a_frame_is_read(saved, host, monkeypatch, what, copies, said):
    monkeypatch.setattr(video, "read_frames", lambda path: pytest.fail("a frame was read"))
    with pytest.raises(BadRequest, match=said):
        jobs.finish_order(saved.video, Finishing(**what), host, copies=copies)


def test_what_would_not_fit_in_memory_is_refused(saved, host, monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 10_000_000}))
    with pytest.raises(
        BadRequest, match=r"take 0\.1 GB of memory, and 0\.0 GB are free: lower Times as large, Smooth to"
    ):
        jobs.finish_order(saved.video, Finishing(length=100.0), host)


@pytest.mark.parametrize("name", ["nothing.mp4", "folder"])
def test_a_clip_that_is_not_there_is_a_sentence(host, tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput):
        jobs.finish_order(tmp_path / name, Finishing(), host)


def test_a_link_is_not_followed(saved, host, tmp_path):
    link = tmp_path / "link.mp4"
    link.symlink_to(saved.video)
    with pytest.raises(BadInput, match="is a link, which is not followed"):
        finish(link, host)


def test_a_clip_of_one_frame_is_a_sentence(host, tmp_path):
    made = video.save(Clip(frames=clips.make_pan(2)[:1], fps=7, infotext=""), tmp_path / "one.mp4")
    with pytest.raises(BadInput, match="has a single frame: choose a clip"):
        finish(made.video, host)


def test_a_clip_that_is_trimmed_to_one_frame_is_one(saved, host):
    made = finish(saved.video, host, first=3, last=3)
    assert video.probe(made.video).num_frames == 1


@pytest.mark.parametrize("what", [{}, {"upscale": "lanczos", "scale": 1.3}, {"size": "95x61"}])
def test_odd_sizes_are_finished_too(host, tmp_path, what):
    video.save_frames(clips.make_pan(2)[:, :75, :101], tmp_path / "odd", "")
    made = finish(tmp_path / "odd", host, ("ffv1",), **what)
    frames, _ = video.read_frames(made.copies[0])
    assert np.array_equal(frames, made.clip.frames)
    assert finish(made.video, host).video.name == "odd-finished-svd-0001.mp4"


def test_however_long_the_name_is_there_is_one(host, tmp_path):
    path = tmp_path / f"{'ä' * 120}.gif"
    Image.new("RGB", (16, 16)).save(path, save_all=True, append_images=[Image.new("RGB", (16, 16), "red")], duration=99)
    made = finish(path, host, copies=("gif",), poster=1)
    assert made.video.name == f"{'ä' * 60}-finished.mp4"
    assert all(each.is_file() for each in (made.video, *made.copies))


def test_two_jobs_to_one_folder_take_two_names(saved, host):
    orders = [jobs.finish_order(saved.video, Finishing(reverse=True), host) for _ in range(2)]
    first, second = (jobs.finish(order, host) for order in orders)
    assert (first.video.name, second.video.name) == ("a-finished.mp4", "a-finished-svd-0001.mp4")
    assert second.notes[-1].startswith("a-finished.mp4 appeared while")


def test_a_folder_that_cannot_be_written_to_is_refused_at_once(saved, host, monkeypatch):
    def refuse(path, *given, **named):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(BadOutput, match="its folder is not writable: choose another folder"):
        jobs.finish_order(saved.video, Finishing(), host, out=saved.video.with_name("b.mp4"))


def test_a_full_disk_leaves_nothing_under_a_final_name(saved, host, monkeypatch):
    """And so are the other places: a sentence, and the clip is as it was."""
    before = snapshot(saved.video.parent)

    def fill_up(*given, **named):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    save = sys.modules["lib_svd.video.save"]
    monkeypatch.setattr(save, "encode", fill_up)
    monkeypatch.setattr(save, "save_frames", fill_up)
    with pytest.raises(EncodeFailed, match="No space left on device"):
        finish(saved.video, host)
    assert snapshot(saved.video.parent) == before


def test_what_is_noted_can_be_read_by_any_program(saved, host):
    made = finish(saved.video, host, loop="pingpong")
    noted = json.loads(made.video.with_suffix(".json").read_text("utf-8"))
    assert (noted["source"], noted["finished"]) == ("a.mp4", "Loop: Ping-pong")
    row = history.find_entry(made.video).flatten()
    assert (row["source"], row["finished"]) == ("a.mp4", "Loop: Ping-pong")


def test_rife_is_asked_for_before_anything_runs_and_loaded_when_its_turn_has_come(saved, tmp_path):
    with pytest.raises(BadInput, match="There is no RIFE model: put rife_v4"):
        finish(saved.video, make_fake_host(tmp_path, tmp_path / "models" / "svd"), smooth="2x", smoother="rife")
    path = tmp_path / "models" / "frame_interpolation" / "rife_v4.26.safetensors"
    path.parent.mkdir(parents=True)
    save_file(draw_weights("RIFE 4.25 or 4.26"), path)
    host = make_fake_host(tmp_path, tmp_path / "models" / "svd", svd_review=False)
    made = finish(saved.video, host, first=1, last=3, smooth="2x", smoother="rife")
    assert np.array_equal(made.clip.frames[::2], saved.clip.frames[:3])
    assert "Smoother: RIFE" in history.find_entry(made.video).finished


def test_a_name_that_another_clip_gets_meanwhile_is_no_reason_to_refuse(saved, host, monkeypatch):
    free = finishing.find_free_names
    begun = iter(["quicker"])

    def find_and_lose(*given):
        name = next(free(*given))
        if next(begun, ""):
            name.touch()  # a clip that was made meanwhile
        yield name

    monkeypatch.setattr(finishing, "find_free_names", find_and_lose)
    assert finish(saved.video, host, reverse=True).video.name == "a-finished-svd-0001.mp4"
    with pytest.raises(BadOutput, match=r"a\.mp4 exists already"):
        jobs.finish_order(saved.video, Finishing(reverse=True), host, out=saved.video)


def test_flicker_is_taken_away_by_a_model_and_history_knows_by_which(tmp_path):
    host = make_fake_host(tmp_path, write_checkpoint(tmp_path / "models" / "svd" / "own.safetensors").parent)
    frames = alternate(clips.make_pan(2)[:5, :32, :48])
    clip = video.save(Clip(frames=frames, fps=7, infotext=""), host.folders.find_output_dir() / "a.mp4").video
    order = jobs.finish_order(clip, Finishing(deflicker="own"), host)
    assert order.sentence.endswith("Flicker removed by own.")
    made = jobs.finish(order, host)
    assert made.clip.frames.shape == frames.shape
    assert history.find_entry(made.video).finished == "Deflicker: own"
    assert "of the sharpness is kept" in made.notes[0]
    stages = [each.stage for each in host.queue.reports]
    assert Stage.LOADING in stages
    assert stages.count(Stage.DEFLICKERING) > 5
    bar = Bar()
    shares = [bar.move(each) for each in host.queue.reports if each.stage is not Stage.MEASURING]
    assert shares == sorted(shares)


def test_a_model_that_cannot_take_flicker_away_is_refused_before_anything_is_read(tmp_path, saved):
    plain = replace(NARROW, decoder=replace(NARROW.decoder, temporal=False))
    models = write_checkpoint(tmp_path / "models" / "svd" / "plain.safetensors", plain).parent
    host = make_fake_host(tmp_path, models)
    with pytest.raises(BadRequest, match=r"plain\.safetensors has the plain image decoder"):
        jobs.finish_order(saved.video, Finishing(deflicker="plain"), host)
    with pytest.raises(BadInput, match="No model is called 'gone'"):
        jobs.finish_order(saved.video, Finishing(deflicker="gone"), host)
    assert host.queue.reports == []


def test_removing_flicker_is_stopped_and_leaves_nothing(tmp_path, saved):
    host = make_fake_host(tmp_path, queue=FakeQueue(lambda progress: progress.stage is Stage.DEFLICKERING))
    before = snapshot(saved.video.parent)
    with pytest.raises(Interrupted, match="Finishing was stopped"):
        finish(saved.video, host, deflicker="brightness")
    assert snapshot(saved.video.parent) == before
