"""Batch runs on a Ray cluster; Ray itself is loaded only when a run uses it."""
