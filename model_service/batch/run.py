"""From options to results on disk.

The road of a run: source -> batches -> engine -> data files and journal -> the wanted form.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from model_service.batch.data_files import LINES_NAME, PARTIAL, DataFiles
from model_service.batch.engines import Job, service_options, started_engine
from model_service.batch.formats import UNFINISHED
from model_service.batch.formats.arrays import ARRAY_NAME, write_array
from model_service.batch.formats.modelarts import MANIFEST_NAME, RESULT_FOLDER, write_modelarts
from model_service.batch.formats.parquet import PARQUET_NAME, check_parquet, write_parquet
from model_service.batch.identity import has_arrays, identify
from model_service.batch.journal import FOLDER_NAME, Journal, discard, locked
from model_service.batch.options import BatchOptions
from model_service.batch.outcome import CannotGoOn, Outcome, TooManyFailures
from model_service.batch.progress import CountingProgress, Progress
from model_service.batch.ray.cluster import check_ray
from model_service.batch.row_mapping import read_rule
from model_service.batch.sources import open_source
from model_service.errors import SettingsError
from model_service.inference.preparation import prepare
from model_service.storage import is_url, upload_folder

_SPOOL_NAME = "inputs.jsonl"
_RUN_ROOT_NAME = "run-root"
_RUN_ROOT_PREFIX = "model-service-batch-"


def run(options: BatchOptions) -> Outcome:
    """Carry out a run, or what is left of it.

    Raises:
        ModelServiceError: it cannot run, or had to stop; what is finished is kept.
    """
    if options.format == "parquet":
        check_parquet()
    if options.engine == "ray":
        check_ray()
    folder = options.folder
    _check_places(options)
    journal_folder = folder / FOLDER_NAME
    with locked(journal_folder):
        if options.restart:
            _remove_outputs(folder, discard(journal_folder))
        with _run_root(journal_folder) as run_root:
            job = _prepare(options, journal_folder, run_root)
            plan, target = job.preparation.plan, job.preparation.backend.target
            journal = Journal(journal_folder, identify(options, job.source, plan, target, job.mapping_rule))
            try:
                return _run(job, journal)
            finally:
                journal.close()


def _prepare(options: BatchOptions, journal_folder: Path, run_root: Path) -> Job:
    counting = CountingProgress(options.quiet)
    source = open_source(options.input, journal_folder / _SPOOL_NAME, options.csv_header, counting)
    preparation = prepare(service_options(options), run_root)
    rule = read_rule(options.mapping) if options.mapping is not None else None
    return Job(options, source, preparation, rule, run_root)


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


def _remove_outputs(folder: Path, data_files: Iterable[str]) -> None:
    """Remove what another run has left, and nothing else that may lie there."""
    for name in {*data_files, LINES_NAME, RESULT_FOLDER, MANIFEST_NAME, ARRAY_NAME, PARQUET_NAME}:
        for path in (folder / name, folder / f"{name}{PARTIAL}", folder / f"{name}{UNFINISHED}"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


@contextmanager
def _run_root(journal_folder: Path) -> Iterator[Path]:
    """A private folder for the length of a run; what a killed run has left of its own is removed."""
    note = journal_folder / _RUN_ROOT_NAME
    if note.exists():
        left = Path(note.read_text(encoding="utf-8"))
        if left.name.startswith(_RUN_ROOT_PREFIX):
            shutil.rmtree(left, ignore_errors=True)
    try:
        run_root = Path(tempfile.mkdtemp(prefix=_RUN_ROOT_PREFIX))
        try:
            note.write_text(str(run_root), encoding="utf-8")
            yield run_root
        finally:
            shutil.rmtree(run_root, ignore_errors=True)
            note.unlink(missing_ok=True)
    except OSError as error:
        raise CannotGoOn(f"{error.filename or journal_folder}: {error.strerror}") from error


def _run(job: Job, journal: Journal) -> Outcome:
    options, source = job.options, job.source
    data = DataFiles(options.folder, journal, source.count, has_arrays(options))  # may take records back
    done, failed = (journal.last.items, journal.last.failed) if journal.last is not None else (0, 0)
    try:
        rate = 0.0
        if done < source.count:
            with (
                started_engine(job, done) as results,
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
