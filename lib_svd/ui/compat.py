"""What gradio 3.41 and gradio 4 spell differently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def mount(app: Any, blocks: Any, folder: Path) -> Any:
    """The app with a page at "/", with a queue for many visitors, that may serve files from a folder."""
    many = "default_concurrency_limit" if IS_GRADIO_4 else "concurrency_count"
    blocks.queue(**{many: 64})  # clips wait in a queue of our own, which tells them their place
    if IS_GRADIO_4:
        return gr.mount_gradio_app(app, blocks, path="/", allowed_paths=[str(folder.absolute())])
    blocks.allowed_paths, blocks.blocked_paths = [str(folder.absolute())], []
    return gr.mount_gradio_app(app, blocks, path="/")
