"""What can be wrong with the material a model is made from."""

from __future__ import annotations

from model_service.errors import ModelServiceError, SettingsError


class DataError(SettingsError):
    """A data set is absent, damaged or not what it claims to be. Exit status 2."""


class TrainingFailed(ModelServiceError):
    """The training script ran and did not leave a usable model. Exit status 1."""
