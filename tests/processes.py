"""Finding the processes that a test has caused."""

from __future__ import annotations

from pathlib import Path


def process_ids(*words: str) -> list[int]:
    """The processes whose command line holds all these words."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:  # it has ended meanwhile
            continue
        if all(word in command for word in words):
            found.append(int(folder.name))
    return found


def child_ids(parent: int, *words: str) -> list[int]:
    """The children of a process whose command line holds all these words."""
    found = []
    for pid in process_ids(*words):
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        if f"\nPPid:\t{parent}\n" in status:
            found.append(pid)
    return found
