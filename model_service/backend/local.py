"""A model server of our own for the length of a ``with`` block."""

from __future__ import annotations

import os
import queue
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from model_service.backend.plan import BackendPlan, SidecarOptions, choose_backend
from model_service.backend.supervisor import Supervisor
from model_service.errors import PackageError

if TYPE_CHECKING:
    from model_service.tfs.client import ModelServerClient

_POLL_SECONDS = 0.5


@contextmanager
def supervised(plan: BackendPlan, folder: Path, is_lazy: bool = False) -> Iterator[None]:
    """Keep the model server of a plan running; the block is entered when it is ready, or at once when it is lazy.

    Args:
        plan: which one.
        folder: private folder for its state and as its working directory.
        is_lazy: start it only when somebody asks through a :class:`model_service.backend.link.BackendLink`.

    Raises:
        PackageError: it cannot be started; the message has its last words.
    """
    news: queue.Queue[str | None] = queue.Queue()
    supervisor = Supervisor(plan, folder, is_lazy, on_ready=lambda: news.put(None), on_fatal=news.put)
    supervisor.start()
    try:
        if not is_lazy:
            failure = _wait(news)
            if failure is not None:
                raise PackageError(failure)
        yield
    finally:
        supervisor.stop()


def _wait(news: queue.Queue[str | None]) -> str | None:
    while True:  # in short steps: a wait without end would keep Ctrl-C out
        try:
            return news.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue


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
        with supervised(plan, folder):
            client = ModelServerClient(plan.target, model_name)
            try:
                yield client
            finally:
                client.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
