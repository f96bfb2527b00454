"""The child process of a check: it houses the package and runs the requests it is told, nothing else.

The author's code runs here only; it may end, crash or hang this process.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import resource
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from model_packaging.check.running.bodies import request_data
from model_packaging.check.running.failures import describe_failure
from model_packaging.check.running.observer import HookObserver, Recording
from model_packaging.check.running.plan import ChildPlan
from model_packaging.check.running.wire import NotAMessage, receive, send
from model_service.backend.process import die_with_parent
from model_service.errors import ModelServiceError, RequestError
from model_service.inference.assembly import AssembledService, assemble
from model_service.inference.json_types import JsonValue, encode_json

_KIBIBYTE = 1024
# Threads change places this often while requests run together: what is not safe then shows soon.
_SWITCH_SECONDS = 1e-5


class Housed:
    """The package, loaded in this process."""

    def __init__(self, plan: ChildPlan):
        self._plan = plan
        self._run_folder = plan.run_root / f"check-{os.getpid()}"
        self.service: AssembledService = assemble(plan.service, self._run_folder)
        self._observer = HookObserver(self.service.service_class, self.service.runtime)

    def run(self, body: Mapping[str, Any], with_scaled: bool = False) -> dict[str, Any]:
        """Run one request and say what was seen."""
        with self._observer.recording(with_scaled) as recording:
            try:
                request = request_data(body, self._plan.service.max_image_pixels)
                answer = self.service.pipeline.run(request)
                del request
                encode_json(answer.value)
            except ModelServiceError as error:  # among them an instance that cannot be made when it is needed
                return self._seen(recording, error=error)
        violations = [[each.pointer, each.expected, each.got] for each in answer.violations]
        return self._seen(recording, answer=answer.value, violations=violations)

    def run_together(self, bodies: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Run requests at the same time, each in a thread of its own."""
        results: list[dict[str, Any]] = [{} for _ in bodies]
        barrier = threading.Barrier(len(bodies))

        def run(index: int) -> None:
            barrier.wait()
            results[index] = self.run(bodies[index])

        # all of one name: an answer that tells the thread's name is no less safe for it
        threads = [threading.Thread(target=run, args=(index,), name="request") for index in range(len(bodies))]
        before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(before)
        return results

    def _seen(
        self,
        recording: Recording,
        answer: JsonValue = None,
        violations: list[list[str]] | None = None,
        error: ModelServiceError | None = None,
    ) -> dict[str, Any]:
        status = 200 if error is None else error.status if isinstance(error, RequestError) else 500
        if isinstance(error, RequestError) and error.violations:
            violations = [[each.pointer, each.expected, each.got] for each in error.violations]
        folder = os.getcwd()
        return {
            "status": status,
            "answer": answer,
            "has_nan": error is None and _has_nan(answer),
            "violations": violations or [],
            "failure": None if error is None else describe_failure(error, recording.phase, self._package_folders()),
            "tensors": recording.tensors,
            "keys": recording.keys,
            "scaled": recording.scaled,
            "seconds": recording.seconds,
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIBIBYTE,
            "folder_problem": "" if folder == str(self._run_folder) else folder,
        }

    def _package_folders(self) -> list[Path]:
        return [self._run_folder / "model" / "1", self._run_folder, self._plan.service.layout.model_directory]


def _has_nan(value: JsonValue) -> bool:
    if isinstance(value, float):
        return value - value != 0
    if isinstance(value, dict):
        return any(map(_has_nan, value.values()))
    return isinstance(value, list) and any(map(_has_nan, value))


def main(descriptor: int) -> int:
    """Serve the socket until it is closed at the other end."""
    die_with_parent()
    os.dup2(2, 1)
    faulthandler.enable()  # a crash in native code then says which line of the package led to it
    connection = Connection(descriptor)
    plan: ChildPlan = pickle.loads(connection.recv_bytes())  # from our own parent process
    try:
        housed = Housed(plan)
    except ModelServiceError as error:
        send(connection, {"refused": str(error)})
        return 1
    send(connection, {"instances": housed.service.instances})
    while True:
        try:
            message = receive(connection)
        except (EOFError, OSError, NotAMessage):
            return 0
        faulthandler.dump_traceback_later(plan.limits.request_seconds * 0.9)  # says where it hangs, before it is killed
        if "together" in message:
            send(connection, {"together": housed.run_together(message["together"])})
        else:
            send(connection, housed.run(message["body"], message["with_scaled"]))
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    # Its threads may hang, and what the package registered to be run at the end is not waited for.
    os._exit(main(int(sys.argv[1])))
