"""Whatever lies beside a model, the list of models goes on: what cannot be used is passed over, and named."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import SafetensorError, safe_open

from lib_svd.checkpoints import header
from lib_svd.errors import BadCheckpoint
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.studio import Studio
from tests.checkpoints.files import write_narrow

Make = Callable[[Path], object]
MANY = "9" * 400
DEEP = "[" * 100_000


def write_named(name: str, content: bytes = b"Not a model, and no name.") -> Make:
    return lambda models: _write(models / name, content)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_header_of(contents: object, tensors: bytes = b"1234") -> Make:
    """A safetensors file with that header."""
    text = contents if isinstance(contents, bytes) else json.dumps(contents).encode()
    return write_named("other.safetensors", struct.pack("<Q", len(text)) + text + tensors)


def write_tensor(**changes: object) -> Make:
    return write_header_of({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **changes}})


def write_saying(**metadata: str) -> Make:
    keys = {f"svd.{name}": text for name, text in metadata.items()}
    return lambda models: write_narrow(models / "other.safetensors", metadata=keys)


def write_folder(config: str, file: str = "config.json") -> Make:
    def make(models: Path) -> None:
        write_narrow(models / "other" / "unet" / "model.safetensors")
        (models / "other" / "model_index.json").write_text("{}")
        (models / "other" / "unet" / file).write_text(config)
        if file != "config.json":
            (models / "other" / "unet" / "model.safetensors").unlink()

    return make


def make_links(models: Path) -> None:
    (models / "other.safetensors").symlink_to("again.safetensors")
    (models / "again.safetensors").symlink_to("other.safetensors")


def make_waiting(models: Path) -> None:
    os.mkfifo(models / "other.safetensors")


def make_listening(models: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(models / "other.safetensors"))


NEIGHBOURS: dict[str, tuple[Make, str]] = {
    "a name that is no UTF-8": (write_named("other_\udcff\udcfe.safetensors"), "no UTF-8"),
    "a folder whose name is none": (write_named("\udcff/other.safetensors"), "no UTF-8"),
    "a digit that is no number": (write_named("²1.safetensors"), "text file"),
    "a pipe": (make_waiting, "no file"),
    "a socket": (make_listening, "no file"),
    "links in a ring": (make_links, "link to a file that is not there"),
    "a config that is damaged": (write_folder("{"), "as JSON"),
    "a config that is nested deeply": (write_folder(DEEP), "as JSON"),
    "a config of another kind": (write_folder('{"num_attention_heads": [null], "block_out_channels": [1]}'), "heads"),
    "a config with a long number": (write_folder(f'{{"num_frames": {MANY}}}'), "as JSON"),
    "an index that is nested deeply": (write_folder(DEEP, "m.safetensors.index.json"), "as JSON"),
    "an index of no name": (
        write_folder(r'{"weight_map": {"a": "\ud800"}}', "m.safetensors.index.json"),
        "UTF-8",
    ),
    "an index of a long name": (
        write_folder(json.dumps({"weight_map": {"a": 999 * "x"}}), "m.safetensors.index.json"),
        "is not in",
    ),
    "a header that is nested deeply": (write_header_of(b'{"a":' + DEEP.encode()), "damaged"),
    "a header that is no table": (write_header_of({"a": 5}), "no table of tensors"),
    "a long number in a header": (write_header_of(f'{{"a": {MANY}}}'.encode()), "a whole number has 400 digits"),
    "half a surrogate in a header": (
        write_header_of({"\ud800": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}),
        "text",
    ),
    "a shape below nothing": (write_tensor(shape=[-1]), "place or shape"),
    "a shape that is no whole number": (write_tensor(shape=[1.0]), "place or shape"),
    "a shape that is not that long": (write_tensor(shape=[2]), "not that of its shape"),
    "a gap between tensors": (write_tensor(data_offsets=[1, 5]), "gap"),
    "a place that is too large": (write_tensor(data_offsets=[0, 2**80]), "place or shape"),
    "a number of 400 digits in metadata": (write_saying(num_frames=MANY), "svd.num_frames"),
    "infinity in metadata": (write_saying(fps="1e999"), "svd.fps"),
}


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # a socket's name is short
    write_narrow(tmp_path / "models" / "svd_xt.safetensors")
    return tmp_path / "models"


@pytest.mark.parametrize("case", NEIGHBOURS)
def test_the_list_goes_on_and_names_what_it_passes_over(models: Path, case: str) -> None:
    make, why = NEIGHBOURS[case]
    make(models)
    studio = Studio(make_standalone_host(device="cpu", model_dirs=(models,)))

    names, refusals = [model.name for model in studio.list_models()], studio.list_refusals()

    assert names == ["svd_xt.safetensors", "demo.safetensors"]
    assert refusals
    assert all(why in sentence and len(sentence) < 2000 for sentence in refusals)
    "".join(refusals).encode("utf-8")
    with pytest.raises(BadCheckpoint, match=r"found svd_xt\.safetensors"):
        studio.find_checkpoint("nosuch")


@pytest.mark.parametrize("name", ["x" * 5000, "~nobody-of-that-name/x", "\ud800", "a\0b", "x/" * 3000])
def test_a_name_that_no_file_can_have_is_refused_as_any_that_is_not_there(models: Path, name: str) -> None:
    studio = Studio(make_standalone_host(device="cpu", model_dirs=(models,)))
    with pytest.raises(BadCheckpoint, match="No model is called") as caught:
        studio.find_checkpoint(name)
    assert len(str(caught.value).encode("utf-8")) < 1000


@pytest.mark.parametrize(
    "case", [case for case, (make, _) in NEIGHBOURS.items() if make.__qualname__.startswith("write_named")]
)
def test_what_the_library_would_not_open_is_not_taken(models: Path, case: str) -> None:
    before = set(models.iterdir())
    NEIGHBOURS[case][0](models)
    (path,) = set(models.iterdir()) - before
    with pytest.raises((SafetensorError, OSError, UnicodeEncodeError)), safe_open(path, framework="pt") as _:
        pass
    with pytest.raises(BadCheckpoint):
        header.read_header(path)
