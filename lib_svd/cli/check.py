"""`check`: what may go wrong with a clip of a picture, before there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lib_svd.cli.options import Options, add_model_options, recognise_model, tell_errors
from lib_svd.cli.terminal import tell
from lib_svd.request import ClipRequest, read_size

if TYPE_CHECKING:
    from lib_svd.images import Picture

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
        (native, grid, colour), place = _find_made_for(options, background)
        width, height = (None, None) if size is None else read_size(size)
        made_for = ((width or native[0], height or native[1]), grid, background or colour)
        found = images.examine(picture, *made_for, place)
        if as_json:
            tell(json.dumps(found.as_dict(), ensure_ascii=False))
            return
        for each in found.concerns:
            tell(f"{each.text} {each.remedy}")
        if not found.concerns:
            tell("Nothing speaks against it.")
        tell(" ".join((f"{found.size[0]}x{found.size[1]} pixels.", *found.notes)))
        if found.tighter.zoom > 1:
            x, y, zoom = found.tighter
            tell(f"A tighter crop round the subject: --focus-x {x} --focus-y {y} --zoom {zoom}.")


def _find_made_for(
    options: Options, background: str | None
) -> tuple[tuple[tuple[int, int], int, str], Callable[[Picture], Picture]]:
    """Give size, grid and background of the model that is named, or the usual ones, and what places its objects."""
    if not options["checkpoint"]:
        return USUAL, lambda read: read
    from lib_svd.animate import see_picture

    checkpoint = recognise_model(options, ClipRequest())
    family = checkpoint.family
    made_for = family.native_size, checkpoint.size_grid, family.background
    return made_for, lambda read: see_picture(read, ClipRequest(background=background), checkpoint)[0]
