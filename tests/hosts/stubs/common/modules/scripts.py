"""Scripts of extensions: found, executed, asked for controls, and called while pictures are made."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from modules import errors, extensions, paths, script_callbacks

AlwaysVisible = object()
ScriptFile = namedtuple("ScriptFile", ["basedir", "filename", "path"])
ScriptClassData = namedtuple("ScriptClassData", ["script_class", "path", "basedir", "module"])

scripts_data: list[ScriptClassData] = []
current_basedir = paths.script_path


class PostSampleArgs:
    def __init__(self, samples):
        self.samples = samples


class PostprocessImageArgs:
    def __init__(self, image, index):
        self.image, self.index = image, index


class PostProcessMaskOverlayArgs:
    def __init__(self, index, mask_for_overlay, overlay_image):
        self.index, self.mask_for_overlay, self.overlay_image = index, mask_for_overlay, overlay_image


class PostprocessBatchListArgs:
    def __init__(self, images):
        self.images = images


@dataclass
class OnComponent:
    component: Any


class Script:
    name = None
    section = None
    filename = None
    args_from = None
    args_to = None
    alwayson = False
    is_txt2img = False
    is_img2img = False
    tabname = None
    group = None
    create_group = True
    infotext_fields = None
    paste_field_names = None
    api_info = None
    on_before_component_elem_id = None
    on_after_component_elem_id = None
    setup_for_ui_only = False
    controls = None
    sorting_priority = 0

    def title(self):
        raise NotImplementedError

    def ui(self, is_img2img):
        """Make controls and return them."""

    def show(self, is_img2img):
        return True

    def run(self, p, *args):
        """Of a script that is chosen from the list."""

    def setup(self, p, *args):
        """As soon as the controls' values are known."""

    def before_process(self, p, *args):
        """Before anything else."""

    def process(self, p, *args):
        """When seeds and prompts are known."""

    def before_process_batch(self, p, *args, **kwargs):
        """Per batch."""

    def process_batch(self, p, *args, **kwargs):
        """Per batch, after the networks were chosen."""

    def process_before_every_sampling(self, p, *args, **kwargs):
        """With the noise, before it is sampled."""

    def post_sample(self, p, ps: PostSampleArgs, *args):
        """With the latents."""

    def postprocess_batch(self, p, *args, **kwargs):
        """With the pictures of a batch as tensors."""

    def postprocess_batch_list(self, p, pp: PostprocessBatchListArgs, *args, **kwargs):
        """The same as a list that may be changed."""

    def postprocess_image(self, p, pp: PostprocessImageArgs, *args):
        """Per picture."""

    def postprocess_maskoverlay(self, p, ppmo: PostProcessMaskOverlayArgs, *args):
        """Per picture, before the mask."""

    def postprocess_image_after_composite(self, p, pp: PostprocessImageArgs, *args):
        """Per picture, after the mask."""

    def postprocess(self, p, processed, *args):
        """With everything that was made."""

    def before_component(self, component, **kwargs):
        """Before any component of the page."""

    def after_component(self, component, **kwargs):
        """After any component of the page."""

    def on_before_component(self, callback, *, elem_id):
        self.on_before_component_elem_id = [*(self.on_before_component_elem_id or ()), (elem_id, callback)]

    def on_after_component(self, callback, *, elem_id):
        self.on_after_component_elem_id = [*(self.on_after_component_elem_id or ()), (elem_id, callback)]

    def elem_id(self, item_id):
        on_both = self.show(True) == self.show(False)
        tab = ("img2img_" if self.is_img2img else "txt2img_") if on_both else ""
        title = re.sub(r"[^a-z_0-9]", "", re.sub(r"\s", "_", self.title().lower()))
        return f"script_{tab}{title}_{item_id}"


class ScriptBuiltinUI(Script):
    setup_for_ui_only = True

    def elem_id(self, item_id):
        return f"{'img2img' if self.is_img2img else 'txt2img'}_{item_id}"

    def show(self, is_img2img):
        return AlwaysVisible


def basedir():
    return current_basedir


def list_scripts(scriptdirname, extension, *, include_extensions=True):
    found = extensions.active() if include_extensions else []
    return [file for each in found for file in each.list_files(scriptdirname, extension)]


def list_files_with_name(filename):
    candidates = (Path(extension.path) / filename for extension in extensions.active())
    return [str(path) for path in candidates if path.is_file()]


def load_scripts():
    global current_basedir, scripts_txt2img, scripts_img2img
    scripts_data.clear()
    script_callbacks.clear_callbacks()
    files = list_scripts("scripts", ".py")
    for file in files:
        if file.basedir not in sys.path:
            sys.path = [file.basedir, *sys.path]
    before = sys.path
    for file in files:
        sys.path = [file.basedir, *before]
        current_basedir = file.basedir
        try:
            module = _executed(file.path)
            classes = [each for each in module.__dict__.values() if inspect.isclass(each) and issubclass(each, Script)]
            scripts_data.extend(ScriptClassData(each, file.path, file.basedir, module) for each in classes)
        except Exception:  # noqa: BLE001 (an extension must not take the host down)
            errors.report(f"{file.path} could not be loaded", exc_info=True)
        finally:
            sys.path, current_basedir = before, paths.script_path
    scripts_txt2img, scripts_img2img = ScriptRunner(), ScriptRunner()


def wrap_call(func, filename, funcname, *args, default=None, **kwargs):
    try:
        return func(*args, **kwargs)
    except Exception:  # noqa: BLE001 (an extension must not take the host down)
        errors.report(f"{funcname} of {filename} failed", exc_info=True)
    return default


class ScriptRunner:
    def __init__(self):
        self.scripts: list[Script] = []
        self.selectable_scripts: list[Script] = []
        self.alwayson_scripts: list[Script] = []
        self.titles: list[str] = []
        self.title_map: dict[str, Script] = {}
        self.infotext_fields: list[Any] = []
        self.paste_field_names: list[str] = []
        self.inputs: list[Any] = [None]
        self.on_before_component_elem_id: dict[str, list[Any]] = {}
        self.on_after_component_elem_id: dict[str, list[Any]] = {}

    def initialize_scripts(self, is_img2img):
        for known in (self.scripts, self.alwayson_scripts, self.selectable_scripts):
            known.clear()
        for found in scripts_data:
            script = wrap_call(found.script_class, found.path, "__init__")
            if script is None:
                continue
            script.filename = found.path
            script.is_txt2img, script.is_img2img = not is_img2img, is_img2img
            script.tabname = "img2img" if is_img2img else "txt2img"
            shown = script.show(is_img2img)
            if not shown:
                continue
            script.alwayson = shown is AlwaysVisible
            self.scripts.append(script)
            (self.alwayson_scripts if script.alwayson else self.selectable_scripts).append(script)
        self.apply_on_before_component_callbacks()

    def apply_on_before_component_callbacks(self):
        for script in self.scripts:
            for wanted, known in (
                (script.on_before_component_elem_id, self.on_before_component_elem_id),
                (script.on_after_component_elem_id, self.on_after_component_elem_id),
            ):
                for elem_id, callback in wanted or ():
                    known.setdefault(elem_id, []).append((callback, script))
            script.on_before_component_elem_id = script.on_after_component_elem_id = None

    def prepare_ui(self):
        self.inputs = [None]

    def create_script_ui(self, script):
        script.args_from = script.args_to = len(self.inputs)
        wrap_call(self.create_script_ui_inner, script.filename, "ui", script)

    def create_script_ui_inner(self, script):
        from modules.api import models

        controls = wrap_call(script.ui, script.filename, "ui", script.is_img2img)
        script.controls = controls
        if controls is None:
            return
        script.name = wrap_call(script.title, script.filename, "title", default=script.filename).lower()
        described = []
        for control in controls:
            given = {name: getattr(control, name, None) for name in ("value", "minimum", "maximum", "step")}
            choices = getattr(control, "choices", None)
            names = None if choices is None else [each[0] if isinstance(each, tuple) else each for each in choices]
            described.append(models.ScriptArg(label=control.label or "", choices=names, **given))
        script.api_info = models.ScriptInfo(
            name=script.name, is_alwayson=script.alwayson, is_img2img=script.is_img2img, args=described
        )
        self.infotext_fields += script.infotext_fields or []
        self.paste_field_names += script.paste_field_names or []
        self.inputs += controls
        script.args_to = len(self.inputs)

    def setup_ui_for_section(self, section, scriptlist=None):
        chosen = self.alwayson_scripts if scriptlist is None else scriptlist
        for script in sorted(chosen, key=lambda each: each.sorting_priority):
            if script.alwayson and script.section != section:
                continue
            if not script.create_group:
                self.create_script_ui(script)
                continue
            with gr.Group(visible=script.alwayson) as group:
                self.create_script_ui(script)
            script.group = group

    def setup_ui(self):
        every = [wrap_call(script.title, script.filename, "title") or script.filename for script in self.scripts]
        self.title_map = {title.lower(): script for title, script in zip(every, self.scripts, strict=True)}
        self.titles = [wrap_call(script.title, script.filename, "title") for script in self.selectable_scripts]
        self.setup_ui_for_section(None)
        choices = ["None", *self.titles]
        self.inputs[0] = gr.Dropdown(label="Script", elem_id="script_list", choices=choices, value="None", type="index")
        self.setup_ui_for_section(None, self.selectable_scripts)
        groups = [script.group for script in self.selectable_scripts]
        self.inputs[0].change(
            fn=lambda index: {group: gr.update(visible=number == index) for number, group in enumerate(groups, 1)},
            inputs=[self.inputs[0]],
            outputs=groups,
        )
        self.apply_on_before_component_callbacks()
        return self.inputs

    def run(self, p, *args):
        if not args or not args[0]:
            return None
        script = self.selectable_scripts[args[0] - 1]
        return script.run(p, *args[script.args_from : script.args_to])

    def script(self, title):
        return self.title_map.get(title.lower())

    def setup_scrips(self, p, *, is_ui=True):
        self._each("setup", p, but=None if is_ui else lambda script: script.setup_for_ui_only)

    def before_process(self, p):
        self._each("before_process", p)

    def process(self, p):
        self._each("process", p)

    def before_process_batch(self, p, **kwargs):
        self._each("before_process_batch", p, **kwargs)

    def process_batch(self, p, **kwargs):
        self._each("process_batch", p, **kwargs)

    def process_before_every_sampling(self, p, **kwargs):
        self._each("process_before_every_sampling", p, **kwargs)

    def post_sample(self, p, ps: PostSampleArgs):
        self._each("post_sample", p, ps)

    def postprocess_batch(self, p, images, **kwargs):
        self._each("postprocess_batch", p, images=images, **kwargs)

    def postprocess_batch_list(self, p, pp: PostprocessBatchListArgs, **kwargs):
        self._each("postprocess_batch_list", p, pp, **kwargs)

    def postprocess_image(self, p, pp: PostprocessImageArgs):
        self._each("postprocess_image", p, pp)

    def postprocess_maskoverlay(self, p, ppmo: PostProcessMaskOverlayArgs):
        self._each("postprocess_maskoverlay", p, ppmo)

    def postprocess_image_after_composite(self, p, pp: PostprocessImageArgs):
        self._each("postprocess_image_after_composite", p, pp)

    def postprocess(self, p, processed):
        self._each("postprocess", p, processed)

    def before_component(self, component, **kwargs):
        for callback, script in self.on_before_component_elem_id.get(kwargs.get("elem_id"), ()):
            wrap_call(callback, script.filename, "on_before_component", OnComponent(component=component))
        for script in self.scripts:
            wrap_call(script.before_component, script.filename, "before_component", component, **kwargs)

    def after_component(self, component, **kwargs):
        for callback, script in self.on_after_component_elem_id.get(component.elem_id, ()):
            wrap_call(callback, script.filename, "on_after_component", OnComponent(component=component))
        for script in self.scripts:
            wrap_call(script.after_component, script.filename, "after_component", component, **kwargs)

    def _each(self, hook: str, p: Any, *given: Any, but: Any = None, **named: Any) -> None:
        """One hook of every script that is always on, each with the values of its own controls."""
        for script in self.alwayson_scripts:
            if but is not None and but(script):
                continue
            values = p.script_args[script.args_from : script.args_to]
            wrap_call(getattr(script, hook), script.filename, hook, p, *given, *values, **named)


scripts_txt2img: ScriptRunner | None = None
scripts_img2img: ScriptRunner | None = None
scripts_current: ScriptRunner | None = None
reload_scripts = load_scripts


def _executed(path: str) -> Any:
    """A module made from a file; executed anew each time, and not kept among the imported ones."""
    spec = importlib.util.spec_from_file_location(Path(path).name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
