"""Calling a running service from Python and from the command line."""

from model_service.client.http import Client, Reply, ServiceUnreachable

__all__ = ["Client", "Reply", "ServiceUnreachable"]
