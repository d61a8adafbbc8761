"""The API of `serve` and web UIs, without a page: a program for tests that want several servers.

python -m tests.serving PORT MODELS FOLDER: clips go to FOLDER/clips. As long as there is a file FOLDER/hang nothing is
sampled, and FOLDER/sampling says that something would be. SVD_PASSWORD is `name:password`, SVD_MOST how many may wait.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from lib_svd import animate, api
from lib_svd.door import Door
from lib_svd.errors import Interrupted
from lib_svd.hosts.standalone import make_standalone_host
from lib_svd.queue import JobQueue, queue
from lib_svd.studio import Studio


def serve(port: int, models: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    sample = animate.sample_in_segments

    def wait_and_sample(run, *given):
        while (folder / "hang").exists():
            (folder / "sampling").touch()
            if run.host.queue.is_interrupted():
                raise Interrupted("Stopped.")
            time.sleep(0.02)
        return sample(run, *given)

    animate.sample_in_segments = wait_and_sample
    queue.MOST_WAITING, queue.USUAL = int(os.environ.get("SVD_MOST", queue.MOST_WAITING)), 1.0
    studio = Studio(make_standalone_host("cpu", model_dirs=(models,), output_dir=folder / "clips"))
    app = FastAPI()
    api.add_routes(app, studio, JobQueue(studio), [])
    uvicorn.run(Door(app, (), os.environ.get("SVD_PASSWORD", "")), host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
