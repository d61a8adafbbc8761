"""Pictures beside the one that is animated: kept by their pixels, fitted as it is, and found again from any door."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw, ImageFilter

from lib_svd import api
from lib_svd.animate import Destination, Order, order
from lib_svd.checkpoints import DEMO, recognise
from lib_svd.companions import find_kept, keep_picture, name_picture
from lib_svd.errors import BadPicture
from lib_svd.infotext import read_infotext
from lib_svd.jobs import history, reopen_clip, restore_entry
from lib_svd.queue import JobQueue, State
from lib_svd.queue.bundle import load_jobs, save_jobs
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio
from lib_svd.testing import make_fake_host
from tests.conftest import read_frames_in
from tests.control.clips import MASKS, PICTURE, draw_mask

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = {"checkpoint": "demo", "num_steps": 2, "num_frames": 4, "seed": 1}


@pytest.fixture
def studio(tmp_path) -> Studio:
    return Studio(make_fake_host(tmp_path))


@pytest.fixture
def last(tmp_path) -> Path:
    """Another view of the scene: the picture mirrored, and larger."""
    path = tmp_path / "last.png"
    with Image.open(PICTURE) as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((1600, 1200)).save(path)
    return path


@pytest.fixture
def mask(tmp_path) -> Path:
    """The left half of the picture is white, at the picture's own size."""
    picture = Image.new("L", (1280, 800))
    ImageDraw.Draw(picture).rectangle((0, 0, picture.width // 2 - 1, picture.height), fill=255)
    picture.save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def make_order(folder: Path, **settings: object) -> Order:
    return order(ClipRequest(**{**SMALL, **settings}), PICTURE, recognise(DEMO), Destination(out=folder / "a.mp4"))


def open_picture(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


def encode(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")


def measure_psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


def test_the_last_frame_is_the_last_picture_as_near_as_the_vae_draws_it(lib_svd, here, last) -> None:
    words = ("--checkpoint", "demo", "--seed", 1, "--frames", 8, "--size", "80x48")
    made = lib_svd("animate", PICTURE, *words, "--last-picture", last, "--frames-dir", here / "a", "--out", "a.mp4")
    alone = lib_svd("animate", last, *words, "--frames-dir", here / "b", "--out", "b.mp4")
    wanted = make_order(here / "b", last_picture=str(last)).companions.last

    assert (made.code, alone.code) == (0, 0), made.err + alone.err
    target = np.asarray(wanted.image)
    drawn = measure_psnr(read_frames_in(here / "b")[0], target)  # by the VAE, as the first frame of a clip of its own
    assert measure_psnr(read_frames_in(here / "a")[-1], target) > drawn - 1
    assert "The largest step is from frame" in made.err
    assert f"SVD last picture: {wanted and name_picture(open_picture(last))}" in read_infotext(here / "a.mp4")


def test_the_last_picture_is_fitted_as_the_first_and_what_that_takes_is_said(tmp_path, last) -> None:
    made = make_order(tmp_path, last_picture=str(last))

    assert made.companions.last.image.size == (made.request.width, made.request.height)
    assert any(note.startswith("Last picture: Cropped") for note in made.notes)


@pytest.mark.parametrize(
    ("size", "settings", "left", "right"),
    [
        ((1280, 800), {"fit": "crop", "zoom": 2.0, "focus_x": 0.25, "focus_y": 0.5}, 255, 255),  # all of it is the left
        ((1280, 800), {"fit": "crop", "zoom": 2.0, "focus_x": 0.75, "focus_y": 0.5}, 0, 0),
        ((64, 64), {"fit": "crop", "zoom": 2.0, "focus_x": 0.25}, 255, 0),  # of another size: over the whole clip
        ((1280, 800), {"fit": "stretch"}, 255, 0),
        ((1280, 800), {"fit": "stretch", "mask_means": "stays"}, 0, 255),
        ((1280, 800), {"fit": "letterbox", "width": 64, "height": 64}, 255, 0),
    ],
)
def test_a_mask_goes_where_the_picture_goes(tmp_path, size, settings, left, right) -> None:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rectangle((0, 0, size[0] // 2 - 1, size[1]), fill=255)
    mask.save(tmp_path / "m.png")

    seen = np.asarray(make_order(tmp_path, mask=str(tmp_path / "m.png"), mask_edge=0, **settings).companions.mask)

    middle = seen[len(seen) // 2]
    assert (middle[2], middle[-3]) == (left, right)


def test_bars_of_a_letterbox_stay_as_they_are(tmp_path, mask) -> None:
    how = {"mask": str(mask), "mask_edge": 0, "fit": "letterbox", "width": 64, "height": 64}

    for means in ("moves", "stays"):
        seen = np.asarray(make_order(tmp_path, **how, mask_means=means).companions.mask)
        assert not seen[:3].any()
        assert not seen[-3:].any()


def test_an_edge_is_soft_over_so_many_pixels(tmp_path, mask) -> None:
    def count_between(edge: int) -> int:
        row = np.asarray(make_order(tmp_path, mask=str(mask), mask_edge=edge).companions.mask)[20]
        return int(((row > 12) & (row < 243)).sum())

    assert count_between(0) <= 1
    assert count_between(8) == pytest.approx(8, abs=3)
    assert count_between(24) == pytest.approx(24, abs=6)


@pytest.mark.parametrize("shape", MASKS)
def test_what_is_masked_out_moves_hardly_at_all(lib_svd, here, shape) -> None:
    mask = draw_mask(shape)
    mask.save(here / "mask.png")
    ran = lib_svd(
        *("animate", PICTURE, "--checkpoint", "demo", "--seed", 1, "--motion", 200, "--size", "80x48"),
        *("--mask", here / "mask.png", "--mask-edge", 4, "--frames-dir", here / "f", "--out", "a.mp4"),
    )

    assert ran.code == 0, ran.err
    moved = np.abs(np.diff(read_frames_in(here / "f").astype(float), axis=0)).mean((0, 3))
    inside = np.asarray(mask) > 0
    grown = np.asarray(mask.filter(ImageFilter.MaxFilter(9)))  # by the edge's four pixels
    assert moved[grown == 0].mean() < 0.02 * moved[inside].mean()


def test_a_mask_stays_with_latents_that_are_kept(lib_svd, here, mask) -> None:
    words = ("--checkpoint", "demo", "--seed", 1, "--frames", 4, "--steps", 2, "--mask", mask, "--out", "a.mp4")
    made = lib_svd("animate", PICTURE, *words, "--frames-dir", here / "a", "--save-latents", here / "a.safetensors")
    words = ("--checkpoint", "demo", "--frames-dir", here / "b", "--out", "b.mp4")
    again = lib_svd("animate", "--from-latents", here / "a.safetensors", *words)

    assert (made.code, again.code) == (0, 0), made.err + again.err
    frames = read_frames_in(here / "b")
    assert (frames == read_frames_in(here / "a")).all()
    assert (frames[:, :, -10:] == frames[:1, :, -10:]).all()


def test_pictures_have_the_names_of_their_pixels_and_are_kept_once(tmp_path, last) -> None:
    picture = open_picture(last)
    path = keep_picture(picture, tmp_path)
    before = path.stat()

    assert keep_picture(picture, tmp_path) == path
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert find_kept(path.name, [tmp_path / "elsewhere", tmp_path]) == path
    assert open_picture(path) == picture
    assert name_picture(Image.new("L", (4, 2))) != name_picture(Image.new("L", (2, 4)))


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "last.png", "a" * 32 + ".png", "A" * 32 + ".png"])
def test_a_web_ui_reads_no_other_file(studio, tmp_path, last, name) -> None:
    request = ClipRequest(**SMALL, last_picture=name)

    with pytest.raises(BadPicture, match=r"Last picture .* is not there: choose the picture again"):
        studio.order(request, PICTURE)


def test_a_link_among_the_kept_ones_is_not_followed(studio, last) -> None:
    path = keep_picture(open_picture(last), studio.find_output_dir())
    path.unlink()
    path.symlink_to(last)

    with pytest.raises(BadPicture, match="is not there: choose"):
        studio.order(ClipRequest(**SMALL, last_picture=path.name), PICTURE)


def test_the_history_brings_both_pictures_back(lib_svd, here, last) -> None:
    words = ("--checkpoint", "demo", "--steps", 1, "--frames", 2, "--last-picture", last, "--out", here / "a.mp4")
    ran = lib_svd("animate", PICTURE, *words)

    assert ran.code == 0, ran.err
    back = restore_entry(history.find_entry(here / "a.mp4"))
    name = back.settings["last_picture"]
    assert find_kept(name, [here]) == here / "pictures" / name
    last.unlink()
    again = lib_svd("animate", PICTURE, "--like", here / "a.mp4", "--out", here / "b.mp4")
    assert again.code == 0, again.err
    assert (reopen_clip(here / "b.mp4").clip.frames == reopen_clip(here / "a.mp4").clip.frames).all()


def test_a_batch_gives_its_clips_the_pictures_and_makes_none_twice(lib_svd, here, mask) -> None:
    (here / "in").mkdir()
    with Image.open(PICTURE) as picture:
        picture.resize((320, 200)).save(here / "in" / "a.png")
    words = ("batch", here / "in", "--checkpoint", "demo", "--steps", 1, "--frames", 2, "--mask", mask)
    first, second = (lib_svd(*words, "--out-dir", here / "out") for _ in range(2))

    assert (first.code, second.code) == (0, 0), first.err + second.err
    (clip,) = (here / "out").glob("*.mp4")
    assert f"SVD mask: {name_picture(open_picture(mask))}" in read_infotext(clip)


def test_a_table_names_them_by_paths_and_no_clip_is_made_twice(lib_svd, here, mask) -> None:
    (here / "in").mkdir()
    with Image.open(PICTURE) as picture:
        picture.resize((320, 200)).save(here / "in" / "a.png")
    (here / "t.csv").write_text(f"picture,mask\na.png,{mask}\na.png,\n")
    words = ("batch", here / "in", "--checkpoint", "demo", "--steps", 1, "--frames", 2, "--csv", here / "t.csv")
    first, second = (lib_svd(*words, "--out-dir", here / "out") for _ in range(2))

    assert (first.code, second.code) == (0, 0), first.err + second.err
    clips = [*(here / "out").glob("*.mp4")]
    assert sorted("SVD mask" in read_infotext(clip) for clip in clips) == [False, True]


def test_a_search_for_settings_steers_its_drafts_too(lib_svd, here, mask) -> None:
    ran = lib_svd("tune", PICTURE, "--checkpoint", "demo", "--budget", 3, "--mask", mask, "--out", here / "a.mp4")

    assert ran.code == 0, ran.err
    assert all("SVD mask" in read_infotext(clip) for clip in here.glob("*.mp4"))


def test_a_folder_in_the_queue_reads_no_other_file(tmp_path, last) -> None:
    studio = Studio(make_fake_host(tmp_path))
    folder = studio.find_output_dir() / "in"
    folder.mkdir()
    with Image.open(PICTURE) as picture:
        picture.resize((320, 200)).save(folder / "a.png")
    queue = JobQueue(studio)
    queue.open()
    try:
        order = {**SMALL, "num_steps": 1, "folder": "in", "last_picture": str(last)}
        done = queue.await_end(queue.add("folder", order).id).result(60)
    finally:
        queue.close()

    assert done.state is State.FAILED
    assert not list(tmp_path.rglob("*.mp4"))


def test_programs_send_them_as_pictures_are_sent(tmp_path, last, mask) -> None:
    studio = Studio(make_fake_host(tmp_path))
    queue, app = JobQueue(studio), FastAPI()
    api.add_routes(app, studio, queue, [])
    client = TestClient(app)
    try:
        asked = {**SMALL, "num_steps": 1, "picture": encode(PICTURE), "mask_edge": 2}
        by_json = client.post("/svd/v1/animate", json={**asked, "mask": encode(mask)})
        files = {"picture": PICTURE.read_bytes(), "last_picture": last.read_bytes()}
        by_form = client.post("/svd/v1/animate", data={**SMALL, "num_steps": "1"}, files=files)
        by_name = client.post("/svd/v1/animate", json={**asked, "mask": by_json.json()["settings"]["mask"]})
        wrong = client.post("/svd/v1/animate", json={**asked, "mask": {"path": "/etc/passwd"}})
        plan = client.post("/svd/v1/memory-plan", json={**SMALL, "mask": encode(mask)})
    finally:
        queue.close()

    assert [each.status_code for each in (by_json, by_form, by_name, plan)] == [200] * 4, by_json.text + by_form.text
    assert by_json.json()["settings"]["mask"] == name_picture(open_picture(mask))
    assert by_form.json()["settings"]["last_picture"] == name_picture(open_picture(last))
    assert by_name.json()["settings"] == by_json.json()["settings"]
    assert (wrong.status_code, "There is no picture" in wrong.json()["message"]) == (422, True)


def test_a_saved_queue_takes_them_along(tmp_path, last) -> None:
    here, there = (Studio(make_fake_host(tmp_path / name)) for name in ("here", "there"))
    name = keep_picture(open_picture(last), here.find_output_dir()).name
    full, empty = JobQueue(here), JobQueue(there)
    full.add("animate", {**SMALL, "last_picture": name}, PICTURE.read_bytes())

    added, refused = load_jobs(empty, save_jobs(full, tmp_path / "queue.zip"))

    assert refused == []
    assert [job.order["last_picture"] for job in added] == [name]
    assert open_picture(find_kept(name, there.list_clip_dirs())).size == (1600, 1200)
