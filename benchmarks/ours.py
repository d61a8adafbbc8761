"""Our side: the stages that `animate` runs, in the stand-alone host."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import weights
from benchmarks.meter import Memory, Stages
from benchmarks.scales import SCALES
from benchmarks.side import (
    AUGMENTATION,
    CHECKED_FRAMES,
    FPS,
    MAX_GUIDANCE,
    MIN_GUIDANCE,
    MOTION,
    Order,
    convert_to_arrays,
    make_picture,
)
from lib_svd import images
from lib_svd.checkpoints import FAMILIES, Checkpoint, Svd
from lib_svd.engine.conditioning import embed_motion
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder, VaeEncoder
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.ports import Resident
from lib_svd.progress import Progress, Stage
from lib_svd.request import ClipRequest
from lib_svd.stages import Run, condition, decode, sample


class Ours:
    """The stages that `animate` runs, in the stand-alone host."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.host = make_standalone_host(order.device, order.dtype, on_report=self._report)
        self.memory = Memory(self.host.memory.get_device())
        scale = SCALES[order.scale]
        keeping = self.host.memory
        parts = weights.build_our_networks(scale, {part: keeping.choose_dtype(part) for part in weights.PARTS})
        residents = {part: keeping.adopt(network, keeping.choose_dtype(part)) for part, network in parts.items()}
        checkpoint = Checkpoint(
            path=Path("random"),
            family=FAMILIES["svd_xt"],
            configs=scale.configs,
            layout="diffusers folder",
            sources={},
            stamps=(),
            dtypes={},
            metadata={},
        )
        self.svd = Svd(checkpoint=checkpoint, residents=residents)
        for resident in residents.values():
            with resident.bring_to_gpu(0):
                pass  # weights arrive now, as the peer's do
        self._stages = Stages(self.memory)

    @torch.inference_mode()
    def check(self, inputs: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
        """See `Side`."""
        svd, device = self.svd, self.host.memory.get_device()
        unet, decoder = cast(UNet, find_network(svd.unet)), cast(VaeDecoder, find_network(svd.decoder))
        encoder, tower = cast(VaeEncoder, find_network(svd.encoder)), find_network(svd.vision)
        x = {name: tensor.to(device, svd.unet.dtype) for name, tensor in inputs.items()}
        vector = embed_motion(FPS, MOTION, AUGMENTATION).to(device)
        tables = unet.make_tables(inputs["c_noise"].to(device), vector, x["context"], self.order.frames)
        return convert_to_arrays(
            unet=unet(x["x"].flatten(0, 1), tables, 0),
            encoder=encoder.start_latent(inputs["picture"].to(device, svd.encoder.dtype)),
            decoder=torch.cat(list(decoder.decode_frames(x["latents"], CHECKED_FRAMES))),
            vision=tower(x["tower"]),
        )

    def make_clip(self) -> Stages:
        """See `Side`."""
        o = self.order
        asked = ClipRequest(
            num_frames=o.frames,
            width=o.width,
            height=o.height,
            num_steps=o.steps,
            fps=FPS,
            motion_bucket_id=MOTION,
            noise_aug_strength=AUGMENTATION,
            min_guidance=MIN_GUIDANCE,
            max_guidance=MAX_GUIDANCE,
            decode_chunk=o.decode_chunk,
        )
        request, _ = FAMILIES["svd_xt"].complete(asked, grid=1)
        forgetful = replace(self.svd, _remembered=OrderedDict())  # each clip is as the first one of its picture
        run = Run(forgetful, request, self.host)
        still = make_picture(o)
        self._stages = stages = Stages(self.memory)
        with torch.inference_mode():
            stages.begin("encode")
            clip = condition(run, images.convert_to_tensor(still))
            stages.begin("sample")
            latents = sample(run, clip)
            stages.begin("decode")
            frames = decode(run, latents)
            stages.end()
        if run.notes or frames.shape != (o.frames, o.height, o.width, 3):
            raise RuntimeError(f"not the clip that was to be measured: {frames.shape} {run.notes}")
        return stages

    def _report(self, progress: Progress, preview: object) -> None:
        if progress.stage is Stage.SAMPLING and progress.done:
            self._stages.tick()


def find_network(resident: Resident) -> nn.Module:
    """On its device."""
    with resident.bring_to_gpu(0) as network:
        return cast(nn.Module, network)
