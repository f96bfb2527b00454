"""The dependencies of a package as pip takes them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from model_packaging.dependency_rules import check_dependencies
from model_service.errors import PackageError, SettingsError
from model_service.package.config import read_config
from model_service.package.dependencies import Dependency, read_dependencies, specifier_of
from model_service.package.import_names import normalized
from model_service.package.layout import PackageLayout

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


def requirements_of(layout: PackageLayout, overrides: Sequence[str] = (), *, modern: bool = False) -> list[Line]:
    """Return what a package needs, in its order.

    Args:
        layout: of the package; wheels in it are named by their paths.
        overrides: requirements such as ``numpy==2.1`` that stand in for declared ones of the same name.
        modern: whether EXACT and ATMOST pins of :data:`MODERN_NAMES` give way to what is installed here.

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
    return [_line(each, layout, replacements, modern) for each in lines]


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
        if not each.is_wheel:
            try:
                Requirement(each.requirement)
            except InvalidRequirement as error:
                reason = str(error).partition("\n")[0]
                raise PackageError(
                    f"{layout.config_path}: {each.pointer} {each.requirement!r} is no requirement of pip: {reason}"
                ) from error
    return dependencies


def _named(override: str) -> tuple[str, str]:
    try:
        return normalized(Requirement(override).name), override.strip()
    except InvalidRequirement as error:
        raise SettingsError(f"--override {override}: must be a requirement such as numpy==2.1") from error


def _line(dependency: Dependency, layout: PackageLayout, replacements: Mapping[str, str], modern: bool) -> Line:
    name = normalized(dependency.distribution)
    if name in replacements:
        return Line(replacements[name], dependency.group, f"--override; config.json says {dependency.requirement}")
    if dependency.is_wheel:
        path = layout.model_directory / dependency.name
        return Line(f"{dependency.distribution} @ {path.as_uri()}", dependency.group)
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
    texts = [f"# What {package.name or package} declares in config.json, in its order."]
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
