"""The Python files of a package: customize_service.py and what it imports from beside it, parsed, never run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place
from model_packaging.check.reading.names import Spot, visit
from model_packaging.check.subject import Subject

HOOKS = ("_preprocess", "_inference", "_postprocess")
_CALLED_BY_THE_RUNTIME = (*HOOKS, "inference", "ping", "signature")
_PYTHON_2 = re.compile(
    r"^\s*print\s+(?![=.(,)\[:]|in\b|if\b|and\b|or\b|is\b)\S|^\s*print\s*>>|^\s*exec\s+[\"'\w]"
    r"|except\s+[\w.()\s,]+?,\s*\w+\s*:|^\s*raise\s+\w+\s*,|<>|\b[uU][rR][\"']|\b0[0-7]+\b|\b\d+[lL]\b|`"
)


@dataclass(frozen=True)
class Source:
    """One parsed file.

    Attributes:
        name: its path as findings show it.
        spots: every node, with where it stands.
    """

    path: Path
    name: str
    tree: ast.Module
    spots: tuple[Spot, ...]

    def place(self, node: ast.AST) -> Place:
        """Where a node stands."""
        return Place(self.name, getattr(node, "lineno", 0))


class Sources:
    """All files that the service consists of, the service itself first; a file that cannot be parsed is left out.

    Attributes:
        findings: about files that cannot be parsed.
        is_complete: every file that is imported from beside the service could be parsed.
    """

    def __init__(self, subject: Subject):
        self.folder = subject.layout.model_directory
        self.findings: list[Finding] = []
        self._sources: dict[Path, Source] = {}
        path = subject.layout.service_path
        ahead = [] if path is None else [path]
        while ahead:
            each = ahead.pop(0)
            if each in self._sources:
                continue
            source = _parse(each, subject.relative(each), self.findings)
            if source is not None:
                self._sources[each] = source
                ahead += self._siblings(source)
        self.service = self._sources.get(path) if path is not None else None
        self.is_complete = not self.findings

    def __iter__(self) -> Iterator[Source]:
        return iter(self._sources.values())

    @cached_property
    def used_names(self) -> frozenset[str]:
        """Every name and attribute that is read anywhere, and every text: it may be a name for getattr."""
        return frozenset(name for spot in self.spots() if (name := _name_read(spot.node)))

    @cached_property
    def _certainly_used_names(self) -> frozenset[str]:
        """The same, but for places where a failure may be meant: what only they reach fails as it may."""
        return frozenset(name for spot in self.spots() if not spot.is_guarded and (name := _name_read(spot.node)))

    def spots(self) -> Iterator[Spot]:
        """Every node of every file."""
        for source in self:
            yield from source.spots

    def is_used(self, spot: Spot) -> bool:
        """Whether a place may be reached: no function around it is one that nobody names, or only under guard."""
        return all(
            each.decorator_list
            or each.name in self._certainly_used_names
            or each.name in _CALLED_BY_THE_RUNTIME
            or (each.name.startswith("__") and each.name.endswith("__"))
            for each in spot.functions
        )

    def certain(self, source: Source) -> Iterator[Spot]:
        """The places of a file that are reached and not guarded: what fails there fails the service."""
        return (spot for spot in source.spots if not spot.is_guarded and self.is_used(spot))

    def module_path(self, name: str, beside: Path) -> Path | None:
        """The file of a module that lies in the package; None: there is none.

        Args:
            name: dotted; relative ones begin with dots.
            beside: the file that imports it.
        """
        level = len(name) - len(name.lstrip("."))
        folder = self.folder if not level else beside.parents[level - 1] if level <= len(beside.parents) else None
        if folder is None:
            return None
        parts = [part for part in name.lstrip(".").split(".") if part]
        path = folder.joinpath(*parts)
        for candidate in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if parts and candidate.is_file():
                return candidate
        return None

    def _siblings(self, source: Source) -> list[Path]:
        found = []
        for spot in source.spots:
            for name in imported_modules(spot.node):
                parts = name.split(".")
                for end in range(1, len(parts) + 1):
                    path = self.module_path(".".join(parts[:end]), source.path)
                    if path is not None:
                        found.append(path)
        return found


def _name_read(node: ast.AST) -> str:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def imported_modules(node: ast.AST) -> list[str]:
    """The dotted names that an import statement may load as modules; relative ones begin with dots."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        joint = "." if node.module else ""
        return [module, *(f"{module}{joint}{alias.name}" for alias in node.names)]
    return []


def _parse(path: Path, name: str, findings: list[Finding]) -> Source | None:
    try:
        content = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes, "is" with literals: not what is asked here
            tree = ast.parse(content, name)
        return Source(path, name, tree, visit(tree))
    except OSError as error:
        findings.append(finding("service-not-readable", Place(name), f"cannot be read: {error.strerror}"))
    except SyntaxError as error:
        findings.append(_syntax_finding(name, content, error))
    except (ValueError, RecursionError, MemoryError) as error:
        findings.append(finding("service-syntax", Place(name), f"is not valid Python: {error or type(error).__name__}"))
    return None


def _syntax_finding(name: str, content: bytes, error: SyntaxError) -> Finding:
    line = error.lineno or 0
    lines = content.decode("utf-8", "replace").splitlines()
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    place = Place(name, line)
    is_python_2 = "Missing parentheses in call to" in (error.msg or "") or _PYTHON_2.search(text) is not None
    if is_python_2 or isinstance(error, TabError):
        return finding("python-2", place, f"is written for Python 2: {error.msg}")
    return finding("service-syntax", place, f"is not valid Python: {error.msg}")
