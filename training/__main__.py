"""Train the demo checkpoint, from pictures to the file: `python -m training OUT`.

Takes under two hours on two cores. Stopped, it goes on where it was when it is run again. OUT holds the
figures (log.jsonl), contact sheets to look at, and at the end demo.safetensors.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from training import pictures
from training.clips import Album, crop
from training.decoder import build_temporal_decoder, train_temporal
from training.export import export, fit_latent_rgb
from training.latents import fold_scale, keep, make_examples
from training.loop import Plan
from training.tower import train_tower
from training.unet import fold_start, train_unet
from training.vae import train_vae

VAE = Plan(steps=2400, lr=1.2e-3, weight_decay=1e-4, flat_until=0, ema=0.995, look_every=200)
TOWER = Plan(steps=600, lr=1e-3, look_every=200)
UNET = Plan(steps=7500, parts=4, lr=2e-3, muon=True, look_every=1000)
TEMPORAL = Plan(steps=200, lr=5e-4, flat_until=0, ema=0.99, look_every=100)

SIDE = 64  # pixels of a still crop
DRAWN, CROPS, CLIPS, UNSEEN = 600, 12_000, 3600, 5


@click.command(help=__doc__)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--seed", default=0, show_default=True, help="Another seed trains another checkpoint.")
def main(out: Path, seed: int) -> None:
    """All stages in their order."""
    out.mkdir(parents=True, exist_ok=True)
    album, unseen = Album(pictures.TRAINING, DRAWN, seed), Album(pictures.HELD_OUT, 0, seed)
    crops, unseen_crops = _cut_crops(album, CROPS, seed), _cut_crops(unseen, 32, seed)

    vae = train_vae(crops, unseen_crops, VAE, out, seed).requires_grad_(False)
    fold_scale(vae, crops[:2000])
    tower = train_tower(crops, unseen_crops, TOWER, out, seed).requires_grad_(False)
    del crops

    clips = keep(out / "clips.pt", lambda: make_examples(album, vae, tower, CLIPS, seed))
    unseen_clips = keep(out / "clips-unseen.pt", lambda: make_examples(unseen, vae, tower, UNSEEN, seed))
    unet = train_unet(clips, unseen_clips, vae, UNET, out, seed)
    fold_start(unet)

    decoder = train_temporal(build_temporal_decoder(vae), clips, unseen_clips, TEMPORAL, out, seed)

    networks = {"vision": tower, "encoder": vae.encoder, "unet": unet, "decoder": decoder}
    run = {"trained_with": f"python -m training, seed {seed}", "svd.latent_rgb": fit_latent_rgb(clips[:200])}
    export(out / "demo.safetensors", networks, run)
    click.echo(json.dumps({"checkpoint": str(out / "demo.safetensors")}))


def _cut_crops(album: Album, count: int, seed: int) -> Tensor:
    """[N, 3, SIDE, SIDE] in [-1, 1]."""
    return torch.stack(
        [crop(np.random.default_rng([seed, i]), album, (SIDE, SIDE)) for i in tqdm(range(count), "crops")]
    )


if __name__ == "__main__":
    main()
