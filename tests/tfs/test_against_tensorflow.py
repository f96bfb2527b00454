"""The same tensors as real TensorFlow, both ways. TensorFlow runs once, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from model_service.tfs.dtypes import BY_NAME
from tests.conftest import quiet_environment
from tests.tfs.compare_with_tensorflow import LIKE_TENSORFLOW


@pytest.fixture(scope="module")
def differences() -> dict[str, str]:
    """Case -> what differs, or "" """
    script = Path(__file__).with_name("compare_with_tensorflow.py")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=100, check=False, env=quiet_environment()
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", BY_NAME)
def test_tensorflow_reads_what_we_send(name: str, differences: dict[str, str]) -> None:
    assert differences[f"sending {name}"] == ""


@pytest.mark.parametrize("name", BY_NAME)
def test_we_read_what_tensorflow_writes(name: str, differences: dict[str, str]) -> None:
    assert differences[f"receiving {name}"] == ""


@pytest.mark.parametrize("name", BY_NAME)
def test_missing_values_are_zeros(name: str, differences: dict[str, str]) -> None:
    assert differences[f"missing {name}"] == ""


@pytest.mark.parametrize("name", BY_NAME)
def test_element_types_stand_for_each_other(name: str, differences: dict[str, str]) -> None:
    assert differences[f"dtype {name}"] == ""


@pytest.mark.parametrize("name", LIKE_TENSORFLOW)
def test_make_tensor_proto(name: str, differences: dict[str, str]) -> None:
    assert differences[f"make_tensor_proto of {name}"] == ""


def test_strings_in_raw_form(differences: dict[str, str]) -> None:
    assert differences["strings in raw form"] == ""


def test_every_case_was_asked_for(differences: dict[str, str]) -> None:
    assert len(differences) == 4 * len(BY_NAME) + len(LIKE_TENSORFLOW) + 1
