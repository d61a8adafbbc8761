"""`check`: what may go wrong with a clip of a picture, before there is one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from lib_svd.cli.options import errors_as_json
from lib_svd.cli.terminal import tell
from lib_svd.request import read_size

GRID = 64  # pixels; of which the released models' sizes are multiples


@click.command()
@click.argument("picture", type=Path)
@click.option("--size", default="1024x576", show_default=True, help="What the model was made for, as WxH.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(picture: Path, size: str, as_json: bool) -> None:
    """Say what may go wrong with a clip of PICTURE, with remedies, and where a tighter crop would be."""
    from lib_svd import images

    with errors_as_json(as_json):
        width, height = read_size(size)
        image = images.read_picture(picture).image
        fitted_to = images.working_size(image.size, (width or 1024, height or 576), GRID)
        fitted = images.fit_picture(image, fitted_to, "crop", images.View())
        concerns = images.check_picture(image, fitted)
        tighter = images.tighter_crop(image, fitted_to)
        if as_json:
            found = {"concerns": [asdict(each) for each in concerns], "tighter_crop": tighter._asdict()}
            tell(json.dumps(found, ensure_ascii=False))
            return
        for each in concerns:
            tell(f"{each.text} {each.remedy}")
        if not concerns:
            tell("Nothing speaks against it.")
        if tighter.zoom > 1:
            x, y, zoom = tighter
            tell(f"A tighter crop round the subject: --focus-x {x} --focus-y {y} --zoom {zoom}.")
