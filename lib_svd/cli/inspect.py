"""`inspect`: what a model is."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import click

from lib_svd.cli.options import add_model_options, recognise_model, tell_errors
from lib_svd.cli.terminal import tell
from lib_svd.doctor import write_lines
from lib_svd.request import ClipRequest

MOST_SHOWN, MOST_KEYS = 200, 30  # characters of a text, texts


@click.command()
@click.argument("checkpoint")
@add_model_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(checkpoint: str, as_json: bool, **options: Any) -> None:
    """Say what CHECKPOINT is, without loading it."""
    with tell_errors(as_json):
        from lib_svd.checkpoints import describe

        found = describe(recognise_model({**options, "checkpoint": checkpoint}, ClipRequest()))
        tell(json.dumps(found, indent=2, ensure_ascii=False) if as_json else _write_description(found))


def _write_description(found: dict[str, Any]) -> str:
    million = {part: f"{count / 1e6:.1f} M" for part, count in found["parameters"].items()}
    return write_lines(
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
            "Metadata": _shorten_metadata(found["metadata"]) or "none",
            **({"Notes": " ".join(found["notes"])} if found["notes"] else {}),
        }
    )


def _shorten_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Shorten the metadata to what can be read at a glance; `--json` has all of it."""
    shown = {
        key[:MOST_SHOWN]: text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}... ({len(text):,} characters)"
        for key, text in islice(sorted(metadata.items(), key=_rank_ours_first), MOST_KEYS)
    }
    more = len(metadata) - len(shown)
    return {**shown, "and more": f"{more} others, see --json"} if more > 0 else shown


def _rank_ours_first(entry: tuple[str, str]) -> tuple[bool, str]:
    return not entry[0].startswith(("svd.", "modelspec.")), entry[0]
