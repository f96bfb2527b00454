"""Becomes another program, which the kernel ends with the thread that started it: ``launch.py PARENT PROGRAM ...``.

A program of its own because what must be done between fork and exec cannot be done safely in a process with threads.
Run with ``-I -S`` it imports next to nothing.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: "list[str]") -> None:
    """Ask the kernel, then become the command; does not return."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before the kernel was asked
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), sys.argv[2:])
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error.strerror}")
