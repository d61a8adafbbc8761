"""`deflicker`: a short way to `finish --deflicker`."""

from __future__ import annotations

from typing import Any

import click

from lib_svd.cli.finish import add_shared_options, finish_and_print
from lib_svd.cli.options import Options, recognise_model, tell_errors
from lib_svd.finish.finishing import FINISHINGS
from lib_svd.request import ClipRequest


@click.command()
@add_shared_options
@click.option("--checkpoint", metavar="NAME", help="SVD model; demo, a path, or brightness, which needs none.")
def deflicker(**options: Any) -> None:
    """Take flicker away from CLIP, or several one after the other; the clips themselves stay.

    Brightness that jumps is evened out, then SVD's VAE encodes each frame and decodes all of them together. CLIP is a
    video, a moving picture, or a folder of frames, made here or elsewhere.
    """
    chosen = {**dict.fromkeys(FINISHINGS), **options, "delivery": None}
    finish_and_print({**chosen, "deflicker": options["checkpoint"] or _find_only_model(options)})


def _find_only_model(options: Options) -> str:
    """Name the model that is there; raises BadInput where there is none, or more than one."""
    with tell_errors(options["as_json"]):
        return str(recognise_model({**options, "variant": None, "companion": None}, ClipRequest()).path)
