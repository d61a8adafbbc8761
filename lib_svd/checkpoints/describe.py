"""A checkpoint in plain numbers and texts, for `inspect FILE --json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lib_svd.checkpoints.recognise import Checkpoint


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """Say what is known of a checkpoint, fit for JSON; sizes are in pixels and bytes."""
    family = checkpoint.family
    return {
        "path": str(checkpoint.path),
        "mark": checkpoint.mark,
        "files": [{"path": str(stamp.path), "bytes": stamp.size} for stamp in checkpoint.stamps],
        "layout": checkpoint.layout,
        "family": family.name,
        "title": family.title,
        "parameters": dict(checkpoint.parameters),
        "total_parameters": sum(checkpoint.parameters.values()),
        "dtypes": {part: list(dtypes) for part, dtypes in checkpoint.dtypes.items()},
        **family.list_own_settings(),
        "size_grid": checkpoint.size_grid,
        "lowest_motion": family.lowest_motion,
        "highest_motion": family.highest_motion,
        "conditioning": family.conditioning,
        "licence": family.licence,
        "commercial_use": family.commercial_use,
        "networks": asdict(checkpoint.configs),
        "metadata": dict(checkpoint.metadata),
        "notes": list(checkpoint.notes),
    }
