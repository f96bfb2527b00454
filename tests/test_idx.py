"""IDX files: every element type, any rank, plain or gzip, and what is said about damaged ones."""

from __future__ import annotations

import gzip
import math
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from model_service.errors import ModelServiceError
from model_service.idx import IdxError, read_idx

TYPES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def header(element_type: int, *shape: int) -> bytes:
    return bytes([0, 0, element_type, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t10k"


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("shape", [(), (3,), (0,), (2, 3, 4), (1,) * 20, (0, 28, 28)], ids=str)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_what_was_written_is_read(path: Path, kind: str, shape: tuple[int, ...], packed: bool) -> None:
    low, high = (-120.0, 120.0) if kind != "u1" else (0.0, 255.0)
    values = np.linspace(low, high, math.prod(shape)).reshape(shape).astype(kind)
    content = header(TYPES[kind], *shape) + values.astype(f">{kind}").tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)
    read = read_idx(path)
    assert read.dtype == np.dtype(kind)
    assert read.dtype.isnative
    assert read.shape == shape
    np.testing.assert_array_equal(read, values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x00\x00\x08", "3 bytes, too short"),
        (header(8, 3)[:6], "truncated: 6 bytes, not even the 8 bytes of its header"),
        (header(8, 3) + b"12", "truncated: its header announces uint8 [3], 11 bytes in all, but it has 10"),
        (header(8, 3) + b"1234", "trailing bytes: its header announces uint8 [3], 11 bytes in all, but it has more"),
        (header(0x0C, 2, 2) + bytes(15), "announces int32 [2, 2], 28 bytes"),
        (header(0x0A, 1) + b"1", "element type 0x0A is none of"),
        (b"\x89PNG\r\n\x1a\n", "no IDX file"),
        (b"PK\x03\x04....", "no IDX file"),
        (header(8, *[2**32 - 1] * 20), "truncated"),
        (header(8, 0, *[2**32 - 1] * 20), "no array of shape [0, 4294967295,"),
        (header(8, *[1] * 200) + b"1", "200 dimensions"),
        (gzip.compress(header(8, 3) + b"123", mtime=0)[:-9], "gzip data is damaged"),
        (gzip.compress(header(8, 3) + b"123", mtime=0) + b"junk", "gzip data is damaged"),
        (b"\x1f\x8b\x08\x00" + bytes(30), "gzip data is damaged"),
    ],
)
def test_what_is_no_idx_file_is_refused(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(IdxError) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert isinstance(caught.value, ModelServiceError)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(IdxError, match=r"nowhere: cannot be read: No such file"):
        read_idx(tmp_path / "nowhere")
    with pytest.raises(IdxError, match="cannot be read: Is a directory"):
        read_idx(tmp_path)


def test_a_small_gzip_that_unpacks_to_much_is_read_no_further_than_announced(path: Path) -> None:
    path.write_bytes(gzip.compress(header(8, 3) + bytes(30_000_000), compresslevel=1))
    tracemalloc.start()
    try:
        with pytest.raises(IdxError, match="trailing bytes"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
