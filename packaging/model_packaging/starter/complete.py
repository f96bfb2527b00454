"""Adds to a folder ``model/`` with a SavedModel what it lacks to be a package."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model_packaging.errors import BuildRefused
from model_packaging.starter.contract import (
    bare_config,
    full_config,
    label_response,
    picture_request,
    tensor_request,
    tensor_response,
)
from model_packaging.starter.plan import (
    NoStarter,
    PictureInput,
    check_speakable,
    find_picture_input,
    find_scores,
    rows_property,
)
from model_packaging.starter.render import TEMPLATES, render
from model_packaging.starter.sample import Tensors, ask_model, make_sample, read_sample
from model_service.errors import ModelServiceError, SettingsError
from model_service.package.config import read_config
from model_service.package.layout import CONFIG_NAME, SERVICE_NAME
from model_service.tfs.signature import Signature, read_saved_model_signature

LABELS_NAME = "labels.txt"
_PICTURES_NAME = "pictures.py"
_LARGEST_SCALED = 2.0  # pixels above it have not been divided by 255


def read_labels(path: Path) -> tuple[str, ...]:
    """Read the names of the classes: one a line, in the order of the model's output.

    Raises:
        SettingsError: the file cannot be read as text.
    """
    try:
        return tuple(path.read_text(encoding="utf-8-sig").splitlines())
    except OSError as error:
        raise SettingsError(f"--labels {path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"--labels {path}: is not UTF-8 (byte {error.start})") from error


def _check_labels(labels: Sequence[str]) -> None:
    for number, label in enumerate(labels, 1):
        if not isinstance(label, str) or not label.strip() or label.splitlines() != [label]:
            raise BuildRefused(f"label {number} is {label!r}; a label is one line with content")
    if len(set(labels)) != len(labels):
        double = next(label for label in labels if list(labels).count(label) > 1)
        raise BuildRefused(f"the label {double!r} is there twice; callers could not tell the two classes apart")


@dataclass(frozen=True)
class Knowledge:
    """What is known of a model beside its signature.

    Attributes:
        metrics: what the training measured; None: nothing.
        labels: the names of the classes, in the order of the model's output; empty: not known.
        sample: inputs as the model was trained on, with the batch dimension: an array if there is one input, else an
            array for each by tensor key; None: not known.
    """

    metrics: Mapping[str, float] | None = None
    labels: Sequence[str] = ()
    sample: object = None


def add_missing_parts(model: Path, knowledge: Knowledge) -> list[str]:
    """Write customize_service.py and config.json where they are absent; files that are there stay as they are.

    A service of ours comes with a contract that is strict on both sides. With a service that is there already, or with
    a contract that is, we cannot know the other half: config.json is then written without ``apis``, and no service.

    Returns:
        Lines that say what was written, and what was not.

    Raises:
        BuildRefused: the labels do not go with the model.
    """
    service, config = model / SERVICE_NAME, model / CONFIG_NAME
    has_contract = config.is_file() and read_config(config).has_contract
    lines = [f"{path}: kept" for path in (service, config) if path.is_file()]
    content, files = bare_config("custom", knowledge.metrics), {}
    is_bare = True
    if not service.exists() and not has_contract:
        try:
            starter = _Starter(model, knowledge)
            content = starter.make()
        except NoStarter as error:
            lines.append(f"{service}: not written; {error}")
        else:
            files, is_bare = starter.files, False
            lines += [f"{service}: written", *starter.remarks]
    elif not service.exists():
        lines.append(f"{service}: none; the default service for pictures will be used")
    if not config.exists():
        files[CONFIG_NAME] = json.dumps(content, indent=4, ensure_ascii=False) + "\n"
        lines.append(f"{config}: written")
        if is_bare:
            lines.append("  without a contract: add apis for your customize_service.py")
    _write_all(model, files)
    return lines


def _write_all(model: Path, files: Mapping[str, str]) -> None:
    """Write all files or none: a service without its contract would be taken for somebody's own the next time."""
    contents = {model / name: _encoded(name, text) for name, text in files.items()}
    there = {path for path, content in contents.items() if path.is_file() and path.read_bytes() == content}
    written: list[Path] = []
    try:
        for path, content in contents.items():
            if path not in there:
                with path.open("xb") as file:
                    written.append(path)
                    file.write(content)
    except BaseException as error:
        for path in written:
            path.unlink()
        if isinstance(error, FileExistsError):
            told = "is there already and holds something else than the starter needs; rename it, or write a service"
            raise BuildRefused(f"{error.filename}: {told}") from error
        raise


def _encoded(name: str, text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BuildRefused(
            f"{name}: {error.object[error.start : error.end]!r} is no character; mend the name"
        ) from error


class _Starter:
    """Makes the service that goes with a model, and its contract.

    Attributes:
        files: the text of each file to write beside the SavedModel, by name.
        remarks: lines for the user.
    """

    def __init__(self, model: Path, knowledge: Knowledge):
        self._model = model
        self._knowledge = knowledge
        self._signature: Signature = read_saved_model_signature(model)
        check_speakable(self._signature)
        _check_labels(knowledge.labels)
        self._picture = find_picture_input(self._signature)
        if knowledge.labels and self._picture is None:
            inputs = ", ".join(map(str, self._signature.inputs.values()))
            raise BuildRefused(f"labels are given, but the model does not take one picture; it takes: {inputs}")
        self._sample = read_sample(self._signature, knowledge.sample)
        self.files: dict[str, str] = {}
        self.remarks: list[str] = []
        self.algorithm = "image_classification" if self._picture is not None else "predict_analysis"

    def make(self) -> dict[str, Any]:
        """Make the files; return the content of config.json."""
        if self._picture is None:
            self._make_tensor_service()
            request = tensor_request(self._signature, rows_property(self._signature))
            response = tensor_response(self._signature, self._answer())
        elif self._knowledge.labels:
            request = picture_request(self._picture, "one picture, in any format that Pillow reads")
            response = label_response(self._knowledge.labels)
            self._make_classifier(self._picture)
        else:
            count = "one picture" if self._picture.most_pictures == 1 else "one or more pictures"
            request = picture_request(self._picture, f"{count}, in any format that Pillow reads")
            response = tensor_response(self._signature, self._answer())
            self._make_picture_service(self._picture)
        value_range = self._value_range(self._picture) if self._sample and self._picture else None
        return full_config(self.algorithm, self._knowledge.metrics, request, response, self._picture, value_range)

    def _answer(self) -> Tensors:
        sample = self._sample or make_sample(self._signature, self._picture)
        try:
            return ask_model(self._model, self._signature, sample)
        except ModelServiceError as error:
            self.remarks.append(f"  the model did not answer a sample request: {error}")
            return {}

    def _value_range(self, picture: PictureInput) -> tuple[float, float]:
        """What black and white are for the model: told by a sample, else 0 and 1 for floats and 0 and 255 for bytes."""
        if not picture.is_float:
            return 0, 255
        if self._sample is None:
            return 0.0, 1.0
        sample = self._sample[picture.spec.name]
        if float(np.min(sample)) < 0:
            return -1.0, 1.0
        return (0.0, 255.0) if float(np.max(sample)) > _LARGEST_SCALED else (0.0, 1.0)

    def _picture_constants(self, picture: PictureInput) -> dict[str, object]:
        kind = picture.spec.dtype.name
        return {
            "INPUT": picture.spec.name,
            "HEIGHT, WIDTH, CHANNELS": (picture.height, picture.width, picture.channels),
            "ROW_SHAPE": picture.row_shape,
            "LOW, HIGH": self._value_range(picture),
            "DTYPE": "float32" if kind == "bfloat16" else kind,
        }

    def _make_picture_service(self, picture: PictureInput) -> None:
        self.files[_PICTURES_NAME] = (TEMPLATES / _PICTURES_NAME).read_text(encoding="utf-8")
        constants = self._picture_constants(picture) | {"MOST_PICTURES": picture.most_pictures}
        self.files[SERVICE_NAME] = render("picture_service.py", constants)

    def _make_classifier(self, picture: PictureInput) -> None:
        labels = list(self._knowledge.labels)
        output = find_scores(self._signature, len(labels))
        self.files[_PICTURES_NAME] = (TEMPLATES / _PICTURES_NAME).read_text(encoding="utf-8")
        self.files[LABELS_NAME] = "".join(f"{label}\n" for label in labels)
        self.files[SERVICE_NAME] = render(
            "classifier_service.py", self._picture_constants(picture) | {"OUTPUT": output.name}
        )

    def _make_tensor_service(self) -> None:
        inputs = {
            name: ("float32" if spec.dtype.name == "bfloat16" else spec.dtype.name, spec.shape)
            for name, spec in self._signature.inputs.items()
        }
        self.files[SERVICE_NAME] = render(
            "tensor_service.py", {"INPUTS": inputs, "ROWS": rows_property(self._signature)}
        )
