"""`doctor`: what this machine has."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lib_svd.cli.options import list_model_dirs
from lib_svd.cli.terminal import tell
from lib_svd.doctor import report


@click.command()
@click.option("--models", type=Path, multiple=True, help="Folder with models; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(models: tuple[Path, ...], as_json: bool) -> None:
    """Say what this machine has: device, memory, ffmpeg, models."""
    said, code = report(list_model_dirs(models), as_json=as_json)
    tell(said)
    sys.exit(code)
