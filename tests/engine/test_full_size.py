"""The released sizes, on the meta device: shapes without memory."""

from __future__ import annotations

import pytest
import torch

from lib_svd.engine.config import DecoderConfig, EncoderConfig, UNetConfig, VisionConfig
from lib_svd.engine.unet import UNet
from lib_svd.engine.vae import VaeDecoder, VaeEncoder
from lib_svd.engine.vision import VisionTower, prepare_input

pytestmark = pytest.mark.usefixtures("no_grad")
META = torch.device("meta")


@pytest.mark.parametrize(("num_frames", "branches"), [(14, 1), (14, 2), (25, 2)])
def test_unet(num_frames: int, branches: int) -> None:
    with META:
        unet = UNet(UNetConfig())
        c_noise, vector, context = torch.empty(25), torch.empty(1, 768), torch.empty(branches, 1, 1024)
        x = torch.empty(branches * num_frames, 8, 72, 128)

    out = unet(x, unet.make_tables(c_noise, vector, context, num_frames), 24)

    assert out.shape == (branches * num_frames, 4, 72, 128)


def test_unet_of_sv3d() -> None:
    with META:
        unet = UNet(UNetConfig(vector_dim=1280))
        tables = unet.make_tables(torch.empty(50), torch.empty(21, 1280), torch.empty(2, 1, 1024), 21)

    assert unet(torch.empty(42, 8, 72, 72, device=META), tables, 0).shape == (42, 4, 72, 72)


def test_encoder() -> None:
    with META:
        encoder, picture = VaeEncoder(EncoderConfig()), torch.empty(1, 3, 576, 1024)

    assert encoder(picture).shape == (1, 8, 72, 128)
    assert encoder.start_latent(picture).shape == (1, 4, 72, 128)


@pytest.mark.parametrize(("num_frames", "chunk"), [(14, 14), (14, 4), (25, 25), (25, 7)])
def test_decoder(num_frames: int, chunk: int) -> None:
    with META:
        decoder, z = VaeDecoder(DecoderConfig()), torch.empty(num_frames, 4, 72, 128)

    frames = list(decoder.decode_frames(z, chunk))

    assert [len(part) for part in frames] == [len(part) for part in z.split(chunk)]
    assert {part.shape[1:] for part in frames} == {(3, 576, 1024)}


def test_image_decoder() -> None:
    with META:
        decoder = VaeDecoder(DecoderConfig(temporal=False, post_quant_conv=True))
        frames = list(decoder.decode_frames(torch.empty(14, 4, 72, 128), 4))

    assert [part.shape for part in frames] == [(4, 3, 576, 1024)] * 3 + [(2, 3, 576, 1024)]


def test_vision() -> None:
    pixels = prepare_input(torch.zeros(1, 3, 576, 1024))
    assert pixels.shape == (1, 3, 224, 224)

    with META:
        vision = VisionTower(VisionConfig())
    assert vision(pixels.to(META)).shape == (1, 1, 1024)


@pytest.mark.parametrize("size", [(64, 64), (224, 224), (256, 128), (1024, 576), (100, 900)])
def test_any_picture_becomes_the_towers_square(size: tuple[int, int]) -> None:
    picture = torch.full((1, 3, *size), 0.25)

    pixels = prepare_input(picture)

    assert pixels.shape == (1, 3, 224, 224)
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    wanted = ((0.625 - mean) / std).view(1, 3, 1, 1).expand_as(pixels)
    torch.testing.assert_close(pixels, wanted, rtol=0, atol=1e-4)
