"""The options of ``model-service batch``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model_service.batch.pointers import check_pointer
from model_service.errors import SettingsError
from model_service.inference.images import DEFAULT_MAX_PIXELS
from model_service.settings import Option, add_options, boolean, one_of, positive_seconds, resolve, whole_number
from model_service.storage import is_url

_MODES = one_of("off", "warn", "coerce", "strict")
_FORMATS = ("jsonl", "modelarts", "npy", "parquet")
_MANY = 1 << 40

OPTIONS = (
    Option("input", str, None, "folder, pattern, or file: IDX, .npy, .npz, .csv, .jsonl, .manifest; or a URL", "SRC"),
    Option("output", str, None, "folder for the results, new or of the same run; a URL needs --work-dir", "DEST"),
    Option("format", one_of(*_FORMATS), "jsonl", "jsonl, modelarts, npy or parquet"),
    Option("tensors", boolean, False, "no hooks: rows of arrays go to the model's inputs as they are"),
    Option("batch-size", whole_number(1, 65536), 64, "items joined into one Predict", "N"),
    Option("in-flight", whole_number(1, 1024), None, "batches worked on at once (default: two per worker)", "N"),
    Option("workers", whole_number(1, 256), None, "processes that run the hooks (default: one per CPU)", "N"),
    Option("field", str, None, "form field of files (default: the contract's only one, else images)", "NAME"),
    Option("mapping", Path, None, "mapping rule of CSV columns: the request schema with an index per leaf", "FILE"),
    Option("csv-header", boolean, False, "the first row of a CSV file holds names"),
    Option("select", check_pointer, "", "keep only this part of each answer, a JSON pointer", "POINTER"),
    Option("max-failures", whole_number(0, _MANY), None, "stop when more items than this have failed", "N"),
    Option("patience", positive_seconds, 300.0, "seconds a model server may be away before the run stops", "SECONDS"),
    Option("predict-timeout", positive_seconds, 600.0, "seconds the model server may take for one Predict", "SECONDS"),
    Option("restart", boolean, False, "throw away what is in --output of another run, and begin anew"),
    Option("work-dir", Path, None, "local folder for the run when --output is a URL", "DIR"),
    Option("engine", one_of("local", "ray"), "local", "local: this machine; ray: a Ray cluster"),
    Option("ray-address", str, None, "address of the Ray cluster (default: one is started here)", "ADDR"),
    Option("quiet", boolean, False, "no progress, no summary"),
    Option("backend", str, "auto", "auto, embedded, tensorflow_model_server, the path of one, HOST:PORT or unix:/path"),
    Option("model-name", str, "serve", "name of the model on the model server", "NAME"),
    Option("service", Path, None, "file to use instead of the package's customize_service.py", "FILE"),
    Option("validate-request", _MODES, None, "off, warn, coerce or strict (default: config.json, else strict)", "MODE"),
    Option("validate-response", _MODES, None, "off, warn, coerce or strict (default: config.json, else warn)", "MODE"),
    Option("max-item-bytes", whole_number(1, 1 << 31), 100_000_000, "largest file that is read as an item", "N"),
    Option("max-image-pixels", whole_number(1, _MANY), DEFAULT_MAX_PIXELS, "largest image, width x height", "N"),
    Option("log-level", one_of("debug", "info", "warning", "error"), "warning", "debug, info, warning, error", "LEVEL"),
)


@dataclass(frozen=True)
class BatchOptions:
    """Every option of the command, parsed; see :data:`OPTIONS` for what each means. Times are in seconds."""

    package: Path
    input: str
    output: str
    format: str
    tensors: bool
    batch_size: int
    in_flight: int | None
    workers: int | None
    field: str | None
    mapping: Path | None
    csv_header: bool
    select: str
    max_failures: int | None
    patience: float
    predict_timeout: float
    restart: bool
    work_dir: Path | None
    engine: str
    ray_address: str | None
    quiet: bool
    backend: str
    model_name: str
    service: Path | None
    validate_request: str | None
    validate_response: str | None
    max_item_bytes: int
    max_image_pixels: int
    log_level: str

    @property
    def folder(self) -> Path:
        """The local folder that results are written to."""
        return Path(self.output) if self.work_dir is None else self.work_dir


def parse_options(argv: Sequence[str]) -> BatchOptions:
    """Parse the command line.

    Raises:
        SettingsError: something is unusable.
        SystemExit: ``--help``, or the parser's own usage error (status 2).
    """
    parser = argparse.ArgumentParser(
        prog="model-service batch",
        description="Run a package over many items. A run that is interrupted goes on when the same command is given "
        "again: no item is lost and none is answered twice.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "package", type=Path, help="folder that holds model/, model/ itself, a training output or an archive"
    )
    add_options(parser, OPTIONS, has_variables=False)
    flags = vars(parser.parse_args(argv))
    package = flags.pop("package")
    values = resolve(OPTIONS, flags, {})
    if values["input"] and not is_url(values["input"]):
        values["input"] = os.path.abspath(values["input"])  # workers have working directories of their own
    options = BatchOptions(package=package, **values)
    _check(options)
    return options


def _check(options: BatchOptions) -> None:
    for name in ("input", "output"):
        if not getattr(options, name):
            raise SettingsError(f"--{name} is needed")
    if is_url(options.output) and options.work_dir is None:
        raise SettingsError(f"--output {options.output}: a URL needs --work-dir, a local folder for the run")
    if not is_url(options.output) and options.work_dir is not None:
        raise SettingsError("--work-dir is for an --output that is a URL")
    if options.tensors:
        for name in ("field", "mapping", "select", "service"):
            if getattr(options, name):
                raise SettingsError(f"--{name} is for the hooks, which --tensors leaves out")
        if options.engine != "local":
            raise SettingsError("--tensors runs on this machine; leave out --engine ray")
    if options.ray_address is not None and options.engine != "ray":
        raise SettingsError("--ray-address is for --engine ray")
