"""`inspect`: what a model is."""

from __future__ import annotations

import json
from typing import Any

import click

from lib_svd.cli.options import errors_as_json, model_options, recognised
from lib_svd.cli.terminal import tell
from lib_svd.doctor import as_lines
from lib_svd.request import ClipRequest


@click.command()
@click.argument("checkpoint")
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(checkpoint: str, as_json: bool, **options: Any) -> None:
    """Say what CHECKPOINT is, without loading it."""
    with errors_as_json(as_json):
        from lib_svd.checkpoints import describe

        found = describe(recognised({**options, "checkpoint": checkpoint}, ClipRequest()))
        tell(json.dumps(found, indent=2, ensure_ascii=False) if as_json else _described(found))


def _described(found: dict[str, Any]) -> str:
    million = {part: f"{count / 1e6:.1f} M" for part, count in found["parameters"].items()}
    return as_lines(
        {
            "File": found["path"],
            "Mark": found["mark"],
            "Model": f"{found['title']} ({found['family']}), {found['layout']} layout",
            "Made for": f"{found['num_frames']} frames of {found['width']}x{found['height']} at {found['fps']} fps",
            "Motion": "{lowest_motion} to {highest_motion}, {motion_bucket_id} to begin with".format(**found),
            "Guidance": f"{found['min_guidance']:g} to {found['max_guidance']:g}, {found['guidance_ramp']}",
            "Sampling": f"{found['num_steps']} steps, {found['sampler']}, {found['schedule']}",
            "Parameters": {**million, "in all": f"{found['total_parameters'] / 1e6:.1f} M"},
            "Stored as": {part: ", ".join(dtypes) for part, dtypes in found["dtypes"].items()},
            "Licence": found["licence"],
            "Commercial use": found["commercial_use"],
            "Metadata": found["metadata"] or "none",
            **({"Notes": " ".join(found["notes"])} if found["notes"] else {}),
        }
    )
