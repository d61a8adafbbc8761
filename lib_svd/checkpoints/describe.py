"""A checkpoint in plain numbers and texts, for `inspect FILE --json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lib_svd.checkpoints.recognise import Checkpoint


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """What is known of a checkpoint, fit for JSON. Sizes in pixels and bytes."""
    family = checkpoint.family
    return {
        "path": str(checkpoint.path),
        "files": [{"path": str(stamp.path), "bytes": stamp.size} for stamp in checkpoint.stamps],
        "layout": checkpoint.layout,
        "family": family.name,
        "title": family.title,
        "parameters": dict(checkpoint.parameters),
        "total_parameters": sum(checkpoint.parameters.values()),
        "dtypes": {part: list(dtypes) for part, dtypes in checkpoint.dtypes.items()},
        "num_frames": family.num_frames,
        "width": family.width,
        "height": family.height,
        "size_grid": checkpoint.size_grid,
        "fps": family.fps,
        "motion_bucket_id": family.motion_bucket_id,
        "lowest_motion": family.lowest_motion,
        "highest_motion": family.highest_motion,
        "min_guidance": family.min_guidance,
        "max_guidance": family.max_guidance,
        "guidance_ramp": family.guidance_ramp,
        "noise_aug_strength": family.noise_aug_strength,
        "num_steps": family.num_steps,
        "sampler": family.sampler,
        "schedule": family.schedule,
        "conditioning": family.conditioning,
        "licence": family.licence,
        "commercial_use": family.commercial_use,
        "networks": asdict(checkpoint.configs),
        "metadata": dict(checkpoint.metadata),
        "notes": list(checkpoint.notes),
    }
