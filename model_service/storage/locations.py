"""Paths and URLs as texts. A URL may be a chain, ``zip://1.png::s3://bucket/all.zip``: one part names the file."""

from __future__ import annotations

import os
import re

OBS_SCHEME = "obs://"
S3_SCHEMES = ("s3://", "s3a://")
_WEB_SCHEMES = ("http://", "https://")
_WILDCARDS = "*?["


def is_url(location: str) -> bool:
    """Whether a location is for fsspec: it has a scheme, or a chain of them."""
    return "://" in location


def split_chain(location: str) -> tuple[str, str, str]:
    """Return what stands before the part of a URL that names the file, this part, and what stands after it."""
    parts = location.split("::")
    place = next((number for number, part in enumerate(parts) if "://" in part), 0)
    before = "".join(f"{part}::" for part in parts[:place])
    return before, parts[place], "".join(f"::{part}" for part in parts[place + 1 :])


def url_of(location: str, path: str) -> str:
    """Return the URL of a file that was found at or below ``location``, and whose storage calls it ``path``."""
    before, part, after = split_chain(location)
    return f"{before}{path if is_url(path) else part.partition('://')[0] + '://' + path}{after}"


def beside(location: str, name: str) -> str:
    """Return the location of a file that lies in the same folder as another."""
    before, part, after = split_chain(location) if is_url(location) else ("", location, "")
    return f"{before}{part[: part.rfind('/') + 1]}{name}{after}"


def in_storage_of(location: str, path: str) -> str:
    """Return the location of an absolute path, which in S3 is ``/bucket/object``, in the storage of another file."""
    if location.startswith((OBS_SCHEME, *S3_SCHEMES)):
        return f"{location.partition('://')[0]}://{path.lstrip('/')}"
    return path


def last_name(location: str) -> str:
    """Return the name of a file without its folders, and without the query of a web address."""
    part = split_chain(location)[1] if is_url(location) else location
    if part.startswith(_WEB_SCHEMES):
        part = re.split(r"[?#]", part, maxsplit=1)[0]
    return part.rstrip("/").rsplit("/", 1)[-1]


def has_wildcard(location: str) -> bool:
    """Whether a location is a pattern. A local file that is really called so is no pattern."""
    if not is_url(location):
        return any(sign in location for sign in _WILDCARDS) and not os.path.lexists(location)
    part = split_chain(location)[1]
    return any(sign in part for sign in ("*" if part.startswith(_WEB_SCHEMES) else _WILDCARDS))


def fixed_folder(pattern: str) -> str:
    """Return the folders in front of the first wildcard, with a slash at the end; "" if there are none."""
    wildcard = re.search(r"[*?[]", pattern)
    return pattern[: pattern.rfind("/", 0, wildcard.start() if wildcard else None) + 1]
