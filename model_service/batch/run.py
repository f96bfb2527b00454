"""From options to results on disk.

The road of a run: source -> batches -> engine -> data files and journal -> the wanted form.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from model_service.backend.local import supervised
from model_service.batch.data_files import DataFiles
from model_service.batch.formats.arrays import write_array
from model_service.batch.formats.modelarts import write_modelarts
from model_service.batch.formats.parquet import check_parquet, write_parquet
from model_service.batch.identity import has_arrays, identify
from model_service.batch.items import BatchResult, in_batches
from model_service.batch.journal import FOLDER_NAME, Journal, discard, locked
from model_service.batch.options import BatchOptions
from model_service.batch.outcome import CannotGoOn, Outcome, TooManyFailures
from model_service.batch.progress import CountingProgress, Progress
from model_service.batch.requests import RequestMaker
from model_service.batch.row_mapping import read_rule
from model_service.batch.runner import RunnerOptions
from model_service.batch.sources import CsvSource, Source, open_source
from model_service.batch.worker import WorkerPlan
from model_service.errors import SettingsError
from model_service.inference.preparation import Preparation, ServiceOptions, prepare
from model_service.storage import is_url, upload_folder

_SPOOL_NAME = "inputs.jsonl"
_RUN_ROOT_NAME = "run-root"
_RUN_ROOT_PREFIX = "model-service-batch-"
_WAIT_SECONDS = 1e6  # an item of a batch run may wait for its instance as long as it takes
_TENSORS_IN_FLIGHT = 4


def run(options: BatchOptions) -> Outcome:
    """Carry out a run, or what is left of it.

    Raises:
        ModelServiceError: it cannot run, or had to stop; what is finished is kept.
    """
    if options.format == "parquet":
        check_parquet()
    folder = options.folder
    _check_places(options)
    journal_folder = folder / FOLDER_NAME
    with locked(journal_folder), _run_root(journal_folder) as run_root:
        if options.restart:
            discard(journal_folder)
        source = open_source(
            options.input, journal_folder / _SPOOL_NAME, options.csv_header, CountingProgress(options.quiet)
        )
        preparation = prepare(_service_options(options), run_root)
        identity = identify(options, source, preparation.plan, preparation.backend.target)
        journal = Journal(journal_folder, identity)
        try:
            return _run(options, source, preparation, journal, run_root)
        finally:
            journal.close()


def _check_places(options: BatchOptions) -> None:
    folder = options.folder
    if not is_url(options.input) and Path(options.input).is_dir():
        inside = folder.resolve()
        if inside.is_relative_to(Path(options.input).resolve()):
            raise SettingsError(f"--output {folder}: lies inside --input; results would become inputs")
    try:
        is_foreign = folder.exists() and not (folder / FOLDER_NAME).exists() and any(folder.iterdir())
    except OSError as error:
        raise SettingsError(f"--output {folder}: cannot be read: {error.strerror}") from error
    if is_foreign:
        raise SettingsError(f"--output {folder}: holds files that are no output of a batch run; name a new folder")


@contextmanager
def _run_root(journal_folder: Path) -> Iterator[Path]:
    """A private folder for the length of a run; what a killed run has left of its own is removed."""
    note = journal_folder / _RUN_ROOT_NAME
    if note.exists():
        left = Path(note.read_text(encoding="utf-8"))
        if left.name.startswith(_RUN_ROOT_PREFIX):
            shutil.rmtree(left, ignore_errors=True)
    run_root = Path(tempfile.mkdtemp(prefix=_RUN_ROOT_PREFIX))
    try:
        note.write_text(str(run_root), encoding="utf-8")
        yield run_root
    except OSError as error:
        raise CannotGoOn(f"{error.filename or journal_folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(run_root, ignore_errors=True)
        note.unlink(missing_ok=True)


def _service_options(options: BatchOptions) -> ServiceOptions:
    lanes = _lanes_per_worker(options)
    return ServiceOptions(
        package=options.package,
        service=options.service,
        model_name=options.model_name,
        backend=options.backend,
        sidecar="auto",
        validate_request=options.validate_request,
        validate_response=options.validate_response,
        threads=options.batch_size * lanes,
        wait_seconds=_WAIT_SECONDS,
        max_image_pixels=options.max_image_pixels,
    )


def _workers(options: BatchOptions) -> int:
    return options.workers or len(os.sched_getaffinity(0))


def _lanes_per_worker(options: BatchOptions) -> int:
    in_flight = options.in_flight or 2 * _workers(options)
    return max(1, in_flight // _workers(options))


def _run(options: BatchOptions, source: Source, preparation: Preparation, journal: Journal, run_root: Path) -> Outcome:
    data = DataFiles(options.folder, journal, source.count, has_arrays(options))  # may take records back
    done = sum(record.items for record in journal.records)
    failed = sum(record.failed for record in journal.records)
    try:
        rate = 0.0
        if done < source.count:
            with (
                _started_engine(options, source, preparation, done, run_root) as results,
                Progress(source.count, done, failed, options.quiet) as progress,
            ):
                for result in results:
                    data.append(result)
                    progress.add(result)
                    failed += result.failed
                    _check_failures(failed, options.max_failures)
                rate = progress.items_per_second
        paths = data.finish()
    finally:
        data.close()
    written = _write_form(options, paths, source.count)
    if not journal.is_complete:
        journal.complete()
    if options.work_dir is not None:
        upload_folder(options.folder, options.output)
    return Outcome(source.count, failed, written, rate)


def _check_failures(failed: int, most: int | None) -> None:
    if most is not None and failed > most:
        raise TooManyFailures(
            f"stopped: {failed} items have failed, --max-failures is {most}; the same command with a higher one goes on"
        )


@contextmanager
def _started_engine(
    options: BatchOptions, source: Source, preparation: Preparation, start: int, run_root: Path
) -> Iterator[Iterator[BatchResult]]:
    """Start what works on batches; yields the results of all items from ``start`` on, in order."""
    if options.tensors:
        with _tensor_results(options, source, preparation, start) as results:
            yield results
        return
    plan = _worker_plan(options, source, preparation, run_root)
    batches = in_batches(source.items(start), options.batch_size, start // options.batch_size)
    if options.engine == "ray":
        from model_service.batch.ray_engine import RayEngine

        with RayEngine(plan, options.ray_address) as ray_engine:
            yield ray_engine.run(batches)
        return
    from model_service.batch.workers import LocalEngine

    with (
        supervised(preparation.backend, preparation.backend_folder, preparation.is_lazy),
        LocalEngine(plan, _workers(options)) as engine,
    ):
        yield engine.run(batches)


def _worker_plan(options: BatchOptions, source: Source, preparation: Preparation, run_root: Path) -> WorkerPlan:
    rule = read_rule(options.mapping) if options.mapping is not None else None
    plan = WorkerPlan(
        service=preparation.plan,
        run_root=run_root,
        field=options.field,
        mapping_rule=rule,
        max_item_bytes=options.max_item_bytes,
        runner=RunnerOptions(
            batch_size=options.batch_size,
            concurrent_batches=_lanes_per_worker(options),
            joins_predicts=not preparation.plan.traits.lock_line,
            predict_timeout_seconds=options.predict_timeout,
            patience_seconds=options.patience,
            select=options.select,
        ),
        log_level=options.log_level,
    )
    if isinstance(source, CsvSource):  # a rule that cannot be used must be said before the run
        maker = RequestMaker(plan.service.config, plan.field, rule, plan.max_item_bytes, options.max_image_pixels)
        maker.row_mapping()
    return plan


@contextmanager
def _tensor_results(
    options: BatchOptions, source: Source, preparation: Preparation, start: int
) -> Iterator[Iterator[BatchResult]]:
    from model_service.batch.tensors import TensorEngine, tensor_batches
    from model_service.tfs.client import ModelServerClient

    backend = preparation.backend
    with supervised(backend, preparation.backend_folder):
        client = ModelServerClient(backend.target, backend.model_name)
        try:
            signature = client.read_signature(options.predict_timeout)
            engine = TensorEngine(
                client,
                signature,
                options.in_flight or _TENSORS_IN_FLIGHT,
                options.predict_timeout,
                options.patience,
                has_arrays(options),
            )
            yield engine.run(tensor_batches(source, signature, start, options.batch_size))
        finally:
            client.close()


def _write_form(options: BatchOptions, paths: Sequence[Path], count: int) -> Sequence[Path]:
    """Make the wanted form of the JSON lines; they stay beside it."""
    lines = next(path for path in paths if path.suffix == ".jsonl")
    try:
        if options.format == "modelarts":
            return write_modelarts(lines, options.folder)
        if options.format == "parquet":
            return write_parquet(lines, options.folder)
        if options.format == "npy" and not has_arrays(options):
            return write_array(lines, options.folder, count)
    except OSError as error:
        raise CannotGoOn(
            f"{error.filename or options.folder}: cannot be written: {error.strerror}. All items are done: make room, "
            "or mend it, and run the same command again"
        ) from error
    return paths
