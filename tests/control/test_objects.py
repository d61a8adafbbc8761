"""A transparent picture for SV3D: the same object in the middle of the frame by every way in, and back again."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from lib_svd import api, images
from lib_svd.animate import Destination, Order, order
from lib_svd.batch.item import Wish, look
from lib_svd.checkpoints import recognise
from lib_svd.jobs import restore_entry
from lib_svd.jobs.history import read_entries
from lib_svd.jobs.looking import fit_as_for_model
from lib_svd.queue import JobQueue
from lib_svd.request import ClipRequest
from lib_svd.studio import Studio
from lib_svd.testing import make_fake_host

QUICK = {"seed": 1, "num_steps": 1, "num_frames": 2}


@pytest.fixture
def picture() -> Image.Image:
    """An orange thing at the left of a wide transparent picture."""
    found = Image.new("RGBA", (200, 80), (0, 0, 0, 0))
    found.paste((230, 120, 20, 255), (10, 20, 50, 60))
    return found


@pytest.fixture
def ask(checkpoint_of, tmp_path):
    def ask(picture: Any, family: str = "sv3d_u", **settings: Any) -> Order:
        request = ClipRequest(**{**QUICK, **settings})
        return order(request, picture, recognise(checkpoint_of(family)), Destination(out=tmp_path / "a.mp4"))

    return ask


def find_middle(made: Order) -> float:
    """Where the object is across the frame, as a share of it."""
    seen = np.asarray(made.picture.image.convert("L"))
    return float(np.flatnonzero((seen < 200).any(0)).mean() / seen.shape[1])


@pytest.mark.parametrize("family", ["sv3d_u", "sv3d_p"])
def test_by_default_the_object_is_in_the_middle_of_the_models_own_shape(ask, picture, family) -> None:
    made = ask(picture, family)

    assert made.picture.image.size == made.checkpoint.family.native_size
    assert find_middle(made) == pytest.approx(0.5, abs=0.02)
    assert any("was cut out by its own transparency and centred" in note for note in made.notes)
    assert "SVD cut out" not in made.request.write_infotext()


def test_left_as_it_is_it_stands_where_it_stood(ask, picture) -> None:
    made = ask(picture, cut_out="never")

    assert find_middle(made) < 0.3
    assert "SVD cut out: Never" in made.request.write_infotext()
    before_white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    assert made.picture.image == ask(before_white).picture.image


def test_svd_takes_no_notice_of_it(ask, picture, monkeypatch) -> None:
    monkeypatch.setattr("lib_svd.images.placing.remove_background", lambda _: pytest.fail("it is not for SVD"))
    made = ask(picture, "svd_xt", cut_out="rembg", object_fill=0.3)

    assert made.request.write_infotext() == ask(picture, "svd_xt").request.write_infotext()
    assert not any("object" in note.lower() for note in made.notes)


def test_a_picture_with_a_background_gives_the_clip_it_always_gave(ask) -> None:
    plain = Image.effect_noise((200, 80), 90).convert("RGB")
    made = ask(plain)
    size = made.request.width, made.request.height

    assert made.picture.image == images.fit_picture(plain, size, "crop", images.View()).image
    assert not any(label in made.request.write_infotext() for label in ("SVD cut out", "SVD object fills"))
    assert sum("an object before white turns best" in note for note in made.notes) == 1


def test_it_comes_back_from_the_history_as_it_was(checkpoint_of, picture, tmp_path, one_thread) -> None:
    """Out of memory, as the tab gives it: what is kept beside the clips has the transparency still."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "sv3d_u.safetensors").symlink_to(checkpoint_of("sv3d_u"))
    studio = Studio(make_fake_host(tmp_path, folder))
    made = studio.order(ClipRequest(**QUICK, checkpoint="sv3d_u.safetensors"), picture)
    studio.animate(made)

    (entry,) = read_entries(*studio.list_clip_dirs())
    back = restore_entry(entry)
    again = studio.order(ClipRequest.from_mapping(back.settings), back.cut_out)
    assert again.picture.image == made.picture.image
    assert again.request == made.request
    wider = studio.order(ClipRequest.from_mapping({**back.settings, "object_fill": 0.5}), back.cut_out)
    assert np.mean(np.asarray(wider.picture.image)) > np.mean(np.asarray(made.picture.image)) + 20


def test_a_batch_gives_it_the_same_shape(ask, picture, tmp_path) -> None:
    made = ask(picture)
    picture.save(tmp_path / "a.png")
    wish = Wish(request=ClipRequest(**QUICK), checkpoint=made.checkpoint, has_seed=True)

    (item,) = look(tmp_path / "a.png", "a.png", [wish])

    assert dataclasses.asdict(item.request) == dataclasses.asdict(made.request)


@pytest.mark.parametrize("family", ["sv3d_u", "svd_xt"])
def test_a_clip_is_held_against_what_its_model_saw(ask, picture, tmp_path, family) -> None:
    made = ask(picture, family)
    picture.save(tmp_path / "a.png")
    seen = np.asarray(made.picture.image)
    other = np.random.default_rng(0).integers(0, 255, seen.shape, np.uint8)
    ends = [other, seen] if family == "sv3d_u" else [seen, other]

    assert np.array_equal(fit_as_for_model(tmp_path / "a.png", made.request, np.stack(ends)), seen)


def test_check_looks_at_it_as_the_model_will(checkpoint_of, picture, tmp_path, lib_svd) -> None:
    picture.save(tmp_path / "a.png")
    told = json.loads(
        lib_svd("check", str(tmp_path / "a.png"), "--checkpoint", str(checkpoint_of("sv3d_u")), "--json").out
    )

    assert any("centred" in note for note in told["notes"])
    assert not {"background", "bright", "shape"} & {each["name"] for each in told["concerns"]}


def test_programs_get_the_same_and_may_send_angles_as_a_list_or_as_text(checkpoint_of, picture, tmp_path, one_thread):
    studio = Studio(make_fake_host(tmp_path, checkpoint_of("sv3d_p").parent))
    app = FastAPI()
    api.add_routes(app, studio, JobQueue(studio), [])
    client, stream = TestClient(app), io.BytesIO()
    picture.save(stream, "PNG")
    sent = {**QUICK, "checkpoint": "sv3d_p.safetensors", "picture": base64.b64encode(stream.getvalue()).decode()}

    refused = client.post("/svd/v1/animate", json={**sent, "elevations_deg": [0, 30.5], "orbit": "dynamic"})
    assert (refused.status_code, "set Elevation to one number from" in refused.json()["message"]) == (422, True)
    made = client.post("/svd/v1/animate", json={**sent, "elevations_deg": [0, 30.5], "azimuths_deg": [90, 0]}).json()
    assert (made["settings"]["elevation"], made["settings"]["orbit"]) == ("0, 30.5", "90, 0")
    assert any("centred; it fills 92 % of the frame" in note for note in made["notes"])
    form = {**{name: str(value) for name, value in QUICK.items()}, "elevation": "0, 30.5", "orbit": "90,0"}
    again = client.post("/svd/v1/animate", data=form, files={"picture": stream.getvalue()}).json()
    assert again["infotext"] == made["infotext"]
