"""``model-service batch``: what a person types, sees, and gets as exit status."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from model_service.batch.options import BatchOptions, parse_options
from model_service.batch.outcome import Outcome, TooManyFailures
from model_service.errors import ModelServiceError
from model_service.telemetry import configure_logging

EXIT_DONE = 0
EXIT_FAILED_ITEMS = 1
EXIT_USAGE = 2


def main(argv: Sequence[str]) -> int:
    """Run the command; 0: every item has an answer, 1: some failed, 2: it could not run or had to stop."""
    try:
        options = parse_options(argv)
        from model_service.batch.run import run  # after --help, which needs none of what this loads

        configure_logging(options.log_level)
        with _signals_as_interrupts():
            outcome = run(options)
    except TooManyFailures as error:
        print(f"model-service batch: {error}", file=sys.stderr)
        return EXIT_FAILED_ITEMS
    except ModelServiceError as error:
        print(f"model-service batch: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("model-service batch: interrupted; run the same command again to go on", file=sys.stderr)
        return EXIT_USAGE
    if not options.quiet:
        _print_summary(options, outcome)
    return EXIT_FAILED_ITEMS if outcome.failed else EXIT_DONE


@contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_summary(options: BatchOptions, outcome: Outcome) -> None:
    rate = f", {outcome.items_per_second:.1f} items/s" if outcome.items_per_second else ""
    print(f"{outcome.items} items: {outcome.items - outcome.failed} answered, {outcome.failed} failed{rate}")
    where = [str(path) for path in outcome.paths]
    if options.work_dir is not None:
        where = [options.output]
    print(f"results: {', '.join(where)}")
