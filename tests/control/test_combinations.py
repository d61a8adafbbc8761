"""Controls that cannot be had together are refused in a sentence before anything is loaded, and docs/control.md says
which.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lib_svd.checkpoints.combining import CLASHES
from lib_svd.checkpoints.families import FAMILIES
from lib_svd.errors import BadRequest
from lib_svd.request import ClipRequest

PAGE = Path(__file__).parents[2] / "docs" / "control.md"
CASES: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("Seamless loop", "SV3D"): ("sv3d_u", {"ending": "loop"}),
    ("Seamless loop", "Cache interval"): ("svd", {"ending": "loop", "cache_interval": 2}),
    ("Last picture", "Seamless loop"): ("svd", {"last_picture": "a.png", "ending": "loop"}),
    ("Last picture", "Mask"): ("svd", {"last_picture": "a.png", "mask": "b.png"}),
    ("Last picture", "SV3D"): ("sv3d_u", {"last_picture": "a.png"}),
    ("Last picture", "a single frame"): ("svd", {"last_picture": "a.png", "num_frames": 1}),
    ("Mask", "SV3D"): ("sv3d_u", {"mask": "a.png"}),
    ("Dynamic orbit", "several elevations, or one beyond 45 degrees"): (
        "sv3d_p",
        {"orbit": "dynamic", "elevation": "0, 30"},
    ),
    ("Camera", "Seamless loop"): ("svd", {"camera": "pan_left", "ending": "loop"}),
    ("Camera", "Last picture"): ("svd", {"camera": "still", "last_picture": "a.png"}),
    ("Camera", "SV3D"): ("sv3d_u", {"camera": "zoom_in"}),
    ("Camera", "Segments"): ("svd", {"camera": "still", "longer": "segments", "num_frames": 50}),
    ("Windows", "Cache interval"): ("svd", {"num_frames": 50, "cache_interval": 2}),
    ("Segments", "Seamless loop"): ("svd", {"longer": "segments", "ending": "loop", "num_frames": 50}),
    ("Segments", "Last picture"): ("svd", {"longer": "segments", "last_picture": "a.png", "num_frames": 50}),
    ("Segments", "a window of one frame"): ("svd", {"longer": "segments", "window": 1, "num_frames": 5}),
    ("Seamless loop", "Reference decoding in chunks"): (
        "svd",
        {"ending": "loop", "decode": "reference", "decode_chunk": 4},
    ),
}
"""What is asked for so that a pair of the table clashes."""


@pytest.mark.parametrize("clash", CLASHES, ids=lambda clash: f"{clash.first} and {clash.second}")
def test_each_pair_is_refused_with_what_to_do(clash) -> None:
    family, settings = CASES[clash.first, clash.second]

    with pytest.raises(BadRequest, match=re.escape(clash.write_remedy())):
        FAMILIES[family].complete(ClipRequest(**settings), grid=64)

    assert re.fullmatch(r"[A-Z].*: set .*\.", clash.write_remedy())


@pytest.mark.parametrize(("family", "settings"), CASES.values(), ids=str)
def test_either_alone_is_taken(family, settings) -> None:
    for name, value in settings.items():
        complete, _ = FAMILIES["svd"].complete(ClipRequest(**{name: value}), grid=64)
        assert getattr(complete, name) == value


def test_the_page_lists_the_same_pairs() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| no", PAGE.read_text("utf-8"), re.MULTILINE)

    assert {tuple(row) for row in rows} == {(clash.first, clash.second) for clash in CLASHES}
