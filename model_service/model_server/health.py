"""``grpc.health.v1``: tells callers whether the server takes requests, and says farewell to those who watch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


class HealthService(health.HealthServicer):  # type: ignore[misc]
    """The whole server is SERVING until :meth:`say_farewell`. A watch takes no thread."""

    def __init__(self) -> None:
        super().__init__()
        self._watches_lock = threading.Lock()
        self._watches: set[Callable[[Any], None]] = set()
        self.set("", health_pb2.HealthCheckResponse.SERVING)

    def Watch(self, request: Any, context: grpc.ServicerContext, send_response_callback: Callable[[Any], None]) -> None:
        """Answer with the status now and at every change, until one side ends it."""
        with self._watches_lock:
            self._watches.add(send_response_callback)
        context.add_callback(lambda: self._forget(send_response_callback))
        super().Watch(request, context, send_response_callback)

    def say_farewell(self) -> None:
        """Tell all who watch NOT_SERVING, and end their calls: the server would wait for them."""
        self.enter_graceful_shutdown()
        with self._watches_lock:
            watches = list(self._watches)
        for send_response in watches:
            send_response(None)  # gRPC's sign for the end of the answers

    def _forget(self, send_response_callback: Callable[[Any], None]) -> None:
        with self._watches_lock:
            self._watches.discard(send_response_callback)


def add_health_service(server: grpc.Server) -> HealthService:
    """Register ``grpc.health.v1`` on a server that has not started; return it, for the farewell."""
    service = HealthService()
    health_pb2_grpc.add_HealthServicer_to_server(service, server)
    return service
