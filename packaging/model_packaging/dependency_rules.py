"""The rules for ``dependencies`` in config.json: what is installed before the service is loaded, in this order."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

from model_packaging.breaches import Breach, check_text, kind_of

INSTALLERS = ("pip",)
RESTRAINTS = ("EXACT", "ATLEAST", "ATMOST")


def check_dependencies(dependencies: object, wheels: Container[str]) -> Iterator[Breach]:
    """Yield what is wrong with the value of ``dependencies``.

    Args:
        dependencies: the parsed JSON.
        wheels: names of the wheel files that lie in ``model/``.
    """
    if not isinstance(dependencies, list):
        yield Breach("bad-dependencies", "/dependencies", f"must be an array, not {kind_of(dependencies)}")
        return
    for index, group in enumerate(dependencies):
        pointer = f"/dependencies/{index}"
        if not isinstance(group, dict):
            message = f'must be an object like {{"installer": "pip", "packages": []}}, not {kind_of(group)}'
            yield Breach("bad-dependencies", pointer, message)
            continue
        if group.get("installer") not in INSTALLERS:
            message = f"is {group.get('installer')!r}; allowed: {', '.join(INSTALLERS)}"
            yield Breach("unknown-installer", f"{pointer}/installer", message)
        packages = group.get("packages")
        if not isinstance(packages, list):
            yield Breach("bad-dependencies", f"{pointer}/packages", f"must be an array, not {kind_of(packages)}")
            continue
        for number, package in enumerate(packages):
            yield from _check_package(package, f"{pointer}/packages/{number}", wheels)


def _check_package(package: object, pointer: str, wheels: Container[str]) -> Iterator[Breach]:
    if not isinstance(package, dict):
        yield Breach(
            "bad-dependencies", pointer, f'must be an object like {{"package_name": "numpy"}}, not {kind_of(package)}'
        )
        return
    name = package.get("package_name")
    yield from check_text("bad-package-name", name, f"{pointer}/package_name", "; a version goes to package_version")
    if isinstance(name, str) and name.endswith(".whl") and name not in wheels:
        message = f"{name!r} is a wheel file, but none of that name goes into the package"
        yield Breach("wheel-not-there", f"{pointer}/package_name", message)
    yield from _check_version(package, pointer)


def _check_version(package: Mapping[str, Any], pointer: str) -> Iterator[Breach]:
    """Version and restraint come together; empty strings, which official samples use, mean that there is none."""
    version, restraint = package.get("package_version", ""), package.get("restraint", "")
    if version != "":
        yield from check_text(
            "bad-package-version", version, f"{pointer}/package_version", "; the comparison goes to restraint"
        )
    if restraint != "" and restraint not in RESTRAINTS:
        yield Breach("unknown-restraint", f"{pointer}/restraint", f"is {restraint!r}; allowed: {', '.join(RESTRAINTS)}")
    elif restraint != "" and version == "":
        yield Breach("restraint-without-version", f"{pointer}/restraint", "needs a package_version to compare with")
    elif restraint == "" and version != "":
        yield Breach(
            "version-without-restraint",
            f"{pointer}/restraint",
            f"is missing; with a version it is one of {', '.join(RESTRAINTS)}",
        )


def package_names(dependencies: list[Any]) -> set[str]:
    """Return all names in a ``dependencies`` value that keeps the rules."""
    return {package["package_name"] for group in dependencies for package in group["packages"]}
