"""What people finish clips for: by a name, what is to be done, and in which formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lib_svd.errors import BadRequest
from lib_svd.strangers import quote


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What one of them asks for; all else is as the user has it."""

    label: str
    help: str  # one sentence
    finishing: Mapping[str, Any] = field(default_factory=dict)  # by the names of `Finishing`
    copies: tuple[str, ...] = ()  # formats beside the H.264 that there always is


DELIVERIES: Mapping[str, Delivery] = {
    "editor": Delivery(
        label="Topaz Video AI and editors",
        help="ProRes at the true rate, every frame as it is, with a note of the settings beside it.",
        copies=("prores",),
    ),
    "lossless": Delivery(
        label="Editors, without loss",
        help="FFV1 at the true rate, equal to the bit, with a note of the settings beside it.",
        copies=("ffv1",),
    ),
    "social": Delivery(
        label="Social media, upright",
        help="H.264 of 1080x1920 at 30 frames a second, 10 seconds of a loop that goes there and back.",
        finishing={"loop": "pingpong", "smooth": "30", "size": "1080x1920", "length": 10.0},
    ),
    "square": Delivery(
        label="Social media, square",
        help="H.264 of 1080x1080 at 30 frames a second, 10 seconds of a loop that goes there and back.",
        finishing={"loop": "pingpong", "smooth": "30", "size": "1080x1080", "length": 10.0},
    ),
    "loop": Delivery(
        label="A loop for a page",
        help="There and back at twice the rate, and an animated WebP that plays for ever.",
        finishing={"loop": "pingpong", "smooth": "2x"},
        copies=("webp",),
    ),
}
"""By the name that the command line and the API take."""


def find_delivery(name: str) -> Delivery:
    """Find the delivery of that name; raises BadRequest where there is none."""
    if name not in DELIVERIES:
        raise BadRequest(f"There is no delivery {quote(name)}: choose one of {', '.join(DELIVERIES)}.")
    return DELIVERIES[name]
