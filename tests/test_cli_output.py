"""What is printed never ends the work: letters that a terminal lacks, readers who have gone, disks that are full."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def run_svd(*words: object, **how: Any) -> subprocess.CompletedProcess[bytes]:
    """The command line in a process of its own, whose output goes wherever it is said to."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **how.pop("environment", {})}
    command = [sys.executable, "-W", "error", "-m", "lib_svd", *map(str, words)]
    return subprocess.run(command, env=environment, check=False, timeout=300, **how)


SMALL = ("--checkpoint", "demo", "--steps", 1, "--frames", 2, "--seed", 1)


def test_names_that_a_terminal_has_no_letters_for_are_written_out_and_all_clips_are_made(here, picture):
    shutil.copy(picture, "猫 😀.jpg")
    ran = run_svd("animate", "猫 😀.jpg", *SMALL, "--count", 2, capture_output=True,
              environment={"PYTHONIOENCODING": "cp1252"})  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert rb"output/\u732b \ud83d\ude00-svd-0001-1.mp4: 2 frames" in ran.stdout
    listed = run_svd("history", "output", "--json", capture_output=True, environment={"PYTHONIOENCODING": "ascii"})
    assert sorted(Path(each["path"]).name for each in json.loads(listed.stdout)) == [
        *("猫 😀-svd-0001-1.mp4", "猫 😀-svd-0001-2.mp4")
    ]


@pytest.mark.parametrize("broken", ["stdout", "stderr"])
def test_a_reader_who_has_gone_costs_no_clip(here, picture, broken):
    reading, writing = os.pipe()
    os.close(reading)
    others = {each: subprocess.DEVNULL for each in ("stdout", "stderr") if each != broken}
    ran = run_svd("animate", picture, *SMALL, "--count", 2, **{broken: writing}, **others)
    os.close(writing)
    assert ran.returncode == 0
    assert len([*Path("output").glob("*.mp4")]) == 2


def test_a_full_disk_behind_the_output_costs_no_clip(here, picture):
    with Path("/dev/full").open("wb") as full:
        ran = run_svd("animate", picture, *SMALL, "--count", 2, stdout=full, stderr=subprocess.PIPE)
    assert ran.returncode == 0, ran.stderr
    assert len([*Path("output").glob("*.mp4")]) == 2
