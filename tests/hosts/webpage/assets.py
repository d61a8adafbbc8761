"""Scripts and styles of the page: the host's own first, then every extension's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from modules import extensions, scripts

HERE = Path(__file__).parent
_original = gr.routes.templates.TemplateResponse


def list_folders() -> list[str]:
    """Where they are."""
    return [str(HERE), *(str(Path(each.path).resolve()) for each in extensions.active())]


def put_into_pages() -> None:
    """From now on every page loads them."""
    own = [HERE / "javascript" / name for name in ("page.js", "progress.js", "tabs.js")]
    every = [*own, *(Path(file.path) for file in scripts.list_scripts("javascript", ".js"))]
    head = "".join(f'<script type="text/javascript" src="{_address(path)}"></script>\n' for path in every)
    head += "".join(
        f'<script type="module" src="{_address(Path(file.path))}"></script>\n'
        for file in scripts.list_scripts("javascript", ".mjs")
    )
    styles = [HERE / "style.css", *map(Path, scripts.list_files_with_name("style.css"))]
    body = "".join(f'<link rel="stylesheet" property="stylesheet" href="{_address(path)}">' for path in styles)

    def add_assets(*given: Any, **named: Any) -> Any:
        response = _original(*given, **named)
        response.body = response.body.replace(b"</head>", f"{head}</head>".encode())
        response.body = response.body.replace(b"</body>", f"{body}</body>".encode())
        response.init_headers()
        return response

    gr.routes.templates.TemplateResponse = add_assets


def _address(path: Path) -> str:
    return f"file={path}?{path.stat().st_mtime}"
