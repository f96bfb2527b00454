"""A report for people: the worst first, each with its line, what happens because of it, and how to mend it."""

from __future__ import annotations

import os
import shutil
import textwrap
from dataclasses import dataclass
from typing import TextIO

from model_packaging.check.finding import Finding, Severity
from model_packaging.check.package_check import CheckReport
from model_packaging.command import printable

_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.NOTE: "36"}
_BOLD, _DIM = "1", "2"
_LEAST_COLUMNS = 40


@dataclass(frozen=True)
class TextStyle:
    """How a report is set: its width in columns, and whether colours may be used."""

    columns: int = 100
    has_colours: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> TextStyle:
        """The style for a stream: a terminal's width and colours; a file gets neither."""
        if not stream.isatty():
            return cls()
        has_colours = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(shutil.get_terminal_size().columns, has_colours)

    def paint(self, text: str, colour: str) -> str:
        """Give a text a colour, if there are any."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.has_colours else text


def text_report(report: CheckReport, style: TextStyle) -> str:
    """Return the report as text, without a line break at its end."""
    blocks = [_block(report, each, style) for each in report.findings]
    return "\n\n".join([*blocks, _closing(report, style)])


def _block(report: CheckReport, each: Finding, style: TextStyle) -> str:
    head = style.paint(f"{each.severity.value}: {each.code}", f"{_BOLD};{_COLOURS[each.severity]}")
    lines = [f"{head}  {printable(str(each.place), keeps_breaks=False)}", *_wrap(each.message, "  ", "  ", style)]
    source = printable(report.source_lines.get(each.place, ""), keeps_breaks=False)
    if source:
        room = max(style.columns - 12, _LEAST_COLUMNS)
        shown = source if len(source) <= room else f"{source[: room - 3]}..."
        lines.append(style.paint(f"    {each.place.line:>5} | {shown}", _DIM))
    lines += _wrap(each.consequence, "  -> callers: ", "     ", style)
    lines += _wrap(each.remedy, "  -> do: ", "     ", style)
    return "\n".join(lines)


def _wrap(text: str, first: str, others: str, style: TextStyle) -> list[str]:
    lines: list[str] = []
    for part in printable(text).splitlines() or [""]:
        start = first if not lines else others
        wrapped = textwrap.wrap(
            part,
            max(style.columns, _LEAST_COLUMNS),
            initial_indent=start,
            subsequent_indent=others,
            break_on_hyphens=False,
        )
        lines += wrapped or [start.rstrip()]
    return lines


def _closing(report: CheckReport, style: TextStyle) -> str:
    counts = [sum(1 for each in report.findings if each.severity is severity) for severity in Severity]
    named = [
        f"{count} {severity.value}{'' if count == 1 else 's'}" for count, severity in zip(counts, Severity, strict=True)
    ]
    suppressed = f" ({len(report.suppressed)} suppressed)" if report.suppressed else ""
    if any(counts):
        line = f"{', '.join(named)} in {report.seconds:.1f} s{suppressed}"
        return style.paint(line, _COLOURS[Severity.ERROR] if counts[0] else _BOLD)
    how = "read and run" if report.has_run else "read, not run"
    found = f"nothing found in {report.seconds:.1f} s{suppressed}; {how}: {_looked_at(report)}"
    first, *others = _wrap(f"{report.subject.path}: {found}", "", "  ", style)
    return "\n".join([style.paint(first, _BOLD), *others])


def _looked_at(report: CheckReport) -> str:
    layout, subject = report.subject.layout, report.subject
    parts = [
        f"config.json ({len(subject.config.apis)} api{'' if len(subject.config.apis) == 1 else 's'})",
        "customize_service.py" if layout.service_path is not None else "the default service",
    ]
    if subject.signature is not None:
        inputs = ", ".join(map(str, subject.signature.inputs.values()))
        outputs = ", ".join(map(str, subject.signature.outputs.values()))
        parts.append(f"signature {subject.signature.name} ({inputs} -> {outputs})")
    return printable(", ".join(parts), keeps_breaks=False)
