"""A clip that was made elsewhere, into the folder of clips: whole or not at all, and only if it is the one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lib_svd.batch.item import Item, derive_key
from lib_svd.batch.shelf import Shelf
from lib_svd.batch.worker import FailedThere
from lib_svd.errors import BadInput
from lib_svd.files import NOTED, make_hidden_names, publish, publish_together, sync
from lib_svd.finish.finishing import read_finished
from lib_svd.infotext import read_infotext
from lib_svd.jobs import history, look
from lib_svd.jobs.notes import adopt_note
from lib_svd.request import ClipRequest, CompleteRequest

MAIN = ".mp4"
OWN = (MAIN, ".txt", NOTED)  # how the names of a clip's files end; others are the same in other formats


def receive(item: Item, shelf: Shelf, files: Mapping[str, bytes], note: Mapping[str, Any], place: str) -> Path:
    """Put a clip where it belongs, and note it in the history.

    Args:
        item: what was asked for.
        shelf: where it goes.
        files: what the files hold, by how their names go on after the clip's: `.mp4`, `.gif`, `.16bit/00000.png`.
        note: what `jobs.notes.describe_making` said of it there.
        place: who made it.

    Returns:
        The video.

    Raises:
        FailedThere: it is damaged, or another clip than was asked for.
        OSError: it cannot be written.
    """
    name = shelf.choose_name(item)
    with make_hidden_names(shelf.folder) as hidden:
        video, text, noted = (hidden(ending) for ending in OWN)
        video.write_bytes(files[MAIN])
        try:
            text.write_bytes(_read_checked(video, item).encode())
            endings = [*OWN, *(ending for ending in files if ending not in OWN)]
            adopt_note({**note, "files": endings}, str(item.picture.absolute()), noted)
        except BadInput as error:
            why = str(error).rstrip(".")
            raise FailedThere(f"{place} gave another clip than was asked for ({why}): has it this version?") from error
        for path in (video, text, noted):
            sync(path)
        _publish_others(name, files)
        *_, published = publish_together([noted, text, video], name)
    return published


def note_left(item: Item, clip: Path) -> None:
    """Measure a clip, and note it in the history, that a program which was killed has left without a note.

    Raises:
        BadInput: it cannot be read.
    """
    found = look(clip, picture=item.picture).review
    history.remember(clip, item.request, str(item.picture.absolute()), found, [clip, clip.with_suffix(".txt")])


def _read_checked(video: Path, item: Item) -> str:
    """Read the settings that a video carries; raises BadInput where they are not those that were asked for."""
    try:
        infotext = read_infotext(video)
    except BadInput as error:
        raise BadInput("it is damaged, or carries no settings") from error
    if read_finished(infotext):
        raise BadInput("it finishes every clip, which is a setting of its own")
    made = CompleteRequest.of(ClipRequest.from_infotext(infotext))
    if derive_key(item.digest, made) != item.key:
        raise BadInput("its settings or its model are others")
    return infotext


def _publish_others(name: Path, files: Mapping[str, bytes]) -> None:
    """Write the same clip in other formats beside its name; one that is there already is left as it is."""
    folders: dict[str, dict[str, bytes]] = {}
    for ending, content in files.items():
        if ending not in OWN:
            first, _, rest = ending.partition("/")
            folders.setdefault(first, {})[rest] = content
    for first, contents in folders.items():
        with make_hidden_names(name.parent) as hidden:
            made = hidden("")
            for rest, content in contents.items():
                path = made / rest if rest else made
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            with suppress(FileExistsError):
                publish(made, name.with_name(f"{name.stem}{first}"))
