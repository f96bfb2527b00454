"""Reading never fails, whatever the files hold: packages with random damage, always the same."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from model_packaging.check.package_check import CheckOptions, check_package
from tests.conftest import TESTS_FOLDER

PACKAGES = [TESTS_FOLDER / "packages" / "careful", *sorted((TESTS_FOLDER / "packages" / "faulty").iterdir())]
PIECES = [b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\0", b"\xff", b"null", b"1e999", b"(", b")", b"  ", b"\n"]
WORDS = [
    b"__main__",
    b"import .",
    b"None",
    b"self",
    b"*",
    b"lambda: ",
    b"global data\n",
    b"async ",
    b"@",
    b"\xe2\x80\xae",
]


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Cut a piece out, put one in, or exchange two lines."""
    at, end = sorted(chance.choices(range(len(content) + 1), k=2))
    lines = content.splitlines(keepends=True)
    return chance.choice(
        [
            content[:at] + content[at + chance.randint(1, 20) :],
            content[:at] + chance.choice(PIECES + WORDS) + content[at:],
            content[:at] + content[end:],
            b"".join(chance.sample(lines, len(lines))),
            content.replace(chance.choice([b"data", b"object", b"x", b"import"]), chance.choice(WORDS)),
        ]
    )


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_read(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        shutil.rmtree(tmp_path / "package", ignore_errors=True)
        shutil.copytree(chance.choice(PACKAGES), tmp_path / "package", symlinks=True)
        files = sorted(path for path in (tmp_path / "package" / "model").iterdir() if path.is_file())
        victim = chance.choice(files)
        victim.write_bytes(damaged(victim.read_bytes(), chance))
        for finding in check_package(CheckOptions(tmp_path / "package", runs_package=False)).findings:
            assert finding.message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"3",
        b"[" * 100_000,
        b'{"apis": [[[]]]}',
        b'{"a":' * 3000 + b"1" + b"}" * 3000,
        b"\xef\xbb\xbf{}",
    ],
)
def test_odd_values_for_a_config(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    assert check_package(CheckOptions(tmp_path, runs_package=False)).findings


@pytest.mark.parametrize(
    "content", [b"(" * 5000, b"x = " + b"-" * 20_000 + b"1", b"\0", b"# coding: nothing\n", b"\xff"]
)
def test_odd_texts_for_a_service(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_text('{"model_algorithm": "a", "model_type": "TensorFlow"}')
    (tmp_path / "customize_service.py").write_bytes(content)
    codes = [each.code for each in check_package(CheckOptions(tmp_path, runs_package=False)).findings]
    assert "service-syntax" in codes
