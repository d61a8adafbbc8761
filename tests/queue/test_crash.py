"""A program with a queue of jobs is killed: the next start has all of them, and makes none twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from lib_svd.request import ClipRequest

ROOT = Path(__file__).parents[2]
JOBS = 10
RUN_UNTIL_DONE = """
import os, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.queue import JobQueue
from lib_svd.studio import Studio
from tests.killing import kill_at

clips, checkpoint, picture, jobs = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
kills = [int(each) for each in sys.argv[5].split(",")]  # calls of the system after which one is killed
def work(is_first, calls):
    host = make_standalone_host("cpu", model_dirs=(checkpoint.parent,), output_dir=clips, options={"svd_review": False})
    queue = JobQueue(Studio(host))
    if is_first:
        for seed in range(jobs):
            order = {"checkpoint": checkpoint.name, "num_frames": 2, "num_steps": 2, "seed": seed}
            queue.add("animate", order, picture.read_bytes(), title=str(seed))
    kill_at(calls)
    queue.open()
    for job in queue.list_jobs():
        ended = queue.await_end(job.id).result(120)
        print(ended.title, ended.state.value, ended.message, [each["path"] for each in ended.clips], flush=True)

for number, calls in enumerate([*kills, 0]):
    child = os.fork()
    if not child:
        try:
            work(number == 0, calls)
            os._exit(0)
        except BaseException as error:
            print("failed", type(error).__name__, error, flush=True)
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    print("child", number, status, flush=True)
"""


def run(clips: Path, checkpoint: Path, picture: Path, jobs: int, kills: list[int]) -> list[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-c", RUN_UNTIL_DONE, clips, checkpoint, picture, str(jobs), ",".join(map(str, kills))]
    ran = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def count_seeds(clips: Path) -> Counter[int]:
    return Counter(ClipRequest.from_infotext(path.read_text()).seed for path in clips.glob("*.txt"))


def test_ten_jobs_and_ten_kills_make_ten_clips_each_once(checkpoint, picture, tmp_path):
    clips = tmp_path / "clips"
    said = run(clips, checkpoint, picture, JOBS, [9, 61, 47, 59, 68, 53, 73, 55, 65, 59])
    assert sum(" 9" in line for line in said if line.startswith("child")) >= 5, said  # killed by signal 9
    assert count_seeds(clips) == Counter(range(JOBS)), said
    assert len(list(clips.glob("*.mp4"))) == JOBS
    left = [path.name for path in clips.iterdir() if path.suffix not in (".mp4", ".txt", ".json")]
    assert sorted(left) in (["pictures", "queue"], ["queue"]), left


@pytest.mark.parametrize("step", [7, 19, 25, 31])
def test_a_kill_at_every_few_steps_of_a_clip(checkpoint, picture, tmp_path, step):
    clips = tmp_path / "clips"
    said = run(clips, checkpoint, picture, 2, [step])
    assert count_seeds(clips) == Counter(range(2)), said
    assert [path.name for path in clips.glob(".svd-*")] == []
    assert [path.name for path in clips.glob("*.latents.safetensors")] == []
    assert [path.name for path in clips.rglob("*.part")] == []
