"""RIFE as a `Smoother`: a learned network in the host's keeping, from a file that the user has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lib_svd.checkpoints.rife import RifeFile, load_rife
from lib_svd.clip import Frames
from lib_svd.engine.memory import estimate_rife_bytes
from lib_svd.engine.rife import Rife
from lib_svd.errors import NotFinite, OutOfMemory
from lib_svd.finish.smooth import Made
from lib_svd.ports import Host

FEWEST_ROWS = 64  # that the network works on at a time; with fewer most of the work is what lies around them


class RifeSmoother:
    """Frames by RIFE.

    Args:
        file: with its weights, see `checkpoints.rife`.
        host: keeps the network.

    Raises:
        BadCheckpoint: the file changed since it was looked at.
    """

    name = "rife"

    def __init__(self, file: RifeFile, host: Host) -> None:
        self._file, self._resident = file, load_rife(file, host)

    def fill(self, scene: Sequence[Frames], places: Sequence[Fraction]) -> Made:
        """Do as `Smoother` says; where room or half precision is not enough, it goes on with fewer rows, or in float32.

        Raises:
            OutOfMemory: no room for the fewest rows.
            NotFinite: NaN or infinity in float32 too.
        """
        height, width = (side + -side % self._file.config.grid for side in scene[0].shape[:2])
        done, most = 0, height
        while done < len(places):
            rows, needed = self._plan(height, width, most)
            try:
                with self._resident.bring_to_gpu(needed) as network:
                    for frame in self._make_frames(cast(Rife, network), scene, places[done:], rows):
                        done += 1
                        yield frame
            except OutOfMemory:
                if rows <= FEWEST_ROWS:
                    raise
                most = rows // 2

    def _plan(self, height: int, width: int, most: int) -> tuple[int, int]:
        """Choose the rows that are worked on at a time, as many as there is room for, and count the bytes that they
        take.
        """
        room = self._resident.count_room()
        rows = most
        while True:
            rows = max(FEWEST_ROWS, rows - rows % 4)
            needed = estimate_rife_bytes(self._file.config, height, width, self._resident.dtype, rows)
            if needed <= room or rows == FEWEST_ROWS:
                return rows, needed
            rows //= 2

    def _make_frames(
        self, network: Rife, scene: Sequence[Frames], places: Sequence[Fraction], rows: int
    ) -> Iterator[Frames]:
        """Make the frames at these places, or, where half precision failed, those before: the next ones are in
        float32.
        """
        looks, at = torch.empty(0), -2  # the frames around a place are often those around the next one, too
        for place in places:
            before = math.floor(place)
            if place == before:
                yield scene[before]
                continue
            if before != at:
                first = looks[1:] if before == at + 1 else self._look(network, scene[before])
                looks, at = torch.cat([first, self._look(network, scene[before + 1])]), before
            made = _interpolate(network, looks, float(place - before), rows)
            if made is None:
                self._switch_to_fp32()
                return
            height, width = scene[0].shape[:2]
            yield made[:height, :width]

    @torch.inference_mode()
    def _look(self, network: Rife, frame: Frames) -> Tensor:
        """Give what the network looks at, its border repeated up to the grid."""
        x = torch.from_numpy(frame.astype(np.float32)).to(self._resident.device).permute(2, 0, 1)[None] / 255
        grid = self._file.config.grid
        bottom, right = (-side % grid for side in frame.shape[:2])
        return network.look(F.pad(x, (0, right, 0, bottom), mode="replicate"))

    def _switch_to_fp32(self) -> None:
        if self._resident.dtype == torch.float32:
            raise NotFinite(
                f"{self._file.path.name} gave NaN or infinity in float32: its weights are damaged, download it again."
            )
        self._resident.use_fp32()


@torch.inference_mode()
def _interpolate(network: Rife, looks: Tensor, time: float, rows: int) -> Frames | None:
    """Make the frame between, [H, W, 3] uint8; None: it is not finite."""
    made = network.interpolate(looks, time, rows)
    if not bool(made.isfinite().all()):
        return None
    pixels = made[0].clamp(0, 1).mul(255).round().to(torch.uint8)
    return cast(Frames, pixels.permute(1, 2, 0).contiguous().cpu().numpy())
