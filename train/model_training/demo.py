"""The demonstration behind ``make demo``: train, package, serve, post real digits, judge the answers."""

from __future__ import annotations

import argparse
import io
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from model_service.client import Client
from model_service.client.local import LocalService, serve_package
from model_service.errors import ModelServiceError
from model_training.cli import data_main, train_main
from model_training.mnist import read_folder

LEAST_ACCURACY = 0.85
MOST_MEDIAN_TOP_SCORE = 0.9999
_SHOWN = 10
_SEED = 1


class DemoFailed(ModelServiceError):
    """A step failed; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Verdict:
    """One digit: what it is, what the service said, and the probability it gave to that."""

    label: str
    answer: str
    score: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0: everything held, 1: a step failed."""
    parser = argparse.ArgumentParser(
        prog="python -m model_training.demo", description="Train, package, serve, predict."
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for data, model and pictures")
    parser.add_argument("--digits", type=int, default=500, help="test digits to post (default: 500)")
    parser.add_argument("--max_steps", default="1000", help="training steps (default: 1000)")
    arguments = parser.parse_args(argv)
    try:
        run(arguments.output, arguments.digits, arguments.max_steps)
    except ModelServiceError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    return 0


def run(output: Path, count: int, max_steps: str) -> None:
    """Run every step.

    Raises:
        ModelServiceError: a step failed.
    """
    data, train = output / "data", output / "train"
    _say("1/4  data: real MNIST digits")
    _must_succeed("1/4 data", data_main(["mnist", "--output", str(data)]))
    _say("2/4  train: softmax regression, and the package around it")
    _must_succeed(
        "2/4 train", train_main(["tf", "--data_url", str(data), "--train_url", str(train), "--max_steps", max_steps])
    )
    images, labels = _test_digits(data, count)
    _say(f"3/4  serve the package and post {len(images)} test digits as multipart PNG")
    with serve_package(train) as service:
        verdicts = _post_all(service, images, labels)
    _say("4/4  the answers")
    example = _keep_example(output, images[0])
    _report(verdicts)
    _judge(verdicts)
    print(f"\nKeep serving:   make serve\nThen ask it:    curl -F images=@{example} http://127.0.0.1:8080/")


def _say(text: str) -> None:
    print(f"\n== {text}", flush=True)


def _must_succeed(step: str, status: int) -> None:
    if status != 0:
        raise DemoFailed(f"step {step} failed with status {status}; the reason is above")


def _test_digits(data: Path, count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    mnist = read_folder(data)
    chosen = np.random.default_rng(_SEED).permutation(len(mnist.test_images))[:count]
    return mnist.test_images[chosen], mnist.test_labels[chosen]


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _post_all(service: LocalService, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> list[Verdict]:
    verdicts = []
    with Client(service.url) as client:
        pairs = zip(images, labels, strict=True)
        for number, (pixels, label) in enumerate(tqdm(pairs, total=len(images), unit="digit", ncols=80), 1):
            reply = client.send(files={"images": (f"{number}.png", _png(pixels))})
            if reply.status != 200:
                raise DemoFailed(
                    f"step 3/4 serve: digit {number} was answered with {reply.status}: {reply.body.decode()}\n"
                    f"what the service printed:\n{service.log_text()}"
                )
            prediction = reply.json()["predictions"][0]
            best_label, best_score = prediction["scores"][0]
            verdicts.append(Verdict(str(label), best_label, best_score))
    return verdicts


def _keep_example(output: Path, pixels: NDArray[np.uint8]) -> Path:
    path = output / "digit.png"
    path.write_bytes(_png(pixels))
    return path


def _accuracy(verdicts: Sequence[Verdict]) -> float:
    return statistics.fmean(verdict.label == verdict.answer for verdict in verdicts)


def _report(verdicts: Sequence[Verdict]) -> None:
    print(f"{'label':>7} {'answer':>7} {'score':>8}")
    for verdict in verdicts[:_SHOWN]:
        mark = "" if verdict.label == verdict.answer else "   wrong"
        print(f"{verdict.label:>7} {verdict.answer:>7} {verdict.score:>8.4f}{mark}")
    median = statistics.median(verdict.score for verdict in verdicts)
    print(f"\naccuracy over all {len(verdicts)}: {_accuracy(verdicts):.4f}   median top score: {median:.4f}")


def _judge(verdicts: Sequence[Verdict]) -> None:
    accuracy = _accuracy(verdicts)
    if accuracy < LEAST_ACCURACY:
        raise DemoFailed(
            f"step 4/4 answers: the accuracy is {accuracy:.4f}, below {LEAST_ACCURACY}. Train for longer "
            "(--max_steps), or look at what _preprocess does to a picture."
        )
    median = statistics.median(verdict.score for verdict in verdicts)
    if median > MOST_MEDIAN_TOP_SCORE:
        raise DemoFailed(
            f"step 4/4 answers: the median top score is {median:.6f}, above {MOST_MEDIAN_TOP_SCORE}. The model is fed "
            "pixels from 0 to 255 but was trained on 0 to 1: divide by 255 in _preprocess."
        )


if __name__ == "__main__":
    sys.exit(main())
