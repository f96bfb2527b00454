"""Files that the service opens by a path that stands in its code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding
from model_packaging.check.reading.names import Spot, dotted, is_bound
from model_packaging.check.reading.near import did_you_mean
from model_packaging.check.reading.sources import Source, Sources
from model_service.author.run_folder import VERSION_NAME

_READERS = frozenset(
    {
        "PIL.Image.open",
        "codecs.open",
        "cv2.imread",
        "io.open",
        "joblib.load",
        "keras.models.load_model",
        "numpy.genfromtxt",
        "numpy.load",
        "numpy.loadtxt",
        "os.listdir",
        "pandas.read_csv",
        "pandas.read_excel",
        "pandas.read_json",
        "pandas.read_pickle",
        "tensorflow.keras.models.load_model",
        "tensorflow.saved_model.load",
    }
)
_OPENS = frozenset({"io.open", "codecs.open"})


def check_opened_files(sources: Sources) -> Iterator[Finding]:
    """Yield a finding for each path that is read, and is not there when the service runs."""
    mentioned = _mentions(sources)
    keeps_model_path = not any(_sets_model_path(spot) for spot in sources.spots())
    for source in sources:
        for spot in sources.certain(source):
            argument = _read_path(spot)
            if argument is None:
                continue
            path = _literal(argument, spot)
            if path and _is_elsewhere(path) and not Path(path).exists():
                message = f"opens {path!r}, which is not there"
                yield finding("path-of-another-machine", source.place(spot.node), message)
            elif path and not Path(path).is_absolute():
                yield from _check_in_package(source, spot, sources, path, mentioned)
            elif not path and keeps_model_path:
                inside = _below_model_path(argument, spot)
                if inside:
                    yield from _check_in_package(source, spot, sources, inside, mentioned)


def _read_path(spot: Spot) -> ast.expr | None:
    """The path that a call reads; None: the node is no such call."""
    node = spot.node
    if not isinstance(node, ast.Call) or not node.args:
        return None
    is_builtin = isinstance(node.func, ast.Name) and node.func.id == "open" and not is_bound("open", spot.scopes)
    name = "open" if is_builtin else dotted(node.func, spot.scopes)
    if name not in _READERS and not is_builtin:
        return None
    if is_builtin or name in _OPENS:
        modes = [*node.args[1:2], *(each.value for each in node.keywords if each.arg == "mode")]
        if any(not isinstance(mode, ast.Constant) or not str(mode.value).startswith("r") for mode in modes):
            return None
    return node.args[0]


def _literal(node: ast.expr, spot: Spot) -> str:
    """The text of a constant, also of one with a name that is assigned once; "": it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        for scope in reversed(spot.scopes):
            bindings = scope.bindings.get(node.id)
            if bindings is not None:
                only = bindings[0] if len(bindings) == 1 else None
                is_text = isinstance(only, ast.Constant) and isinstance(only.value, str)
                return str(only.value) if is_text and isinstance(only, ast.Constant) else ""
    return ""


def _below_model_path(node: ast.expr, spot: Spot) -> str:
    """The rest of ``os.path.join(self.model_path, "a", "b")``, as ``a/b``; "": it is no such expression."""
    if not isinstance(node, ast.Call) or dotted(node.func, spot.scopes) != "os.path.join" or len(node.args) < 2:
        return ""
    first = node.args[0]
    if not isinstance(first, ast.Attribute) or first.attr != "model_path" or not isinstance(first.value, ast.Name):
        return ""
    if first.value.id != "self":
        return ""
    parts = [_literal(each, spot) for each in node.args[1:]]
    return "/".join(parts) if all(parts) else ""


def _sets_model_path(spot: Spot) -> bool:
    node = spot.node
    return isinstance(node, ast.Attribute) and node.attr == "model_path" and isinstance(node.ctx, ast.Store)


def _is_elsewhere(path: str) -> bool:
    """Whether an absolute path belongs to a person's own machine, or to the platform's container."""
    starts = ("/home/", "/Users/", "/root/", "/content/", "/cache/", "/kaggle/")
    return path.startswith(starts) or PureWindowsPath(path).drive != ""


def _check_in_package(
    source: Source, spot: Spot, sources: Sources, path: str, mentioned: dict[str, int]
) -> Iterator[Finding]:
    """A relative path leads into the run folder: its files are the package's, and so are those of ``model/1``."""
    parts = PurePosixPath(path).parts
    if ".." in parts or mentioned.get(path, 0) > 1:
        return  # it may be written first, or asked for
    inside = parts[2:] if parts[:2] == ("model", VERSION_NAME) else parts
    place = sources.folder.joinpath(*inside)
    if inside and not place.exists():
        beside = [each.name for each in place.parent.iterdir()] if place.parent.is_dir() else []
        message = f"opens {path!r}, which is not in the package{did_you_mean(place.name, beside)}"
        yield finding("missing-file", source.place(spot.node), message)


def _mentions(sources: Sources) -> dict[str, int]:
    """How often each text stands in the code."""
    counts: dict[str, int] = {}
    for spot in sources.spots():
        if isinstance(spot.node, ast.Constant) and isinstance(spot.node.value, str):
            counts[spot.node.value] = counts.get(spot.node.value, 0) + 1
    return counts
