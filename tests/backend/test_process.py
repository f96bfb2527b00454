"""Processes started while another thread forks."""

from __future__ import annotations

import subprocess
import sys

# Forks children that stay, while another thread starts processes and reads them to their end. A child that inherits
# the pipe of one keeps its reader waiting.
_FORKS_AND_STARTS = """
import os, signal, subprocess, sys, threading, warnings
from pathlib import Path
from model_service.backend.process import start_process
import concurrent.futures.thread  # whose lock is taken at a fork before ours, because it was registered after it

warnings.simplefilter("ignore")
done, late = threading.Event(), []

def start():
    for _ in range(60):
        process = start_process(["true"], Path("/"), None)
        try:
            process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            late.append(process.pid)
            break
    done.set()

def give_up():
    sys.stdout.write("deadlock")
    sys.stdout.flush()
    os._exit(0)

stop = threading.Timer(30, give_up)
stop.daemon = True
stop.start()
children = []
starter = threading.Thread(target=start, daemon=True)
starter.start()
while not done.is_set() and len(children) < 400:
    pid = os.fork()
    if not pid:
        signal.pause()
    children.append(pid)
done.wait(10)
stop.cancel()
for pid in children:
    os.kill(pid, signal.SIGKILL)
sys.stdout.write(f"{done.is_set()} {late}")
sys.stdout.flush()
os._exit(0)
"""


def test_a_forked_worker_does_not_keep_the_pipes_of_a_starting_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORKS_AND_STARTS], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("True []", "")
