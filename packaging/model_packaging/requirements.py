"""The dependencies of a package as pip takes them."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion

from model_packaging.dependency_rules import check_dependencies
from model_service.errors import PackageError, SettingsError
from model_service.package.config import read_config
from model_service.package.dependencies import Dependency, read_dependencies, specifier_of
from model_service.package.import_names import normalized
from model_service.package.layout import PackageLayout
from model_service.package.manifest import shown

# What --modern may relax: the distributions whose releases from the years of the original runtime have no wheels for
# today's Python; and the names that some had then.
MODERN_NAMES: Mapping[str, str] = {
    "h5py": "h5py",
    "keras": "keras",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "opencv-python": "opencv-python",
    "opencv-python-headless": "opencv-python-headless",
    "pandas": "pandas",
    "pil": "pillow",
    "pillow": "pillow",
    "protobuf": "protobuf",
    "scikit-image": "scikit-image",
    "scikit-learn": "scikit-learn",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "tensorflow": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "tensorflow-gpu": "tensorflow",
}
_RELAXED = ("==", "<=")
_WHEEL = re.compile(r"[A-Za-z0-9._+!-]+")


@dataclass(frozen=True)
class Line:
    """One requirement.

    Attributes:
        text: as it stands in a requirements file.
        group: index of the element of ``dependencies`` it comes from.
        remark: why it is not what config.json says; "" if it is.
    """

    text: str
    group: int
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.text}  # {self.remark}" if self.remark else self.text


def requirement_of(package: Mapping[str, Any]) -> str:
    """Return an entry of ``packages`` as pip takes it: ``numpy>=1.15.0``; a wheel by its file name.

    Args:
        package: keeps the rules of :mod:`model_packaging.dependency_rules`; else its version is left out.
    """
    name = str(package.get("package_name", "")).strip()
    return Dependency(name, specifier_of(package), 0, "").requirement


def requirements_of(
    layout: PackageLayout,
    overrides: Sequence[str] = (),
    *,
    modern: bool = False,
    wheel_text: Callable[[Path], str] | None = None,
) -> list[Line]:
    """Return what a package needs, in its order.

    Args:
        layout: of the package.
        overrides: requirements such as ``numpy==2.1`` that stand in for declared ones of the same name.
        modern: whether EXACT and ATMOST pins of :data:`MODERN_NAMES` give way to what is installed here.
        wheel_text: how a wheel in ``model/`` is named, made of its path; None: ``name @ file:///...``.

    Raises:
        PackageError: config.json cannot be used, or pip cannot install what it says; the message has JSON pointers.
        SettingsError: an override is no requirement, or nothing of its name is declared.
    """
    lines = _declared(layout)
    replacements = dict(map(_named, overrides))
    declared = {normalized(each.distribution) for each in lines}
    for name, text in replacements.items():
        if name not in declared:
            raise SettingsError(
                f"--override {text}: config.json declares no such dependency; it has: {_listed(lines) or 'none'}"
            )
    return [
        _wheel_line(each, layout, wheel_text)
        if each.is_wheel and normalized(each.distribution) not in replacements
        else _line(each, replacements, modern)
        for each in lines
    ]


def _listed(dependencies: Iterable[Dependency]) -> str:
    return ", ".join(each.name for each in dependencies)


def _declared(layout: PackageLayout) -> tuple[Dependency, ...]:
    if layout.config_path is None:
        return ()
    config = read_config(layout.config_path)
    unusable = [problem for problem in config.problems if not problem.place.startswith("/")]
    if unusable:
        raise PackageError(f"{layout.model_directory}: {unusable[0]}")
    if "dependencies" in config.content:
        wheels = {wheel.name for wheel in layout.model_directory.glob("*.whl")}
        findings = [str(each) for each in check_dependencies(config.content["dependencies"], wheels)]
        if findings:
            raise PackageError(
                "\n".join(
                    [f"{layout.config_path}: pip cannot install what it declares:", *(f"  {each}" for each in findings)]
                )
            )
    dependencies = read_dependencies(config.content)
    for each in dependencies:
        reason = _unfit_wheel(each.name) if each.is_wheel else _unfit_requirement(each.requirement)
        if reason:
            raise PackageError(
                f"{layout.config_path}: {each.pointer} {each.requirement!r} is no requirement of pip: {reason}"
            )
    return dependencies


def _unfit_requirement(text: str) -> str:
    """Why a line of a requirements file cannot say this and nothing else; "": it can.

    pip takes addresses, too, and puts environment variables into them: those of whoever installs.
    """
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        return str(error).partition("\n")[0]
    if requirement.url is not None or not text.isprintable():
        return "package_name must be the name of a distribution, or of a wheel that lies in model/"
    return ""


def _unfit_wheel(name: str) -> str:
    try:
        parse_wheel_filename(name)
    except InvalidWheelFilename as error:
        return str(error)
    return "" if _WHEEL.fullmatch(name) else "the name of a wheel is made of letters, digits and . _ + ! -"


def _named(override: str) -> tuple[str, str]:
    try:
        return normalized(Requirement(override).name), override.strip()
    except InvalidRequirement as error:
        raise SettingsError(f"--override {override}: must be a requirement such as numpy==2.1") from error


def _wheel_line(wheel: Dependency, layout: PackageLayout, wheel_text: Callable[[Path], str] | None) -> Line:
    path = layout.model_directory / wheel.name
    text = f"{wheel.distribution} @ {path.as_uri()}" if wheel_text is None else wheel_text(path)
    return Line(text, wheel.group)


def _line(dependency: Dependency, replacements: Mapping[str, str], modern: bool) -> Line:
    name = normalized(dependency.distribution)
    if name in replacements:
        return Line(replacements[name], dependency.group, f"--override; config.json says {dependency.requirement}")
    if modern and name in MODERN_NAMES:
        return _modern(dependency, MODERN_NAMES[name])
    return Line(dependency.requirement, dependency.group)


def _modern(dependency: Dependency, name: str) -> Line:
    """What stands for a pin that today's Python cannot have; the pin itself, where what is installed keeps it."""
    line = Line(dependency.requirement, dependency.group)
    if normalized(dependency.name) == name and not dependency.specifier.startswith(_RELAXED):
        return line
    remark = f"--modern; config.json says {dependency.requirement}"
    try:
        installed = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return replace(line, text=name, remark=f"{remark}, and none is installed here")
    if normalized(dependency.name) == name and _is_kept(dependency.specifier, installed):
        return line
    return replace(line, text=f"{name}=={installed}", remark=f"{remark}, and this is installed here")


def _is_kept(specifier: str, installed: str) -> bool:
    try:
        return SpecifierSet(specifier).contains(installed, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def as_file(lines: Sequence[Line], package: Path) -> str:
    """Return a requirements file: the groups one after the other, each under a comment where there are several."""
    groups = sorted({line.group for line in lines})
    texts = [f"# What {shown(package.name or str(package))} declares in config.json, in its order."]
    if len(groups) > 1:
        texts += [
            "# pip installs a whole file together, in an order of its own. Where something of a later group is built",
            "# from source and needs an earlier group for it, install group by group: --group 1, then --group 2, ...",
        ]
    for number, group in enumerate(groups, 1):
        if len(groups) > 1:
            texts += ["", f"# group {number}"]
        texts += [str(line) for line in lines if line.group == group]
    return "\n".join(texts) + "\n"
