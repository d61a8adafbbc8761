"""Settings in text: read, shown, and sent from one tab to another."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import gradio as gr
from modules import errors, images, script_callbacks, shared, ui_tempdir
from PIL import Image

re_param = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
re_imagesize = re.compile(r"^(\d+)x(\d+)$")
type_of_gr_update = type(gr.update())

paste_fields: dict[str, dict[str, Any]] = {}
registered_param_bindings: list[ParamBinding] = []


class ParamBinding:
    def __init__(
        self,
        paste_button,
        tabname,
        source_text_component=None,
        source_image_component=None,
        source_tabname=None,
        override_settings_component=None,
        paste_field_names=None,
    ):
        self.paste_button, self.tabname = paste_button, tabname
        self.source_text_component, self.source_image_component = source_text_component, source_image_component
        self.source_tabname, self.override_settings_component = source_tabname, override_settings_component
        self.paste_field_names = paste_field_names or []


class PasteField(tuple):
    def __new__(cls, component, target, *, api=None):
        return super().__new__(cls, (component, target))

    def __init__(self, component, target, *, api=None):
        self.api, self.component = api, component
        self.label = target if isinstance(target, str) else None
        self.function = target if callable(target) else None


def reset():
    paste_fields.clear()
    registered_param_bindings.clear()


def quote(text):
    return json.dumps(text, ensure_ascii=False) if re.search("[,\n:]", str(text)) else text


def unquote(text):
    if len(text) < 2 or not (text[0] == text[-1] == '"'):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def image_from_url_text(filedata):
    if isinstance(filedata, list):
        filedata = filedata[0] if filedata else None
    if filedata is None:
        return None
    if isinstance(filedata, tuple):  # gradio 4's gallery: picture and caption
        return filedata[0]
    if isinstance(filedata, dict):
        if not filedata.get("is_file"):
            return None
        name = filedata["name"]
        assert ui_tempdir.check_tmp_file(shared.demo, name), f"{name} is outside of the allowed folders"
        return images.read(name.rsplit("?", 1)[0])
    encoded = filedata.removeprefix("data:image/png;base64,")
    return images.read(io.BytesIO(base64.b64decode(encoded)))


def add_paste_fields(tabname, init_img, fields, override_settings_component=None):
    for number, field in enumerate(fields or ()):
        if not isinstance(field, PasteField):
            fields[number] = PasteField(*field)
    known = {"init_img": init_img, "fields": fields, "override_settings_component": override_settings_component}
    paste_fields[tabname] = known


def create_buttons(tabs_list):
    return {tab: gr.Button(f"Send to {tab}", elem_id=f"{tab}_tab") for tab in tabs_list}


def register_paste_params_button(binding: ParamBinding):
    registered_param_bindings.append(binding)


def connect_paste_params_buttons():
    for binding in registered_param_bindings:
        if binding.tabname not in paste_fields and _passes_over_missing_tabs:
            continue
        target = paste_fields[binding.tabname]
        _connect_picture(binding, target)
        override = binding.override_settings_component or target["override_settings_component"]
        if binding.source_text_component is not None and target["fields"] is not None:
            text = binding.source_text_component
            connect_paste(binding.paste_button, target["fields"], text, override, binding.tabname)
        if binding.source_tabname is not None and target["fields"] is not None:
            names = ["Prompt", "Negative prompt", "Steps", "Face restoration", "Seed", *binding.paste_field_names]
            source = paste_fields[binding.source_tabname]["fields"]
            binding.paste_button.click(
                fn=lambda *values: values,
                inputs=[field for field, name in source if name in names],
                outputs=[field for field, name in target["fields"] if name in names],
                show_progress=False,
            )
        binding.paste_button.click(
            fn=None, _js=f"switch_to_{binding.tabname}", inputs=None, outputs=None, show_progress=False
        )


def send_image_and_dimensions(x):
    image = x if isinstance(x, Image.Image) else image_from_url_text(x)
    if image is not None and image.mode == "RGBA":
        image = image.convert("RGB")
    if image is None or not getattr(shared.opts, "send_size", True):
        return image, gr.update(), gr.update()
    return image, image.width, image.height


def parse_generation_parameters(x: str, skip_fields: list[str] | None = None):
    *lines, last = x.strip().split("\n")
    if len(re_param.findall(last)) < 3:
        lines.append(last)
        last = ""
    prompt: list[str] = []
    negative: list[str] = []
    into = prompt
    for line in map(str.strip, lines):
        if line.startswith("Negative prompt:"):
            into = negative
        into.append(line.removeprefix("Negative prompt:").strip())
    found: dict[str, Any] = {}
    for label, text in re_param.findall(last):
        value = unquote(text)
        size = re_imagesize.match(value)
        if size:
            found[f"{label}-1"], found[f"{label}-2"] = size.groups()
        else:
            found[label] = value
    found["Prompt"], found["Negative prompt"] = "\n".join(prompt), "\n".join(negative)
    found = {**_WHERE_MISSING, **found}
    for label in skip_fields or ():
        found.pop(label, None)
    return found


def connect_paste(button, paste_fields, input_comp, override_settings_component, tabname):
    def paste(prompt):
        if not prompt:
            last = Path(shared.data_path) / "params.txt"
            prompt = last.read_text("utf-8") if last.exists() else ""
        parameters = parse_generation_parameters(prompt)
        script_callbacks.infotext_pasted_callback(prompt, parameters)
        return [_pasted(component, target, parameters) for component, target in paste_fields]

    outputs = [component for component, _ in paste_fields]
    button.click(fn=paste, inputs=[input_comp], outputs=outputs, show_progress=False)
    button.click(fn=None, _js=f"recalculate_prompts_{tabname}", inputs=[], outputs=[], show_progress=False)


_WHERE_MISSING = {
    "Clip skip": "1",
    "Schedule type": "Automatic",
    "RNG": "GPU",
    "Hires resize-1": 0,
    "VAE Encoder": "Full",
}
"""What a host adds to any text, an empty one too."""
_passes_over_missing_tabs = hasattr(gr.components, "IOComponent")
"""reForge, on gradio 3, does; Forge, on gradio 4, raises KeyError."""


def _connect_picture(binding: ParamBinding, target: dict[str, Any]) -> None:
    """Send the picture, and its size where the tab has fields for one."""
    source, destination = binding.source_image_component, target["init_img"]
    if not source or not destination:
        return
    fields = target["fields"] or []
    sides = [next((field for field, name in fields if name == side), None) for side in ("Size-1", "Size-2")]
    with_size = bool(sides[0]) and binding.tabname != "inpaint"
    is_gallery = isinstance(source, gr.Gallery)
    as_it_is = image_from_url_text if is_gallery else (lambda picture: picture)
    binding.paste_button.click(
        fn=send_image_and_dimensions if with_size else as_it_is,
        _js="extract_image_from_gallery" if is_gallery else None,
        inputs=[source],
        outputs=[destination, *sides] if with_size else [destination],
        show_progress=False,
    )


def _pasted(component: Any, target: Any, parameters: dict[str, Any]) -> Any:
    """What a component becomes: the value in the type of its own, or as it is."""
    value = parameters.get(target) if isinstance(target, str) else None
    if callable(target):
        try:
            value = target(parameters)
        except Exception:  # noqa: BLE001 (an extension must not take the host down)
            errors.report(f"{target} failed", exc_info=True)
    if value is None:
        return gr.update()
    if isinstance(value, type_of_gr_update):
        return value
    kind = type(component.value)
    try:
        if kind is bool and value == "False":
            return gr.update(value=False)
        return gr.update(value=float(value) if kind is int else kind(value))
    except (TypeError, ValueError):
        return gr.update()
