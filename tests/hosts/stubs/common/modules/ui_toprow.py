"""Prompts, Generate, Interrupt and Skip."""

from __future__ import annotations

import gradio as gr
from modules import shared
from modules.ui_components import ToolButton

_KEYS = "(Ctrl+Enter generates, Alt+Enter skips, Esc interrupts)"


class Toprow:
    prompt = None
    negative_prompt = None
    interrupt = None
    interrupting = None
    skip = None
    submit = None
    paste = None
    restore_progress_button = None
    submit_box = None

    def __init__(self, is_img2img, is_compact=False, id_part=None):
        self.id_part = id_part or ("img2img" if is_img2img else "txt2img")
        self.is_img2img, self.is_compact = is_img2img, is_compact
        if is_compact:
            self.create_submit_box()
            return
        with gr.Row(elem_id=f"{self.id_part}_toprow", variant="compact"):
            self.create_prompts()
            with gr.Column(scale=1, elem_id=f"{self.id_part}_actions_column"):
                self.create_submit_box()
                self.create_tools_row()

    def create_inline_toprow_prompts(self):
        if self.is_compact:
            self.create_prompts()
            self.create_tools_row()

    def create_inline_toprow_image(self):
        if self.is_compact:
            self.submit_box.render()

    def create_prompts(self):
        part = self.id_part
        with gr.Column(elem_id=f"{part}_prompt_container", scale=6):
            self.prompt = gr.Textbox(
                "", label="Prompt", elem_id=f"{part}_prompt", show_label=False, lines=2, placeholder=f"Prompt {_KEYS}"
            )
            self.negative_prompt = gr.Textbox(
                "", label="Negative prompt", elem_id=f"{part}_neg_prompt", show_label=False, lines=2
            )

    def create_submit_box(self):
        part = self.id_part
        with gr.Row(elem_id=f"{part}_generate_box", elem_classes=["generate-box"], render=not self.is_compact) as box:
            self.submit_box = box
            self.interrupt = gr.Button("Interrupt", elem_id=f"{part}_interrupt", elem_classes="generate-box-interrupt")
            self.skip = gr.Button("Skip", elem_id=f"{part}_skip", elem_classes="generate-box-skip")
            self.interrupting = gr.Button(
                "Interrupting...", elem_id=f"{part}_interrupting", elem_classes="generate-box-interrupting"
            )
            self.submit = gr.Button("Generate", elem_id=f"{part}_generate", variant="primary", tooltip="Generate")
            self.skip.click(fn=shared.state.skip)
            self.interrupt.click(
                fn=shared.state.interrupt, _js=f"() => {{ showSubmitInterruptingPlaceholder('{part}'); }}"
            )
            self.interrupting.click(fn=shared.state.interrupt)

    def create_tools_row(self):
        with gr.Row(elem_id=f"{self.id_part}_tools"):
            self.paste = ToolButton(value="↙️", elem_id="paste", tooltip="Read settings from the prompt")
            self.restore_progress_button = ToolButton(
                value="🌀", elem_id=f"{self.id_part}_restore_progress", visible=False, tooltip="Restore progress"
            )
