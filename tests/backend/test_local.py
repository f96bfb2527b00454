"""A model server of our own for a with block, and many Predicts on it; the real embedded server."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from model_service.backend.local import local_model_server
from model_service.errors import BackendUnavailable, HookFailed, InputRefused, PackageError, SettingsError
from model_service.tfs.client import ModelServerClient
from model_service.tfs.signature import Signature
from tests.conftest import SavedModels
from tests.models import IMAGE_PIXELS, FloatArray, digits_scores
from tests.processes import process_ids

TIMEOUT_SECONDS = 20.0


@pytest.fixture(scope="module")
def digits(saved_model: SavedModels) -> Iterator[ModelServerClient]:
    with local_model_server(saved_model("digits"), backend="embedded") as client:
        yield client


@pytest.fixture(scope="module")
def signature(digits: ModelServerClient) -> Signature:
    return digits.read_signature(TIMEOUT_SECONDS)


def batches(count: int, rows: int = 3) -> list[dict[str, FloatArray]]:
    random = np.random.default_rng(5)
    return [{"images": random.random((rows, IMAGE_PIXELS), dtype=np.float32)} for _ in range(count)]


def server_pid(client: ModelServerClient) -> int:
    (pid,) = process_ids(client.target.removeprefix("unix:"), "model_service.model_server")
    return pid


def test_answers_come_in_the_order_of_the_batches(digits: ModelServerClient, signature: Signature) -> None:
    given = batches(25)
    answered: list[int] = []
    answers = list(digits.predict_many(iter(given), signature, on_progress=answered.append))
    assert answered == list(range(1, 26))
    assert len(answers) == len(given)
    for inputs, outputs in zip(given, answers, strict=True):
        np.testing.assert_allclose(outputs["scores"], digits_scores(inputs["images"]), rtol=1e-5)


@pytest.mark.parametrize("in_flight", [1, 3])
def test_an_endless_input_is_read_only_as_far_as_calls_are_in_flight(
    digits: ModelServerClient, signature: Signature, in_flight: int
) -> None:
    taken = 0

    def endless() -> Iterator[dict[str, FloatArray]]:
        nonlocal taken
        while True:
            taken += 1
            yield batches(1)[0]

    answers = digits.predict_many(endless(), signature, in_flight=in_flight)
    for number in range(1, 6):
        next(answers)
        assert taken <= number + in_flight
    answers.close()  # type: ignore[attr-defined]


def test_calls_are_made_again_while_a_killed_server_comes_back(digits: ModelServerClient, signature: Signature) -> None:
    given = batches(60)

    def killing() -> Iterator[dict[str, FloatArray]]:
        for number, inputs in enumerate(given):
            if number == 20:
                os.kill(server_pid(digits), signal.SIGKILL)
            yield inputs

    answers = list(digits.predict_many(killing(), signature, patience_seconds=60))
    assert len(answers) == len(given)
    for inputs, outputs in zip(given, answers, strict=True):
        np.testing.assert_allclose(outputs["scores"], digits_scores(inputs["images"]), rtol=1e-5)


def test_patience_ends(signature: Signature, tmp_path: Path) -> None:
    client = ModelServerClient(f"unix:{tmp_path}/nobody", "serve")
    began = time.monotonic()
    with pytest.raises(BackendUnavailable):
        list(client.predict_many(batches(1), signature, patience_seconds=0.3))
    assert time.monotonic() - began >= 0.3
    client.close()


def test_a_batch_that_does_not_fit_the_signature(digits: ModelServerClient, signature: Signature) -> None:
    with pytest.raises(InputRefused, match="picture"):
        list(digits.predict_many([{"picture": np.zeros((1, IMAGE_PIXELS), np.float32)}], signature))
    with pytest.raises(HookFailed) as caught:
        list(digits.predict_many([{"images": np.zeros((1, 5), np.float32)}], signature))
    assert "INVALID_ARGUMENT" in str(caught.value.__cause__)


def test_the_server_is_gone_after_the_block(saved_model: SavedModels) -> None:
    with local_model_server(saved_model("half_plus_two"), backend="embedded") as client:
        pid = server_pid(client)
    assert not Path(f"/proc/{pid}").exists()


def test_what_cannot_be_served(tmp_path: Path, saved_model: SavedModels) -> None:
    with pytest.raises(PackageError, match=r"there is no saved_model\.pb"), local_model_server(tmp_path):
        pass
    (tmp_path / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(PackageError, match="saved_model"), local_model_server(tmp_path, backend="embedded"):
        pass
    with pytest.raises(SettingsError, match="--backend"), local_model_server(saved_model("digits"), backend="what"):
        pass
