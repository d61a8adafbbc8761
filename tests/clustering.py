"""A Ray cluster of two nodes on this machine, with a core each and no GPU, as a program that is told what to do.

python -m tests.clustering: prints its address; `node` on standard input kills the second node, `worker` one process
that makes clips; the end of the input ends it.
"""

from __future__ import annotations

import os
import sys

import psutil

ROOM = 100 * 2**20  # bytes of the object store
MAKES_CLIPS = "ray::Node"  # what Ray calls such a process


def serve() -> None:
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_DISABLE_IMPORT_WARNING="1")
    from ray.cluster_utils import Cluster

    how = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": ROOM, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=how)
    second = cluster.add_node(**how)
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "node":
            cluster.remove_node(second, allow_graceful=False)
        else:
            kill_worker()
        print("done", flush=True)
    cluster.shutdown()


def kill_worker() -> None:
    """Kill a process that makes clips."""
    found = [each for each in psutil.process_iter(["cmdline"]) if is_worker(each)]
    found[0].kill()


def is_worker(program: psutil.Process) -> bool:
    words = program.info["cmdline"] or [""]
    try:
        return words[0].startswith(MAKES_CLIPS) and program.environ().get("SVD_CLUSTER") == os.environ["SVD_CLUSTER"]
    except psutil.Error:
        return False


if __name__ == "__main__":
    serve()
