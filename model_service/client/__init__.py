"""Calling a running service from Python and from the command line."""
