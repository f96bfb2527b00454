"""The rules for ``dependencies`` in config.json: what is installed before the service is loaded, in this order."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

from model_packaging.findings import Finding, check_text, kind_of

INSTALLERS = ("pip",)
RESTRAINTS = ("EXACT", "ATLEAST", "ATMOST")


def check_dependencies(dependencies: object, wheels: Container[str]) -> Iterator[Finding]:
    """Yield what is wrong with the value of ``dependencies``.

    Args:
        dependencies: the parsed JSON.
        wheels: names of the wheel files that lie in ``model/``.
    """
    if not isinstance(dependencies, list):
        yield Finding("/dependencies", f"must be an array, not {kind_of(dependencies)}")
        return
    for index, group in enumerate(dependencies):
        pointer = f"/dependencies/{index}"
        if not isinstance(group, dict):
            yield Finding(
                pointer, f'must be an object like {{"installer": "pip", "packages": []}}, not {kind_of(group)}'
            )
            continue
        if group.get("installer") not in INSTALLERS:
            yield Finding(f"{pointer}/installer", f"is {group.get('installer')!r}; allowed: {', '.join(INSTALLERS)}")
        packages = group.get("packages")
        if not isinstance(packages, list):
            yield Finding(f"{pointer}/packages", f"must be an array, not {kind_of(packages)}")
            continue
        for number, package in enumerate(packages):
            yield from _check_package(package, f"{pointer}/packages/{number}", wheels)


def _check_package(package: object, pointer: str, wheels: Container[str]) -> Iterator[Finding]:
    if not isinstance(package, dict):
        yield Finding(pointer, f'must be an object like {{"package_name": "numpy"}}, not {kind_of(package)}')
        return
    name = package.get("package_name")
    yield from check_text(name, f"{pointer}/package_name", "; a version goes to package_version")
    if isinstance(name, str) and name.endswith(".whl") and name not in wheels:
        yield Finding(
            f"{pointer}/package_name", f"{name!r} is a wheel file, but none of that name goes into the package"
        )
    yield from _check_version(package, pointer)


def _check_version(package: Mapping[str, Any], pointer: str) -> Iterator[Finding]:
    """Version and restraint come together; empty strings, which official samples use, mean that there is none."""
    version, restraint = package.get("package_version", ""), package.get("restraint", "")
    if version != "":
        yield from check_text(version, f"{pointer}/package_version", "; the comparison goes to restraint")
    if restraint != "" and restraint not in RESTRAINTS:
        yield Finding(f"{pointer}/restraint", f"is {restraint!r}; allowed: {', '.join(RESTRAINTS)}")
    elif restraint != "" and version == "":
        yield Finding(f"{pointer}/restraint", "needs a package_version to compare with")
    elif restraint == "" and version != "":
        yield Finding(f"{pointer}/restraint", f"is missing; with a version it is one of {', '.join(RESTRAINTS)}")


def package_names(dependencies: list[Any]) -> set[str]:
    """Return all names in a ``dependencies`` value that keeps the rules."""
    return {package["package_name"] for group in dependencies for package in group["packages"]}
