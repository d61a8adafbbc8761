"""`info`: the settings that a file carries."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from lib_svd.cli.options import tell_errors
from lib_svd.cli.terminal import tell
from lib_svd.errors import BadInput
from lib_svd.request import ClipRequest


@click.command()
@click.argument("file", type=Path)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(file: Path, as_json: bool) -> None:
    """Print the settings that FILE carries: a clip in any format, a frame, a zip of frames, or the .txt beside them."""
    from lib_svd.infotext import read_infotext

    with tell_errors(as_json):
        text = read_infotext(file)
        if as_json:
            told = {"file": str(file), "settings": asdict(ClipRequest.from_infotext(text)), "infotext": text}
            tell(json.dumps({**told, "video": _look(file)}, ensure_ascii=False))
            return
        if found := _look(file):
            what = "{num_frames} frames of {width}x{height} at {fps:g} fps, {duration:.2f} s".format(**found)
            tell(f"{file}: {what}, {found['codec']} in {found['pixel_format']}.")
        tell(text)


def _look(file: Path) -> dict[str, Any]:
    """What is in a video; empty for anything else."""
    from lib_svd import video

    with suppress(BadInput):
        found = asdict(video.probe(file))
        return {name: value for name, value in found.items() if name not in ("metadata", "stream", "turned")}
    return {}
