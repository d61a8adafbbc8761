"""`serve`: the page for this machine."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from lib_svd.cli.options import OUTPUT_DIR, add_host_options, list_model_dirs, make_host, tell_errors
from lib_svd.doctor import find_page_problem, find_page_remedy
from lib_svd.errors import SvdError

NAMES = "Another name of the page, such as a proxy's, as the address bar has it; may be given several times."


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=7870, show_default=True, help="Where the page is on this machine."
)
@click.option("--models", type=Path, multiple=True, help="Folder with models; may be given several times.")
@click.option("--out", type=Path, default=OUTPUT_DIR, show_default=True, help="Folder for clips.")
@click.option("--open", "opens_browser", is_flag=True, help="Open the page in a browser.")
@click.option("--own-name", "names", metavar="NAME", multiple=True, help=NAMES)
@add_host_options
def serve(
    port: int, models: tuple[Path, ...], out: Path, opens_browser: bool, names: tuple[str, ...], **options: Any
) -> None:
    """Serve a page in which clips are made, for this machine only."""
    from lib_svd.studio import Studio

    standalone = _import_ui()
    page = standalone.StandalonePage(out)
    with tell_errors(as_json=False):
        host = make_host(
            options,
            page.tasks.report,
            chosen=page.choices,
            model_dirs=tuple(list_model_dirs(models)),
            output_dir=out,
            stop=page.stop,
        )
    standalone.serve(Studio(host), page, port, names=names, opens_browser=opens_browser)


def _import_ui() -> Any:
    """Import the module that serves; raises SvdError where this environment has no gradio that can be used."""
    if problem := find_page_problem():
        raise SvdError(problem)
    try:
        from lib_svd.ui import standalone
    except ImportError as error:
        if (error.name or "").startswith("lib_svd"):
            raise
        raise SvdError(f"gradio {version('gradio')} cannot be loaded ({error}): run `{find_page_remedy()}`.") from error
    return standalone
