"""What extensions register to be called. An error of theirs is reported and stays without consequence."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules import errors, extensions


class ImageSaveParams:
    def __init__(self, image, p, filename, pnginfo):
        self.image, self.p, self.filename, self.pnginfo = image, p, filename, pnginfo


class ImageGridLoopParams:
    def __init__(self, imgs, cols, rows):
        self.imgs, self.cols, self.rows = imgs, cols, rows


@dataclass
class ScriptCallback:
    script: str
    callback: Any
    name: str = "unnamed"


callback_map: dict[str, list[ScriptCallback]] = {
    f"callbacks_{category}": []
    for category in (
        *("app_started", "model_loaded", "ui_tabs", "ui_settings", "before_image_saved", "image_saved"),
        *("before_component", "after_component", "image_grid", "infotext_pasted", "script_unloaded", "before_ui"),
        "on_reload",
    )
}


def report_exception(c, job):
    errors.report(f"{job} of {c.script} failed", exc_info=True)


def add_callback(callbacks, fun, *, name=None, category="unknown", filename=None):
    if filename is None:
        filename = _caller()
    extension = extensions.find_extension(filename)
    owner = extension.canonical_name if extension else "base"
    wanted = unique = "/".join(filter(None, (owner, Path(filename).name, category, name)))
    taken = {callback.name for callback in callbacks}
    number = 0
    while unique in taken:
        number += 1
        unique = f"{wanted}-{number}"
    callbacks.append(ScriptCallback(filename, fun, unique))


def clear_callbacks():
    for callbacks in callback_map.values():
        callbacks.clear()


def remove_current_script_callbacks():
    filename = _caller()
    for callbacks in callback_map.values():
        callbacks[:] = [callback for callback in callbacks if callback.script != filename]


def remove_callbacks_for_function(callback_func):
    for callbacks in callback_map.values():
        callbacks[:] = [callback for callback in callbacks if callback.callback != callback_func]


def ordered_callbacks(category, unordered_callbacks=None, *, enable_user_sort=True):
    return list(callback_map[f"callbacks_{category}"] if unordered_callbacks is None else unordered_callbacks)


def app_started_callback(demo, app):
    _call("app_started", demo, app)


def app_reload_callback():
    _call("on_reload")


def model_loaded_callback(sd_model):
    _call("model_loaded", sd_model)


def ui_tabs_callback():
    return [tab for tabs in _call("ui_tabs") for tab in tabs or ()]


def ui_settings_callback():
    _call("ui_settings")


def before_image_saved_callback(params: ImageSaveParams):
    _call("before_image_saved", params)


def image_saved_callback(params: ImageSaveParams):
    _call("image_saved", params)


def before_component_callback(component, **kwargs):
    _call("before_component", component, **kwargs)


def after_component_callback(component, **kwargs):
    _call("after_component", component, **kwargs)


def image_grid_callback(params: ImageGridLoopParams):
    _call("image_grid", params)


def infotext_pasted_callback(infotext: str, params: dict[str, Any]):
    _call("infotext_pasted", infotext, params)


def script_unloaded_callback():
    _call("script_unloaded", reverse=True)


def before_ui_callback():
    _call("before_ui", reverse=True)


def on_app_started(callback, *, name=None):
    _register("app_started", callback, name)


def on_before_reload(callback, *, name=None):
    _register("on_reload", callback, name)


def on_model_loaded(callback, *, name=None):
    _register("model_loaded", callback, name)


def on_ui_tabs(callback, *, name=None):
    _register("ui_tabs", callback, name)


def on_ui_settings(callback, *, name=None):
    _register("ui_settings", callback, name)


def on_before_image_saved(callback, *, name=None):
    _register("before_image_saved", callback, name)


def on_image_saved(callback, *, name=None):
    _register("image_saved", callback, name)


def on_before_component(callback, *, name=None):
    _register("before_component", callback, name)


def on_after_component(callback, *, name=None):
    _register("after_component", callback, name)


def on_image_grid(callback, *, name=None):
    _register("image_grid", callback, name)


def on_infotext_pasted(callback, *, name=None):
    _register("infotext_pasted", callback, name)


def on_script_unloaded(callback, *, name=None):
    _register("script_unloaded", callback, name)


def on_before_ui(callback, *, name=None):
    _register("before_ui", callback, name)


def _register(category: str, callback: Any, name: str | None) -> None:
    add_callback(callback_map[f"callbacks_{category}"], callback, name=name, category=category)


def _caller() -> str:
    """The file of whoever called into this module."""
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return "unknown file" if frame is None else frame.f_code.co_filename


def _call(category: str, *given: Any, reverse: bool = False, **named: Any) -> list[Any]:
    callbacks = ordered_callbacks(category)
    results = []
    for callback in reversed(callbacks) if reverse else callbacks:
        try:
            results.append(callback.callback(*given, **named))
        except Exception:  # noqa: BLE001 (an extension must not take the host down)
            report_exception(callback, category)
    return results
