"""What can keep an evaluation from being made."""

from __future__ import annotations

from model_service.errors import ModelServiceError


class EvaluationError(ModelServiceError):
    """A file cannot be read, says nothing usable, or does not belong to the other. Exit status 2."""
