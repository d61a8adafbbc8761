"""The tabs: txt2img, img2img, Extras, PNG Info, those of extensions, Settings."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr
from modules import (
    images,
    img2img,
    infotext_utils,
    progress,
    script_callbacks,
    scripts,
    shared,
    txt2img,
    ui_common,
    ui_toprow,
)
from modules.call_queue import wrap_gradio_gpu_call
from modules.infotext_utils import ParamBinding, PasteField
from modules_forge import main_thread

from tests.hosts.webpage.settings import SettingsPage


def build_page() -> gr.Blocks:
    """Make everything anew, in the order in which hosts do."""
    infotext_utils.reset()
    script_callbacks.ui_settings_callback()
    interfaces = [
        (_build_generation("txt2img", scripts.scripts_txt2img, txt2img.txt2img, "submit"), "Txt2img", "txt2img"),
        (
            _build_generation("img2img", scripts.scripts_img2img, img2img.img2img, "submit_img2img"),
            "Img2img",
            "img2img",
        ),
    ]
    scripts.scripts_current = None
    interfaces += [(_build_extras(), "Extras", "extras"), (_build_png_info(), "PNG Info", "pnginfo")]
    settings = SettingsPage()
    interfaces += script_callbacks.ui_tabs_callback()
    interfaces += [(settings.interface, "Settings", "settings")]
    shared.tab_names = [label for _, label, _ in interfaces]
    with gr.Blocks(analytics_enabled=False, title="Stable Diffusion") as page:
        infotext_utils.connect_paste_params_buttons()
        with gr.Tabs(elem_id="tabs"):
            for interface, label, part in interfaces:
                with gr.TabItem(label, id=part, elem_id=f"tab_{part}"):
                    interface.render()
        settings.connect(page)
    return page


def _build_generation(part: str, runner: Any, job: Callable[..., Any], submit: str) -> gr.Blocks:
    """A tab with prompts, sizes, the controls of scripts, and a gallery."""
    scripts.scripts_current = runner
    runner.initialize_scripts(is_img2img=part == "img2img")
    with gr.Blocks(analytics_enabled=False) as tab:
        toprow = ui_toprow.Toprow(is_img2img=part == "img2img", is_compact=False)
        task = gr.Textbox(visible=False)
        with gr.Row(equal_height=False):
            with gr.Column(variant="compact", elem_id=f"{part}_settings"):
                runner.prepare_ui()
                pictures = _build_source_pictures() if part == "img2img" else []
                runner.setup_ui_for_section("sampler")
                sizes = _build_sizes(part)
                more = [gr.Slider(0, 1, 0.75, step=0.01, label="Denoising strength")] if pictures else []
                runner.setup_ui_for_section("seed")
                with gr.Row(elem_id=f"{part}_accordions", elem_classes="accordions"):
                    runner.setup_ui_for_section("accordions")
                with gr.Group(elem_id=f"{part}_script_container"):
                    custom = runner.setup_ui()
            panel = ui_common.create_output_panel(part, f"outputs/{part}-images", toprow)
        outputs = [panel.gallery, panel.generation_info, panel.infotext, panel.html_log]
        mode = [gr.Number(0, visible=False), *(toprow.prompt, toprow.negative_prompt), pictures[0]] if pictures else []
        inputs = [*(mode or [toprow.prompt, toprow.negative_prompt]), *sizes[:3], *more, *sizes[3:], *custom]
        submitted = {
            "fn": wrap_gradio_gpu_call(job, extra_outputs=[None, "", ""]),
            "_js": submit,
            "inputs": [task, *inputs],
            "outputs": outputs,
            "show_progress": False,
        }
        toprow.prompt.submit(**submitted)
        toprow.submit.click(**submitted)
        toprow.restore_progress_button.click(
            fn=progress.restore_progress, inputs=[task], outputs=outputs, show_progress=False
        )
        _paste_fields(part, toprow, runner, sizes, pictures)
    return tab


def _build_sizes(part: str) -> list[Any]:
    """Count, batch, guidance, height, width."""
    with gr.Row(elem_id=f"{part}_column_size"):
        width = gr.Slider(64, 2048, 512, step=8, label="Width", elem_id=f"{part}_width")
        height = gr.Slider(64, 2048, 512, step=8, label="Height", elem_id=f"{part}_height")
    with gr.Row(elem_id=f"{part}_column_batch"):
        count = gr.Slider(1, 16, 1, step=1, label="Batch count", elem_id=f"{part}_batch_count")
        size = gr.Slider(1, 8, 1, step=1, label="Batch size", elem_id=f"{part}_batch_size")
    guidance = gr.Slider(1, 30, 7.0, step=0.1, label="CFG Scale", elem_id=f"{part}_cfg_scale")
    return [count, size, guidance, height, width]


def _build_source_pictures() -> list[Any]:
    with gr.Tabs(elem_id="mode_img2img"):
        with gr.TabItem("img2img", id="img2img", elem_id="img2img_img2img_tab"):
            picture = gr.Image(label="Image for img2img", source="upload", type="pil", elem_id="img2img_image")
        with gr.TabItem("Inpaint", id="inpaint", elem_id="img2img_inpaint_tab"):
            inpainted = gr.Image(label="Image for inpainting", source="upload", type="pil", elem_id="img2maskimg")
    return [picture, inpainted]


def _paste_fields(part: str, toprow: Any, runner: Any, sizes: list[Any], pictures: list[Any]) -> None:
    _, size, guidance, height, width = sizes
    fields = [
        PasteField(toprow.prompt, "Prompt", api="prompt"),
        PasteField(toprow.negative_prompt, "Negative prompt", api="negative_prompt"),
        PasteField(guidance, "CFG scale", api="cfg_scale"),
        PasteField(width, "Size-1", api="width"),
        PasteField(height, "Size-2", api="height"),
        PasteField(size, "Batch size", api="batch_size"),
        *runner.infotext_fields,
    ]
    infotext_utils.add_paste_fields(part, pictures[0] if pictures else None, fields)
    if pictures:
        infotext_utils.add_paste_fields("inpaint", pictures[1], fields)
    infotext_utils.register_paste_params_button(
        ParamBinding(paste_button=toprow.paste, tabname=part, source_text_component=toprow.prompt)
    )


def _build_extras() -> gr.Blocks:
    """Twice the size."""

    def enlarge(task: str, picture: Any) -> Any:
        def work() -> Any:
            shared.state.job_count = 1
            return picture.resize((picture.width * 2, picture.height * 2))

        return [main_thread.run_and_wait_result(work)], "", ""

    with gr.Blocks(analytics_enabled=False) as tab, gr.Row(equal_height=False):
        task = gr.Textbox(visible=False)
        with gr.Column():
            source = gr.Image(label="Source", source="upload", type="pil", elem_id="extras_image", image_mode="RGBA")
        with gr.Column():
            toprow = ui_toprow.Toprow(is_img2img=False, is_compact=True, id_part="extras")
            toprow.create_inline_toprow_image()
            panel = ui_common.create_output_panel("extras", "outputs/extras-images")
        toprow.submit.click(
            fn=wrap_gradio_gpu_call(enlarge, extra_outputs=[None, ""]),
            _js="submit_extras",
            inputs=[task, source],
            outputs=[panel.gallery, panel.generation_info, panel.html_log],
            show_progress=False,
        )
        infotext_utils.add_paste_fields("extras", source, None)
    return tab


def _build_png_info() -> gr.Blocks:
    """What is written in a picture, and where it may be sent."""

    def run_pnginfo(picture: Any) -> tuple[str, str, str]:
        if picture is None:
            return "", "", ""
        text, items = images.read_info_from_image(picture)
        shown = {"parameters": text, **items}
        return "", text, "".join(f"<p><b>{escape(str(k))}</b></p><p>{escape(str(v))}</p>" for k, v in shown.items())

    with gr.Blocks(analytics_enabled=False) as tab, gr.Row(equal_height=False):
        with gr.Column(variant="panel"):
            picture = gr.Image(
                elem_id="pnginfo_image",
                label="Source",
                source="upload",
                interactive=True,
                type="pil",
                image_mode="RGBA",
            )
        with gr.Column(variant="panel"):
            before = gr.HTML()
            text = gr.Textbox(visible=False, elem_id="pnginfo_generation_info")
            after = gr.HTML(elem_id="pnginfo_html2")
            with gr.Row():
                buttons = infotext_utils.create_buttons(["txt2img", "img2img", "inpaint", "extras"])
            for part, button in buttons.items():
                infotext_utils.register_paste_params_button(
                    ParamBinding(
                        paste_button=button,
                        tabname=part,
                        source_text_component=text,
                        source_image_component=picture,
                    )
                )
        picture.change(fn=run_pnginfo, inputs=[picture], outputs=[before, text, after])
    return tab
