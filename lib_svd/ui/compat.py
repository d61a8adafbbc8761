"""What gradio 3.41, 4 and 6 spell differently."""

from __future__ import annotations

import base64
import os
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from lib_svd.errors import BadPicture
from lib_svd.images.read import MAX_PIXELS, open_picture
from lib_svd.places import list_data_folders
from lib_svd.ui.file_guard import FileGuard

VERSION = int(gr.__version__.split(".")[0])
UPLOADS: dict[str, Any] = {"sources": ["upload", "clipboard"]} if VERSION > 3 else {"source": "upload"}
LOSSLESS: dict[str, Any] = {"format": "png"} if VERSION > 3 else {}  # 4 would write webp, 3 writes png anyway
SMALL: dict[str, Any] = {"format": "jpeg"} if VERSION > 3 else {}
NO_SHARING: dict[str, Any] = {"buttons": ["download", "fullscreen"]} if VERSION > 5 else {}  # 6 would offer to upload
NO_RESET: dict[str, Any] = {"buttons": []} if VERSION > 5 else {}  # 6 would go back to another model's value
COPYABLE: dict[str, Any] = {"buttons": ["copy"]} if VERSION > 5 else {"show_copy_button": True}
FILES = "gradio_api/file=" if VERSION > 4 else "file="  # what the address of a file that is served begins with

KEPT = (900, 3 * 3600)
"""Every so many seconds gradio from 4 on removes its copies of files that were made, or read by us, so many seconds
ago. It compares the part of that below a day, so that a day or more would keep them for ever."""

IN_OUR_LINE: dict[str, Any] = {"concurrency_limit": None} if VERSION > 3 else {}
"""For jobs that wait in a line of our own. Forge lets gradio 4 take one at a time of each kind: the next one would wait
where nobody knows of it, with no place in the queue, and could not leave it."""
QUIET: dict[str, Any] = {"show_progress": False, "queue": False}
"""For events that are answered at once. In the queue of gradio 4.40 an answer is lost now and then, where an event
comes just as the page closes its stream after another one; what it was to change then waits for ever."""


def make_html(value: str = "", **how: Any) -> Any:
    """Make HTML that looks as it says: gradio 6 would give links and buttons in it a look of its own."""
    return gr.HTML(value, **how, **_pick_known(gr.HTML, apply_default_css=False))


def make_js(code: str) -> dict[str, str]:
    """Give the keyword of an event that runs a script in the browser."""
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
        event(fn=None, inputs=[], outputs=[], **QUIET, **make_js(f"() => svdAsk('{name}')"))
    through = {} if handed is None else make_js(handed)
    asked = button.click(fn=fn, inputs=list(inputs), outputs=list(outputs), **QUIET, **through)
    asked.then(fn=None, inputs=[], outputs=[], **QUIET, **make_js(f"() => svdAnswered('{name}')"))


def make_page(title: str, theme: Any) -> Any:
    """Make Blocks that are a page of their own, for `mount`."""
    return gr.Blocks(title=title, analytics_enabled=False, **_pick_known(gr.Blocks, theme=theme, delete_cache=KEPT))


def mount(app: Any, blocks: Any, folder: Path, theme: Any) -> Any:
    """Put a page at "/" of the app, with a queue for many visitors, that may serve files from the folders of clips."""
    many = "default_concurrency_limit" if VERSION > 3 else "concurrency_count"
    blocks.queue(**{many: 64}, max_size=64)  # clips wait in a line of our own, which is shorter and tells their place
    folders = [folder.absolute(), *list_data_folders()]
    app.add_middleware(FileGuard, folders=folders)
    if VERSION == 3:
        blocks.allowed_paths, blocks.blocked_paths = [*map(str, folders)], []
    # A reach is checked when a clip is asked for; gradio 6 would refuse what stood in a slider that was just moved.
    _bound_pixels()
    if VERSION > 4:
        gr.Slider.preprocess = lambda _slider, value: value
    how = {"allowed_paths": [*map(str, folders)], "theme": theme, "footer_links": [], "run_history": False}
    return gr.mount_gradio_app(app, blocks, path="/", **_pick_known(gr.mount_gradio_app, **how))


def _bound_pixels() -> None:
    """Let gradio decode no picture of more pixels than are read here."""
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow warns from here on, and refuses what is twice as large
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


_own_pictures: set[str] = set()  # ids


def make_picture_box(elem_id: str, **how: Any) -> Any:
    """Make a picture whose handlers get a BadPicture in place of one that cannot be read, see `check_picture`.

    Gradio would answer HTTP 500 itself, with a traceback in the log and, on the page, where its own copy is. It is no
    class of our own: gradio 4 would write a file of types beside this one. Pictures of others in a web UI are read as
    ever.
    """
    _own_pictures.add(elem_id)
    decode = gr.Image.preprocess
    if not hasattr(decode, "svd_decode"):

        @wraps(decode)
        def preprocess(component: Any, payload: Any) -> Any:
            return _read(payload) if component.elem_id in _own_pictures else decode(component, payload)

        preprocess.svd_decode = decode  # type: ignore[attr-defined]
        gr.Image.preprocess = preprocess
    return gr.Image(elem_id=elem_id, type="pil", image_mode=None, **how)


def check_picture(given: Image.Image | BadPicture) -> Image.Image:
    """Give the picture that a handler was given; raises BadPicture where it cannot be read."""
    if isinstance(given, BadPicture):
        raise given
    return given


def _read(payload: Any) -> Image.Image | BadPicture | None:
    """Read what the browser sent: an address with the picture in it, or the path of gradio's copy."""
    if payload is None:
        return None
    address = payload if isinstance(payload, str) else payload.url or ""
    try:
        if address.startswith("data:"):
            return open_picture(BytesIO(base64.b64decode(address.partition(",")[2])))
        kept = Path(payload.path)
        os.utime(kept)  # see KEPT
        return open_picture(BytesIO(kept.read_bytes()), payload.orig_name or "The picture")
    except BadPicture as why:
        return why
    except (OSError, ValueError):
        return BadPicture("The picture is not there any more: choose it again.")


def _pick_known(function: Callable[..., Any], **keywords: Any) -> dict[str, Any]:
    """Keep of these keywords those that the function has in the version that is installed."""
    return {name: value for name, value in keywords.items() if name in signature(function).parameters}
