"""Every stage gives what Stability AI's code gives, within fp32 noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.golden.golden_set import GoldenSet
from tests.golden.stages import compare_stage

FOLDER = Path(__file__).parent
STAGES = sorted(path.stem.split("_", 1) for path in (FOLDER / "sgm").glob("*.safetensors"))


@pytest.mark.parametrize(("set_name", "stage"), STAGES, ids=["-".join(stage) for stage in STAGES])
def test_stage_is_the_references(set_name: str, stage: str, golden: Callable[[str], GoldenSet]) -> None:
    rows = list(compare_stage(golden(set_name), stage))

    assert rows
    assert [str(row) for row in rows if not row.passed or not row.compared] == []


def test_folder_holds_what_is_claimed() -> None:
    kinds = {stage for _, stage in STAGES}

    assert {"clip", "vae_encode", "cond", "unet_T4", "loop_linear", "loop_triangle", "decode", "sv3d_p"} <= kinds
