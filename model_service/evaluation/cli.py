"""``model-service evaluate``: predictions against labels."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from model_service.errors import ModelServiceError
from model_service.evaluation.answers import KNOWN_SHAPES


def main(argv: Sequence[str]) -> int:
    """Run the command; 0 done, 1 when the accuracy is below ``--min-accuracy``, 2 when it could not run."""
    arguments = _parser().parse_args(argv)
    try:
        return _evaluate(arguments)
    except ModelServiceError as error:
        print(f"model-service evaluate: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="model-service evaluate",
        description="Compare predictions with labels and write evaluation_result.json, confusion_matrix.png and, if "
        "the items' pictures are given, worst_mistakes.png.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--predictions",
        required=True,
        type=Path,
        metavar="FILE",
        help=".npy (class numbers [N] or scores [N, C]), JSON lines of `model-service batch`, or an output manifest",
    )
    parser.add_argument(
        "--labels",
        required=True,
        type=Path,
        metavar="FILE",
        help="IDX (.gz or not), .npy, CSV (source,label or a label a line), a manifest with annotation or label, or "
        "the folder of t10k-labels-idx1-ubyte",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--answer",
        type=_json_pointer,
        metavar="POINTER",
        help="JSON pointer to the class or the scores in each answer, like /data/label; empty: the whole answer "
        f"(default: found in {KNOWN_SHAPES})",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="PATH",
        help="the items' pictures: an IDX file in the order of the predictions, or the folder of the sources",
    )
    parser.add_argument("--no-pictures", action="store_true", help="write no PNG; needs no matplotlib")
    parser.add_argument(
        "--update-metrics",
        type=Path,
        metavar="PACKAGE",
        help="also write accuracy, precision, recall and f1 into metrics of the package's config.json",
    )
    parser.add_argument(
        "--min-accuracy",
        type=_share,
        metavar="X",
        help="exit status 1 if the accuracy is below X, a number from 0 to 1",
    )
    return parser


def _json_pointer(text: str) -> str:
    if text and not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"{text!r} must begin with /, like /data/label, or be empty")
    return text


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number from 0 to 1")
    return share


def _evaluate(arguments: argparse.Namespace) -> int:
    from model_service.evaluation.run import EvaluationOrder, evaluate

    order = EvaluationOrder(
        predictions=arguments.predictions,
        labels=arguments.labels,
        output=arguments.output,
        answer_pointer=arguments.answer,
        images=arguments.images,
        with_pictures=not arguments.no_pictures,
        package=arguments.update_metrics,
    )
    evaluation = evaluate(order)
    _print("\n".join(evaluation.lines))
    accuracy, wanted = evaluation.metrics.accuracy, arguments.min_accuracy
    if wanted is not None and accuracy < wanted:
        print(f"model-service evaluate: accuracy {accuracy:.6g} is below --min-accuracy {wanted:g}", file=sys.stderr)
        return 1
    return 0


def _print(text: str) -> None:
    """Print what may hold names in any script, on a terminal that may not know it."""
    encoding = sys.stdout.encoding or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding))
