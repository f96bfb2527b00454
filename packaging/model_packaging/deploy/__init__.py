"""Writes what a package runs in: an image with its compose file, and manifests for Kubernetes."""
