"""What a machine of a cluster does with an order, and what is taken of what comes back."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from lib_svd.batch.item import Wish, look
from lib_svd.batch.node import Node, NodeSettings
from lib_svd.batch.receive import note_left, receive
from lib_svd.batch.shelf import Shelf, is_noted
from lib_svd.batch.worker import FailedThere
from lib_svd.checkpoints import recognise
from lib_svd.errors import BadCheckpoint, Interrupted, SvdError
from lib_svd.jobs import history
from lib_svd.request import ClipRequest
from lib_svd.video import Encoding
from tests.conftest import snapshot

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def items(picture, checkpoint):
    """Two clips of a picture, that differ in their seed."""
    short = ClipRequest(num_frames=3, num_steps=1)
    wishes = [
        Wish(request=short, checkpoint=recognise(checkpoint), has_seed=False),
        Wish(request=short, checkpoint=recognise(checkpoint), has_seed=False, take=2),
    ]
    return look(picture, picture.name, wishes)


def make_on(node, item, **changes):
    """What a node sends for a clip."""
    item = replace(item, **changes)
    node.check()
    return node.make(item.read_content(), item.name, item.request, item.checkpoint.path, item.checkpoint.mark)


@pytest.fixture
def sent(items):
    """The first clip as a machine of the cluster sends it, with the same as a gif and as pictures."""
    return make_on(Node(NodeSettings(device="cpu", copies=(Encoding.read("gif"), Encoding.read("png16")))), items[0])


@pytest.fixture
def shelf(tmp_path):
    (tmp_path / "clips").mkdir()
    return Shelf(tmp_path / "clips")


def test_a_clip_that_comes_back_has_all_its_files_and_is_noted_with_the_picture_here(sent, items, shelf, picture):
    clip = receive(items[0], shelf, sent.files, sent.note, "gpu7")
    assert shelf.find_clips() == {items[0].key: clip}
    entry = history.find_entry(clip)
    assert (entry.picture, entry.measures["similarity"] is None) == (str(picture), False)
    pictures = [f".16bit/{number:05d}.png" for number in range(3)]
    assert sorted(entry.files) == sorted([".mp4", ".txt", ".json", ".gif", *pictures])
    assert sorted(snapshot(shelf.folder)) == sorted([f"{clip.stem}{ending}" for ending in (*entry.files, ".16bit")])
    assert sent.seconds > 0


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda files: {**files, ".mp4": files[".mp4"][:-500]}, "it is damaged"),
        (lambda files: {**files, ".mp4": b"<html>"}, "it is damaged"),
        (lambda files: files, "its settings or its model are others"),
    ],
)
def test_another_clip_than_was_asked_for_is_not_taken(sent, items, shelf, damage, why):
    item = items[damage(sent.files) is sent.files]
    with pytest.raises(FailedThere, match=rf"gpu7 gave another clip than was asked for \(.*{why}"):
        receive(item, shelf, damage(sent.files), sent.note, "gpu7")
    assert snapshot(shelf.folder) == {}


def test_a_note_that_is_none_is_not_taken(sent, items, shelf):
    with pytest.raises(FailedThere, match=r"what was noted on the clip cannot be read"):
        receive(items[0], shelf, sent.files, {**sent.note, "measures": {"speed": "fast"}}, "gpu7")
    assert snapshot(shelf.folder) == {}


def test_a_clip_that_was_left_without_a_note_gets_one(sent, items, shelf, picture):
    clip = receive(items[0], shelf, sent.files, sent.note, "gpu7")
    clip.with_suffix(".json").unlink()
    note_left(items[0], clip)
    assert is_noted(clip)
    assert history.find_entry(clip).picture == str(picture)


def test_a_model_that_is_elsewhere_is_found_by_its_name_and_another_one_refused(
    items, checkpoint, checkpoint_of, tmp_path
):
    node = Node(NodeSettings(device="cpu", models=(checkpoint.parent,)))
    moved = replace(items[0].checkpoint, path=tmp_path / "gone" / checkpoint.name)
    node.check()
    content, mark = items[0].read_content(), items[0].checkpoint.mark
    assert ".mp4" in node.make(content, "a.png", items[0].request, moved.path, mark).files
    with pytest.raises(BadCheckpoint, match=r"is another file: put the very file there\."):
        node.make(content, "a.png", items[0].request, checkpoint_of("svd_image_decoder"), mark)
    with pytest.raises(BadCheckpoint, match=r"put the very file there at .*none\.safetensors"):
        node.make(content, "a.png", items[0].request, tmp_path / "none.safetensors", mark)


def test_a_machine_with_another_version_or_without_the_device_says_so():
    with pytest.raises(SvdError, match=r"has version .*, not 0\.0\.1: install the same one everywhere"):
        Node(NodeSettings(version="0.0.1")).check()
    with pytest.raises(SvdError, match=r"nonsense"):
        Node(NodeSettings(device="nonsense")).check()


def test_what_is_cancelled_ends_and_leaves_nothing(items):
    node = Node(NodeSettings(device="cpu"))
    node.cancel()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        make_on(node, items[0])
    assert time.monotonic() - began < 30
    assert node.look() < 1
