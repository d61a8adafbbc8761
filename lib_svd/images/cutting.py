"""The background of a picture taken away by rembg, where the user has installed it: a package for just that.

rembg is imported when a clip asks for it, and at no other time; it never fetches its model here.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from lib_svd.errors import BadPicture, BadRequest, quote_command
from lib_svd.settings import CUTS, SETTINGS

MODEL = "u2net"  # what rembg took when Stability wrote its script; newer releases take one for non-commercial use
LONGEST_SIDE = 768  # pixels, as in Stability's script; matting takes minutes at a photo's full size
FETCH = f"import rembg; rembg.new_session('{MODEL}')"


def remove_background(image: Image.Image) -> Image.Image:
    """Give an RGB picture as RGBA in which only the object is left, of `LONGEST_SIDE` at most.

    As Stability's simple_video_sample.py does: shrunk, and with alpha matting.

    Raises:
        BadRequest: rembg is not installed, too old, or has no model yet.
        BadPicture: it fails on this picture.
    """
    small = image.copy()
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return _remove(small.size, small.tobytes()).copy()


@lru_cache(maxsize=4)  # a preview asks for the same picture at every change of a control
def _remove(size: tuple[int, int], pixels: bytes) -> Image.Image:
    rembg, session = _open_session()
    try:
        found: Image.Image = rembg.remove(Image.frombytes("RGB", size, pixels), session=session, alpha_matting=True)
    except Exception as error:  # whatever its runtime raises
        why = f"{type(error).__name__}: {error}".rstrip(".")
        raise BadPicture(f"rembg cannot cut out the object ({why}): give a picture with transparency.") from error
    return found.convert("RGBA")


def _open_session() -> tuple[Any, Any]:
    """Import rembg and load its model; raises BadRequest where either is not there."""
    called = f"{SETTINGS['cut_out'].called} {CUTS['rembg']}"
    python = quote_command([sys.executable])
    try:
        import rembg
        from rembg.sessions.u2net import U2netSession
    except (ImportError, SystemExit) as error:  # it ends the program where it finds no runtime for its models
        advice = f'install it with {python} -m pip install "rembg[cpu]", or give a picture with transparency'
        raise BadRequest(f"{called} needs rembg, which is not installed here: {advice}.") from error
    if not _find_model(U2netSession).exists():
        advice = f'fetch it once, 176 MB, with {python} -c "{FETCH}"'
        raise BadRequest(f"{called} needs rembg's model {MODEL}, which is not on this machine yet: {advice}.")
    return rembg, rembg.new_session(MODEL)


def _find_model(session_class: Any) -> Path:
    """Find where rembg has its model, or would put it; releases since 2.0.7x look into two folders."""
    name = f"{MODEL}.onnx"
    if hasattr(session_class, "resolve_existing"):
        return Path(session_class.resolve_existing(name) or Path(session_class.model_dir()) / name)
    return Path(session_class.u2net_home()) / name
