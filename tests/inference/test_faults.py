"""Whose fault an exception from a hook is."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import grpc
import pytest
from PIL import Image, UnidentifiedImageError

from model_service.errors import (
    BackendUnavailable,
    BadRequest,
    DeadlinePassed,
    HookFailed,
    InputRefused,
    Overloaded,
    RequestError,
)
from model_service.inference.faults import blame


def raised(call: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        call()
    return caught.value


def picture(image_format: str, size: tuple[int, int] = (64, 64)) -> bytes:
    content = BytesIO()
    Image.effect_noise(size, 50).save(content, image_format)
    return content.getvalue()


def opened(content: bytes) -> Callable[[], object]:
    return lambda: Image.open(BytesIO(content)).load()


class MyKeyError(KeyError):
    pass


@pytest.mark.parametrize("error", [KeyError("name"), TypeError("x"), MyKeyError("name"), UnboundLocalError()], ids=repr)
def test_the_originals_rule_for_key_and_type_errors(error: Exception) -> None:
    fault = blame(error)
    assert type(fault) is HookFailed
    expected = 400 if isinstance(error, KeyError | TypeError) else 500
    assert (fault.status, fault.erno, fault.detail) == (expected, "MR.0105", None)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("secret"),
        AttributeError("secret"),
        IndexError("secret"),
        ZeroDivisionError("secret"),
        RuntimeError("secret"),
        RecursionError("secret"),
        MemoryError("secret"),
        AssertionError("secret"),
        NotImplementedError("secret"),
        StopIteration("secret"),
        UnicodeDecodeError("utf-8", b"secret", 0, 1, "secret"),
        json.JSONDecodeError("secret", "doc", 0),
        InputRefused("secret"),
        OSError(errno.ENOSPC, "secret"),
        FileNotFoundError(errno.ENOENT, "secret"),
        OSError("secret, but not Pillow's"),
        SyntaxError("secret, but not Pillow's"),
        TimeoutError("secret"),
        SystemExit(3),
        Exception("secret"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_other_exception_is_the_packages_own(error: BaseException) -> None:
    fault = blame(error)
    assert type(fault) is HookFailed
    assert (fault.status, fault.erno) == (500, "MR.0105")
    assert "secret" not in f"{fault} {fault.detail}"


@pytest.mark.parametrize("error", [BadRequest("told", status=422), Overloaded(), DeadlinePassed("x")], ids=repr)
def test_what_knows_its_status_already_is_left_alone(error: RequestError) -> None:
    assert blame(error) is error


def test_an_error_of_the_author_with_its_own_status() -> None:
    fault = BadRequest("the side must be left or right", status=422)
    assert (fault.status, fault.erno, fault.detail) == (422, "MR.0101", "the side must be left or right")
    for status in (200, 399, 500):
        with pytest.raises(ValueError, match="from 400 to 499"):
            BadRequest("x", status=status)


# Images


BROKEN_IMAGES = {
    "empty": b"",
    "text": b"no image",
    "only a head": picture("PNG")[:20],
    "PNG": picture("PNG")[:-200],
    "JPEG": picture("JPEG")[:-300],
    "GIF": picture("GIF")[:-300],
    "BMP": picture("BMP")[:-300],
    "TIFF": picture("TIFF")[:1000],
    "WEBP": picture("WEBP")[:-300],
    "AVIF": picture("AVIF")[:-1],
    "JPEG2000": picture("JPEG2000")[:-300],
    "PGM": b"P5\n64 64\n255\n" + bytes(100),
    "damaged PGM": b"P5\nx 64\n255\n" + bytes(64 * 64),
    "damaged PNG": picture("PNG")[:60] + bytes(40) + picture("PNG")[100:],
}


@pytest.mark.parametrize("content", BROKEN_IMAGES.values(), ids=BROKEN_IMAGES)
def test_an_image_that_cannot_be_decoded_is_the_callers(content: bytes) -> None:
    fault = blame(raised(opened(content)))
    assert type(fault) is BadRequest
    assert (fault.status, fault.erno) == (400, "MR.0101")
    assert (fault.detail or "").startswith("an image cannot be decoded: ")
    assert "0x" not in (fault.detail or "")


def test_an_image_beyond_pillows_limit_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    error = raised(opened(picture("PNG")))
    assert isinstance(error, Image.DecompressionBombError)
    assert blame(error).status == 400


def test_a_file_of_the_package_that_is_missing_is_the_packages_own(tmp_path: Path) -> None:
    fault = blame(raised(lambda: Image.open(tmp_path / "background.png")))
    assert (type(fault), fault.status) == (HookFailed, 500)


def test_saving_to_a_full_disk_is_the_packages_own() -> None:
    def save() -> None:
        with open("/dev/full", "wb") as full:
            Image.new("L", (500, 500)).save(full, "BMP")

    fault = blame(raised(save))
    assert (type(fault), fault.status) == (HookFailed, 500)


def test_pillow_used_wrongly_is_the_packages_own() -> None:
    for call in (lambda: Image.new("L", (5, 5)).convert("nonsense"), lambda: Image.new("nonsense", (5, 5))):
        assert blame(raised(call)).status == 500


def test_an_image_fault_that_the_author_wrapped_is_the_packages_own() -> None:
    def wrapped() -> None:
        try:
            opened(b"no image")()
        except UnidentifiedImageError as error:
            raise ValueError("bad upload") from error

    assert blame(raised(wrapped)).status == 500


# The model server


def failed_call(code: grpc.StatusCode) -> grpc.RpcError:
    """As gRPC raises it, with a code of the test's choice."""
    methods = {"code": lambda self: code, "__init__": lambda self: None}
    error_class = type("FailedCall", (grpc.RpcError, grpc.Call), methods)
    error_class.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
    error: grpc.RpcError = error_class()
    return error


@pytest.mark.parametrize(
    ("code", "kind", "status", "erno"),
    [
        (grpc.StatusCode.UNAVAILABLE, BackendUnavailable, 503, "MR.0106"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlinePassed, 504, "MR.0107"),
        (grpc.StatusCode.INVALID_ARGUMENT, HookFailed, 500, "MR.0105"),
        (grpc.StatusCode.INTERNAL, HookFailed, 500, "MR.0105"),
    ],
    ids=str,
)
def test_what_the_model_server_says(code: grpc.StatusCode, kind: type[RequestError], status: int, erno: str) -> None:
    fault = blame(failed_call(code))
    assert type(fault) is kind
    assert (fault.status, fault.erno) == (status, erno)
    assert fault.retry_after_seconds == (1 if status == 503 else None)


def test_a_grpc_error_without_a_code() -> None:
    assert blame(grpc.RpcError()).status == 500


def test_a_process_without_grpc_stays_without_it() -> None:
    """A package that never calls the model server must not pay for gRPC when a hook fails."""
    script = """
import sys
from model_service.inference.faults import blame
assert blame(ValueError()).status == 500
assert "grpc" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
