"""The command ``model-service``: a table of verbs, each imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from model_service import __version__

# verb -> ("module:function", one line of help); the function takes the remaining arguments, returns the exit status
VERBS: dict[str, tuple[str, str]] = {
    "serve": ("model_service.web.serve:main", "serve a package over HTTP"),
    "predict": ("model_service.client.cli:main", "send files to a served package and print the answers"),
    "batch": ("model_service.batch.cli:main", "run a package over many items; resumable, none lost, none repeated"),
    "train": (
        "model_training.cli:train_main",
        "run a training script as a versioned job and complete its package",
    ),
    "data": ("model_training.cli:data_main", "write a data set to a folder"),
    "init": ("model_packaging.init.cli:main", "make the skeleton of a package, which serves at once"),
    "package": ("model_packaging.cli:main", "make packages, and what they run in"),
    "check": ("model_packaging.check.cli:main", "read and run a package, and say what its callers would meet"),
    "evaluate": ("model_service.evaluation.cli:main", "compare predictions with labels, in numbers and pictures"),
    "model-server": ("model_service.model_server.__main__:main", "run the embedded tensorflow_model_server"),
}

EXIT_USAGE = 2


def _help_text() -> str:
    width = max(map(len, VERBS))
    rows = "\n".join(f"  {verb:<{width}}  {summary}" for verb, (_, summary) in VERBS.items())
    return f"usage: model-service [--version] VERB ...\n\nverbs:\n{rows}\n\nmodel-service VERB --help tells more."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status: 0 done, 1 findings or failed items, 2 usage or could not run."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help_text())
        return 0 if arguments else EXIT_USAGE
    if arguments[0] == "--version":
        print(f"model-service {__version__}")
        return 0
    verb, rest = arguments[0], arguments[1:]
    if verb not in VERBS:
        print(f"model-service: unknown verb {verb!r}; one of: {', '.join(VERBS)}", file=sys.stderr)
        return EXIT_USAGE
    module_name, _, function_name = VERBS[verb][0].partition(":")
    status: int = getattr(importlib.import_module(module_name), function_name)(rest)
    return status


if __name__ == "__main__":
    sys.exit(main())
