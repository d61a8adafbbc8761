"""The comparison of test_golden.py catches each known mistake: planted, it moves the result as in the reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lib_svd.engine import conditioning
from tests.golden import checks_networks
from tests.golden.golden_set import GoldenSet
from tests.golden.measure import Row
from tests.golden.mistakes import MISTAKES, Mistake
from tests.golden.stages import compare_stage

FOLDER = Path(__file__).parent
WITHIN = 3  # times: another clip length or picture size than the figures were measured at


def find_row(golden: GoldenSet, stage: str, tensor: str) -> Row:
    return next(row for row in compare_stage(golden, stage) if row.tensor == tensor)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_mistake_is_rejected(
    mistake: Mistake, golden: Callable[[str], GoldenSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = golden("A")
    mistake.plant(monkeypatch, right.networks)

    row = find_row(right, mistake.stage, mistake.tensor)

    assert not row.passed, f"not noticed: {row}"
    assert mistake.rel_rms / WITHIN < row.rel_rms < mistake.rel_rms * WITHIN, str(row)
    assert mistake.max_abs / WITHIN < row.max_abs < mistake.max_abs * WITHIN, str(row)


def test_fps_that_is_not_reduced_by_one_is_rejected(
    golden: Callable[[str], GoldenSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    motion_vector = conditioning.embed_motion
    monkeypatch.setattr(conditioning, "embed_motion", lambda fps, *rest: motion_vector(fps + 1, *rest))

    assert not find_row(golden("A"), "cond", "c_vector").passed


def test_rounded_bytes_are_rejected(golden: Callable[[str], GoldenSet], monkeypatch: pytest.MonkeyPatch) -> None:
    """diffusers and ComfyUI round; the reference truncates."""
    to_uint8 = checks_networks.convert_to_uint8
    monkeypatch.setattr(checks_networks, "convert_to_uint8", lambda frames: to_uint8(frames + 1 / 255))

    row = find_row(golden("A"), "decode", "frames_u8 (chunk 6)")

    assert not row.passed
    assert row.max_abs == 1
