"""Models are found below folders, whatever lies about there, and by the names people give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib_svd.checkpoints import find_checkpoints
from lib_svd.checkpoints.find import resolve
from lib_svd.errors import BadCheckpoint


@pytest.fixture
def models(tmp_path: Path) -> Path:
    root = tmp_path / "models"
    for name in (
        "svd_10.safetensors",
        "svd_9.safetensors",
        "SVD_XT.SAFETENSORS",
        "notes.txt",
        "old.ckpt",
        ".hidden.safetensors",
        ".cache/svd.safetensors",
        "video/svd_xt_1_1.safetensors",
        "folder/model_index.json",
        "folder/unet/diffusion_pytorch_model.safetensors",
        "folder/vae/diffusion_pytorch_model.safetensors",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


LISTED = ["folder", "svd_9.safetensors", "svd_10.safetensors", "SVD_XT.SAFETENSORS", "video/svd_xt_1_1.safetensors"]


def list_names(found: list[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in found]


def test_files_and_diffusers_folders_in_natural_order(models: Path) -> None:
    assert list_names(find_checkpoints([models]), models) == LISTED


def test_links_are_followed_once_and_loops_end(models: Path) -> None:
    (models / "video" / "again").symlink_to(models, target_is_directory=True)
    (models / "video" / "self").symlink_to(models / "video", target_is_directory=True)
    (models / "twice.safetensors").symlink_to(models / "svd_9.safetensors")

    found = find_checkpoints([models, models / "video", models])

    assert list_names(found, models) == LISTED
    (models.parent / "elsewhere").mkdir()
    (models.parent / "elsewhere" / "new.safetensors").touch()
    (models / "link").symlink_to(models.parent / "elsewhere", target_is_directory=True)
    assert "link/new.safetensors" in list_names(find_checkpoints([models]), models)


def test_a_diffusers_folder_hides_its_own_parts_and_nothing_else(models: Path) -> None:
    """As a download tool leaves a repository: pipeline and single files in one folder, be it the folder for models."""
    for place in ("", "svd-repo"):
        for name in ("model_index.json", "unet/a.safetensors", "vae/b.safetensors", "image_encoder/c.safetensors"):
            (models / place / name).parent.mkdir(parents=True, exist_ok=True)
            (models / place / name).touch()
    (models / "svd-repo" / "svd_xt.safetensors").touch()
    (models / "svd-repo" / "comfyui" / "unet.safetensors").parent.mkdir()
    (models / "svd-repo" / "comfyui" / "unet.safetensors").touch()
    assert sorted(list_names(find_checkpoints([models]), models)) == sorted(
        [".", *LISTED, "svd-repo", "svd-repo/comfyui/unet.safetensors", "svd-repo/svd_xt.safetensors"]
    )


def test_folders_that_are_not_there_are_passed_over(models: Path, tmp_path: Path) -> None:
    assert find_checkpoints([tmp_path / "nowhere"]) == []
    assert len(find_checkpoints([tmp_path / "nowhere", models])) == len(LISTED)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("svd_9.safetensors", "svd_9.safetensors"),
        ("svd_9", "svd_9.safetensors"),
        ("svd_xt", "SVD_XT.SAFETENSORS"),
        ("svd_xt_1_1", "video/svd_xt_1_1.safetensors"),
        ("video/svd_xt_1_1", "video/svd_xt_1_1.safetensors"),
        ("video\\svd_xt_1_1.safetensors", "video/svd_xt_1_1.safetensors"),
        ("folder", "folder"),
        ("old.ckpt", "old.ckpt"),  # said to be a pickle when it is recognised
    ],
)
def test_a_model_by_name(models: Path, name: str, found: str) -> None:
    assert resolve(name, [models.parent / "nowhere", models], accept) == [models / found]


def accept(path: Path) -> bool:
    return True


def test_a_model_by_path(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(models)

    assert resolve("video/svd_xt_1_1.safetensors", [], accept) == [Path("video/svd_xt_1_1.safetensors")]
    assert resolve(str(models / "old.ckpt"), [], accept) == [models / "old.ckpt"]
    assert resolve(str(models / "folder"), [], accept) == [models / "folder"]
    assert resolve(str(tmp_path / "not_there.safetensors"), [models], accept) == [tmp_path / "not_there.safetensors"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("same.safetensors", ["a/same.safetensors", "b/same.safetensors"]),
        ("same", ["a/same.safetensors", "b/same.safetensors"]),
        ("b/same", ["b/same.safetensors"]),
        ("SAME", ["b/deep/SAME.safetensors"]),
        ("Same", ["a/same.safetensors", "b/deep/SAME.safetensors", "b/same.safetensors"]),
        ("both", ["both.safetensors", "c/both.safetensors"]),  # in two of the folders that are looked in
    ],
)
def test_a_name_that_fits_several_gives_them_all_and_exact_case_comes_before_any(
    tmp_path: Path, name: str, found: list[str]
) -> None:
    for place in (
        *("a/same", "b/same", "b/deep/SAME"),
        *("both", "c/both"),
    ):
        path = tmp_path / f"{place}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(place)
    assert resolve(name, [tmp_path, tmp_path / "c"], accept) == [tmp_path / each for each in found]


@pytest.mark.parametrize("name", ["svd_11", "", "nosuch/svd_9"])
def test_a_model_that_is_nowhere(models: Path, name: str) -> None:
    (models / "a.safetensors").touch()
    with pytest.raises(BadCheckpoint) as caught:
        resolve(name, [models], accept)

    sentence = str(caught.value)
    assert sentence.startswith(
        f"No model is called {name!r}: looked in {models} and found a.safetensors, folder, svd_9."
    )
    assert "and 1 more; name one of these" in sentence


@pytest.mark.parametrize(
    ("usable", "offered"),
    [
        ({"video/svd_xt_1_1.safetensors"}, "svd_xt_1_1.safetensors; name one of these"),
        ({"video/svd_9.safetensors"}, "video/svd_9.safetensors; name one of these"),  # another one has its file name
        (set(), "no SVD model; put yours there"),
    ],
)
def test_only_what_would_be_taken_is_offered(models: Path, usable: set[str], offered: str) -> None:
    (models / "video" / "svd_9.safetensors").touch()
    (models / "svd_9.safetensors").touch()
    with pytest.raises(BadCheckpoint, match=f" and found {offered}"):
        resolve("gone", [models], lambda path: path.relative_to(models).as_posix() in usable)


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match=r"found no SVD model; put yours there\.$"):
        resolve("svd", [tmp_path], accept)
