"""The generated checkpoints are the ones that the reference was run on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.golden.golden_set import GoldenSet
from tests.tiny import compute_digest, make_tiny_tensors, write_tiny

KEYS = {"a.conv1.weight": [4, 3], "a.encoder.conv1.weight": [4, 3], "norm.bias": [5], "mix_factor": [1]}


@pytest.mark.parametrize("name", ["A", "C"])
def test_checkpoint_has_the_sum_of_the_readme(name: str, golden: Callable[[str], GoldenSet]) -> None:
    found = golden(name)

    assert (
        compute_digest(make_tiny_tensors(found.networks.keys, found.networks.seed)) == found.facts["checkpoint_sha256"]
    )


def test_a_weight_depends_on_its_name_and_the_seed_alone() -> None:
    few, other = make_tiny_tensors({"norm.bias": [5]}, 4), make_tiny_tensors(KEYS, 5)

    assert torch.equal(make_tiny_tensors(KEYS, 4)["norm.bias"], few["norm.bias"])
    assert not torch.equal(other["norm.bias"], few["norm.bias"])


def test_written_file_holds_them_in_the_dtype_asked_for(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "few.safetensors", KEYS, 4, dtype=torch.float32, metadata={"a": "b"})

    stored = load_file(path)

    assert {weight.dtype for weight in stored.values()} == {torch.float32}
    assert all(torch.equal(stored[key], weight.float()) for key, weight in make_tiny_tensors(KEYS, 4).items())
