"""Runs a batch on a Ray cluster of two nodes on this machine, one CPU each; prints what was seen as JSON.

``python two_ray_nodes.py LINES FOLDER COMMAND...``: the second node is killed when FOLDER, where results are written,
has LINES answers; 0: it is not. The address is put behind COMMAND. The first node is the one that the command runs on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

# A node that is silent for 2 s is lost; Ray's own limits make that 15 s.
SOON_MISSED = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 4,
}
RUN_SECONDS = 90.0
POLL_SECONDS = 0.02


def answers(folder: Path) -> int:
    """How many lines there are so far."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("predictions.jsonl*"))


def main(lines: int, folder: Path, command: list[str]) -> dict[str, Any]:
    """Run the command to its end."""
    head = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "_system_config": SOON_MISSED}
    cluster = Cluster(True, head_node_args=head)
    second = cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1")
    run = subprocess.Popen([*command, cluster.address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen: dict[str, Any] = {"at_home": False, "elsewhere": False, "shipped": [], "answers_at_kill": None}
    scratch = Path(os.environ["TMPDIR"])
    deadline = time.monotonic() + RUN_SECONDS
    while run.poll() is None and time.monotonic() < deadline:
        seen["at_home"] |= any(scratch.glob("model-service-batch-*/nodes/node-*/worker-*"))
        seen["elsewhere"] |= any(scratch.glob("node-*/worker-*"))
        shipped = scratch.glob("node-*/package/*")
        seen["shipped"] = sorted({*seen["shipped"], *(path.name for path in shipped)})
        if lines and seen["answers_at_kill"] is None and answers(folder) >= lines:
            seen["answers_at_kill"] = answers(folder)
            cluster.remove_node(second, allow_graceful=False)
        time.sleep(POLL_SECONDS)
    if run.poll() is None:
        run.kill()
    seen["stdout"], seen["stderr"] = run.communicate()
    seen["status"] = run.returncode
    cluster.shutdown()
    return seen


if __name__ == "__main__":
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w") as report:
        os.dup2(2, 1)  # what Ray's own test cluster prints is not for the test
        json.dump(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]), report)
