"""The name under which service code imports ``TfServingVisionService``."""

from model_service.author.vision import TfServingVisionService

__all__ = ["TfServingVisionService"]
