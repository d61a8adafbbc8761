"""What the hosts change in gradio: callbacks round every component, and on gradio 4 the spelling of gradio 3."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

IS_GRADIO_4 = not hasattr(gr.components, "IOComponent")


class GradioDeprecationWarning(DeprecationWarning):
    """A keyword that gradio 4 does not know was dropped."""


def install() -> None:
    """Change gradio for this process."""
    from modules import ui_tempdir

    if IS_GRADIO_4:
        _announce(gr.components.Component)
        _announce(gr.blocks.BlockContext)
        importlib.import_module("gradio.component_meta").create_or_modify_pyi = lambda *given: None
        importlib.import_module("gradio.component_meta").updateable = lambda component: component
        for name in {*gr.components.__all__, *gr.layouts.__all__}:
            _accept_old_spelling(getattr(gr, name, None))
        gr.events.Dependency = _dependency()
        gr.Box = gr.Group
    else:
        _announce(gr.components.IOComponent)
        _announce(gr.blocks.BlockContext)
    _keep_tooltips()
    ui_tempdir.install_ui_tempdir_override()


def _announce(kind: type) -> None:
    """Call scripts and callbacks before and after a component is made."""
    original = kind.__init__

    @wraps(original)
    def announce(self: Any, *given: Any, **named: Any) -> None:
        from modules import script_callbacks, scripts

        self.webui_tooltip = named.pop("tooltip", None)
        if scripts.scripts_current is not None:
            scripts.scripts_current.before_component(self, **named)
        script_callbacks.before_component_callback(self, **named)
        original(self, *given, **named)
        classes = getattr(self, "elem_classes", None) or []
        self.elem_classes = [f"gradio-{self.get_block_name()}", *([classes] if isinstance(classes, str) else classes)]
        if getattr(self, "multiselect", False):
            self.elem_classes.append("multiselect")
        script_callbacks.after_component_callback(self, **named)
        if scripts.scripts_current is not None:
            scripts.scripts_current.after_component(self, **named)

    kind.__init__ = announce


def _keep_tooltips() -> None:
    original = gr.blocks.Block.get_config

    def add_tooltip(self: Any) -> Any:
        config = original(self)
        tooltip = getattr(self, "webui_tooltip", None)
        if tooltip:
            config["webui_tooltip"] = tooltip
        config.pop("example_inputs", None)
        return config

    gr.blocks.Block.get_config = add_tooltip


class _Event:
    """An event of gradio 4 that takes `_js` too."""

    def __init__(self, event: Any) -> None:
        self._event = event
        self.has_trigger = getattr(event, "has_trigger", None)
        self.event_name = getattr(event, "event_name", None)
        self.callback = getattr(event, "callback", None)
        self.__self__ = getattr(event, "__self__", None)

    def __call__(self, *given: Any, **named: Any) -> Any:
        if "_js" in named:
            named["js"] = named.pop("_js")
        return self._event(*given, **named)


def _accept_old_spelling(kind: Any) -> None:
    """`tooltip`, `source`, `.update`, and unknown keywords, which are dropped with a warning."""
    if not getattr(kind, "EVENTS", None):
        return
    original: Callable[..., None] = kind.__init__

    @wraps(original)
    def accept(self: Any, *given: Any, tooltip: Any = None, source: Any = None, **named: Any) -> None:
        if source:
            named["sources"] = [source]
        known = inspect.signature(original).parameters
        for name in named.keys() - known.keys():
            warnings.warn(f"{kind.__name__} has no argument {name}", GradioDeprecationWarning, stacklevel=2)
        original(self, *given, **{name: value for name, value in named.items() if name in known})
        self.webui_tooltip = tooltip
        for event in self.EVENTS:
            setattr(self, str(event), _Event(getattr(self, str(event))))

    kind.__init__ = accept
    kind.update = gr.update


def _dependency() -> type:
    class Dependency(gr.events.Dependency):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            then = self.then

            def old_spelling(*more: Any, _js: str | None = None, **options: Any) -> Any:
                return then(*more, **({**options, "js": _js} if _js else options))

            self.then = old_spelling

    return Dependency
