"""Writes what a bare SavedModel lacks to be a package: a service that works, and a config.json that is true."""
