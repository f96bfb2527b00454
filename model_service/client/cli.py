"""``model-service predict``: send files to a service, print the answers."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from model_service.client.http import Client
from model_service.client.local import package_file_field, serve_package
from model_service.client.reply import Reply
from model_service.errors import ModelServiceError
from model_service.package.archive import opened_package
from model_service.settings import positive_seconds

_DEFAULT_FIELD = "images"


def main(argv: Sequence[str]) -> int:
    """Run the command; 0 when every answer was 200, 1 when some were not, 2 when it could not run."""
    parser = argparse.ArgumentParser(
        prog="model-service predict",
        description="Send each file to a running service, or to a package served for the purpose, and print one "
        "JSON line per file. Files named *.json are sent as a JSON body, all others as an upload.",
    )
    parser.add_argument("target", help="http://HOST:PORT/, a package's folder, or its archive")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--field", help="form field of the uploads (default: the contract's, else images)")
    parser.add_argument("--token", help="sent as X-Auth-Token")
    parser.add_argument("--timeout", type=positive_seconds, default=60.0, help="seconds for each answer (default: 60)")
    parser.add_argument("--backend", default="auto", help="model server for a package folder (default: auto)")
    arguments = parser.parse_args(argv)
    try:
        if arguments.target.startswith(("http://", "https://")):
            field = arguments.field or _DEFAULT_FIELD
            return _predict(arguments.target, field, arguments)
        with opened_package(Path(arguments.target)) as package:
            field = arguments.field or package_file_field(package) or _DEFAULT_FIELD
            with serve_package(package, "--backend", arguments.backend) as service:
                return _predict(service.url, field, arguments)
    except ModelServiceError as error:
        print(f"model-service predict: {error}", file=sys.stderr)
        return 2


def _predict(url: str, field: str, arguments: argparse.Namespace) -> int:
    failures = 0
    with Client(url, arguments.token, arguments.timeout) as client:
        for path in arguments.files:
            reply = _send(client, path, field)
            failures += reply.status != 200
            answer = {"file": str(path), "status": reply.status, "answer": _parsed(reply)}
            print(json.dumps(answer, ensure_ascii=False), flush=True)
    return 1 if failures else 0


def _send(client: Client, path: Path, field: str) -> Reply:
    if path.suffix != ".json":
        return client.send(files={field: path})
    try:
        return client.send(json.loads(path.read_bytes()))
    except OSError as error:
        raise ModelServiceError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ModelServiceError(f"{path}: not JSON: {error}") from error


def _parsed(reply: Reply) -> object:
    try:
        return reply.json()
    except ValueError:
        return reply.body.decode("utf-8", "replace")
