"""How a command ends: every error becomes a line and an exit status, and whatever it had begun is undone."""

from __future__ import annotations

import io
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from model_service.errors import ModelServiceError

EXIT_USAGE = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT  # what a shell reports for a process that SIGINT ended
_EXIT_UNREAD = 128 + signal.SIGPIPE


def run_command(title: str, command: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Run a command and return its exit status.

    SIGTERM ends it as Ctrl-C does: by an exception, so that what is half written goes and processes that it started
    end. A reader of its output may stop reading; what a terminal cannot show is written as ``\\xff``.

    Args:
        title: what stands before its errors, ``model-service package build``.
        command: takes the arguments. May raise ModelServiceError, OSError, and SystemExit as argparse does.
        argv: the arguments.

    Returns:
        What the command returns; 2: it raised an error; 130: it was interrupted; 141: nobody reads what it prints.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with _sigterm_interrupts():
            status = command(argv)
            sys.stdout.flush()
            return status
    except SystemExit as error:  # argparse, after --help or a usage error
        return int(error.code or 0)
    except KeyboardInterrupt:
        problem, status = "interrupted", EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at the end
        return _EXIT_UNREAD
    except ModelServiceError as error:
        problem, status = str(error), EXIT_USAGE
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        problem, status = f"{place}{error.strerror or error}", EXIT_USAGE
    print(f"{title}: {printable(problem)}", file=sys.stderr)
    return status


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough; cleaning up is not disturbed
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def typed(path: Path) -> str:
    """Return a path as a person types it into a shell, as the argument of a command."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def printable(text: str, *, keeps_breaks: bool = True) -> str:
    """Return a text that may come from a stranger's file so that it cannot command the terminal.

    Control characters are spelt out, but for tabs and, unless told otherwise, line breaks.
    """
    kept = "\t\n" if keeps_breaks else "\t"
    return "".join(each if each.isprintable() or each in kept else ascii(each)[1:-1] for each in text)
