"""Which family a file is, where its keys leave it open: svd, svd_xt and svd_xt_1_1 are alike in every key and shape."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from lib_svd.checkpoints.families import FAMILIES, Family
from lib_svd.checkpoints.header import explain_refusal
from lib_svd.checkpoints.metadata import read_family_name
from lib_svd.errors import BadRequest, spell

XT = r"(?:(?<![a-z])|svd|img2vid)xt(?![a-z])"
NAME_SIGNS = (
    (rf"lcm.*{XT}|{XT}.*lcm", "animatelcm_svd_xt"),
    (r"lcm", "animatelcm"),
    (r"(?:xt|svd)[ ._-]*v?1[._-]?1(?!\d)", "svd_xt_1_1"),
    (XT, "svd_xt"),
    (r"svd|img2vid|stable[ ._-]?video", "svd"),
)
"""Looked for in a name in lower case, in this order. `animatelcm` alone leaves the frame count open."""
FOLDER_SIGN = rf"{XT}|img2vid|lcm"  # a folder called svd is for all of these models and tells nothing

LONGEST_TITLE = 256  # characters; the signs take time by the square of it
IMAGE_DECODER = "_image_decoder"
DEFAULT = "svd_xt"
FRAMES = {"14": "svd", "25": "svd_xt"}


def find_family(
    path: Path,
    metadata: Mapping[str, str],
    *,
    variant: str | None,
    vector_dim: int,
    temporal: bool,
    lender: Family | None,
) -> tuple[Family, tuple[str, ...]]:
    """Find the family, and note what had to be assumed. The order: the user, the keys, the metadata, the name.

    Args:
        path: of the file or folder.
        metadata: of the file.
        variant: a family's name, as the user said it.
        vector_dim: width of the conditioning vector, from the UNet's shapes.
        temporal: whether the VAE decoder looks along time.
        lender: family of the checkpoint that missing networks are borrowed from.

    Raises:
        BadRequest: there is no such variant.
        BadCheckpoint: the keys belong to another family than the one said, or to none.
    """
    if variant is not None and variant not in FAMILIES:
        raise BadRequest(f"{variant!r} is not a variant: choose one of {', '.join(FAMILIES)}.")
    fitting = [family for family in FAMILIES.values() if family.vector_dim == vector_dim]
    if not fitting:
        what = f"has a conditioning vector of {vector_dim} numbers, which no known model has"
        raise explain_refusal(path, what, "use SVD, SV3D or AnimateLCM-SVD")
    notes: tuple[str, ...] = ()
    name = variant or read_family_name(path, metadata)
    if name is None:
        name, notes = _find_told(path, metadata, fitting, lender)
    if FAMILIES[name] not in fitting:
        what = f"has a conditioning vector of {vector_dim} numbers and cannot be {name}"
        told = spell("correct what its name or its metadata says: it is", "say --variant")
        raise explain_refusal(path, what, f"{told} {' or '.join(family.name for family in fitting)}")
    base = name.removesuffix(IMAGE_DECODER)
    return FAMILIES[base if temporal else _find_image_decoder(base)], notes


def _find_told(
    path: Path, metadata: Mapping[str, str], fitting: list[Family], lender: Family | None
) -> tuple[str, tuple[str, ...]]:
    if len(fitting) == 1:
        return fitting[0].name, ()
    frames = metadata.get("diffusers.num_frames", "")
    for text in _list_names(path, metadata):
        for sign, name in NAME_SIGNS:
            if re.search(sign, text.lower()):
                found = _find_lcm(lender) if name == "animatelcm" else name
                return _match_length(found, frames, fitting), ()
    if frames in FRAMES:
        return FRAMES[frames], ()
    told = f"assumed {DEFAULT}; if it is another, {spell('name the file so', 'say --variant')}"
    note = f"{path.name}: svd, svd_xt and svd_xt_1_1 cannot be told apart by the file; {told}."
    return DEFAULT, (note,)


def _match_length(found: str, frames: str, fitting: list[Family]) -> str:
    """Take the family's sibling of as many frames as the file says: that goes before what its name suggests."""
    kind = found.partition("_")[0]
    alike = [each.name for each in fitting if each.name.partition("_")[0] == kind and str(each.num_frames) == frames]
    return found if found in alike or not alike else alike[0]


def _list_names(path: Path, metadata: Mapping[str, str]) -> Iterator[str]:
    """List what may tell the family, best first; a file called model.safetensors or a snapshot's hash tells nothing."""
    yield path.stem if path.suffix == ".safetensors" else path.name
    yield metadata.get("modelspec.title", "")[:LONGEST_TITLE]
    for parent in list(path.absolute().parents)[:3]:
        if re.search(FOLDER_SIGN, parent.name.lower()):
            yield parent.name


def _find_lcm(lender: Family | None) -> str:
    short = lender is not None and lender.num_frames == FAMILIES["animatelcm_svd"].num_frames
    return "animatelcm_svd" if short else "animatelcm_svd_xt"


def _find_image_decoder(base: str) -> str:
    """Give a family's sibling with the plain decoder, where one was released."""
    return base + IMAGE_DECODER if base + IMAGE_DECODER in FAMILIES else base
