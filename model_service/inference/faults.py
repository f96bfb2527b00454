"""Whose fault an exception from a hook is (design D6): one place turns it into a RequestError."""

from __future__ import annotations

import traceback
from http import HTTPStatus
from pathlib import PurePath

from PIL import Image, UnidentifiedImageError

from model_service.errors import BadRequest, HookFailed, RequestError


def blame(error: BaseException) -> RequestError:
    """Return the error to answer with; the caller chains and logs the cause."""
    if isinstance(error, RequestError):
        return error
    if _is_image_fault(error):
        return BadRequest(f"an image cannot be decoded: {_plain(error)}")
    grpc_fault = _grpc_fault(error)
    if grpc_fault is not None:
        return grpc_fault
    if isinstance(error, KeyError | TypeError):
        return HookFailed(HTTPStatus.BAD_REQUEST)
    return HookFailed()


def _is_image_fault(error: BaseException) -> bool:
    """Pillow's own errors, and what it raises as OSError or SyntaxError for broken data (no errno: not the disk's)."""
    if isinstance(error, UnidentifiedImageError | Image.DecompressionBombError):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return False
    file = _pillow_file(error)
    if file is None:
        return False
    return isinstance(error, OSError | SyntaxError) or file.endswith("ImagePlugin.py")


def _pillow_file(error: BaseException) -> str | None:
    """The file of Pillow that raised it; its plugins only ever read images."""
    frames = traceback.extract_tb(error.__traceback__)
    path = PurePath(frames[-1].filename) if frames else PurePath()
    return path.name if "PIL" in path.parts else None


def _plain(error: BaseException) -> str:
    """Pillow's message without the ``<_io.BytesIO object at 0x...>`` it prints for uploads."""
    if isinstance(error, UnidentifiedImageError):
        return "it is in no known image format"
    return str(error)


def _grpc_fault(error: BaseException) -> RequestError | None:
    # A worker whose package never calls the model server has not loaded gRPC, and then this is no gRPC error.
    import sys

    if "grpc" not in sys.modules:
        return None
    import grpc

    from model_service.tfs.faults import request_error

    return request_error(error) if isinstance(error, grpc.RpcError) else None
