"""What is folded into the weights at the end changes nothing, and the file is what the tab loads."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lib_svd.checkpoints import load, recognise
from lib_svd.engine.config import LATENT_SCALE
from lib_svd.hosts.standalone import make_standalone_host
from training.clips import Album
from training.decoder import build_temporal_decoder
from training.export import export, fit_latent_rgb
from training.latents import NUM_FRAMES, encode, fold_scale, make_examples
from training.tower import VISION
from training.unet import build_unet, fold_start
from training.vae import Vae

from lib_svd.engine.vision import VisionTower  # isort: skip

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def images():
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def vae(images):
    torch.manual_seed(0)
    vae = Vae().requires_grad_(False)
    fold_scale(vae, images)
    return vae


@pytest.fixture
def tower():
    torch.manual_seed(0)
    tower = VisionTower(VISION).requires_grad_(False)
    for weight in tower.parameters():
        nn.init.normal_(weight, std=0.05)
    return tower


def test_folding_the_scale_leaves_pictures_and_makes_latents_of_unit_variance(images):
    torch.manual_seed(0)
    vae = Vae().requires_grad_(False)
    before = vae(images)
    fold_scale(vae, images)
    torch.testing.assert_close(vae(images), before, rtol=1e-4, atol=1e-5)
    assert float(encode(vae.encoder, images).std()) == pytest.approx(1, abs=1e-4)


def test_the_decoder_along_time_begins_as_the_one_that_is_not(vae):
    latents = torch.randn(5, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    still = vae.decode(latents / LATENT_SCALE)
    frames = torch.cat(list(build_temporal_decoder(vae).decode_frames(latents, 5)))
    torch.testing.assert_close(frames, still, rtol=1e-4, atol=1e-5)


def test_a_new_unet_lets_the_picture_stand_still():
    """At high noise levels D goes with -F, so F goes with the start latent, its sign turned, whatever the noise."""
    torch.manual_seed(0)
    unet = build_unet().requires_grad_(False)
    start = torch.randn(1, 4, 8, 8).expand(4, -1, -1, -1)
    x = torch.cat([torch.randn(4, 4, 8, 8), start], 1)
    f = unet(x, unet.make_tables(torch.tensor([0.1]), torch.randn(1, 768), torch.randn(1, 1, 64), 4), 0)
    likeness = torch.nn.functional.cosine_similarity(f.flatten(), -start.flatten(), dim=0)
    assert float(likeness) > 0.95


def test_the_written_checkpoint_computes_what_was_trained(vae, tower, tmp_path):
    unet = build_unet().requires_grad_(False)
    torch.manual_seed(2)
    for weight in unet.parameters():
        weight.add_(0.02 * torch.randn_like(weight))
    x, start = torch.randn(NUM_FRAMES, 4, 8, 8), torch.randn(NUM_FRAMES, 4, 8, 8)
    context, vector, level = torch.randn(1, 1, 64), torch.randn(1, 768), torch.tensor([0.1])
    trained = unet(torch.cat([x, start], 1), unet.make_tables(level, vector, context, NUM_FRAMES), 0)

    clips = make_examples(Album((), 2, 0), vae, tower, 2, 0)
    fold_start(unet)
    path = tmp_path / "demo.safetensors"
    networks = {"vision": tower, "encoder": vae.encoder, "unet": unet, "decoder": build_temporal_decoder(vae)}
    export(path, networks, {"svd.latent_rgb": fit_latent_rgb(clips)})

    checkpoint = recognise(path)
    assert (checkpoint.family.native_size, checkpoint.family.num_frames) == ((64, 64), NUM_FRAMES)
    assert len(checkpoint.family.latent_rgb) == 4
    svd = load(checkpoint, make_standalone_host("cpu", "float32"))
    with svd.unet.bring_to_gpu(0) as network:  # SVD's start latents are not scaled
        fed = torch.cat([x, start / LATENT_SCALE], 1)
        loaded = network(fed, network.make_tables(level, vector, context, NUM_FRAMES), 0)
    # float16 in the file: a new network's constants are large, and their last bits are this much of what they cancel
    assert float((loaded - trained).norm() / trained.norm()) < 0.01


def test_latent_colours_are_found(vae):
    """Latents that are colours by a known rule give that rule back."""
    from training.clips import Motion
    from training.latents import Example

    rule = torch.randn(4, 3, generator=torch.Generator().manual_seed(3))
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(4))
    pixels = torch.einsum("tchw,cr->trhw", latents, rule)
    example = Example(latents, pixels.repeat_interleave(4, 2).repeat_interleave(4, 3), torch.zeros(1), Motion(1, 7))
    found = torch.tensor([float(number) for number in fit_latent_rgb([example]).split()]).view(4, 3)
    torch.testing.assert_close(found, rule, rtol=1e-3, atol=1e-3)
