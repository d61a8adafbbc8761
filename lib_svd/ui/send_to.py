"""What of ours stands in other tabs: buttons that send a picture to SVD, and a place for clips under a gallery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from lib_svd.ui.compat import answer, make_html

FILM = "🎬"


def show_button(elem_id: str, is_small: bool) -> Any:
    """Show a button that sends a picture to SVD; small ones stand in a row of symbols."""
    return gr.Button(FILM if is_small else "Send to SVD", elem_id=elem_id, elem_classes=["tool"] if is_small else [])


def show_results(part: str, description: Any, shown: Callable[[str], str]) -> None:
    """Show clips under a gallery, anew when a job is done.

    Its description is another one then, unless the job was refused: `javascript/svd.js` sees to that.

    Args:
        part: txt2img or img2img.
        description: holds the job's description when it is done.
        shown: that description to HTML.
    """
    clips = make_html(elem_id=f"{part}_svd_clips")
    answer(f"svd_shown_in_{part}", [description.change], shown, [description], [clips])
