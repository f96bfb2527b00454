"""Imports the base class and derives nothing from it."""

from model_service.tfserving_model_service import TfServingBaseService


class Service:
    base = TfServingBaseService
