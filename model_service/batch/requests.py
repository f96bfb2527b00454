"""From an item to the request that the package's hooks get: what the same thing would be if it came by HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from model_service.batch.items import CellsContent, FileContent, Item, RowContent, ValueContent
from model_service.batch.row_mapping import RowMapping
from model_service.errors import BadRequest
from model_service.inference.images import refuse_bomb
from model_service.inference.pipeline import RequestData
from model_service.package.config import PackageConfig
from model_service.package.schema import FILE_MARKER
from model_service.storage import StorageError, last_name, read_whole

_DEFAULT_FIELD = "images"


class RequestMaker:
    """Makes requests of items; safe to use from several threads.

    Args:
        config: the package's contract: it decides whether a row becomes a picture or a list.
        field: the form field of files and pictures; None: the only one that the contract declares, else ``images``.
        mapping_rule: for CSV rows; None: the contract's request schema.
        max_item_bytes: the largest file that is read.
        max_image_pixels: the largest picture that is handed to a hook.
    """

    def __init__(
        self,
        config: PackageConfig,
        field: str | None,
        mapping_rule: Mapping[str, Any] | None,
        max_item_bytes: int,
        max_image_pixels: int,
    ):
        schema = config.apis[0].request_schema if config.apis else None
        properties: Mapping[str, Any] = (schema or {}).get("properties", {})
        files = [name for name, kind in properties.items() if kind.get("const") == FILE_MARKER]
        self._field = field or (files[0] if len(files) == 1 else _DEFAULT_FIELD)
        self._takes_pictures = bool(files) or schema is None
        self._only_property = next(iter(properties)) if len(properties) == 1 else None
        self._rule = mapping_rule if mapping_rule is not None else _declared_rule(config)
        self._rows: RowMapping | None = None
        self._max_item_bytes = max_item_bytes
        self._max_image_pixels = max_image_pixels

    def request(self, item: Item) -> RequestData:
        """Make the request of one item; files are read here.

        Raises:
            StorageError: its file cannot be read; too large; gone.
            BadRequest: it cannot be made a request.
        """
        content = item.content
        if isinstance(content, FileContent):
            return self._file_request(item.source, content.location)
        if isinstance(content, RowContent):
            return self._row_request(item.source, content.row)
        if isinstance(content, CellsContent):
            return _json_request(self.row_mapping().request(content.cells))
        if isinstance(content, ValueContent):
            return _json_request(content.value)
        raise BadRequest(content.reason)

    def row_mapping(self) -> RowMapping:
        """The mapping of CSV rows.

        Raises:
            SettingsError: the rule, or the contract's schema in its place, cannot be used.
        """
        if self._rows is None:
            self._rows = RowMapping(self._rule)
        return self._rows

    def _file_request(self, source: str, location: str) -> RequestData:
        try:
            content = read_whole(location, self._max_item_bytes)
        except StorageError as error:  # results name things as the input does, wherever it lies
            raise type(error)(str(error).replace(location, source)) from error
        name = last_name(source)
        if name.lower().endswith(".json"):
            try:
                return _json_request(json.loads(content))
            except (ValueError, RecursionError) as error:
                raise BadRequest(f"not JSON: {error}") from error
        refuse_bomb(content, name, self._max_image_pixels)
        return RequestData({self._field: {name: BytesIO(content)}})

    def _row_request(self, source: str, row: np.ndarray[Any, Any]) -> RequestData:
        if self._takes_pictures:
            name = source.replace("#", "-") + ".png"
            return RequestData({self._field: {name: _as_png(row)}})
        value = row.tolist()
        return RequestData(value if self._only_property is None else {self._only_property: value})


def _json_request(value: Any) -> RequestData:
    """As by HTTP: the original runtime took a falsy JSON body for none."""
    if not value:
        raise BadRequest(f"no usable input: {json.dumps(value)}")
    return RequestData(value)


def _declared_rule(config: PackageConfig) -> Mapping[str, Any] | None:
    """The request schema as it is written, with the ``index`` keys that the translated one has lost."""
    entries = config.content.get("apis")
    entry = entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else {}
    request = entry.get("request")
    if not isinstance(request, dict):
        return None
    rule = request.get("data", request)
    return rule if isinstance(rule, dict) and ("properties" in rule or "items" in rule) else None


def _as_png(row: np.ndarray[Any, Any]) -> BytesIO:
    picture = row[:, :, 0] if row.ndim == 3 and row.shape[2] == 1 else row
    if row.dtype != np.uint8 or not (picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] in (3, 4))):
        raise BadRequest(
            f"a row of {row.dtype} with shape {list(row.shape)} is no picture; uint8 [height, width] or "
            "[height, width, 1, 3 or 4] is. With --tensors rows go to the model as they are"
        )
    png = BytesIO()
    Image.fromarray(picture).save(png, "PNG", compress_level=1)
    png.seek(0)
    return png
