"""The gallery with its buttons, and small helpers of all tabs."""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
from modules import images, infotext_utils, scripts, shared, util
from modules.ui_components import ToolButton

folder_symbol = "\U0001f4c2"
refresh_symbol = "\U0001f504"


_GALLERY = {} if hasattr(gr.components, "IOComponent") else {"type": "pil"}
"""gradio 3 has no such argument."""


class OutputPanel:
    gallery = None
    generation_info = None
    infotext = None
    html_log = None


def plaintext_to_html(text, classname=None):
    lines = "<br>\n".join(map(html.escape, text.split("\n")))
    return f"<p class='{classname}'>{lines}</p>" if classname else f"<p>{lines}</p>"


def update_generation_info(generation_info, html_info, img_index):
    try:
        text = json.loads(generation_info)["infotexts"][img_index] if img_index >= 0 else None
    except (ValueError, KeyError, IndexError, TypeError):
        text = None
    return (html_info if text is None else plaintext_to_html(text)), gr.update()


def save_files(js_data, images, do_make_zip, index):
    known = SimpleNamespace(**json.loads(js_data))
    start = 0
    if index > -1 and index >= known.index_of_first_image:
        images, start = [images[index]], index
    folder = getattr(shared.opts, "outdir_save", "log/images")
    saved = [_saved(picture, folder, known, number) for number, picture in enumerate(images, start)]
    names = [str(Path(path).relative_to(folder)) for path in saved]
    if do_make_zip:
        base = Path(folder).absolute()
        saved.insert(0, shutil.make_archive(str(base.parent / "pictures"), "zip", base))
    return gr.File.update(value=saved, visible=True), plaintext_to_html(f"Saved: {names[0]}")


def create_output_panel(tabname, outdir, toprow=None):
    panel = OutputPanel()
    with gr.Column(elem_id=f"{tabname}_results"):
        if toprow:
            toprow.create_inline_toprow_image()
        with gr.Column(variant="panel", elem_id=f"{tabname}_results_panel"):
            with gr.Group(elem_id=f"{tabname}_gallery_container"):
                panel.gallery = gr.Gallery(
                    label="Output",
                    show_label=False,
                    elem_id=f"{tabname}_gallery",
                    columns=4,
                    preview=True,
                    interactive=False,
                    object_fit="contain",
                    **_GALLERY,
                )
            with gr.Row(elem_id=f"image_buttons_{tabname}", elem_classes="image-buttons"):
                opener = ToolButton(folder_symbol, elem_id=f"{tabname}_open_folder", tooltip="Open the folder")
                saver = None
                if tabname != "extras":
                    saver = ToolButton("💾", elem_id=f"save_{tabname}", tooltip="Save the picture")
                    zipper = ToolButton("🗃️", elem_id=f"save_zip_{tabname}", tooltip="Save all pictures")
                buttons = {
                    target: ToolButton(sign, elem_id=f"{tabname}_send_to_{target}", tooltip=f"Send to {target}")
                    for target, sign in (("img2img", "🖼️"), ("inpaint", "🎨️"), ("extras", "📐"))
                }
            opener.click(fn=lambda: util.open_folder(getattr(shared.opts, "outdir_samples", "") or outdir))
            if saver is None:
                panel.generation_info = gr.HTML(elem_id=f"html_info_x_{tabname}")
                panel.infotext = gr.HTML(elem_id=f"html_info_{tabname}", elem_classes="infotext")
                panel.html_log = gr.HTML(elem_id=f"html_log_{tabname}")
            else:
                _texts(panel, tabname, saver, zipper)
            _connect(panel, tabname, buttons)
    return panel


def create_refresh_button(refresh_component, refresh_method, refreshed_args, elem_id):
    several = isinstance(refresh_component, list)
    components = refresh_component if several else [refresh_component]

    def refresh():
        refresh_method()
        changed = refreshed_args() if callable(refreshed_args) else refreshed_args
        for component in components:
            for name, value in changed.items():
                setattr(component, name, value)
        updates = [gr.update(**(changed or {})) for _ in components]
        return updates if len(updates) > 1 else updates[0]

    button = ToolButton(value=refresh_symbol, elem_id=elem_id, tooltip="Refresh")
    button.click(fn=refresh, inputs=[], outputs=components)
    return button


def _texts(panel, tabname, saver, zipper) -> None:
    """Below the gallery: settings, log, and the settings of all pictures as JSON."""
    downloads = gr.File(
        None,
        file_count="multiple",
        interactive=False,
        show_label=False,
        visible=False,
        elem_id=f"download_files_{tabname}",
    )
    with gr.Group():
        panel.infotext = gr.HTML(elem_id=f"html_info_{tabname}", elem_classes="infotext")
        panel.html_log = gr.HTML(elem_id=f"html_log_{tabname}", elem_classes="html-log")
        panel.generation_info = gr.Textbox(visible=False, elem_id=f"generation_info_{tabname}")
        if tabname in ("txt2img", "img2img"):
            shower = gr.Button(visible=False, elem_id=f"{tabname}_generation_info_button")
            shower.click(
                fn=update_generation_info,
                _js="(x, y, z) => [x, y, selected_gallery_index()]",
                inputs=[panel.generation_info, panel.infotext, panel.infotext],
                outputs=[panel.infotext, panel.infotext],
                show_progress=False,
            )
        for button, zipped in ((saver, "false"), (zipper, "true")):
            button.click(
                fn=save_files,
                _js=f"(x, y, z, w) => [x, y, {zipped}, selected_gallery_index()]",
                inputs=[panel.generation_info, panel.gallery, panel.infotext, panel.infotext],
                outputs=[downloads, panel.html_log],
                show_progress=False,
            )


def _connect(panel, tabname, buttons) -> None:
    runners = {"txt2img": scripts.scripts_txt2img, "img2img": scripts.scripts_img2img}
    names = runners[tabname].paste_field_names if tabname in runners else []
    for target, button in buttons.items():
        binding = infotext_utils.ParamBinding(
            paste_button=button,
            tabname=target,
            source_tabname="txt2img" if tabname == "txt2img" else None,
            source_image_component=panel.gallery,
            paste_field_names=names,
        )
        infotext_utils.register_paste_params_button(binding)


def _saved(picture, folder, known, number) -> str:
    image = infotext_utils.image_from_url_text(picture)
    text = known.infotexts[number]
    parameters = infotext_utils.parse_generation_parameters(text, [])
    given = {"seed": parameters["Seed"], "prompt": parameters["Prompt"], "info": text, "p": known}
    return images.save_image(image, folder, "", **given, grid=number < known.index_of_first_image)[0]
