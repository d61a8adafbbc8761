"""The shipped checkpoint at work: its clips of pictures that it was not trained on, for tests and for the report."""

from __future__ import annotations

import tempfile
from functools import cache, cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lib_svd.animate import Destination, animate, order
from lib_svd.checkpoints import DEMO, Svd, load, recognise
from lib_svd.clip import Frames
from lib_svd.engine.config import LATENT_SCALE
from lib_svd.engine.preview import convert_latents_to_rgb
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.images import View, convert_to_tensor, fit_picture, read_picture
from lib_svd.request import ClipRequest
from lib_svd.stages import Run, condition, decode

ROOT = Path(__file__).parents[1]
UNSEEN = {path.stem: path for path in sorted((ROOT / "tests/demo/pictures").glob("*.jpg"))}
UNSEEN["lighthouse"] = ROOT / "examples" / "lighthouse.jpg"
"""Pictures that it was not trained on, by name."""


class Demo:
    """A checkpoint, loaded once, on the CPU in float32."""

    def __init__(self, path: Path = DEMO) -> None:
        self.checkpoint = recognise(path)
        self._host = make_standalone_host("cpu", "float32")
        self.clip = cache(self._make_clip)

    @cached_property
    def svd(self) -> Svd:
        """Its networks."""
        return load(self.checkpoint, self._host)

    def _make_clip(self, name: str, seed: int = 0, **settings: object) -> Frames:
        """Frames of a clip of a picture of `UNSEEN`; each is made once."""
        request = ClipRequest.from_mapping({"seed": seed, **settings})
        with tempfile.TemporaryDirectory() as folder:
            ordered = order(request, UNSEEN[name], self.checkpoint, Destination(out=Path(folder) / "clip.mp4"))
            return animate(ordered, self._host, lambda *_: self.svd).clip.frames

    def fit_picture(self, name: str, frames: Frames) -> Frames:
        """The picture itself at the size of a clip, [H, W, 3]."""
        size = (frames.shape[2], frames.shape[1])
        return np.asarray(fit_picture(read_picture(UNSEEN[name]).image, size, "crop", View()).image)

    def pass_through_vae(self, picture: Frames) -> Frames:
        """A picture [H, W, 3] as a clip that stands still, there and back: what a perfect first frame would be."""
        run, latent = self._encode(picture)
        with torch.inference_mode():
            return decode(run, latent.expand(run.request.num_frames, -1, -1, -1))[0]

    def preview(self, picture: Frames) -> Frames:
        """What a live preview shows of the picture's own latent, [h, w, 3]."""
        _, latent = self._encode(picture)
        return cast(Frames, convert_latents_to_rgb(latent, self.checkpoint.family.latent_rgb)[0].numpy())

    def _encode(self, picture: Frames) -> tuple[Run, Tensor]:
        """The picture's own latent, scaled, [1, 4, h, w]."""
        image = Image.fromarray(picture)
        still = ClipRequest(width=image.width, height=image.height, noise_aug_strength=0.0)
        complete, _ = self.checkpoint.family.complete(still, grid=self.checkpoint.size_grid)
        run = Run(self.svd, complete, self._host)
        with torch.inference_mode():
            return run, condition(run, convert_to_tensor(image)).start_latent * LATENT_SCALE
