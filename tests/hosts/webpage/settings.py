"""The host's options, and the tab that shows those of extensions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from modules import shared
from modules.shared import opts

_MORE = {
    **{"outdir_img2img_samples": "outputs/img2img-images", "outdir_extras_samples": "outputs/extras-images"},
    **{"outdir_txt2img_grids": "outputs/txt2img-grids", "outdir_img2img_grids": "outputs/img2img-grids"},
    **{"outdir_save": "log/images", "outdir_grids": "", "samples_format": "png", "enable_pnginfo": True},
    **{"send_size": True, "send_seed": True, "return_grid": True, "save_incomplete_images": False, "save_txt": False},
    **{"show_progressbar": True, "show_progress_in_title": False, "interrupt_after_current": False},
}


def add_host_options(output: Path | None) -> None:
    """Options that the page needs beyond those of all stubs."""
    for key, default in _MORE.items():
        opts.add_option(key, shared.OptionInfo(default, key))
    opts.data_labels["live_preview_refresh_period"].default = 250
    if output is not None:
        for key in ("txt2img_samples", "img2img_samples", "extras_samples", "txt2img_grids", "img2img_grids"):
            opts.data_labels[f"outdir_{key}"].default = str(output / key.replace("_samples", "-images"))


class SettingsPage:
    """A page of settings a section, an Apply button, and Reload UI."""

    def __init__(self) -> None:
        self.shown = {key: info for key, info in opts.data_labels.items() if (info.section or (None,))[0]}
        self.components: dict[str, Any] = {}
        with gr.Blocks(analytics_enabled=False) as self.interface:
            with gr.Row():
                self.submit = gr.Button("Apply settings", variant="primary", elem_id="settings_submit")
                restart = gr.Button("Reload UI", variant="primary", elem_id="settings_restart_gradio")
            self.result = gr.HTML(elem_id="settings_result")
            with gr.Tabs(elem_id="settings"):
                for section in dict.fromkeys(tuple(info.section[:2]) for info in self.shown.values()):
                    with gr.TabItem(elem_id=f"settings_{section[0]}", label=section[1]):
                        for key, info in self.shown.items():
                            if tuple(info.section[:2]) == section:
                                self.components[key] = _build_component(key, info)
            self.text = gr.Textbox(elem_id="settings_json", value=opts.dumpjson, visible=False)
            restart.click(fn=shared.state.request_restart, _js="restart_reload", inputs=[], outputs=[])
        shared.settings_components = self.components

    def connect(self, page: gr.Blocks) -> None:
        """What happens at Apply, and when the page is opened."""
        keys = [key for key, info in self.shown.items() if not info.do_not_save]

        def apply(*values: Any) -> tuple[str, str]:
            changed = [key for key, value in zip(keys, values, strict=True) if opts.set(key, value)]
            opts.save(shared.config_filename)
            return opts.dumpjson(), f"{len(changed)} settings changed: {', '.join(changed)}."

        components = [self.components[key] for key in keys]
        self.submit.click(fn=apply, inputs=components, outputs=[self.text, self.result])
        page.load(
            fn=lambda: [gr.update(value=getattr(opts, key)) for key in keys],
            inputs=[],
            outputs=components,
            queue=False,
        )


def _build_component(key: str, info: Any) -> Any:
    given = info.component_args() if callable(info.component_args) else info.component_args or {}
    kinds = {str: gr.Textbox, int: gr.Number, bool: gr.Checkbox}
    kind = gr.HTML if info.do_not_save else info.component or kinds[type(info.default)]
    value = info.default if info.do_not_save else getattr(opts, key)
    component = kind(label=info.label, value=value, elem_id=f"setting_{key}", **given)
    if info.refresh is not None:
        from modules.ui_common import create_refresh_button

        create_refresh_button(component, info.refresh, info.component_args, f"refresh_{key}")
    return component
