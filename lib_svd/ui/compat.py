"""What gradio 3.41 and gradio 4 spell differently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

IS_GRADIO_4 = hasattr(gr, "on")
UPLOADS: dict[str, Any] = {"sources": ["upload", "clipboard"]} if IS_GRADIO_4 else {"source": "upload"}
LOSSLESS: dict[str, Any] = {"format": "png"} if IS_GRADIO_4 else {}  # 4 would write webp, 3 writes png anyway
SMALL: dict[str, Any] = {"format": "jpeg"} if IS_GRADIO_4 else {}


QUIET: dict[str, Any] = {"show_progress": False, "queue": False}
"""For events that are answered at once. In the queue of gradio 4.40 an answer is lost now and then, where an event
comes just as the page closes its stream after another one; what it was to change then waits for ever."""


def js(code: str) -> dict[str, str]:
    """The keyword of an event that runs a script in the browser."""
    return {"js" if IS_GRADIO_4 else "_js": code}


def mount(app: Any, blocks: Any, folder: Path) -> Any:
    """The app with a page at "/", with a queue for many visitors, that may serve files from a folder."""
    many = "default_concurrency_limit" if IS_GRADIO_4 else "concurrency_count"
    blocks.queue(**{many: 64})  # clips wait in a queue of our own, which tells them their place
    if IS_GRADIO_4:
        return gr.mount_gradio_app(app, blocks, path="/", allowed_paths=[str(folder.absolute())])
    blocks.allowed_paths, blocks.blocked_paths = [str(folder.absolute())], []
    return gr.mount_gradio_app(app, blocks, path="/")
