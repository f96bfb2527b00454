"""config.json, read leniently: what cannot be used is named, never fatal.

The original server never opened the file, so a package with a broken one runs, without a contract (design D4).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_service.package.schema import DialectError, to_draft7

ROOT_URL = "/"
MAX_CONFIG_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class ConfigProblem:
    """Something in config.json that cannot be used. ``place`` is ``line L column C`` or a JSON pointer."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"config.json {self.place}: {self.message}"


@dataclass(frozen=True)
class Api:
    """One entry of ``apis``: its URL path, and its schemas in Draft 7 (None: no schema declared)."""

    url: str
    method: str
    request_schema: Mapping[str, Any] | None
    response_schema: Mapping[str, Any] | None


@dataclass(frozen=True)
class PackageConfig:
    """What the runtime uses of a config.json.

    ``validation`` is the package's own wish, ``{"request": mode, "response": mode}``; both keys are optional.
    ``content`` is the whole file as parsed; unknown keys are kept.
    """

    apis: tuple[Api, ...] = ()
    validation: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[ConfigProblem, ...] = ()
    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_contract(self) -> bool:
        """Whether there is any schema to hold a request or an answer against."""
        return any(api.request_schema is not None or api.response_schema is not None for api in self.apis)


def read_config(path: Path | None) -> PackageConfig:
    """Read a config.json; never raises for what the file says."""
    if path is None:
        return PackageConfig(problems=(ConfigProblem("(absent)", "there is no config.json"),))
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_CONFIG_BYTES:
            return _unusable("(whole file)", f"larger than {MAX_CONFIG_BYTES} bytes")
        content = json.loads(raw.decode("utf-8-sig"))
    except OSError as error:
        return _unusable("(whole file)", f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        return _unusable(f"byte {error.start}", "is not UTF-8")
    except json.JSONDecodeError as error:
        return _unusable(f"line {error.lineno} column {error.colno}", f"not JSON: {error.msg}")
    except RecursionError:
        return _unusable("(whole file)", "nests too deeply")
    except ValueError as error:  # a number with thousands of digits
        return _unusable("(whole file)", f"not JSON: {error}")
    if not isinstance(content, dict):
        return _unusable("(whole file)", f"must be a JSON object, not {type(content).__name__}")
    return parse_config(content)


def _unusable(place: str, message: str) -> PackageConfig:
    return PackageConfig(problems=(ConfigProblem(place, message),))


def parse_config(content: Mapping[str, Any]) -> PackageConfig:
    """Take the contract out of a parsed config.json; what cannot be used is listed in ``problems``."""
    problems: list[ConfigProblem] = []
    entries = content.get("apis", [])
    if not isinstance(entries, list):
        problems.append(ConfigProblem("/apis", f"must be an array, not {type(entries).__name__}"))
        entries = []
    apis = []
    for index, entry in enumerate(entries):
        try:
            apis.append(_parse_api(entry, f"/apis/{index}"))
        except DialectError as error:
            problems.append(ConfigProblem(error.pointer, error.message))
    config = PackageConfig(tuple(apis), _validation(content, problems), tuple(problems), content)
    if not config.has_contract and not problems:
        problem = ConfigProblem("/apis", "declares no schema")
        return PackageConfig(config.apis, config.validation, (problem,), content)
    return config


def _parse_api(entry: object, pointer: str) -> Api:
    if not isinstance(entry, dict):
        raise DialectError(pointer, "must be an object")
    url = entry.get("url", ROOT_URL)
    if not isinstance(url, str):
        raise DialectError(f"{pointer}/url", "must be a string")
    return Api(
        url="/" + url.strip().strip("/"),
        method=str(entry.get("method", "POST")).upper(),
        request_schema=_side_schema(entry, "request", pointer),
        response_schema=_side_schema(entry, "response", pointer),
    )


def _side_schema(entry: Mapping[str, Any], side: str, pointer: str) -> dict[str, Any] | None:
    """The schema stands under ``data``; one batch page of the documents puts it there directly. Both are taken."""
    content = entry.get(side)
    side_pointer = f"{pointer}/{side}"
    if content is None:
        return None
    if not isinstance(content, dict):
        raise DialectError(side_pointer, "must be an object")
    if "data" in content:
        data = content["data"]
        return None if data is None or data == {} else to_draft7(data, f"{side_pointer}/data")
    if "type" in content or "properties" in content:
        return to_draft7(content, side_pointer)
    return None


def _validation(content: Mapping[str, Any], problems: list[ConfigProblem]) -> dict[str, str]:
    wish = content.get("validation", {})
    if not isinstance(wish, dict):
        problems.append(ConfigProblem("/validation", 'must be an object like {"request": "strict"}'))
        return {}
    result = {}
    for side in ("request", "response"):
        if side in wish:
            if isinstance(wish[side], str):
                result[side] = wish[side]
            else:
                problems.append(ConfigProblem(f"/validation/{side}", "must be a string"))
    return result
