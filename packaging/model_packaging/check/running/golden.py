"""What exported test files call: sending a recorded request, and saying how its answer has changed."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from model_packaging.check.running.comparison import differences
from model_service.client import Client
from model_service.client.form import encode_form


def answer_of(client: Client, request: Mapping[str, Any]) -> tuple[int, Any]:
    """Send a recorded request, ``{"json": value}`` or ``{"form": parts}``; return status and answer.

    The answer is None if the status is not 200.

    Raises:
        ServiceUnreachable: the service does not answer.
        ValueError: the answer is no JSON.
    """
    if "json" in request:
        reply = client.send(request["json"])
    else:
        files = [
            (part["field"], part["file_name"], base64.b64decode(part["base64"]))
            for part in request["form"]
            if "base64" in part
        ]
        texts = {part["field"]: part["text"] for part in request["form"] if "text" in part}
        reply = client.post(*encode_form(files, texts))
    return reply.status, reply.json() if reply.status == 200 else None


def problems(golden: Mapping[str, Any], status: int, answer: Any, relative: float, absolute: float) -> list[str]:
    """Say where an answer is not the recorded one; numbers may differ within the tolerances."""
    if status != golden["status"]:
        return [f"status was {golden['status']}, is {status}"]
    return [str(each) for each in differences(golden["answer"], answer, relative, absolute)]
