"""A model server of our own for the length of a ``with`` block."""

from __future__ import annotations

import os
import queue
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from model_service.backend.plan import REMOTE, BackendPlan, SidecarOptions, choose_backend
from model_service.backend.supervisor import Supervisor
from model_service.errors import PackageError

if TYPE_CHECKING:
    from model_service.tfs.client import ModelServerClient

_POLL_SECONDS = 0.1


class LocalSupervision:
    """A model server that is being started; made by :func:`supervised`."""

    def __init__(self, plan: BackendPlan, folder: Path, is_lazy: bool):
        self._plan = plan
        self._is_lazy = is_lazy
        self._news: queue.Queue[str | None] = queue.Queue()
        self._supervisor = Supervisor(
            plan, folder, is_lazy, on_ready=lambda: self._news.put(None), on_fatal=self._news.put
        )
        self._supervisor.start()

    def wait_until_ready(self, remote_patience_seconds: float = 60.0) -> None:
        """Wait for the server; one that is lazy is not waited for.

        Args:
            remote_patience_seconds: how long a remote one is waited for; one of our own says when it cannot start.

        Raises:
            PackageError: it cannot be started, with its last words; or a remote one is not ready in time.
        """
        if self._is_lazy:
            return
        patience_seconds = remote_patience_seconds if self._plan.kind == REMOTE else None
        began = time.monotonic()
        while patience_seconds is None or time.monotonic() - began < patience_seconds:
            try:
                failure = self._news.get(timeout=_POLL_SECONDS)  # in short steps: else Ctrl-C would not be heard
            except queue.Empty:
                continue
            if failure is not None:
                raise PackageError(failure)
            return
        raise PackageError(_not_ready(self._plan, remote_patience_seconds))

    def stop(self) -> None:
        """Stop the server and wait until it has ended."""
        self._supervisor.stop()


@contextmanager
def supervised(plan: BackendPlan, folder: Path, is_lazy: bool = False) -> Iterator[LocalSupervision]:
    """Keep the model server of a plan running for the length of a ``with`` block, which is entered at once.

    Args:
        plan: which one.
        folder: private folder for its state and as its working directory.
        is_lazy: start it only when somebody asks through a :class:`model_service.backend.link.BackendLink`.
    """
    supervision = LocalSupervision(plan, folder, is_lazy)
    try:
        yield supervision
    finally:
        supervision.stop()


def _not_ready(plan: BackendPlan, patience_seconds: float) -> str:
    return (
        f"--backend {plan.target}: no model {plan.model_name!r} is ready there after {patience_seconds:g} s; check the "
        "address and --model-name"
    )


@contextmanager
def local_model_server(
    saved_model: Path, backend: str = "auto", model_name: str = "serve"
) -> Iterator[ModelServerClient]:
    """Serve a SavedModel and yield a client of it; a server that dies is started again.

    Args:
        saved_model: the folder with saved_model.pb.
        backend: which model server; see :func:`choose_backend`. A remote one is used, not started.
        model_name: the name it serves the model under.

    Raises:
        PackageError: there is no saved_model.pb, or the server cannot be started.
        SettingsError: ``backend`` is unusable.
    """
    from model_service.tfs.client import ModelServerClient

    if not (saved_model / "saved_model.pb").is_file():
        raise PackageError(f"{saved_model}: there is no saved_model.pb; name the folder of a SavedModel")
    folder = Path(tempfile.mkdtemp(prefix="model-server-"))
    try:
        base = folder / "model"
        base.mkdir()
        (base / "1").symlink_to(saved_model.resolve(), target_is_directory=True)
        plan = choose_backend(backend, os.environ, SidecarOptions(folder, base, model_name))
        with supervised(plan, folder) as server:
            server.wait_until_ready()
            client = ModelServerClient(plan.target, model_name)
            try:
                yield client
            finally:
                client.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
