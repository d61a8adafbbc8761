"""What gradio 3.41, 4 and 6 spell differently."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from lib_svd.images.read import MAX_PIXELS, too_large
from lib_svd.places import data_folders
from lib_svd.ui.file_guard import FileGuard

VERSION = int(gr.__version__.split(".")[0])
UPLOADS: dict[str, Any] = {"sources": ["upload", "clipboard"]} if VERSION > 3 else {"source": "upload"}
LOSSLESS: dict[str, Any] = {"format": "png"} if VERSION > 3 else {}  # 4 would write webp, 3 writes png anyway
SMALL: dict[str, Any] = {"format": "jpeg"} if VERSION > 3 else {}
NO_SHARING: dict[str, Any] = {"buttons": ["download", "fullscreen"]} if VERSION > 5 else {}  # 6 would offer to upload
NO_RESET: dict[str, Any] = {"buttons": []} if VERSION > 5 else {}  # 6 would go back to another model's value
COPYABLE: dict[str, Any] = {"buttons": ["copy"]} if VERSION > 5 else {"show_copy_button": True}
FILES = "gradio_api/file=" if VERSION > 4 else "file="  # what the address of a file that is served begins with

KEPT = (3600, 12 * 3600)
"""Every so many seconds gradio from 4 on removes its copies of files that are so many seconds old. It compares the part
of their age below a day, so that a day or more would keep them for ever."""

QUIET: dict[str, Any] = {"show_progress": False, "queue": False}
"""For events that are answered at once. In the queue of gradio 4.40 an answer is lost now and then, where an event
comes just as the page closes its stream after another one; what it was to change then waits for ever."""


def html(value: str = "", **how: Any) -> Any:
    """HTML that looks as it says: gradio 6 would give links and buttons in it a look of its own."""
    return gr.HTML(value, **how, **_known(gr.HTML, apply_default_css=False))


def js(code: str) -> dict[str, str]:
    """The keyword of an event that runs a script in the browser."""
    return {"js" if VERSION > 3 else "_js": code}


def answer(
    name: str,
    events: Sequence[Any],
    fn: Callable[..., Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    handed: str | None = None,
) -> None:
    """Let one function answer several events, by what stands on the page after the last of them.

    If each event asked by itself, an answer could overtake a later one and stay; and gradio 3 drops an event that comes
    while the same one waits. So the events press a hidden button, which asks one question at a time: `svdAsk` in
    `javascript/svd.js`.

    Args:
        name: the button's id.
        events: of components, as methods.
        fn: what answers.
        inputs: its components.
        outputs: its components.
        handed: a script that the inputs go through.
    """
    button = gr.Button(elem_id=name, elem_classes=["svd-hidden"])
    for event in events:
        event(fn=None, inputs=[], outputs=[], **QUIET, **js(f"() => svdAsk('{name}')"))
    through = {} if handed is None else js(handed)
    asked = button.click(fn=fn, inputs=list(inputs), outputs=list(outputs), **QUIET, **through)
    asked.then(fn=None, inputs=[], outputs=[], **QUIET, **js(f"() => svdAnswered('{name}')"))


def whole_page(title: str, theme: Any) -> Any:
    """Blocks that are a page of their own, for `mount`."""
    return gr.Blocks(title=title, analytics_enabled=False, **_known(gr.Blocks, theme=theme, delete_cache=KEPT))


def mount(app: Any, blocks: Any, folder: Path, theme: Any) -> Any:
    """The app with a page at "/", with a queue for many visitors, that may serve files from the folders of clips."""
    many = "default_concurrency_limit" if VERSION > 3 else "concurrency_count"
    blocks.queue(**{many: 64}, max_size=64)  # clips wait in a line of our own, which is shorter and tells their place
    folders = [folder.absolute(), *data_folders()]
    app.add_middleware(FileGuard, folders=folders)
    if VERSION == 3:
        blocks.allowed_paths, blocks.blocked_paths = [*map(str, folders)], []
    # A reach is checked when a clip is asked for; gradio 6 would refuse what stood in a slider that was just moved.
    _bound_pixels()
    if VERSION > 4:
        gr.Slider.preprocess = lambda _slider, value: value
    how = {"allowed_paths": [*map(str, folders)], "theme": theme, "footer_links": [], "run_history": False}
    return gr.mount_gradio_app(app, blocks, path="/", **_known(gr.mount_gradio_app, **how))


def _bound_pixels() -> None:
    """Let gradio decode no picture of more pixels than are read here, and say so as it is said everywhere."""
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow warns from here on, and refuses what is twice as large
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    decode = gr.Image.preprocess

    def preprocess(component: Any, payload: Any) -> Any:
        try:
            return decode(component, payload)
        except Image.DecompressionBombError as error:
            raise gr.Error(too_large("The picture")) from error

    gr.Image.preprocess = preprocess


def _known(function: Callable[..., Any], **keywords: Any) -> dict[str, Any]:
    """Of these keywords those that the function has in the version that is installed."""
    return {name: value for name, value in keywords.items() if name in signature(function).parameters}
