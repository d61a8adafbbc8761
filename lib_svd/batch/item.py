"""One clip of a batch: a picture, told by its content, and settings that leave nothing open."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lib_svd import images
from lib_svd.animate import choose_shape, complete_request
from lib_svd.checkpoints import Checkpoint, keep_marks
from lib_svd.errors import BadPicture
from lib_svd.request import ClipRequest, CompleteRequest, split_mark
from lib_svd.settings import HARMLESS, SETTINGS, list_names

KEY_DIGITS = 12  # hexadecimal; among a million clips two are called alike once in 500 times
BLOCK = 2**20  # bytes of a picture that are read at a time


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked of a picture: a row of the table, or else what the command line says."""

    request: ClipRequest
    checkpoint: Checkpoint
    has_seed: bool  # whether the request's seed was given; else it is derived from the picture
    take: int = 1  # which it is of the rows of a picture that are alike


@dataclass(frozen=True, kw_only=True)
class Item:
    """One clip to be made."""

    picture: Path
    name: str  # of the picture below the folder, with /
    digest: str  # SHA-256 of the picture's bytes
    request: CompleteRequest
    checkpoint: Checkpoint

    @property
    def key(self) -> str:
        """What tells the clip from all others."""
        return derive_key(self.digest, self.request)

    def read_content(self) -> bytes:
        """Read the picture's bytes.

        Raises:
            BadPicture: they are not there any more, or are not those that were looked at.
        """
        try:
            content = self.picture.read_bytes()
        except OSError as error:
            raise BadPicture(
                f"{self.picture} cannot be read any more ({error.strerror}): put it back and start again."
            ) from error
        if hashlib.sha256(content).hexdigest() != self.digest:
            raise BadPicture(f"{self.picture} was changed after it had been looked at: start again.")
        return content


def look(picture: Path, name: str, wishes: Sequence[Wish]) -> list[Item]:
    """Read a picture, and say which clips are asked of it.

    Args:
        picture: the file.
        name: what it is called below the folder.
        wishes: at least one.

    Raises:
        BadInput: it is no picture that can be used.
    """
    read = images.read_picture(picture)
    digest = _hash_file(picture)
    items = []
    for wish in wishes:
        seed = wish.request.seed if wish.has_seed else derive_seed(digest, wish.take)
        shape = choose_shape(read, wish.request, wish.checkpoint)
        complete = complete_request(wish.request.replace(seed=seed), shape, wish.checkpoint)[0]
        items.append(Item(picture=picture, name=name, digest=digest, request=complete, checkpoint=wish.checkpoint))
    return items


def derive_key(digest: str, request: CompleteRequest) -> str:
    """Tell a clip from all others: the same for the same picture and frames, whatever model and picture are called.

    Args:
        digest: of the picture.
        request: the settings; those that change no frame do not count.
    """
    harmless = {name: SETTINGS[name].default for name in list_names(HARMLESS)}
    named = {"checkpoint": split_mark(request.checkpoint)[1], "lora": keep_marks(request.lora)}
    told = request.replace(**named, **harmless).write_infotext()
    return hashlib.sha256(f"{digest} {told}".encode()).hexdigest()[:KEY_DIGITS]


def derive_seed(digest: str, take: int) -> int:
    """Give a picture its seed, 0 to MAX_SEED: the same at every start, and with other settings, too."""
    return int(hashlib.sha256(f"{digest} {take}".encode()).hexdigest()[:8], 16)


def _hash_file(picture: Path) -> str:
    """Work out the SHA-256 of a file's bytes; raises BadPicture where it cannot be read any more."""
    digest = hashlib.sha256()
    try:
        with picture.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise BadPicture(f"{picture} cannot be read any more ({error.strerror}): start again.") from error
    return digest.hexdigest()
