"""`serve`: the page for this machine."""

from __future__ import annotations

import os
import sys
from collections import ChainMap
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from lib_svd.cli.options import OUTPUT_DIR, add_host_options, list_model_dirs, make_host, tell_errors
from lib_svd.doctor import find_page_problem, find_page_remedy
from lib_svd.errors import BadRequest, SvdError

PASSWORD = "SVD_PASSWORD"  # of the environment
LEAST_PASSWORD = 8  # characters
PICTURES = "Folder in which programs may name pictures; may be given several times."
LISTEN = (
    f"Serve other machines too, to whoever gives this name and the password in the environment's {PASSWORD}. "
    "Without HTTPS before it, others on the way can read both."
)
NAMES = "Another name of the page, such as a proxy's, as the address bar has it; may be given several times."


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=7870, show_default=True, help="Where the page is on this machine."
)
@click.option("--models", type=Path, multiple=True, help="Folder with models; may be given several times.")
@click.option("--out", type=Path, default=OUTPUT_DIR, show_default=True, help="Folder for clips.")
@click.option("--open", "opens_browser", is_flag=True, help="Open the page in a browser.")
@click.option("--own-name", "names", metavar="NAME", multiple=True, help=NAMES)
@click.option("--pictures", type=Path, multiple=True, help=PICTURES)
@click.option("--fetch-pictures", is_flag=True, help="Let programs name pictures by their address in the net.")
@click.option("--listen", metavar="NAME", help=LISTEN)
@add_host_options
def serve(
    port: int,
    models: tuple[Path, ...],
    out: Path,
    opens_browser: bool,
    names: tuple[str, ...],
    pictures: tuple[Path, ...],
    fetch_pictures: bool,
    listen: str | None,
    **options: Any,
) -> None:
    """Serve a page in which clips are made, and the API for programs: for this machine only, or with a password."""
    from lib_svd.giving_back import share_one_heap

    share_one_heap()
    from lib_svd.studio import Studio

    standalone = _import_ui()
    page = standalone.StandalonePage(out)
    with tell_errors(as_json=False):
        password = _read_password(listen) if listen is not None else ""
        host = make_host(
            options,
            page.tasks.report,
            chosen=ChainMap(page.choices, {"svd_fetch_pictures": fetch_pictures}),
            model_dirs=tuple(list_model_dirs(models)),
            output_dir=out,
            stop=page.stop,
            picture_dirs=tuple(pictures),
        )
    standalone.serve(Studio(host), page, port, names=names, opens_browser=opens_browser, password=password)


def _read_password(name: str) -> str:
    """Give `name:password`, the password out of the environment or asked for: on a command line all could read it.

    Raises:
        BadRequest: there is none, or it is too short.
    """
    if not name or ":" in name:
        raise BadRequest(f"--listen {name!r} is no name: choose one without a colon.")
    given = os.environ.get(PASSWORD, "")
    if not given and sys.stdin.isatty():
        given = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if len(given) < LEAST_PASSWORD:
        raise BadRequest(f"--listen needs a password of at least {LEAST_PASSWORD} characters: put it into {PASSWORD}.")
    return f"{name}:{given}"


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
