"""Ending with the process that supervises this one, even when that is killed with SIGKILL."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Mapping

PARENT_PID_VARIABLE = "MODEL_SERVICE_PARENT_PID"

_PR_SET_PDEATHSIG = 1


def bind_to_parent(environ: Mapping[str, str]) -> None:
    """If the environment names the supervising process, have the kernel send SIGTERM here when it ends (Linux only).

    The kernel watches the *thread* that started this process. A parent that has ended before the call is noticed too.
    """
    parent = environ.get(PARENT_PID_VARIABLE, "")
    if not parent.isdigit() or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit("the supervising process has ended")
