"""Use each control of the tab some times: CPU seconds, headers and folders read a press, as JSON. See presses.py.

Its text is run where the checkout to be measured is; it uses what all of them have.
"""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from lib_svd.hook import Hook
from lib_svd.hosts import standalone
from lib_svd.queue import JobQueue
from lib_svd.studio import Studio
from lib_svd.ui import tab
from lib_svd.ui.standalone import StandalonePage


def main(folder: Path, name: str, picture: str, count: int) -> None:
    """Build the tab, use it, and print what it took."""
    logging.disable(logging.CRITICAL)
    make_host = getattr(standalone, "make_standalone_host", None) or standalone.standalone_host  # its name before
    studio = Studio(make_host("cpu", model_dirs=(folder,), output_dir=folder / "clips"))
    blocks, hook = tab.build(studio, StandalonePage(folder), JobQueue(studio)), Hook(studio, str)
    given = {"svd_clip_picture": Image.open(picture).convert("RGB"), "svd_clip_checkpoint": name}
    looks = {"headers": 0, "folders": 0}

    def look(event: str, about: tuple[Any, ...]) -> None:
        looks["headers"] += event == "open" and str(about[0]).endswith(".safetensors")
        looks["folders"] += event in ("os.scandir", "os.listdir")

    sys.addaudithook(look)
    presses: dict[str, Callable[[], Any]] = {
        "a slider of the crop": lambda: _ask(blocks, ["svd_clip_preview"], given),
        "choosing a model": lambda: _ask(blocks, ["svd_clip_follow", "svd_clip_preview"], given),
        "the hook, before a picture": lambda: (getattr(hook, "start", None) or hook.started)(
            lambda values: (True, {"checkpoint": name}, False), (), (512, 512), {}
        ),
    }
    print(json.dumps({what: _time_presses(press, count, looks) for what, press in presses.items()}))


def _ask(blocks: Any, names: Sequence[str], given: Mapping[str, Any]) -> None:
    """Call what answers the hidden buttons that the page presses when a control has changed; see `ui.compat.answer`."""
    for name in names:
        (button,) = (block for block in blocks.blocks.values() if getattr(block, "elem_id", None) == name)
        (answer,) = (each for each in blocks.fns.values() if (button._id, "click") in each.targets)
        answer.fn(*(given.get(block.elem_id, getattr(block, "value", None)) for block in answer.inputs))


def _time_presses(press: Callable[[], Any], count: int, looks: dict[str, int]) -> list[float]:
    """Seconds, headers and folders of one press, once all that is remembered is remembered."""
    press()
    before, seconds = dict(looks), []
    for _ in range(count):
        began = time.process_time()
        press()
        seconds.append(time.process_time() - began)
    return [statistics.median(seconds), *((looks[each] - before[each]) / count for each in looks)]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
