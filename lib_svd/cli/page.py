"""`serve`: the page for this machine."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click

from lib_svd.cli.options import OUTPUT_DIR, model_dirs
from lib_svd.errors import SvdError


@click.command()
@click.option("--port", default=7870, show_default=True, help="Where the page is on this machine.")
@click.option("--models", type=Path, multiple=True, help="Folder with models; may be given several times.")
@click.option("--out", type=Path, default=OUTPUT_DIR, show_default=True, help="Folder for clips.")
@click.option("--device", default="auto", help="auto, cuda, mps or cpu.")
@click.option("--dtype", default="auto", help="auto, float32, float16 or bfloat16.")
@click.option("--weights", default="auto", help="float8 keeps the UNet in half the memory, rounded.")
@click.option("--open", "opens_browser", is_flag=True, help="Open the page in a browser.")
def serve(
    port: int, models: tuple[Path, ...], out: Path, device: str, dtype: str, weights: str, opens_browser: bool
) -> None:
    """Serve a page in which clips are made, for this machine only."""
    if importlib.util.find_spec("gradio") is None:
        raise SvdError("The page needs gradio, which is not installed: run `python -m pip install 'gradio>=4.40,<5'`.")
    from lib_svd.hosts.standalone import StandaloneHost
    from lib_svd.studio import Studio
    from lib_svd.ui import standalone

    page = standalone.StandalonePage(out)
    host = StandaloneHost(
        device,
        dtype,
        weights=weights,
        model_dirs=tuple(model_dirs(models)),
        output_dir=out,
        on_report=page.progress.report,
        options=page.choices,
        stop=page.stop,
    )
    standalone.serve(Studio(host), page, port, opens_browser=opens_browser)
