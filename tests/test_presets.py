"""Presets: those that come along, and the user's own."""

from __future__ import annotations

import json

import pytest

from lib_svd.checkpoints.families import FAMILIES
from lib_svd.errors import BadInput, BadRequest
from lib_svd.presets import BUILT_IN, Preset, Presets
from lib_svd.request import ClipRequest


@pytest.fixture
def presets(tmp_path):
    return Presets(tmp_path / "svd" / "presets.json")


MINE = Preset(name="Mine", settings={"motion_bucket_id": 33, "fps": 12}, reason="For cats.")


def test_six_come_along_each_with_its_reason(presets):
    assert [each.name for each in presets.list_all()] == [
        *("Baseline", "Portrait", "Product", "Landscape", "Artwork", "Loop")
    ]
    assert all(each.reason.endswith(".") for each in presets.list_all())
    baseline = presets.find("Baseline").settings
    assert (baseline["motion_bucket_id"], baseline["noise_aug_strength"]) == (75, 0.02)
    assert "max_guidance" not in baseline, "guidance is the variant's own"


@pytest.mark.parametrize("preset", BUILT_IN, ids=lambda preset: preset.name)
@pytest.mark.parametrize("family", ["svd", "svd_xt", "svd_xt_1_1"])
def test_every_model_can_do_every_preset(preset, family):
    complete, notes = FAMILIES[family].complete(ClipRequest(**preset.settings), grid=64)
    assert {name: getattr(complete, name) for name in preset.settings} == preset.settings
    assert notes == ()


def test_ones_own_are_there_again_next_time(presets, tmp_path):
    presets.save(MINE)
    again = Presets(tmp_path / "svd" / "presets.json")
    assert again.find("Mine") == MINE
    assert [each.name for each in again.list_all()][-1] == "Mine"


def test_ones_own_are_replaced_renamed_and_deleted(presets):
    presets.save(MINE)
    presets.save(Preset(name="Mine", settings={"fps": 9}))
    assert presets.find("Mine").settings == {"fps": 9}
    presets.rename("Mine", "Cats")
    assert presets.find("Cats").settings == {"fps": 9}
    with pytest.raises(BadRequest, match="no preset 'Mine'"):
        presets.find("Mine")
    presets.delete("Cats")
    assert presets.list_all() == BUILT_IN


def test_what_is_shared_can_be_taken_and_no_name_is_lost(presets, tmp_path):
    presets.save(MINE)
    other = Presets(tmp_path / "other.json")
    other.save(Preset(name="Mine", settings={"fps": 9}))
    assert other.take(presets.export()) == ["Mine (2)"]
    assert other.find("Mine").settings == {"fps": 9}
    assert other.find("Mine (2)").settings == MINE.settings


@pytest.mark.parametrize(
    ("preset", "said"),
    [
        (Preset(name=" "), "needs a name"),
        (Preset(name="x" * 100), "needs a name"),
        (Preset(name="Baseline"), "comes with the program"),
        (Preset(name="Mine", settings={"motion_bucket_id": 900}), "from 1 to 255"),
        (Preset(name="Mine", settings={"seed": 1}), "cannot hold 'seed'"),
    ],
)
def test_what_cannot_be_a_preset_is_refused_and_nothing_is_written(preset, said, presets, tmp_path):
    with pytest.raises(BadRequest, match=said):
        presets.save(preset)
    assert list(tmp_path.iterdir()) == []


def test_those_that_come_along_cannot_be_changed(presets):
    presets.save(MINE)
    for change in (lambda: presets.delete("Loop"), lambda: presets.rename("Loop", "x")):
        with pytest.raises(BadRequest, match="comes with the program"):
            change()
    with pytest.raises(BadRequest, match="already"):
        presets.rename("Mine", "Loop")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"svd_presets": [{"title": 1}]}',
        '{"svd_presets": [1]}',
        "null",
        '{"svd_presets": [{"name": 5}]}',
        '{"svd_presets": [{"name": "a", "settings": ["fps"]}]}',
    ],
)
def test_what_is_no_presets_is_refused_whole(text, presets):
    with pytest.raises(BadRequest, match="no presets"):
        presets.take(text)


def test_one_bad_setting_among_the_shared_takes_none(presets):
    shared = {"svd_presets": [{"name": "Good", "settings": {}}, {"name": "Bad", "settings": {"fps": 99}}]}
    with pytest.raises(BadRequest, match="from 1 to 30"):
        presets.take(json.dumps(shared))
    assert presets.list_all() == BUILT_IN


def test_a_preset_that_cannot_be_is_passed_over_named_and_stays_in_the_file(presets, tmp_path, caplog):
    path = tmp_path / "svd" / "presets.json"
    presets.save(MINE)
    listed = json.loads(path.read_text())["svd_presets"]
    strange = [
        {"name": "Of tomorrow", "settings": {"wind": 3}, "reason": ""},
        {"name": "Far", "settings": {"motion_bucket_id": 9999}, "reason": ""},
        {"name": 7, "settings": {}, "reason": ""},
        {"name": "Listed", "settings": [1], "reason": ""},
        "a word",
        None,
    ]
    path.write_text(json.dumps({"svd_presets": [*strange[:3], *listed, *strange[3:]]}))
    assert [each for each in presets.list_all() if each not in BUILT_IN] == [MINE]
    assert "wind" in caplog.text
    presets.save(Preset(name="Another"))
    presets.delete("Mine")
    kept = json.loads(path.read_text())["svd_presets"]
    assert [each for each in kept if each in strange] == strange
    assert [each.name for each in presets.list_all() if each not in BUILT_IN] == ["Another"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("kept", ["odd", "passed over"])
def test_half_a_surrogate_in_the_file_can_be_shown_and_written(presets, tmp_path, kept):
    """JSON spells it, as `\\udcff`; a page that has to show it would not be rendered at all."""
    odd = {"name": "a\udcff", "settings": {"fps": 5 if kept == "odd" else 500}, "reason": "re\udc80ason"}
    path = tmp_path / "svd" / "presets.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"svd_presets": [odd]}))
    presets.save(MINE)
    names = [each.name for each in presets.list_all()]
    assert ("a\ufffd" in names) is (kept == "odd")
    assert all((each.name + each.reason).encode("utf-8") for each in presets.list_all())
    assert "a\ufffd" in path.read_text("utf-8")


def test_a_damaged_file_is_left_as_it_is(presets, tmp_path):
    path = tmp_path / "svd" / "presets.json"
    path.parent.mkdir()
    path.write_text("{torn")
    for do in (presets.list_all, lambda: presets.save(MINE), lambda: presets.delete("Mine")):
        with pytest.raises(BadInput, match="mend or move"):
            do()
    assert path.read_text() == "{torn"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_file_that_was_edited_elsewhere_is_read(presets, tmp_path, encoding):
    presets.save(Preset(name="Caf\u00e9", settings={"fps": 9}))
    (path,) = tmp_path.rglob("*.json")
    path.write_bytes(path.read_text("utf-8").encode(encoding))
    assert presets.find("Caf\u00e9").settings == {"fps": 9}
