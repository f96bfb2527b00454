"""The values that are filled into files for other programs, each checked so that none can become more than a value."""

from __future__ import annotations

import re
from collections.abc import Callable

from model_service.errors import SettingsError

# A DNS-1035 label, which the name of a Service must be, has at most 63 characters; what is made of a name adds up to
# 13 of them.
_NAME_MAX_CHARACTERS = 50
_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_IMAGE = re.compile(r"[a-z0-9]([A-Za-z0-9._:/-]*[A-Za-z0-9])?(@sha256:[0-9a-f]{64})?")
_CPU = re.compile(r"[1-9][0-9]{0,3}m?|0\.(?!0+$)[0-9]{1,3}|[1-9][0-9]{0,3}\.[0-9]{1,3}")
_MEMORY = re.compile(r"[1-9][0-9]{0,5}(Mi|Gi)")
_URI = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9._~:/@%+-]+")


def dns_name(text: str) -> str:
    """Check a name for cluster objects: a DNS-1035 label.

    Raises:
        ValueError: it is none, or too long.
    """
    if not _NAME.fullmatch(text) or len(text) > _NAME_MAX_CHARACTERS:
        raise ValueError(
            "must be small letters, digits and - in between, a letter first, at most "
            f"{_NAME_MAX_CHARACTERS} characters (DNS-1035)"
        )
    return text


def image_reference(text: str) -> str:
    """Check the name of an image: ``registry.example.com/team/digits:1``, or with ``@sha256:...``.

    Raises:
        ValueError: it is none.
    """
    if not _IMAGE.fullmatch(text):
        raise ValueError("must be the name of an image such as registry.example.com/team/digits:1")
    return text


def cpu_amount(text: str) -> str:
    """Check an amount of CPU: ``2``, ``0.5`` or ``500m``.

    Raises:
        ValueError: it is none.
    """
    if not _CPU.fullmatch(text):
        raise ValueError("must be a number of CPUs such as 2, 0.5 or 500m")
    return text


def memory_amount(text: str) -> str:
    """Check an amount of memory: ``512Mi`` or ``2Gi``.

    Raises:
        ValueError: it is none.
    """
    if not _MEMORY.fullmatch(text):
        raise ValueError("must be an amount of memory such as 512Mi or 2Gi")
    return text


def storage_uri(text: str) -> str:
    """Check an address of a model in storage: ``pvc://claim/path``, ``s3://bucket/path``.

    Raises:
        ValueError: it is none.
    """
    if not _URI.fullmatch(text):
        raise ValueError("must be an address such as pvc://claim/path or s3://bucket/path")
    return text


def checked(flag: str, text: str, parse: Callable[[str], str]) -> str:
    """Parse the value of a flag.

    Raises:
        SettingsError: it cannot be used; the message names the flag.
    """
    try:
        return parse(text)
    except ValueError as error:
        raise SettingsError(f"{flag} {text}: {error}") from error


def name_for(given: str | None, package_name: str) -> str:
    """Return the name that was given, else one made of the name of the package's folder.

    Raises:
        SettingsError: it is no DNS-1035 label.
    """
    if given is not None:
        return checked("--name", given, dns_name)
    made = re.sub(r"[^a-z0-9]+", "-", package_name.lower()).strip("-")[:_NAME_MAX_CHARACTERS].strip("-")
    try:
        return dns_name(made)
    except ValueError as error:
        raise SettingsError(f"the name {made!r}, made of the package's, {error}; give one with --name") from error
