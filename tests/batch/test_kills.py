"""Killed at any moment and started again: nothing made twice, nothing lost, and what was sampled is not sampled again.

Moments are calls of the system that make, name or remove something, in a batch that kills itself there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lib_svd.jobs import history
from tests.conftest import save_picture, snapshot
from tests.test_kills import needs_fork

ROOT = Path(__file__).parents[2]
EVERY = 10  # of the moments one in so many; all of them were tried
BATCH_UNTIL_KILLED = """
import json, os, sys
from pathlib import Path
from lib_svd import animate
from lib_svd.cli import main
import lib_svd.batch.local, lib_svd.cli.batch_lines
from tests.killing import kill_at

folder, checkpoint, moments = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
sample = animate.sample_in_segments

def sampled(*given):
    for latents in sample(*given):
        with open("sampled", "a") as file:
            print(given[0].request.seed, file=file)
        yield latents

def run(moment):
    child = os.fork()
    if not child:
        animate.sample_in_segments = sampled
        left = kill_at(moment)
        sys.argv = ["lib_svd", "batch", str(folder / "in"), "--checkpoint", checkpoint, "--steps", "1", "--frames", "3",
                    "--out-dir", "out", "--json"]
        with open("said", "w") as said:
            os.dup2(said.fileno(), 1)
            try:
                main()
            except SystemExit as ended:
                sys.stdout.flush()
                with open("left", "a") as file:
                    print(-left[0], file=file)
                os._exit(ended.code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

for moment in moments:
    here = Path(sys.argv[4], str(moment))
    here.mkdir(parents=True)
    os.chdir(here)
    codes = [run(moment), run(0)]
    Path("codes").write_text(json.dumps(codes))
"""


def run(folder: Path, checkpoint: Path, moments: list[int] | list[str], below: Path) -> None:
    """Run a batch of two pictures for each moment, in a folder of its own `below`, killed there, and then again.

    For what a moment is see `kill_at`.
    """
    words = [sys.executable, "-c", BATCH_UNTIL_KILLED, folder, checkpoint, json.dumps(moments), below]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, checkpoint) -> Path:
    """Two pictures, and in `0` a batch of them that nobody killed."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "in").mkdir()
    for number in range(2):
        save_picture(folder / "in" / f"{number}.png", 150 + number, 100)
    run(folder, checkpoint, [0], folder)
    return folder


@needs_fork
def test_a_batch_that_is_killed_goes_on_where_it_was(folder, checkpoint):
    whole = folder / "0"
    calls = int((whole / "left").read_text().split()[0])
    assert json.loads((whole / "codes").read_text()) == [0, 0]
    assert calls > 60
    moments = list(range(1, calls - 3, EVERY))  # how many there are differs by one or two
    run(folder, checkpoint, moments, folder)
    names = files(whole)
    for moment in moments:
        here = folder / str(moment)
        assert json.loads((here / "codes").read_text()) == [-signal.SIGKILL, 0], moment
        assert files(here) == names, moment
        for path in (here / "out").glob("*.mp4"):
            assert path.read_bytes() == (whole / "out" / path.name).read_bytes()
            entry = history.find_entry(path)
            assert entry.picture.startswith(str(folder / "in"))
            assert entry.measures["speed"] is not None
        *outcomes, end = map(json.loads, (here / "said").read_text().splitlines())
        assert sum(end["counts"].values()) == len(outcomes) == 2
        assert set(end["counts"]) <= {"made", "there already"}
        seeds = (here / "sampled").read_text().split()
        assert len(set(seeds)) == 2
        assert len(seeds) <= 3


@needs_fork
def test_what_was_sampled_and_kept_is_not_sampled_again(folder, checkpoint):
    """Killed at the first call after the latents of the first clip are there under their name."""
    run(folder, checkpoint, ["latents.safetensors"], folder / "kept")
    here = folder / "kept" / "latents.safetensors"
    assert json.loads((here / "codes").read_text()) == [-signal.SIGKILL, 0]
    assert len((here / "sampled").read_text().split()) == 2
    assert files(here) == files(folder / "0")


def files(here: Path) -> list[str]:
    """All that is in the folder of clips, hidden names too, but the report."""
    names = sorted(snapshot(here / "out"))
    assert {"report.csv", "report.html"} <= {*names}
    return [name for name in names if not name.startswith("report")]
