"""The name under which service code imports the base classes and the loader."""

from model_service.author.base import ModelService, SingleNodeService
from model_service.author.loader import load_service
from model_service.author.runtime import get_tf_server_stub

IMAGE_ALLOW_EXTENSIONS = [".jpg", ".jpeg", ".gif", ".png"]
CUSTOMIZED_CONVERTER = None

__all__ = [
    "CUSTOMIZED_CONVERTER",
    "IMAGE_ALLOW_EXTENSIONS",
    "ModelService",
    "SingleNodeService",
    "get_tf_server_stub",
    "load_service",
]
