"""What stands in for parts of a web UI that it lacks."""

from __future__ import annotations

from typing import Any

import gradio as gr

from lib_svd.ui.clips import render_error


def make_buttons(part: str) -> Any:
    """Show Generate; and, since web UIs' own scripts show and hide them, Interrupt and Skip that press txt2img's."""
    with gr.Row(elem_id=f"{part}_generate_box"):
        for name in ("interrupt", "skip", "interrupting"):
            gr.HTML(
                f"<button class='lg secondary' onclick=\"document.querySelector('#txt2img_{name}').click()\">"
                f"{name.title()}</button>",
                elem_id=f"{part}_{name}",
            )
        return gr.Button("Generate", variant="primary", elem_id=f"{part}_generate")


def show_sentence(text: str) -> Any:
    """Show a tab with nothing but a sentence."""
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.HTML(render_error(text))
    return blocks
