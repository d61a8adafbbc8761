"""The stages of a golden set, and how each is compared.

A check yields what the project computes for tensors of a stage file. What it needs and does not find raises Lacking:
the tensors it would have given are then listed as not compared. Nothing is a constant: sizes, counts and numbers come
from the tensors, their names and the README.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

import torch

from tests.golden import checks_networks as networks
from tests.golden import checks_numbers as numbers
from tests.golden import taps
from tests.golden.golden_set import GoldenSet, Lacking, Stage
from tests.golden.measure import EXACT, Result, Row, compare

Check = Callable[[Stage], Iterator[Result]]


@dataclass(frozen=True)
class Kind:
    """Stage files whose name fits the pattern; `given` fits the tensors that go in and are no result."""

    pattern: str
    checks: tuple[Check, ...]
    given: str


NUMBERS = r"cond_aug|fps_id|motion_bucket_id|elevations_deg"
KINDS = (
    Kind(r"embeddings", (numbers.sinusoids,), r"t"),
    Kind(r"schedule", (numbers.levels, numbers.scalings, numbers.ramps), r"sigma"),
    Kind(r"clip", (networks.clip_stage,), r"image_u8_.*"),
    Kind(r"vae_encode", (networks.vae_encode,), r"image_u8|noise|cond_aug"),
    Kind(
        r"cond",
        (numbers.camera_path, numbers.vectors, networks.embeds_of_branches, networks.latents_of_branches),
        NUMBERS,
    ),
    Kind(
        r"unet_T\d+",
        (networks.unet_inputs, networks.unet_raw, networks.unet_denoised),
        r"sigma|x_sigma|crossattn|concat|vector|x|c_noise",
    ),
    Kind(r"unet_taps", (taps.unet_taps,), r"x_concat|c_noise|crossattn|vector"),
    Kind(r"loop_.*", (numbers.loop_numbers, networks.loop), r"noise"),
    Kind(r"decode", (networks.decode_whole, networks.decode_chunks), r"samples_z"),
    Kind(r"decode_taps", (taps.decoder_taps, taps.image_decoder), r"z"),
)
WHOLE_CLIP = Kind(
    r"sv3d.*",
    (
        numbers.camera_path,
        numbers.vectors,
        networks.embeds_of_branches,
        networks.latents_of_branches,
        networks.unet_raw,
        numbers.loop_numbers,
        networks.loop,
        networks.decode_whole,
        networks.decode_chunks,
    ),
    rf"{NUMBERS}|image_u8|noise|noise_image|x|c_noise",
)
"""One file from picture to frames."""


def list_stages(golden: GoldenSet) -> list[str]:
    """Stages that the set has files of, in the order in which a clip is made; unknown ones last."""
    order = [kind.pattern for kind in (*KINDS, WHOLE_CLIP)]
    return sorted(golden.files, key=lambda name: next((i for i, p in enumerate(order) if re.fullmatch(p, name)), 99))


def compare_stage(golden: GoldenSet, name: str) -> Iterator[Row]:
    """Every tensor of one stage file: compared, or listed with the reason why not."""
    stage, kind = golden.read_stage(name), _find_kind(golden, name)
    if kind is None:
        yield Row(golden.name, name, "all tensors", None, note="unknown stage")
        return
    seen: set[str] = set()
    reasons: list[str] = []
    for check in kind.checks:
        for row in _make_rows(stage, check, reasons):
            seen.add(row.tensor.partition(" ")[0])
            yield row
    for tensor in stage:
        if tensor not in seen and not re.fullmatch(kind.given, tensor):
            yield Row(golden.name, name, tensor, None, note="; ".join(reasons) or "nothing of ours means the same")


def _find_kind(golden: GoldenSet, name: str) -> Kind | None:
    for kind in (*KINDS, WHOLE_CLIP):
        if re.fullmatch(kind.pattern, name):
            return kind
    return WHOLE_CLIP if len(golden.files) == 1 else None


def _make_rows(stage: Stage, check: Check, reasons: list[str]) -> Iterator[Row]:
    try:
        for result in torch.inference_mode()(check)(stage):
            expected = result.expected
            if expected is None and result.tensor in stage:
                expected = stage[result.tensor]
            if expected is not None:
                label = f"{result.tensor} ({result.how})" if result.how else result.tensor
                yield compare(stage.golden.name, stage.name, label, result.actual, expected, result.limit)
    except Lacking as lacking:
        reasons.append(str(lacking))
    except (RuntimeError, ValueError, IndexError) as error:  # shapes that do not go together, most likely
        note = f"{type(error).__name__}: {error}"
        yield Row(stage.golden.name, stage.name, check.__name__, EXACT, inf, inf, inf, note)
