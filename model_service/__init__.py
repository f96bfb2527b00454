"""Runs a model package: a SavedModel, its HTTP contract (config.json) and its customize_service.py."""

__version__ = "0.1.0"
