"""Arrays are read by rows from real files of every kind, and damaged or hostile ones are refused in one sentence."""

from __future__ import annotations

import gzip
import io
import random
import struct
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_service.batch.array_files import ArrayFileError, open_arrays
from model_service.batch.unpacked import DamagedFile
from model_service.errors import ModelServiceError
from model_service.storage import StorageError

Array = np.ndarray[Any, Any]
ROWS = np.arange(5 * 3 * 2, dtype=np.int16).reshape(5, 3, 2)
IDX_CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx(array: Array) -> bytes:
    code = IDX_CODES[array.dtype.str[1:]]
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


def npy(array: Array, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def npy_with(header: str, content: bytes = b"", version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode("latin1") + content


def announced(shape: str, kind: str = "'<i2'", is_fortran_order: bool = False) -> str:
    return f"{{'descr': {kind}, 'fortran_order': {is_fortran_order}, 'shape': {shape}, }}"


def npz(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def read_all(path: Path, skipped: int = 0, rows_per_read: int = 2) -> dict[str | None, Array]:
    with open_arrays(str(path)) as readers:
        found = {}
        for name, reader in readers.items():
            reader.skip(skipped)
            left = reader.header.shape[0] - skipped
            reads = range(0, left, rows_per_read)
            found[name] = np.concatenate(
                [reader.read(0), *(reader.read(min(rows_per_read, left - at)) for at in reads)]
            )
        return found


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", sorted(IDX_CODES))
def test_idx_of_every_element_type(tmp_path: Path, kind: str, is_packed: bool) -> None:
    array = ROWS.astype(kind)
    path = tmp_path / "images-idx3-ubyte"  # gzip is known by what it is, not by its name
    path.write_bytes(gzip.compress(idx(array)) if is_packed else idx(array))
    found = read_all(path)[None]
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    np.testing.assert_array_equal(read_all(path, skipped=3)[None], array[3:])


@pytest.mark.parametrize(
    "array",
    [
        ROWS,
        ROWS.astype(">f8"),
        ROWS.astype(bool),
        ROWS.astype("c8"),
        np.array(["a", "längeres"]),
        np.array([b"a", b"bc"]),
        np.asfortranarray(ROWS[:, 0, 0]),
        np.array([1, 2], np.float16),
        ROWS[:0],
    ],
    ids=lambda array: f"{array.dtype}-{array.ndim}-{len(array)}",
)
@pytest.mark.parametrize("wrapping", ["plain", "version 2", "gzip", "npz"])
def test_npy(tmp_path: Path, array: Array, wrapping: str) -> None:
    content = npy(array, (2, 0) if wrapping == "version 2" else None)
    content = {"gzip": gzip.compress, "npz": lambda content: npz(x=content)}.get(wrapping, bytes)(content)
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with open_arrays(str(path)) as readers:
        ((name, reader),) = readers.items()
        assert name == ("x" if wrapping == "npz" else None)
        assert reader.header.shape == array.shape
        reader.check_length()
    found = read_all(path)[name]
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)
    if len(array):
        np.testing.assert_array_equal(read_all(path, skipped=1)[name], array[1:])


def test_the_arrays_of_an_npz_are_read_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, images=ROWS, ages=np.arange(5.0))
    with open_arrays(str(path)) as readers:
        for row in range(5):
            np.testing.assert_array_equal(readers["images"].read(1), ROWS[row : row + 1])
            assert readers["ages"].read(1) == [float(row)]


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "neither an IDX nor an .npy file"),
    "text": (b"1,2,3\n", "neither an IDX nor an .npy file"),
    "one byte": (b"\x93", "neither an IDX nor an .npy file"),
    "IDX of an unknown type": (b"\0\0\x0a\1\0\0\0\1x", "neither an IDX nor an .npy file"),
    "IDX cut off in its header": (idx(ROWS)[:9], "ends within its header"),
    "IDX cut off": (idx(ROWS)[:-1], "ends before the 5 rows that its header announces"),
    "IDX of no dimension": (b"\0\0\x08\0x", "holds a single value, not rows"),
    "IDX of 255 dimensions": (
        b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"x",
        "announces 255 dimensions; damaged",
    ),
    "IDX with huge rows": (b"\0\0\x08\3" + b"\xff" * 12, "announces rows of 18446744065119617025 bytes; damaged"),
    "IDX with many rows": (b"\0\0\x08\1" + b"\xff" * 4 + b"x", "ends before the 4294967295 rows"),
    "npy cut off in its header": (npy(ROWS)[:40], "its header cannot be read"),
    "npy cut off before its header": (npy(ROWS)[:9], "ends within its header"),
    "npy cut off": (npy(ROWS)[:-1], "ends before the 5 rows that its header announces"),
    "npy of version 9": (b"\x93NUMPY\x09\0" + npy(ROWS)[8:], "of a version that is not known"),
    "npy of objects": (npy(np.array([{}, None], object)), "holds Python objects, which are not loaded"),
    "npy of records": (npy(np.zeros(3, "i4,f4")), "holds elements of type .*; save numbers or text"),
    "npy of dates": (npy(np.zeros(3, "M8[s]")), "holds elements of type datetime64"),
    "npy of one value": (npy(np.float32(1)), "holds a single value, not rows"),
    "npy in Fortran order": (npy(np.asfortranarray(ROWS)), "stored column by column; save numpy.ascontiguousarray"),
    "npy of empty rows": (npy_with(announced("(1000000000000, 0)")), "its rows, of shape \\[0\\], are empty"),
    "npy with huge rows": (npy_with(announced("(2, 99999, 99999)")), "announces rows of 19999600002 bytes; damaged"),
    "npy with many rows": (npy_with(announced(f"({10**12},)")), "ends before the 1000000000000 rows"),
    "npy with more rows than files have": (npy_with(announced(f"({10**15},)")), "announces 1000000000000000 rows; dam"),
    "npy with more rows than words have": (npy_with(announced(f"({10**30},)")), "announces 10+ rows; damaged"),
    "npy of negative rows": (npy_with(announced("(-5, 2)")), "announces the shape \\[-5, 2\\]; damaged"),
    "npy of half a row": (npy_with(announced("(2.5,)")), "its header cannot be read"),
    "npy of true rows": (npy_with(announced("(True,)"), b"12"), ""),
    "npy with code": (npy_with("{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,)}"), "cannot be read"),
    "npy that is no Python": (npy_with("{'descr': (((("), "its header cannot be read"),
    "npy with deep Python": (npy_with("(" * 9000), "its header cannot be read"),
    "npy of an unknown type": (npy_with(announced("(1,)", "'<q77'")), "its header cannot be read"),
    "npy of wide text": (npy_with(announced("(1,)", "'<U2000000000'")), "announces rows of 8000000000 bytes|cannot be"),
    "npy with an endless header": (b"\x93NUMPY\2\0\xff\xff\xff\xff" + b" " * 9999, "announces itself with 4294967295"),
    "gzip of text": (gzip.compress(b"1,2,3\n"), "neither an IDX nor an .npy file"),
    "gzip cut off": (gzip.compress(npy(np.random.default_rng(0).random(9999)))[:-50], "damaged: Compressed file ended"),
    "gzip that is damaged": (gzip.compress(npy(ROWS))[:-8] + b"12345678", "damaged: CRC check failed"),
    "gzip of gzip": (gzip.compress(gzip.compress(npy(ROWS))), "neither an IDX nor an .npy file"),
    "npz of differing rows": (npz(a=npy(ROWS), b=npy(ROWS[:3])), "arrays have \\[3, 5\\] rows; all must have the same"),
    "npz with a value": (npz(a=npy(ROWS), b=npy(np.float32(1))), r"\(b.npy\): holds a single value, not rows"),
    "npz with text": (npz(a=b"text"), r"\(a.npy\): neither an IDX nor an .npy file"),
    "npz of objects": (npz(a=npy(np.array([None]))), r"\(a.npy\): holds Python objects"),
    "npz cut off": (npz(x=npy(ROWS))[:-30], "damaged: File is not a zip file"),
    "npz with a member cut off": (npz(x=npy(ROWS)[:-1]), r"\(x.npy\): ends before the 5 rows"),
    "npz without a member": (b"PK\3\4" + bytes(30), "damaged: File is not a zip file"),
}


def check(path: Path) -> None:
    """What happens to an array file before a run."""
    with open_arrays(str(path)) as readers:
        for reader in readers.values():
            reader.check_length()


@pytest.mark.parametrize("case", BAD_FILES)
@pytest.mark.filterwarnings("ignore::numpy.exceptions.VisibleDeprecationWarning")
def test_files_that_are_refused(tmp_path: Path, case: str) -> None:
    content, message = BAD_FILES[case]
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    if not message:
        check(path)
        return
    with pytest.raises((ArrayFileError, DamagedFile), match=message) as caught:
        check(path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value)) < 500 + len(str(path))


def test_a_damaged_member_of_an_npz_is_found_before_the_run(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(npz(x=npy(np.random.default_rng(0).integers(0, 255, (9, 999), np.uint8))))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ArrayFileError, match=r"x.npz \(x.npy\): damaged: "):
        check(path)


def test_a_password_is_no_internal_error(tmp_path: Path) -> None:
    content = bytearray(npz(x=npy(ROWS)))
    for magic, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(magic) + flags] |= 1  # "encrypted"
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(ArrayFileError, match=r"x.npz: cannot be opened as an .npz file: .*password required"):
        check(path)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"x.npy: cannot be read: No such file or directory"):
        check(tmp_path / "x.npy")


@pytest.mark.filterwarnings("ignore")  # numpy warns of headers that Python 2 could have written
def test_any_change_of_a_byte_is_read_or_refused(tmp_path: Path) -> None:
    chance = random.Random(7)
    path = tmp_path / "x"
    for content in (npy(ROWS), idx(ROWS), gzip.compress(npy(ROWS)), npz(a=npy(ROWS), b=npy(ROWS))):
        for _ in range(200):
            changed = bytearray(content)
            for _ in range(chance.choice([1, 1, 2, 8])):
                changed[chance.randrange(min(len(changed), 200))] = chance.randrange(256)
            path.write_bytes(changed[: chance.choice([len(changed), chance.randrange(len(changed))])])
            with suppress(ModelServiceError):
                read_all(path)
                check(path)


def test_a_zip_bomb_costs_a_row_of_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    rows, row_bytes = 200, 1_000_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
        member.write(npy_with(announced(f"({rows}, {row_bytes})", "'|u1'")))
        for _ in range(rows):
            member.write(bytes(row_bytes))
    assert path.stat().st_size < 1_000_000
    code = (
        "import sys\n"
        "from model_service.batch.array_files import open_arrays\n"
        "with open_arrays(sys.argv[1]) as readers: readers['x'].check_length()\n"
        "with open_arrays(sys.argv[1]) as readers:\n"
        "    readers['x'].skip(198); print(readers['x'].read(1).sum())\n"
        "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    total, peak_kilobytes = map(int, done.stdout.split())
    assert total == 0
    assert peak_kilobytes * 1024 < rows * row_bytes / 2
