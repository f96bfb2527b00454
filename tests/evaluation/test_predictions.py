"""Files with predictions."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_service.evaluation.errors import EvaluationError
from model_service.evaluation.predictions import read_predictions


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "predictions"


def write_lines(path: Path, *entries: Any) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return path


def save(path: Path, array: Any) -> Path:
    with path.open("wb") as file:
        np.save(file, array)
    return path


def error(path: Path, pointer: str | None = None) -> str:
    with pytest.raises(EvaluationError) as caught:
        read_predictions(path, pointer)
    return str(caught.value)


# arrays


@pytest.mark.parametrize("kind", ["int64", "uint8", "int32", ">i4", "uint64"])
@pytest.mark.parametrize("shape", [(3,), (3, 1)], ids=str)
def test_class_numbers(path: Path, kind: str, shape: tuple[int, ...]) -> None:
    found = read_predictions(save(path, np.array([7, 0, 12], kind).reshape(shape)))
    assert (found.names, found.sources, found.scores, found.failures) == (("7", "0", "12"), None, None, {})


def test_class_names(path: Path) -> None:
    assert read_predictions(save(path, np.array(["cat", "a dog"]))).names == ("cat", "a dog")


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "uint8"])
def test_scores(path: Path, kind: str) -> None:
    values = np.array([[1, 3, 2], [9, 0, 0]], kind)
    found = read_predictions(save(path, values))
    assert found.names == ("1", "0")
    assert found.scores is not None
    assert found.scores.classes == ("0", "1", "2")
    np.testing.assert_array_equal(found.scores.values, values)


def test_an_item_whose_scores_hold_nan_failed(path: Path) -> None:
    found = read_predictions(save(path, np.array([[1.0, 2.0], [np.nan, 1.0], [np.inf, 0.0]])))
    assert found.names == ("1", None, "0")
    assert found.failures == {1: "its scores hold NaN"}


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3), "float [3]: one score per item"),
        (np.zeros((3, 1), "f4"), "float [3, 1]: one score per item"),
        (np.zeros((3, 2, 2)), "float64 [3, 2, 2] are no predictions"),
        (np.zeros(3, bool), "bool [3] are no predictions"),
        (np.zeros(3, complex), "complex128 [3] are no predictions"),
        (np.array(3), "int64 [] are no predictions"),
        (np.zeros(0, int), "holds no predictions"),
        (np.zeros((0, 3)), "holds no predictions"),
    ],
)
def test_arrays_that_are_no_predictions(path: Path, array: Any, message: str) -> None:
    assert error(save(path, array)).startswith(f"{path}: {message}")


class Trap:
    def __init__(self, trace: Path):
        self._trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._trace,)


def test_no_pickle_is_ever_loaded(tmp_path: Path, path: Path) -> None:
    trace = tmp_path / "trace"
    with path.open("wb") as file:
        np.save(file, np.array([Trap(trace)], object))
    assert "Python objects are not read" in error(path)
    bare = tmp_path / "bare.npy"
    bare.write_bytes(pickle.dumps(Trap(trace)))
    assert "no array as numpy.save writes it" in error(bare)
    assert not trace.exists()
    pickle.loads(bare.read_bytes())  # the trap does work
    assert trace.exists()


@pytest.mark.parametrize("keep", [6, 8, 60, 130])
def test_damaged_arrays(path: Path, keep: int) -> None:
    whole = save(path, np.arange(10)).read_bytes()
    path.write_bytes(whole[:keep])
    assert error(path).startswith(f"{path}: cannot be loaded: ")


def test_several_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.arange(2))
    assert "Save one array" in error(tmp_path / "a.npz")


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in error(tmp_path / "nowhere.npy")
    write_lines(tmp_path / "p.jsonl", {"answer": 1})
    assert "is a folder. Name the file with the predictions; here are: p.jsonl" in error(tmp_path)


# lines of a batch run


def test_lines_of_a_batch_run(path: Path) -> None:
    found = read_predictions(
        write_lines(
            path,
            {
                "item": 0,
                "source": "a/1.jpg",
                "result": "SUCCESSFUL",
                "answer": {"scores": [["x", "0.9"], ["y", "0.1"]]},
            },
            {"item": 1, "source": "a/2.jpg", "result": "FAILED", "error_message": "no picture"},
            {
                "item": 2,
                "source": "a/3.jpg",
                "result": "SUCCESSFUL",
                "answer": {"scores": [["y", "0.7"], ["z", "0.3"]]},
            },
        )
    )
    assert found.names == ("x", None, "y")
    assert found.sources == ("a/1.jpg", "a/2.jpg", "a/3.jpg")
    assert found.failures == {1: "no picture"}
    assert found.scores is not None
    assert found.scores.classes == ("x", "y", "z")
    nan = np.nan
    np.testing.assert_array_equal(found.scores.values, [[0.9, 0.1, nan], [nan] * 3, [nan, 0.7, 0.3]])


def test_the_number_of_the_item_decides_the_order(path: Path) -> None:
    lines = [{"item": item, "answer": item + 5} for item in (2, 0, 1)]
    assert read_predictions(write_lines(path, *lines)).names == ("5", "6", "7")
    assert "line 4: item 0 stands there twice, also in" in error(write_lines(path, *lines, {"item": 0, "answer": 1}))


def test_blank_lines_a_byte_order_mark_and_blanks_around_keys(path: Path) -> None:
    path.write_bytes(b'\xef\xbb\xbf{" answer ": 1}\r\n\r\n  \n{"answer": 2, "source ": null}')
    found = read_predictions(path)
    assert (found.names, found.sources) == (("1", "2"), None)


def test_failures_without_a_result_or_a_message(path: Path) -> None:
    found = read_predictions(
        write_lines(path, {"error_message": "gone"}, {"result": "FAILED"}, {"answer": [float("nan"), 1]})
    )
    assert found.names == (None, None, None)
    assert found.failures == {0: "gone", 1: "FAILED", 2: "its scores hold NaN"}
    assert found.scores is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON: "),
        ("[1]", "line 2: must be a JSON object like {...}, not [1]"),
        ("7", "line 2: must be a JSON object like {...}, not 7"),
        ('{"answer": ' + "9" * 5000 + "}", "line 2: not JSON: "),
        ('{"answer": ' + "[" * 100_000 + "}", "line 2: nests too deeply"),
        ('{"x": 1, "y": 2}', "line 2: has neither answer nor inference-loc; it has: x, y"),
        ("{}", "line 2: has neither answer nor inference-loc; it has: nothing"),
        ('{"result": "MAYBE", "answer": 1}', 'line 2: result is "MAYBE"; it must be SUCCESSFUL or FAILED, or absent'),
        ('{"answer": 1}', "line 2: names no source, other lines do"),
        ('{"source": "b", "answer": {"y": 1}}', 'line 2: no class found in the answer {"y": 1}. Known are: '),
    ],
)
def test_lines_that_cannot_be_used(path: Path, line: str, message: str) -> None:
    path.write_text('{"source": "a", "answer": 1}\n' + line + "\n")
    assert error(path).startswith(f"{path} {message}")


def test_an_answer_without_a_class_is_shown_shortened_with_the_remedy(path: Path) -> None:
    text = error(write_lines(path, {"answer": {"text": "long " * 1000}}))
    assert '{"text": "long long' in text
    assert "--answer POINTER" in text
    assert len(text) < 700


def test_bytes_that_are_not_utf8(path: Path) -> None:
    path.write_bytes(b'{"answer": "\xff"}\n')
    assert error(path) == f"{path} line 1: is not UTF-8 (at its byte 12)"


def test_a_pointer_into_each_answer(path: Path) -> None:
    write_lines(path, {"answer": {"best": [{"label": "cat"}]}}, {"answer": {"best": [{"label": 3}]}})
    assert read_predictions(path, "/best/0/label").names == ("cat", "3")
    text = error(path, "/best/1/label")
    assert text.startswith(f"{path} line 1: nothing stands at /best/1/label: there is no '1'. The answer is ")
    assert "no class found at /best of the answer" in error(path, "/best")


# manifests


def test_an_output_manifest(tmp_path: Path) -> None:
    (tmp_path / "infer-result").mkdir()
    (tmp_path / "infer-result" / "1.jpg_result.txt").write_text('{"predicted_label": "cat"}')
    (tmp_path / "elsewhere.txt").write_text("[0.1, 0.9]")
    manifest = write_lines(
        tmp_path / "infer-result-0.manifest",
        {"source ": "s3://b/1.jpg", " inference-loc": "infer-result/1.jpg_result.txt"},
        {"source": "s3://b/2.jpg", "result": "SUCCESSFUL", "inference-loc": str(tmp_path / "elsewhere.txt")},
        {"source": "s3://b/3.jpg", "result": "FAILED", "error_message": "ModelArts.4503"},
    )
    found = read_predictions(manifest)
    assert found.names == ("cat", "1", None)
    assert found.sources == ("s3://b/1.jpg", "s3://b/2.jpg", "s3://b/3.jpg")
    assert found.failures == {2: "ModelArts.4503"}


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("obs://bucket/1.txt", "obs://bucket/1.txt is not on this machine. Download the results"),
        ("s3://bucket/1.txt", "is not on this machine"),
        ("nowhere.txt", "nowhere.txt: no such file"),
        (".", "no such file"),
        ("/dev/zero", "/dev/zero: no such file"),
        ("a\0b", "m.manifest line 1: inference-loc: "),
        (7, "must be the path of a file, not 7"),
        ("", 'must be the path of a file, not ""'),
        ("text.txt", "text.txt: not JSON"),
        ("other.txt", "other.txt (named in "),
    ],
)
def test_results_that_cannot_be_read(tmp_path: Path, location: object, message: str) -> None:
    (tmp_path / "text.txt").write_text("cat")
    (tmp_path / "other.txt").write_text('{"x": 1}')
    manifest = write_lines(tmp_path / "m.manifest", {"source": "1", "inference-loc": location})
    assert message in error(manifest)
