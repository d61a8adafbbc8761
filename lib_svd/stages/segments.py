"""A clip that is longer than the network was trained on, in segments: each goes on from the last one's latents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate

import torch
from PIL import Image
from torch import Tensor

from lib_svd.engine.conditioning import Conditioning
from lib_svd.engine.config import LATENT_SCALE
from lib_svd.engine.windows import count_handed, list_segments
from lib_svd.errors import Interrupted, NotFinite, OutOfMemory
from lib_svd.images import convert_to_tensor
from lib_svd.request import CompleteRequest
from lib_svd.stages.condition import embed
from lib_svd.stages.decode import decode
from lib_svd.stages.run import Run
from lib_svd.stages.sample import sample
from lib_svd.stages.steer import UNSTEERED, Steering


def list_joins(request: CompleteRequest, size: int) -> list[int]:
    """List the frames, counted from 0, that end a segment which another one goes on from; none where the clip is not
    made in segments.

    Args:
        request: of the clip.
        size: frames that are sampled at a time, see `Family.choose_window`.
    """
    first, *others = (length - count_handed(size) for length in _list_lengths(request, size))
    return [end + count_handed(size) - 1 for end in accumulate([first, *others[:-1]])] if others else []


def sample_in_segments(run: Run, clip: Conditioning, steering: Steering = UNSTEERED) -> Iterator[Tensor]:
    """Sample a clip in one piece, or segment by segment.

    The last frames of a segment are the first of the next one: they are held to the very latents, the first of which
    is what the UNet looks at, too, and nothing is encoded again. Where a later segment is stopped or fails, the clip
    ends with the last whole one, `run.request` is that shorter clip's, and a note says so.

    Yields:
        After each segment the latents of all frames until then, [t, 4, h, w], float32 on the CPU.

    Raises:
        what `sample` raises in the first segment.
    """
    size = run.svd.family.choose_window(run.request)
    lengths, whole = _list_lengths(run.request, size), torch.empty(0)
    for number, num_frames in enumerate(lengths):
        part = run.take_part(number, len(lengths), num_frames)
        try:
            if number:
                handed = whole[-count_handed(size) :]
                clip, steering = _hand_over(part, clip, handed[:1]), replace(steering, first=handed)
            latents = sample(part, clip, steering)
        except (Interrupted, OutOfMemory, NotFinite) as error:
            if not number:
                raise
            run.goes_on = isinstance(error, Interrupted)
            run.request = run.request.replace(num_frames=len(whole))
            run.notes.append(f"{error} The clip ends with segment {number} of {len(lengths)}, at frame {len(whole)}.")
            return
        whole = torch.cat([whole, latents[count_handed(size) :]]) if number else latents
        yield whole


def _list_lengths(request: CompleteRequest, size: int) -> list[int]:
    return list_segments(request.num_frames, size if request.longer == "segments" else request.num_frames)


def _hand_over(part: Run, clip: Conditioning, first: Tensor) -> Conditioning:
    """Make of a frame [1, 4, h, w] what the segment that begins with it is made from."""
    frame = decode(part.take_part(*part.part, num_frames=1, is_quiet=True), first)
    image = convert_to_tensor(Image.fromarray(frame[0]))
    return replace(clip, image_embeds=embed(part, image), start_latent=first / LATENT_SCALE)
