"""The command refuses what is past a limit (1) and what it cannot use (2), and goes on where it does not know more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lib_svd.engine import guidance, schedule
from tests.golden.compare import main

FOLDER = Path(__file__).parent


def write_set(tmp_path: Path, stages: dict[str, dict[str, Tensor]], **facts: object) -> Path:
    """A folder of set Z with these stage files."""
    (tmp_path / "sgm").mkdir()
    (tmp_path / "README.json").write_text(json.dumps({"sets": {"Z": {"checkpoint_seed": 5, **facts}}}))
    for name, tensors in stages.items():
        save_file(tensors, tmp_path / "sgm" / f"Z_{name}.safetensors")
    return tmp_path


@pytest.fixture
def embeddings() -> dict[str, Tensor]:
    return load_file(FOLDER / "sgm" / "A_embeddings.safetensors")


def test_stages_without_networks_need_no_key_list(
    tmp_path: Path, embeddings: dict[str, Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(write_set(tmp_path, {"embeddings": embeddings})), "Z"]) == 0
    *rows, summary = capsys.readouterr().out.splitlines()
    assert len(rows) == len(embeddings) - 1
    assert all(row.startswith("Z") and row.endswith("ok") for row in rows)
    assert summary.startswith("set Z: 3 compared, 0 past a limit, 0 not compared")


@pytest.mark.parametrize("wrong", [2e-3, float("nan"), float("inf")])
def test_one_number_past_the_limit_exits_1(
    wrong: float, tmp_path: Path, embeddings: dict[str, Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    embeddings["emb_256"][3, 7] += wrong

    assert main([str(write_set(tmp_path, {"embeddings": embeddings})), "Z"]) == 1
    assert [row for row in capsys.readouterr().out.splitlines() if "emb_256" in row and "PAST THE LIMIT" in row]


def test_small_level_wrong_by_a_tenth_exits_1(tmp_path: Path) -> None:
    sigmas = schedule.karras(9)
    sigmas[-2] *= 1.1

    assert main([str(write_set(tmp_path, {"schedule": {"edm_sigmas_700_n9": sigmas}})), "Z"]) == 1


def test_wrong_shape_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages = {"schedule": {"linear_1.0_2.0_T7": guidance.linear(1.0, 2.0, 8)}}

    assert main([str(write_set(tmp_path, stages)), "Z"]) == 1
    assert "shape [7], the reference has [8]" in capsys.readouterr().out


def test_other_numbers_are_read_from_the_names(tmp_path: Path) -> None:
    stages = {
        "schedule": {
            "edm_sigmas_80.5_n7": schedule.karras(7, sigma_max=80.5),
            "linear_0.5_4.25_T9": torch.linspace(0.5, 4.25, 9),
            "triangle_2.0_3.0_T3": torch.tensor([2.0, 3.0, 2.0]),
        }
    }

    assert main([str(write_set(tmp_path, stages)), "Z"]) == 0


def test_unknown_is_listed_and_does_not_fail(
    tmp_path: Path, embeddings: dict[str, Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    stages = {"embeddings": {**embeddings, "hum": torch.ones(2)}, "smell": {"of": torch.ones(1)}}

    assert main([str(write_set(tmp_path, stages)), "Z"]) == 0
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if "hum" in line and "not compared" in line]
    assert [line for line in printed.splitlines() if "smell" in line and "not compared: unknown stage" in line]


def test_loop_without_a_conditioning_is_listed_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = load_file(FOLDER / "sgm" / "A_loop_triangle.safetensors")

    assert main([str(write_set(tmp_path, {"loop_triangle": loop})), "Z"]) == 0
    assert "not compared: the set has no vae_encode" in capsys.readouterr().out


def run_unusable(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said when it exits with 2: one line."""
    assert main(argv) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    return sentence


def test_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no README.json" in run_unusable([str(tmp_path / "nowhere"), "A"], capsys)


def test_no_such_set(tmp_path: Path, embeddings: dict[str, Tensor], capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_set(tmp_path, {"embeddings": embeddings})
    assert "describes no set Q: it has Z" in run_unusable([str(folder), "Q"], capsys)


def test_no_files_of_the_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no Z_*.safetensors" in run_unusable([str(write_set(tmp_path, {})), "Z"], capsys)


def test_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_set(tmp_path, {"smell": {"of": torch.ones(1)}, "taste": {"of": torch.ones(1)}})
    assert "could be compared" in run_unusable([str(folder), "Z"], capsys)


def test_readme_is_no_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.json").write_text("Reference tensors")
    assert "no JSON object" in run_unusable([str(tmp_path), "A"], capsys)


def test_stage_file_is_cut_short(
    tmp_path: Path, embeddings: dict[str, Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_set(tmp_path, {"embeddings": embeddings})
    path = folder / "sgm" / "Z_embeddings.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    assert "Z_embeddings.safetensors cannot be read" in run_unusable([str(folder), "Z"], capsys)


def test_key_list_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = load_file(FOLDER / "sgm" / "A_clip.safetensors")
    folder = write_set(tmp_path, {"clip": clip}, keys="no_keys.json")
    assert "key list" in run_unusable([str(folder), "Z"], capsys)


def test_checkpoint_is_not_the_one_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = load_file(FOLDER / "sgm" / "A_clip.safetensors")
    folder = write_set(tmp_path, {"clip": clip}, keys="few.json", checkpoint_sha256="00")
    (folder / "few.json").write_text('{"a.weight": [2, 2]}')
    assert "sha256" in run_unusable([str(folder), "Z"], capsys)


def test_checkpoint_is_none_of_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = load_file(FOLDER / "sgm" / "A_clip.safetensors")
    folder = write_set(tmp_path, {"clip": clip}, keys="few.json")
    (folder / "few.json").write_text('{"a.weight": [2, 2]}')
    assert "cannot be loaded" in run_unusable([str(folder), "Z"], capsys)
