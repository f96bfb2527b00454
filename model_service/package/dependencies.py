"""``dependencies`` in config.json: what a package wants installed, and whether it is."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_service.package.import_names import distribution_of, import_names_of

WHEEL_SUFFIX = ".whl"
PIP = "pip"
SPECIFIERS: Mapping[str, str] = {"EXACT": "==", "ATLEAST": ">=", "ATMOST": "<="}


@dataclass(frozen=True)
class Dependency:
    """One entry of ``packages``.

    Attributes:
        name: of the distribution, or the file name of a wheel that lies in ``model/``.
        specifier: such as ``>=1.15.0``; "": any version.
        group: index of the element of ``dependencies`` it stands in; groups are installed one after the other.
        pointer: JSON pointer of the entry in config.json.
    """

    name: str
    specifier: str
    group: int
    pointer: str

    @property
    def is_wheel(self) -> bool:
        """Whether it is a file of the package."""
        return self.name.endswith(WHEEL_SUFFIX)

    @property
    def distribution(self) -> str:
        """The name of the distribution, of a wheel too."""
        return self.name.partition("-")[0] if self.is_wheel else self.name

    @property
    def requirement(self) -> str:
        """As pip takes it; a wheel without its folder."""
        return self.name if self.is_wheel else f"{self.name}{self.specifier}"


def read_dependencies(config: Mapping[str, Any]) -> tuple[Dependency, ...]:
    """Read the dependencies that pip installs, in order, leniently: what makes no sense is left out."""
    return tuple(_dependencies(config.get("dependencies")))


def _dependencies(groups: object) -> Iterator[Dependency]:
    for group, content in enumerate(groups if isinstance(groups, list) else ()):
        if not isinstance(content, dict) or content.get("installer", PIP) != PIP:
            continue
        packages = content.get("packages")
        for index, package in enumerate(packages if isinstance(packages, list) else ()):
            name = package.get("package_name") if isinstance(package, dict) else None
            if isinstance(name, str) and name.strip():
                yield Dependency(name.strip(), specifier_of(package), group, f"/dependencies/{group}/packages/{index}")


def specifier_of(package: Mapping[str, Any]) -> str:
    """Return the version specifier of an entry of ``packages``; "" if it has no usable version and restraint."""
    version, restraint = package.get("package_version"), package.get("restraint")
    if isinstance(version, str) and version.strip() and isinstance(restraint, str) and restraint in SPECIFIERS:
        return f"{SPECIFIERS[restraint]}{version.strip()}"
    return ""


def missing_dependencies(dependencies: Sequence[Dependency], model_directory: Path) -> tuple[Dependency, ...]:
    """Return those that are certainly absent: neither the distribution is installed, nor a module of it can be found.

    Imports nothing. ``model_directory`` may hold modules of its own.
    """
    return tuple(each for each in dependencies if not _is_installed(each, model_directory))


def _is_installed(dependency: Dependency, model_directory: Path) -> bool:
    name = dependency.distribution.partition("[")[0]
    try:
        importlib.metadata.version(name)
        return True
    except (importlib.metadata.PackageNotFoundError, ValueError):
        pass
    return any(_is_found(module, model_directory) for module in import_names_of(name))


def _is_found(module: str, model_directory: Path) -> bool:
    top = module.partition(".")[0]
    if (model_directory / top).is_dir() or (model_directory / f"{top}.py").is_file():
        return True
    try:
        return importlib.util.find_spec(top) is not None
    except ValueError:  # it is loaded, by something that left no trace of where it is from
        return True
    except ImportError:
        return False


def install_line(dependencies: Sequence[Dependency], model_directory: Path) -> str:
    """Return the command that installs dependencies, as a person types it."""
    return pip_install(*(_for_pip(each, model_directory) for each in dependencies))


def pip_install(*requirements: str) -> str:
    """Return the command that installs requirements, for a shell."""
    return " ".join(["pip", "install", *map(shlex.quote, requirements)])


def _for_pip(dependency: Dependency, model_directory: Path) -> str:
    return str(model_directory / dependency.name) if dependency.is_wheel else dependency.requirement


def line_for_module(import_name: str, dependencies: Sequence[Dependency], model_directory: Path) -> str:
    """Return the command that makes a module importable: by the declared dependency that has it, else by the usual one.

    A declared version is part of it.
    """
    by_name = {each.distribution: each for each in dependencies}
    name = distribution_of(import_name, by_name)
    declared = by_name.get(name)
    return install_line((declared,), model_directory) if declared is not None else pip_install(name)
