"""What the tab asks of the web page it stands in: a web UI's (`lib_svd/hosts/`) or the stand-alone one (`lib_svd/ui/`).

Components are gradio's, of whichever version the page runs, so they are `Any` here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

Job = Callable[..., Sequence[Any]]
"""Takes the values of a button's inputs, gives those of its outputs; the last output is HTML."""
Queued = Callable[..., Awaitable[Sequence[Any]]]
"""The same for a job that waits for its turn; the first input is the task's id."""


class Page(Protocol):
    """A web page with a queue, progress bars, and perhaps other tabs."""

    @property
    def problem(self) -> str:
        """What the tab goes without here, a sentence to be shown; "" if nothing."""
        ...

    @property
    def targets(self) -> Sequence[str]:
        """Tabs that take a picture, by the web UI's own names: "img2img", "extras"."""
        ...

    @property
    def opens_folders(self) -> bool:
        """Whether the browser's user may open a folder on the server's screen."""
        ...

    def add_generate_buttons(self, part: str) -> Any:
        """Show Generate, Interrupt and Skip with the ids `{part}_generate`, `_interrupt`, `_skip`; give Generate."""
        ...

    def queue_job(self, job: Job, extra_outputs: Sequence[Any]) -> Queued:
        """Make a click handler that runs `job` in the page's queue, and holds no thread while it waits for its turn.

        Args:
            job: what to do; given the inputs less the first.
            extra_outputs: what the outputs but the last are where `job` fails.

        Returns:
            Takes the task's id as its first input, by which the page's script shows progress. Raises Busy where too
            many jobs wait already, and Interrupted where the job was taken out of the queue.
        """
        ...

    async def stop_job(self, task: str) -> bool:
        """Stop a job by its task's id, and no other: one that waits leaves the queue.

        Returns:
            False where it runs, and the page's own Interrupt and Skip are to stop it.
        """
        ...

    def find_url(self, path: Path) -> str:
        """Say where the browser gets a file that was made here."""
        ...

    def receive(self, part: str, picture: Any, fields: Sequence[tuple[Any, Callable[[dict[str, str]], Any]]]) -> None:
        """Let other tabs send a picture, and its settings, here.

        Args:
            part: the name of this target.
            picture: the component that gets the picture.
            fields: components and what each gets from the picture's parsed infotext; None leaves it as it is.
        """
        ...

    def send(self, button: Any, target: str, picture: Any) -> None:
        """Let a button send the picture in a component to another tab."""
        ...

    def open_folder(self, folder: Path) -> None:
        """Show a folder on the server's screen."""
        ...

    def remember(self, name: str, value: Any) -> None:
        """Keep a choice for the next start, where `Host.options` finds it."""
        ...


def count_bytes(values: Iterable[Any]) -> int:
    """Count what a job's inputs keep in memory while it waits, as far as it matters: pictures' pixels."""
    return sum(4 * value.width * value.height for value in values if isinstance(value, Image.Image))
