"""Batch runs against what bounds them: the same model called in-process, and Pillow alone.

``python tests/benchmarks/batch.py [--rows 60000] [--pictures 1500] [--case tensors|pictures|mnist]``. Ratios are within
one run on one machine. The time of a batch run counts from its first item on; its start (a model server, and a worker
per CPU) is printed beside it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

BATCH_SIZE = 64
PIXELS = 784
WIDE = """
import sys
import tensorflow as tf

dense = tf.keras.layers.Dense
wide = [dense(2048, activation="relu"), dense(2048, activation="relu"), dense(10, activation="softmax")]
tf.keras.Sequential([tf.keras.Input([784], name="images"), *wide]).export(sys.argv[1], verbose=False)
"""
IN_PROCESS = """
import sys, time
import numpy as np
import tensorflow as tf

model, rows, batch_size, output = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
call = tf.saved_model.load(model).signatures["serving_default"]
(name,) = call.structured_input_signature[1]
data = np.load(rows, mmap_mode="r")
call(**{name: tf.constant(data[:batch_size])})
started = time.perf_counter()
scores = []
for first in range(0, len(data), batch_size):
    (score,) = call(**{name: tf.constant(data[first : first + batch_size])}).values()
    scores.append(score.numpy())
np.save(output, np.concatenate(scores))
print(len(data) / (time.perf_counter() - started))
"""
SERVICE = """
import numpy as np
from PIL import Image

from model_service.tfserving_model_service import TfServingBaseService


class PictureService(TfServingBaseService):
    def _preprocess(self, data):
        (content,) = data["images"].values()
        picture = Image.open(content).resize((28, 28), Image.Resampling.NEAREST).convert("L")
        return {"images": np.asarray(picture, dtype=np.float32).reshape(1, 784) / 255}

    def _postprocess(self, data):
        scores = data["scores"][0]
        return {"label": scores.index(max(scores)), "scores": scores}
"""


def quiet() -> dict[str, str]:
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


def run_python(code: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], env=quiet(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def batch(package: Path, source: Path, output: Path, *flags: str) -> tuple[float, float]:
    """Run the command; return its own rate in items per second, and the seconds that are not in it."""
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "model_service.cli", "batch", str(package), "--input", str(source)]
    started = time.perf_counter()
    done = subprocess.run([*command, "--output", str(output), *flags], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    found = re.search(r"(\d+) items: .*, ([\d.]+) items/s", done.stdout)
    if done.returncode or found is None:
        raise SystemExit(done.stdout + done.stderr)
    return float(found[2]), seconds - int(found[1]) / float(found[2])


def show(name: str, rate: float, bound: float, start_seconds: float) -> None:
    print(
        f"{name:34} {rate:9.0f} items/s   bound {bound:9.0f}   ratio {rate / bound:.2f}   start {start_seconds:.1f} s"
    )


def tensors(folder: Path, rows: int, repeats: int) -> None:
    run_python(WIDE, folder / "wide" / "model")
    data = np.random.default_rng(3).random((rows, PIXELS), dtype=np.float32)
    np.save(folder / "rows.npy", data)
    for _ in range(repeats):
        bound = float(
            run_python(IN_PROCESS, folder / "wide/model", folder / "rows.npy", BATCH_SIZE, folder / "own.npy")
        )
        output = folder / "out-tensors"
        rate, start = batch(folder / "wide", folder / "rows.npy", output, "--tensors", "--format", "npy")
        show("784x2048x2048 --tensors", rate, bound, start)
        (scores,) = output.glob("*.npy")
        np.testing.assert_allclose(np.load(scores), np.load(folder / "own.npy"), rtol=1e-4, atol=1e-6)


def write_picture_package(folder: Path, model: Path) -> None:
    shutil.copytree(model, folder / "model")
    (folder / "model" / "customize_service.py").write_text(SERVICE, encoding="utf-8")
    schema = {"type": "object", "properties": {"images": {"type": "file"}}, "required": ["images"]}
    api = {"request": {"data": schema}, "response": {"data": {"type": "object"}}}
    (folder / "model" / "config.json").write_text(json.dumps({"apis": [api]}), encoding="utf-8")


def write_jpegs(folder: Path, count: int) -> None:
    """Pictures with about the detail of a photograph: 1024 x 1024, some 250 kB each."""
    folder.mkdir()
    random = np.random.default_rng(4)
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (64, 64, 3), dtype=np.uint8)).resize((1024, 1024))
        noise = random.normal(0, 6, (1024, 1024, 1))
        pixels = np.clip(np.asarray(coarse, dtype=np.float32) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:05}.jpg", quality=85)


def decode(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()


def decoding_rate(paths: list[Path]) -> float:
    """Pillow alone, by threads or by processes, whatever is faster."""
    rates = []
    makers: list[Callable[[int], Executor]] = [ThreadPoolExecutor, ProcessPoolExecutor]
    for make in makers:
        with make(len(os.sched_getaffinity(0))) as executor:
            list(executor.map(decode, paths[:8]))
            started = time.perf_counter()
            list(executor.map(decode, paths, chunksize=4))
            rates.append(len(paths) / (time.perf_counter() - started))
    return max(rates)


def pictures(folder: Path, count: int, repeats: int) -> None:
    run_python(MODEL_28, folder / "small")
    write_picture_package(folder / "package", folder / "small")
    write_jpegs(folder / "jpegs", count)
    paths = sorted((folder / "jpegs").iterdir())
    for _ in range(repeats):
        bound = decoding_rate(paths)
        rate, start = batch(folder / "package", folder / "jpegs", folder / "out-pictures")
        show("1024x1024 JPEGs, hooks", rate, bound, start)


MODEL_28 = """
import sys
import tensorflow as tf

layer = tf.keras.layers.Dense(10, activation="softmax", name="scores")


class Model(tf.Module):
    def __init__(self):
        self.weights = tf.Variable(tf.random.stateless_normal([784, 10], [1, 2]))

    @tf.function(input_signature=[tf.TensorSpec([None, 784], tf.float32, name="images")])
    def serve(self, images):
        return {"scores": tf.nn.softmax(images @ self.weights)}


model = Model()
tf.saved_model.save(model, sys.argv[1], {"serving_default": model.serve})
"""


def mnist(folder: Path, repeats: int) -> None:
    """MNIST-sized pictures through the same package: PNG files, and rows of an IDX file."""
    if not (folder / "package").exists():
        run_python(MODEL_28, folder / "small")
        write_picture_package(folder / "package", folder / "small")
    random = np.random.default_rng(5)
    digits = random.integers(0, 256, (10_000, 28, 28), dtype=np.uint8)
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz", "wb") as file:
        file.write(bytes([0, 0, 8, 3]) + np.array(digits.shape, ">u4").tobytes() + digits.tobytes())
    (folder / "pngs").mkdir()
    for number, digit in enumerate(digits):
        Image.fromarray(digit).save(folder / "pngs" / f"{number:05}.png")
    np.save(folder / "digits.npy", digits.reshape(-1, PIXELS))
    cases: Mapping[str, tuple[str, tuple[str, ...]]] = {
        "10,000 28x28 PNG files, hooks": ("pngs", ()),
        "10,000 IDX rows, hooks": ("t10k-images-idx3-ubyte.gz", ()),
        "10,000 rows, --tensors, npy": ("digits.npy", ("--tensors", "--format", "npy")),
        "10,000 rows, --tensors, jsonl": ("digits.npy", ("--tensors",)),
    }
    for _ in range(repeats):
        for name, (source, flags) in cases.items():
            rate, start = batch(folder / "package", folder / source, folder / "out-mnist", *flags)
            print(f"{name:34} {rate:9.0f} items/s   start {start:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", choices=("tensors", "pictures", "mnist"), action="append")
    arguments = parser.parse_args()
    cases = arguments.case or ["tensors", "pictures", "mnist"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "tensors" in cases:
            tensors(folder, arguments.rows, arguments.repeats)
        if "pictures" in cases:
            pictures(folder, arguments.pictures, arguments.repeats)
        if "mnist" in cases:
            mnist(folder, arguments.repeats)


if __name__ == "__main__":
    main()
