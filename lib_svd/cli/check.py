"""`check`: what may go wrong with a clip of a picture, before there is one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from lib_svd.cli.options import Options, add_model_options, recognise_model, tell_errors
from lib_svd.cli.terminal import tell
from lib_svd.request import ClipRequest, read_size

USUAL = (1024, 576), 64, "#000000"
"""The released models' size, the pixels that sizes are multiples of, and what they see behind what is transparent."""


@click.command()
@click.argument("picture", type=Path)
@click.option("--checkpoint", help="The model that shall animate it; SVD-XT's size when not given.")
@click.option("--size", help="What the model was made for, as WxH, in place of naming it.")
@click.option("--background", help="Shows through transparent parts of the picture; the model's own when not given.")
@add_model_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(picture: Path, size: str | None, background: str | None, as_json: bool, **options: Any) -> None:
    """Say what may go wrong with a clip of PICTURE, with remedies, and where a tighter crop would be."""
    from lib_svd import images

    with tell_errors(as_json):
        native, grid, colour = _find_made_for(options)
        width, height = (None, None) if size is None else read_size(size)
        found = images.read_picture(picture, background or colour)
        fitted_to = images.choose_working_size(found.image.size, (width or native[0], height or native[1]), grid)
        fitted = images.fit_picture(found.image, fitted_to, "crop", images.View())
        concerns = images.check_picture(found.image, fitted, is_transparent=found.is_transparent)
        tighter = images.find_tighter_crop(found.image, fitted_to)
        if as_json:
            told = {"concerns": [asdict(each) for each in concerns], "tighter_crop": tighter._asdict()}
            tell(json.dumps({**told, "size": fitted_to, "notes": [*found.notes, *fitted.notes]}, ensure_ascii=False))
            return
        for each in concerns:
            tell(f"{each.text} {each.remedy}")
        if not concerns:
            tell("Nothing speaks against it.")
        tell(" ".join((f"{fitted_to[0]}x{fitted_to[1]} pixels.", *found.notes, *fitted.notes)))
        if tighter.zoom > 1:
            x, y, zoom = tighter
            tell(f"A tighter crop round the subject: --focus-x {x} --focus-y {y} --zoom {zoom}.")


def _find_made_for(options: Options) -> tuple[tuple[int, int], int, str]:
    """Give size, grid and background of the model that is named, or the usual ones."""
    if not options["checkpoint"]:
        return USUAL
    checkpoint = recognise_model(options, ClipRequest())
    return checkpoint.family.native_size, checkpoint.size_grid, checkpoint.family.background
