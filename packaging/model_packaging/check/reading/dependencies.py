"""``dependencies`` of config.json against what is installed here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding
from model_packaging.check.reading.json_text import JsonText
from model_packaging.requirements import requirement_of

# Written as a dependency, but the name of a module: pip finds no distribution of that name, or a wrong one.
_MODULES_NOT_DISTRIBUTIONS = {
    "pil": "Pillow",
    "cv2": "opencv-python",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}


@dataclass(frozen=True)
class DeclaredPackage:
    """One package of ``dependencies``.

    Attributes:
        requirement: as pip takes it.
        pointer: where it stands in config.json.
    """

    name: str
    requirement: str
    pointer: str


@dataclass(frozen=True)
class Declared:
    """All packages that config.json declares, by canonical name.

    Attributes:
        has_wheels: a wheel file is among them, whose modules are not known.
    """

    packages: Mapping[str, DeclaredPackage]
    has_wheels: bool = False


def read_declared(config: object) -> Declared:
    """Take the packages out of a parsed config.json; what breaks the rules is left out."""
    packages: dict[str, DeclaredPackage] = {}
    has_wheels = False
    for pointer, package in _packages(config):
        name = package["package_name"]
        if name.endswith(".whl"):
            has_wheels = True
            continue
        try:
            requirement = requirement_of(package)
            Requirement(requirement)
        except (InvalidRequirement, ValueError, KeyError):
            requirement = name
        packages[canonicalize_name(name)] = DeclaredPackage(name, requirement, pointer)
    return Declared(packages, has_wheels)


def with_requirements(names: Iterable[str]) -> frozenset[str]:
    """Return distributions, and all that they need here, by canonical name; extras are left out."""
    found: set[str] = set()
    ahead = list(names)
    while ahead:
        name = canonicalize_name(ahead.pop())
        if name in found:
            continue
        found.add(name)
        try:
            needed = [Requirement(text) for text in requires(name) or ()]
        except (PackageNotFoundError, InvalidRequirement):
            continue
        ahead += [each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    return frozenset(found)


def _packages(config: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each package that has a name, with its pointer."""
    groups = config.get("dependencies") if isinstance(config, dict) else None
    for index, group in enumerate(groups if isinstance(groups, list) else []):
        packages = group.get("packages") if isinstance(group, dict) else None
        for number, package in enumerate(packages if isinstance(packages, list) else []):
            if isinstance(package, dict) and isinstance(package.get("package_name"), str):
                yield f"/dependencies/{index}/packages/{number}", package


def check_dependencies(config: JsonText, used_modules: frozenset[str]) -> Iterator[Finding]:
    """Yield what installing the declared packages would run into, and which other versions run here.

    Args:
        config: config.json.
        used_modules: distributions, as canonical names, that the service imports: their absence is reported there.
    """
    for pointer, package in _packages(config.value):
        name = package["package_name"].strip()
        if name.endswith(".whl") or not name:
            continue
        yield from _check_name(config, pointer, name)
        text = package.get("package_version")
        try:
            Version(text) if isinstance(text, str) and text else None
        except InvalidVersion:
            message = f"{text!r} is no version of a Python package"
            yield finding("version-not-pep440", config.place(f"{pointer}/package_version"), message)
            continue
        yield from _check_installed(config, pointer, package, used_modules)


def _check_name(config: JsonText, pointer: str, name: str) -> Iterator[Finding]:
    distribution = _MODULES_NOT_DISTRIBUTIONS.get(name.lower())
    if distribution is not None:
        message = f"{name!r} is the name of a module; the package that is installed is called {distribution}"
        yield finding("module-name-declared", config.place(f"{pointer}/package_name"), message)


def _check_installed(
    config: JsonText, pointer: str, package: Mapping[str, Any], used_modules: frozenset[str]
) -> Iterator[Finding]:
    name = package["package_name"].strip()
    if name.lower() in _MODULES_NOT_DISTRIBUTIONS:
        return
    try:
        requirement = Requirement(requirement_of(package))
        if requirement.name != name:
            return
        installed = version(name)
    except (InvalidRequirement, ValueError, KeyError):
        return  # the rules say it
    except PackageNotFoundError:
        if canonicalize_name(name) not in used_modules:
            message = f"{name} is declared, but not installed here; nothing imports it, so the service starts"
            yield finding("dependency-not-used", config.place(f"{pointer}/package_name"), message)
        return
    if not requirement.specifier.contains(installed, prereleases=True):
        message = f"{requirement} is declared; {installed} is installed, and runs here"
        yield finding("other-version", config.place(pointer), message)
