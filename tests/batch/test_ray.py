"""`batch --ray`: a real cluster of two nodes, of which a worker and then a node are killed; and what it refuses."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import pytest

from lib_svd.batch import on_ray
from lib_svd.jobs import history
from tests.conftest import save_picture, snapshot, start

ROOT = Path(__file__).parents[2]
LENGTH = ("--steps", 4, "--frames", 3)


@pytest.fixture(scope="module")
def cluster():
    """Two nodes; gives the program and its address."""
    own = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "SVD_CLUSTER": secrets.token_hex(4)}
    words = [sys.executable, "-W", "ignore", "-m", "tests.clustering"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=ROOT, env=own, stderr=subprocess.DEVNULL, **pipes) as program:
        yield program, program.stdout.readline().strip()
        program.stdin.close()


@pytest.fixture
def pictures(here):
    (here / "in").mkdir()
    for number in range(5):
        save_picture(here / "in" / f"{number}.png", 150 + number, 100)
    return here / "in"


def test_a_worker_and_then_a_node_lost_cost_no_clip(cluster, pictures, checkpoint, here):
    program, address = cluster

    def kill(what: str) -> None:
        print(what, file=program.stdin, flush=True)
        assert program.stdout.readline() == "done\n"

    words = ("batch", "in", "--checkpoint", checkpoint, *LENGTH, "--out-dir", "out", "--also", "gif", "--json")
    running = start(*words, "--ray", address, "--gpus-per-clip", 0, cwd=here)
    outcomes = [json.loads(running.stdout.readline())]
    kill("worker")
    outcomes.append(json.loads(running.stdout.readline()))
    kill("node")
    out, err = running.communicate(timeout=120)
    *rest, end = map(json.loads, out.splitlines())
    assert (running.returncode, end["counts"]) == (0, {"made": 5}), err
    assert sorted(each["picture"] for each in [*outcomes, *rest]) == [f"{number}.png" for number in range(5)]
    for suffix in (".mp4", ".gif"):
        found = Counter(path.name[0] for path in (here / "out").glob(f"*{suffix}"))
        assert found == dict.fromkeys("01234", 1)
    entry = history.find_entry(next((here / "out").glob("4-*.mp4")))
    assert entry.picture == str(here / "in" / "4.png")
    assert entry.measures["similarity"] is not None
    assert [*entry.files] == [".mp4", ".txt", ".json", ".gif"]
    assert "A worker of the cluster was lost" in err
    assert "Traceback" not in err
    assert [name for name in snapshot(here / "out") if name.startswith(".")] == []


class NoGpus:
    """What ray says of a cluster with two nodes and no GPU, when it is connected to; it waits for GPUs for ever."""

    said: ClassVar[list[str]] = []

    def init(self, **how):
        self.said.append(how["address"])

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": 8.0, "memory": 1e9}}] * 2

    def shutdown(self):
        self.said.append("left")


def test_gpus_on_a_cluster_that_has_none_are_refused_at_once(pictures, checkpoint, lib_svd, monkeypatch, here):
    monkeypatch.setattr(on_ray, "import_module", lambda name: NoGpus())
    ran = lib_svd("batch", "in", "--checkpoint", checkpoint, "--ray", "auto", "--out-dir", "out")
    assert (ran.code, ran.out) == (2, "")
    advice = "add machines that have them, or say --gpus-per-clip 0 to compute on CPUs"
    assert ran.err == f"Error: The cluster has no GPU, and --gpus-per-clip is 1: {advice}.\n"
    assert NoGpus.said == ["auto", "left"]
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    ("resources", "gpus", "room"),
    [
        ([{"CPU": 4, "GPU": 2}, {"CPU": 4}], 1, 2),
        ([{"CPU": 9, "GPU": 2}, {"CPU": 9, "GPU": 1}], 0.5, 6),
        ([{"CPU": 9, "GPU": 2}], 0.4, 4),  # no more than two fit on each
        ([{"CPU": 9, "GPU": 3}], 2, 1),
        ([{"CPU": 9, "GPU": 1}, {"CPU": 9, "GPU": 1}], 2, 0),  # a clip is made on one machine
        ([{"CPU": 1, "GPU": 8}], 1, 1),
        ([{"CPU": 2}, {"CPU": 1, "GPU": 1}], 0, 3),
        ([{"GPU": 1}], 1, 0),
    ],
)
def test_a_cluster_makes_as_many_clips_at_a_time_as_it_has_room_for(resources, gpus, room):
    nodes = [{"Alive": True, "Resources": each} for each in resources]
    dead = {"Alive": False, "Resources": {"CPU": 64, "GPU": 8}}
    assert on_ray.count_room([*nodes, dead], gpus) == room
    assert room or on_ray.explain_no_room([*nodes, dead], gpus).startswith("The cluster has ")


def test_without_ray_it_is_said_what_to_install(pictures, checkpoint, lib_svd, monkeypatch, here):
    def lack(name):
        if name == "ray":
            raise ImportError("No module named 'ray'")
        return import_module(name)

    monkeypatch.setattr(on_ray, "import_module", lack)
    ran = lib_svd("batch", "in", "--checkpoint", checkpoint, "--ray", "auto", "--out-dir", "out")
    assert (ran.code, ran.out) == (2, "")
    assert "--ray needs ray, which cannot be loaded (No module named 'ray'): run `" in ran.err
    assert '-m pip install "ray' in ran.err
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ray", "127.0.0.1:1", "--gpus-per-clip", 0], "--ray finds no cluster at 127.0.0.1:1 ("),
        (["--ray", "auto", "--servers", "s"], "--servers and --ray are two ways"),
        (["--gpus-per-clip", 2], "--gpus-per-clip is for a cluster: name one with --ray"),
        (["--ray", "auto", "--gpus-per-clip", 1.5], "must be 0, a part of one such as 0.5, or a whole number, not 1.5"),
        (["--ray", "auto", "--gpus-per-clip", -1], "must be 0, a part of one such as 0.5, or a whole number, not -1"),
        (["--ray", "auto", "--gpus-per-clip", "nan"], "or a whole number, not nan"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(words, said, pictures, checkpoint, lib_svd, here):
    before = snapshot(here)
    ran = lib_svd("batch", "in", "--checkpoint", checkpoint, *words, "--out-dir", "out")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert snapshot(here) == before
