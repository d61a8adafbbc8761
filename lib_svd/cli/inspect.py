"""`inspect`: what a model is, or a LoRA."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import click

from lib_svd.cli.options import Options, add_model_options, list_model_dirs, recognise_model, tell_errors
from lib_svd.cli.terminal import tell
from lib_svd.doctor import write_lines
from lib_svd.request import ClipRequest

MOST_SHOWN, MOST_KEYS = 200, 30  # characters of a text, texts


@click.command()
@click.argument("checkpoint")
@add_model_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(checkpoint: str, as_json: bool, **options: Any) -> None:
    """Say what CHECKPOINT is, without loading it; it may be a LoRA, too."""
    with tell_errors(as_json):
        found, write = _look(checkpoint, options)
        tell(json.dumps(found, indent=2, ensure_ascii=False) if as_json else write(found))


def _look(name: str, options: Options) -> tuple[dict[str, Any], Callable[[dict[str, Any]], str]]:
    """Describe a LoRA or a model, and say how that is written; raises BadInput."""
    from lib_svd.checkpoints import describe
    from lib_svd.checkpoints.lora_files import describe_lora, is_lora
    from lib_svd.checkpoints.loras import find_lora, list_lora_dirs

    path = Path(name)
    lora = path if path.is_file() else find_lora(name, list_lora_dirs(list_model_dirs(options["models"])))
    if lora is not None and is_lora(lora):
        return describe_lora(lora), _write_lora
    return describe(recognise_model({**options, "checkpoint": name}, ClipRequest())), _write_description


def _write_lora(found: dict[str, Any]) -> str:
    return write_lines(
        {
            "File": found["path"],
            "Kind": f"LoRA, {found['layout']} layout",
            "Layers": {**found["parts"], "in all": found["layers"]},
            "Rank": ", ".join(f"{rank} in {count} layers" for rank, count in found["ranks"].items()),
            "Alpha": found["alpha"] if found["alpha"] is not None else "as the rank",
            "Fits SVD": "yes" if found["fits_svd"] else " ".join(found["notes"]),
        }
    )


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
