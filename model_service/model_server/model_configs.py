"""Which models shall be served: ``ModelServerConfig`` messages, checked as the real server checks them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_service.model_server.messages import ModelServerConfig, ModelType
from model_service.model_server.repository import PolicyKind, VersionPolicy
from model_service.model_server.status import Code, ServingError

_log = logging.getLogger(__name__)

_TENSORFLOW = "tensorflow"
_ABSOLUTE = re.compile(r"/|[a-zA-Z][0-9a-zA-Z.]*://")


@dataclass(frozen=True)
class ModelConfig:
    """One model to serve.

    Attributes:
        name: by which requests ask for it.
        base_path: the folder with the version folders.
        policy: which of them to serve.
        labels: names for versions.
    """

    name: str
    base_path: Path
    policy: VersionPolicy = field(default_factory=VersionPolicy)
    labels: Mapping[str, int] = field(default_factory=dict)


def single_model(name: str, base_path: str) -> Any:
    """Return the ModelServerConfig that the flags ``--model_name`` and ``--model_base_path`` stand for."""
    config = ModelServerConfig()
    config.model_config_list.config.add(name=name, base_path=base_path, model_platform=_TENSORFLOW)
    return config


def read_models(config: Any) -> tuple[ModelConfig, ...]:
    """Check a ModelServerConfig that has a ``model_config_list``; return its models.

    Raises:
        ServingError: a name stands twice, a base path is relative, a platform is missing or cannot be served.
    """
    listed = config.model_config_list.config
    seen: set[str] = set()
    for model in listed:
        if model.name in seen:
            raise _invalid(f"Illegal to list model {model.name} multiple times in config list")
        seen.add(model.name)
    for model in listed:
        if not _ABSOLUTE.match(model.base_path):
            raise _invalid(
                f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
            )
    for model in listed:
        platform = _platform(model)
        if platform != _TENSORFLOW:
            raise _invalid(f"Model {model.name} requests unsupported platform {platform}")
    return tuple(
        ModelConfig(model.name, Path(model.base_path), _policy(model.model_version_policy), dict(model.version_labels))
        for model in listed
    )


def _platform(model: Any) -> str:
    platform: str = model.model_platform
    if model.model_type != ModelType.MODEL_TYPE_UNSPECIFIED:
        _log.warning("Deprecated ModelServerConfig::model_type field used. Prefer ModelServerConfig::model_platform.")
        if platform:
            raise _invalid(
                "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform."
            )
        if model.model_type != ModelType.TENSORFLOW:
            raise _invalid(f"ModelServerConfig::model_type choice {model.model_type} not supported.")
        return _TENSORFLOW
    if not platform:
        raise _invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform."
        )
    return platform


def _policy(policy: Any) -> VersionPolicy:
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return VersionPolicy(PolicyKind.ALL)
    if kind == "specific":
        return VersionPolicy(PolicyKind.SPECIFIC, versions=frozenset(policy.specific.versions))
    return VersionPolicy(count=max(policy.latest.num_versions, 1))


def _invalid(text: str) -> ServingError:
    return ServingError(Code.INVALID_ARGUMENT, text)
