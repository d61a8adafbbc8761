"""Which files are RIFE, which are not and what is said of them, and where they are looked for."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from lib_svd.checkpoints.rife import KINDS, choose_rife, find_rife, load_rife, read_rife
from lib_svd.errors import BadCheckpoint, SvdError
from lib_svd.testing import make_fake_host, write_checkpoint
from tests.checkpoints.rife_files import list_shapes, rename_as_trained, write_header
from tests.engine.rife import draw_weights

LITE = "RIFE 4.25 lite"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "named",
    [
        dict,
        rename_as_trained,
        lambda shapes: rename_as_trained(shapes, ""),
        lambda shapes: rename_as_trained(shapes, "flownet."),
    ],
)
def test_each_kind_is_told_by_keys_and_shapes_under_all_names_that_files_have(tmp_path, kind, named):
    found = read_rife(write_header(tmp_path / "any name.safetensors", named(list_shapes(kind))))
    assert (found.kind, found.config) == (kind, KINDS[kind])
    assert set(found.sources) == set(list_shapes(kind))


@pytest.mark.parametrize("dtype", ["F32", "F8_E4M3"])
def test_plain_numbers_of_any_width_are_read(tmp_path, dtype):
    assert read_rife(write_header(tmp_path / "a.safetensors", list_shapes(LITE), dtype)).kind == LITE


def change(**shapes):
    return {**list_shapes(LITE), **shapes}


def drop(name):
    return {key: shape for key, shape in list_shapes(LITE).items() if key != name}


OLDER = {
    "block0.conv0.0.0.weight": (96, 7, 3, 3),
    "block0.conv0.1.0.weight": (192, 96, 3, 3),
    "encode.0.weight": (16, 3),
}
REFUSED = {
    "another network": ({"a": (1,)}, "is no model that makes frames between frames: use rife_v4.26.safetensors"),
    "FILM": (
        {"extract.extract_sublevels.convs.0.0.conv.weight": (64, 3, 3, 3)},
        "is FILM, which is not used here: use",
    ),
    "an older RIFE": (OLDER, "is another RIFE than 4.25 and 4.26: use"),
    "other widths": (change(**{"blocks.4.conv0.1.0.weight": (28, 14, 3, 3)}), "is another RIFE than 4.25 and 4.26"),
    "a block less": (
        {key: shape for key, shape in list_shapes(LITE).items() if not key.startswith("blocks.4.")},
        "is another RIFE than 4.25 and 4.26",
    ),
    "a weight less": (
        drop("blocks.2.convblock.3.beta"),
        "is no RIFE 4.25 lite, though it begins as one: missing, too much or of another shape are "
        "blocks.2.convblock.3.beta: download it again.",
    ),
    "a weight more": (change(extra=(1,)), "of another shape are extra: download it again."),
    "another shape": (change(**{"blocks.0.lastconv.0.bias": (51,)}), "shape are blocks.0.lastconv.0.bias: download"),
    "a weight twice": (
        change(**{"block0.lastconv.0.bias": (52,)}),
        "shape are block0.lastconv.0.bias (twice): download",
    ),
    "many": (change(a=(1,), b=(1,), c=(1,), d=(1,), e=(1,)), "are a, b, c and 2 more: download it again."),
}


@pytest.mark.parametrize("what", REFUSED)
def test_anything_else_is_refused_with_a_sentence(tmp_path, what):
    shapes, said = REFUSED[what]
    with pytest.raises(BadCheckpoint) as refused:
        read_rife(write_header(tmp_path / "some.safetensors", shapes))
    assert said in str(refused.value)
    assert str(refused.value).startswith("some.safetensors ")
    assert str(refused.value).endswith(".")


def test_quantised_weights_are_refused(tmp_path):
    with pytest.raises(BadCheckpoint, match=r"stores .* as I8"):
        read_rife(write_header(tmp_path / "some.safetensors", list_shapes(LITE), "I8"))


def test_a_pickle_is_never_opened(tmp_path):
    (tmp_path / "flownet.pkl").write_bytes(b"\x80\x04")
    with pytest.raises(BadCheckpoint, match="is never opened"):
        read_rife(tmp_path / "flownet.pkl")


def test_files_are_found_beside_and_in_the_hosts_folders(tmp_path):
    rife = tmp_path / "models" / "frame_interpolation"
    names = ["rife_v4.25.safetensors", "rife_v4.26.safetensors", "deep/rife_v4.25_lite.safetensors"]
    for name, kind in zip(names, ("RIFE 4.25 or 4.26", "RIFE 4.25 or 4.26", LITE), strict=True):
        write_header(rife / name, list_shapes(kind))
    write_header(rife / "film_net_fp16.safetensors", REFUSED["FILM"][0])
    write_header(tmp_path / "models" / "svd" / "rife_v4.26.safetensors", list_shapes(LITE))  # not its folder
    expected = [rife / name for name in sorted(names)]
    for folders in ([tmp_path / "models" / "svd", tmp_path / "models" / "Stable-diffusion"], [tmp_path / "models"]):
        assert [found.path for found in find_rife(folders)] == expected
    assert find_rife([tmp_path / "elsewhere"]) == []


def test_one_is_chosen_by_its_name_or_is_the_first(tmp_path):
    folder = tmp_path / "frame_interpolation"
    for name in ("rife_v4.25.safetensors", "rife_v4.26.safetensors"):
        write_header(folder / name, list_shapes("RIFE 4.25 or 4.26"))
    assert choose_rife("", [tmp_path]).path.name == "rife_v4.25.safetensors"
    assert choose_rife("RIFE_v4.26", [tmp_path]).path.name == "rife_v4.26.safetensors"
    assert choose_rife("rife_v4.26.safetensors", [tmp_path]).path.name == "rife_v4.26.safetensors"
    with pytest.raises(BadCheckpoint, match=r"^No RIFE .* 'x': choose rife_v4.25.safetensors or rife_v4.26.safe"):
        choose_rife("x", [tmp_path])


def test_where_there_is_none_it_is_said_where_to_put_one(tmp_path):
    with pytest.raises(BadCheckpoint) as refused:
        choose_rife("", [tmp_path / "models" / "svd"])
    assert str(refused.value).startswith("There is no RIFE model: put rife_v4.26.safetensors from https://")
    assert str(tmp_path / "models" / "frame_interpolation") in str(refused.value)


def test_the_weights_of_the_file_are_the_networks_to_the_bit(tmp_path):
    weights = draw_weights(LITE)
    save_file(
        {name.replace("blocks.", "module.block"): weight for name, weight in weights.items()},
        tmp_path / "a.safetensors",
    )
    resident = load_rife(read_rife(tmp_path / "a.safetensors"), make_fake_host(tmp_path))
    assert resident.dtype == torch.float32
    with resident.bring_to_gpu(0) as network:
        assert set(network.state_dict()) == set(weights)
        assert all(torch.equal(network.state_dict()[name], weight) for name, weight in weights.items())


def test_a_file_that_changed_since_is_refused(tmp_path):
    path = write_header(tmp_path / "a.safetensors", list_shapes(LITE))
    found = read_rife(path)
    write_checkpoint(path)
    with pytest.raises(SvdError, match="was changed while it was being loaded"):
        load_rife(found, make_fake_host(tmp_path))
