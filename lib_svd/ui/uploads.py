"""Files that a browser sent, as gradio keeps them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from lib_svd.errors import BadInput
from lib_svd.jobs.uploads import HEAD, find_suffix

READ = (".txt", ".png", ".apng", ".webp", ".gif", ".jpg", ".jpeg", ".zip")
"""Files that are read here; what ffmpeg is to open must begin as a clip does, since it opens lists of others too."""


def find_upload(given: Any, what: str = "clip") -> Path:
    """Find the file that a component holds, in any version of gradio.

    Args:
        given: the component's value.
        what: what it is, for a sentence.

    Raises:
        BadInput: it was not uploaded here, is not there any more, or is none of the kinds that are taken.
    """
    path = Path(given if isinstance(given, str) else given.name)
    folder = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()).resolve()
    try:
        if not path.resolve().is_relative_to(folder):
            raise BadInput("That file was not uploaded here: choose it again.")
        with path.open("rb") as file:
            if what == "clip" or path.suffix.lower() not in READ:
                find_suffix(file.read(HEAD))
    except OSError as error:
        raise BadInput(f"The {what} is not there any more: choose it again.") from error
    return path
